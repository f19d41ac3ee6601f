"""Whom a tick tells of what becomes of a detection's alerts, and of what it tells nobody."""

from collections.abc import Sequence
from dataclasses import replace

from mfagap.alerts import TOLD, Change, Cover, Deed, cover, withheld
from mfagap.investigate.run import UNRESOLVED
from mfagap.model import ALERTING, Detection
from mfagap.notify.notice import body
from mfagap.service.durable import Workshop, exceptions
from mfagap.service.matters import Floods
from mfagap.state.sessions import Session


class Telling:
    """What one detection's part of a tick tells, within one transaction.

    Args:
        workshop: The state.
        detection: Whose alerts they are.
        now_ms: The moment.
    """

    def __init__(self, workshop: Workshop, detection: Detection, now_ms: int) -> None:
        """See the class."""
        self.suppressed = 0
        """How often a suppression kept something from people."""
        self._workshop = workshop
        self._detection = detection
        self._now_ms = now_ms
        self._exceptions = exceptions(workshop.suppressions)
        self._floods = Floods(workshop, detection, self._exceptions)

    def tell(self, number: int, change: Change, sessions: Sequence[Session]) -> None:
        """Add ``change`` to the history of its alert, and the notices of it to the outbox.

        Args:
            number: The alert's.
            change: What becomes of it.
            sessions: Its sessions; those that it had, where none is left.
        """
        workshop = self._workshop
        why = None if change.alert else _withdrawn(sessions)
        covered = cover(self._exceptions, (s.finding for s in sessions), change.verdict)
        told = self._news(number, change)
        if told and covered and withheld(covered, change.deed, self._now_ms):
            self._keep(number, change, covered, why)
            return
        entry = workshop.alerts.tell(number, change.deed.value, self._now_ms, note=why)
        if told is None:
            return
        workshop.suppressions.told(number)
        quiet = change.deed is not Deed.RETRACTED and change.verdict not in UNRESOLVED
        if quiet and self._floods.take(sessions, self._now_ms):
            return
        notice = body(self._detection, number, told, sessions, why)
        for route in self._routes(number, change):
            workshop.outbox.put(f"{number}-{entry}-{route}", number, route, notice, self._now_ms)

    def _news(self, number: int, change: Change) -> Change | None:
        """Return ``change`` as people are told of it; None where it is nothing to tell.

        One more sign-in is news where a suppression kept the last news of its alert from people.
        """
        workshop = self._workshop
        if change.deed in TOLD:
            return change
        if change.deed is Deed.RETRACTED and workshop.outbox.routes_told(number):
            return change
        if change.deed is Deed.MATCHED and workshop.suppressions.owed(number):
            known = workshop.outbox.routes_told(number)
            return replace(change, deed=Deed.WORSENED if known else Deed.OPENED)
        return None

    def _keep(self, number: int, change: Change, covered: Cover, why: str | None) -> None:
        """Note in the alert's history that people are not told, and for which suppressions."""
        workshop = self._workshop
        note = f"nobody is told: suppression {', '.join(map(str, covered.suppressions))}"
        note = f"{why}; {note}" if why else note
        workshop.alerts.tell(number, change.deed.value, self._now_ms, note=note)
        workshop.suppressions.withhold(number)
        self.suppressed += 1

    def _routes(self, number: int, change: Change) -> list[str]:
        """Return the routes that are told: of an end, those that were told of the alert."""
        if change.alert is None:
            return sorted(self._workshop.outbox.routes_told(number))
        severity = change.alert.severity
        return [name for name, least in self._workshop.routes if severity >= least]


def _withdrawn(sessions: Sequence[Session]) -> str:
    """Return why no finding is left of ``sessions``."""
    told: list[str] = []
    for session in sessions:
        finding = session.finding
        if session.gone:
            told.append("the sign-in is not one of this kind, by what came later")
        elif finding.mfa_event:
            told.append(f"a second factor came to light [{finding.mfa_event}]")
        elif finding.mfa_status in ALERTING:
            told.append("another alert has the sign-in now")
        else:
            told.append(f"the sign-in is {finding.mfa_status.value} now")
    return "; ".join(dict.fromkeys(told)) or "no finding is left"
