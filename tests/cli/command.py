"""Runs ``mfagap`` as people do: in this process, or installed and in one of its own."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("mfagap"))


@dataclass(frozen=True, slots=True)
class Done:
    """How a call ended, and what it said."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]
"""Runs ``mfagap`` in this process with the given words; see ``conftest.run``."""


def installed(*words: object, stdin: bytes = b"") -> Done:
    """Run the installed ``mfagap`` with ``words``."""
    command = [PROGRAM, *map(str, words)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
