"""What is counted and kept of that which was off."""

import base64
import json
from pathlib import Path

import pytest

from mfagap.errors import OutputError
from mfagap.lake.rejects import Problem, Rejects
from mfagap.model import Reason

LOST = Reason("not JSON", used=False)
FULL = Path("/dev/full")
USED = Reason("invalid UTF-8", used=True)


def lost(line: int, text: str = "x") -> Problem:
    return Problem(LOST.reason, "a.ndjson", line, used=False, text=text)


def test_counts_by_reason_and_remembers_a_few_places() -> None:
    with Rejects() as rejects:
        for line in range(1, 101):
            rejects.add(lost(line))
        rejects.add(Problem(USED.reason, "b.ndjson", 7, used=True, text="y"))
        rejects.add(Problem("damaged", "c.gz", 0, used=False, text=""))
    damaged = Reason("damaged", used=False)
    assert dict(rejects.counts) == {LOST: 100, USED: 1, damaged: 1}
    assert rejects.examples == {
        LOST: ["a.ndjson:1", "a.ndjson:2", "a.ndjson:3"],
        USED: ["b.ndjson:7"],
        damaged: ["c.gz"],
    }
    assert rejects.lost == 101


def test_a_place_is_named_once() -> None:
    with Rejects() as rejects:
        for name in ("event a", "event a", "event b"):
            rejects.add(Problem(USED.reason, name, 0, used=True, text=""))
    assert (rejects.counts[USED], rejects.examples[USED]) == (3, ["event a", "event b"])


def test_used_and_lost_count_apart() -> None:
    rejects = Rejects()
    rejects.add(Problem("same", "a", 1, used=True, text=""))
    rejects.add(Problem("same", "a", 1, used=False, text=""))
    assert (rejects.counts.total(), rejects.lost) == (2, 1)


def test_the_file_holds_each_text_whole(tmp_path: Path) -> None:
    out = tmp_path / "rejects.ndjson"
    text = "ä\0\u2028\n" + "x" * 1_000_000
    with Rejects(out) as rejects:
        rejects.add(lost(3, text))
        rejects.add(Problem("bytes", "b", 0, used=True, text="a\udcff\udc80ä"))
    lines = out.read_bytes().decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == [
        {"file": "a.ndjson", "line": 3, "reason": "not JSON", "used": False, "text": text},
        {
            "file": "b",
            "line": 0,
            "reason": "bytes",
            "used": True,
            "base64": base64.b64encode(b"a\xff\x80\xc3\xa4").decode(),
        },
    ]


def test_nothing_off_leaves_an_empty_file(tmp_path: Path) -> None:
    out = tmp_path / "rejects.ndjson"
    out.write_text("of an earlier call")
    with Rejects(out) as rejects:
        assert (rejects.lost, dict(rejects.counts), rejects.examples) == (0, {}, {})
    assert out.read_bytes() == b""


@pytest.mark.parametrize("path", [".", "missing/rejects.ndjson"])
def test_a_path_that_cannot_be_written(path: str, tmp_path: Path) -> None:
    out = tmp_path / path
    with pytest.raises(OutputError, match=r"^cannot write rejects to .*"), Rejects(out):
        pytest.fail("it was opened")


@pytest.mark.skipif(not FULL.exists(), reason="only a system with /dev/full can have a full disk")
@pytest.mark.parametrize("size", [1, 1_000_000], ids=["as-it-closes", "as-it-writes"])
def test_a_full_disk_is_an_output_error(size: int) -> None:
    with pytest.raises(OutputError, match=r"^cannot write rejects to /dev/full: .*No space left"):
        _write(FULL, size)


def _write(path: Path, size: int) -> None:
    with Rejects(path) as rejects:
        rejects.add(lost(1, "x" * size))
