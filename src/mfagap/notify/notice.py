"""What a notice says: fixed fields, in one form for every route."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mfagap.alerts import Change, Deed
from mfagap.detect.evaluate import rfc3339
from mfagap.model import Detection, Severity
from mfagap.state.sessions import Session

MOST = 10
"""Sessions, and values of one kind, that a notice spells out; all are counted."""

MOST_TEXT = 500
"""Characters of one value: whoever writes the log could otherwise fill a message."""

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
    contexts = [session.finding.alert_context for session in sessions]
    starts = sorted(session.finding.start_ms for session in sessions)
    return {
        "kind": change.deed.value,
        "alert": alert,
        "detection": detection.id,
        "title": _short(sessions[0].finding.title if sessions else detection.title),
        "status": change.status.value,
        "severity": severity.word,
        "verdict": None if change.verdict is None else change.verdict.value,
        "why": why,
        "first_seen": rfc3339(starts[0]) if starts else None,
        "last_seen": rfc3339(starts[-1]) if starts else None,
        "sessions": len(sessions),
        "users": _some(context.user_email for context in contexts),
        "addresses": _some(context.source_ip for context in contexts),
        "clients": _some(context.user_agent for context in contexts),
        "session_ids": _some(context.external_session_id for context in contexts),
        "rules": _some(session.finding.policy.rule_name for session in sessions),
        "attack": [f"{item.tactic}:{item.technique}" for item in detection.attack],
    }


def plain(deed: Deed, alert: int, detection: str, title: str, severity: Severity) -> Body:
    """Return the notice of an alert that has no sessions of its own."""
    return {
        **dict.fromkeys(("verdict", "why", "first_seen", "last_seen")),
        **{
            name: [] for name in ("users", "addresses", "clients", "session_ids", "rules", "attack")
        },
        "kind": deed.value,
        "alert": alert,
        "detection": detection,
        "title": _short(title),
        "status": "closed" if deed is Deed.RETRACTED else "open",
        "severity": severity.word,
        "sessions": 0,
    }


def _some(values: Iterable[str | None]) -> list[str]:
    return [_short(value) for value in sorted({v for v in values if v is not None})[:MOST]]


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
