"""``harden report``: log and policies to checks, a plan, and what the plan would cost."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mfagap.detect.evaluate import Engine, rfc3339
from mfagap.detect.load import find
from mfagap.engines.sandbox import Sandbox
from mfagap.errors import EngineError, NothingReadable, OutputError
from mfagap.harden import checks, folder, inventory, policies, replay, sign_ins, tables
from mfagap.harden import plan as planning
from mfagap.harden import snapshot as snapshots
from mfagap.harden.evaluator import Org
from mfagap.harden.fetch import fetch
from mfagap.harden.judge import failed, judge, ranked
from mfagap.lake.memory import MemoryLake
from mfagap.lake.rejects import Rejects
from mfagap.lake.store import Lake
from mfagap.model import (
    ContentList,
    Detection,
    Finding,
    MfaStatus,
    ScanResult,
    Slot,
    Stretch,
    Totals,
    VerdictWord,
)
from mfagap.model.hardening import (
    Affected,
    Agreement,
    Check,
    CheckResult,
    Hardening,
    Plan,
    SignIn,
)
from mfagap.model.org import (
    NOTHING,
    OktaPolicy,
    Snapshot,
)
from mfagap.okta.client import OktaClient
from mfagap.service import regressions, scan
from mfagap.service.run import okta_client, workshop_of
from mfagap.settings import Settings, Table
from mfagap.state.database import FILE, Database

DETECTION = "okta_legacy_authn_without_mfa"
MOST_USERS = 2000
"""Users whose factors are read: a request for each."""

ON_ONE_FACTOR = frozenset({MfaStatus.SINGLE_FACTOR, MfaStatus.STEP_UP})
"""Statuses of sessions that got in on one factor."""

_SESSIONS = "OKTA_SIGN_ON"
_NO_LOG = (0, 0, 0)

Progress = scan.Progress


@dataclass(frozen=True, slots=True)
class Keeping:
    """The exception for service accounts that is asked for; ``until`` as in ``--keep-until``."""

    group: str
    zone: str
    until: str


@dataclass(frozen=True, slots=True)
class Request:
    """What to look at.

    Attributes:
        scan: The log, and the span of it; without a path the lake of its settings is read where
            that has sources, and else no log.
        snapshot: A snapshot, or a folder of JSON as the API returned it; None for none.
        client: Of the org whose policies are read; None for none.
        keep: An exception for service accounts; None for none.
    """

    scan: scan.Request
    snapshot: Path | None = None
    client: OktaClient | None = None
    keep: Keeping | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found, and what was read of the log; None where none was."""

    found: Hardening
    log: ScanResult | None


def harden(request: Request, progress: Progress = lambda _read, _all: None) -> Outcome:
    """Judge the log and the org's policies, and plan what closes the gap.

    Raises:
        UsageError: A path leads nowhere, a time cannot be read, or ``keep`` cannot be granted.
        SettingsError: The settings, or the credentials, are off.
        SourceError: The snapshot cannot be read, or the org not at all.
        NothingReadable: There is no Okta event in all of the input.
        EngineError: A query failed.
        MfagapError: See ``errors``.
    """
    wall_ms = time.time_ns() // 1_000_000
    now_ms = wall_ms if request.scan.now is None else scan.moment(request.scan.now, "--now")
    kept_alive = None if request.keep is None else granted(request.keep, now_ms)
    all_checks = checks.load_all()
    # What is off with a file is told before the log is read; the API is asked for who is in it.
    given = NOTHING if request.snapshot is None else folder.read(request.snapshot)
    with read_log(request.scan, _wanted(all_checks), progress) as log:
        work = _Work(log, all_checks, _detection(log), given)
        if request.client is not None:
            users = work.users()
            groups = () if request.keep is None else (request.keep.group,)
            read = fetch(request.client, wall_ms, users[:MOST_USERS], groups)
            store(request.scan.settings, read)
            work = replace(work, snapshot=read, passed_over=max(0, len(users) - MOST_USERS))
        return Outcome(work.hardening(now_ms, kept_alive), log.result)


def granted(keep: Keeping, now_ms: int) -> planning.Keep:
    """Return an exception whose end is a time.

    Raises:
        UsageError: The end is no time.
    """
    return planning.Keep(keep.group, keep.zone, scan.ahead(keep.until, now_ms, "--keep-until"))


def taken(request: Request, progress: Progress = lambda _read, _all: None) -> tuple[Snapshot, Path]:
    """Return the org's policies as they are now, and where they are kept.

    Args:
        request: With a client; where paths are given, the factors of those who signed in without
            one are read too.
        progress: Told of the reading of the log.

    Raises:
        SourceError: The org cannot be reached, or answers nonsense.
        OutputError: It cannot be kept.
        MfagapError: As ``harden``.
    """
    if request.client is None:
        raise ValueError("a snapshot is taken from the org")
    users: Sequence[str] = ()
    if request.scan.paths:
        all_checks = checks.load_all()
        with read_log(request.scan, _wanted(all_checks), progress) as log:
            users = _Work(log, all_checks, _detection(log), NOTHING).users()[:MOST_USERS]
    read = fetch(request.client, time.time_ns() // 1_000_000, users)
    return read, store(request.scan.settings, read)


def store(settings: Settings, read: Snapshot) -> Path:
    """Keep a snapshot in the state folder, under its time and digest, and return where.

    Where `mfagap run` watches, an alert is opened for each closed rule that it shows open again.

    Raises:
        OutputError: It cannot be written.
        StateError: The state cannot be written.
        SettingsError: The settings are off.
    """
    taken = "unknown" if read.taken_ms is None else rfc3339(read.taken_ms)
    name = f"{taken.replace(':', '')}-{snapshots.digest(read)[:12]}.json"
    path = settings.state / "snapshots" / name
    half = path.with_name(f"{name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(snapshots.dump(read), encoding="utf-8")
        half.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    with watched(settings) as database:
        if database is not None:
            now_ms = time.time_ns() // 1_000_000
            regressions.seen(workshop_of(settings, database), read, now_ms)
    return path


@contextmanager
def watched(settings: Settings) -> Generator[Database | None]:
    """Give the state of `mfagap run`; None where none was made: what is not watched has no alerts.

    Raises:
        StateError: It cannot be used.
    """
    if not (settings.state / FILE).exists():
        yield None
        return
    with Database(settings.state) as database:
        yield database


def client_of(
    settings: Settings, stack: ExitStack, sleep: Callable[[float], None] = time.sleep
) -> OktaClient:
    """Return a client of the org that the environment's credentials lead to.

    A source of the settings that reads Okta says what share of the rate limit it may use.

    Raises:
        SettingsError: There are no credentials, or that source is off.
    """
    own = (table for table in settings.sources.values() if table.values.get("type") == "okta_api")
    table = next(own, Table(settings.file, "sources.okta", {}))
    return okta_client(table, stack, sleep)


def _wanted(all_checks: Sequence[Check]) -> scan.Wanted:
    """Return what is read of the log for checks, sign-ins and inventory."""
    types = {kind for check in all_checks for kind in check.event_types}
    return scan.Wanted(
        event_types=sorted(types.union(sign_ins.EVENT_TYPES, inventory.EVENT_TYPES)),
        queries=(
            *(check.query for check in all_checks),
            *sign_ins.QUERIES,
            *inventory.QUERIES,
        ),
    )


@dataclass(frozen=True, slots=True)
class Log:
    """The log that is looked at; without one ``result`` is None and the span is empty."""

    result: ScanResult | None
    engine: Engine
    span: tuple[int, int, int]


@contextmanager
def read_log(request: scan.Request, wanted: scan.Wanted, progress: Progress) -> Generator[Log]:
    """Read the files that are named, else the lake, else nothing."""
    if request.paths:
        with scan.judged(request, progress, wanted) as log:
            yield Log(log.result, log.engine, _span(log.slot))
    elif request.settings.sources:
        with _from_lake(request, wanted) as log:
            yield log
    else:
        rejects = Rejects(None)
        columns, _ = scan.reads((), wanted)
        with rejects, MemoryLake(rejects, 0, columns) as lake:
            yield Log(None, Sandbox(lake.connection), _NO_LOG)


def _span(slot: Slot) -> tuple[int, int, int]:
    return slot.from_ms, slot.to_ms, slot.watermark_ms


@contextmanager
def _from_lake(request: scan.Request, wanted: scan.Wanted) -> Generator[Log]:
    """Judge the sign-ins that the lake holds, which `mfagap run` has filled."""
    settings, wall_ms = request.settings, time.time_ns() // 1_000_000
    detections = scan.detections_of(request)
    lake = Lake(settings.state / "lake")
    holds = lake.holdings()
    if holds.oldest_ms is None or holds.newest_ms is None:
        raise NothingReadable(f"{settings.state}: {holds.emptiness}; a path reads a log without it")
    newest_ms = min(holds.newest_ms, wall_ms)
    now_ms = newest_ms if request.now is None else scan.moment(request.now, "--now")
    slot = scan.slot_of(request, holds.oldest_ms, now_ms)
    columns, types = scan.reads(detections, wanted)
    before_s = max(_before_s(detection) for detection in detections)
    from_ms = slot.from_ms - before_s * 1000
    with lake.read(columns, [Stretch(types, from_ms, now_ms + 1)]) as connection:
        sandbox = Sandbox(connection)
        totals = Totals(holds.files, holds.events, oldest_ms=holds.oldest_ms, newest_ms=newest_ms)
        result = replace(scan.judge(request, detections, sandbox, slot), totals=totals)
        yield Log(result, sandbox, _span(slot))


def _before_s(detection: Detection) -> int:
    """Return how long before a start the detection and its runbook look."""
    steps = detection.runbook.steps if detection.runbook else ()
    return max(detection.chain_s, detection.before_s, *(step.before_s for step in steps))


def _detection(log: Log) -> Detection:
    """Return the detection that finds the sessions, as the settings have it."""
    ran = () if log.result is None else log.result.detections
    return next((found for found in ran if found.id == DETECTION), None) or find(DETECTION)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is known, and what is made of it."""

    log: Log
    checks: Sequence[Check]
    detection: Detection
    snapshot: Snapshot
    passed_over: int = 0

    def users(self) -> list[str]:
        """Return whose factors matter: who came in without one, through whatever door."""
        found = {
            finding.alert_context.actor_id: None
            for finding in self._findings()
            if finding.mfa_status is not MfaStatus.MFA
        }
        found |= {
            sign_in.actor_id: None
            for sign_in in self._sign_ins()
            if sign_in.result == "ALLOW" and not sign_in.passed_factor
        }
        return [user for user in found if user]

    def hardening(self, now_ms: int, keep: planning.Keep | None) -> Hardening:
        """Run every check, and plan what mends the failures."""
        log, snapshot = self.log, self.snapshot
        results = self._results()
        digest = snapshots.digest(snapshot) if snapshot.parts else ""
        logged = self._sign_ins()
        known = policies.read(snapshot, _SESSIONS)
        agreement = self._agreement(known, logged)
        plan: Plan | None = None
        affected: Sequence[Affected] = ()
        if snapshot.part(_SESSIONS).items:
            plan = planning.make(snapshot, digest, results, now_ms, keep)
            if agreement is not None:
                affected = self._impact(known, plan, logged)
                plan = planning.make(snapshot, digest, results, now_ms, keep, affected)
        watermark_ms = log.span[2] if log.result is not None else now_ms
        return Hardening(
            now_ms=watermark_ms,
            from_ms=log.span[0] if log.result is not None else now_ms,
            snapshot=snapshot,
            digest=digest,
            checks=self.checks,
            results=results,
            sessions=sum(finding.mfa_status in ON_ONE_FACTOR for finding in self._findings()),
            stepped_up=sum(finding.mfa_status is MfaStatus.STEP_UP for finding in self._findings()),
            inventory=inventory.read(log.engine, log.span, self.detection),
            agreement=agreement,
            affected=affected,
            plan=plan,
            notes=tuple(self._notes()),
        )

    def _findings(self) -> list[Finding]:
        found = () if self.log.result is None else self.log.result.findings
        return [finding for finding in found if finding.detection == DETECTION]

    def _sign_ins(self) -> list[SignIn]:
        """Return the sign-ins, each with the verdict on the session that it began.

        A legacy session of which the log has no evaluation is one of them, by no policy.
        """
        began = {finding.policy.event: finding.uuid for finding in self._findings()}
        read = sign_ins.read(self.log.engine, self.log.span, self.detection, self.snapshot)
        there = {one.uuid for one in read}
        lone = [found for found in self._findings() if found.policy.event not in there]
        verdicts = self._verdicts()
        return [
            *(replace(one, verdict=verdicts.get(began.get(one.uuid, ""))) for one in read),
            *(sign_ins.undecided(found, verdicts.get(found.uuid)) for found in lone),
        ]

    def _verdicts(self) -> dict[str, VerdictWord]:
        """Return the runbook's verdicts, by the ``uuid`` of the start."""
        runs = self.log.result.investigations.items() if self.log.result else ()
        return {uuid: run.verdict.verdict for (by, uuid), run in runs if by == DETECTION}

    def _results(self) -> tuple[CheckResult, ...]:
        verdicts = {uuid: word.value for uuid, word in self._verdicts().items()}
        asked = {
            **tables.tables(self.snapshot),
            "legacy_sessions": tables.sessions(self._findings(), verdicts),
        }
        return ranked(result for check in self.checks for result in self._judged(check, asked))

    def _judged(self, check: Check, asked: Mapping[str, ContentList]) -> tuple[CheckResult, ...]:
        """Return what a check says; unknown where its query failed, which ends no other."""
        try:
            return judge(check, self.log.engine, asked, self.snapshot, self.log.span)
        except EngineError as error:
            return (failed(check, error),)

    def _agreement(self, known: Sequence[OktaPolicy], logged: Sequence[SignIn]) -> Agreement | None:
        """Return how far the evaluator can be believed; None where it has nothing to decide by."""
        if self.log.result is None or not self.snapshot.part(_SESSIONS).known:
            return None
        return replay.agreement(known, logged, Org.of(self.snapshot), self._changes())

    def _impact(
        self, known: Sequence[OktaPolicy], plan: Plan, logged: Sequence[SignIn]
    ) -> Sequence[Affected]:
        after = policies.read(planning.applied(self.snapshot, plan), _SESSIONS)
        return replay.impact(known, after, logged, Org.of(self.snapshot), self._changes())

    def _changes(self) -> Mapping[str, int]:
        """Return when policies, zones and groups were last changed, by id."""
        return sign_ins.changes(self.log.engine, self.log.span, self.detection)

    def _notes(self) -> Iterator[str]:
        """Yield what was not read, and what that leaves unknown."""
        result, snapshot = self.log.result, self.snapshot
        if result is None:
            yield (
                "No log was read: how often a rule lets somebody in, whom the plan affects and who "
                "uses the legacy API is not known."
            )
        else:
            yield from _of_log(result, self.log.span[0])
        if not snapshot.parts:
            yield (
                "No policies were read: what the rules say today, and what a change would cost, is "
                "not known. --from reads them from files, --api from the org."
            )
        elif not snapshot.part(_SESSIONS).known:
            yield (
                "The session policies are not wholly known: no sign-in is decided again, and whom "
                "the plan affects is not known."
            )
        if self.passed_over:
            yield (
                f"Factors were read of the first {MOST_USERS:,} users; of {self.passed_over:,} "
                "more it is not known whether they have one."
            )


def _of_log(result: ScanResult, from_ms: int) -> Iterator[str]:
    """Yield what of the span the log does not tell."""
    oldest_ms = result.totals.oldest_ms
    if oldest_ms is not None and oldest_ms > from_ms:
        yield f"The log begins at {rfc3339(oldest_ms)}: who signed in before is not known."
    if oldest_ms is not None and oldest_ms < from_ms:
        yield (
            f"The log holds events from {rfc3339(oldest_ms)} on; sign-ins before "
            f"{rfc3339(from_ms)} were left out (--since takes more)."
        )
    for reason, count in result.problems.items():
        if not reason.used:
            yield f"Of the log {count:,} could not be used: {reason.reason}."
    for step, why in sorted(result.failures):
        yield f"The step {step} of the runbook failed: {why}"
