"""Measures the durable lake: how fast it stores, and what a tick costs beside a long history.

Storing is measured in a process that is held to one core. A tick is 2,000 new events stored, and
the last hour read again as a detection does; the history is spread over days of as many events
each (``--day``), so that ten times as many events are ten times as many days.

Usage: python -m benchmarks.lake [--store EVENTS] [--history EVENTS ...] [--day EVENTS]
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import duckdb
from benchmarks.generate import SPAN, START, events

from mfagap.lake import manifest, parquet
from mfagap.lake.manifest import Manifest, StoredFile
from mfagap.lake.store import Lake
from mfagap.model import Delivery

PAGE = 1000
PAGES = 20
"""Pages that are stored together."""
TYPES = ["user.session.start", "user.authentication.auth_via_mfa", "policy.evaluate_sign_on"]
COLUMNS = frozenset(("actor_login", "client_ip", "transaction_id", "authn_request_id"))
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pages(folder: Path, count: int) -> Iterator[Delivery]:
    """Yield ``count`` events as the API's pages."""
    lines = events(count)
    for number in range(count // PAGE):
        path = folder / f"page-{number}.json"
        path.write_text("[" + ",".join(islice(lines, PAGE)) + "]", encoding="utf-8")
        yield Delivery(path, path.name)


def stored(lake: Lake, deliveries: list[Delivery], now_ms: int) -> None:
    """Store ``deliveries``."""
    lake.append(
        deliveries,
        received_ms=now_ms,
        wall_ms=now_ms,
        slot_ms=300_000,
        event_types=TYPES,
        forget_through=2**62,
    )


def storing(folder: Path, count: int) -> None:
    """Print how many events a second are stored on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    lake, now_ms = Lake(folder / "lake"), int((START + SPAN).timestamp() * 1000)
    given = list(pages(folder, count))
    started, used = time.perf_counter(), time.process_time()
    for begin in range(0, len(given), PAGES):
        stored(lake, given[begin : begin + PAGES], now_ms)
        lake.compact(now_ms=now_ms)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    held = lake.holdings()
    print(
        f"{count:,} events stored, {PAGES} pages at a time, on one core: {count / seconds:,.0f} a "
        f"second by the clock, {count / used:,.0f} by the processor's time; {held.files} files, "
        f"{held.bytes / held.events:.0f} bytes an event"
    )


def history(folder: Path, count: int, day: int) -> tuple[Lake, int]:
    """Return a lake of ``count`` events in days of ``day``, and the moment at which it ends.

    One day is stored as any other, and its files are copied with other times and ids.
    """
    lake, now_ms = Lake(folder / f"lake-{count}"), int(START.timestamp() * 1000) + 400 * DAY_MS
    first = folder / f"day-{day}"
    if not first.exists():
        model = Lake(first)
        given = list(pages(folder, day))
        for begin in range(0, len(given), PAGES):
            stored(model, given[begin : begin + PAGES], now_ms)
            model.compact(now_ms=now_ms)
    files: list[StoredFile] = []
    sources = manifest.load(first).files
    factor = SPAN // timedelta(days=1)
    start_ms = int(START.timestamp() * 1000)
    for back in range(1, -(-count // day) + 1):
        begin = now_ms - back * DAY_MS
        for number, source in enumerate(sources):
            name = f"{EPOCH + timedelta(milliseconds=begin):%Y-%m-%d}"
            path = lake.folder / f"day={name}" / f"{back}-{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            moved = f"{begin} + (event_ms - {start_ms}) // {factor}"
            select = (
                f"SELECT * REPLACE (uuid || '-{back}' AS uuid, {moved} AS event_ms, "
                f"{begin // DAY_MS} AS event_day) FROM "
                + parquet.rows_of([str(first.absolute() / source.path)])
            )
            with duckdb.connect() as connection:
                parquet.write(connection, select, path)
                span = f"SELECT count(*), min(event_ms), max(event_ms) FROM '{path}'"
                ((rows, oldest, newest),) = connection.execute(span).fetchall()
            relative = path.relative_to(lake.folder).as_posix()
            size = path.stat().st_size
            day_number = begin // DAY_MS
            files.append(
                StoredFile(relative, day_number, rows, size, oldest, newest, now_ms - DAY_MS)
            )
    manifest.save(lake.folder, Manifest(generation=10_000, files=tuple(files)))
    return lake, now_ms


def tick(lake: Lake, folder: Path, now_ms: int, number: int) -> float:
    """Return the seconds that a tick takes."""
    first = datetime.fromtimestamp(now_ms / 1000, UTC)
    lines: list[str] = []
    for place, line in enumerate(islice(events(2000, seed=100 + number), 2000)):
        moment = first + timedelta(milliseconds=30_000 * number + 15 * place)
        head, _, tail = line.partition('"published":"')
        lines.append(f'{head}"published":"{moment:%Y-%m-%dT%H:%M:%S.%f}Z{tail[24:]}')
    path = folder / "tick.ndjson"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    end_ms = now_ms + 30_000 * (number + 1)
    started = time.perf_counter()
    stored(lake, [Delivery(path, path.name)], end_ms)
    with lake.read(COLUMNS, TYPES, end_ms - HOUR_MS, end_ms) as connection:
        connection.execute("SELECT count(*) FROM events").fetchall()
    return time.perf_counter() - started


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=int, default=200_000, help="0 leaves it out")
    parser.add_argument("--history", type=int, nargs="*", default=[1_000_000, 20_000_000])
    parser.add_argument("--day", type=int, default=200_000, help="events; default: %(default)s")
    parser.add_argument("--ticks", type=int, default=9, help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mfagap-bench-") as temporary:
        folder = Path(temporary)
        counts: list[int] = arguments.history
        lakes = {count: history(folder, count, arguments.day) for count in counts}
        seconds: dict[int, list[float]] = {count: [] for count in counts}
        for number in range(arguments.ticks):
            for count, (lake, now_ms) in lakes.items():
                seconds[count].append(tick(lake, folder, now_ms, number))
        for count, took in seconds.items():
            ratio = statistics.median(took) / statistics.median(seconds[counts[0]])
            held = lakes[count][0].holdings()
            print(
                f"a tick beside {count:,} events in {len(held.days)} days and {held.files} files: "
                f"{statistics.median(took) * 1000:.0f} ms (median), ratio {ratio:.2f}"
            )
        if arguments.store:
            storing(folder, arguments.store)


if __name__ == "__main__":
    main()
