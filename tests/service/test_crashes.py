"""Runs that were killed, at each write to the disk, end where one ends that was not."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import FIGURE
from tests.notify.receivers import Receiver

ROOT = Path(__file__).resolve().parents[2]
MANY = 120
"""Kills of each run, and so over 200 in both."""


@pytest.mark.parametrize(
    ("number", "posting", "untold"), [(0, False, []), (1, True, [{"alert": 4}])]
)
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(
    number: int,
    tmp_path: Path,
    receiver: Receiver,
    record_property: Callable[[str, object], None],
    *,
    posting: bool,
    untold: list[object],
) -> None:
    """Nothing is lost and nothing doubled; a webhook hears again under the same key."""
    words = [sys.executable, "-m", "tests.service.crashes"]
    words += [str(tmp_path), receiver.url, str(number)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert (told["differing"], told["untold"]) == ([], untold)
    posts: dict[str, Counter[tuple[str, bytes]]] = defaultdict(Counter)
    for request in receiver.received:
        posts[request.path][request.headers["webhook-id"], request.body] += 1
    killed = [posts[f"/{at}"] for at in range(1, told["writes"] + 1)]
    assert [posted.keys() for posted in killed] == [posts["/whole"].keys()] * len(killed)
    again = sum(posted.total() - len(posted) for posted in killed)
    figure = f"{told['kills']} kills at {told['writes']} writes, {again} posts repeated"
    record_property(FIGURE, figure)
    assert told["kills"] >= MANY, f"what a run writes is watched no longer: {figure}"
    assert (again > 0) is posting, figure
