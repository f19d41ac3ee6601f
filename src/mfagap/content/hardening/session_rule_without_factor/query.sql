-- Every rule of a session policy that is no default rule and not for RADIUS or the LDAP interface
-- alone, and every rule that only the log names. README.md tells what each reason means.
--
-- Parameters, all BIGINT; times are UTC epoch milliseconds:
--   $watermark   the end of the log
--   $taken       when the snapshot was taken; 0 where nobody knows
WITH
-- Sessions that a rule let in on one factor. One that passed a factor later did so after it was in.
sessions AS (
  SELECT s.rule_id, s.rule_name, s.policy_id, s.uuid, s.start_ms
  FROM legacy_sessions AS s
  WHERE s.policy_result = 'ALLOW'
    AND (s.mfa_status = 'single_factor' OR s.mfa_status = 'step_up')
),
used AS (
  SELECT
    s.rule_id, MAX(s.rule_name) AS rule_name, MAX(s.policy_id) AS policy_id, COUNT(*) AS amount,
    MIN(s.start_ms) AS first_ms, MAX(s.start_ms) AS last_ms
  FROM sessions AS s
  WHERE s.rule_id IS NOT NULL
  GROUP BY s.rule_id
),
changed AS (
  SELECT e.rule_id, MAX(e.event_ms) AS event_ms
  FROM events AS e
  WHERE LOWER(e.event_type) LIKE 'policy.rule.%' AND UPPER(e.outcome_result) = 'SUCCESS'
  GROUP BY e.rule_id
),
from_zones AS (
  SELECT DISTINCT c.owner_id
  FROM conditions AS c
  WHERE c.kind = 'zone' AND c.mode = 'include'
),
judged AS (
  SELECT
    r.rule_id AS rule_id, r.name AS name, r.policy_id AS policy_id,
    CASE WHEN NOT r.is_active OR NOT r.policy_is_active THEN 'inactive'
         WHEN r.access = 'DENY' THEN 'denies'
         WHEN r.access IS NULL OR r.access <> 'ALLOW' OR r.requires_factor IS NULL THEN 'not_said'
         WHEN r.requires_factor AND u.last_ms >= $taken THEN 'let_in_since'
         WHEN r.requires_factor THEN 'asks_for_a_factor'
         WHEN u.last_ms >= $watermark - 604800000 THEN 'used_this_week'
         WHEN u.last_ms IS NOT NULL THEN 'used'
         WHEN r.idp_provider = 'SPECIFIC_IDP' THEN 'federated'
         WHEN z.owner_id IS NOT NULL THEN 'open_to_a_zone'
         ELSE 'open' END AS reason
  FROM rules AS r
  LEFT JOIN used AS u ON u.rule_id = r.rule_id
  LEFT JOIN from_zones AS z ON z.owner_id = r.rule_id
  WHERE r.policy_type = 'OKTA_SIGN_ON'
    AND NOT r.is_system
    AND r.auth_type <> 'RADIUS' AND r.auth_type <> 'LDAP_INTERFACE'
  UNION ALL
  SELECT
    u.rule_id AS rule_id, u.rule_name AS name, u.policy_id AS policy_id,
    CASE WHEN p.missing IS NULL AND u.last_ms < $taken THEN 'gone'
         WHEN c.event_ms > u.last_ms THEN 'changed_since'
         ELSE 'seen_in_log' END AS reason
  FROM used AS u
  LEFT JOIN rules AS r ON r.rule_id = u.rule_id
  LEFT JOIN changed AS c ON c.rule_id = u.rule_id
  JOIN snapshot_parts AS p ON p.part = 'OKTA_SIGN_ON'
  WHERE r.rule_id IS NULL
)
SELECT
  j.rule_id AS subject_id, j.name AS subject_name, j.policy_id AS policy_id, j.reason AS reason,
  u.amount AS amount, u.first_ms AS first_ms, u.last_ms AS last_ms, s.uuid AS evidence,
  NULL AS detail
FROM judged AS j
LEFT JOIN used AS u ON u.rule_id = j.rule_id
LEFT JOIN sessions AS s ON s.rule_id = j.rule_id
ORDER BY s.start_ms DESC, s.uuid
