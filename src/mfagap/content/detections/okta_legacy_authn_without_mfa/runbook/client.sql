-- What the start itself says of its client, and whether this user was seen with its address and
-- device before. "Before" is the sign-in next before this one of the same user, and of the same
-- address or device; rows are numbered, so that each looks at one other.
WITH
sign_ins AS (
  SELECT
    e.uuid, e.event_ms, COALESCE(e.actor_id, e.actor_login) AS user_id, e.client_ip, e.dt_hash,
    e.device_fingerprint, LOWER(e.user_agent) AS user_agent, e.new_device, e.new_ip
  FROM events AS e
  WHERE LOWER(e.event_type) = 'user.session.start' AND UPPER(e.outcome_result) = 'SUCCESS'
    AND e.event_ms >= $from AND e.event_ms <= $to
),
subjects AS (
  SELECT
    s.start_uuid AS start_uuid, s.start_ms AS start_ms, s.from_ms AS from_ms,
    e.user_agent AS user_agent, e.dt_hash AS dt_hash, e.device_fingerprint AS device_fingerprint,
    e.new_device AS new_device, e.new_ip AS new_ip
  FROM sessions AS s
  JOIN sign_ins AS e ON e.uuid = s.start_uuid
),
seen AS (
  SELECT e.uuid, e.event_ms, 'user' AS what, e.user_id, e.user_id AS value FROM sign_ins AS e
  UNION ALL
  SELECT e.uuid, e.event_ms, 'address' AS what, e.user_id, e.client_ip AS value FROM sign_ins AS e
  WHERE e.client_ip IS NOT NULL
  UNION ALL
  SELECT e.uuid, e.event_ms, 'any_device' AS what, e.user_id, e.user_id AS value FROM sign_ins AS e
  WHERE e.dt_hash IS NOT NULL
  UNION ALL
  SELECT e.uuid, e.event_ms, 'device' AS what, e.user_id, e.dt_hash AS value FROM sign_ins AS e
),
placed AS (
  SELECT
    n.uuid, n.event_ms, n.what, n.user_id, n.value,
    ROW_NUMBER() OVER (PARTITION BY n.what, n.user_id, n.value ORDER BY n.event_ms, n.uuid) AS place
  FROM seen AS n
),
known AS (
  SELECT
    s.start_uuid AS start_uuid,
    COUNT(CASE WHEN b.what = 'user' THEN b.uuid END) AS same_user,
    COUNT(CASE WHEN b.what = 'address' THEN b.uuid END) AS same_address,
    COUNT(CASE WHEN b.what = 'any_device' THEN b.uuid END) AS any_device,
    COUNT(CASE WHEN b.what = 'device' THEN b.uuid END) AS same_device,
    COUNT(CASE WHEN p.what = 'address' THEN p.uuid END) AS has_address
  FROM subjects AS s
  JOIN placed AS p ON p.uuid = s.start_uuid
  LEFT JOIN placed AS b
    ON b.what = p.what AND b.user_id = p.user_id AND b.value = p.value AND b.place = p.place - 1
    AND b.event_ms >= s.from_ms
  GROUP BY s.start_uuid
),
kinds AS (
  SELECT s.start_uuid AS start_uuid, MIN(c.kind) AS kind
  FROM subjects AS s
  JOIN clients AS c ON s.user_agent LIKE c.pattern
  GROUP BY s.start_uuid
),
old AS (
  SELECT s.start_uuid AS start_uuid
  FROM subjects AS s
  JOIN old_browsers AS o ON s.user_agent LIKE o.pattern
  WHERE s.start_ms >= o.from_ms
  GROUP BY s.start_uuid
),
facts AS (
  SELECT
    s.start_uuid AS start_uuid, s.start_ms AS start_ms,
    CASE WHEN k.kind = 'helper' THEN 1 END AS known_integration,
    CASE WHEN k.kind = 'library' THEN 1 END AS unknown_automation,
    CASE WHEN o.start_uuid IS NOT NULL THEN 1 END AS implausible_browser,
    CASE WHEN s.dt_hash IS NULL AND s.device_fingerprint IS NULL THEN 1
         WHEN s.new_device = 'BAD_REQUEST' THEN 1 END AS no_device_identifiers,
    CASE WHEN s.new_device = 'POSITIVE' THEN 1
         WHEN n.any_device > 0 AND n.same_device = 0 THEN 1 END AS new_device,
    CASE WHEN s.new_ip = 'POSITIVE' THEN 1
         WHEN n.same_user > 0 AND n.has_address > 0 AND n.same_address = 0
         THEN 1 END AS new_address,
    CASE WHEN n.same_user = 0 THEN 1 END AS no_earlier_sign_in
  FROM subjects AS s
  JOIN known AS n ON n.start_uuid = s.start_uuid
  LEFT JOIN kinds AS k ON k.start_uuid = s.start_uuid
  LEFT JOIN old AS o ON o.start_uuid = s.start_uuid
),
answers AS (
  SELECT f.start_uuid, f.start_ms, 'known_integration' AS answer FROM facts AS f
  WHERE f.known_integration = 1
  UNION ALL
  SELECT f.start_uuid, f.start_ms, 'unknown_automation' AS answer FROM facts AS f
  WHERE f.unknown_automation = 1
  UNION ALL
  SELECT f.start_uuid, f.start_ms, 'implausible_browser' AS answer FROM facts AS f
  WHERE f.implausible_browser = 1
  UNION ALL
  SELECT f.start_uuid, f.start_ms, 'no_device_identifiers' AS answer FROM facts AS f
  WHERE f.no_device_identifiers = 1
  UNION ALL
  SELECT f.start_uuid, f.start_ms, 'new_device' AS answer FROM facts AS f
  WHERE f.new_device = 1
  UNION ALL
  SELECT f.start_uuid, f.start_ms, 'new_address' AS answer FROM facts AS f
  WHERE f.new_address = 1
  UNION ALL
  SELECT f.start_uuid, f.start_ms, 'no_earlier_sign_in' AS answer FROM facts AS f
  WHERE f.no_earlier_sign_in = 1
)
SELECT
  a.start_uuid, a.answer, NULL AS tier, a.start_uuid AS event_uuid, a.start_ms AS event_ms,
  NULL AS amount, NULL AS detail
FROM answers AS a
