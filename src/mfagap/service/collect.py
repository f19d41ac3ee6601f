"""Sources to the lake: what came since last time, and how far each source is complete.

The lake is written first, the cursor afterwards: a crash between them reads the same again, and
the lake knows a repeat.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mfagap.errors import LakeError, MfagapError, StateError
from mfagap.lake.manifest import Batch
from mfagap.model import Delivery
from mfagap.service.durable import TAKEN_IN, Workshop
from mfagap.sources.folder import look
from mfagap.sources.okta_api import OktaApi, Page
from mfagap.state.ledger import SLOT_MS

PAGES = 50
"""Pages of an API that are written to the lake together."""

MOST_PAGES = 100_000
"""Pages that one tick reads at most."""

OUR_SIDE = (LakeError, StateError)
"""What no other source would fare better with."""


class Source(Protocol):
    """Something that events come from."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...

    def collect(self, into: "Intake") -> None:
        """Bring what is new into the lake.

        Raises:
            MfagapError: It cannot be read; what was brought in stays.
        """
        ...


@dataclass(slots=True)
class Collected:
    """What a collection brought.

    Attributes:
        events: New events, by source.
        duplicates: Repeats.
        rejected: Lines and rows that could not be used; they are in the lake's dead-letter folder.
        notes: What a source had to say.
        failures: Sources that could not be read, each with why.
    """

    events: dict[str, int] = field(default_factory=dict[str, int])
    duplicates: int = 0
    rejected: int = 0
    notes: list[str] = field(default_factory=list[str])
    failures: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Intake:
    """The way into the lake for one tick."""

    workshop: Workshop
    now_ms: int
    scratch: Path
    told: Collected
    progress: Callable[[str, int], None]

    def add(self, source: str, deliveries: Sequence[Delivery]) -> Batch:
        """Write ``deliveries`` to the lake, and count what they held."""
        batch = self.workshop.lake.append(
            deliveries,
            received_ms=self.now_ms,
            wall_ms=self.now_ms,
            slot_ms=SLOT_MS,
            forget_through=self.workshop.ledger.fact(TAKEN_IN) or 0,
            event_types=self.workshop.event_types,
        )
        self.told.events[source] = self.told.events.get(source, 0) + batch.events
        self.told.duplicates += batch.duplicates
        self.told.rejected += sum(batch.rejects.values())
        self.progress(source, batch.events)
        return batch


def collect(
    workshop: Workshop,
    sources: Sequence[Source],
    now_ms: int,
    progress: Callable[[str, int], None] = lambda _source, _events: None,
) -> Collected:
    """Bring what is new in ``sources`` into the lake.

    A source that fails is told of, and does not keep the others from being read.

    Args:
        workshop: The state, held by this process alone.
        sources: In the order in which they are read.
        now_ms: The wall clock.
        progress: Told of each source how many events came since it was last told.

    Raises:
        LakeError: The lake cannot be written.
        StateError: The state cannot be written.
    """
    told = Collected()
    with workshop.database.change():
        for source in sources:
            workshop.ledger.meet(source.name, now_ms)
    for source in sources:
        with tempfile.TemporaryDirectory(prefix="mfagap-") as folder:
            try:
                source.collect(Intake(workshop, now_ms, Path(folder), told, progress))
            except OUR_SIDE:
                raise
            except MfagapError as error:
                told.failures[source.name] = str(error)
    return told


@dataclass(frozen=True, slots=True)
class Folder:
    """Files that other tools write; complete up to the newest event, less the lateness."""

    name: str
    path: str
    lateness_ms: int

    def collect(self, into: Intake) -> None:
        """See ``Source``."""
        ledger = into.workshop.ledger
        found = look(self.path, ledger.read(self.name), into.scratch)
        newest_ms = None
        if found.deliveries:
            newest_ms = into.add(self.name, found.deliveries).reaches_ms
        mark = None if newest_ms is None else newest_ms - self.lateness_ms
        with into.workshop.database.change():
            ledger.was_read(self.name, found.stamps)
            ledger.heard(self.name, None, mark, into.now_ms)


@dataclass(frozen=True, slots=True)
class Okta:
    """An org's System Log, page by page."""

    name: str
    api: OktaApi

    def collect(self, into: Intake) -> None:
        """See ``Source``."""
        ledger = into.workshop.ledger
        pages = self.api.fetch(ledger.cursor(self.name), into.now_ms, into.scratch, MOST_PAGES)
        for some in _some(pages):
            into.add(self.name, [page.delivery for page in some])
            marks = [page.complete_until_ms for page in some if page.complete_until_ms is not None]
            with into.workshop.database.change():
                ledger.heard(self.name, some[-1].cursor, max(marks, default=None), into.now_ms)
            for page in some:
                page.delivery.path.unlink(missing_ok=True)
                if page.note:
                    into.told.notes.append(f"{self.name}: {page.note}")


def _some(pages: Iterator[Page]) -> Iterator[list[Page]]:
    """Yield ``pages`` some at a time; what came before a failure is yielded before it is raised."""
    some: list[Page] = []
    failure: MfagapError | None = None
    while failure is None:
        try:
            page = next(pages, None)
        except MfagapError as error:
            failure = error
            page = None
        if page is not None:
            some.append(page)
        if some and (page is None or len(some) == PAGES):
            yield some
            some = []
        if page is None:
            break
    if failure is not None:
        raise failure
