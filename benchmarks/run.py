"""Measures `mfagap scan` against the plain join in several ways, and prints ratios.

Each way is a process of its own, start included. One round runs every way once, so that what else
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
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.generate import SSO, events

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HERE = Path(__file__).parent


@dataclass
class Way:
    """One way to answer, and what it took in each round."""

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list[float])
    peaks: list[int] = field(default_factory=list[int])

    def run(self) -> None:
        """Run it once and note seconds and peak memory (MB)."""
        started = time.perf_counter()
        process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds.append(time.perf_counter() - started)
        self.peaks.append(usage.ru_maxrss // 1024)
        if status:
            raise SystemExit(f"{self.name} failed with status {status}")

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


def scan(name: str, *files: Path) -> Way:
    """Return the scan of ``files``."""
    mfagap = str(Path(sys.executable).with_name("mfagap"))
    return Way(name, [mfagap, "scan", "--format", "jsonl", *map(str, files)])


def plain(name: str, way: str, file: Path) -> Way:
    """Return a way of the plain join."""
    return Way(name, [sys.executable, "-m", "benchmarks.plain_join", way, str(file)])


def ways(file: Path) -> list[Way]:
    """Return the ways to compare, the leanest first."""
    found = [plain("leanest DuckDB join", "duckdb", file), scan("mfagap scan", file)]
    found += [plain("orjson loop", "orjson", file), plain("json loop", "json", file)]
    if jq := shutil.which("jq"):
        found.append(Way("jq", [jq, "-n", "-f", str(HERE / "plain_join.jq"), str(file)]))
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
        with file.open("w", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in events(count, sso))
    return file


def packed(file: Path) -> list[Path]:
    """Return ``file`` as gzip, as zstd and as one JSON array."""
    gz, zst, array = (file.with_suffix(suffix) for suffix in (".gz", ".zst", ".json"))
    if not array.exists():
        print(f"packing {file}", file=sys.stderr)
        with file.open("rb") as lines, gzip.open(gz, "wb", 1) as out:
            shutil.copyfileobj(lines, out, 1024 * 1024)
        with file.open("rb") as lines, zstd.open(zst, "wb") as out:
            shutil.copyfileobj(lines, out, 1024 * 1024)
        with file.open("rb") as lines, array.open("wb") as out:
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
        measured(f"{count:,} events, {file.stat().st_size / 1e9:.2f} GB", ways(file), rounds)
        busy = log(folder, count, 5 * SSO, "sso")
        compared = [plain("leanest DuckDB join", "duckdb", busy), scan("mfagap scan", busy)]
        measured(f"{count:,} events, a quarter of them single sign-on", compared, rounds)
        compared = [scan("NDJSON", file)]
        compared += [
            scan(name, path)
            for name, path in zip(("gzip", "zstd", "array"), packed(file), strict=True)
        ]
        measured(f"{count:,} events, other packings", compared, rounds)
        if arguments.large:
            large = log(folder, arguments.large, SSO, "events")
            compared = [scan(f"{count:,}", file), scan(f"{arguments.large:,}", large)]
            measured("mfagap scan by number of events", compared, min(rounds, 3))


if __name__ == "__main__":
    main()
