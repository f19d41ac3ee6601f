-- Everyone who had a legacy session on one factor: did the log ever see a second factor of theirs?
-- README.md tells what each reason means.
WITH
sessions AS (
  SELECT COALESCE(s.actor_id, s.user_email) AS user_id, s.user_email, s.uuid, s.start_ms
  FROM legacy_sessions AS s
  WHERE s.mfa_status = 'single_factor'
),
seen AS (
  SELECT
    s.user_id, MAX(s.user_email) AS login, COUNT(*) AS amount, MIN(s.start_ms) AS first_ms,
    MAX(s.start_ms) AS last_ms
  FROM sessions AS s
  GROUP BY s.user_id
),
-- Users who passed a second factor, as the detection has it: not the password in another coat, no
-- enrollment and no recovery. Where Okta itself acts, the user is the target.
passed AS (
  SELECT DISTINCT
    CASE WHEN LOWER(e.actor_type) = 'systemprincipal' THEN e.target_id
         ELSE COALESCE(e.actor_id, e.actor_login) END AS user_id
  FROM events AS e
  WHERE LOWER(e.event_type) = 'user.authentication.auth_via_mfa'
    AND UPPER(e.outcome_result) = 'SUCCESS'
    AND (e.factor IS NULL OR UPPER(e.factor) <> 'PASSWORD_AS_FACTOR')
    AND (e.method_type_used IS NULL OR UPPER(e.method_type_used) <> 'PASSWORD')
    AND (e.factor_intent IS NULL
         OR (UPPER(e.factor_intent) NOT LIKE '%ENROLL%'
             AND UPPER(e.factor_intent) NOT LIKE '%RECOVERY%'))
)
SELECT
  u.user_id AS subject_id, u.login AS subject_name, NULL AS policy_id,
  CASE WHEN p.user_id IS NOT NULL THEN 'used_one'
       WHEN f.factors = 0 THEN 'has_none'
       WHEN f.factors IS NOT NULL THEN 'has_an_unused_one'
       ELSE 'none_seen' END AS reason,
  u.amount AS amount, u.first_ms AS first_ms, u.last_ms AS last_ms, s.uuid AS evidence,
  NULL AS detail
FROM seen AS u
LEFT JOIN passed AS p ON p.user_id = u.user_id
LEFT JOIN factor_users AS f ON f.user_id = u.user_id
JOIN sessions AS s ON s.user_id = u.user_id
ORDER BY s.start_ms DESC, s.uuid
