-- What the session policy said, and what was tried as a second factor.
WITH
chain AS (
  SELECT r.* FROM related AS r WHERE r.strength <= 3
),
policies AS (
  SELECT c.* FROM chain AS c
  WHERE c.event_type = 'policy.evaluate_sign_on' AND c.policy_kind = 'session'
),
answers AS (
  SELECT
    p.start_uuid AS start_uuid, 'policy' AS answer, p.tier AS tier, p.uuid AS event_uuid,
    p.event_ms AS event_ms, NULL AS amount,
    p.outcome || ' by ' || COALESCE(p.rule_name, 'an unnamed rule') AS detail
  FROM policies AS p
  UNION ALL
  SELECT
    s.start_uuid AS start_uuid, 'no_policy_event' AS answer, NULL AS tier, NULL AS event_uuid,
    s.start_ms AS event_ms, NULL AS amount, NULL AS detail
  FROM sessions AS s
  LEFT JOIN policies AS p ON p.start_uuid = s.start_uuid
  WHERE p.start_uuid IS NULL
  UNION ALL
  SELECT
    c.start_uuid AS start_uuid,
    CASE WHEN c.uuid = c.mfa_event THEN 'second_factor'
         WHEN c.outcome = 'SUCCESS' THEN 'other_factor' ELSE 'factor_not_passed' END AS answer,
    c.tier AS tier, c.uuid AS event_uuid, c.event_ms AS event_ms, NULL AS amount,
    COALESCE(c.factor, 'a factor') || ', ' || COALESCE(c.outcome, 'no outcome') AS detail
  FROM chain AS c
  WHERE c.event_type = 'user.authentication.auth_via_mfa'
  UNION ALL
  SELECT
    c.start_uuid AS start_uuid, 'push_denied' AS answer, c.tier AS tier, c.uuid AS event_uuid,
    c.event_ms AS event_ms, NULL AS amount, NULL AS detail
  FROM chain AS c
  WHERE c.event_type LIKE 'user.mfa.okta_verify.deny_push%'
)
SELECT a.* FROM answers AS a
