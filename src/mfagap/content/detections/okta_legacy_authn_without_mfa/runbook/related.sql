-- Every telling event within reach of a session, once, with the strongest tie to it: what keeps or
-- widens access (is_act), policy evaluations, and what became of second factors. Steps read it as
-- the CTE `related`. However many starts share a session, only telling events are paired with them.
--
-- Ties, the strongest first:
--   session, root, transaction   one link ties the event to the start, as in query.sql
--   tied_session                 it bears a session id that one link ties to the start
--   api_token                    it was done with an API token that the session created
--   actor_address, actor_device  the same user, from the start's address or device
--   actor, target                the same user, acting or acted upon
-- Parameters, BIGINT, UTC epoch milliseconds or milliseconds:
--   $from, $to   what all sessions together look at
--   $chain_ms    how long before a start its chain may begin
--   $cap_ms      how long after a start the user alone is a tie
-- Lists:
--   sessions     start_uuid, start_ms, from_ms, to_ms, mfa_event
--   session_uses pattern, kind (detection.yml; the settings may add rows)
WITH
-- The users of the sessions (user_id of spelled, which is the actor or the target), and API tokens
-- that came to be. This only narrows what is worked on: all the rest of the query is over what they
-- did and what was done to them.
users AS (
  SELECT
    CASE WHEN LOWER(e.actor_type) = 'systemprincipal' THEN e.target_id
         ELSE COALESCE(e.actor_id, e.actor_login) END AS id
  FROM sessions AS s
  JOIN events AS e ON e.uuid = s.start_uuid
),
tokens AS (
  SELECT e.target_id AS id FROM events AS e
  WHERE LOWER(e.event_type) = 'system.api_token.create'
),
spelled AS (
  SELECT
    e.uuid, e.event_ms, LOWER(e.event_type) AS event_type, UPPER(e.outcome_result) AS outcome,
    CASE WHEN LOWER(e.actor_type) = 'systemprincipal' THEN e.target_id
         ELSE COALESCE(e.actor_id, e.actor_login) END AS user_id,
    e.target_id, e.target_name, e.other_target_name, e.client_ip, e.dt_hash, e.session_id,
    e.root_session_id, e.transaction_id, e.request_id, e.authn_request_id, e.api_token_id,
    e.root_api_token_id, e.factor, e.policy_kind, e.rule_name
  FROM events AS e
  WHERE e.event_ms >= $from AND e.event_ms <= $to
    AND (COALESCE(e.actor_id, e.actor_login) IN (SELECT u.id FROM users AS u)
         OR e.target_id IN (SELECT u.id FROM users AS u)
         OR e.api_token_id IN (SELECT t.id FROM tokens AS t)
         OR e.root_api_token_id IN (SELECT t.id FROM tokens AS t))
),
subjects AS (
  SELECT
    s.start_uuid AS start_uuid, s.start_ms AS start_ms, s.to_ms AS to_ms, e.user_id AS user_id,
    e.client_ip AS client_ip, e.dt_hash AS dt_hash, e.session_id AS session_id,
    e.root_session_id AS root_session_id, e.transaction_id AS transaction_id,
    e.request_id AS request_id, e.authn_request_id AS authn_request_id
  FROM sessions AS s
  JOIN spelled AS e ON e.uuid = s.start_uuid
),
own AS (
  SELECT e.*
  FROM spelled AS e
  WHERE e.user_id IN (SELECT s.user_id FROM subjects AS s)
),
acts AS (
  SELECT
    e.uuid AS uuid, e.event_ms AS event_ms, e.user_id AS user_id, e.target_id AS target_id,
    e.client_ip AS client_ip, e.dt_hash AS dt_hash, e.api_token_id AS api_token_id,
    e.root_api_token_id AS root_api_token_id
  FROM spelled AS e
  JOIN session_uses AS u ON e.event_type LIKE u.pattern
  WHERE u.kind = 'act' AND e.outcome = 'SUCCESS'
  GROUP BY e.uuid, e.event_ms, e.user_id, e.target_id, e.client_ip, e.dt_hash, e.api_token_id,
           e.root_api_token_id
),
telling AS (
  SELECT e.*
  FROM spelled AS e
  WHERE e.uuid IN (SELECT a.uuid FROM acts AS a)
    OR e.event_type = 'policy.evaluate_sign_on'
    OR e.event_type = 'user.authentication.auth_via_mfa'
    OR e.event_type LIKE 'user.mfa.okta_verify.deny_push%'
),
subject_keys AS (
  SELECT s.start_uuid, s.user_id, 1 AS strength, s.session_id AS id FROM subjects AS s
  UNION ALL
  SELECT s.start_uuid, s.user_id, 2 AS strength, s.root_session_id AS id FROM subjects AS s
  UNION ALL
  SELECT s.start_uuid, s.user_id, 2 AS strength, s.session_id AS id FROM subjects AS s
  UNION ALL
  SELECT s.start_uuid, s.user_id, 3 AS strength, s.transaction_id AS id FROM subjects AS s
  UNION ALL
  SELECT s.start_uuid, s.user_id, 3 AS strength, s.request_id AS id FROM subjects AS s
  UNION ALL
  SELECT s.start_uuid, s.user_id, 3 AS strength, s.authn_request_id AS id FROM subjects AS s
),
event_keys AS (
  SELECT e.uuid, e.event_ms, e.user_id, e.session_id, 1 AS strength, e.session_id AS id
  FROM own AS e
  UNION ALL
  SELECT e.uuid, e.event_ms, e.user_id, e.session_id, 2 AS strength, e.root_session_id AS id
  FROM own AS e
  UNION ALL
  SELECT e.uuid, e.event_ms, e.user_id, e.session_id, 3 AS strength, e.transaction_id AS id
  FROM own AS e
  UNION ALL
  SELECT e.uuid, e.event_ms, e.user_id, e.session_id, 3 AS strength, e.request_id AS id
  FROM own AS e
  UNION ALL
  SELECT e.uuid, e.event_ms, e.user_id, e.session_id, 3 AS strength, e.authn_request_id AS id
  FROM own AS e
),
-- Okta changes the session id on the way: what one link reaches lends its id.
lent_ids AS (
  SELECT k.user_id, k.strength, k.id, k.session_id, MAX(k.event_ms) AS event_ms
  FROM event_keys AS k
  WHERE k.id IN (SELECT s.id FROM subject_keys AS s)
  GROUP BY k.user_id, k.strength, k.id, k.session_id
),
tied_ids AS (
  SELECT k.start_uuid AS start_uuid, k.user_id AS user_id, l.session_id AS id
  FROM subject_keys AS k
  JOIN subjects AS s ON s.start_uuid = k.start_uuid
  JOIN lent_ids AS l ON l.strength = k.strength AND l.id = k.id AND l.user_id = k.user_id
  WHERE l.event_ms >= s.start_ms - $chain_ms
  GROUP BY k.start_uuid, k.user_id, l.session_id
),
telling_keys AS (
  SELECT k.uuid, k.user_id, k.strength, k.id
  FROM event_keys AS k
  WHERE k.uuid IN (SELECT e.uuid FROM telling AS e)
),
linked AS (
  SELECT k.start_uuid AS start_uuid, l.uuid AS uuid, k.strength AS strength
  FROM subject_keys AS k
  JOIN telling_keys AS l ON l.strength = k.strength AND l.id = k.id AND l.user_id = k.user_id
  UNION ALL
  SELECT t.start_uuid AS start_uuid, k.uuid AS uuid, 4 AS strength
  FROM tied_ids AS t
  JOIN telling_keys AS k ON k.id = t.id AND k.user_id = t.user_id
  WHERE k.strength <= 2
),
created_tokens AS (
  SELECT l.start_uuid AS start_uuid, e.target_id AS id
  FROM linked AS l
  JOIN subjects AS s ON s.start_uuid = l.start_uuid
  JOIN telling AS e ON e.uuid = l.uuid
  WHERE e.event_type = 'system.api_token.create' AND e.event_ms >= s.start_ms
  GROUP BY l.start_uuid, e.target_id
),
ties AS (
  SELECT l.start_uuid AS start_uuid, l.uuid AS uuid, l.strength AS strength FROM linked AS l
  UNION ALL
  SELECT t.start_uuid AS start_uuid, e.uuid AS uuid, 5 AS strength
  FROM created_tokens AS t
  JOIN acts AS e ON e.api_token_id = t.id
  UNION ALL
  SELECT t.start_uuid AS start_uuid, e.uuid AS uuid, 5 AS strength
  FROM created_tokens AS t
  JOIN acts AS e ON e.root_api_token_id = t.id
  UNION ALL
  SELECT
    s.start_uuid AS start_uuid, e.uuid AS uuid,
    CASE WHEN e.client_ip = s.client_ip THEN 6 WHEN e.dt_hash = s.dt_hash THEN 7
         ELSE 8 END AS strength
  FROM subjects AS s
  JOIN acts AS e ON e.user_id = s.user_id
  WHERE e.event_ms >= s.start_ms AND e.event_ms <= s.start_ms + $cap_ms
  UNION ALL
  SELECT s.start_uuid AS start_uuid, e.uuid AS uuid, 9 AS strength
  FROM subjects AS s
  JOIN acts AS e ON e.target_id = s.user_id
  WHERE e.event_ms >= s.start_ms AND e.event_ms <= s.start_ms + $cap_ms
),
-- The sessions are joined before the grouping: after it, an engine may join events to sessions by
-- their times alone.
strongest AS (
  SELECT
    t.start_uuid AS start_uuid, t.uuid AS uuid, MIN(t.strength) AS strength,
    s.start_ms AS start_ms, s.from_ms AS from_ms, s.to_ms AS to_ms, s.mfa_event AS mfa_event
  FROM ties AS t
  JOIN sessions AS s ON s.start_uuid = t.start_uuid
  GROUP BY t.start_uuid, t.uuid, s.start_ms, s.from_ms, s.to_ms, s.mfa_event
)
SELECT
  g.start_uuid AS start_uuid, g.start_ms AS start_ms, g.mfa_event AS mfa_event,
  g.strength AS strength,
  CASE g.strength WHEN 1 THEN 'session' WHEN 2 THEN 'root' WHEN 3 THEN 'transaction'
    WHEN 4 THEN 'tied_session' WHEN 5 THEN 'api_token' WHEN 6 THEN 'actor_address'
    WHEN 7 THEN 'actor_device' WHEN 8 THEN 'actor' WHEN 9 THEN 'target' END AS tier,
  e.uuid AS uuid, e.event_ms AS event_ms, e.event_type AS event_type, e.outcome AS outcome,
  CASE WHEN a.uuid IS NOT NULL THEN 1 END AS is_act, e.target_name AS target_name,
  e.other_target_name AS other_target_name,
  e.factor AS factor, e.policy_kind AS policy_kind, e.rule_name AS rule_name
FROM strongest AS g
JOIN telling AS e ON e.uuid = g.uuid
LEFT JOIN acts AS a ON a.uuid = g.uuid
WHERE e.event_ms >= g.from_ms AND e.event_ms <= g.to_ms
