"""What to do when the reader of standard output (head, less) has seen enough."""

import os
import sys


def reader_is_gone() -> None:
    """Write the rest of standard output nowhere; Python would complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
