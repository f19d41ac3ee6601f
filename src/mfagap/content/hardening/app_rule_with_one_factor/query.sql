-- Every rule of Identity Engine's app policies. README.md tells what each reason means.
WITH
used AS (
  SELECT
    e.rule_id, COUNT(*) AS amount, MIN(e.event_ms) AS first_ms, MAX(e.event_ms) AS last_ms
  FROM events AS e
  WHERE LOWER(e.event_type) = 'policy.evaluate_sign_on' AND UPPER(e.outcome_result) = 'ALLOW'
  GROUP BY e.rule_id
)
SELECT
  r.rule_id AS subject_id, r.name AS subject_name, r.policy_id AS policy_id,
  CASE WHEN NOT r.is_active OR NOT r.policy_is_active THEN 'inactive'
       WHEN r.access = 'DENY' THEN 'denies'
       WHEN r.access IS NULL OR r.access <> 'ALLOW' OR r.requires_factor IS NULL THEN 'not_said'
       WHEN r.requires_factor THEN 'asks_for_two'
       WHEN r.is_system THEN 'catch_all'
       ELSE 'one_factor' END AS reason,
  u.amount AS amount, u.first_ms AS first_ms, u.last_ms AS last_ms, NULL AS evidence,
  NULL AS detail
FROM rules AS r
LEFT JOIN used AS u ON u.rule_id = r.rule_id
WHERE r.policy_type = 'ACCESS_POLICY'
