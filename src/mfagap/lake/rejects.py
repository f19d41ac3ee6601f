"""What could not be read, or only in part: counted by reason, with file and line, never lost."""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from mfagap.errors import OutputError
from mfagap.model import Reason

PIECE = 3 * 256 * 1024
"""Characters or bytes that are written at a time; three bytes are four letters of Base64."""

_BYTE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was off in the input.

    Attributes:
        reason: Why, in words that group (no values from the input).
        file: The file, as the reader named it; ``event`` and the uuid where it was seen only once
            all was read.
        line: 1-based line (CSV and documents: the line where the value starts); 0 for the file.
        used: Whether the rest of the event was used all the same.
        text: The whole text; a byte that is no UTF-8 stands as a lone surrogate (PEP 383).
    """

    reason: str
    file: str
    line: int
    used: bool
    text: str


class Rejects:
    """Counts problems, remembers a few of each, and writes them whole where asked.

    Args:
        path: Where to write them as NDJSON (``file, line, reason, used`` and ``text``, or
            ``base64`` where the text is no UTF-8); None to count only.

    Raises:
        OutputError: The file cannot be written.
    """

    EXAMPLES = 3

    def __init__(self, path: Path | None = None) -> None:
        """See the class."""
        self.counts: Counter[Reason] = Counter()
        self.examples: dict[Reason, list[str]] = {}
        self._path = path
        self._out: IO[str] | None = None

    def __enter__(self) -> Self:
        """Open the file, if one was asked for."""
        if self._path is not None:
            try:
                self._out = self._path.open("w", encoding="utf-8")
            except OSError as error:
                raise self._unwritable(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._out is not None:
            try:
                self._out.close()
            except OSError as failure:
                raise self._unwritable(failure) from failure

    @property
    def lost(self) -> int:
        """How many deliveries could not be used at all."""
        return sum(count for reason, count in self.counts.items() if not reason.used)

    def add(self, problem: Problem) -> None:
        """Count ``problem``, and write it where asked."""
        reason = Reason(problem.reason, problem.used)
        self.counts[reason] += 1
        examples = self.examples.setdefault(reason, [])
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        if len(examples) < self.EXAMPLES and place not in examples:
            examples.append(place)
        if self._out is not None:
            self._write(self._out, problem)

    def _write(self, out: IO[str], problem: Problem) -> None:
        row: dict[str, object] = {
            "file": problem.file,
            "line": problem.line,
            "reason": problem.reason,
            "used": problem.used,
        }
        key, pieces = ("base64", _base64) if _BYTE.search(problem.text) else ("text", _escaped)
        try:
            out.write(f'{json.dumps(row)[:-1]}, "{key}": "')
            for piece in pieces(problem.text):
                out.write(piece)
            out.write('"}\n')
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write rejects to {self._path}: {error}")


def _escaped(text: str) -> Iterator[str]:
    """Yield ``text`` as it stands in a JSON text, in pieces: it may be as long as a file."""
    for at in range(0, len(text), PIECE):
        yield json.dumps(text[at : at + PIECE])[1:-1]


def _base64(text: str) -> Iterator[str]:
    """Yield the bytes of ``text`` in Base64, in pieces that need no padding but the last."""
    data = text.encode("utf-8", "surrogateescape")
    for at in range(0, len(data), PIECE):
        yield base64.b64encode(data[at : at + PIECE]).decode()
