-- okta_legacy_authn_without_mfa, client for BigQuery
-- Made by `mfagap detections sql okta_legacy_authn_without_mfa --step client --dialect bigquery`.
-- Parameters (google-cloud-bigquery), BIGINT, times in UTC epoch milliseconds:
--   from_ms   the log from this time on is looked at
--   to_ms     the log up to this time is looked at
--   known_ms  86400000 by runbook.yml
WITH clients AS (
  SELECT
    CAST('%gimme-aws-creds%' AS STRING) AS pattern,
    CAST('helper' AS STRING) AS kind
  UNION ALL
  SELECT
    '%saml2aws%',
    'helper'
  UNION ALL
  SELECT
    '%okta-awscli%',
    'helper'
  UNION ALL
  SELECT
    '%aws-okta%',
    'helper'
  UNION ALL
  SELECT
    '%okta-aws-cli%',
    'helper'
  UNION ALL
  SELECT
    '%pythonconnector/%',
    'helper'
  UNION ALL
  SELECT
    '%python-requests/%',
    'library'
  UNION ALL
  SELECT
    '%python-urllib%',
    'library'
  UNION ALL
  SELECT
    '%python-httpx/%',
    'library'
  UNION ALL
  SELECT
    '%aiohttp/%',
    'library'
  UNION ALL
  SELECT
    '%curl/%',
    'library'
  UNION ALL
  SELECT
    '%wget/%',
    'library'
  UNION ALL
  SELECT
    '%go-http-client/%',
    'library'
  UNION ALL
  SELECT
    '%okta-sdk-%',
    'library'
  UNION ALL
  SELECT
    '%powershell/%',
    'library'
  UNION ALL
  SELECT
    '%apache-httpclient/%',
    'library'
  UNION ALL
  SELECT
    '%okhttp/%',
    'library'
  UNION ALL
  SELECT
    '%axios/%',
    'library'
  UNION ALL
  SELECT
    '%node-fetch%',
    'library'
  UNION ALL
  SELECT
    '%libwww-perl/%',
    'library'
  UNION ALL
  SELECT
    '%faraday v%',
    'library'
  UNION ALL
  SELECT
    '%postmanruntime/%',
    'library'
  UNION ALL
  SELECT
    'java/%',
    'library'
  UNION ALL
  SELECT
    'ruby%',
    'library'
), old_browsers AS (
  SELECT
    CAST('% chrome/4_.%' AS STRING) AS pattern,
    CAST(1546300800000 AS INT64) AS from_ms
  UNION ALL
  SELECT
    '% chrome/5_.%',
    1561939200000
  UNION ALL
  SELECT
    '% chrome/6_.%',
    1601510400000
  UNION ALL
  SELECT
    '% chrome/7_.%',
    1640995200000
  UNION ALL
  SELECT
    '% chrome/8_.%',
    1672531200000
  UNION ALL
  SELECT
    '% chrome/9_.%',
    1711929600000
  UNION ALL
  SELECT
    '% firefox/4_.%',
    1546300800000
  UNION ALL
  SELECT
    '% firefox/5_.%',
    1590969600000
  UNION ALL
  SELECT
    '% firefox/6_.%',
    1633046400000
  UNION ALL
  SELECT
    '% firefox/7_.%',
    1654041600000
  UNION ALL
  SELECT
    '% firefox/8_.%',
    1680307200000
  UNION ALL
  SELECT
    '% firefox/9_.%',
    1714521600000
  UNION ALL
  SELECT
    '% iphone os 9_%',
    1538352000000
  UNION ALL
  SELECT
    '% iphone os 10_%',
    1569888000000
  UNION ALL
  SELECT
    '% iphone os 11_%',
    1601510400000
  UNION ALL
  SELECT
    '% iphone os 12_%',
    1633046400000
  UNION ALL
  SELECT
    '% iphone os 13_%',
    1664582400000
  UNION ALL
  SELECT
    '% iphone os 14_%',
    1696118400000
  UNION ALL
  SELECT
    '%msie %',
    1577836800000
  UNION ALL
  SELECT
    '%trident/%',
    1704067200000
), sign_ins AS (
  SELECT
    e.uuid,
    e.event_ms,
    e.event_day,
    COALESCE(e.actor_id, e.actor_login) AS user_id,
    e.client_ip,
    e.dt_hash,
    e.device_fingerprint,
    LOWER(e.user_agent) AS user_agent,
    e.new_device,
    e.new_ip
  FROM events AS e
  WHERE
    LOWER(e.event_type) = 'user.session.start'
    AND UPPER(e.outcome_result) = 'SUCCESS'
    AND e.event_ms >= @from_ms
    AND e.event_ms <= @to_ms
), subjects AS (
  SELECT
    s.start_uuid AS start_uuid,
    s.start_ms AS start_ms,
    s.from_ms AS from_ms,
    e.user_id AS user_id,
    e.client_ip AS client_ip,
    e.user_agent AS user_agent,
    e.dt_hash AS dt_hash,
    e.device_fingerprint AS device_fingerprint,
    e.new_device AS new_device,
    e.new_ip AS new_ip
  FROM sessions AS s
  JOIN sign_ins AS e
    ON e.uuid = s.start_uuid
), seen AS (
  SELECT
    'user' AS what,
    e.user_id,
    e.user_id AS value,
    e.event_day,
    e.event_ms
  FROM sign_ins AS e
  UNION ALL
  SELECT
    'address' AS what,
    e.user_id,
    e.client_ip AS value,
    e.event_day,
    e.event_ms
  FROM sign_ins AS e
  UNION ALL
  SELECT
    'any_device' AS what,
    e.user_id,
    e.user_id AS value,
    e.event_day,
    e.event_ms
  FROM sign_ins AS e
  WHERE
    e.dt_hash IS NOT NULL
  UNION ALL
  SELECT
    'device' AS what,
    e.user_id,
    e.dt_hash AS value,
    e.event_day,
    e.event_ms
  FROM sign_ins AS e
), days AS (
  SELECT
    n.what AS what,
    n.user_id AS user_id,
    n.value AS value,
    MIN(n.event_ms) AS first_ms,
    MAX(n.event_ms) AS last_ms
  FROM seen AS n
  GROUP BY
    n.what,
    n.user_id,
    n.value,
    n.event_day
), asked AS (
  SELECT
    s.start_uuid,
    'user' AS what,
    s.user_id,
    s.user_id AS value
  FROM subjects AS s
  UNION ALL
  SELECT
    s.start_uuid,
    'address' AS what,
    s.user_id,
    s.client_ip AS value
  FROM subjects AS s
  UNION ALL
  SELECT
    s.start_uuid,
    'any_device' AS what,
    s.user_id,
    s.user_id AS value
  FROM subjects AS s
  UNION ALL
  SELECT
    s.start_uuid,
    'device' AS what,
    s.user_id,
    s.dt_hash AS value
  FROM subjects AS s
), known AS (
  SELECT
    s.start_uuid AS start_uuid,
    MIN(CASE WHEN d.what = 'user' THEN d.first_ms END) AS user_ms,
    MIN(CASE WHEN d.what = 'address' THEN d.first_ms END) AS address_ms,
    MIN(CASE WHEN d.what = 'any_device' THEN d.first_ms END) AS any_device_ms,
    MIN(CASE WHEN d.what = 'device' THEN d.first_ms END) AS device_ms
  FROM subjects AS s
  JOIN asked AS a
    ON a.start_uuid = s.start_uuid
  JOIN days AS d
    ON d.what = a.what AND d.user_id = a.user_id AND d.value = a.value
  WHERE
    d.last_ms >= s.from_ms
  GROUP BY
    s.start_uuid
), kinds AS (
  SELECT
    s.start_uuid AS start_uuid,
    MIN(c.kind) AS kind
  FROM subjects AS s
  JOIN clients AS c
    ON s.user_agent LIKE c.pattern
  GROUP BY
    s.start_uuid
), old AS (
  SELECT
    s.start_uuid AS start_uuid
  FROM subjects AS s
  JOIN old_browsers AS o
    ON s.user_agent LIKE o.pattern
  WHERE
    s.start_ms >= o.from_ms
  GROUP BY
    s.start_uuid
), facts AS (
  SELECT
    s.start_uuid AS start_uuid,
    s.start_ms AS start_ms,
    CASE WHEN k.kind = 'helper' THEN 1 END AS known_integration,
    CASE WHEN k.kind = 'library' THEN 1 END AS unknown_automation,
    CASE WHEN o.start_uuid IS NOT NULL THEN 1 END AS implausible_browser,
    CASE
      WHEN s.dt_hash IS NULL AND s.device_fingerprint IS NULL
      THEN 1
      WHEN s.new_device = 'BAD_REQUEST'
      THEN 1
    END AS no_device_identifiers,
    CASE
      WHEN s.new_device = 'POSITIVE'
      THEN 1
      WHEN n.device_ms > n.any_device_ms AND n.device_ms > s.start_ms - @known_ms
      THEN 1
    END AS new_device,
    CASE
      WHEN s.new_ip = 'POSITIVE'
      THEN 1
      WHEN n.address_ms > n.user_ms AND n.address_ms > s.start_ms - @known_ms
      THEN 1
    END AS new_address,
    CASE WHEN n.user_ms = s.start_ms THEN 1 END AS no_earlier_sign_in
  FROM subjects AS s
  JOIN known AS n
    ON n.start_uuid = s.start_uuid
  LEFT JOIN kinds AS k
    ON k.start_uuid = s.start_uuid
  LEFT JOIN old AS o
    ON o.start_uuid = s.start_uuid
), answers AS (
  SELECT
    f.start_uuid,
    f.start_ms,
    'known_integration' AS answer
  FROM facts AS f
  WHERE
    f.known_integration = 1
  UNION ALL
  SELECT
    f.start_uuid,
    f.start_ms,
    'unknown_automation' AS answer
  FROM facts AS f
  WHERE
    f.unknown_automation = 1
  UNION ALL
  SELECT
    f.start_uuid,
    f.start_ms,
    'implausible_browser' AS answer
  FROM facts AS f
  WHERE
    f.implausible_browser = 1
  UNION ALL
  SELECT
    f.start_uuid,
    f.start_ms,
    'no_device_identifiers' AS answer
  FROM facts AS f
  WHERE
    f.no_device_identifiers = 1
  UNION ALL
  SELECT
    f.start_uuid,
    f.start_ms,
    'new_device' AS answer
  FROM facts AS f
  WHERE
    f.new_device = 1
  UNION ALL
  SELECT
    f.start_uuid,
    f.start_ms,
    'new_address' AS answer
  FROM facts AS f
  WHERE
    f.new_address = 1
  UNION ALL
  SELECT
    f.start_uuid,
    f.start_ms,
    'no_earlier_sign_in' AS answer
  FROM facts AS f
  WHERE
    f.no_earlier_sign_in = 1
)
SELECT
  a.start_uuid,
  a.answer,
  NULL AS tier,
  a.start_uuid AS event_uuid,
  a.start_ms AS event_ms,
  NULL AS amount,
  NULL AS detail
FROM answers AS a
