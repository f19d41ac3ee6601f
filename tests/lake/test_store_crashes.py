"""A writer that is killed at any point, and readers beside one that compacts."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FIGURE
from tests.events import WALL_MS, start
from tests.lake.crashing import act
from tests.lake.storing import append, delivered, files, rows

from mfagap.lake.manifest import load
from mfagap.lake.store import Lake

ROOT = Path(__file__).parents[2]


def told(lake: Lake) -> dict[str, dict[str, Any]]:
    return {uuid: {**row, "received_ms": None} for uuid, row in rows(lake).items()}


@pytest.mark.parametrize(("action", "least"), [("append", 14), ("compact", 8), ("retain", 4)])
def test_killed_at_any_point_the_lake_is_whole(
    action: str, least: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    lake = Lake(tmp_path / "lake", grace_ms=0)
    for number in range(3):
        append(lake, delivered(tmp_path, [start(f"e{number}")]))
    append(lake, delivered(tmp_path, [start("today", published="2026-01-16T09:00:00Z")]))
    before = told(lake)
    command = [sys.executable, "-m", "tests.lake.crashing", str(tmp_path), action]
    subprocess.run(command, cwd=ROOT, check=True)
    killed = [Lake(path, grace_ms=0) for path in sorted(tmp_path.glob("*/lake"))]
    record_property(FIGURE, f"{len(killed) - 1} kills")  # the last one lives
    assert len(killed) >= least
    act(lake, action)
    after = told(lake)
    seen: set[bool] = set()
    for crashed in killed:
        found = told(crashed)
        assert found in (before, after)
        committed = load(crashed.folder).generation == 5
        seen.add(committed)
        assert found == (after if committed else before)
        if committed and action == "append":  # then the service hears of it all the same
            assert [batch.events for batch in crashed.changes(4)] == [2]
        act(crashed, action)
        assert told(crashed) == after
        assert files(crashed) == load(crashed.folder).paths()
    assert seen == {True, False}


READER = """
import sys
from pathlib import Path
from tests.lake.storing import rows
from mfagap.lake.store import Lake
lake, most, reads = Lake(Path(sys.argv[1])), 0, 0
print("reading", flush=True)
while not Path(sys.argv[2]).exists():
    found = sorted(rows(lake))
    assert found == [f"e{n:03}" for n in range(len(found))], found
    assert len(found) >= most, (len(found), most)
    assert lake.holdings().events >= len(found)
    most, reads = len(found), reads + 1
assert reads > 3
print(most)
"""


def test_readers_see_no_error_and_no_wrong_count_while_files_are_replaced(tmp_path: Path) -> None:
    """Files that are replaced are removed at once here, so that readers do stumble on it."""
    lake = Lake(tmp_path / "lake", grace_ms=0)
    append(lake, delivered(tmp_path, [start("e000")]))
    done = tmp_path / "done"
    command = [sys.executable, "-c", READER, str(lake.folder), str(done)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
        for number in range(1, 8):
            published = f"2026-01-15T12:00:{number:02}Z"
            append(lake, delivered(tmp_path, [start(f"e{number:03}", published=published)]))
            assert lake.compact(now_ms=WALL_MS, most=1) == 1
        done.touch()
        said, _ = reader.communicate()
    assert (reader.returncode, said.strip()) == (0, b"8")
