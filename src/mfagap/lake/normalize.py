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
from functools import lru_cache
from pathlib import Path
from typing import IO, Protocol

from mfagap.lake.documents import NOT_JSON, Value, documents
from mfagap.lake.fields import IDENTITY
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

TIMES = 10_000
"""How many odd times are remembered: to ask for one takes as long as to rewrite ten events."""

BATCH = 500
BATCH_TEXT = 1024 * 1024
"""How many values are looked at together, and characters, but for the last one's."""

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

    def reread(self, lines: Sequence[str]) -> Sequence[Sequence[str]]:
        """Return each line as plain JSON, wrong types dropped: whole, then known keys alone.

        Nothing for one that is no JSON, or no event.
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
        self._reads_time = lru_cache(TIMES)(reader.is_time)
        self._parser = Parser()

    def rewrite(self, path: Path, name: str, kind: Kind) -> Iterator[bytes]:
        """Yield each event of ``path`` as a line of canonical JSON; ``name`` is for people."""
        with opened(path, kind.compression) as stream:
            text = self._undamaged(text_of(stream), name)
            find = rows if kind.layout == "csv" else documents
            for batch in _batches(find(text, self._parser)):
                for value, again in zip(batch, self._again(batch), strict=True):
                    yield from self._events(value, again, name)

    def _undamaged(self, text: Iterator[str], name: str) -> Iterator[str]:
        """Yield ``text`` up to where its compressed data is damaged, and count that."""
        try:
            yield from text
        except DAMAGED:
            self._rejects.add(Problem(DAMAGED_FILE, name, 0, used=False, text=""))

    def row(self, number: int, text: str, name: str) -> Iterator[bytes]:
        """Yield what a table's row number ``number``, given as JSON, holds of events."""
        refused = Value(number, text, None, NOT_JSON)
        value = self._parsed(refused, text) or refused
        (again,) = self._again([value])
        yield from self._events(value, again, name)

    def _parsed(self, value: Value, text: str) -> Value | None:
        """Return ``value`` with what ``text`` holds; None where Python cannot read it."""
        self._parser.repeated = False
        try:
            parsed = self._parser.parse(text)
        except (ValueError, RecursionError):
            return None
        return Value(value.line, value.text, parsed, repeated=self._parser.repeated)

    def _events(self, value: Value, again: Value | None, name: str) -> Iterator[bytes]:
        """Yield each event in ``value`` as a line of canonical JSON, and count its problems."""
        if value.reason is not None:
            self._problem(value, name, NOT_STRICT if again else value.reason, used=bool(again))
            if again is None:
                return
            value = again
        self._parser.repeated = value.repeated
        parts = list(unwrap(value.parsed, self._parser))
        spoiled = not value.text.isascii() and _INVALID_BYTE.search(value.text) is not None
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
        if used and not value.text.isprintable() and _CONTROL.search(value.text):
            self._problem(value, name, "control characters", used=True)
        if used and self._parser.repeated:
            self._problem(value, name, GIVEN_TWICE, used=True)

    def _again(self, values: Sequence[Value]) -> list[Value | None]:
        """Return what the reader sees in those of ``values`` that Python cannot read."""
        asked = [place for place, value in enumerate(values) if _may_be_an_event(value)]
        found: list[Value | None] = [None] * len(values)
        if asked:  # in one query: to plan it takes as long as to read hundreds of lines
            texts = [values[place].text.strip() for place in asked]
            for place, lines in zip(asked, self._reader.reread(texts), strict=True):
                # The first may be too deep, or have too long a number, where nobody reads.
                parsed = (self._parsed(values[place], line) for line in lines)
                found[place] = next((value for value in parsed if value is not None), None)
        return found

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
        if not text.isascii() and _LONE_SURROGATE.search(text):
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
        return self._reads_time(text)

    def _problem(self, value: Value, name: str, reason: str, *, used: bool = False) -> None:
        self._rejects.add(Problem(reason, name, value.line, used=used, text=value.text))


def _batches(values: Iterator[Value]) -> Iterator[list[Value]]:
    """Yield ``values`` in batches that are bounded in number and size."""
    batch: list[Value] = []
    held = 0
    for value in values:
        batch.append(value)
        held += len(value.text)
        if len(batch) >= BATCH or held >= BATCH_TEXT:
            yield batch
            batch, held = [], 0
    yield batch


def _may_be_an_event(value: Value) -> bool:
    """Tell whether ``value``, which Python cannot read, may yet be an event to the reader."""
    text = value.text.strip()
    if value.reason != NOT_JSON or not (text.startswith('{"') and text.endswith("}")):
        return False
    named = "\\u" in text or all(f'"{key}"' in text for key in IDENTITY)
    return named and _INVALID_BYTE.search(text) is None


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
