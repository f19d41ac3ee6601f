"""Which sign-ins a name leads to: a session's id, its first or a later one, or an event's."""

from mfagap.detect.evaluate import Engine
from mfagap.model import ContentList

_QUERY = """
WITH
spelled AS (
  SELECT
    e.uuid, LOWER(e.event_type) AS event_type, COALESCE(e.actor_id, e.actor_login) AS user_id,
    e.session_id, e.root_session_id, e.transaction_id, e.request_id, e.authn_request_id
  FROM events AS e
),
meant AS (
  SELECT s.* FROM spelled AS s
  WHERE s.uuid IN (SELECT n.name FROM names AS n)
     OR s.session_id IN (SELECT n.name FROM names AS n)
     OR s.root_session_id IN (SELECT n.name FROM names AS n)
),
starts AS (
  SELECT s.* FROM spelled AS s WHERE s.event_type = 'user.session.start'
),
ids AS (
  SELECT m.user_id, m.session_id AS id FROM meant AS m
  UNION SELECT m.user_id, m.root_session_id AS id FROM meant AS m
  UNION SELECT m.user_id, m.transaction_id AS id FROM meant AS m
  UNION SELECT m.user_id, m.request_id AS id FROM meant AS m
  UNION SELECT m.user_id, m.authn_request_id AS id FROM meant AS m
),
keys AS (
  SELECT s.uuid, s.user_id, s.session_id AS id FROM starts AS s
  UNION SELECT s.uuid, s.user_id, s.root_session_id AS id FROM starts AS s
  UNION SELECT s.uuid, s.user_id, s.transaction_id AS id FROM starts AS s
  UNION SELECT s.uuid, s.user_id, s.request_id AS id FROM starts AS s
)
SELECT DISTINCT k.uuid AS uuid
FROM keys AS k
JOIN ids AS i ON i.id = k.id AND i.user_id = k.user_id
"""


def starts_of(name: str, engine: Engine) -> frozenset[str]:
    """Return the ``uuid`` of each sign-in that one link ties to what is called ``name``.

    Okta changes a session's id on the way, and whoever follows an incident holds a later one, or
    an event that the session did. The links are those of the detection (OKTA.md, "Linking").

    Args:
        name: An ``externalSessionId``, a root session's id, or the ``uuid`` of an event.
        engine: Holds ``events``.

    Raises:
        EngineError: The query failed.
    """
    names = ContentList({"name": "VARCHAR"}, ((name,),))
    return frozenset(str(row["uuid"]) for row in engine.run(_QUERY, {}, {"names": names}))
