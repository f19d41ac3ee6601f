"""``run`` and ``serve``: tick by tick, on a state folder that one process holds."""

import json
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfagap.detect.customize import customized
from mfagap.detect.evaluate import rfc3339
from mfagap.detect.load import load_all
from mfagap.errors import NotifyError, SettingsError, StateError, UsageError
from mfagap.lake.store import Lake
from mfagap.model import Severity
from mfagap.notify.notice import Body
from mfagap.service.collect import (
    Collected,
    Course,
    Folder,
    Objects,
    Okta,
    Source,
    Stopping,
    collect,
)
from mfagap.service.durable import Workshop, agree
from mfagap.service.tick import Ticked, tick
from mfagap.settings import Settings, Table, environment
from mfagap.sources.object_client import KINDS
from mfagap.sources.object_store import build
from mfagap.state.database import Database, Row, held
from mfagap.state.ledger import floor

if TYPE_CHECKING:
    from mfagap.okta.client import OktaClient

OKTA_LATENESS_S = 300

NOW = "now"
"""The fact that tells as of when the last run was."""

BACK_MS = 3600 * 1000
"""So far behind the last run the clock may not be: what comes meanwhile may be unseen so long."""

ATTEMPTS = 12
"""How often a notice is sent before it is parked: for half a day."""

STAGES: tuple[str, ...] = ("collect", "tick", "notify", "tidy")
"""Of a run, in order."""

FIRST_WAIT_MS = 15_000
LONGEST_WAIT_MS = 2 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one notice: ``failure`` is why it was not taken, None where it was."""

    key: str
    alert: int
    route: str
    attempts: int
    failure: str | None = None
    parked: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the notices that were due, and of each of them."""

    sent: int = 0
    failed: int = 0
    parked: int = 0
    fates: tuple[Fate, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did; ``dropped`` are events that are older than ``keep_days``.

    ``seconds`` is how long it took, by stage.
    """

    collected: Collected
    ticked: Ticked
    delivered: Delivered
    dropped: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def whole(self) -> bool:
        """Whether every source was read, and every notice taken."""
        return not self.collected.failures and not self.delivered.failed


def wall_ms() -> int:
    """Return the wall clock, UTC epoch milliseconds."""
    return time.time_ns() // 1_000_000


def moment(workshop: Workshop, asked_ms: int | None = None) -> int:
    """Return NOW of a run, which is never before that of the last one.

    Else what was found since would be taken back, as what has not happened yet. Where the clock was
    set back by less than an hour, time stands still until it has caught up.

    Args:
        workshop: The state.
        asked_ms: What a person asks for; None for the wall clock.

    Raises:
        UsageError: It is before the last run.
        StateError: The clock is an hour or more before the last run.
    """
    last_ms, now_ms = workshop.ledger.fact(NOW) or 0, wall_ms()
    if asked_ms is not None:
        if asked_ms < last_ms:
            raise UsageError(
                f"--now {rfc3339(asked_ms)} is before the last run, which was as of "
                f"{rfc3339(last_ms)}: give a later one, or replay in another state folder"
            )
        return asked_ms
    if last_ms - now_ms >= BACK_MS:
        raise StateError(
            f"the clock says {rfc3339(now_ms)}, and the last run was as of {rfc3339(last_ms)}: let "
            "NTP set the clock; if it was wrong then, put back the state folder from a copy of "
            "before, or move it aside, and all is read again"
        )
    return max(now_ms, last_ms)


def check_sources(settings: Settings) -> None:
    """See that there is something to read: a run without a source is no all-clear.

    Raises:
        SettingsError: There is no source.
    """
    if not settings.sources:
        raise SettingsError(
            f"{settings.file}: no source to read; `mfagap init` writes settings to begin with, and "
            "--config FILE or MFAGAP_CONFIG names them"
        )


@contextmanager
def opened(settings: Settings) -> Generator[Workshop]:
    """Open the state folder of ``settings``, for this process alone.

    Raises:
        StateBusy: Another process is at work there.
        StateError: It cannot be used, or is not of one moment with the lake.
        LakeError: The lake cannot be read.
        SettingsError: A detection's settings, or a route, are off.
    """
    with held(settings.state), Database(settings.state) as database:
        workshop = workshop_of(settings, database, _cleared(settings.state / "scratch"))
        agree(workshop.lake, workshop.ledger)
        yield workshop


def workshop_of(settings: Settings, database: Database, scratch: Path | None = None) -> Workshop:
    """Return what works on the state ``database``.

    Args:
        settings: Of the state.
        database: Its state.
        scratch: A folder for what is read, of this process alone; None for the system's.

    Raises:
        SettingsError: A detection's settings, or a route, are off.
        LakeError: The lake cannot be used.
    """
    detections = customized(load_all(), settings)
    routes = [(name, least(table)) for name, table in settings.routes.items()]
    lake = Lake(settings.state / "lake", scratch=scratch)
    names, limit = list(settings.sources), settings.flood_limit
    return Workshop(lake, database, detections, routes, names, limit, scratch)


def _cleared(scratch: Path) -> Path:
    """Make ``scratch`` anew: a process that was killed leaves there what it read.

    Raises:
        StateError: It cannot be written.
    """
    try:
        if scratch.exists():
            shutil.rmtree(scratch)
        scratch.mkdir(mode=0o700)
    except OSError as error:
        raise StateError(f"{scratch}: cannot be written: {error.strerror}") from error
    return scratch


def run_once(
    workshop: Workshop,
    settings: Settings,
    now_ms: int,
    course: Course | None = None,
) -> Report:
    """Collect, tick, tell, tidy up.

    Raises:
        Stopping: While sources were read, as ``course`` has it.
        MfagapError: See ``errors``; what was done stays done, and the next run goes on from there.
    """
    course = course or Course()
    times = [time.monotonic()]
    with workshop.database.change():
        workshop.ledger.note(NOW, now_ms)
    with ExitStack() as stack:
        found = list(sources(settings, stack, course.sleep))
        collected = collect(workshop, found, now_ms, course)
    # A route that is off is told of before there is an alert, and keeps nobody from watching.
    collected.failures.update(_off(settings))
    times.append(time.monotonic())
    ticked = tick(workshop, now_ms, time.monotonic)
    times.append(time.monotonic())
    delivered = deliver(workshop, settings, now_ms)
    times.append(time.monotonic())
    workshop.lake.compact(now_ms=now_ms)
    dropped = workshop.lake.retain(settings.keep_days, now_ms)
    times.append(time.monotonic())
    lasted = (end - begin for begin, end in pairwise(times))
    seconds = dict(zip(STAGES, lasted, strict=True))
    return Report(collected, ticked, delivered, dropped, seconds)


def _off(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield each route that cannot be used, and why."""
    for table in settings.routes.values():
        try:
            notifier(table)
        except SettingsError as error:
            yield table.name, str(error)


def again(workshop: Workshop, span: tuple[int, int], now_ms: int) -> Ticked:
    """Evaluate the slots that overlap ``span`` again; what changes is told by the next run.

    Raises:
        UsageError: The lake holds nothing of ``span``.
        MfagapError: See ``errors``.
    """
    holds = workshop.lake.holdings()
    oldest_ms = holds.oldest_ms
    if oldest_ms is None:
        raise UsageError(holds.emptiness)
    if span[1] <= floor(oldest_ms):
        raise UsageError(
            f"the lake holds no event before {rfc3339(oldest_ms)}: none of that time was "
            "read, or it is older than keep_days"
        )
    within = (max(span[0], floor(oldest_ms)), span[1])
    with workshop.database.change():
        for detection in workshop.detections:
            workshop.ledger.forget(detection.id, within)
    return tick(workshop, now_ms, time.monotonic)


def deliver(workshop: Workshop, settings: Settings, now_ms: int) -> Delivered:
    """Send the notices that are due; one that fails waits twice as long as the last time."""
    fates: list[Fate] = []
    outbox = workshop.outbox
    for row in outbox.waiting(now_ms):
        key, attempts = str(row["key"]), int(row["attempts"])
        try:
            send(settings, str(row["route"]), key, json.loads(row["body"]), now_ms)
        except (NotifyError, SettingsError) as error:
            last = attempts + 1 >= ATTEMPTS
            fates.append(_fate(row, str(error), parked=last))
            wait_ms = min(FIRST_WAIT_MS * 2**attempts, LONGEST_WAIT_MS)
            with workshop.database.change():
                outbox.failed(key, str(error), None if last else now_ms + wait_ms)
        else:
            fates.append(_fate(row))
            with workshop.database.change():
                outbox.sent(key)
    failed = sum(fate.failure is not None for fate in fates)
    parked = sum(fate.parked for fate in fates)
    return Delivered(len(fates) - failed, failed, parked, tuple(fates))


def _fate(row: Row, failure: str | None = None, *, parked: bool = False) -> Fate:
    key, route = str(row["key"]), str(row["route"])
    return Fate(key, int(row["alert"]), route, int(row["attempts"]) + 1, failure, parked)


def send(settings: Settings, route: str, key: str, notice: Body, now_ms: int) -> None:
    """Send one notice by ``route``.

    Raises:
        NotifyError: It was not taken.
        SettingsError: There is no such route, or it is off.
    """
    if route not in settings.routes:
        raise SettingsError(f"{settings.file}: no route {route!r}")
    notifier(settings.routes[route]).send(key, notice, now_ms)


def notifier(table: Table) -> Any:
    """Return what ``table`` describes: ``type = "slack"`` means ``mfagap.notify.slack``.

    Raises:
        SettingsError: No module has that name, or the table is off.
    """
    return _kind("mfagap.notify", table).build(table)


def serve(every_s: float, stop: Callable[[float], bool], once: Callable[[], object]) -> None:
    """Run again and again, until ``stop`` says so.

    Args:
        every_s: Seconds from the beginning of one run to that of the next.
        stop: Waits so many seconds at most; returns whether to stop.
        once: One run. It ends early only while it reads sources.

    Raises:
        MfagapError: The lake, the state or a query failed.
    """
    wait_s = 0.0
    while not stop(wait_s):
        began = time.monotonic()
        try:
            once()
        except Stopping:
            return
        wait_s = max(0.0, every_s - (time.monotonic() - began))


def sources(
    settings: Settings, stack: ExitStack, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Source]:
    """Yield the sources of ``settings``; ``stack`` closes what they hold open.

    Raises:
        SettingsError: One is off.
    """
    for name, table in settings.sources.items():
        kind = table.text("type")
        if kind == "folder":
            table.only("path", "lateness_s")
            yield Folder(name, str(table.path("path")), lateness_s(table) * 1000)
        elif kind == "okta_api":
            yield _okta(name, table, stack, sleep)
        elif kind in KINDS:
            yield Objects(name, build(table), lateness_s(table) * 1000)
        else:
            known = ", ".join(("folder", "okta_api", *KINDS))
            raise table.off("type", f"{kind!r} is none of: {known}")


def lateness_s(table: Table) -> int:
    """Return how late an event of a source may come.

    Raises:
        SettingsError: The setting is off.
    """
    okta = table.values.get("type") == "okta_api"
    return table.number("lateness_s", OKTA_LATENESS_S if okta else 0)


def _kind(package: str, table: Table) -> Any:
    kind = table.text("type")
    name = kind if "." in kind and not kind.startswith(".") else f"{package}.{kind}"
    try:
        found = import_module(name)
    except ModuleNotFoundError as error:
        raise table.off("type", f"no kind {kind!r}") from error
    if not hasattr(found, "build"):  # a module that helps the kinds
        raise table.off("type", f"no kind {kind!r}")
    return found


def least(table: Table) -> int:
    """Return the least severity that a route is told of."""
    word = table.text("severity", "medium")
    try:
        return int(Severity[word.upper()])
    except KeyError as error:
        known = ", ".join(severity.word for severity in Severity)
        raise table.off("severity", f"{word!r} is none of: {known}") from error


def _okta(name: str, table: Table, stack: ExitStack, sleep: Callable[[float], None]) -> Okta:
    """Return the org that the environment's credentials lead to."""
    from mfagap.sources.okta_api import OktaApi

    api = OktaApi(
        okta_client(table, stack, sleep),
        backfill_days=table.number("backfill_days", 90),
        lateness_s=lateness_s(table),
    )
    return Okta(name, api)


def okta_client(
    table: Table, stack: ExitStack, sleep: Callable[[float], None] = time.sleep
) -> "OktaClient":
    """Return a client of the org that the environment's credentials lead to; it waits by ``sleep``.

    Raises:
        SettingsError: There are none, or ``table`` is off.
    """
    from mfagap.okta.client import OktaClient
    from mfagap.okta.credentials import find
    from mfagap.okta.transport import open_http

    table.only("lateness_s", "backfill_days", "share_percent")
    share = table.number("share_percent", 50)
    if not 1 <= share <= 100:
        raise table.off("share_percent", f"{share} is not 1 to 100")
    credentials = find(environment(), Path.home(), Path())
    http = stack.enter_context(open_http())
    return OktaClient(credentials, http, time.time, sleep, share=share / 100)
