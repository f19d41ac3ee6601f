-- okta_legacy_authn_without_mfa, around for PostgreSQL
-- Made by `mfagap detections sql okta_legacy_authn_without_mfa --step around --dialect postgres`.
-- Parameters (psycopg), BIGINT, times in UTC epoch milliseconds:
--   from_ms   the log from this time on is looked at
--   to_ms     the log up to this time is looked at
--   spray_ms  86400000 by runbook.yml
WITH sign_ins AS (
  SELECT
    e.uuid,
    e.event_ms,
    e.event_day,
    UPPER(e.outcome_result) AS outcome,
    LOWER(COALESCE(e.actor_login, e.actor_id)) AS user_id,
    e.client_ip,
    LOWER(e.user_agent) AS user_agent,
    e.dt_hash,
    e.as_number,
    e.session_id,
    e.transaction_id,
    e.request_id,
    e.request_uri
  FROM events AS e
  WHERE
    LOWER(e.event_type) = 'user.session.start'
    AND e.event_ms >= %(from_ms)s
    AND e.event_ms <= %(to_ms)s
), subjects AS (
  SELECT
    s.start_uuid AS start_uuid,
    s.start_ms AS start_ms,
    s.from_ms AS from_ms,
    s.to_ms AS to_ms,
    e.event_day AS event_day,
    e.user_id AS user_id,
    e.client_ip AS client_ip,
    e.user_agent AS user_agent,
    e.dt_hash AS dt_hash,
    e.as_number AS as_number
  FROM sessions AS s
  JOIN sign_ins AS e
    ON e.uuid = s.start_uuid
), attempts AS (
  SELECT
    s.start_uuid AS start_uuid,
    s.start_ms AS start_ms,
    s.user_id AS user_id,
    e.user_id AS tried,
    COUNT(*) AS times,
    COUNT(CASE WHEN e.outcome = 'SUCCESS' THEN e.uuid END) AS passed
  FROM subjects AS s
  JOIN sign_ins AS e
    ON e.client_ip = s.client_ip
  WHERE
    e.event_ms < s.start_ms AND e.event_ms >= s.start_ms - %(spray_ms)s
  GROUP BY
    s.start_uuid,
    s.start_ms,
    s.user_id,
    e.user_id
), asked AS (
  SELECT
    e.session_id,
    e.transaction_id,
    e.authn_request_id
  FROM events AS e
  WHERE
    e.event_ms >= %(from_ms)s
    AND e.event_ms <= %(to_ms)s
    AND (
      (
        LOWER(e.event_type) = 'user.authentication.auth_via_mfa'
        AND UPPER(e.outcome_result) = 'SUCCESS'
      )
      OR (
        e.policy_kind = 'session' AND UPPER(e.outcome_result) = 'CHALLENGE'
      )
    )
), factored AS (
  SELECT
    e.uuid AS uuid
  FROM sign_ins AS e
  JOIN asked AS a
    ON a.session_id = e.session_id
  UNION
  SELECT
    e.uuid AS uuid
  FROM sign_ins AS e
  JOIN asked AS a
    ON a.transaction_id = e.transaction_id
  UNION
  SELECT
    e.uuid AS uuid
  FROM sign_ins AS e
  JOIN asked AS a
    ON a.authn_request_id = e.request_id
), legacy AS (
  SELECT
    e.user_id AS user_id,
    e.client_ip AS client_ip,
    e.user_agent AS user_agent,
    e.dt_hash AS dt_hash,
    e.as_number AS as_number,
    e.event_day AS event_day,
    MIN(e.event_ms) AS first_ms,
    MAX(e.event_ms) AS last_ms,
    COUNT(CASE WHEN f.uuid IS NULL THEN e.uuid END) AS unasked
  FROM sign_ins AS e
  LEFT JOIN factored AS f
    ON f.uuid = e.uuid
  WHERE
    e.outcome = 'SUCCESS'
    AND (
      e.session_id LIKE '10%%'
      OR (
        e.session_id LIKE 'trs%%' AND e.request_uri LIKE '/api/v1/authn%%'
      )
    )
  GROUP BY
    e.user_id,
    e.client_ip,
    e.user_agent,
    e.dt_hash,
    e.as_number,
    e.event_day
), habits AS (
  SELECT
    s.start_uuid AS start_uuid,
    s.start_ms AS start_ms,
    COUNT(DISTINCT h.event_day) AS days,
    s.event_day - MIN(h.event_day) AS span
  FROM subjects AS s
  JOIN legacy AS h
    ON h.user_id = s.user_id
    AND h.user_agent = s.user_agent
    AND h.client_ip = s.client_ip
  WHERE
    h.unasked > 0
    AND h.event_day < s.event_day
    AND h.last_ms >= s.from_ms
    AND (
      h.dt_hash = s.dt_hash OR h.as_number = s.as_number
    )
  GROUP BY
    s.start_uuid,
    s.start_ms,
    s.event_day
), answers AS (
  SELECT
    a.start_uuid,
    'users_failed_before' AS answer,
    NULL AS tier,
    NULL AS event_uuid,
    a.start_ms AS event_ms,
    COUNT(*) AS amount,
    NULL AS detail
  FROM attempts AS a
  WHERE
    a.passed = 0 AND a.tried <> a.user_id
  GROUP BY
    a.start_uuid,
    a.start_ms
  UNION ALL
  SELECT
    a.start_uuid,
    'own_failures_before' AS answer,
    NULL AS tier,
    NULL AS event_uuid,
    a.start_ms AS event_ms,
    a.times AS amount,
    NULL AS detail
  FROM attempts AS a
  WHERE
    a.passed = 0 AND a.tried = a.user_id
  UNION ALL
  SELECT
    s.start_uuid AS start_uuid,
    'users_of_address' AS answer,
    NULL AS tier,
    NULL AS event_uuid,
    s.start_ms AS event_ms,
    COUNT(DISTINCT o.user_id) AS amount,
    NULL AS detail
  FROM subjects AS s
  JOIN legacy AS o
    ON o.client_ip = s.client_ip
  WHERE
    o.user_id <> s.user_id
    AND o.event_day >= s.event_day - 1
    AND o.first_ms <= s.to_ms
  GROUP BY
    s.start_uuid,
    s.start_ms
  UNION ALL
  SELECT
    s.start_uuid AS start_uuid,
    'users_of_client' AS answer,
    NULL AS tier,
    NULL AS event_uuid,
    s.start_ms AS event_ms,
    COUNT(DISTINCT o.user_id) AS amount,
    NULL AS detail
  FROM subjects AS s
  JOIN legacy AS o
    ON o.user_agent = s.user_agent
  WHERE
    o.user_id <> s.user_id
    AND o.event_day >= s.event_day - 1
    AND o.first_ms <= s.to_ms
  GROUP BY
    s.start_uuid,
    s.start_ms
  UNION ALL
  SELECT
    h.start_uuid,
    'habit_days' AS answer,
    NULL AS tier,
    NULL AS event_uuid,
    h.start_ms AS event_ms,
    h.days AS amount,
    NULL AS detail
  FROM habits AS h
  UNION ALL
  SELECT
    h.start_uuid,
    'habit_span' AS answer,
    NULL AS tier,
    NULL AS event_uuid,
    h.start_ms AS event_ms,
    h.span AS amount,
    NULL AS detail
  FROM habits AS h
)
SELECT
  a.*
FROM answers AS a
