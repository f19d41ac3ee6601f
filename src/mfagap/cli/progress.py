"""The progress bar, for terminals alone."""

import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mfagap.sources.okta_api import Past


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


@contextmanager
def followed(*, quiet: bool) -> Generator[Callable[[str, int, "Past | None"], None]]:
    """Draw a bar for each source that is read, on a terminal; elsewhere draw nothing.

    Yields:
        What is to be told, of a source, how many events came since it was last told, and how far
        its past was read where that is known; see ``service.collect.Course``.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _source, _events, _past: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

    from mfagap.report.clean import terminal

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[days]}{task.fields[events]:,} events stored", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}
        read = Counter[str]()

        def told(source: str, events: int, past: "Past | None") -> None:
            if source not in tasks:
                tasks[source] = bar.add_task(terminal(source), total=None, events=0, days="")
            read[source] += events
            bar.update(tasks[source], events=read[source])
            if past is not None:
                days = f"{past.days:.0f} of {past.whole:g} days, "
                bar.update(tasks[source], total=past.whole, completed=past.days, days=days)

        yield told
