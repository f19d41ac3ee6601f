-- Every evaluation of the session policy in [$from, $to), with what the policy was asked about.
--
-- Parameters, all BIGINT; times are UTC epoch milliseconds:
--   $from, $to   the evaluations in [$from, $to) are returned
--   $chain_ms    how long before an evaluation a second factor may count as its own
--   $after_ms    how long after it
-- Lists: clients (pattern, kind) of the detection; session_policies (id), the session policies and
-- rules that a snapshot knows: an evaluation may tell no kind of policy. Where a legacy request has
-- one that may be of a session policy as well as not, it is returned without policy and rule.
WITH
-- The spellings, and what is a second factor, are those of the detection's query.
spelled AS (
  SELECT
    e.uuid, e.event_ms, LOWER(e.event_type) AS event_type, UPPER(e.outcome_result) AS outcome,
    CASE WHEN LOWER(e.actor_type) = 'systemprincipal'
         THEN CASE WHEN LOWER(e.target_type) = 'user' THEN e.target_id END
         ELSE e.actor_id END AS actor_id,
    CASE WHEN LOWER(e.actor_type) = 'systemprincipal'
         THEN CASE WHEN LOWER(e.target_type) = 'user' THEN e.target_login END
         ELSE e.actor_login END AS login,
    e.client_ip, e.as_number, e.country, e.is_proxy, e.client_zone, e.user_agent,
    e.session_id, e.root_session_id, e.transaction_id, e.request_id, e.authn_request_id,
    CASE WHEN e.request_uri = '/api/v1/authn' OR e.request_uri LIKE '/api/v1/authn/%'
           OR e.request_uri = '/api/v1/sessions' OR e.request_uri LIKE '/api/v1/sessions/%'
           OR e.request_uri = '/api/v1/factors' OR e.request_uri LIKE '/api/v1/factors/%'
         THEN 1 ELSE 0 END AS is_legacy,
    UPPER(e.auth_type) AS auth_type, e.behaviors, e.risk_level, e.idp_id,
    CASE WHEN UPPER(e.outcome_result) = 'SUCCESS'
          AND (LOWER(e.event_type) = 'user.authentication.auth_via_idp'
               OR LOWER(e.event_type) = 'user.authentication.auth_via_inbound_saml'
               OR LOWER(e.event_type) = 'user.authentication.auth_via_social'
               OR UPPER(e.credential_type) = 'ASSERTION'
               OR UPPER(e.authentication_provider) = 'FEDERATION')
         THEN 1 ELSE 0 END AS is_assertion,
    CASE WHEN LOWER(e.event_type) = 'user.authentication.auth_via_mfa'
          AND UPPER(e.outcome_result) = 'SUCCESS'
          AND COALESCE(UPPER(e.factor), '') <> 'PASSWORD_AS_FACTOR'
          AND COALESCE(UPPER(e.method_type_used), '') <> 'PASSWORD'
          AND COALESCE(UPPER(e.factor_intent), '') NOT LIKE '%ENROLL%'
          AND COALESCE(UPPER(e.factor_intent), '') NOT LIKE '%RECOVERY%'
         THEN 1 ELSE 0 END AS is_factor,
    CASE WHEN LOWER(e.event_type) = 'policy.evaluate_sign_on'
          AND e.event_ms >= $from AND e.event_ms < $to
          AND (e.policy_kind = 'session'
               OR (COALESCE(e.rule_id, '') NOT LIKE 'plr%'
                   AND COALESCE(e.rule_id, '') NOT LIKE 'rul%')
               OR e.policy_id IN (SELECT p.id FROM session_policies AS p)
               OR e.rule_id IN (SELECT p.id FROM session_policies AS p))
         THEN 1 ELSE 0 END AS is_evaluation,
    CASE WHEN e.policy_kind = 'session'
           OR e.policy_id IN (SELECT p.id FROM session_policies AS p)
           OR e.rule_id IN (SELECT p.id FROM session_policies AS p)
         THEN 1 ELSE 0 END AS is_session_policy,
    e.policy_id, e.rule_id
  FROM events AS e
  WHERE e.event_ms >= $from - $chain_ms AND e.event_ms < $to + $after_ms
    AND (LOWER(e.event_type) = 'policy.evaluate_sign_on'
         OR LOWER(e.event_type) = 'user.session.start'
         OR LOWER(e.event_type) LIKE 'user.authentication.%')
),
own AS (
  SELECT s.*, COALESCE(s.actor_id, s.login) AS user_id FROM spelled AS s
),

-- What the other events of the same request say of the way in.
requests AS (
  SELECT
    o.user_id, o.transaction_id,
    MAX(CASE WHEN o.event_type = 'user.session.start' THEN o.is_legacy ELSE 0 END) AS is_legacy,
    MAX(CASE WHEN o.event_type = 'user.authentication.auth_via_radius' OR o.auth_type = 'RADIUS'
             THEN 1 ELSE 0 END) AS is_radius,
    MAX(CASE WHEN o.auth_type LIKE 'LDAP%' THEN 1 ELSE 0 END) AS is_ldap,
    MAX(o.is_assertion) AS is_asserted,
    MIN(CASE WHEN o.is_assertion = 1 THEN o.idp_id END) AS first_idp,
    MAX(CASE WHEN o.is_assertion = 1 THEN o.idp_id END) AS last_idp
  FROM own AS o
  GROUP BY o.user_id, o.transaction_id
),

-- Second factors: the nearest before and after, of the same user, on the same request trail or
-- session. Each side of a tie is one sorted pass and no join, whatever an id is shared by.
keys AS (
  SELECT o.uuid, o.user_id, o.event_ms, o.is_factor, 'trail' AS link, o.transaction_id AS id
  FROM own AS o WHERE o.is_factor = 1 OR o.is_evaluation = 1
  UNION
  SELECT o.uuid, o.user_id, o.event_ms, o.is_factor, 'trail' AS link, o.request_id AS id
  FROM own AS o WHERE o.is_factor = 1 OR o.is_evaluation = 1
  UNION
  SELECT o.uuid, o.user_id, o.event_ms, o.is_factor, 'trail' AS link, o.authn_request_id AS id
  FROM own AS o WHERE o.is_factor = 1 OR o.is_evaluation = 1
  UNION
  SELECT o.uuid, o.user_id, o.event_ms, o.is_factor, 'session' AS link, o.session_id AS id
  FROM own AS o WHERE o.is_factor = 1 OR o.is_evaluation = 1
  UNION
  SELECT o.uuid, o.user_id, o.event_ms, o.is_factor, 'session' AS link, o.root_session_id AS id
  FROM own AS o WHERE o.is_factor = 1 OR o.is_evaluation = 1
),
nearest AS (
  SELECT
    k.uuid, k.event_ms,
    MAX(CASE WHEN k.is_factor = 1 THEN k.event_ms END)
      OVER (PARTITION BY k.user_id, k.link, k.id ORDER BY k.event_ms) AS before_ms,
    MIN(CASE WHEN k.is_factor = 1 THEN k.event_ms END)
      OVER (PARTITION BY k.user_id, k.link, k.id ORDER BY k.event_ms DESC) AS after_ms
  FROM keys AS k
  WHERE k.id IS NOT NULL AND k.user_id IS NOT NULL
),
factors AS (
  SELECT
    n.uuid,
    MAX(CASE WHEN n.before_ms >= n.event_ms - $chain_ms THEN 1 ELSE 0 END) AS is_before,
    MAX(CASE WHEN n.after_ms <= n.event_ms + $after_ms THEN 1 ELSE 0 END) AS is_after
  FROM nearest AS n
  GROUP BY n.uuid
),

agents AS (
  SELECT DISTINCT o.user_agent FROM own AS o WHERE o.is_evaluation = 1
),
kinds AS (
  SELECT a.user_agent AS user_agent, MIN(c.kind) AS kind
  FROM agents AS a
  JOIN clients AS c ON LOWER(a.user_agent) LIKE c.pattern
  GROUP BY a.user_agent
)
SELECT
  o.uuid AS uuid, o.event_ms AS event_ms, o.actor_id AS actor_id, o.login AS login,
  o.client_ip AS address, o.as_number AS as_number, o.country AS country, o.is_proxy AS is_proxy,
  o.client_zone AS client_zone, o.user_agent AS user_agent, k.kind AS client_kind,
  CASE WHEN o.is_legacy = 1 OR r.is_legacy = 1 THEN 1 ELSE 0 END AS legacy,
  CASE WHEN o.auth_type = 'RADIUS' OR r.is_radius = 1 THEN 'RADIUS'
       WHEN o.auth_type LIKE 'LDAP%' OR r.is_ldap = 1 THEN 'LDAP_INTERFACE'
       ELSE 'ANY' END AS auth_type,
  CASE WHEN r.is_asserted = 1
       THEN CASE WHEN r.first_idp = r.last_idp THEN r.first_idp ELSE '' END END AS idp_id,
  o.behaviors AS behaviors, o.risk_level AS risk_level,
  CASE WHEN f.is_before = 1 OR f.is_after = 1 THEN 1 ELSE 0 END AS passed_factor,
  COALESCE(f.is_before, 0) AS factor_first, o.outcome AS result,
  CASE WHEN o.is_session_policy = 1 THEN o.policy_id END AS policy_id,
  CASE WHEN o.is_session_policy = 1 THEN o.rule_id END AS rule_id
FROM own AS o
LEFT JOIN requests AS r ON r.user_id = o.user_id AND r.transaction_id = o.transaction_id
LEFT JOIN factors AS f ON f.uuid = o.uuid
LEFT JOIN kinds AS k ON k.user_agent = o.user_agent
WHERE o.is_evaluation = 1
  AND (o.is_session_policy = 1 OR o.is_legacy = 1 OR r.is_legacy = 1)
