"""``scan``: the whole path once, in memory, from files to findings."""

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from mfagap import alerts
from mfagap.detect.customize import customized
from mfagap.detect.durations import seconds
from mfagap.detect.evaluate import Engine, evaluate
from mfagap.detect.load import load_all
from mfagap.engines.sandbox import Sandbox
from mfagap.errors import EngineError, NothingReadable, UsageError
from mfagap.investigate.lookup import starts_of
from mfagap.investigate.run import Inquiry, investigate, raised
from mfagap.lake.memory import MemoryLake
from mfagap.lake.projection import named_in
from mfagap.lake.rejects import Rejects
from mfagap.model import (
    Detection,
    Evaluation,
    Finding,
    Investigation,
    MfaStatus,
    ScanResult,
    Slot,
    Totals,
    VerdictWord,
)
from mfagap.settings import Settings
from mfagap.sources.files import Discovery, discover

FOREVER_MS = 2**63 // 1000 + 1
"""Later than any event: a slot's end where no ``until`` is given.

A time is held in microseconds, in 64 bits; in milliseconds there is room for what is added to it.
"""

EXPECTED = (
    "expected Okta System Log events as the API's JSON array, NDJSON, event hooks, EventBridge, "
    "Elastic, Splunk, Sentinel or Panther exports, plain, .gz or .zst, or Parquet"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What to scan.

    Attributes:
        paths: Files, folders, globs, ``-``.
        stdin: Read for ``-``.
        since: ISO 8601 or a duration before NOW; starts before it are not judged.
        until: The same; starts from it on are not judged.
        now: ISO 8601: the moment as of which the log is judged; None for the newest event.
        rejects: Where to write what could not be read.
        outputs: Files that this call writes, which are no input.
        settings: Changes to the detections.
        detections: A folder of detections to run beside those that ship with mfagap.
        session: A session or event whose sign-ins are asked for; see ``ScanResult.meant``.
        investigated: Which findings the runbook is run on; None for none.
    """

    paths: Sequence[str]
    stdin: IO[bytes]
    since: str | None = None
    until: str | None = None
    now: str | None = None
    rejects: Path | None = None
    outputs: Sequence[Path] = ()
    settings: Settings = field(default_factory=Settings)
    detections: Path | None = None
    session: str | None = None
    investigated: Callable[[Finding], bool] | None = lambda found: found.mfa_status != MfaStatus.MFA


Progress = Callable[[int, int], None]
"""Told the bytes read since it was last told, and the bytes of all input."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read beside what the detections read: types of events, and SQL that names columns."""

    event_types: Sequence[str] = ()
    queries: Sequence[str] = ()


NOTHING_MORE = Wanted()


@dataclass(frozen=True, slots=True)
class Log:
    """A log that was read and judged.

    Attributes:
        result: What the detections and their runbooks say of it.
        engine: Holds its ``events``.
        slot: The starts that were judged, and the watermark.
    """

    result: ScanResult
    engine: Engine
    slot: Slot


def scan(request: Request, progress: Progress = lambda _read, _all: None) -> ScanResult:
    """Read what ``request`` names and judge every start in it.

    Raises:
        UsageError: A path leads nowhere, a time cannot be read, or the folder of detections holds
            none, or one of an id that ships with mfagap.
        SettingsError: The settings name an unknown detection, list or column.
        ContentError: A detection is off.
        NothingReadable: There is no Okta event in all of the input.
        EngineError: A query failed, did more than it may, or ran out of time, memory or disk.
    """
    with judged(request, progress) as log:
        return log.result


@contextlib.contextmanager
def judged(
    request: Request,
    progress: Progress = lambda _read, _all: None,
    wanted: Wanted = NOTHING_MORE,
) -> Generator[Log]:
    """Do what ``scan`` does, and hold the events for who has more to ask.

    Raises:
        MfagapError: See ``scan``.
    """
    detections = detections_of(request)
    given_now = _given_now(request)
    wall_ms = time.time_ns() // 1_000_000
    outputs = [*request.outputs, *([request.rejects] if request.rejects else [])]
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="mfagap-"))
        found = discover(request.paths, request.stdin, Path(scratch), outputs)
        # Opened once the call is known to be sound: this empties a file of that name.
        rejects = stack.enter_context(Rejects(request.rejects))
        columns, types = reads(detections, wanted)
        lake = stack.enter_context(MemoryLake(rejects, wall_ms, columns, is_compressed=True))
        total = found.total_bytes
        lake.load(found.deliveries, types, lambda read: progress(read, total))
        oldest, now_ms = _span(lake.totals, found, given_now, rejects)
        unseen = 0 if given_now is None else lake.forget_after(now_ms)
        slot = slot_of(request, oldest, now_ms)
        sandbox = Sandbox(lake.connection)  # from here on the database reads no file
        result = replace(
            judge(request, detections, sandbox, slot),
            totals=lake.totals,
            problems=dict(sorted(rejects.counts.items())),
            examples={reason: tuple(places) for reason, places in rejects.examples.items()},
            ignored=found.ignored,
            unseen=unseen,
        )
        yield Log(result, sandbox, slot)


def reads(detections: Sequence[Detection], wanted: Wanted) -> tuple[frozenset[str], Sequence[str]]:
    """Return the columns of ``events`` and the types of events that are asked for."""
    sql = (sql for detection in detections for sql in detection.queries)
    types = {kind for detection in detections for kind in detection.event_types}
    return named_in(*sql, *wanted.queries), sorted(types.union(wanted.event_types))


def judge(
    request: Request, detections: Sequence[Detection], engine: Engine, slot: Slot
) -> ScanResult:
    """Return what ``detections`` say of the starts in ``slot``; what was read is not in it.

    Raises:
        EngineError: A query failed, did more than it may, or ran out of time, memory or disk.
    """
    runs = [_judged(detection, engine, slot, request) for detection in detections]
    name = request.session
    investigations = {
        (investigation.detection, uuid): investigation
        for _, run in runs
        for uuid, investigation in run.items()
    }
    evaluations = [evaluation for evaluation, _ in runs]
    findings = [finding for evaluation in evaluations for finding in evaluation.findings]
    findings.sort(key=lambda finding: _worst_first(finding, investigations))
    statuses = Counter(finding.mfa_status for finding in findings)
    pairs = zip(detections, evaluations, strict=True)
    return ScanResult(
        detections=tuple(detections),
        findings=tuple(findings),
        investigations=investigations,
        alerts=tuple(alert for d, e in pairs for alert in alerts.group(d, e.findings)),
        counts={status: statuses[status] for status in MfaStatus},
        skipped=sum((Counter(dict(e.skipped)) for e in evaluations), Counter[str]()),
        totals=Totals(),
        problems={},
        examples={},
        ignored=(),
        now_ms=slot.watermark_ms,
        unseen=0,
        from_ms=None if request.since is None else slot.from_ms,
        meant=frozenset[str]() if name is None else starts_of(name, engine),
    )


def slot_of(request: Request, oldest: int, now_ms: int) -> Slot:
    """Return the starts that are judged, and the watermark.

    Raises:
        UsageError: A time cannot be read, or ``until`` is not after ``since``.
    """
    slot = Slot(
        from_ms=oldest if request.since is None else _time(request.since, now_ms, "--since"),
        to_ms=FOREVER_MS if request.until is None else _time(request.until, now_ms, "--until"),
        watermark_ms=now_ms,
    )
    if request.since is not None and request.until is not None and slot.to_ms <= slot.from_ms:
        raise UsageError(f"--until {request.until} is not after --since {request.since}")
    return slot


def _judged(
    detection: Detection, engine: Engine, slot: Slot, request: Request
) -> tuple[Evaluation, dict[str, Investigation]]:
    """Evaluate ``detection``, and run its runbook, if it has one, on the findings asked for."""
    try:
        evaluation = evaluate(detection, engine, slot)
    except EngineError as error:
        raise EngineError(f"{detection.id}: {error}") from error
    if request.investigated is None or detection.runbook is None:
        return evaluation, {}
    findings = [finding for finding in evaluation.findings if request.investigated(finding)]
    inquiry = Inquiry(detection, detection.runbook, findings, slot.watermark_ms)
    run = investigate(inquiry, engine, clock=time.monotonic)
    return raised(evaluation, run), run


def _worst_first(
    finding: Finding, investigations: Mapping[tuple[str, str], Investigation]
) -> tuple[int, int, int, str, str]:
    """Return what sorts findings: severity, then verdict, then the newest."""
    run = investigations.get((finding.detection, finding.uuid))
    words = list(VerdictWord)
    place = len(words) if run is None else words.index(run.verdict.verdict)
    return -finding.severity, place, -finding.start_ms, finding.uuid, finding.detection


def detections_of(request: Request) -> list[Detection]:
    """Return the detections to run, with the changes of the settings.

    Raises:
        SettingsError: The settings name an unknown detection, list or column.
        ContentError: A detection is off.
    """
    detections = load_all(request.detections)
    if request.investigated is None:  # then what only the runbook reads is not read either
        detections = [replace(detection, runbook=None) for detection in detections]
    return customized(detections, request.settings)


def _given_now(request: Request) -> int | None:
    """Return the NOW that was given; what is no time is told before anything is read."""
    for text, option in ((request.since, "--since"), (request.until, "--until")):
        if text is not None:
            _time(text, 0, option)
    return None if request.now is None else moment(request.now, "--now")


def _span(
    totals: Totals, found: Discovery, given_now: int | None, rejects: Rejects
) -> tuple[int, int]:
    """Return the oldest event's time and NOW: the newest event's, unless it is given."""
    now_ms = totals.newest_ms if given_now is None else given_now
    if now_ms is not None and totals.oldest_ms is not None:
        return totals.oldest_ms, now_ms
    if totals.future:
        raise NothingReadable("every event is dated in the future; give the time with --now")
    files = f"{len(found.deliveries)} file{'' if len(found.deliveries) == 1 else 's'}"
    why = [
        f"{count:,} x {reason.reason} ({', '.join(places)}{', …' * (count > len(places))})"
        for reason, count in sorted(rejects.counts.items())
        if (places := rejects.examples[reason])
    ]
    told = f"; could not use: {', '.join(why)}" if why else ""
    raise NothingReadable(f"no Okta event in {files}: {EXPECTED}{told}")


def _time(text: str, now_ms: int, option: str) -> int:
    """Return ``text`` (ISO 8601, or a duration before NOW) as UTC epoch milliseconds."""
    try:
        return now_ms - seconds(text) * 1000
    except ValueError:
        return moment(text, option)


def ahead(text: str, now_ms: int, option: str) -> int:
    """Return ``text`` (ISO 8601, or a duration from NOW) as UTC epoch milliseconds.

    Raises:
        UsageError: It is no time; names ``option``.
    """
    try:
        return now_ms + seconds(text) * 1000
    except ValueError:
        try:
            return moment(text, option)
        except UsageError as error:
            hint = "write it as 2026-12-31, or as 30d or 12h from now"
            raise UsageError(f"{option}: {text!r} is no time; {hint}") from error


def moment(text: str, option: str) -> int:
    """Return ISO 8601 ``text`` as UTC epoch milliseconds; without an offset it is UTC.

    Raises:
        UsageError: It is no time; names ``option``.
    """
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "write it as 2026-01-31T08:00:00Z"
        if option != "--now":
            hint += ", or as 7d or 12h before NOW"
        raise UsageError(f"{option}: {text!r} is no time; {hint}") from error
    if given.tzinfo is None:
        given = given.replace(tzinfo=UTC)
    return round(given.timestamp() * 1000)
