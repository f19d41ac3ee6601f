"""Reads a CSV row by row, and tells what its quotes may have swallowed."""

import csv
import json
import re
from collections.abc import Iterator

from mfagap.lake.documents import MAX_DOCUMENT, MAX_LINE, TOO_LONG, Value
from mfagap.lake.projection import UUID_FORM
from mfagap.lake.shapes import Json, Parser, canonical, first_wins, unwrap

QUOTED_ROW = "a quote spans lines that look like rows"

MOST_LOOKED = 50_000
"""Lines within quotes that are parsed in one file. Of more, each that has a date counts as a row:
better too many than one too few, and nobody's quote costs more time than its file's other lines."""

_ROW = re.compile(r"\d{4}-\d\d|\\u")
"""What a line with an event has: a date, whose digits a text of JSON may escape."""
_DATE = re.compile(r"\s*\d{4}-\d\d")


def rows(text: Iterator[str], parser: Parser) -> Iterator[Value]:
    """Yield each row of a CSV as an object of texts, empty cells left out.

    A cell may well hold a line end. But where a stray quote makes one cell of the rows below it,
    they are lost, and a line that would be an event by itself is yielded as such a loss. It is not
    read: what stands in a quoted cell is what a client wrote, and could forge an event.
    """
    csv.field_size_limit(MAX_DOCUMENT)
    lines = _Lines(text)
    reader = csv.reader(lines)
    header: list[str] = []
    looked = 0
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Value(number, "".join(lines.taken()), None, TOO_LONG)
            continue
        own, *below = lines.taken()
        if not header:
            header = row
        elif len(row) > len(header):
            yield Value(number, own, None, "more cells than the header has")
        elif row:
            cells = _cells(header, row)
            filled = sum(bool(key and cell) for key, cell in zip(header, row, strict=False))
            repeated = len(cells) < filled
            yield Value(number, json.dumps(cells), cells, repeated=repeated)
        for place, line in enumerate(below, number + 1):
            if not _ROW.search(line):
                continue
            looked += 1
            if looked > MOST_LOOKED or _is_row(line, header, parser):
                yield Value(place, line, None, QUOTED_ROW)


def _cells(header: list[str], row: list[str]) -> Json:
    return first_wins((key, cell) for key, cell in zip(header, row, strict=False) if key and cell)


def _is_row(line: str, header: list[str], parser: Parser) -> bool:
    """Tell whether ``line`` would be a row with an event, were there no quote before it."""
    try:
        row = next(csv.reader([line]), list[str]())
    except csv.Error:
        return False
    events = unwrap(_cells(header, row), parser)
    return len(row) <= len(header) and any(
        event is not None and _is_named(canonical(event, parser)[0]) for event in events
    )


def _is_named(event: Json) -> bool:
    """Tell whether ``event`` has an id and a time, as the end of some other row would not."""
    uuid, published = str(event.get("uuid")), str(event.get("published"))
    return bool(re.fullmatch(UUID_FORM, uuid.strip()) and _DATE.match(published))


class _Lines:
    """Iterates over lines, and remembers those that were not yet taken.

    A carriage return inside a line is a space, and a line beyond reason is cut.
    """

    def __init__(self, text: Iterator[str]) -> None:
        self._lines = _lines(text)
        self._untaken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._untaken.append(line)
            yield line

    def taken(self) -> list[str]:
        """Return the lines since this was last asked; at least one."""
        taken, self._untaken = self._untaken, []
        return taken


def _lines(text: Iterator[str]) -> Iterator[str]:
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
