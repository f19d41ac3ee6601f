"""Standard streams: what goes to them, and what to do when their reader has seen enough."""

import io
import os
import sys
from typing import IO

MAX_LINE = 10_000


def reader_is_gone() -> None:
    """Write the rest of standard output nowhere; Python would complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def standard_input() -> IO[bytes]:
    """Return standard input; empty where it was closed."""
    return sys.stdin.buffer if sys.stdin else io.BytesIO()


def show(line: str, *, err: bool = False) -> None:
    """Print ``line``; who wrote a detection, or the log, may want to steer the terminal.

    Args:
        line: What to print.
        err: Whether it goes to standard error.
    """
    from mfagap.report.clean import terminal

    print(terminal(line, MAX_LINE), file=sys.stderr if err else sys.stdout)
