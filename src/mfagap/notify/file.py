"""Notices to a file: one JSON line each, only ever added to, for whatever ships logs."""

import json
import os
from pathlib import Path

from mfagap.errors import NotifyError
from mfagap.notify.notice import Body
from mfagap.settings import Table

TAIL = 1024 * 1024
"""Bytes at the file's end in which a notice that was written already is looked for."""


class File:
    """Adds each notice to ``path``, once: a line that is there already is not written again."""

    def __init__(self, path: Path) -> None:
        """See the class."""
        self._path = path

    def send(self, key: str, notice: Body, now_ms: int) -> None:
        """Add ``notice``.

        Raises:
            NotifyError: The file cannot be written.
        """
        line = json.dumps({"key": key, "at_ms": now_ms, **notice}, sort_keys=True).encode() + b"\n"
        mark = f'"key": {json.dumps(key)},'.encode()
        try:
            with self._path.open("a+b") as out:
                size = out.seek(0, os.SEEK_END)
                out.seek(max(0, size - TAIL))
                tail = out.read()
                whole, _, torn = tail.rpartition(b"\n")
                if mark in whole:
                    return
                if torn:  # a crash in the middle of a line: it is written again, whole
                    out.truncate(size - len(torn))
                out.write(line)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise NotifyError(f"{self._path}: {error.strerror}") from error


def build(table: Table) -> File:
    """Return the file that ``table`` names.

    Raises:
        SettingsError: ``table`` is off.
    """
    table.only("severity", "path")
    return File(table.path("path"))
