"""A short run of the fuzzer; what a long one finds becomes a test of the module that broke."""

import itertools
import time
from pathlib import Path

import pytest
from tests.fuzz import fuzz
from tests.fuzz.fuzz import run, seeds
from tests.fuzz.inputs import Input, drawn

from mfagap.errors import EngineError

INPUTS = 15


def test_a_short_run_breaks_no_promise(tmp_path: Path) -> None:
    done, failed, _ = run(itertools.islice(seeds(1), INPUTS), time.monotonic() + 3600, tmp_path)
    assert (done, failed) == (INPUTS, [])


def test_an_error_of_ours_breaks_a_promise_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(given: Input, folder: Path) -> None:
        raise EngineError(f"{len(given.lines)} lines were not read into {folder.name}")

    monkeypatch.setattr(fuzz, "check", refuse)
    done, failed, _ = run(iter(["1-0"]), time.monotonic() + 3600, tmp_path)
    assert done == 1
    assert [failure.why.partition(":")[0] for failure in failed] == ["EngineError"]
    assert (tmp_path / "1-0" / "lines").read_bytes() == b"\n".join(drawn("1-0").lines) + b"\n"


def test_a_seed_gives_the_same_bytes() -> None:
    assert drawn("1-0") == drawn("1-0") != drawn("1-1")
