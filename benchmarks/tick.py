"""Measures a whole tick after a short history and after a long one, and prints the ratio.

A tick collects 2,000 new events from a folder, two sign-ins without a factor among them, evaluates
the slots that they touch, runs the runbook and brings the alerts up to it; then the lake is
compacted. The histories are of one organization, which logs as many events every day (``--day``),
after more or less of its time. One day of each is collected and judged as any other. The others are
that day's files again, written by the lake's own code with other times and ids, and its findings
again, with alerts: so 20 million events are made in minutes. Ticks after each history take turns.

Usage: python -m benchmarks.tick [--history EVENTS ...] [--day EVENTS] [--ticks TICKS]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import duckdb
from benchmarks.generate import START, events

from mfagap.detect.load import load_all
from mfagap.lake import manifest, parquet
from mfagap.lake.change import name_of
from mfagap.lake.manifest import Manifest, StoredFile
from mfagap.lake.store import Lake
from mfagap.service.collect import Folder, collect
from mfagap.service.durable import Workshop
from mfagap.service.tick import tick
from mfagap.state.database import Database
from mfagap.state.sessions import Session

DAY_MS = 86_400_000
START_MS = int(START.timestamp() * 1000)
END_MS = START_MS + 400 * DAY_MS
"""When every history ends."""
NEW = 2000
EVERY_MS = 15 * 60 * 1000
"""From one tick to the next."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A state folder with a history, and the folder that new events come into."""

    workshop: Workshop
    inbox: Path

    def tick(self, now_ms: int) -> tuple[float, float]:
        """Return the seconds, and those of the processor, that a tick takes."""
        source = Folder("inbox", str(self.inbox), 0)
        began, used = time.perf_counter(), time.process_time()
        told = collect(self.workshop, [source], now_ms)
        tick(self.workshop, now_ms, time.monotonic)
        self.workshop.lake.compact(now_ms=now_ms)
        if told.failures:
            raise SystemExit(f"not all was collected: {told}")
        return time.perf_counter() - began, time.process_time() - used

    def count(self, table: str) -> int:
        """Return how many rows the state has of ``table``."""
        return int(self.workshop.database.one(f"SELECT count(*) FROM {table}"))


def moved(count: int, begin_ms: int, span_ms: int, seed: int) -> bytes:
    """Return ``count`` events as NDJSON, spread over ``span_ms`` from ``begin_ms``."""
    lines: list[str] = []
    for place, line in enumerate(islice(events(count, seed=seed), count)):
        moment = datetime.fromtimestamp((begin_ms + span_ms * place // count) / 1000, UTC)
        head, _, tail = line.partition('"published":"')
        lines.append(f'{head}"published":"{moment:%Y-%m-%dT%H:%M:%S.%f}Z{tail[24:]}\n')
    return "".join(lines).encode()


def watch(folder: Path, count: int, day: int) -> Watch:
    """Return a state with ``count`` events in days of ``day``, all of them judged."""
    inbox, days = folder / "inbox", -(-count // day)
    inbox.mkdir(parents=True)
    workshop = Workshop(Lake(folder / "lake"), Database(folder), load_all())
    watched = Watch(workshop, inbox)
    (inbox / "day.ndjson").write_bytes(moved(day, END_MS - DAY_MS, DAY_MS, 7))
    watched.tick(END_MS)
    found = lengthen_lake(workshop.lake, days)
    lengthen_state(workshop, days)
    print(
        f"{found:,} events in {days} days, {watched.count('sessions'):,} findings, "
        f"{watched.count('alerts'):,} alerts, {watched.count('slots'):,} slots; manifest of "
        f"{(workshop.lake.folder / manifest.MANIFEST).stat().st_size // 1024} KB"
    )
    return watched


def lengthen_lake(lake: Lake, days: int) -> int:
    """Put ``days`` less one before the day that ``lake`` has; return how many events there are."""
    before = manifest.load(lake.folder)
    files = list(before.files)
    with duckdb.connect(config={"threads": 1, "preserve_insertion_order": False}) as connection:
        for back in range(1, days):
            for number, source in enumerate(before.files):
                day = source.day - back
                path = lake.folder / f"day={name_of(day)}" / f"0-{number}.parquet"
                path.parent.mkdir(exist_ok=True)
                shift = back * DAY_MS
                select = (
                    f"SELECT * REPLACE (uuid || '-{back}' AS uuid, event_ms - {shift} AS event_ms, "
                    f"event_day - {back} AS event_day, received_ms - {shift} AS received_ms) FROM "
                    + parquet.rows_of([str(lake.folder / source.path)])
                )
                parquet.write(connection, select, path, "true")
                files.append(
                    StoredFile(
                        path.relative_to(lake.folder).as_posix(),
                        day,
                        source.rows,
                        path.stat().st_size,
                        source.oldest_ms - shift,
                        source.newest_ms - shift,
                        source.received_ms - shift,
                    )
                )
    manifest.save(lake.folder, Manifest(generation=before.generation, files=tuple(files)))
    return sum(file.rows for file in files)


def lengthen_state(workshop: Workshop, days: int) -> None:
    """Put the findings and alerts of the day that was judged on the days before, as settled."""
    moment = (END_MS, END_MS)
    for detection in workshop.detections:
        keys = [r["dedup_key"] for r in workshop.database.rows("SELECT dedup_key FROM sessions")]
        known = workshop.sessions.of_keys(detection.id, keys)
        alerts = workshop.alerts.of_keys(detection.id, keys)
        with workshop.database.change():
            span = (END_MS - days * DAY_MS, END_MS - DAY_MS)
            workshop.ledger.done(detection.id, span, moment, {})
            for back in range(1, days):
                for session in known:
                    settle(workshop, session, back)
                for row in alerts:
                    values = {**row, "first_ms": row["first_ms"] - back * DAY_MS}
                    number = workshop.alerts.put(None, values, END_MS)
                    members = [f"{uuid}-{back}" for uuid in row["members"]]
                    workshop.alerts.enlist(number, detection.id, members)


def settle(workshop: Workshop, session: Session, back: int) -> None:
    """Store ``session`` as it were ``back`` days before, with what the runbook came to."""
    detection, sessions = session.finding.detection, workshop.sessions
    uuid = f"{session.finding.uuid}-{back}"
    start_ms = session.finding.start_ms - back * DAY_MS
    old = replace(session.finding, uuid=uuid, start_ms=start_ms)
    sessions.store(detection, (start_ms, start_ms), [old], (END_MS, END_MS))
    run = sessions.investigation(detection, session.finding.uuid)
    if run is None:
        sessions.settle(detection, [uuid])
    else:
        over = replace(run.verdict, follow_up_ms=None)
        sessions.conclude(replace(run, uuid=uuid, start_ms=start_ms, verdict=over), END_MS)


def measured(watches: Sequence[Watch], ticks: int) -> list[list[tuple[float, float]]]:
    """Return what each of ``ticks`` took after each history; the first is not counted."""
    taken: list[list[tuple[float, float]]] = [[] for _ in watches]
    for number in range(ticks + 1):
        begin_ms = END_MS + number * EVERY_MS
        text = moved(NEW, begin_ms, EVERY_MS, 100 + number)
        for watched, times in zip(watches, taken, strict=True):
            (watched.inbox / f"{number}.ndjson").write_bytes(text)
            times.append(watched.tick(begin_ms + EVERY_MS))
    return [times[1:] for times in taken]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=int, nargs="+", default=[1_000_000, 20_000_000])
    parser.add_argument("--day", type=int, default=32_000, help="events; default: %(default)s")
    parser.add_argument("--ticks", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--keep", type=Path, help="where to put it all; else it is removed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mfagap-bench-") as temporary:
        folder: Path = arguments.keep or Path(temporary)
        histories: list[int] = arguments.history
        watches = [watch(folder / str(n), n, arguments.day) for n in histories]
        first: list[float] = []
        for count, times in zip(histories, measured(watches, arguments.ticks), strict=True):
            medians = [statistics.median(each) for each in zip(*times, strict=True)]
            first = first or medians
            print(
                f"a tick of {NEW:,} events after {count:,}: {medians[0] * 1000:,.0f} ms by the "
                f"clock (ratio {medians[0] / first[0]:.2f}), {medians[1] * 1000:,.0f} ms of the "
                f"processor's time (ratio {medians[1] / first[1]:.2f}); medians of {len(times)}"
            )


if __name__ == "__main__":
    main()
