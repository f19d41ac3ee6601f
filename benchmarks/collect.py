"""Measures how many events a second are collected from an org's API on one core.

All of it: pages of a thousand over HTTP, parsed, projected, deduplicated, written to the lake, and
the cursor stored. The org is the tests' fake one, in a process of its own on another core; its log
is made before. Each round begins with an empty state; what it took is the clock's time and the
processor's, of which an undisturbed core would take the latter.

Usage: python -m benchmarks.collect [--events EVENTS] [--rounds ROUNDS]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.generate import SPAN, START, write
from tests.fake_okta.server import TOKEN

from mfagap.detect.load import load_all
from mfagap.lake.store import Lake
from mfagap.okta.client import OktaClient
from mfagap.okta.credentials import Credentials, Secret
from mfagap.okta.transport import open_http
from mfagap.service.collect import Okta, collect
from mfagap.service.durable import Workshop
from mfagap.sources.okta_api import OktaApi
from mfagap.state.database import Database

END_MS = int((START + SPAN).timestamp() * 1000)
MOST_EVENTS = 500_000
"""The fake org grants 600 requests a minute; with more, the benchmark would wait."""


@contextmanager
def org(log: Path, core: int) -> Generator[str]:
    """Serve ``log`` from another process, on ``core``; give its URL."""
    command = [sys.executable, "-m", "tests.fake_okta", "--events", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        os.sched_setaffinity(server.pid, {core})
        try:
            said = server.stdout.readline() if server.stdout else ""
            yield said.partition("ORGURL=")[2].partition(" ")[0]
        finally:
            server.terminate()


def collected(url: str, folder: Path, count: int) -> tuple[float, float]:
    """Return the seconds, and those of the processor, that ``count`` events take."""
    with Database(folder) as database, open_http() as http:
        workshop = Workshop(Lake(folder / "lake"), database, load_all())
        client = OktaClient(Credentials(url, Secret(TOKEN)), http, time.time, time.sleep, share=1.0)
        source = Okta("org", OktaApi(client, backfill_days=SPAN.days))
        began, used = time.perf_counter(), time.process_time()
        told = collect(workshop, [source], END_MS)
        seconds, used = time.perf_counter() - began, time.process_time() - used
        stored = workshop.lake.holdings().events
        if told.failures or told.rejected or stored != count:
            raise SystemExit(f"not all was collected: {stored:,} of {count:,}, {told}")
        if database.one("SELECT cursor FROM sources") is None:
            raise SystemExit("no cursor was stored")
    return seconds, used


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="thousands")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    count: int = min(arguments.events, MOST_EVENTS)
    own, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {own})
    taken: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="mfagap-bench-") as temporary:
        log = Path(temporary) / "log.ndjson"
        write(log, count)
        with org(log, others[-1] if others else own) as url:
            for number in range(arguments.rounds):
                taken.append(collected(url, Path(temporary) / f"state-{number}", count))
    for name, times in zip(
        ("the clock", "the processor's time"), zip(*taken, strict=True), strict=True
    ):
        rates = sorted(count / seconds for seconds in times)
        print(
            f"{count:,} events collected on one core: {statistics.median(rates):,.0f} a second by "
            f"{name} (median of {len(rates)} rounds; {rates[0]:,.0f} to {rates[-1]:,.0f})"
        )


if __name__ == "__main__":
    main()
