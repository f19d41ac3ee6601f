-- The default rule of each session policy. README.md tells what each reason means.
--
-- Parameter, BIGINT: $taken, when the snapshot was taken in UTC epoch milliseconds; 0 where nobody knows.
WITH
-- Sessions that a rule let in on one factor. One that passed a factor later did so after it was in.
sessions AS (
  SELECT s.rule_id, s.uuid, s.start_ms
  FROM legacy_sessions AS s
  WHERE s.policy_result = 'ALLOW'
    AND (s.mfa_status = 'single_factor' OR s.mfa_status = 'step_up')
),
used AS (
  SELECT
    s.rule_id, COUNT(*) AS amount, MIN(s.start_ms) AS first_ms, MAX(s.start_ms) AS last_ms
  FROM sessions AS s
  GROUP BY s.rule_id
),
-- Policies with an active rule that asks for nothing: what comes after it is never asked. One of an
-- odd status has a condition of that name, and one of another access may do anything.
caught AS (
  SELECT r.policy_id AS policy_id, MIN(r.place) AS place
  FROM rules AS r
  LEFT JOIN conditions AS c ON c.owner_id = r.rule_id
  WHERE r.is_active AND c.owner_id IS NULL AND (r.access = 'ALLOW' OR r.access = 'DENY')
    AND r.auth_type = 'ANY' AND r.connection = 'ANYWHERE' AND r.idp_provider = 'ANY'
    AND r.risk_level = 'ANY'
  GROUP BY r.policy_id
),
judged AS (
  SELECT
    r.rule_id AS rule_id, r.name AS name, r.policy_id AS policy_id,
    CASE WHEN NOT r.policy_is_active THEN 'inactive'
         WHEN r.access = 'DENY' THEN 'denies'
         WHEN r.access IS NULL OR r.access <> 'ALLOW' OR r.requires_factor IS NULL THEN 'not_said'
         WHEN r.requires_factor AND u.last_ms >= $taken THEN 'let_in_since'
         WHEN r.requires_factor THEN 'asks_for_a_factor'
         WHEN u.last_ms >= $taken THEN 'open'
         WHEN c.place < r.place THEN 'never_reached'
         ELSE 'open' END AS reason
  FROM rules AS r
  LEFT JOIN used AS u ON u.rule_id = r.rule_id
  LEFT JOIN caught AS c ON c.policy_id = r.policy_id
  WHERE r.policy_type = 'OKTA_SIGN_ON' AND r.is_system
)
SELECT
  j.rule_id AS subject_id, j.name AS subject_name, j.policy_id AS policy_id, j.reason AS reason,
  u.amount AS amount, u.first_ms AS first_ms, u.last_ms AS last_ms, s.uuid AS evidence,
  NULL AS detail
FROM judged AS j
LEFT JOIN used AS u ON u.rule_id = j.rule_id
LEFT JOIN sessions AS s ON s.rule_id = j.rule_id
ORDER BY s.start_ms DESC, s.uuid
