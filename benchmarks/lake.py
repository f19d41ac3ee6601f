"""Measures how fast the durable lake stores, in a process that is held to one core.

Usage: python -m benchmarks.lake [--store EVENTS]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.generate import SPAN, START, events

from mfagap.lake.store import Lake
from mfagap.model import Delivery

PAGE = 1000
PAGES = 64
"""Pages that are stored together."""
TYPES = ["user.session.start", "user.authentication.auth_via_mfa", "policy.evaluate_sign_on"]


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


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=int, default=200_000, help="default: %(default)s")
    with tempfile.TemporaryDirectory(prefix="mfagap-bench-") as temporary:
        storing(Path(temporary), parser.parse_args().store)


if __name__ == "__main__":
    main()
