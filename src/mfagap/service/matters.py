"""Alerts that are about no user: a source that is silent, a policy rule that lets in too many.

They have no findings of their own, and stand beside the alerts of the detections.
"""

from collections.abc import Sequence

from mfagap.alerts import RETRACTED, AlertStatus, Deed
from mfagap.model import Detection, Severity
from mfagap.notify.notice import plain
from mfagap.service.durable import Workshop
from mfagap.state.sessions import Session

SILENCE = "silent_source"
"""Stands in the place of a detection."""

RULE = "rule "
"""Stands before a policy rule's id, in the place of a dedup key."""

FLOOD = 20
"""Findings that one policy rule may let in within ``DAY_MS`` before the rule is the matter."""

DAY_MS = 24 * 3600 * 1000


def silent(workshop: Workshop, names: Sequence[str], now_ms: int) -> None:
    """Open an alert for each source that is silent, and close those of sources that are not.

    Args:
        workshop: The state.
        names: The silent sources.
        now_ms: The moment.
    """
    known = [str(row["name"]) for row in workshop.ledger.sources()]
    standing = {
        str(row["dedup_key"]): row
        for row in workshop.alerts.of_keys(SILENCE, known)
        if row["status"] != AlertStatus.CLOSED
    }
    with workshop.database.change():
        for name in names:
            if name not in standing:
                title = f"The source {name} has been silent for more than an hour"
                _open(workshop, (SILENCE, name), title, Severity.MEDIUM, now_ms)
        for name in sorted(standing.keys() - set(names)):
            row = standing[name]
            number = int(row["id"])
            closed = {"status": AlertStatus.CLOSED.value, "resolution": RETRACTED}
            workshop.alerts.put(number, {**row, **closed}, now_ms)
            title = f"The source {name} is heard again, or is read no more"
            routes = sorted(workshop.outbox.routes_told(number))
            entry = workshop.alerts.tell(number, Deed.RETRACTED.value, now_ms, note=title)
            told = plain(Deed.RETRACTED, number, SILENCE, title, Severity.MEDIUM)
            for route in routes:
                workshop.outbox.put(f"{number}-{entry}-{route}", number, route, told, now_ms)


def flooded(
    workshop: Workshop, detection: Detection, sessions: Sequence[Session], now_ms: int
) -> bool:
    """Tell whether each of ``sessions`` is one of too many that its policy rule let in.

    Then the rule is the matter: it has one alert a day, which is opened here, and people are not
    told of each user as well.
    """
    rules = {(s.finding.policy.rule_id, s.finding.policy.rule_name) for s in sessions}
    if not sessions or any(rule is None for rule, _ in rules):
        return False
    for session in sessions:
        start_ms = session.finding.start_ms
        span = (start_ms - DAY_MS, start_ms + DAY_MS)
        starts = workshop.sessions.starts_by_rule(
            detection.id, session.finding.policy.rule_id, span
        )
        if not _crowded(starts, start_ms):
            return False
    first_ms = min(session.finding.start_ms for session in sessions)
    for rule, name in sorted(rules, key=str):
        key = f"{RULE}{rule}"
        rows = workshop.alerts.of_keys(detection.id, [key])
        if not any(abs(first_ms - row["first_ms"]) < DAY_MS for row in rows):
            title = (
                f"The policy rule {name or rule} let in more than {FLOOD} sessions "
                "without a second factor within 24 hours"
            )
            _open(workshop, (detection.id, key), title, detection.severity, now_ms, first_ms)
    return True


def _crowded(starts: Sequence[int], start_ms: int) -> bool:
    """Tell whether some 24 hours that hold ``start_ms`` hold more than ``FLOOD`` starts."""
    return any(
        first <= start_ms <= last and last - first < DAY_MS
        for first, last in zip(starts, starts[FLOOD:], strict=False)
    )


def _open(
    workshop: Workshop,
    identity: tuple[str, str],
    title: str,
    severity: Severity,
    now_ms: int,
    first_ms: int | None = None,
) -> None:
    detection, key = identity
    values = {
        "detection": detection,
        "dedup_key": key,
        "first_ms": now_ms if first_ms is None else first_ms,
        "status": AlertStatus.OPEN.value,
        "resolution": None,
        "severity": int(severity),
        "verdict": None,
    }
    number = workshop.alerts.put(None, values, now_ms)
    entry = workshop.alerts.tell(number, Deed.OPENED.value, now_ms, note=title)
    told = plain(Deed.OPENED, number, detection, title, severity)
    for route, least in workshop.routes:
        if severity >= least:
            workshop.outbox.put(f"{number}-{entry}-{route}", number, route, told, now_ms)
