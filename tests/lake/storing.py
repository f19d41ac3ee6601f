"""A durable lake in a test's folder, and what it answers."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.events import WALL_MS, ndjson

from mfagap.cases.templates import Event
from mfagap.lake.fields import COLUMNS
from mfagap.lake.manifest import Batch
from mfagap.lake.store import Lake
from mfagap.model import Delivery, Stretch

SLOT_MS = 300_000
END_MS = 2**60
ANSWER = frozenset(COLUMNS)


def delivered(
    folder: Path, events: Iterable[Event], name: str = "input", *, more: bytes = b""
) -> Delivery:
    path = folder / name
    path.write_bytes(ndjson(events) + more)
    return Delivery(path, name)


def append(
    lake: Lake, *deliveries: Delivery, wall_ms: int = WALL_MS, forget_through: int = 0
) -> Batch:
    return lake.append(
        deliveries,
        received_ms=wall_ms,
        wall_ms=wall_ms,
        slot_ms=SLOT_MS,
        event_types=["user.session.*"],
        forget_through=forget_through,
    )


def rows(
    lake: Lake,
    event_types: Sequence[str] = ("*",),
    from_ms: int = -END_MS,
    to_ms: int = END_MS,
    until_ms: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Return ``events`` by ``uuid``, less ``raw``."""
    with lake.read(ANSWER, [Stretch(event_types, from_ms, to_ms)], until_ms) as connection:
        done = connection.execute("SELECT * EXCLUDE raw FROM events ORDER BY uuid")
        names = [str(column[0]) for column in done.description or ()]
        listed = [dict(zip(names, row, strict=True)) for row in done.fetchall()]
    found = {str(row["uuid"]): row for row in listed}
    assert len(found) == len(listed)
    return found


def files(lake: Lake) -> set[str]:
    """Return all that is in the lake's folder, the manifest and folders left out."""
    return {
        path.relative_to(lake.folder).as_posix()
        for path in lake.folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
