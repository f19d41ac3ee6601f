-- okta_legacy_authn_without_mfa for Databricks
-- Made by `mfagap detections sql okta_legacy_authn_without_mfa --dialect databricks`.
-- Parameters (databricks-sql-connector), BIGINT, times in UTC epoch milliseconds:
--   from_ms    starts from this time on are judged
--   to_ms      starts before this time are judged
--   watermark  events before this time are believed complete
--   grace_ms   how long after a start its second factor may happen
--   chain_ms   how long before a start its chain may begin
--   before_ms  how far back devices and identity providers are remembered
--   after_ms   how long after a start a later second factor is still noted
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
), session_uses AS (
  SELECT
    CAST('user.authentication.sso' AS STRING) AS pattern,
    CAST('access' AS STRING) AS kind
  UNION ALL
  SELECT
    'user.session.access_admin_app',
    'access'
  UNION ALL
  SELECT
    'app.oauth2.%token.grant%',
    'access'
  UNION ALL
  SELECT
    'user.session.impersonation.%',
    'act'
  UNION ALL
  SELECT
    'app.oauth2.client.lifecycle.%',
    'act'
  UNION ALL
  SELECT
    'app.oauth2.client.privilege.grant',
    'act'
  UNION ALL
  SELECT
    'app.oauth2.credentials.lifecycle.%',
    'act'
  UNION ALL
  SELECT
    'system.api_token.create',
    'act'
  UNION ALL
  SELECT
    'user.mfa.factor.activate',
    'act'
  UNION ALL
  SELECT
    'user.mfa.factor.deactivate',
    'act'
  UNION ALL
  SELECT
    'user.mfa.factor.reset_all',
    'act'
  UNION ALL
  SELECT
    'user.mfa.factor.update',
    'act'
  UNION ALL
  SELECT
    'user.account.privilege.grant',
    'act'
  UNION ALL
  SELECT
    'user.account.update_password',
    'act'
  UNION ALL
  SELECT
    'user.account.reset_password',
    'act'
  UNION ALL
  SELECT
    'user.account.update_primary_email',
    'act'
  UNION ALL
  SELECT
    'user.account.update_secondary_email',
    'act'
  UNION ALL
  SELECT
    'user.lifecycle.%',
    'act'
  UNION ALL
  SELECT
    'group.user_membership.add',
    'act'
  UNION ALL
  SELECT
    'group.privilege.grant',
    'act'
  UNION ALL
  SELECT
    'application.user_membership.%',
    'act'
  UNION ALL
  SELECT
    'application.lifecycle.%',
    'act'
  UNION ALL
  SELECT
    'application.policy.sign_on.update',
    'act'
  UNION ALL
  SELECT
    'application.policy.sign_on.rule.%',
    'act'
  UNION ALL
  SELECT
    'group.application_assignment.%',
    'act'
  UNION ALL
  SELECT
    'event_hook.%',
    'act'
  UNION ALL
  SELECT
    'iam.%',
    'act'
  UNION ALL
  SELECT
    'policy.lifecycle.%',
    'act'
  UNION ALL
  SELECT
    'policy.rule.%',
    'act'
  UNION ALL
  SELECT
    'zone.%',
    'act'
  UNION ALL
  SELECT
    'system.idp.lifecycle.%',
    'act'
  UNION ALL
  SELECT
    'system.log_stream.%',
    'act'
  UNION ALL
  SELECT
    'system.mfa.factor.%',
    'act'
  UNION ALL
  SELECT
    'security.authenticator.lifecycle.%',
    'act'
), second_factor_methods AS (
  SELECT
    CAST('% mfa %' AS STRING) AS pattern
  UNION ALL
  SELECT
    '% otp %'
  UNION ALL
  SELECT
    '% hwk %'
  UNION ALL
  SELECT
    '% swk %'
  UNION ALL
  SELECT
    '% sms %'
  UNION ALL
  SELECT
    '% tel %'
  UNION ALL
  SELECT
    '% sc %'
  UNION ALL
  SELECT
    '% fpt %'
  UNION ALL
  SELECT
    '% face %'
  UNION ALL
  SELECT
    '% iris %'
  UNION ALL
  SELECT
    '% retina %'
  UNION ALL
  SELECT
    '% vbm %'
), trusted_api_tokens AS (
  SELECT
    CAST(NULL AS STRING) AS api_token_id
  FROM events
  WHERE
    1 = 0
), prompting_rules AS (
  SELECT
    CAST(NULL AS STRING) AS rule_id,
    CAST(NULL AS BIGINT) AS lifetime_s
  FROM events
  WHERE
    1 = 0
), candidates AS (
  SELECT DISTINCT
    CASE
      WHEN LOWER(e.actor_type) = 'systemprincipal'
      THEN e.target_id
      ELSE COALESCE(e.actor_id, e.actor_login)
    END AS user_id
  FROM events AS e
  WHERE
    LOWER(e.event_type) = 'user.session.start'
    AND e.event_ms >= :from_ms
    AND e.event_ms < :to_ms
    AND (
      e.session_id LIKE '10%' OR e.session_id LIKE 'trs%'
    )
), spelled AS (
  SELECT
    e.uuid,
    e.event_ms,
    LOWER(e.event_type) AS event_type,
    UPPER(e.outcome_result) AS outcome,
    CASE
      WHEN LOWER(e.actor_type) = 'systemprincipal'
      THEN e.target_id
      ELSE COALESCE(e.actor_id, e.actor_login)
    END AS user_id,
    e.actor_id,
    e.actor_login,
    e.client_ip,
    e.user_agent,
    e.session_id,
    e.root_session_id,
    e.transaction_id,
    e.request_id,
    e.authn_request_id,
    e.request_uri,
    CASE
      WHEN e.request_uri = '/api/v1/authn' OR e.request_uri LIKE '/api/v1/authn/%'
      THEN 'legacy'
      WHEN e.request_uri IS NULL
      THEN 'none'
      WHEN e.request_uri LIKE '/idp/idx/%'
      THEN 'idx'
      ELSE 'other'
    END AS uri_kind,
    UPPER(e.credential_type) AS credential_type,
    UPPER(e.authentication_provider) AS authentication_provider,
    UPPER(e.auth_type) AS auth_type,
    e.dt_hash,
    LOWER(e.idp_mfa_verified) AS idp_mfa_verified,
    e.amr_list,
    e.idp_id,
    e.api_token_id,
    e.original_principal_id,
    e.policy_kind,
    e.policy_id,
    e.policy_name,
    e.rule_id,
    e.rule_name,
    e.target_id,
    CASE
      WHEN LOWER(e.event_type) = 'user.authentication.auth_via_mfa'
      AND UPPER(e.outcome_result) = 'SUCCESS'
      AND COALESCE(UPPER(e.factor), '') <> 'PASSWORD_AS_FACTOR'
      AND COALESCE(UPPER(e.method_type_used), '') <> 'PASSWORD'
      AND COALESCE(UPPER(e.factor_intent), '') NOT LIKE '%ENROLL%'
      AND COALESCE(UPPER(e.factor_intent), '') NOT LIKE '%RECOVERY%'
      THEN 1
    END AS is_factor
  FROM events AS e
  WHERE
    e.event_ms >= :from_ms - :before_ms
    AND e.event_ms < :to_ms + :after_ms
    AND (
      COALESCE(e.actor_id, e.actor_login) IN (
        SELECT
          c.user_id
        FROM candidates AS c
      )
      OR e.target_id IN (
        SELECT
          c.user_id
        FROM candidates AS c
      )
      OR LOWER(e.event_type) = 'user.session.start'
      OR LOWER(e.event_type) LIKE 'system.idp.lifecycle.%'
    )
), starts AS (
  SELECT
    s.*,
    CASE
      WHEN s.actor_login IS NULL
      THEN 'no user'
      WHEN s.session_id IS NULL
      THEN 'no session id'
    END AS skip_reason
  FROM spelled AS s
  WHERE
    s.event_type = 'user.session.start'
    AND s.outcome = 'SUCCESS'
    AND s.event_ms >= :from_ms
    AND s.event_ms < :to_ms
    AND s.uri_kind <> 'idx'
    AND (
      s.session_id IS NULL
      OR s.session_id LIKE '102%'
      OR s.session_id LIKE '101%'
      OR (
        s.session_id LIKE 'trs%' AND s.uri_kind = 'legacy'
      )
    )
), own AS (
  SELECT
    e.*,
    ROW_NUMBER() OVER (ORDER BY e.event_ms NULLS LAST, e.uuid NULLS LAST) AS place
  FROM spelled AS e
  WHERE
    e.user_id IN (
      SELECT
        s.user_id
      FROM starts AS s
    )
), proofs AS (
  SELECT
    e.uuid AS uuid
  FROM own AS e
  JOIN second_factor_methods AS m
    ON ' ' || e.amr_list || ' ' LIKE m.pattern
  GROUP BY
    e.uuid
), signs AS (
  SELECT
    e.uuid AS uuid,
    e.idp_id AS idp_id,
    'assertion' AS says
  FROM own AS e
  WHERE
    e.outcome = 'SUCCESS'
    AND (
      e.event_type = 'user.authentication.auth_via_idp'
      OR e.event_type = 'user.authentication.auth_via_inbound_saml'
      OR e.event_type = 'user.authentication.auth_via_social'
      OR e.credential_type = 'ASSERTION'
      OR e.authentication_provider = 'FEDERATION'
    )
  UNION ALL
  SELECT
    e.uuid AS uuid,
    NULL AS idp_id,
    CASE
      WHEN e.is_factor = 1
      THEN 'factor'
      WHEN e.event_type = 'user.authentication.auth_via_mfa' AND e.outcome <> 'SUCCESS'
      THEN 'mfa_not_passed'
      WHEN e.event_type = 'policy.evaluate_sign_on' AND e.policy_kind = 'session'
      THEN CASE e.outcome
        WHEN 'ALLOW'
        THEN 'allow'
        WHEN 'CHALLENGE'
        THEN 'challenge'
        ELSE 'evaluation'
      END
      WHEN e.outcome = 'SUCCESS'
      AND (
        e.event_type = 'user.authentication.auth_via_iwa'
        OR e.event_type = 'system.iwa_agentless.auth'
      )
      THEN 'desktop_sso'
      WHEN e.event_type LIKE 'user.mfa.okta_verify.deny_push%'
      THEN 'push_denied'
      WHEN e.event_type = 'user.authentication.auth_via_radius'
      THEN 'radius'
      WHEN e.event_type = 'user.authentication.auth_via_ad_agent'
      OR e.event_type = 'user.authentication.auth_via_ldap_agent'
      THEN 'delegated_password'
    END AS says
  FROM own AS e
  UNION ALL
  SELECT
    e.uuid AS uuid,
    NULL AS idp_id,
    CASE
      WHEN e.auth_type = 'RADIUS'
      THEN 'radius'
      WHEN e.auth_type LIKE 'LDAP%'
      THEN 'ldap_interface'
    END AS says
  FROM own AS e
  UNION ALL
  SELECT
    e.uuid AS uuid,
    NULL AS idp_id,
    CASE e.credential_type WHEN 'IWA' THEN 'iwa' WHEN 'CERTIFICATE' THEN 'smart_card' END AS says
  FROM own AS e
  WHERE
    e.outcome = 'SUCCESS'
  UNION ALL
  SELECT
    e.uuid AS uuid,
    NULL AS idp_id,
    'denial' AS says
  FROM own AS e
  LEFT JOIN proofs AS p
    ON p.uuid = e.uuid
  WHERE
    e.idp_mfa_verified = 'false'
    OR (
      ' ' || e.amr_list || ' ' LIKE '% pwd %' AND p.uuid IS NULL
    )
  UNION ALL
  SELECT
    e.uuid AS uuid,
    NULL AS idp_id,
    'use' AS says
  FROM own AS e
  JOIN session_uses AS u
    ON e.event_type LIKE u.pattern
  WHERE
    e.outcome = 'SUCCESS'
), start_keys AS (
  SELECT
    s.uuid,
    s.user_id,
    s.event_ms,
    s.transaction_id,
    'external_session_id' AS link,
    s.session_id AS id
  FROM starts AS s
  UNION
  SELECT
    s.uuid,
    s.user_id,
    s.event_ms,
    s.transaction_id,
    'root_session_id' AS link,
    s.root_session_id AS id
  FROM starts AS s
  UNION
  SELECT
    s.uuid,
    s.user_id,
    s.event_ms,
    s.transaction_id,
    'root_session_id' AS link,
    s.session_id AS id
  FROM starts AS s
  UNION
  SELECT
    s.uuid,
    s.user_id,
    s.event_ms,
    s.transaction_id,
    'request_trail' AS link,
    s.transaction_id AS id
  FROM starts AS s
  UNION
  SELECT
    s.uuid,
    s.user_id,
    s.event_ms,
    s.transaction_id,
    'request_trail' AS link,
    s.request_id AS id
  FROM starts AS s
  UNION
  SELECT
    s.uuid,
    s.user_id,
    s.event_ms,
    s.transaction_id,
    'request_trail' AS link,
    s.authn_request_id AS id
  FROM starts AS s
), event_keys AS (
  SELECT
    e.uuid,
    e.user_id,
    e.event_ms,
    e.transaction_id,
    e.place,
    'external_session_id' AS link,
    e.session_id AS id
  FROM own AS e
  UNION ALL
  SELECT
    e.uuid,
    e.user_id,
    e.event_ms,
    e.transaction_id,
    e.place,
    'root_session_id' AS link,
    e.root_session_id AS id
  FROM own AS e
  UNION ALL
  SELECT
    e.uuid,
    e.user_id,
    e.event_ms,
    e.transaction_id,
    e.place,
    'request_trail' AS link,
    e.transaction_id AS id
  FROM own AS e
  UNION ALL
  SELECT
    e.uuid,
    e.user_id,
    e.event_ms,
    e.transaction_id,
    e.place,
    'request_trail' AS link,
    e.request_id AS id
  FROM own AS e
  UNION ALL
  SELECT
    e.uuid,
    e.user_id,
    e.event_ms,
    e.transaction_id,
    e.place,
    'request_trail' AS link,
    e.authn_request_id AS id
  FROM own AS e
), ties AS (
  SELECT
    k.uuid AS start_uuid,
    l.link AS link,
    g.says AS says,
    g.idp_id AS idp_id,
    l.uuid AS uuid,
    l.place AS place,
    CASE WHEN l.event_ms <= k.event_ms + :grace_ms THEN 1 ELSE 0 END AS in_time,
    CASE
      WHEN l.event_ms <= k.event_ms OR l.transaction_id = k.transaction_id
      THEN 1
      ELSE 0
    END AS is_before,
    CASE WHEN l.event_ms >= k.event_ms THEN 1 END AS is_since,
    CASE WHEN l.transaction_id = k.transaction_id OR l.uuid = k.uuid THEN 1 END AS same_transaction
  FROM start_keys AS k
  JOIN event_keys AS l
    ON l.link = k.link AND l.id = k.id AND l.user_id = k.user_id
  JOIN signs AS g
    ON g.uuid = l.uuid
  WHERE
    g.says IS NOT NULL
    AND l.event_ms >= k.event_ms - :chain_ms
    AND l.event_ms <= k.event_ms + :after_ms
), reached AS (
  SELECT
    t.start_uuid,
    t.link,
    t.says,
    t.idp_id,
    t.in_time,
    t.is_before,
    t.is_since,
    t.same_transaction,
    MIN(t.uuid) AS uuid,
    MIN(t.place) AS place
  FROM ties AS t
  GROUP BY
    t.start_uuid,
    t.link,
    t.says,
    t.idp_id,
    t.in_time,
    t.is_before,
    t.is_since,
    t.same_transaction
), chain AS (
  SELECT
    r.*
  FROM reached AS r
  WHERE
    r.in_time = 1
), factors AS (
  SELECT
    c.start_uuid AS start_uuid,
    e.uuid AS uuid,
    c.link AS link,
    e.event_ms AS event_ms,
    c.is_before AS is_before,
    ROW_NUMBER() OVER (
      PARTITION BY c.start_uuid
      ORDER BY c.is_before DESC, e.event_ms NULLS LAST, c.link NULLS LAST, e.uuid NULLS LAST
    ) AS place
  FROM chain AS c
  JOIN own AS e
    ON e.place = c.place
  WHERE
    c.says = 'factor'
), activations AS (
  SELECT
    e.uuid,
    e.event_ms,
    e.user_id AS user_id
  FROM spelled AS e
  WHERE
    e.event_type = 'user.mfa.factor.activate' AND e.outcome = 'SUCCESS'
  UNION ALL
  SELECT
    e.uuid,
    e.event_ms,
    e.target_id AS user_id
  FROM spelled AS e
  WHERE
    e.event_type = 'user.mfa.factor.activate' AND e.outcome = 'SUCCESS'
), first_activations AS (
  SELECT
    s.uuid AS start_uuid,
    s.user_id AS user_id,
    MIN(a.event_ms) AS event_ms
  FROM starts AS s
  JOIN activations AS a
    ON a.user_id = s.user_id
  WHERE
    a.event_ms >= s.event_ms AND a.event_ms <= s.event_ms + :grace_ms
  GROUP BY
    s.uuid,
    s.user_id
), named_activations AS (
  SELECT
    f.start_uuid AS start_uuid,
    f.event_ms AS event_ms,
    MIN(a.uuid) AS uuid
  FROM first_activations AS f
  JOIN activations AS a
    ON a.user_id = f.user_id AND a.event_ms = f.event_ms
  GROUP BY
    f.start_uuid,
    f.event_ms
), evaluations AS (
  SELECT
    c.start_uuid AS start_uuid,
    e.uuid AS uuid,
    c.link AS link,
    e.event_ms AS event_ms,
    e.outcome AS outcome,
    e.policy_id AS policy_id,
    e.policy_name AS policy_name,
    e.rule_id AS rule_id,
    e.rule_name AS rule_name,
    ROW_NUMBER() OVER (
      PARTITION BY c.start_uuid
      ORDER BY CASE c.says WHEN 'allow' THEN 1 WHEN 'challenge' THEN 2 ELSE 3 END NULLS LAST, e.event_ms NULLS LAST, e.uuid NULLS LAST, c.link NULLS LAST
    ) AS place
  FROM chain AS c
  JOIN own AS e
    ON e.place = c.place
  WHERE
    c.says = 'allow' OR c.says = 'challenge' OR c.says = 'evaluation'
), decisions AS (
  SELECT
    v.start_uuid,
    MAX(CASE WHEN v.outcome = 'ALLOW' THEN 1 ELSE 0 END) AS allowed,
    MIN(CASE WHEN v.outcome = 'ALLOW' THEN v.event_ms END) AS allowed_ms,
    MAX(CASE WHEN v.outcome = 'CHALLENGE' THEN 1 ELSE 0 END) AS challenged
  FROM evaluations AS v
  GROUP BY
    v.start_uuid
), uses AS (
  SELECT
    c.start_uuid AS start_uuid,
    MIN('used=' || c.link || '=' || c.uuid || ';') AS note
  FROM chain AS c
  WHERE
    c.says = 'use' AND c.is_since = 1
  GROUP BY
    c.start_uuid
), assertions AS (
  SELECT
    c.start_uuid,
    c.uuid,
    c.link,
    COALESCE(c.idp_id, MAX(c.idp_id) OVER (PARTITION BY c.start_uuid), '*') AS idp_id
  FROM chain AS c
  WHERE
    c.says = 'assertion' AND c.same_transaction = 1
), provider_changes AS (
  SELECT
    e.uuid,
    e.event_ms,
    e.target_id AS idp_id
  FROM spelled AS e
  WHERE
    e.event_type LIKE 'system.idp.lifecycle.%' AND e.outcome = 'SUCCESS'
  UNION ALL
  SELECT
    e.uuid,
    e.event_ms,
    e.idp_id AS idp_id
  FROM spelled AS e
  WHERE
    e.event_type LIKE 'system.idp.lifecycle.%' AND e.outcome = 'SUCCESS'
  UNION ALL
  SELECT
    e.uuid,
    e.event_ms,
    '*' AS idp_id
  FROM spelled AS e
  WHERE
    e.event_type LIKE 'system.idp.lifecycle.%' AND e.outcome = 'SUCCESS'
), changed_providers AS (
  SELECT
    a.start_uuid AS start_uuid,
    MIN(p.uuid) AS uuid
  FROM assertions AS a
  JOIN starts AS s
    ON s.uuid = a.start_uuid
  JOIN provider_changes AS p
    ON p.idp_id = a.idp_id
  WHERE
    p.event_ms <= s.event_ms AND p.event_ms >= s.event_ms - :before_ms
  GROUP BY
    a.start_uuid
), denials AS (
  SELECT
    c.start_uuid AS start_uuid,
    MIN(c.uuid) AS uuid
  FROM chain AS c
  WHERE
    c.says = 'denial' AND c.same_transaction = 1
  GROUP BY
    c.start_uuid
), last_memories AS (
  SELECT
    s.uuid AS start_uuid,
    s.event_ms AS start_ms,
    s.user_id AS user_id,
    s.dt_hash AS dt_hash,
    MAX(e.event_ms) AS event_ms
  FROM starts AS s
  JOIN own AS e
    ON e.user_id = s.user_id AND e.dt_hash = s.dt_hash
  WHERE
    e.is_factor = 1
    AND e.event_ms < s.event_ms
    AND e.event_ms >= s.event_ms - :before_ms
  GROUP BY
    s.uuid,
    s.event_ms,
    s.user_id,
    s.dt_hash
), memories AS (
  SELECT
    m.start_uuid AS start_uuid,
    m.start_ms - m.event_ms AS age_ms,
    MIN(e.uuid) AS uuid
  FROM last_memories AS m
  JOIN own AS e
    ON e.user_id = m.user_id AND e.dt_hash = m.dt_hash AND e.event_ms = m.event_ms
  WHERE
    e.is_factor = 1
  GROUP BY
    m.start_uuid,
    m.start_ms - m.event_ms
), explanations AS (
  SELECT
    a.start_uuid AS start_uuid,
    1 AS place,
    'inbound_federation=' || a.link || '=' || MIN(a.uuid) AS note
  FROM assertions AS a
  LEFT JOIN denials AS d
    ON d.start_uuid = a.start_uuid
  LEFT JOIN changed_providers AS p
    ON p.start_uuid = a.start_uuid
  WHERE
    d.start_uuid IS NULL AND p.start_uuid IS NULL
  GROUP BY
    a.start_uuid,
    a.link
  UNION ALL
  SELECT
    c.start_uuid,
    2 AS place,
    'desktop_sso=' || c.link || '=' || MIN(c.uuid) AS note
  FROM chain AS c
  WHERE
    (
      c.says = 'desktop_sso' AND c.is_before = 1
    )
    OR (
      c.says = 'iwa' AND c.same_transaction = 1
    )
  GROUP BY
    c.start_uuid,
    c.link
  UNION ALL
  SELECT
    c.start_uuid,
    3 AS place,
    'smart_card=' || c.link || '=' || MIN(c.uuid) AS note
  FROM chain AS c
  WHERE
    c.says = 'smart_card' AND c.same_transaction = 1
  GROUP BY
    c.start_uuid,
    c.link
  UNION ALL
  SELECT
    s.uuid AS start_uuid,
    4 AS place,
    'trusted_api_token=start=' || s.uuid AS note
  FROM starts AS s
  JOIN trusted_api_tokens AS t
    ON t.api_token_id = s.api_token_id
  UNION ALL
  SELECT
    m.start_uuid AS start_uuid,
    5 AS place,
    'remembered_device=dt_hash=' || m.uuid AS note
  FROM memories AS m
  JOIN evaluations AS v
    ON v.start_uuid = m.start_uuid
  JOIN prompting_rules AS r
    ON r.rule_id = v.rule_id
  WHERE
    v.place = 1 AND v.outcome = 'ALLOW' AND m.age_ms <= r.lifetime_s * 1000
), ranked_explanations AS (
  SELECT
    x.start_uuid,
    x.note,
    ROW_NUMBER() OVER (PARTITION BY x.start_uuid ORDER BY x.place NULLS LAST, x.note NULLS LAST) AS place
  FROM explanations AS x
), notes AS (
  SELECT
    r.start_uuid,
    MIN(
      CASE
        WHEN r.in_time = 1 AND r.says = 'push_denied'
        THEN 'push_denied=' || r.link || '=' || r.uuid || ';'
      END
    ) AS push_denied,
    MIN(
      CASE
        WHEN r.in_time = 1 AND r.says = 'mfa_not_passed'
        THEN 'mfa_not_passed=' || r.link || '=' || r.uuid || ';'
      END
    ) AS mfa_not_passed,
    MIN(
      CASE
        WHEN r.in_time = 0 AND r.says = 'factor'
        THEN 'later_mfa=' || r.link || '=' || r.uuid || ';'
      END
    ) AS later_mfa,
    MIN(
      CASE
        WHEN r.in_time = 1 AND r.says = 'radius'
        THEN 'radius=' || r.link || '=' || r.uuid || ';'
      END
    ) AS radius,
    MIN(
      CASE
        WHEN r.in_time = 1 AND r.says = 'ldap_interface'
        THEN 'ldap_interface=' || r.link || '=' || r.uuid || ';'
      END
    ) AS ldap_interface,
    MIN(
      CASE
        WHEN r.in_time = 1 AND r.says = 'delegated_password'
        THEN 'delegated_password=' || r.link || '=' || r.uuid || ';'
      END
    ) AS delegated_password
  FROM reached AS r
  GROUP BY
    r.start_uuid
), client_kinds AS (
  SELECT
    s.uuid AS start_uuid,
    MIN(c.kind) AS kind
  FROM starts AS s
  JOIN clients AS c
    ON LOWER(s.user_agent) LIKE c.pattern
  GROUP BY
    s.uuid
), facts AS (
  SELECT
    s.uuid AS uuid,
    s.event_ms AS event_ms,
    s.skip_reason AS skip_reason,
    s.actor_login AS user_email,
    s.actor_id AS actor_id,
    s.client_ip AS source_ip,
    s.user_agent AS user_agent,
    s.session_id AS external_session_id,
    s.transaction_id AS transaction_id,
    s.request_uri AS request_uri,
    s.uri_kind AS uri_kind,
    s.api_token_id AS api_token_id,
    s.original_principal_id AS original_principal_id,
    COALESCE(s.transaction_id, s.request_id, s.authn_request_id) AS trail_id,
    f.uuid AS mfa_event,
    f.link AS mfa_link,
    f.event_ms AS mfa_ms,
    f.is_before AS mfa_before,
    CASE WHEN n.event_ms <= f.event_ms THEN 1 ELSE 0 END AS own_factor,
    n.uuid AS activation_uuid,
    v.uuid AS policy_event,
    v.link AS policy_link,
    v.outcome AS policy_result,
    v.policy_id AS policy_id,
    v.policy_name AS policy_name,
    v.rule_id AS rule_id,
    v.rule_name AS rule_name,
    d.allowed AS allowed,
    d.allowed_ms AS allowed_ms,
    COALESCE(d.challenged, 0) AS challenged,
    u.note AS use_note,
    x.note AS explanation,
    y.uuid AS denial_uuid,
    p.uuid AS idp_change_uuid,
    CASE WHEN f.is_before = 1 THEN NULL ELSE m.uuid END AS memory_uuid,
    k.kind AS client_kind,
    o.push_denied AS push_denied,
    o.mfa_not_passed AS mfa_not_passed,
    o.later_mfa AS later_mfa,
    o.radius AS radius,
    o.ldap_interface AS ldap_interface,
    o.delegated_password AS delegated_password
  FROM starts AS s
  LEFT JOIN factors AS f
    ON f.start_uuid = s.uuid AND f.place = 1
  LEFT JOIN named_activations AS n
    ON n.start_uuid = s.uuid
  LEFT JOIN evaluations AS v
    ON v.start_uuid = s.uuid AND v.place = 1
  LEFT JOIN decisions AS d
    ON d.start_uuid = s.uuid
  LEFT JOIN uses AS u
    ON u.start_uuid = s.uuid
  LEFT JOIN ranked_explanations AS x
    ON x.start_uuid = s.uuid AND x.place = 1
  LEFT JOIN denials AS y
    ON y.start_uuid = s.uuid
  LEFT JOIN changed_providers AS p
    ON p.start_uuid = s.uuid
  LEFT JOIN memories AS m
    ON m.start_uuid = s.uuid
  LEFT JOIN client_kinds AS k
    ON k.start_uuid = s.uuid
  LEFT JOIN notes AS o
    ON o.start_uuid = s.uuid
), judged AS (
  SELECT
    t.*,
    CASE
      WHEN t.mfa_before = 1
      THEN 'mfa'
      WHEN t.mfa_before = 0
      AND t.own_factor = 0
      AND t.challenged = 1
      AND (
        t.allowed = 0 OR t.allowed_ms >= t.mfa_ms
      )
      THEN 'mfa'
      WHEN :watermark < t.event_ms + :grace_ms
      THEN 'unsettled'
      WHEN t.mfa_before = 0 AND t.own_factor = 0
      THEN 'step_up'
      WHEN t.challenged = 1 AND t.allowed = 0 AND t.use_note IS NULL AND t.own_factor = 0
      THEN 'challenged'
      WHEN t.explanation IS NOT NULL AND (
        t.challenged = 0 OR t.allowed = 1
      )
      THEN 'explained'
      ELSE 'single_factor'
    END AS mfa_status,
    CASE WHEN t.uri_kind = 'legacy' THEN 0 ELSE 1 END + CASE WHEN t.policy_event IS NULL THEN 1 ELSE 0 END + CASE WHEN t.trail_id IS NULL THEN 1 ELSE 0 END + CASE WHEN t.memory_uuid IS NOT NULL THEN 1 ELSE 0 END + CASE WHEN t.external_session_id LIKE 'trs%' THEN 2 ELSE 0 END AS doubts
  FROM facts AS t
)
SELECT
  j.skip_reason AS skip_reason,
  j.uuid AS uuid,
  j.event_ms AS event_ms,
  j.mfa_status AS mfa_status,
  CASE
    WHEN j.mfa_status = 'challenged' AND j.push_denied IS NOT NULL
    THEN 'medium'
    WHEN j.mfa_status = 'challenged'
    THEN 'low'
    WHEN j.mfa_status = 'single_factor' AND j.challenged = 1 AND j.allowed = 0
    THEN 'high'
    WHEN j.mfa_status = 'single_factor' AND j.client_kind = 'library'
    THEN 'high'
    WHEN j.mfa_status = 'single_factor'
    THEN 'medium'
    ELSE 'informational'
  END AS severity,
  CASE WHEN j.doubts = 0 THEN 'high' WHEN j.doubts = 1 THEN 'medium' ELSE 'low' END AS confidence,
  CASE
    WHEN j.uri_kind = 'legacy'
    THEN ''
    WHEN j.uri_kind = 'none'
    THEN 'no_request_uri;'
    ELSE 'other_request_uri;'
  END || CASE WHEN j.policy_event IS NULL THEN 'no_policy_event;' ELSE '' END || CASE WHEN j.trail_id IS NULL THEN 'no_request_trail;' ELSE '' END || CASE WHEN j.memory_uuid IS NOT NULL THEN 'remembered_device;' ELSE '' END || CASE WHEN j.external_session_id LIKE 'trs%' THEN 'transient_session_id;' ELSE '' END AS confidence_reasons,
  j.mfa_link AS mfa_link,
  j.mfa_event AS mfa_event,
  j.explanation AS explanation,
  CASE
    WHEN j.mfa_status = 'single_factor' AND j.challenged = 1 AND j.allowed = 0
    THEN COALESCE(j.use_note, '')
    ELSE ''
  END || COALESCE(j.push_denied, '') || COALESCE(j.mfa_not_passed, '') || COALESCE(j.later_mfa, '') || COALESCE(j.radius, '') || COALESCE(j.ldap_interface, '') || COALESCE(j.delegated_password, '') || COALESCE('factor_enrolled=user=' || j.activation_uuid || ';', '') || COALESCE('idp_denies_mfa=transaction=' || j.denial_uuid || ';', '') || COALESCE('idp_changed=idp=' || j.idp_change_uuid || ';', '') || COALESCE('remembered_device=dt_hash=' || j.memory_uuid || ';', '') || CASE
    WHEN j.api_token_id IS NOT NULL
    THEN 'api_token=start=' || j.uuid || ';'
    ELSE ''
  END || CASE
    WHEN j.original_principal_id IS NOT NULL
    THEN 'original_principal=start=' || j.uuid || ';'
    ELSE ''
  END AS annotations,
  j.policy_event AS policy_event,
  j.policy_link AS policy_link,
  j.policy_result AS policy_result,
  j.policy_id AS policy_id,
  j.policy_name AS policy_name,
  j.rule_id AS rule_id,
  j.rule_name AS rule_name,
  j.user_email AS user_email,
  j.actor_id AS actor_id,
  j.source_ip AS source_ip,
  j.user_agent AS user_agent,
  j.external_session_id AS external_session_id,
  j.transaction_id AS transaction_id,
  j.request_uri AS request_uri
FROM judged AS j
