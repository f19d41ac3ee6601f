"""Runs that were killed, at each write to the disk, end where one ends that was not."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.service.crashes", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["differing"] == []
    assert told["untold"] == [{"alert": 4}]
    assert told["kills"] >= 90, "what a run writes is watched no longer"
