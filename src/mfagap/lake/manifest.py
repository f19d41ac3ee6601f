"""What the durable lake holds: one JSON file, replaced atomically, that readers follow.

A file that the manifest does not name is not there. So a reader in another process sees either
all of a write or nothing of it.
"""

import contextlib
import json
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mfagap.errors import LakeError

FORMAT = 1
MANIFEST = "manifest.json"
PART = ".part"
"""What the name of a file ends in while it is written."""

_RESTORE = (
    "restore it from a backup of the folder, since it alone tells which of the files there count"
)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One Parquet file, ``path`` below the lake's folder, and the span of its times."""

    path: str
    day: int
    rows: int
    bytes: int
    oldest_ms: int
    newest_ms: int
    received_ms: int

    def meets(self, from_ms: int, to_ms: int) -> bool:
        """Tell whether an event in ``[from_ms, to_ms)`` may be in it."""
        return self.oldest_ms < to_ms and from_ms <= self.newest_ms


@dataclass(frozen=True, slots=True)
class Batch:
    """What one append came to.

    Attributes:
        generation: Of the lake, since which its events can be read.
        received_ms: When it was received.
        events: Rows that are new; of an event that is there, a copy that says something else.
        duplicates: Deliveries that said nothing new.
        rejects: Deliveries that could not be used, and files without any, by reason.
        mended: Deliveries that were used in part, by reason.
        oldest_ms: The earliest new event; None where there is none.
        newest_ms: The latest one that is not in the future.
        reaches_ms: The latest delivered event, new or known, that is not in the future.
        future: New events dated more than ten minutes past the wall clock.
        slots: Each ``event_ms // slot_ms`` in which there is a new row of a type asked about.
    """

    generation: int
    received_ms: int
    events: int = 0
    duplicates: int = 0
    rejects: Mapping[str, int] = field(default_factory=dict[str, int])
    mended: Mapping[str, int] = field(default_factory=dict[str, int])
    oldest_ms: int | None = None
    newest_ms: int | None = None
    reaches_ms: int | None = None
    future: int = 0
    slots: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """A file of rejects, as ``--rejects`` writes them, and how many there are."""

    path: str
    received_ms: int
    rejects: int


@dataclass(frozen=True, slots=True)
class Retired:
    """A file that nothing names any more, but which a reader may have opened; since when."""

    path: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that the lake holds as of one ``generation``; each write makes the next.

    Batches through generation ``forgotten`` were dealt with, and are left out.
    """

    generation: int = 0
    forgotten: int = 0
    files: tuple[StoredFile, ...] = ()
    batches: tuple[Batch, ...] = ()
    dead_letters: tuple[DeadLetters, ...] = ()
    retired: tuple[Retired, ...] = ()

    def paths(self) -> set[str]:
        """Return every path that may stay."""
        return {item.path for item in (*self.files, *self.dead_letters, *self.retired)}


def load(folder: Path) -> Manifest:
    """Return the manifest in ``folder``; an empty one where there is none yet.

    Raises:
        LakeError: It cannot be read, is damaged, or was written by a newer mfagap.
    """
    file = folder / MANIFEST
    try:
        data: dict[str, Any] = json.loads(file.read_bytes())
        if data["format"] > FORMAT:
            raise LakeError(
                f"{file}: the lake has format {data['format']}, and this mfagap reads {FORMAT}; "
                "use the mfagap that wrote it, or a newer one"
            )
        batches = (Batch(**(each | {"slots": tuple(each["slots"])})) for each in data["batches"])
        return Manifest(
            generation=int(data["generation"]),
            forgotten=int(data.get("forgotten", 0)),
            files=tuple(StoredFile(**each) for each in data["files"]),
            batches=tuple(batches),
            dead_letters=tuple(DeadLetters(**each) for each in data["dead_letters"]),
            retired=tuple(Retired(**each) for each in data["retired"]),
        )
    except FileNotFoundError as error:
        if any(folder.glob("day=*/*.parquet")):
            raise LakeError(f"{file}: missing; {_RESTORE}") from error
        return Manifest()
    except OSError as error:
        raise LakeError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise LakeError(f"{file}: damaged ({error!r}); {_RESTORE}") from error


def save(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in ``folder``.

    Raises:
        OSError: It cannot be written; the old one is still there.
    """
    data = {"format": FORMAT, **_fields(manifest)}
    text = json.dumps(data, default=_fields, separators=(",", ":"))
    with whole(folder / MANIFEST) as part:
        part.write_text(text, encoding="utf-8")


def _fields(item: Any) -> dict[str, Any]:
    """Return the fields of a dataclass; ``asdict``, which copies them, takes ten times as long."""
    return {each.name: getattr(item, each.name) for each in fields(item)}


@contextlib.contextmanager
def whole(file: Path) -> Generator[Path]:
    """Give a path to write ``file`` at: it is there whole and on the disk, or not at all.

    What the body does not write there is not made.
    """
    part = file.with_name(file.name + PART)
    try:
        yield part
        if part.exists():
            sync(part)
            part.replace(file)
            sync(file.parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until ``path``, a file or a folder, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
