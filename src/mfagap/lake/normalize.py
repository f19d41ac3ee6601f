"""Rewrites any delivery as clean NDJSON of LogEvents, counting what is mended and what is lost.

The strict reader (``projection.reader``) takes clean input at full speed and stops at anything
else; that file then comes here. What leaves here, the strict reader takes: it stays the only
place where an event becomes a row.
"""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol, cast

from mfagap.lake.projection import MAX_EVENT_BYTES, UUID_FORM
from mfagap.lake.rejects import Problem, Rejects
from mfagap.lake.shapes import Json, canonical, first_wins, parsed, too_deep, unwrap
from mfagap.lake.streams import DAMAGED, Kind, opened, text_of

NOT_JSON = "not JSON"
TOO_LONG = f"longer than {MAX_EVENT_BYTES // 1024 // 1024} MiB"
NOT_OKTA = "JSON, but no Okta event"
DAMAGED_FILE = "compressed data is cut off or damaged"

NOT_STRICT = "no strict JSON"

MAX_LINE = 4 * MAX_EVENT_BYTES
"""The most of one line, in characters, that is taken at a time where no value can be read."""

_SEPARATORS = re.compile("[\\s,\\[\\]\ufeff]*")
_AFTER_VALUE = frozenset(" \t\r\n,]")
_INVALID_BYTE = re.compile("[\udc80-\udcff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")

_TRIMMED = " \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What DuckDB's trim takes off: Unicode's space separators."""
_SPACES = r"\t\n\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_NAMED = re.compile(rf"[{_SPACES}]*[^{_SPACES}{{\[]")  # as ``projection.usable`` has it

_PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?")


class Reader(Protocol):
    """How the strict reader sees one text; asked where Python's libraries see it otherwise."""

    def reread(self, line: str) -> Sequence[str]:
        """Return ``line`` as plain JSON, wrong types dropped: whole, then known keys alone.

        Nothing if it is no JSON, or no event.
        """
        ...

    def is_time(self, text: str) -> bool:
        """Tell whether ``text`` is a time."""
        ...


@dataclass(frozen=True, slots=True)
class Value:
    """One JSON value: where it starts, its text, what it holds, or why it holds nothing."""

    line: int
    text: str
    parsed: object
    reason: str | None = None


class Normalizer:
    """Rewrites files; see the module.

    Args:
        rejects: Where problems are counted and kept.
        reader: The strict reader's view of one line or time, which decides where Python's differs.
    """

    def __init__(self, rejects: Rejects, reader: Reader) -> None:
        """See the class."""
        self._rejects = rejects
        self._reader = reader

    def rewrite(self, path: Path, name: str, kind: Kind) -> Iterator[bytes]:
        """Yield each event of ``path`` as a line of canonical JSON; ``name`` is for people."""
        with opened(path, kind.compression) as stream:
            text = self._undamaged(text_of(stream), name)
            values = _rows(text) if kind.layout == "csv" else _documents(text)
            for value in values:
                yield from self._events(value, name)

    def _undamaged(self, text: Iterator[str], name: str) -> Iterator[str]:
        """Yield ``text`` up to where its compressed data is damaged, and count that."""
        try:
            yield from text
        except DAMAGED:
            self._rejects.add(Problem(DAMAGED_FILE, name, 0, used=False, text=""))

    def row(self, number: int, text: str, name: str) -> Iterator[bytes]:
        """Yield what a table's row number ``number``, given as JSON, holds of events."""
        try:
            value = Value(number, text, parsed(text))
        except (ValueError, RecursionError):
            value = Value(number, text, None, NOT_JSON)
        yield from self._events(value, name)

    def _events(self, value: Value, name: str) -> Iterator[bytes]:
        """Yield each event in ``value`` as a line of canonical JSON, and count its problems."""
        if value.reason is not None:
            again = self._again(value)
            self._problem(value, name, NOT_STRICT if again else value.reason, used=bool(again))
            if again is None:
                return
            value = again
        parts = list(unwrap(value.parsed))
        spoiled = _INVALID_BYTE.search(value.text) is not None
        rest, used = value, False
        for event in parts:
            if event is None:
                self._problem(rest, name, NOT_OKTA)
                rest = replace(value, text="")  # a document is kept once, however much is off
                continue
            text = value.text if len(parts) == 1 else json.dumps(event, ensure_ascii=False)
            for line in self._event(event, replace(value, text=text), name, spoiled=spoiled):
                used = True
                yield line
        if used and spoiled:
            self._problem(value, name, "invalid UTF-8", used=True)
        if used and _CONTROL.search(value.text):
            self._problem(value, name, "control characters", used=True)

    def _again(self, value: Value) -> Value | None:
        text = value.text.strip()
        if value.reason != NOT_JSON or not (text.startswith('{"') and text.endswith("}")):
            return None
        if _INVALID_BYTE.search(text):
            return None
        for reread in self._reader.reread(text):
            try:
                return Value(value.line, value.text, parsed(reread))
            except (ValueError, RecursionError):
                continue  # too long a number, or too deep, below a key that nobody reads
        return None

    def _event(self, event: Json, value: Value, name: str, *, spoiled: bool) -> Iterator[bytes]:
        result, wrong = canonical(event)
        missing = [key for key in ("uuid", "published", "eventType") if not _has(result, key)]
        if missing:
            self._problem(value, name, f"no {missing[0]}")
            return
        if not re.fullmatch(UUID_FORM, str(result["uuid"]).strip(_TRIMMED)):
            self._problem(value, name, "uuid is no id")
            return
        if not self._is_time(str(result["published"])):
            self._problem(value, name, "published is no time")
            return
        for path in wrong:
            self._problem(value, name, f"wrong type of {path}", used=True)
        text = json.dumps(result, ensure_ascii=False)
        if _LONE_SURROGATE.search(text):
            if not spoiled:
                self._problem(value, name, "lone surrogate", used=True)
            text = _LONE_SURROGATE.sub("\ufffd", text)
        line = text.encode() + b"\n"
        if len(line) > MAX_EVENT_BYTES:
            self._problem(value, name, TOO_LONG)
            return
        yield line

    def _is_time(self, text: str) -> bool:
        if _PLAIN_TIME.fullmatch(text):
            try:
                datetime.fromisoformat(text)
            except ValueError:
                pass  # such as 24:00:00, which the reader takes
            else:
                return True
        return self._reader.is_time(text)

    def _problem(self, value: Value, name: str, reason: str, *, used: bool = False) -> None:
        self._rejects.add(Problem(reason, name, value.line, used=used, text=value.text))


def _has(event: Json, key: str) -> bool:
    value = event.get(key)
    return not isinstance(value, dict | list | None) and bool(_NAMED.match(str(value)))


def _rows(text: Iterator[str]) -> Iterator[Value]:
    """Yield each row of a CSV as an object of texts, empty cells left out."""
    csv.field_size_limit(min(MAX_EVENT_BYTES, sys.maxsize))
    reader = csv.reader(_lines(text))
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Value(line, "", None, "not CSV")
            continue
        if not header:
            header = row
        elif len(row) > len(header):
            yield Value(line, json.dumps(row), None, "more cells than the header has")
        elif row:
            pairs = zip(header, row, strict=False)
            cells = {key: cell for key, cell in pairs if key and cell}
            yield Value(line, json.dumps(cells), cells)


def _lines(text: Iterator[str]) -> Iterator[str]:
    """Yield lines; a carriage return inside one is a space, and a line beyond reason is cut."""
    parts: list[str] = []
    held = 0
    for chunk in text:
        *whole, rest = chunk.split("\n")
        for line in whole:
            parts.append(line.removesuffix("\r").replace("\r", " "))
            yield "".join(parts) + "\n"
            parts, held = [], 0
        parts.append(rest)
        held += len(rest)
        if held > MAX_LINE:
            yield "".join(parts) + "\n"
            parts, held = [], 0
    if any(parts):
        yield "".join(parts)


class _Window:
    """A sliding window over decoded text that knows the line of its position."""

    def __init__(self, text: Iterator[str]) -> None:
        self._chunks = text
        self.text = ""
        self.at = 0
        self.line = 1
        self.ended = False

    def grow(self) -> None:
        """Read as much again as is held (at least one chunk), or to the end of the text."""
        self.text = self.text[self.at :]
        self.at = 0
        parts, wanted = [self.text], max(len(self.text), 1)
        while wanted > 0:
            chunk = next(self._chunks, None)
            if chunk is None:
                self.ended = True
                break
            parts.append(chunk)
            wanted -= len(chunk)
        self.text = "".join(parts)

    def take(self, end: int) -> str:
        """Move to ``end`` and return what lies between."""
        taken = self.text[self.at : end]
        self.line += taken.count("\n")
        self.at = end
        return taken

    @property
    def held(self) -> int:
        """Characters from the position to the end of the window."""
        return len(self.text) - self.at


def _documents(text: Iterator[str]) -> Iterator[Value]:
    """Yield each top-level JSON value, and each element of a top-level array.

    Values may be separated by line ends, commas, brackets or nothing at all. After one that does
    not parse, reading goes on at the next line.
    """
    decode = json.JSONDecoder(object_pairs_hook=first_wins, strict=False).raw_decode
    window = _Window(text)
    while True:
        separators = _SEPARATORS.match(window.text, window.at)
        window.take(separators.end() if separators else window.at)
        if window.held == 0:
            if window.ended:
                return
            window.grow()
            continue
        yield _value(window, decode)


def _value(window: _Window, decode: Callable[[str, int], tuple[object, int]]) -> Value:
    """Decode the value at the window's position, reading on while it may be incomplete."""
    before: tuple[str, int] | None = None
    while True:
        try:
            found, end = decode(window.text, window.at)
        except json.JSONDecodeError as error:
            where = (error.msg, error.pos - window.at)
            settled = where == before and not error.msg.startswith("Unterminated")
            before = where
        except (ValueError, RecursionError):
            settled = True
        else:
            behind = window.text[end : end + 1]
            ended = window.ended and not behind
            if isinstance(found, dict) or behind in _AFTER_VALUE or ended:
                return _taken(window, end, cast("object", found))
            settled = bool(behind)
        if settled or window.ended or window.held > MAX_EVENT_BYTES:
            return _spoiled(window)
        window.grow()


def _taken(window: _Window, end: int, found: object) -> Value:
    """Take the value up to ``end``, and tell what is against it."""
    line = window.line
    text = window.take(end)
    if len(text) > MAX_EVENT_BYTES:
        return Value(line, text, None, TOO_LONG)
    return Value(line, text, found, NOT_JSON if too_deep(text, found) else None)


def _spoiled(window: _Window) -> Value:
    """Take the rest of the line, which holds no readable value; at most ``MAX_LINE``."""
    line = window.line
    while (end := window.text.find("\n", window.at)) < 0:
        if window.ended or window.held > MAX_LINE:
            end = min(len(window.text), window.at + MAX_LINE)
            break
        window.grow()
    text = window.take(end)
    return Value(line, text, None, TOO_LONG if len(text) > MAX_EVENT_BYTES else NOT_JSON)


def copy_to(lines: Iterator[bytes], out: IO[bytes], limit: int) -> int:
    """Write ``lines`` to ``out`` until ``limit`` bytes are exceeded; return the bytes written."""
    written = 0
    for line in lines:
        written += out.write(line)
        if written >= limit:
            break
    return written
