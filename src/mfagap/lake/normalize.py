"""Rewrites any delivery as clean NDJSON of LogEvents, counting what is mended and what is lost.

The strict reader (``projection.reading``) takes clean input at full speed and stops at anything
else; that file then comes here. What leaves here, the strict reader takes: it stays the only
place where an event becomes a row.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from mfagap.lake.documents import NOT_JSON, Value, documents
from mfagap.lake.projection import MAX_EVENT_BYTES, UUID_FORM
from mfagap.lake.rejects import Problem, Rejects
from mfagap.lake.shapes import Json, Parser, canonical, unwrap
from mfagap.lake.streams import DAMAGED, Kind, opened, text_of
from mfagap.lake.tables import rows

NOT_OKTA = "JSON, but no Okta event"
DAMAGED_FILE = "compressed data is cut off or damaged"
NOT_STRICT = "no strict JSON"
TOO_LARGE = f"an event longer than {MAX_EVENT_BYTES // 1024 // 1024} MiB"
GIVEN_TWICE = "a key is given twice"

_INVALID_BYTE = re.compile("[\udc80-\udcff]")
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")

_TRIMMED = " \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What DuckDB's trim takes off: Unicode's space separators."""
_SPACES = r"\t\n\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_NAMED = re.compile(rf"[{_SPACES}]*[^{_SPACES}{{\[]")  # as ``projection.reading`` has it

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
        self._parser = Parser()

    def rewrite(self, path: Path, name: str, kind: Kind) -> Iterator[bytes]:
        """Yield each event of ``path`` as a line of canonical JSON; ``name`` is for people."""
        with opened(path, kind.compression) as stream:
            text = self._undamaged(text_of(stream), name)
            find = rows if kind.layout == "csv" else documents
            for value in find(text, self._parser):
                yield from self._events(value, name)

    def _undamaged(self, text: Iterator[str], name: str) -> Iterator[str]:
        """Yield ``text`` up to where its compressed data is damaged, and count that."""
        try:
            yield from text
        except DAMAGED:
            self._rejects.add(Problem(DAMAGED_FILE, name, 0, used=False, text=""))

    def row(self, number: int, text: str, name: str) -> Iterator[bytes]:
        """Yield what a table's row number ``number``, given as JSON, holds of events."""
        value = self._parsed(Value(number, text, None, NOT_JSON), text)
        yield from self._events(value or Value(number, text, None, NOT_JSON), name)

    def _parsed(self, value: Value, text: str) -> Value | None:
        """Return ``value`` with what ``text`` holds; None where Python cannot read it."""
        self._parser.repeated = False
        try:
            parsed = self._parser.parse(text)
        except (ValueError, RecursionError):
            return None
        return Value(value.line, value.text, parsed, repeated=self._parser.repeated)

    def _events(self, value: Value, name: str) -> Iterator[bytes]:
        """Yield each event in ``value`` as a line of canonical JSON, and count its problems."""
        if value.reason is not None:
            again = self._again(value)
            self._problem(value, name, NOT_STRICT if again else value.reason, used=bool(again))
            if again is None:
                return
            value = again
        self._parser.repeated = value.repeated
        parts = list(unwrap(value.parsed, self._parser))
        spoiled = _INVALID_BYTE.search(value.text) is not None
        rest, used = value, False
        for event in parts:
            if event is None:
                self._problem(rest, name, NOT_OKTA)
                rest = replace(value, text="")  # a document is kept once, however much is off
                continue
            text = value.text if len(parts) == 1 else _dumped(event, spoiled=spoiled)
            for line in self._event(event, replace(value, text=text), name, spoiled=spoiled):
                used = True
                yield line
        if used and spoiled:
            self._problem(value, name, "invalid UTF-8", used=True)
        if used and _CONTROL.search(value.text):
            self._problem(value, name, "control characters", used=True)
        if used and self._parser.repeated:
            self._problem(value, name, GIVEN_TWICE, used=True)

    def _again(self, value: Value) -> Value | None:
        text = value.text.strip()
        if value.reason != NOT_JSON or not (text.startswith('{"') and text.endswith("}")):
            return None
        if _INVALID_BYTE.search(text):
            return None
        # The first may have too long a number, or be too deep, below a key that nobody reads.
        reread = (self._parsed(value, line) for line in self._reader.reread(text))
        return next((found for found in reread if found is not None), None)

    def _event(self, event: Json, value: Value, name: str, *, spoiled: bool) -> Iterator[bytes]:
        result, wrong = canonical(event, self._parser)
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
            self._problem(value, name, TOO_LARGE)
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


def _dumped(event: Json, *, spoiled: bool) -> str:
    """Return ``event`` as JSON that can be kept: surrogates escaped, save for a spoiled byte."""
    text = json.dumps(event, ensure_ascii=False)
    escaped = _NO_BYTE if spoiled else _LONE_SURROGATE
    return escaped.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _has(event: Json, key: str) -> bool:
    value = event.get(key)
    return not isinstance(value, dict | list | None) and bool(_NAMED.match(str(value)))


def copy_to(lines: Iterator[bytes], out: IO[bytes], limit: int) -> int:
    """Write ``lines`` to ``out`` until ``limit`` bytes are exceeded; return the bytes written."""
    written = 0
    for line in lines:
        written += out.write(line)
        if written >= limit:
            break
    return written
