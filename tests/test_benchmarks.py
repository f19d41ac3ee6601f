"""The benchmarks that need an org or a state run through; what they measure is no matter here."""

import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("collect", "--events", "1000", "--rounds", "1"),
            r"1,000 events collected on one core: [\d,]+ a second by the clock",
        ),
        (
            ("tick", "--history", "4000", "8000", "--day", "4000", "--ticks", "1"),
            r"a tick of 2,000 events after 8,000: [\d,]+ ms by the clock",
        ),
    ],
)
def test_it_runs_and_says_what_it_measured(words: tuple[str, ...], said: str) -> None:
    name, *options = words
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert re.search(said, done.stdout), done.stdout
