"""Notices to a file: one JSON line each, only ever added to, for whatever ships logs."""

import os
from pathlib import Path

from mfagap.errors import NotifyError
from mfagap.notify.notice import FORMATS, Body, line
from mfagap.report.clean import json_line
from mfagap.settings import Table

TAIL = 1024 * 1024
"""Bytes at the file's end in which a notice that was written already is looked for."""


class File:
    """Adds each notice to ``path``, once: a line that is there already is not written again.

    Args:
        path: The file.
        form: One of ``notice.FORMATS``.
    """

    def __init__(self, path: Path, form: str = "json") -> None:
        """See the class."""
        self._path = path
        self._form = form

    def send(self, key: str, notice: Body, now_ms: int) -> None:
        """Add ``notice``.

        Raises:
            NotifyError: The file cannot be written.
        """
        mark = json_line({"key": key}).strip("{}\n").encode()
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
                out.write(self.render(key, notice, now_ms).encode())
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise NotifyError(f"{self._path}: {error.strerror}") from error

    def render(self, key: str, notice: Body, now_ms: int) -> str:
        """Return the line that ``notice`` is."""
        return line(self._form, key, notice, now_ms)


def build(table: Table) -> File:
    """Return the file that ``table`` names.

    Raises:
        SettingsError: ``table`` is off.
    """
    table.only("severity", "path", "format")
    return File(table.path("path"), table.one_of("format", "json", FORMATS))
