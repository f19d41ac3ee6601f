-- okta_legacy_authn_without_mfa, around for Spark
-- Made by `mfagap detections sql okta_legacy_authn_without_mfa --step around --dialect spark`.
-- Parameters (pyspark), BIGINT, times in UTC epoch milliseconds:
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
    AND COALESCE(e.actor_login, e.actor_id) IS NOT NULL
    AND e.event_ms >= :from_ms
    AND e.event_ms <= :to_ms
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
), tries AS (
  SELECT
    e.client_ip,
    e.user_id,
    e.event_ms,
    MAX(CASE WHEN e.outcome = 'SUCCESS' THEN e.event_ms END) OVER (PARTITION BY e.client_ip, e.user_id ORDER BY e.event_ms NULLS LAST) + :spray_ms AS passed_until_ms,
    ROW_NUMBER() OVER (
      PARTITION BY e.client_ip, e.user_id
      ORDER BY e.event_ms NULLS LAST, e.uuid NULLS LAST
    ) AS place
  FROM sign_ins AS e
  WHERE
    e.client_ip IN (
      SELECT
        s.client_ip
      FROM subjects AS s
    )
), failed AS (
  SELECT
    t.client_ip AS client_ip,
    CASE WHEN t.passed_until_ms > t.event_ms THEN t.passed_until_ms ELSE t.event_ms END AS from_ms,
    CASE
      WHEN n.event_ms < t.event_ms + :spray_ms
      THEN n.event_ms
      ELSE t.event_ms + :spray_ms
    END AS to_ms
  FROM tries AS t
  LEFT JOIN tries AS n
    ON n.client_ip = t.client_ip AND n.user_id = t.user_id AND n.place = t.place + 1
), failed_changes AS (
  SELECT
    f.client_ip,
    f.from_ms + 1 AS at_ms,
    1 AS more,
    NULL AS start_uuid
  FROM failed AS f
  WHERE
    f.from_ms < f.to_ms
  UNION ALL
  SELECT
    f.client_ip,
    f.to_ms + 1 AS at_ms,
    -1 AS more,
    NULL AS start_uuid
  FROM failed AS f
  WHERE
    f.from_ms < f.to_ms
  UNION ALL
  SELECT
    s.client_ip,
    s.start_ms AS at_ms,
    0 AS more,
    s.start_uuid
  FROM subjects AS s
), failed_counts AS (
  SELECT
    c.start_uuid,
    SUM(c.more) OVER (PARTITION BY c.client_ip ORDER BY c.at_ms NULLS LAST) AS users
  FROM failed_changes AS c
), own_failures AS (
  SELECT
    s.start_uuid AS start_uuid,
    COUNT(*) AS times
  FROM subjects AS s
  JOIN sign_ins AS e
    ON e.client_ip = s.client_ip AND e.user_id = s.user_id
  WHERE
    e.event_ms < s.start_ms AND e.event_ms >= s.start_ms - :spray_ms
  GROUP BY
    s.start_uuid
  HAVING
    COUNT(CASE WHEN e.outcome = 'SUCCESS' THEN e.uuid END) = 0
), asked AS (
  SELECT
    e.session_id,
    e.transaction_id,
    e.authn_request_id
  FROM events AS e
  WHERE
    e.event_ms >= :from_ms
    AND e.event_ms <= :to_ms
    AND (
      (
        LOWER(e.event_type) = 'user.authentication.auth_via_mfa'
        AND UPPER(e.outcome_result) = 'SUCCESS'
      )
      OR (
        LOWER(e.event_type) = 'policy.evaluate_sign_on'
        AND e.policy_kind = 'session'
        AND UPPER(e.outcome_result) = 'CHALLENGE'
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
      e.session_id LIKE '10%'
      OR (
        e.session_id LIKE 'trs%' AND e.request_uri LIKE '/api/v1/authn%'
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
), came AS (
  SELECT
    'address ' || l.client_ip AS way,
    l.user_id,
    l.event_day,
    l.first_ms
  FROM legacy AS l
  UNION ALL
  SELECT
    'client ' || l.user_agent AS way,
    l.user_id,
    l.event_day,
    l.first_ms
  FROM legacy AS l
), ways AS (
  SELECT
    'users_of_address' AS answer,
    'address ' || s.client_ip AS way,
    s.event_day,
    s.to_ms,
    s.start_uuid
  FROM subjects AS s
  UNION ALL
  SELECT
    'users_of_client' AS answer,
    'client ' || s.user_agent AS way,
    s.event_day,
    s.to_ms,
    s.start_uuid
  FROM subjects AS s
), ways_by_day AS (
  SELECT DISTINCT
    w.way,
    w.event_day
  FROM ways AS w
), came_changes AS (
  SELECT
    d.way AS way,
    d.event_day AS event_day,
    MIN(c.first_ms) AS at_ms,
    1 AS more,
    NULL AS answer,
    NULL AS start_uuid
  FROM ways_by_day AS d
  JOIN came AS c
    ON c.way = d.way
  WHERE
    c.event_day >= d.event_day - 1
  GROUP BY
    d.way,
    d.event_day,
    c.user_id
  UNION ALL
  SELECT
    w.way,
    w.event_day,
    w.to_ms AS at_ms,
    0 AS more,
    w.answer,
    w.start_uuid
  FROM ways AS w
), came_counts AS (
  SELECT
    c.start_uuid,
    c.answer,
    SUM(c.more) OVER (PARTITION BY c.way, c.event_day ORDER BY c.at_ms NULLS LAST) AS users
  FROM came_changes AS c
), others AS (
  SELECT
    c.start_uuid,
    c.answer,
    c.users - 1 AS users
  FROM came_counts AS c
  UNION ALL
  SELECT
    c.start_uuid AS start_uuid,
    'users_failed_before' AS answer,
    c.users - CASE WHEN o.start_uuid IS NULL THEN 0 ELSE 1 END AS users
  FROM failed_counts AS c
  LEFT JOIN own_failures AS o
    ON o.start_uuid = c.start_uuid
), answers AS (
  SELECT
    s.start_uuid AS start_uuid,
    o.answer AS answer,
    NULL AS tier,
    NULL AS event_uuid,
    s.start_ms AS event_ms,
    o.users AS amount,
    NULL AS detail
  FROM subjects AS s
  JOIN others AS o
    ON o.start_uuid = s.start_uuid
  WHERE
    o.users > 0
  UNION ALL
  SELECT
    s.start_uuid AS start_uuid,
    'own_failures_before' AS answer,
    NULL AS tier,
    NULL AS event_uuid,
    s.start_ms AS event_ms,
    o.times AS amount,
    NULL AS detail
  FROM subjects AS s
  JOIN own_failures AS o
    ON o.start_uuid = s.start_uuid
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
