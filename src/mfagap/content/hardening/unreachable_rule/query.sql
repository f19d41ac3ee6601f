-- Every rule of a session policy but the default ones: is there a rule before it that holds wherever
-- it holds? README.md tells when that is certain.
WITH
-- Users and groups are about the same: of what a rule includes of both, one is enough.
asked AS (
  SELECT DISTINCT
    c.owner_id, c.kind, c.mode, c.value,
    CASE c.kind WHEN 'user' THEN 'people' WHEN 'group' THEN 'people' ELSE c.kind END AS about
  FROM conditions AS c
),
-- What is included is counted, since to pair each value with each would take forever.
kinds AS (
  SELECT DISTINCT a.owner_id, a.kind FROM asked AS a WHERE a.mode = 'include'
),
included AS (
  SELECT a.owner_id AS owner_id, a.about AS about, COUNT(*) AS amount
  FROM asked AS a
  WHERE a.mode = 'include'
  GROUP BY a.owner_id, a.about
),
-- Each rule with each one before it that asks for nothing else in what a rule has one word for.
pairs AS (
  SELECT
    r.rule_id AS rule_id, b.rule_id AS before_id, b.name AS before_name, b.place AS place,
    CASE WHEN b.access = 'ALLOW' AND NOT b.requires_factor
              AND (r.requires_factor OR r.access = 'DENY') THEN 1 ELSE 0 END AS is_weaker
  FROM rules AS r
  JOIN rules AS b ON b.policy_id = r.policy_id
  WHERE b.place < r.place AND b.is_active AND r.is_active AND r.policy_is_active
    AND (b.access = 'ALLOW' OR b.access = 'DENY')
    AND (b.auth_type = 'ANY' OR b.auth_type = r.auth_type)
    AND (b.connection = 'ANYWHERE' OR b.connection = r.connection)
    AND (b.idp_provider = 'ANY' OR b.idp_provider = r.idp_provider)
    AND (b.risk_level = 'ANY' OR b.risk_level = r.risk_level)
),
-- How much of what a rule includes the one before includes too.
shared AS (
  SELECT p.rule_id AS rule_id, p.before_id AS before_id, r.about AS about, COUNT(*) AS amount
  FROM pairs AS p
  JOIN asked AS r ON r.owner_id = p.rule_id
  JOIN asked AS b ON b.owner_id = p.before_id AND b.kind = r.kind AND b.mode = r.mode
                     AND b.value = r.value
  WHERE r.mode = 'include'
  GROUP BY p.rule_id, p.before_id, r.about
),
-- What the one before asks for, and the rule does not.
more AS (
  -- It excludes some, or wants a behavior. What is not understood may ask for anything.
  SELECT p.rule_id AS rule_id, p.before_id AS before_id
  FROM pairs AS p
  JOIN asked AS b ON b.owner_id = p.before_id
  LEFT JOIN asked AS r ON r.owner_id = p.rule_id AND r.kind = b.kind AND r.mode = b.mode
                          AND r.value = b.value
  WHERE b.kind = 'other'
    OR ((b.mode = 'exclude' OR b.kind = 'behavior') AND r.owner_id IS NULL)
  UNION
  -- It is for some of a kind, and the rule names none of that kind.
  SELECT p.rule_id AS rule_id, p.before_id AS before_id
  FROM pairs AS p
  JOIN kinds AS b ON b.owner_id = p.before_id
  LEFT JOIN kinds AS r ON r.owner_id = p.rule_id AND r.kind = b.kind
  WHERE r.owner_id IS NULL
  UNION
  -- It is for some, and the rule is also for another: it names more than both do.
  SELECT p.rule_id AS rule_id, p.before_id AS before_id
  FROM pairs AS p
  JOIN included AS r ON r.owner_id = p.rule_id
  JOIN included AS b ON b.owner_id = p.before_id AND b.about = r.about
  LEFT JOIN shared AS s ON s.rule_id = p.rule_id AND s.before_id = p.before_id
                           AND s.about = r.about
  WHERE s.amount IS NULL OR s.amount < r.amount
),
shadows AS (
  SELECT
    p.rule_id AS rule_id, p.before_name AS name, p.is_weaker AS is_weaker,
    ROW_NUMBER() OVER (PARTITION BY p.rule_id ORDER BY p.place) AS place
  FROM pairs AS p
  LEFT JOIN more AS m ON m.rule_id = p.rule_id AND m.before_id = p.before_id
  WHERE m.rule_id IS NULL
)
SELECT
  r.rule_id AS subject_id, r.name AS subject_name, r.policy_id AS policy_id,
  CASE WHEN NOT r.is_active OR NOT r.policy_is_active THEN 'inactive'
       WHEN s.is_weaker = 1 THEN 'behind_a_weaker_one'
       WHEN s.is_weaker = 0 THEN 'never_reached'
       ELSE 'reachable' END AS reason,
  0 AS amount, NULL AS first_ms, NULL AS last_ms, NULL AS evidence, s.name AS detail
FROM rules AS r
LEFT JOIN shadows AS s ON s.rule_id = r.rule_id AND s.place = 1
WHERE r.policy_type = 'OKTA_SIGN_ON' AND NOT r.is_system
