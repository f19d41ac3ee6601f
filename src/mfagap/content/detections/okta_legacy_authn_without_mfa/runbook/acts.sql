-- What was done, by the session's user or to them, that keeps or widens access. What only the user
-- ties to the session is sought up to the cap; what the session itself did, to now. The range
-- begins before the start for the sake of a factor that was passed there.
WITH
factors AS (
  SELECT r.start_uuid, r.event_ms FROM related AS r WHERE r.uuid = r.mfa_event
)
SELECT
  r.start_uuid AS start_uuid,
  CASE WHEN r.event_ms >= f.event_ms THEN 'act_after_factor'
       WHEN r.event_ms > r.start_ms + $cap_ms THEN 'late_act' ELSE 'act' END AS answer,
  r.tier AS tier, r.uuid AS event_uuid, r.event_ms AS event_ms, NULL AS amount,
  r.event_type
    || COALESCE(' (' || r.target_name || COALESCE(', ' || r.other_target_name, '') || ')', '')
    AS detail
FROM related AS r
LEFT JOIN factors AS f ON f.start_uuid = r.start_uuid
WHERE r.is_act = 1 AND r.event_ms >= r.start_ms
