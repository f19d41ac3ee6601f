-- Every rule of a session policy: how long a factor that was passed once counts. README.md tells what
-- each reason means. The list longest has the minutes that a factor may count within sessions.
WITH judged AS (
  SELECT
    r.rule_id AS rule_id, r.name AS name, r.policy_id AS policy_id,
    CASE WHEN r.prompt_mode = 'SESSION' THEN r.factor_lifetime_min || ' minutes' END AS lifetime,
    CASE WHEN NOT r.is_active OR NOT r.policy_is_active THEN 'inactive'
         WHEN r.access = 'DENY' OR NOT r.requires_factor THEN 'asks_for_none'
         WHEN r.access IS NULL OR r.requires_factor IS NULL THEN 'not_said'
         WHEN r.prompt_mode = 'ALWAYS' THEN 'every_time'
         WHEN r.remembers_device THEN 'remembers_by_default'
         WHEN r.prompt_mode = 'DEVICE' THEN 'once_per_device'
         WHEN r.prompt_mode = 'SESSION' AND r.factor_lifetime_min > l.minutes THEN 'long_lifetime'
         WHEN r.prompt_mode = 'SESSION' AND r.remembers_device IS NOT NULL
              AND r.factor_lifetime_min IS NOT NULL THEN 'short_lifetime'
         ELSE 'not_said' END AS reason
  FROM rules AS r
  CROSS JOIN longest AS l
  WHERE r.policy_type = 'OKTA_SIGN_ON'
)
SELECT
  j.rule_id AS subject_id, j.name AS subject_name, j.policy_id AS policy_id, j.reason AS reason,
  0 AS amount, NULL AS first_ms, NULL AS last_ms, NULL AS evidence, j.lifetime AS detail
FROM judged AS j
