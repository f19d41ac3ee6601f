"""A log in memory, asked by the real sandbox."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.detect.shipped import FOLDER
from tests.events import PUBLISHED_MS, WALL_MS, ndjson

from mfagap.cases.templates import Event
from mfagap.detect.load import load
from mfagap.engines.sandbox import Sandbox
from mfagap.harden import inventory, sign_ins
from mfagap.lake.memory import MemoryLake
from mfagap.lake.projection import named_in
from mfagap.lake.rejects import Rejects
from mfagap.model import Delivery

DETECTION: Final = load(FOLDER)
SPAN: Final = (PUBLISHED_MS - 1000, PUBLISHED_MS + 1000, PUBLISHED_MS + 1000)
"""Two seconds around the events of ``tests.events``."""


@contextmanager
def asked(folder: Path, events: Iterable[Event]) -> Generator[Sandbox]:
    """Give what answers queries over ``events``, of which only what the queries name is read."""
    file = folder / "log.ndjson"
    file.write_bytes(ndjson(events))
    columns = named_in(*sign_ins.QUERIES, *inventory.QUERIES)
    with Rejects() as rejects, MemoryLake(rejects, WALL_MS, columns) as lake:
        types = sorted({*sign_ins.EVENT_TYPES, *inventory.EVENT_TYPES})
        lake.load([Delivery(file, file.name)], types)
        assert not rejects.counts
        yield Sandbox(lake.connection)
