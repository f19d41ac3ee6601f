"""A plan's run that was killed anywhere can be gone on with, or taken back, to the same end."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_run_that_is_killed_anywhere_can_be_finished_either_way(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.harden.crashes", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert told["changed"]
    assert told["apply"] >= 30, "what apply writes is watched no longer"
    assert told["roll_back"] >= 25, "what roll_back writes is watched no longer"
    assert told["kills"] >= 2 * told["apply"] + told["roll_back"]
