"""Standard output: what goes to it, and what to do when its reader has seen enough."""

import os
import sys

MAX_LINE = 10_000


def reader_is_gone() -> None:
    """Write the rest of standard output nowhere; Python would complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show(line: str) -> None:
    """Print ``line``; whoever wrote a detection may want to steer the terminal."""
    from mfagap.report.clean import terminal

    print(terminal(line, MAX_LINE))
