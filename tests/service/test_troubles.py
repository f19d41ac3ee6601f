"""A full disk, a folder that is read-only, damage, a clock set back: told, and nothing lost."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.conftest import FIGURE
from tests.notify.receivers import Receiver

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "tests.service.troubles")
SAID = {
    "full disk": (
        r"|StateError: \S+/state\.sqlite: disk I/O error; nothing was changed: mend that, and run "
        r"again|LakeError: \S+/lake: the lake cannot be written: (?s:.*)File too large(?s:.*); all "
        r"that it held is still there, and what was to be added can be given again"
    ),
    "read-only folder": r"StateError: \S+/mfagap-state: cannot be written: Permission denied",
    "corrupt Parquet file": r"LakeError: \S+\.parquet: damaged: (?s:.+); restore it from a .+",
    "clock set back by 59 minutes": "",
    "clock set back by 60 minutes": r"StateError: the clock says 2026-01-15.+ let NTP set the .+",
    "two processes at once": r"StateBusy: \S+/mfagap-state: another mfagap is at work there; .+",
    "lake of an older copy": r"StateError: \S+/lake: the lake is older than the state \(.+",
    "truncated WAL": "ended with 9",
}
"""What is said of each; what is empty needs no word, and the last is that of who was killed."""


FULL = (
    r"StateError: \S+/state\.sqlite: (disk I/O error|database or disk is full); nothing was "
    r"changed: mend that, and run again|LakeError: \S+/lake: the lake cannot be written: (?s:.*)No "
    r"space left on device(?s:.*); all that it held is still there, and what was to be added can "
    r"be given again"
)
OWN_MOUNTS = ("unshare", "--mount")
"""Runs a program with mounts of its own, which end with it."""


def can_mount() -> bool:
    words = [*OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    there = shutil.which(OWN_MOUNTS[0]) is not None
    return there and subprocess.run(words, capture_output=True, check=False).returncode == 0


def told(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return what ``words`` met, and what was said of each; nothing is lost by any."""
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    met: list[tuple[str, str, list[str]]] = json.loads(done.stdout)
    assert [(trouble, differing) for trouble, _, differing in met if differing] == []
    return [(trouble, said) for trouble, said, _ in met]


def test_trouble_is_told_and_loses_nothing(
    tmp_path: Path, receiver: Receiver, record_property: Callable[[str, object], None]
) -> None:
    met = told([*PROGRAM, str(tmp_path), receiver.url])
    counted = Counter(trouble for trouble, _ in met)
    record_property(FIGURE, ", ".join(f"{count} x {name}" for name, count in counted.items()))
    assert counted.keys() == SAID.keys()
    odd = [(name, said) for name, said in met if not re.fullmatch(SAID[name], said)]
    assert odd == []
    full = [said.partition(":")[0] for name, said in met if name == "full disk"]
    assert {"StateError", "LakeError"} <= set(full)


@pytest.mark.skipif(
    not can_mount(),
    reason="only who may mount a file system (root on Linux) can have a small one to fill",
)
def test_a_disk_that_is_really_full_is_told_and_loses_nothing(
    tmp_path: Path, receiver: Receiver, record_property: Callable[[str, object], None]
) -> None:
    met = told([*OWN_MOUNTS, *PROGRAM, str(tmp_path), receiver.url, "--disks"])
    errors = {left: said.partition(":")[0] or "enough" for left, said in met}
    record_property(FIGURE, ", ".join(f"{left}: {error}" for left, error in errors.items()))
    assert [said for _, said in met if said and not re.fullmatch(FULL, said)] == []
    assert errors["0 KiB left"] == "StateError"
    assert errors["1024 KiB left"] == "enough"
