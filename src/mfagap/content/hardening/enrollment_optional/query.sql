-- Every enrollment policy: does it see to it that its users have a second factor of their own?
-- README.md tells what each reason means. The list first_factors has authenticators that are none.
WITH
offered AS (
  SELECT
    e.policy_id AS policy_id,
    COUNT(CASE WHEN e.enroll = 'REQUIRED' THEN e.policy_id END) AS required,
    MIN(CASE WHEN e.enroll = 'OPTIONAL' THEN e.authenticator_key END) AS optional
  FROM enrollments AS e
  LEFT JOIN first_factors AS f ON f.authenticator_key = e.authenticator_key
  WHERE f.authenticator_key IS NULL
  GROUP BY e.policy_id
),
-- Policies with a rule that asks their users to enroll.
asking AS (
  SELECT DISTINCT r.policy_id AS policy_id
  FROM rules AS r
  WHERE r.is_active AND (r.enroll_self IS NULL OR r.enroll_self <> 'NEVER')
)
SELECT
  p.policy_id AS subject_id, p.name AS subject_name, p.policy_id AS policy_id,
  CASE WHEN NOT p.is_active THEN 'inactive'
       WHEN o.policy_id IS NULL THEN 'not_said'
       WHEN o.required = 0 AND o.optional IS NULL THEN 'none_offered'
       WHEN o.required = 0 THEN 'none_required'
       WHEN p.has_rules AND a.policy_id IS NULL THEN 'never_asked'
       WHEN o.optional IS NOT NULL THEN 'more_are_optional'
       ELSE 'required' END AS reason,
  0 AS amount, NULL AS first_ms, NULL AS last_ms, NULL AS evidence, o.optional AS detail
FROM policies AS p
LEFT JOIN offered AS o ON o.policy_id = p.policy_id
LEFT JOIN asking AS a ON a.policy_id = p.policy_id
WHERE p.policy_type = 'MFA_ENROLL'
