"""One write to the durable lake: its files are made first, and count once the manifest names them.

Killed at any point, it leaves files that no manifest names; the next write removes them.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from mfagap.errors import LakeError
from mfagap.lake import parquet
from mfagap.lake.manifest import (
    MANIFEST,
    Manifest,
    Retired,
    StoredFile,
    load,
    save,
    sync,
    whole,
)
from mfagap.lake.rejects import Rejects

DEAD_LETTER = "dead-letter"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def name_of(day: int) -> str:
    """Return ``day``, counted since 1970-01-01, as ISO 8601."""
    return f"{_EPOCH + timedelta(days=day):%Y-%m-%d}"


@contextmanager
def change(folder: Path, *, sweep: bool) -> Generator["Change"]:
    """Give a write to the lake in ``folder``; what it made and did not commit is removed.

    Args:
        folder: Made where it is not there.
        sweep: Whether to remove what an earlier process left behind.

    Raises:
        LakeError: The folder cannot be written; what was there before still is.
    """
    under_way: Change | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = load(folder)
        if not (folder / MANIFEST).exists():
            save(folder, before)  # a lake without one is an error once it has files
        if sweep:
            _sweep(folder, before)
        under_way = Change(folder, before)
        yield under_way
    except (OSError, duckdb.Error) as error:
        raise LakeError(
            f"{folder}: the lake cannot be written: {error}; all that it held is still there, "
            "and what was to be added can be given again"
        ) from error
    finally:
        if under_way is not None:
            under_way.discard()


class Change:
    """The files of one write, under the generation after ``before``."""

    def __init__(self, folder: Path, before: Manifest) -> None:
        """See ``change``."""
        self.before = before
        self.generation = before.generation + 1
        self.letters = f"{DEAD_LETTER}/{self.generation}.ndjson"
        self._folder = folder
        self._made: list[str] = []

    @contextmanager
    def rejects(self) -> Generator[Rejects]:
        """Give what keeps rejects in a file of their own; there is none where there are none."""
        self._make_folder(self.letters)
        with whole(self._folder / self.letters) as part:
            with Rejects(part) as rejects:
                yield rejects
            if not rejects.counts:
                part.unlink()
        self._made.append(self.letters)

    def store(
        self,
        connection: duckdb.DuckDBPyConnection,
        select: str,
        day: int,
        first: str | None = None,
    ) -> StoredFile:
        """Write the rows of ``select`` as a file of ``day``; ``first`` as in ``parquet.write``."""
        path = f"day={name_of(day)}/{self.generation}-{len(self._made)}.parquet"
        ((rows, oldest, newest, received),) = connection.execute(
            f"SELECT count(*), min(event_ms), max(event_ms), min(received_ms) FROM ({select})"
        ).fetchall()
        self._make_folder(path)
        self._made.append(path)
        with whole(self._folder / path) as part:
            parquet.write(connection, select, part, first)
        size = (self._folder / path).stat().st_size
        return StoredFile(path, day, rows, size, oldest, newest, received)

    def commit(self, after: Manifest, wall_ms: int, grace_ms: int) -> None:
        """Let the lake hold what ``after`` names, and nothing else.

        A file that is no longer named stays for ``grace_ms``, since a reader may be about to open
        it.
        """
        after = replace(after, generation=self.generation, retired=())
        since = dict.fromkeys(self.before.paths() - after.paths(), wall_ms)
        since |= {item.path: item.since_ms for item in self.before.retired}
        stay = (Retired(path, ms) for path, ms in since.items() if ms + grace_ms > wall_ms)
        after = replace(after, retired=tuple(stay))
        save(self._folder, after)
        with suppress(OSError):  # the next process will
            for path in self.before.paths() - after.paths():
                _remove(self._folder / path)

    def discard(self) -> None:
        """Remove what was made, unless the manifest names it."""
        with suppress(OSError, LakeError):
            named = load(self._folder).paths() if self._made else frozenset[str]()
            for path in self._made:
                if path not in named:
                    (self._folder / path).unlink(missing_ok=True)

    def _make_folder(self, path: str) -> None:
        below = (self._folder / path).parent
        if not below.exists():
            below.mkdir()
            sync(self._folder)


def _sweep(folder: Path, manifest: Manifest) -> None:
    """Remove the files of writes that were cut short."""
    named = manifest.paths()
    for pattern in ("day=*/*", f"{DEAD_LETTER}/*"):
        for file in folder.glob(pattern):
            if file.relative_to(folder).as_posix() not in named:
                _remove(file)


def _remove(file: Path) -> None:
    """Remove ``file``, and its folder where it was the last there."""
    file.unlink(missing_ok=True)
    with suppress(OSError):  # not empty
        file.parent.rmdir()
