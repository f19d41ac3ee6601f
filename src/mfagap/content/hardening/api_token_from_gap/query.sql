-- Every API token that was created within reach of a legacy session on one factor. README.md tells
-- what each reason means.
--
-- Parameter, BIGINT: $taken, when the snapshot was taken in UTC epoch milliseconds; 0 where nobody knows.
WITH
gaps AS (
  SELECT
    s.uuid AS uuid, s.start_ms AS start_ms, s.actor_id AS actor_id, e.session_id AS session_id
  FROM legacy_sessions AS s
  LEFT JOIN events AS e ON e.uuid = s.uuid
  WHERE s.mfa_status = 'single_factor'
),
created AS (
  SELECT
    e.uuid, e.event_ms, e.actor_id, e.actor_login, e.session_id, e.root_session_id,
    e.target_id AS token_id, e.target_name AS name
  FROM events AS e
  WHERE LOWER(e.event_type) = 'system.api_token.create' AND UPPER(e.outcome_result) = 'SUCCESS'
),
-- By the session itself, or by its user within four hours.
tied AS (
  SELECT c.uuid AS uuid, g.uuid AS session
  FROM created AS c
  JOIN gaps AS g ON g.session_id = c.session_id
  UNION
  SELECT c.uuid AS uuid, g.uuid AS session
  FROM created AS c
  JOIN gaps AS g ON g.session_id = c.root_session_id
  UNION
  SELECT c.uuid AS uuid, g.uuid AS session
  FROM created AS c
  JOIN gaps AS g ON g.actor_id = c.actor_id
  WHERE c.event_ms >= g.start_ms AND c.event_ms <= g.start_ms + 14400000
),
counted AS (
  SELECT t.uuid, COUNT(*) AS amount
  FROM tied AS t
  GROUP BY t.uuid
),
revoked AS (
  SELECT DISTINCT e.target_id AS token_id
  FROM events AS e
  WHERE LOWER(e.event_type) = 'system.api_token.revoke' AND UPPER(e.outcome_result) = 'SUCCESS'
),
shown AS (
  SELECT t.uuid AS uuid, t.session AS shows, 2 AS place FROM tied AS t
  UNION
  SELECT t.uuid AS uuid, t.uuid AS shows, 1 AS place FROM tied AS t
)
SELECT
  c.token_id AS subject_id, COALESCE(a.name, c.name) AS subject_name, NULL AS policy_id,
  CASE WHEN r.token_id IS NOT NULL THEN 'revoked'
       WHEN a.token_id IS NOT NULL THEN 'active'
       WHEN p.missing IS NULL AND c.event_ms < $taken THEN 'gone'
       ELSE 'may_be_active' END AS reason,
  n.amount AS amount, c.event_ms AS first_ms, c.event_ms AS last_ms, s.shows AS evidence,
  COALESCE(c.actor_login, c.actor_id) AS detail
FROM created AS c
JOIN counted AS n ON n.uuid = c.uuid
JOIN shown AS s ON s.uuid = c.uuid
JOIN snapshot_parts AS p ON p.part = 'api_tokens'
LEFT JOIN api_tokens AS a ON a.token_id = c.token_id
LEFT JOIN revoked AS r ON r.token_id = c.token_id
ORDER BY s.place, s.shows
