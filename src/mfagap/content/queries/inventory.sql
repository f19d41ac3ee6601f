-- Who used a legacy API in [$from, $to): one row for each path, user, client, address, API token
-- and channel. A request that failed is no use of it.
--
-- Parameters, all BIGINT; times are UTC epoch milliseconds:
--   $from, $to   the events in [$from, $to) are looked at
--   $recent      from here on uses are recent
--   $earlier     from here to $recent uses are earlier
-- Lists: clients (pattern, kind) of the detection
WITH
spelled AS (
  SELECT
    e.uuid, e.event_ms, e.event_day, LOWER(e.event_type) AS event_type,
    CASE WHEN LOWER(e.actor_type) = 'systemprincipal'
         THEN CASE WHEN LOWER(e.target_type) = 'user' THEN e.target_id END
         ELSE e.actor_id END AS actor_id,
    CASE WHEN LOWER(e.actor_type) = 'systemprincipal'
         THEN CASE WHEN LOWER(e.target_type) = 'user' THEN e.target_login END
         ELSE e.actor_login END AS login,
    e.user_agent, e.client_ip, e.api_token_id,
    COALESCE(e.transaction_id, e.request_id, e.uuid) AS request,
    UPPER(e.auth_type) AS auth_type,
    CASE WHEN e.request_uri = '/api/v1/authn' OR e.request_uri LIKE '/api/v1/authn/%'
         THEN '/api/v1/authn'
         WHEN e.request_uri = '/api/v1/sessions' OR e.request_uri LIKE '/api/v1/sessions/%'
         THEN '/api/v1/sessions'
         WHEN e.request_uri = '/api/v1/factors' OR e.request_uri LIKE '/api/v1/factors/%'
         THEN '/api/v1/factors' END AS path,
    CASE WHEN e.policy_kind = 'session' THEN e.rule_id END AS rule_id,
    CASE WHEN e.policy_kind = 'session' THEN e.rule_name END AS rule_name
  FROM events AS e
  WHERE e.event_ms >= $from AND e.event_ms < $to
    AND COALESCE(UPPER(e.outcome_result), '') <> 'FAILURE'
),
oldest AS (
  SELECT MIN(e.event_ms) AS event_ms FROM events AS e
),
uses AS (
  SELECT s.*, COALESCE(s.actor_id, s.login, '') AS user_id
  FROM spelled AS s
  WHERE s.path IS NOT NULL
),
-- How the request came; told by any of its events.
channels AS (
  SELECT
    u.user_id, u.request,
    CASE WHEN MAX(CASE WHEN u.event_type = 'user.authentication.auth_via_radius'
                            OR u.auth_type = 'RADIUS' THEN 1 ELSE 0 END) = 1 THEN 'RADIUS'
         WHEN MAX(CASE WHEN u.auth_type LIKE 'LDAP%' THEN 1 ELSE 0 END) = 1 THEN 'LDAP_INTERFACE'
         ELSE 'ANY' END AS channel
  FROM uses AS u
  GROUP BY u.user_id, u.request
),
-- place 1 among those with a rule is the last: what lets them in now.
placed AS (
  SELECT
    u.uuid AS uuid, u.event_ms AS event_ms, u.event_day AS event_day, u.path AS path,
    u.user_id AS user_id, u.actor_id AS actor_id, u.login AS login, u.user_agent AS user_agent,
    u.client_ip AS client_ip, u.api_token_id AS api_token_id, c.channel AS channel,
    u.request AS request, u.rule_id AS rule_id, u.rule_name AS rule_name,
    ROW_NUMBER() OVER (
      PARTITION BY u.path, u.user_id, u.user_agent, u.client_ip, u.api_token_id, c.channel,
                   CASE WHEN u.rule_id IS NULL THEN 0 ELSE 1 END
      ORDER BY u.event_ms DESC, u.uuid) AS place
  FROM uses AS u
  JOIN channels AS c ON c.user_id = u.user_id AND c.request = u.request
),
clients_seen AS (
  SELECT
    p.path, p.user_agent, p.client_ip, p.api_token_id, p.channel, p.user_id,
    MAX(p.actor_id) AS actor_id, MAX(p.login) AS login,
    MAX(CASE WHEN p.place = 1 THEN p.rule_id END) AS rule_id,
    MAX(CASE WHEN p.place = 1 THEN p.rule_name END) AS rule_name,
    MIN(p.event_ms) AS first_ms, MAX(p.event_ms) AS last_ms,
    COUNT(DISTINCT p.event_day) AS days, COUNT(DISTINCT p.request) AS uses,
    COUNT(DISTINCT CASE WHEN p.event_ms >= $recent THEN p.request END) AS recent,
    COUNT(DISTINCT CASE WHEN p.event_ms >= $earlier AND p.event_ms < $recent THEN p.request END)
      AS earlier
  FROM placed AS p
  GROUP BY p.path, p.user_id, p.user_agent, p.client_ip, p.api_token_id, p.channel
),
agents AS (
  SELECT DISTINCT s.user_agent FROM clients_seen AS s
),
kinds AS (
  SELECT a.user_agent AS user_agent, MIN(c.kind) AS kind
  FROM agents AS a
  JOIN clients AS c ON LOWER(a.user_agent) LIKE c.pattern
  GROUP BY a.user_agent
)
SELECT
  s.path AS path, s.actor_id AS actor_id, s.login AS login, s.user_agent AS user_agent,
  k.kind AS client_kind, s.client_ip AS address, s.api_token_id AS api_token_id,
  s.channel AS channel, s.rule_id AS rule_id, s.rule_name AS rule_name, s.first_ms AS first_ms,
  s.last_ms AS last_ms, s.days AS days, s.uses AS uses, s.recent AS recent, s.earlier AS earlier,
  o.event_ms AS oldest_ms
FROM clients_seen AS s
LEFT JOIN kinds AS k ON k.user_agent = s.user_agent
CROSS JOIN oldest AS o
