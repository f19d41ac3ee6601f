"""A process that kills a writer at each of its calls to the disk, one after the other.

Usage: python -m tests.lake.crashing FOLDER ACTION. ``FOLDER/lake`` is the lake to begin with; the
writer that is killed at its n-th call works on a copy, ``FOLDER/n/lake``. The last one lives.
"""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
from tests.events import WALL_MS, start
from tests.lake.storing import append, delivered

from mfagap.lake import parquet
from mfagap.lake.store import Lake

CALLS = ("replace", "fsync", "unlink", "mkdir")


def act(lake: Lake, action: str) -> None:
    """Do what a test asks for."""
    if action == "append":
        folder = lake.folder.parent
        events = [start("new"), start("e0", outcome__reason="x")]
        append(lake, delivered(folder, events, more=b"oops"))
    elif action == "compact":
        lake.compact(now_ms=WALL_MS, most=1)
    else:
        lake.retain(0, WALL_MS)


def countdown(left: int) -> None:
    """Have the process killed as its ``left``-th call begins, or ends where a file is written."""
    seen = count(1)
    write = parquet.write

    def tick() -> None:
        if next(seen) == left:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            tick()
            return call(*args, **kwargs)

        return called

    def torn(
        connection: duckdb.DuckDBPyConnection, select: str, file: Path, first: str | None
    ) -> None:
        file.write_bytes(b"PAR1 and no more")
        tick()
        write(connection, select, file, first)
        tick()

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    parquet.write = torn


def main() -> None:
    folder, action = Path(sys.argv[1]), sys.argv[2]
    tempfile.tempdir = str(folder)  # what is killed leaves its scratch there
    for number in count(1):
        own = folder / str(number)
        shutil.copytree(folder / "lake", own / "lake")
        child = os.fork()
        if child == 0:
            countdown(number)
            act(Lake(own / "lake", grace_ms=0), action)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return
        if os.WTERMSIG(status) != signal.SIGKILL:
            raise SystemExit(f"the writer that was to die at {number} ended with {status}")


if __name__ == "__main__":
    main()
