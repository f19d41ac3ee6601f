-- Every active rule of a session policy that lets people in on one factor, and is named for a place
-- inside. README.md tells what each reason means. Lists: inside has LIKE patterns over the lower-case
-- name between blanks, and outside over the same after a blank; widest has the number of IPv4
-- addresses that a place inside may have.
WITH
named AS (
  SELECT DISTINCT
    r.rule_id AS rule_id, r.name AS name, r.policy_id AS policy_id, r.connection AS connection,
    CASE WHEN r.access IS NULL OR r.requires_factor IS NULL THEN 1 END AS not_said
  FROM rules AS r
  JOIN inside AS i ON ' ' || LOWER(r.name) || ' ' LIKE i.pattern
  LEFT JOIN outside AS o ON ' ' || LOWER(r.name) LIKE o.pattern
  WHERE o.pattern IS NULL
    AND r.policy_type = 'OKTA_SIGN_ON'
    AND r.is_active AND r.policy_is_active
    AND (r.access IS NULL OR r.access <> 'DENY')
    AND (r.requires_factor IS NULL OR NOT r.requires_factor)
),
-- What each zone that a rule includes says of it, the worst first. An inactive one holds nobody.
zones_of AS (
  SELECT
    c.owner_id AS rule_id, COALESCE(z.name, c.value) AS name,
    CASE WHEN NOT z.is_active THEN 5
         WHEN z.is_open THEN 1
         WHEN z.addresses > w.addresses THEN 2
         WHEN z.addresses IS NULL THEN 3
         ELSE 4 END AS kind
  FROM conditions AS c
  CROSS JOIN widest AS w
  LEFT JOIN zones AS z ON z.zone_id = c.value
  WHERE c.kind = 'zone' AND c.mode = 'include'
),
worst AS (
  SELECT
    z.rule_id, z.name, z.kind,
    ROW_NUMBER() OVER (PARTITION BY z.rule_id ORDER BY z.kind, z.name) AS place
  FROM zones_of AS z
)
SELECT
  n.rule_id AS subject_id, n.name AS subject_name, n.policy_id AS policy_id,
  CASE WHEN n.not_said = 1 THEN 'not_said'
       WHEN n.connection = 'ANYWHERE' THEN 'anywhere'
       WHEN w.kind IS NULL THEN 'includes_no_zone'
       WHEN w.kind = 1 THEN 'open_zone'
       WHEN w.kind = 2 THEN 'large_zone'
       WHEN w.kind = 3 THEN 'unseen_zone'
       WHEN w.kind = 4 THEN 'as_named'
       ELSE 'inactive_zone' END AS reason,
  0 AS amount, NULL AS first_ms, NULL AS last_ms, NULL AS evidence, w.name AS detail
FROM named AS n
LEFT JOIN worst AS w ON w.rule_id = n.rule_id AND w.place = 1
