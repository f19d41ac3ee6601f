-- What ThreatInsight does with requests from addresses that attack others, and a row for each zone
-- that it exempts. README.md tells what each reason means.
SELECT
  NULL AS subject_id, 'ThreatInsight' AS subject_name, NULL AS policy_id,
  CASE t.action
    WHEN 'block' THEN CASE WHEN x.zone_id IS NULL THEN 'blocks' WHEN z.is_open THEN 'exempts_most'
                           WHEN NOT z.is_open THEN 'exempts_few' ELSE 'exempts_unknown' END
    WHEN 'audit' THEN 'only_logs' WHEN 'none' THEN 'is_off' ELSE 'not_said' END AS reason,
  0 AS amount, NULL AS first_ms, NULL AS last_ms, NULL AS evidence,
  COALESCE(z.name, x.zone_id, t.action) AS detail
FROM threat_insight AS t
LEFT JOIN exempt_zones AS x ON t.action = 'block'
LEFT JOIN zones AS z ON z.zone_id = x.zone_id
