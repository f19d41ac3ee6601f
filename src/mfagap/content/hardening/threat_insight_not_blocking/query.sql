-- What ThreatInsight does with requests from addresses that attack others. README.md tells what each
-- reason means.
SELECT
  NULL AS subject_id, 'ThreatInsight' AS subject_name, NULL AS policy_id,
  CASE t.action WHEN 'block' THEN 'blocks' WHEN 'audit' THEN 'only_logs' WHEN 'none' THEN 'is_off'
                ELSE 'not_said' END AS reason,
  0 AS amount, NULL AS first_ms, NULL AS last_ms, NULL AS evidence, t.action AS detail
FROM threat_insight AS t
