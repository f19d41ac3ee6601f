"""Reads random input until the time is up, and keeps what breaks a promise of the readers.

Usage: python -m tests.fuzz.fuzz --minutes 30 --seed 1 --out build/fuzz

The promises: no exception, nothing lost without a count, one reading whether a line is
read fast or slowly, and the same rows however often and in which order a file is read.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.inputs import Input, drawn
from tests.lake.reading import Reading, read

SLOW_S = 10.0
TEXTS = frozenset({"debug_data", "targets"})
"""Columns of JSON text, which is spaced and escaped in another way when it was mended."""

OTHER_EVENT = ("uuid of another event", False)
"""Such a delivery is counted as read, and once more as lost when repeats are coalesced."""

NOT_JSON = b"no JSON, so that no line of this file is read at full speed"


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that broke a promise: its seed, and how."""

    seed: str
    why: str


def check(given: Input, folder: Path) -> None:
    """Read ``given`` in several ways.

    Raises:
        AssertionError: A promise is broken.
    """
    data = b"\n".join(given.lines) + b"\n"
    first, *rest = given.lines
    others = {f"file-{number}": content for number, content in enumerate(given.files)}
    fast = read(folder / "fast", {"lines": data})
    slow = read(folder / "slow", {"lines": b"\n".join([first, NOT_JSON, *rest]) + b"\n"})
    backwards = b"\n".join([first, *reversed(rest), *rest]) + b"\n"
    twice = read(folder / "twice", {"lines": backwards, **others})
    alone = read(folder / "alone", {"lines": data, **others}) if others else fast
    assert _counted(slow) == _counted(fast) + 1, f"counted {_counted(fast)}, {_counted(slow)} slow"
    if given.whole:
        assert _counted(fast) == len(given.lines), f"{_counted(fast)} of {len(given.lines)} counted"
    else:
        assert _counted(fast) >= sum(1 for line in given.lines if line.strip(b" ,[]\t\r"))
    _same("slow", fast, slow)
    _same("twice", alone, twice)


def _counted(reading: Reading) -> int:
    """Return how many deliveries were read or counted as lost."""
    lost = [count for reason, count in reading.counts.items() if not reason[1]]
    return reading.totals.deliveries + sum(lost) - reading.counts.get(OTHER_EVENT, 0)


def _same(name: str, one: Reading, other: Reading) -> None:
    missing = one.rows.keys() ^ other.rows.keys()
    assert not missing, f"{name}: only one reading has {sorted(missing)}"
    for uuid, row in one.rows.items():
        unlike = [
            f"{uuid}.{column}: {value!r} or {other.rows[uuid][column]!r}"
            for column, value in row.items()
            if column not in TEXTS and value != other.rows[uuid][column]
        ]
        assert not unlike, f"{name}: {unlike}"


def run(seeds: Iterator[str], until: float, out: Path) -> tuple[int, list[Failure], list[Failure]]:
    """Check the input of each seed until the clock says ``until``.

    Returns:
        How many were checked, what failed, and what was slow. A failing input is kept in ``out``.
    """
    done, failed, slow = 0, list[Failure](), list[Failure]()
    with ThreadPoolExecutor(1) as pool:
        for seed in seeds:
            began = time.monotonic()
            if began >= until:
                break
            given = drawn(seed)
            with TemporaryDirectory() as folder:
                # A future holds any exception, of whatever kind.
                error = pool.submit(check, given, Path(folder)).exception()
            done += 1
            if error is not None:
                failed.append(Failure(seed, f"{type(error).__name__}: {error}"[:2000]))
                _keep(out / seed, given, failed[-1].why)
            if time.monotonic() - began > SLOW_S:
                slow.append(Failure(seed, f"{time.monotonic() - began:.1f} s"))
    return done, failed, slow


def _keep(folder: Path, given: Input, why: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files: Mapping[str, bytes] = {
        "lines": b"\n".join(given.lines) + b"\n",
        "why.txt": why.encode("utf-8", "backslashreplace") + b"\n",
    } | {f"file-{number}": data for number, data in enumerate(given.files)}
    for name, data in files.items():
        (folder / name).write_bytes(data)


def seeds(first: int, start: int = 0) -> Iterator[str]:
    """Yield a seed for each input."""
    number = start
    while True:
        yield f"{first}-{number}"
        number += 1


def main(words: Sequence[str]) -> int:
    """Run as the module's docstring says; exit code 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="the number of the first input")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    given = parser.parse_args(words)
    until = time.monotonic() + given.minutes * 60
    done, failed, slow = run(seeds(given.seed, given.start), until, given.out)
    print(f"{done} inputs, {len(failed)} failed, {len(slow)} slow")
    for failure in (*failed, *slow):
        print(f"{failure.seed}: {failure.why}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
