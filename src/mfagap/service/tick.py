"""One tick: the slots that are due, what changed in them, its runbook, its alerts, their notices.

Each stage commits whole, and what it leaves to be done is marked in the state: a tick that dies
anywhere is finished by the next one, to the same end.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mfagap import alerts
from mfagap.alerts import AlertStatus, Change, Deed, Standing
from mfagap.detect.evaluate import evaluate
from mfagap.engines.sandbox import Sandbox
from mfagap.investigate.run import UNRESOLVED, Inquiry, investigate, stretches
from mfagap.lake.projection import named_in
from mfagap.model import (
    ALERTING,
    Confidence,
    Detection,
    Finding,
    Investigation,
    Scalar,
    Severity,
    Slot,
    Stretch,
    VerdictWord,
)
from mfagap.service import regressions
from mfagap.service.durable import Workshop, reach, take_in
from mfagap.service.matters import silent as tell_of_silence
from mfagap.service.telling import Telling
from mfagap.state.database import Row
from mfagap.state.ledger import SLOT_MS, floor
from mfagap.state.sessions import Session

SILENT_MS = 3600 * 1000
"""A source whose watermark has not moved for so long no longer holds the others back."""

WATERMARK = "watermark"
DOUBTED = "doubted"
"""The fact that tells from when on findings are doubted, as of the last tick."""

NEVER_MS = 2**62
SILENT = "silent_source"
"""Why confidence is low: a source that may hold the missing factor is silent."""

_COUNT = f"""
SELECT event_ms // {SLOT_MS} * {SLOT_MS} AS slot, count(*) AS events FROM events GROUP BY ALL"""


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick did.

    Attributes:
        watermark_ms: Events before this are believed complete; None where nothing was read yet.
        slots: How many were evaluated.
        changed: How many findings changed.
        investigated: How many sessions the runbook was run on.
        deeds: What was done to alerts, each with how often.
        silent: Sources that are silent.
        suppressed: How much of what was done to alerts a suppression kept from people.
    """

    watermark_ms: int | None
    slots: int = 0
    changed: int = 0
    investigated: int = 0
    deeds: tuple[Deed, ...] = ()
    silent: tuple[str, ...] = ()
    suppressed: int = 0


def tick(workshop: Workshop, now_ms: int, clock: Callable[[], float]) -> Ticked:
    """Bring findings, verdicts and alerts up to what the lake holds.

    Args:
        workshop: The state, held by this process alone.
        now_ms: What happened or was received later is not seen.
        clock: Seconds, for durations alone.

    Raises:
        MfagapError: The lake, the state or a query failed; what was done stays done.
    """
    reopened = regressions.look(workshop, now_ms)
    take_in(workshop, now_ms)
    watermark_ms, silent = watermark(workshop, now_ms)
    tell_of_silence(workshop, silent, now_ms)
    done = Ticked(watermark_ms, silent=silent, deeds=(Deed.OPENED,) * reopened)
    if watermark_ms is None:
        return done
    heard_ms = _heard(workshop, silent)
    _trust_again(workshop, heard_ms)
    for detection in workshop.detections:
        work = _Work(workshop, detection, now_ms, watermark_ms)
        slots, changed = work.evaluate(heard_ms)
        investigated, deeds, suppressed = work.investigate(clock)
        done = replace(
            done,
            slots=done.slots + slots,
            changed=done.changed + changed,
            investigated=done.investigated + investigated,
            deeds=(*done.deeds, *deeds),
            suppressed=done.suppressed + suppressed,
        )
    return done


def watermark(workshop: Workshop, now_ms: int) -> tuple[int | None, tuple[str, ...]]:
    """Return the watermark of all sources together, which never goes back, and the silent ones.

    A silent source leaves the minimum, and one that was never heard is not in it: both are told of.
    Where all are silent the watermark is as far behind NOW as a source may be silent, so that
    nothing waits for ever.
    """
    ledger = workshop.ledger
    sources = workshop.feeds
    live = [row for row in sources if now_ms - row["heard_ms"] < SILENT_MS]
    silent = tuple(str(row["name"]) for row in sources if row not in live)
    known = [row for row in sources if row["watermark_ms"] is not None]
    if not known:
        return ledger.fact(WATERMARK), silent
    marks = [row["watermark_ms"] for row in known if row in live]
    newest_ms = max(row["watermark_ms"] for row in known)
    least = min(marks) if marks else max(now_ms - SILENT_MS, newest_ms)
    mark = min(now_ms, max(least, ledger.fact(WATERMARK) or 0))
    with workshop.database.change():
        ledger.note(WATERMARK, mark)
    return mark, silent


@dataclass(frozen=True, slots=True)
class _Work:
    """One detection's part of a tick."""

    workshop: Workshop
    detection: Detection
    now_ms: int
    watermark_ms: int

    def evaluate(self, heard_ms: int | None) -> tuple[int, int]:
        """Evaluate the slots that are due; return how many they were and what changed.

        Args:
            heard_ms: See ``_heard``.
        """
        workshop, detection = self.workshop, self.detection
        within = reach(detection)
        oldest_ms = workshop.lake.holdings().oldest_ms
        if oldest_ms is None:
            return 0, 0
        span = (oldest_ms, max(self.now_ms, self.watermark_ms))
        due = workshop.ledger.due(detection.id, within, span, self.watermark_ms)
        if not due:
            return 0, 0
        from_ms, to_ms = due[0][0] - within.before_ms, due[-1][1] + within.after_ms
        changed = 0
        with self._events([Stretch(detection.event_types, from_ms, to_ms)]) as sandbox:
            events = {row["slot"]: row["events"] for row in sandbox.run(_COUNT, {}, {})}
            for span in due:
                found = evaluate(detection, sandbox, Slot(*span, self.watermark_ms)).findings
                findings = [_doubted(finding, heard_ms) for finding in found]
                changed += self._store(span, findings, events)
        return sum((to - begin) // SLOT_MS for begin, to in due), changed

    def investigate(self, clock: Callable[[], float]) -> tuple[int, list[Deed], int]:
        """Run the runbook where it is due, and bring the alerts up to its verdicts.

        Returns:
            How many sessions it was run on, what was done to alerts, and how much of that a
            suppression kept from people.
        """
        workshop, detection = self.workshop, self.detection
        due = workshop.sessions.due(detection.id, self.watermark_ms)
        if not due:
            return 0, [], 0
        uuids = [session.finding.uuid for session in due]
        keys = {session.finding.dedup_key for session in due}
        keys |= workshop.alerts.keys_of(detection.id, uuids)
        horizon_ms = self._horizon()
        runs = self._run(due, workshop.sessions.of_keys(detection.id, keys), horizon_ms, clock)
        dropped = {s.finding.uuid for s in due if s.stands and s.finding.start_ms < horizon_ms}
        with workshop.database.change():
            workshop.sessions.rest(detection.id, dropped)
            workshop.sessions.settle(detection.id, set(uuids) - runs.keys() - dropped)
            for run in runs.values():
                workshop.sessions.conclude(run, self.now_ms)
            deeds, suppressed = self._reconcile(keys)
        return len(runs), deeds, suppressed

    def _horizon(self) -> int:
        """Return when the oldest event is of that the lake still holds.

        What began before it stays as it was judged: an event that was dropped is no event that did
        not happen.
        """
        oldest_ms = self.workshop.lake.holdings().oldest_ms
        return self.now_ms if oldest_ms is None else oldest_ms

    def _run(
        self,
        due: Sequence[Session],
        known: Sequence[Session],
        horizon_ms: int,
        clock: Callable[[], float],
    ) -> dict[str, Investigation]:
        """Run the runbook on what is due, and on what came later under the same keys.

        Whether an earlier alert is unresolved counts in a verdict, so that what came later may
        come to another one.
        """
        detection = self.detection
        if detection.runbook is None:
            return {}
        first: dict[str, int] = {}
        for session in due:
            start_ms = session.finding.start_ms
            first[session.finding.dedup_key] = min(
                start_ms, first.get(session.finding.dedup_key, start_ms)
            )
        unresolved: set[str] = set()
        findings: list[Finding] = []
        closed = self.workshop.alerts.closed_keys(detection.id, [s.finding.uuid for s in known])
        for session in known:
            finding = session.finding
            if finding.dedup_key not in first:
                continue
            if finding.start_ms < max(first[finding.dedup_key], horizon_ms):
                if session.verdict in UNRESOLVED and finding.uuid not in closed:
                    unresolved.add(finding.dedup_key)
            elif session.stands:
                findings.append(finding)
        if not findings:
            return {}
        inquiry = Inquiry(detection, detection.runbook, findings, self.watermark_ms, self.now_ms)
        with self._events(stretches(inquiry)) as sandbox:
            return investigate(
                inquiry, sandbox, clock=clock, unresolved=unresolved, resolved=closed
            )

    def _reconcile(self, keys: Iterable[str]) -> tuple[list[Deed], int]:
        """Bring the alerts under ``keys`` up to their findings; see ``investigate``."""
        known = self.workshop.sessions.of_keys(self.detection.id, keys)
        verdicts = {s.finding.uuid: s.verdict for s in known if s.verdict is not None}
        current = [replace(s.finding, severity=s.severity) for s in known if not s.gone]
        rows = self.workshop.alerts.of_keys(self.detection.id, keys)
        telling = Telling(self.workshop, self.detection, self.now_ms)
        deeds: list[Deed] = []
        for key in sorted(keys):
            grouped = alerts.group(self.detection, (f for f in current if f.dedup_key == key))
            standing = [_standing(row) for row in rows if row["dedup_key"] == key]
            for change in alerts.reconcile(grouped, standing, verdicts):
                self._apply(change, key, known, telling)
                deeds.append(change.deed)
        return deeds, telling.suppressed

    def _apply(self, change: Change, key: str, known: Sequence[Session], telling: Telling) -> None:
        """Write what becomes of an alert, and tell of it."""
        workshop, was, alert = self.workshop, change.standing, change.alert
        severity = alert.severity if alert else was.severity if was else Severity.INFORMATIONAL
        values = {
            "detection": self.detection.id,
            "dedup_key": key,
            "first_ms": alert.first_ms if alert else was.first_ms if was else 0,
            "status": change.status.value,
            "resolution": change.resolution,
            "severity": int(severity),
            "verdict": change.verdict,
        }
        number = workshop.alerts.put(was.id if was else None, values, self.now_ms)
        if alert:
            members = {finding.uuid for finding in alert.findings}
            workshop.alerts.enlist(number, self.detection.id, members)
        else:
            members = was.members if was else frozenset[str]()
        telling.tell(number, change, [s for s in known if s.finding.uuid in members])

    def _store(
        self, span: tuple[int, int], findings: Sequence[Finding], events: Mapping[Scalar, Scalar]
    ) -> int:
        """Store what a range of slots came to; return how many findings changed."""
        workshop, detection = self.workshop, self.detection
        starts = Counter(floor(finding.start_ms) for finding in findings)
        counts = {
            from_ms: (int(str(events.get(from_ms, 0))), starts[from_ms])
            for from_ms in range(*span, SLOT_MS)
        }
        moment = (self.watermark_ms, self.now_ms)
        with workshop.database.change():
            changed = workshop.sessions.store(detection.id, span, findings, moment)
            workshop.ledger.done(detection.id, span, moment, counts)
        return changed

    @contextmanager
    def _events(self, wanted: Iterable[Stretch]) -> Generator[Sandbox]:
        """Hold what the lake has of ``wanted``, as far as it had happened and come by NOW.

        Always the same columns, as in a scan: by them copies that disagree are told apart.
        """
        columns = named_in(*self.detection.queries)
        until_ms = self.now_ms + 1
        seen = [replace(part, to_ms=min(part.to_ms, until_ms)) for part in wanted]
        with self.workshop.lake.read(columns, seen, self.now_ms) as connection:
            yield Sandbox(connection)


def _heard(workshop: Workshop, silent: Sequence[str]) -> int | None:
    """Return up to when the silent sources were complete; None where none is silent."""
    marks = [r["watermark_ms"] or 0 for r in workshop.feeds if r["name"] in silent]
    return min(marks, default=None)


def _trust_again(workshop: Workshop, heard_ms: int | None) -> None:
    """Have the slots evaluated again that were doubted, and are not any more."""
    ledger = workshop.ledger
    now = NEVER_MS if heard_ms is None else heard_ms
    before = ledger.fact(DOUBTED)
    if now == (NEVER_MS if before is None else before):
        return
    with workshop.database.change():
        if before is not None:
            for detection in workshop.detections:
                ledger.forget(detection.id, (before, now))
        ledger.note(DOUBTED, now)


def _doubted(finding: Finding, heard_ms: int | None) -> Finding:
    """Return ``finding`` at low confidence where a silent source may hold the factor."""
    alerting = finding.mfa_status in ALERTING
    if heard_ms is None or not alerting or finding.start_ms < heard_ms:
        return finding
    reasons = (*finding.confidence_reasons, SILENT)
    return replace(finding, confidence=Confidence.LOW, confidence_reasons=reasons)


def _standing(row: Row) -> Standing:
    return Standing(
        id=int(row["id"]),
        first_ms=int(row["first_ms"]),
        status=AlertStatus(row["status"]),
        resolution=row["resolution"],
        severity=Severity(int(row["severity"])),
        verdict=None if row["verdict"] is None else VerdictWord(row["verdict"]),
        members=frozenset(row["members"]),
    )
