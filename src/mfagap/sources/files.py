"""Files, folders, globs and standard input, as deliveries to read."""

import glob
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mfagap.errors import UsageError
from mfagap.model import Delivery


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found under the given paths, in a stable order, and what was passed over and why."""

    deliveries: tuple[Delivery, ...]
    ignored: tuple[tuple[str, str], ...]

    @property
    def total_bytes(self) -> int:
        """The size of all deliveries on disk; one that is gone by now has none."""
        return sum(_size(delivery.path) for delivery in self.deliveries)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def discover(
    paths: Sequence[str], stdin: IO[bytes], scratch: Path, exclude: Iterable[Path] = ()
) -> Discovery:
    """Return the files under ``paths``.

    Args:
        paths: Files, folders (read recursively), globs, or ``-`` for standard input.
        stdin: Read to its end for ``-``.
        scratch: A folder to keep what comes from a pipe.
        exclude: Files to leave out: the outputs of this very call.

    Raises:
        UsageError: A path leads nowhere.
    """
    seen = {path.resolve() for path in exclude}
    deliveries: list[Delivery] = []
    ignored: list[tuple[str, str]] = []
    for text in paths:
        if text == "-":
            deliveries.append(_spool(stdin, scratch, "(standard input)"))
            continue
        named = os.path.lexists(text)
        for path in _expand(text):
            for delivery, why in _walk(path, scratch, named=named):
                if why:
                    ignored.append((delivery.name, why))
                elif delivery.path.resolve() not in seen:
                    seen.add(delivery.path.resolve())
                    deliveries.append(delivery)
    return Discovery(tuple(deliveries), tuple(ignored))


def _expand(text: str) -> list[Path]:
    if os.path.lexists(text):
        return [Path(text)]
    if glob.has_magic(text):
        # `missing/**` matches `missing/`, which is not there.
        matches = [Path(m) for m in sorted(glob.glob(text, recursive=True)) if os.path.lexists(m)]
        if matches:
            return matches
        raise UsageError(f"no file matches {text!r}")
    raise UsageError(f"no such file or folder: {text!r}")


def _walk(path: Path, scratch: Path, *, named: bool) -> Iterator[tuple[Delivery, str]]:
    """Yield each file under ``path``, and why it is passed over (empty: it is not).

    A pipe is waited for only where the caller ``named`` it, and not where a pattern found it.
    """
    delivery = Delivery(path, str(path))
    if path.is_file():
        yield delivery, ""
        return
    if not path.is_dir():
        if path.is_fifo() and named:  # such as a shell's <(…)
            with path.open("rb") as pipe:
                yield _spool(pipe, scratch, str(path)), ""
        else:
            yield delivery, "no regular file" if path.exists() else "a link that leads nowhere"
        return
    root = path.resolve()
    unreadable: list[OSError] = []
    for folder, folders, files in os.walk(path, onerror=unreadable.append):
        folders.sort()
        for name in folders:
            below = Path(folder, name)
            if _is_link(below):
                yield Delivery(below, str(below)), "a link to a folder"
        for name in sorted(files):
            file = Path(folder, name)
            yield Delivery(file, str(file)), _why_not(file, root)
    for error in unreadable:
        yield Delivery(path, str(error.filename)), f"cannot be read: {error.strerror}"


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # a name that is too long; the walk itself tells of it
        return False


def _why_not(file: Path, root: Path) -> str:
    """Return why ``file``, found below ``root``, is passed over; empty if it is not.

    Who writes into a folder may not make us read what is outside it, nor wait for a pipe.
    """
    # realpath, since resolve raises where links lead in a circle (before Python 3.13).
    if file.is_symlink() and not Path(os.path.realpath(file)).is_relative_to(root):
        return "a link that leaves the folder"
    if not file.is_file():
        return "no regular file"
    return ""


def _spool(stream: IO[bytes], scratch: Path, name: str) -> Delivery:
    path = scratch / f"spooled-{len(list(scratch.iterdir()))}"
    with path.open("wb") as out:
        shutil.copyfileobj(stream, out, 1024 * 1024)
    return Delivery(path, name)
