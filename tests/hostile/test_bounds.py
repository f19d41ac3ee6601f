"""What one small file may cost: memory stays bounded, and the rest of the log is read.

The program runs in a process of its own, which tells its own peak at the end: what the system
tells of a child includes what the parent held when it was started. So it is with its time.
"""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.events import PUBLISHED_MS, event, ndjson, start

MIB = 1024 * 1024
UNPACKED = 200 * MIB
MOST_MIB = 700

PEAK = """
import pathlib, sys
from mfagap.cli.main import main
code = main(sys.argv[1:])
status = pathlib.Path("/proc/self/status").read_text()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
print(peak.split()[1], file=sys.stderr)
sys.exit(code)
"""
SPENT = """
import sys, time
from mfagap.cli.main import main
code = main(sys.argv[1:])
print(time.process_time(), file=sys.stderr)
sys.exit(code)
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(),
    reason="only Linux tells a process's peak of memory, in /proc",
)


def bomb(path: Path, filling: bytes, before: bytes, after: bytes) -> None:
    """Write a gzip file of less than 2 MiB that expands to about 200 MiB."""
    times = UNPACKED // len(filling)
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(before)
        for _ in range(times):
            out.write(filling)
        out.write(after)
    assert path.stat().st_size < UNPACKED / 100


def scanned(folder: Path, rejects: Path) -> tuple[dict[str, Any], float]:
    """Scan ``folder`` and return the JSON document and the peak in MiB."""
    words = ["scan", str(folder), "--format", "json", "--rejects", str(rejects), "-q"]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *words], capture_output=True, check=True, timeout=120
    )
    *_, peak = done.stderr.split()
    return json.loads(done.stdout), int(peak) / 1024


EVENT = ndjson([start("again", displayMessage="x" * 10_000)])

FILLINGS = {
    "events": EVENT,
    "zeros": bytes(MIB),
    "brackets": b"[" * MIB,
    "braces": b'{"a":' * 200_000,
}


@pytest.mark.parametrize("name", FILLINGS)
def test_what_expands_a_thousandfold_is_bounded(name: str, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "good.ndjson").write_bytes(ndjson([start("good")]))
    first, last = ndjson([start("first")]), b"\n" + ndjson([start("last")])
    bomb(logs / "bomb.gz", FILLINGS[name], first, last)
    found, peak = scanned(logs, tmp_path / "rejects")
    again = ["again"] if name == "events" else []
    assert sorted(line["uuid"] for line in found["findings"]) == [*again, "first", "good", "last"]
    assert peak < MOST_MIB


def test_a_long_line_of_wide_letters_is_bounded(tmp_path: Path) -> None:
    """One letter that takes four bytes makes Python hold all others in as many."""
    logs = tmp_path / "logs"
    logs.mkdir()
    with (logs / "long.ndjson").open("wb") as out:
        out.write(ndjson([start("first")]) + b'{"a": "\xf0\x9f\x98\x80')
        for _ in range(300):
            out.write(b"x" * MIB)
        out.write(b'"}\n' + ndjson([start("last")]))
    found, peak = scanned(logs, tmp_path / "rejects")
    assert {line["uuid"] for line in found["findings"]} == {"first", "last"}
    assert peak < 900


def lines_left_open() -> Iterator[bytes]:
    for _ in range(2000):
        yield b'{"b": [' + b"0," * 1000 + b'0], "a":\n'


def test_objects_left_open_cost_no_neighbor(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    data = b"".join(lines_left_open())
    (logs / "open.ndjson").write_bytes(ndjson([start("a")]) + data + ndjson([start("b")]))
    found, peak = scanned(logs, tmp_path / "rejects")
    assert {line["uuid"] for line in found["findings"]} == {"a", "b"}
    assert found["summary"]["problems"] == [{"reason": "not JSON", "used": False, "count": 2000}]
    assert peak < MOST_MIB


def one_session(count: int, templates: Sequence[str]) -> bytes:
    """Return an hour of one session's events, ``count`` from each template."""
    lines: list[bytes] = []
    for template in templates:
        ids = {"externalSessionId": "102one", "rootSessionId": "102one"}
        line = ndjson([event(template, "NAME", authenticationContext=ids, published="TIME")])
        for number in range(count):
            moment = datetime.fromtimestamp(PUBLISHED_MS / 1000 + 3600 * number / count, UTC)
            named = line.replace(b"NAME", f"{template}-{number}".encode())
            lines.append(named.replace(b"TIME", moment.isoformat().encode()))
    return b"".join(lines)


@pytest.mark.parametrize(
    ("count", "templates"),
    [(4000, ["session_start"]), (1000, ["session_start", "session_policy", "mfa", "sso"])],
)
def test_starts_that_share_a_session_cost_no_square(
    tmp_path: Path, count: int, templates: Sequence[str]
) -> None:
    logs = tmp_path / "logs.ndjson"
    logs.write_bytes(one_session(count, templates))
    words = ["scan", str(logs), "--format", "json", "-q", "--now", "2026-02-01"]
    done = subprocess.run(
        [sys.executable, "-c", SPENT, *words], capture_output=True, check=True, timeout=600
    )
    assert sum(json.loads(done.stdout)["summary"]["mfa_status"].values()) == count
    assert float(done.stderr.split()[-1]) < 10
