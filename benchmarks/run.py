"""Measures `mfagap scan` against the plain join in several ways, and prints ratios.

Each way is a process of its own, start included, and must find what was made: the ways that do not
answer alike cannot be compared. One round runs every way once, so that what else
the machine does hits all of them; times are medians over the rounds, memory is the highest peak.
The scan of the large log, and of the same log in other packings, come last.
"""

import argparse
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.generate import SSO, gaps, whole, write

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HERE = Path(__file__).parent


@dataclass
class Way:
    """One way to answer, and what it took in each round.

    Attributes:
        name: How it is called in the table.
        command: Its words.
        made: How many sessions without a factor are in its log.
        found: How many its output tells of.
        seconds: Of each round.
        peaks: Of each round, the memory in MB.
    """

    name: str
    command: list[str]
    made: int
    found: Callable[[bytes], int]
    seconds: list[float] = field(default_factory=list[float])
    peaks: list[int] = field(default_factory=list[int])

    def run(self) -> None:
        """Run it once, note seconds and peak memory, and end it all where the answer is wrong."""
        with tempfile.TemporaryFile() as output:
            started = time.perf_counter()
            process = subprocess.Popen(self.command, stdout=output, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds.append(time.perf_counter() - started)
            self.peaks.append(usage.ru_maxrss // 1024)
            output.seek(0)
            said = output.read()
        if status:
            raise SystemExit(f"{self.name} failed with status {status}")
        if self.found(said) != self.made:
            raise SystemExit(f"{self.name} found {self.found(said)} sessions, not {self.made}")

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


def scan(name: str, file: Path, count: int, *options: str) -> Way:
    """Return the scan of ``file``, a log of ``count`` events."""
    mfagap = str(Path(sys.executable).with_name("mfagap"))
    command = [mfagap, "scan", "--format", "jsonl", *options, str(file)]
    return Way(name, command, gaps(count), lambda lines: lines.count(b"\n"))


def plain(name: str, way: str, file: Path, count: int) -> Way:
    """Return a way of the plain join over ``file``, a log of ``count`` events."""
    command = [sys.executable, "-m", "benchmarks.plain_join", way, str(file)]
    return Way(name, command, gaps(count), int)


def ways(file: Path, count: int) -> list[Way]:
    """Return the ways to compare, the leanest first."""
    found = [plain("leanest DuckDB join", "duckdb", file, count), scan("mfagap scan", file, count)]
    found += [plain("orjson loop", "orjson", file, count), plain("json loop", "json", file, count)]
    if jq := shutil.which("jq"):
        command = [jq, "-n", "-f", str(HERE / "plain_join.jq"), str(file)]
        found.append(Way("jq", command, gaps(count), int))
    return found


def measured(title: str, compared: list[Way], rounds: int) -> None:
    """Run ``compared`` in turn, and print them as a table with ratios to the first."""
    for number in range(rounds):
        for way in compared:
            print(
                f"\r\033[K{title}: round {number + 1} of {rounds}, {way.name}", end="", flush=True
            )
            way.run()
    print(f"\r\033[K\n{title}, {rounds} rounds\n")
    print("| way | seconds (median) | lowest | highest | ratio | peak MB |")
    print("|---|---:|---:|---:|---:|---:|")
    for way in compared:
        ratio = statistics.median(
            mine / first for mine, first in zip(way.seconds, compared[0].seconds, strict=True)
        )
        print(
            f"| {way.name} | {way.median:.2f} | {min(way.seconds):.2f} | {max(way.seconds):.2f} "
            f"| {ratio:.2f} | {max(way.peaks)} |"
        )


def log(folder: Path, count: int, sso: int, name: str) -> Path:
    """Write a log of ``count`` events, unless it is there."""
    file = folder / f"{name}-{count}-{sso}.ndjson"
    if not file.exists():
        print(f"writing {file}", file=sys.stderr)
        write(file, count, sso)
    return file


def packed(file: Path) -> list[Path]:
    """Return ``file`` as gzip, as zstd and as one JSON array."""
    gz, zst, array = (file.with_suffix(suffix) for suffix in (".gz", ".zst", ".json"))
    if not array.exists():
        print(f"packing {file}", file=sys.stderr)
        with file.open("rb") as lines, whole(gz) as raw, gzip.open(raw, "wb", 1) as out:
            shutil.copyfileobj(lines, out, 1024 * 1024)
        with file.open("rb") as lines, whole(zst) as raw, zstd.open(raw, "wb") as out:
            shutil.copyfileobj(lines, out, 1024 * 1024)
        with file.open("rb") as lines, whole(array) as out:
            out.write(b"[")
            for number, line in enumerate(lines):
                out.write((b",\n" if number else b"") + line.rstrip())
            out.write(b"]")
    return [gz, zst, array]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--large", type=int, default=5_000_000, help="0 leaves it out")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="keep the logs there; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mfagap-bench-") as temporary:
        folder: Path = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        count, rounds = arguments.events, arguments.rounds
        file = log(folder, count, SSO, "events")
        measured(f"{count:,} events, {file.stat().st_size / 1e9:.2f} GB", ways(file, count), rounds)
        compared = [
            scan("mfagap scan --no-investigate", file, count, "--no-investigate"),
            scan("mfagap scan", file, count),
        ]
        measured(f"{count:,} events, the runbook left out and run", compared, rounds)
        busy = log(folder, count, 5 * SSO, "sso")
        compared = ways(busy, count)[:2]
        measured(f"{count:,} events, a quarter of them single sign-on", compared, rounds)
        names = ("NDJSON", "gzip", "zstd", "array")
        files = (file, *packed(file))
        compared = [scan(name, path, count) for name, path in zip(names, files, strict=True)]
        measured(f"{count:,} events, other packings", compared, rounds)
        if arguments.large:
            large = log(folder, arguments.large, SSO, "events")
            compared = [
                scan(f"{count:,}", file, count),
                scan(f"{arguments.large:,}", large, arguments.large),
            ]
            measured("mfagap scan by number of events", compared, min(rounds, 3))


if __name__ == "__main__":
    main()
