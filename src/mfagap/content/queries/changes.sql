-- When a session policy, a rule, a network zone or a user's groups were last changed in [$from, $to).
WITH
changed AS (
  SELECT
    CASE WHEN LOWER(e.event_type) LIKE 'policy.rule.%' THEN e.rule_id
         WHEN LOWER(e.event_type) LIKE 'policy.lifecycle.%' THEN e.policy_id
         ELSE e.target_id END AS id,
    e.event_ms
  FROM events AS e
  WHERE e.event_ms >= $from AND e.event_ms < $to
    AND UPPER(e.outcome_result) = 'SUCCESS'
    AND (LOWER(e.event_type) LIKE 'policy.rule.%'
         OR LOWER(e.event_type) LIKE 'policy.lifecycle.%'
         OR LOWER(e.event_type) LIKE 'zone.%'
         OR LOWER(e.event_type) LIKE 'group.user_membership.%')
)
SELECT c.id, MAX(c.event_ms) AS event_ms
FROM changed AS c
WHERE c.id IS NOT NULL
GROUP BY c.id
