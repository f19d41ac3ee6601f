"""The progress bar, for terminals alone."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def drawn(
    title: str, *, quiet: bool, in_bytes: bool = False
) -> Generator[Callable[[int, int], None]]:
    """Draw a progress bar on a terminal; elsewhere draw nothing.

    Yields:
        What is to be told how much is done since it was last told, and how much there is in all; 0
        where nobody knows.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TimeRemainingColumn,
    )

    count = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (title, BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, whole: bar.update(task, total=whole or None, advance=done)
