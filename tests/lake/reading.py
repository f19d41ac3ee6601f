"""Reads files with the real lake and tells all that came of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.events import WALL_MS

from mfagap.lake.fields import COLUMNS
from mfagap.lake.memory import MemoryLake
from mfagap.lake.rejects import Rejects
from mfagap.model import Delivery, Totals

Row = dict[str, Any]
CUT = ("a value longer than 1,000 characters", True)
ALL = ("*",)


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of ``events`` by ``uuid``, the rejects file's rows, and the totals."""

    rows: Mapping[str, Row]
    rejects: Sequence[Row]
    counts: Mapping[tuple[str, bool], int]
    examples: Mapping[tuple[str, bool], Sequence[str]]
    totals: Totals

    @property
    def places(self) -> list[tuple[str, int, str, bool]]:
        """Every problem as (file, line, reason, used)."""
        return [(r["file"], r["line"], r["reason"], r["used"]) for r in self.rejects]

    def of(self, file: str) -> list[tuple[int, str, bool]]:
        """The problems of one file as (line, reason, used)."""
        return [(line, reason, used) for name, line, reason, used in self.places if name == file]


SHARED = frozenset(COLUMNS) - {"raw"}
"""What a row says whatever shape it came in: ``raw`` is the text that it was made of."""


def cut(text: str) -> str:
    """Return what a column holds of ``text``, which is too long for one (docs/events.md)."""
    return f"{text[:967]}…{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}"


def rows_of(lake: MemoryLake) -> dict[str, Row]:
    """Return the rows of ``events``; a ``uuid`` that is there twice fails the test."""
    done = lake.connection.execute("SELECT * FROM events ORDER BY uuid")
    names = [str(column[0]) for column in done.description or ()]
    listed: list[Row] = [dict(zip(names, row, strict=True)) for row in done.fetchall()]
    rows = {str(row["uuid"]): row for row in listed}
    assert len(rows) == len(listed)
    return rows


def read(
    folder: Path,
    files: Mapping[str, bytes],
    wall_ms: int = WALL_MS,
    event_types: Sequence[str] = ALL,
) -> Reading:
    """Write ``files`` below ``folder`` and read them in the order given."""
    folder.mkdir(exist_ok=True)
    deliveries: list[Delivery] = []
    for name, data in files.items():
        path = folder / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        deliveries.append(Delivery(path, name))
    return read_deliveries(folder, deliveries, wall_ms, event_types)


def read_deliveries(
    folder: Path,
    deliveries: Sequence[Delivery],
    wall_ms: int = WALL_MS,
    event_types: Sequence[str] = ALL,
) -> Reading:
    """Read ``deliveries``; the rejects go to a file in ``folder``."""
    out = folder / "rejects.ndjson"
    with Rejects(out) as rejects, MemoryLake(rejects, wall_ms, SHARED) as lake:
        lake.load(deliveries, event_types)
        rows, totals = rows_of(lake), lake.totals
    return Reading(
        rows=rows,
        rejects=[json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()],
        counts={(r.reason, r.used): count for r, count in rejects.counts.items()},
        examples={(r.reason, r.used): places for r, places in rejects.examples.items()},
        totals=totals,
    )
