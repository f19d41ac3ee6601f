"""A full disk, a folder that is read-only, damage, a clock set back: told, and nothing lost."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.conftest import FIGURE
from tests.notify.receivers import Receiver

ROOT = Path(__file__).resolve().parents[2]
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


def test_trouble_is_told_and_loses_nothing(
    tmp_path: Path, receiver: Receiver, record_property: Callable[[str, object], None]
) -> None:
    words = [sys.executable, "-m", "tests.service.troubles", str(tmp_path), receiver.url]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    met: list[tuple[str, str, list[str]]] = json.loads(done.stdout)
    counted = Counter(trouble for trouble, _, _ in met)
    record_property(FIGURE, ", ".join(f"{count} x {name}" for name, count in counted.items()))
    assert counted.keys() == SAID.keys()
    assert [(trouble, words) for trouble, _, words in met if words] == []
    odd = [(name, said) for name, said, _ in met if not re.fullmatch(SAID[name], said)]
    assert odd == []
    full = [said.partition(":")[0] for name, said, _ in met if name == "full disk"]
    assert {"StateError", "LakeError"} <= set(full)
