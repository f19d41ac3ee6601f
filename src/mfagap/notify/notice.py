"""What a notice says: fixed fields, in one form for every route."""

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from mfagap.alerts import Change, Deed
from mfagap.detect.evaluate import rfc3339
from mfagap.model import Detection, Severity
from mfagap.report import ocsf
from mfagap.report.clean import json_line
from mfagap.state.sessions import Session

MOST = 10
"""Sessions, and values of one kind, that a notice spells out; all are counted."""

MOST_TEXT = 500
"""Characters of one value: whoever writes the log could otherwise fill a message."""

FORMATS = ("json", "ocsf")
"""What a line of a file or of syslog may be."""

Body = Mapping[str, Any]


def body(
    detection: Detection,
    alert: int,
    change: Change,
    sessions: Sequence[Session],
    why: str | None,
) -> Body:
    """Return the notice of ``change`` as JSON-ready values.

    Args:
        detection: That found it.
        alert: The alert's number.
        change: What happened to it.
        sessions: The alert's.
        why: Why it was taken back; None where it was not.
    """
    severity = max((session.severity for session in sessions), default=detection.severity)
    return {
        **_counted(sessions),
        "kind": change.deed.value,
        "alert": alert,
        "detection": detection.id,
        "title": _short(sessions[0].finding.title if sessions else detection.title),
        "status": change.status.value,
        "severity": severity.word,
        "verdict": None if change.verdict is None else change.verdict.value,
        "why": why,
        "attack": [f"{item.tactic}:{item.technique}" for item in detection.attack],
    }


def plain(
    deed: Deed,
    alert: int,
    detection: str,
    title: str,
    severity: Severity,
    sessions: Sequence[Session] = (),
) -> Body:
    """Return the notice of an alert that is about no user; ``sessions`` are what it counts."""
    return {
        **_counted(sessions),
        "kind": deed.value,
        "alert": alert,
        "detection": detection,
        "title": _short(title),
        "status": "closed" if deed is Deed.RETRACTED else "open",
        "severity": severity.word,
        "verdict": None,
        "why": None,
        "attack": [],
    }


def _counted(sessions: Sequence[Session]) -> Body:
    """Return what a notice says of the sessions of its alert."""
    contexts = [session.finding.alert_context for session in sessions]
    starts = sorted(session.finding.start_ms for session in sessions)
    return {
        "first_seen": rfc3339(starts[0]) if starts else None,
        "last_seen": rfc3339(starts[-1]) if starts else None,
        "sessions": len(sessions),
        "users": _some(context.user_email for context in contexts),
        "addresses": _some(context.source_ip for context in contexts),
        "clients": _some(context.user_agent for context in contexts),
        "session_ids": _some(context.external_session_id for context in contexts),
        "rules": _some(session.finding.policy.rule_name for session in sessions),
    }


def line(form: str, key: str, notice: Body, now_ms: int) -> str:
    """Return ``notice`` as one line of JSON in printable ASCII, which ends in a line feed.

    Whatever the form, ``"key": "…"`` stands in it once as a name and value, and text from the log
    cannot.

    Args:
        form: One of ``FORMATS``: the fields as they are, or an OCSF Detection Finding.
        key: The idempotency key.
        notice: What is told.
        now_ms: When, UTC epoch milliseconds.
    """
    if form == "ocsf":
        return json_line(ocsf.alert(key, identity(key, notice), notice, now_ms))
    return json_line({"key": key, "at_ms": now_ms, **notice})


def identity(key: str, notice: Body) -> str:
    """Return 32 characters that tell ``notice`` from all others, and are a repeat's too.

    Keys are unique in one state folder alone: two that tell one mailbox would hide each other's.
    """
    return sha256(json.dumps([key, notice], sort_keys=True).encode()).hexdigest()[:32]


def _some(values: Iterable[str | None]) -> list[str]:
    return [_short(value) for value in sorted({v for v in values if v is not None})[:MOST]]


def _short(text: str) -> str:
    """Return ``text``, cut, and without halves of a surrogate pair, which a receiver may refuse."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
