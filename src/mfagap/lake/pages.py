"""Looks over one page of an API before it is stored: is it whole, and what does it hold."""

import json
from pathlib import Path
from typing import Any, cast

import duckdb

from mfagap.lake.statements import parsed, parser

_LOOK = """
SELECT CASE WHEN len(times) < $full THEN json_array_length(content) ELSE len(times) END,
       list_max(times)
FROM (SELECT content, json_extract_string(content, '$[*].published') AS times
      FROM read_text($file))"""
"""The text is parsed once, unless fewer events have a time than a full page has events."""


def look(file: Path, body: bytes, full: int) -> tuple[int, str] | None:
    """Return how many events a page has, and the latest ``published``; empty where none has one.

    None where it is no list.

    DuckDB takes a tenth of the time that Python's parser takes. What it refuses may still be a
    page, such as one with half a surrogate pair.

    Args:
        file: Holds ``body``.
        body: What was sent.
        full: The number from which on it does not matter how many more there are.

    Raises:
        ValueError: It is no JSON.
    """
    (statement,) = parsed(_LOOK)
    if body.lstrip()[:1] == b"[":
        try:
            row = parser().cursor().execute(statement, {"file": str(file), "full": full}).fetchone()
        except duckdb.Error:
            row = None
        if row is not None:
            return int(row[0]), str(row[1] or "")
    events: Any = json.loads(body)
    if not isinstance(events, list):
        return None
    listed = cast("list[Any]", events)
    objects = (cast("dict[str, Any]", each) for each in listed if isinstance(each, dict))
    times = (event.get("published") for event in objects)
    return len(listed), max((time for time in times if isinstance(time, str)), default="")
