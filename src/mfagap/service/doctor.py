"""Whether all is in order: each check passes, fails, or could not be made."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path

from mfagap.detect.customize import customized
from mfagap.detect.evaluate import evaluate, rfc3339
from mfagap.detect.lint import problems
from mfagap.detect.load import folders, load_all
from mfagap.engines.duckdb import DuckDBEngine
from mfagap.engines.sandbox import Sandbox
from mfagap.errors import MfagapError, SettingsError
from mfagap.investigate.run import Inquiry, run_step
from mfagap.lake.projection import named_in
from mfagap.lake.store import Lake
from mfagap.model import Detection, Slot, Stretch
from mfagap.service.durable import WATCHED_MS, agree
from mfagap.service.metrics import address_of
from mfagap.service.run import NOW, lateness_s, least, notifier, okta_client, wall_ms
from mfagap.service.tick import SILENT_MS
from mfagap.service.watch import metrics_of, ping_of
from mfagap.settings import Settings, Table
from mfagap.sources.folder import look
from mfagap.sources.object_client import KINDS, Client
from mfagap.sources.object_store import build
from mfagap.sources.okta_api import LOGS
from mfagap.state.alerts import Outbox
from mfagap.state.database import FILE, Database, Row
from mfagap.state.ledger import Ledger

DAY_S = 86_400
FREE_BYTES = 1 << 30
VITAL = (
    *("actor_id", "client_ip", "event_type", "outcome_result", "request_uri", "session_id"),
    *("transaction_id", "user_agent"),
)
"""Columns that some of a day's events have wherever Okta's log comes whole."""

CLOCK_S = 60
"""How far our clock may be from Okta's."""


class Outcome(StrEnum):
    """How a check ends; what could not be checked is no pass."""

    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, and what is so, or how to mend it."""

    outcome: Outcome
    subject: str
    words: str


def examine(settings: Settings) -> Iterator[Check]:
    """Yield the checks of all that ``settings`` name; no notice is sent, and nothing changed."""
    yield from _settings(settings)
    yield from _detections(settings)
    yield from _kept(settings)
    for name, table in settings.sources.items():
        yield from _source(name, table)
    for name, table in settings.routes.items():
        yield _route(name, table)
    yield _metrics(settings)
    yield _ping(settings)
    yield _disk(settings)
    yield from _schedule(settings)
    yield from _lake(settings)
    yield from _state(settings)


def _settings(settings: Settings) -> Iterator[Check]:
    if settings.sources:
        words = f"sources: {len(settings.sources)}, routes: {len(settings.routes)}"
        yield Check(Outcome.OK, "settings", f"{settings.file}: {words}")
    else:
        words = "no source: `mfagap init` writes settings, --config FILE names them"
        yield Check(Outcome.FAIL, "settings", f"{settings.file}: {words}")


def _detections(settings: Settings) -> Iterator[Check]:
    found = [str(problem) for folder in folders() for problem in problems(folder)]
    try:
        customized(load_all(), settings)
    except MfagapError as error:
        found.append(str(error))
    for problem in dict.fromkeys(found):
        yield Check(Outcome.FAIL, "detections", problem)
    if not found:
        yield Check(Outcome.OK, "detections", f"loaded: {len(folders())}; lint finds nothing")


def _kept(settings: Settings) -> Iterator[Check]:
    """Check whether events are kept as long as they are looked at."""
    steps = [step for d in load_all() if d.runbook is not None for step in d.runbook.steps]
    back = -(-max((step.before_s for step in steps), default=0) // DAY_S)
    watched = WATCHED_MS // 1000 // DAY_S
    why = f"runbooks look back {back} days, and sessions are looked at again for {watched}"
    if settings.keep_days < back + watched:
        yield Check(
            Outcome.FAIL,
            "keep_days",
            f"{settings.keep_days} is too few: {why}; set it to {back + watched} or more",
        )
    else:
        yield Check(Outcome.OK, "keep_days", f"{settings.keep_days}: {why}")


def _schedule(settings: Settings) -> Iterator[Check]:
    """Check whether what happens in a slot can be settled by the time the next one is due."""
    for name, table in settings.sources.items():
        try:
            late_s = lateness_s(table)
        except SettingsError:
            continue  # told of beside the source
        slow = [d for d in load_all() if d.schedule_s < d.grace_s + late_s]
        for detection in slow:
            words = (
                f"{detection.id} is meant to judge every {timedelta(seconds=detection.schedule_s)}"
                f", and what {name} brings settles {timedelta(seconds=detection.grace_s + late_s)} "
                "after it happened: alerts come that late, unless lateness_s is lowered"
            )
            yield Check(Outcome.FAIL, "schedule", words)
        if not slow:
            words = f"what {name} brings settles before a detection is to judge again"
            yield Check(Outcome.OK, "schedule", words)


def _source(name: str, table: Table) -> Iterator[Check]:
    subject = f"sources.{name}"
    try:
        if table.text("type") == "folder":
            table.only("path", "lateness_s")
            path = table.path("path")
            files = len(look(str(path), {}, Path()).deliveries)
            yield Check(Outcome.OK, subject, f"{path}; files: {files}")
        elif table.text("type") == "okta_api":
            yield from _okta(subject, table)
        elif table.text("type") in KINDS:
            yield _objects(subject, build(table).client)
        else:
            known = ", ".join(("folder", "okta_api", *KINDS))
            raise table.off("type", f"{table.text('type')!r} is none of: {known}")
    except MfagapError as error:
        yield Check(Outcome.FAIL, subject, str(error))


def _objects(subject: str, client: Client) -> Check:
    """List, and read a byte of an object, which tells whether the credentials suffice."""
    if client.check():
        return Check(Outcome.OK, subject, f"{client.name}: it can be listed, and its objects read")
    words = f"{client.name}: no object is there yet: are the names right?"
    return Check(Outcome.UNKNOWN, subject, words)


def _okta(subject: str, table: Table) -> Iterator[Check]:
    """Ask for one event, which tells whether the credentials suffice, and what time it is there."""
    with ExitStack() as stack:
        answer = okta_client(table, stack).get(LOGS, {"limit": "1"})
    yield Check(Outcome.OK, subject, "Okta accepts the credentials, and lets them read the log")
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        yield Check(Outcome.UNKNOWN, "clock", "Okta's answer tells no time")
        return
    off_s = round(wall_ms() / 1000 - theirs.timestamp())
    if abs(off_s) > CLOCK_S:
        where = "ahead of" if off_s > 0 else "behind"
        words = f"{timedelta(seconds=abs(off_s))} {where} Okta's: let NTP set it"
        yield Check(Outcome.FAIL, "clock", words)
    else:
        yield Check(Outcome.OK, "clock", f"within {CLOCK_S} seconds of Okta's")


def _route(name: str, table: Table) -> Check:
    try:
        least(table)
        notifier(table)
    except SettingsError as error:
        return Check(Outcome.FAIL, f"routes.{name}", str(error))
    words = f"its settings are whole; `mfagap notify test {name}` sends a test"
    return Check(Outcome.OK, f"routes.{name}", words)


def _metrics(settings: Settings) -> Check:
    try:
        listen, file = metrics_of(settings)
        if listen is not None:
            address_of(listen)
    except SettingsError as error:
        return Check(Outcome.FAIL, "metrics", str(error))
    places = [f"served at {listen}"] if listen else []
    places += [f"written to {file}"] if file else []
    words = "; ".join(places) or "off: [metrics] in the settings tells Prometheus how mfagap fares"
    return Check(Outcome.OK, "metrics", words)


def _ping(settings: Settings) -> Check:
    try:
        ping = ping_of(settings)
    except SettingsError as error:
        return Check(Outcome.FAIL, "ping", str(error))
    if ping is None:
        words = "off: nobody is told where mfagap itself stops; [ping] in the settings does that"
    else:
        words = "its settings are whole; each good run pings"
    return Check(Outcome.OK, "ping", words)


def _disk(settings: Settings) -> Check:
    folder = settings.state.absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(Outcome.UNKNOWN, "disk", f"{there}: {error.strerror}")
    words = f"{there}: {free / (1 << 30):.1f} GiB free"
    if free < FREE_BYTES:
        return Check(Outcome.FAIL, "disk", f"{words}: make room, or lower keep_days")
    return Check(Outcome.OK, "disk", words)


def _lake(settings: Settings) -> Iterator[Check]:
    try:
        lake = Lake(settings.state / "lake")
        held = lake.holdings()
        if held.set_aside:
            words = f"files set aside: {len(held.set_aside)}; put them back from a backup"
            yield Check(Outcome.FAIL, "lake", words)
        if held.newest_ms is None or held.oldest_ms is None:
            yield Check(Outcome.UNKNOWN, "lake", held.emptiness)
            return
        with lake.read({"event_ms"}, [Stretch(["*"], held.newest_ms, held.newest_ms + 1)]):
            span = f"{rfc3339(held.oldest_ms)} to {rfc3339(held.newest_ms)}"
            yield Check(Outcome.OK, "lake", f"{held.events:,} events, {span}")
        newest_ms = min(held.newest_ms, wall_ms())
        for detection in customized(load_all(), settings):
            yield _columns(lake, detection, newest_ms)
    except MfagapError as error:
        yield Check(Outcome.FAIL, "lake", str(error))


def _columns(lake: Lake, detection: Detection, newest_ms: int) -> Check:
    """Check that the queries of ``detection`` run, and find what they cannot do without."""
    subject, kinds = f"columns of {detection.id}", detection.event_types
    asked = named_in(*detection.queries)
    wanted = [name for name in VITAL if name in asked]
    counts = ", ".join(("count(*) AS n", *(f"count({name}) AS {name}" for name in wanted)))
    last_day = Stretch(kinds, newest_ms - DAY_S * 1000, newest_ms + 1)
    with lake.read(asked, [last_day]) as connection:
        (found,) = DuckDBEngine(connection).run(f"SELECT {counts} FROM events", {}, {})
    with lake.read(asked, []) as connection:
        failure = _fault(detection, Sandbox(connection))
    absent = [name for name in wanted if found["n"] and not found[name]]
    if failure is not None:
        return Check(Outcome.FAIL, subject, failure)
    if absent:
        words = (
            f"{', '.join(absent)}: in none of its {found['n']:,} events of the last day; does the "
            "source leave out what docs/events.md names for them? Chains are then torn"
        )
        return Check(Outcome.FAIL, subject, words)
    if not found["n"]:
        return Check(Outcome.UNKNOWN, subject, "the last day has no event that it reads")
    return Check(Outcome.OK, subject, f"all are there, in {found['n']:,} events of the last day")


def _fault(detection: Detection, sandbox: Sandbox) -> str | None:
    """Return why a query of ``detection`` does not run; None where all do."""
    try:
        evaluate(detection, sandbox, Slot(0, 0, 0))
    except MfagapError as error:
        return str(error)
    if detection.runbook is None:
        return None
    inquiry = Inquiry(detection, detection.runbook, [], 0)
    runs = (run_step(step, inquiry, sandbox, time.monotonic) for step in inquiry.runbook.steps)
    return next((run.failure for run in runs if run.failure is not None), None)


def _state(settings: Settings) -> Iterator[Check]:
    if not (settings.state / FILE).exists():
        words = f"{settings.state}: nothing there yet: `mfagap run --once` makes it"
        yield Check(Outcome.UNKNOWN, "state", words)
        return
    try:
        with Database(settings.state) as database:
            damage = str(database.one("PRAGMA quick_check(1)"))
            if damage == "ok":
                agree(Lake(settings.state / "lake"), Ledger(database))
            rows = {str(row["name"]): row for row in Ledger(database).sources()}
            last_ms = Ledger(database).fact(NOW) or 0
            tallies = {d.id: Ledger(database).tally(d.id, d.grace_s * 1000) for d in load_all()}
            parked = sum(row["status"] == "parked" for row in Outbox(database).unsent())
    except MfagapError as error:
        yield Check(Outcome.FAIL, "state", str(error))
        return
    if damage != "ok":
        yield Check(Outcome.FAIL, "state", f"{damage}: put it back from a backup")
        return
    yield Check(Outcome.OK, "state", f"{settings.state / FILE}: whole")
    if last_ms - wall_ms() > CLOCK_S * 1000:
        words = f"behind the last run, which was as of {rfc3339(last_ms)}: let NTP set it"
        yield Check(Outcome.FAIL, "clock and state", words)
    yield _last_run(last_ms)
    for detection, (due, missing) in tallies.items():
        yield _ledger(detection, due, missing)
    for name in dict.fromkeys((*settings.sources, *rows)):
        yield _heard(name, rows.get(name), known=name in settings.sources)
    if parked:
        words = (
            f"given up: {parked}; `mfagap notify list` tells why, and `mfagap notify retry` has "
            "them sent again"
        )
        yield Check(Outcome.FAIL, "notices", words)


def _last_run(last_ms: int) -> Check:
    words = f"as of {rfc3339(last_ms)}"
    if wall_ms() - last_ms >= SILENT_MS:
        return Check(Outcome.FAIL, "last run", f"{words}: does the timer, or `mfagap serve`, run?")
    return Check(Outcome.OK, "last run", words)


def _ledger(detection: str, due: int, missing: int) -> Check:
    subject = f"ledger of {detection}"
    if missing:
        words = (
            f"slots never judged, between others: {missing}; the next run fills them; "
            "`mfagap ledger` tells where they are"
        )
        return Check(Outcome.FAIL, subject, words)
    return Check(Outcome.OK, subject, f"no gap; slots to be judged again by and by: {due}")


def _heard(name: str, row: Row | None, *, known: bool) -> Check:
    """Check whether a source is still fed."""
    subject = f"{name} is fed"
    if row is None:
        return Check(Outcome.UNKNOWN, subject, "it was not read yet: `mfagap run --once`")
    heard = rfc3339(row["heard_ms"])
    if not known:
        words = f"read until {heard}, and not in the settings any more: it counts as silent, so "
        return Check(Outcome.FAIL, subject, f"{words}that findings are at low confidence")
    if wall_ms() - row["heard_ms"] >= SILENT_MS:
        words = f"nothing new since {heard}: does `mfagap run` run, and does the source get events?"
        return Check(Outcome.FAIL, subject, words)
    return Check(Outcome.OK, subject, f"last heard {heard}")
