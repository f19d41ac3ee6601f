"""Alerts that are about no user: a source that is silent, a policy rule that lets in too many.

They have no findings of their own, and stand beside the alerts of the detections.
"""

from collections.abc import Sequence

from mfagap.alerts import RETRACTED, AlertStatus, Deed, Suppression
from mfagap.model import Detection, Severity
from mfagap.notify.notice import plain
from mfagap.service.durable import Workshop
from mfagap.state.sessions import Session, Sessions

SILENCE = "silent_source"
"""Stands in the place of a detection."""

RULE = "rule "
"""Stands before a policy rule's id, in the place of a dedup key."""

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
                open_alert(workshop, (SILENCE, name), title, Severity.MEDIUM, (now_ms, now_ms))
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


def let_in(sessions: Sessions, detection: str, key: str, first_ms: int) -> list[Session]:
    """Return the sessions of a rule's alert: those that it let in a day around the first.

    Args:
        sessions: On file.
        detection: Whose alert it is.
        key: Its dedup key.
        first_ms: When its first session began.
    """
    span = (first_ms - DAY_MS, first_ms + DAY_MS)
    return sessions.of_rule(detection, key.removeprefix(RULE), span)


class Floods:
    """Policy rules that let in too many, as of one moment.

    Then the rule is the matter: it has one alert a day, and people are not told of each user as
    well. What a suppression covers does not count, so that an exception makes no other user quiet.

    Args:
        workshop: The state, which does not change meanwhile but for alerts.
        detection: Whose sessions they are.
        exceptions: All that are on file.
    """

    def __init__(
        self, workshop: Workshop, detection: Detection, exceptions: Sequence[Suppression]
    ) -> None:
        """See the class."""
        self._workshop = workshop
        self._detection = detection
        self._exceptions = exceptions
        self._days: dict[tuple[str, int], list[int]] = {}

    def take(self, sessions: Sequence[Session], now_ms: int) -> bool:
        """Tell whether each of ``sessions`` is of a flood, whose alert is there or opened now."""
        rules = {s.finding.policy.rule_id: s.finding.policy.rule_name for s in sessions}
        starts = {(s.finding.policy.rule_id, s.finding.start_ms) for s in sessions}
        if not all(rule is not None and self._crowded(rule, ms) for rule, ms in starts):
            return False
        first_ms = min((start_ms for _, start_ms in starts), default=0)
        for rule, name in sorted(rules.items(), key=str):
            self._open(f"{RULE}{rule}", name or str(rule), first_ms, now_ms)
        return bool(sessions)

    def _crowded(self, rule: str, start_ms: int) -> bool:
        """Tell whether some 24 hours that hold ``start_ms`` hold more starts than are allowed."""
        day = start_ms // DAY_MS
        if (rule, day) not in self._days:
            self._days[rule, day] = self._starts(rule, ((day - 1) * DAY_MS, (day + 2) * DAY_MS))
        starts = self._days[rule, day]
        return any(
            first <= start_ms <= last and last - first < DAY_MS
            for first, last in zip(starts, starts[self._workshop.flood_limit :], strict=False)
        )

    def _starts(self, rule: str, span: tuple[int, int]) -> list[int]:
        """Return when the sessions began that ``rule`` let in, and that no suppression covers."""
        sessions = self._workshop.sessions
        if not self._exceptions:
            return sessions.starts_by_rule(self._detection.id, rule, span)
        return [
            session.finding.start_ms
            for session in sessions.of_rule(self._detection.id, rule, span)
            if not any(item.covers(session.finding) for item in self._exceptions)
        ]

    def _open(self, key: str, name: str, first_ms: int, now_ms: int) -> None:
        """Open the alert of a rule, where it has none of that day."""
        workshop, detection = self._workshop, self._detection
        rows = workshop.alerts.of_keys(detection.id, [key])
        if any(abs(first_ms - row["first_ms"]) < DAY_MS for row in rows):
            return
        title = (
            f"The policy rule {name} let in more than {workshop.flood_limit} sessions "
            "without a second factor within 24 hours"
        )
        found = let_in(workshop.sessions, detection.id, key, first_ms)
        open_alert(
            workshop, (detection.id, key), title, detection.severity, (first_ms, now_ms), found
        )


def open_alert(
    workshop: Workshop,
    identity: tuple[str, str],
    title: str,
    severity: Severity,
    moment: tuple[int, int],
    sessions: Sequence[Session] = (),
) -> int:
    """Open an alert, and tell of it; return its number.

    Args:
        workshop: The state.
        identity: What stands in the place of the detection, and the dedup key.
        title: What it is about.
        severity: Its severity.
        moment: When it began, and now.
        sessions: What it counts.
    """
    (detection, key), (first_ms, now_ms) = identity, moment
    values = {
        "detection": detection,
        "dedup_key": key,
        "first_ms": first_ms,
        "status": AlertStatus.OPEN.value,
        "resolution": None,
        "severity": int(severity),
        "verdict": None,
    }
    number = workshop.alerts.put(None, values, now_ms)
    entry = workshop.alerts.tell(number, Deed.OPENED.value, now_ms, note=title)
    told = plain(Deed.OPENED, number, detection, title, severity, sessions)
    for route, least in workshop.routes:
        if severity >= least:
            workshop.outbox.put(f"{number}-{entry}-{route}", number, route, told, now_ms)
    return number
