"""A short run of the fuzzer, and inputs that it once found to break a promise."""

import itertools
import time
from pathlib import Path

from tests.fuzz.fuzz import run, seeds
from tests.fuzz.inputs import drawn

INPUTS = 15


def test_a_short_run_breaks_no_promise(tmp_path: Path) -> None:
    done, failed, _ = run(itertools.islice(seeds(1), INPUTS), time.monotonic() + 3600, tmp_path)
    assert (done, failed) == (INPUTS, [])


def test_a_seed_gives_the_same_bytes() -> None:
    assert drawn("1-0") == drawn("1-0") != drawn("1-1")
