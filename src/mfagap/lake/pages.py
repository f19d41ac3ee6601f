"""Looks over one page of an API before it is stored: is it whole, and what does it hold."""

import json
from pathlib import Path
from typing import Any, cast

import duckdb

from mfagap.lake.statements import parsed, parser

_LOOK = """
SELECT json_array_length(content), list_max(json_extract_string(content, '$[*].published'))
FROM read_text($file)"""


def look(file: Path, body: bytes) -> tuple[int, str] | None:
    """Return how many events a page has, and the latest ``published``; empty where none has one.

    None where it is no list.

    DuckDB takes a fifth of the time that Python's parser takes. What it refuses may still be a
    page, such as one with half a surrogate pair.

    Args:
        file: Holds ``body``.
        body: What was sent.

    Raises:
        ValueError: It is no JSON.
    """
    (statement,) = parsed(_LOOK)
    if body.lstrip()[:1] == b"[":
        try:
            row = parser().cursor().execute(statement, {"file": str(file)}).fetchone()
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
