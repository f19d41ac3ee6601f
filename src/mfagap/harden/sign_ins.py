"""Reads out of the log each decision of the session policy, with what it was asked about."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from mfagap.detect.evaluate import Engine, Row, over_slot, parameters
from mfagap.detect.form import content
from mfagap.errors import EngineError
from mfagap.harden import policies, values
from mfagap.model import ContentList, Detection, Finding, MfaStatus, Slot, VerdictWord
from mfagap.model.hardening import SignIn
from mfagap.model.org import NOTHING, Snapshot

EVENT_TYPES: Final = (
    "policy.evaluate_sign_on",
    "user.session.start",
    "user.authentication.*",
    "policy.rule.*",
    "policy.lifecycle.*",
    "zone.*",
    "group.user_membership.*",
)
"""Types of events that the queries read; one that ends in ``*`` stands for all that begin so."""

_FOLDER: Final = content() / "queries"
_SIGN_INS: Final = (_FOLDER / "sign_ins.sql").read_text("utf-8")
_CHANGES: Final = (_FOLDER / "changes.sql").read_text("utf-8")
QUERIES: Final = (_SIGN_INS, _CHANGES)
"""All SQL that reads ``events`` here."""

NO_CLIENTS: Final = ContentList({"pattern": "VARCHAR", "kind": "VARCHAR"}, ())
"""What stands for the list ``clients`` of a detection that has none."""

_NO_ZONE: Final = "null"
"""What the log has as a client's zone where it was in none."""


def read(
    engine: Engine, span: tuple[int, int, int], detection: Detection, snapshot: Snapshot = NOTHING
) -> tuple[SignIn, ...]:
    """Return every evaluation of the session policy, the earliest first.

    Args:
        engine: Holds ``events``.
        span: From and to (half-open) when, and the watermark, UTC epoch milliseconds.
        detection: Its list ``clients`` tells programs, its windows what belongs together.
        snapshot: Of the org: an event may not tell that a policy of its is a session policy.

    Raises:
        EngineError: The query failed.
        AnswerTooLarge: Within one millisecond there are more than a query may give.
    """
    known = policies.read(snapshot, "OKTA_SIGN_ON")
    ids = [*(policy.id for policy in known), *(r.id for p in known for r in p.rules or ())]
    lists = {
        "clients": detection.lists.get("clients", NO_CLIENTS),
        "session_policies": ContentList({"id": "VARCHAR"}, tuple((id_,) for id_ in ids if id_)),
    }
    rows = over_slot(_SIGN_INS, lists, detection, engine, Slot(*span))
    found = sorted(map(_sign_in, rows), key=lambda sign_in: (sign_in.event_ms, sign_in.uuid))
    return tuple(found)


def undecided(found: Finding, verdict: VerdictWord | None) -> SignIn:
    """Return a session that began without an evaluation in the log: nothing says what decided.

    Args:
        found: What the detection says of it.
        verdict: The runbook's.
    """
    context = found.alert_context
    return SignIn(
        uuid=found.uuid,
        event_ms=found.start_ms,
        actor_id=context.actor_id or "",
        login=context.user_email or "",
        address=context.source_ip,
        as_number=None,
        country=None,
        is_proxy=None,
        client_zone=None,
        user_agent=context.user_agent,
        client_kind=None,
        legacy=True,
        auth_type="ANY",
        idp_id=None,
        behaviors={},
        risk_level=None,
        passed_factor=found.mfa_status is MfaStatus.MFA,
        result="",
        policy_id=None,
        rule_id=None,
        verdict=verdict,
    )


def changes(engine: Engine, span: tuple[int, int, int], detection: Detection) -> Mapping[str, int]:
    """Return when each was last changed, by the id of a policy, rule, zone or user.

    Of a user that is when a group took or lost them. What was changed after the span's end, and
    before the snapshot was taken, counts.

    Args:
        engine: Holds ``events``.
        span: As for ``read``.
        detection: The same.

    Raises:
        EngineError: The query failed.
    """
    from_ms, to_ms, watermark_ms = span
    slot = Slot(from_ms, max(to_ms, watermark_ms + 1), watermark_ms)
    rows = engine.run(_CHANGES, parameters(detection, slot), {})
    return {str(row["id"]): number(row, "event_ms") for row in rows}


def _sign_in(row: Row) -> SignIn:
    try:
        zone = values.text(row["client_zone"])
        return SignIn(
            uuid=str(row["uuid"]),
            event_ms=number(row, "event_ms"),
            actor_id=values.text(row["actor_id"]) or "",
            login=values.text(row["login"]) or "",
            address=values.text(row["address"]),
            as_number=None if row["as_number"] is None else number(row, "as_number"),
            country=values.text(row["country"]),
            is_proxy=None if row["is_proxy"] is None else bool(row["is_proxy"]),
            client_zone=None if zone == _NO_ZONE else zone,
            user_agent=values.text(row["user_agent"]),
            client_kind=values.text(row["client_kind"]),
            legacy=row["legacy"] == 1,
            auth_type=str(row["auth_type"]),
            idp_id=values.text(row["idp_id"]),
            behaviors=_behaviors(values.text(row["behaviors"]) or ""),
            risk_level=values.text(row["risk_level"]),
            passed_factor=row["passed_factor"] == 1,
            result=values.text(row["result"]) or "",
            policy_id=values.text(row["policy_id"]),
            rule_id=values.text(row["rule_id"]),
            factor_first=row["factor_first"] == 1,
        )
    except (KeyError, TypeError) as error:
        raise EngineError(f"sign_ins gave a row of another form: {error!r}") from error


@lru_cache(maxsize=1024)
def _behaviors(text: str) -> Mapping[str, str]:
    """Return behaviors as the log has them, ``{New Device=POSITIVE, …}``, by name."""
    pairs = (part.rpartition("=") for part in text.strip(" {}").split(","))
    return {name.strip(): word.strip().upper() for name, equals, word in pairs if equals}


def number(row: Row, column: str) -> int:
    """Return a whole number of a row.

    Raises:
        TypeError: It is none.
    """
    value = row[column]
    if not isinstance(value, int):
        raise TypeError(f"{column} is {value!r}, no whole number")
    return value
