"""Sources to the lake: what came since last time, and how far each source is complete.

The lake is written first, the cursor afterwards: a crash between them reads the same again, and
the lake knows a repeat.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from mfagap.errors import LakeError, MfagapError, StateError
from mfagap.lake.manifest import Batch
from mfagap.model import Delivery
from mfagap.service.durable import TAKEN_IN, Workshop
from mfagap.sources.folder import look
from mfagap.sources.object_store import Haul, ObjectStore, Position
from mfagap.sources.okta_api import OktaApi, Page, Past
from mfagap.state.ledger import SLOT_MS

PAGES = 64
"""Pages of an API that are written to the lake together."""

MOST_PAGES = 100_000
"""Pages that one tick reads at most."""

OUR_SIDE = (LakeError, StateError)
"""What no other source would fare better with."""


class Stopping(Exception):
    """What ends a reading in its middle, because we are to stop; what was read is stored."""


def _never(seconds: float) -> bool:
    """Wait; nobody asks to stop."""
    time.sleep(seconds)
    return False


@dataclass(frozen=True, slots=True)
class Course:
    """What is told, and asked, in the course of a run.

    Attributes:
        told: Of a source, how many events came since it was last told, and how far the past was
            read where that is known.
        stop: Waits so many seconds at most; returns whether to stop.
    """

    told: Callable[[str, int, Past | None], None] = lambda _source, _events, _past: None
    stop: Callable[[float], bool] = _never

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds.

        Raises:
            Stopping: We are to stop.
        """
        if self.stop(seconds):
            raise Stopping


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
        limits: By source, what is left of its rate limit (None: not told), and how many answers
            said that it is used up.
    """

    events: dict[str, int] = field(default_factory=dict[str, int])
    duplicates: int = 0
    rejected: int = 0
    notes: list[str] = field(default_factory=list[str])
    failures: dict[str, str] = field(default_factory=dict[str, str])
    limits: dict[str, tuple[int | None, int]] = field(
        default_factory=dict[str, tuple[int | None, int]]
    )


@dataclass(frozen=True, slots=True)
class Intake:
    """The way into the lake for one tick."""

    workshop: Workshop
    now_ms: int
    scratch: Path
    told: Collected
    course: Course

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
        self.course.told(source, batch.events, None)
        return batch


def collect(
    workshop: Workshop,
    sources: Sequence[Source],
    now_ms: int,
    course: Course | None = None,
) -> Collected:
    """Bring what is new in ``sources`` into the lake.

    A source that fails is told of, and does not keep the others from being read.

    Args:
        workshop: The state, held by this process alone.
        sources: In the order in which they are read.
        now_ms: The wall clock.
        course: Of the run.

    Raises:
        Stopping: In the middle of a source, as ``course`` has it.
        LakeError: The lake cannot be written.
        StateError: The state cannot be written.
    """
    told = Collected()
    with workshop.database.change():
        for source in sources:
            workshop.ledger.meet(source.name, now_ms)
    for source in sources:
        with tempfile.TemporaryDirectory(prefix="mfagap-", dir=workshop.scratch) as folder:
            try:
                source.collect(Intake(workshop, now_ms, Path(folder), told, course or Course()))
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
        cursor = into.workshop.ledger.cursor(self.name)
        pages = self.api.fetch(cursor, into.now_ms, into.scratch, MOST_PAGES)
        try:
            self._store(pages, into)
        finally:
            into.told.limits[self.name] = self.api.limits()

    def _store(self, pages: Iterator[Page], into: Intake) -> None:
        ledger = into.workshop.ledger
        for some in _some(self._followed(pages, into.course)):
            into.add(self.name, [page.delivery for page in some])
            marks = [page.complete_until_ms for page in some if page.complete_until_ms is not None]
            with into.workshop.database.change():
                ledger.heard(self.name, some[-1].cursor, max(marks, default=None), into.now_ms)
            for page in some:
                page.delivery.path.unlink(missing_ok=True)
                if page.note:
                    into.told.notes.append(f"{self.name}: {page.note}")

    def _followed(self, pages: Iterator[Page], course: Course) -> Iterator[Page]:
        """Yield ``pages``, and tell of each how far the past was read by it."""
        for page in pages:
            if page.past is not None:
                course.told(self.name, 0, page.past)
            yield page
            course.sleep(0)


@dataclass(frozen=True, slots=True)
class Objects:
    """A bucket that other tools write to; as complete as a folder, once all was read."""

    name: str
    store: ObjectStore
    lateness_ms: int

    def collect(self, into: Intake) -> None:
        """See ``Source``."""
        ledger = into.workshop.ledger
        position = Position.of(ledger.cursor(self.name))
        known = ledger.objects(self.name)
        for haul in self.store.fetch(position, known, into.now_ms, into.scratch):
            position = self._take(into, haul, position)
            into.course.sleep(0)  # which may say that it is time to stop

    def _take(self, into: Intake, haul: Haul, position: Position) -> Position:
        """Bring ``haul`` into the lake; return how far the source was read then."""
        ledger = into.workshop.ledger
        reaches_ms, mark_ms = position.reaches_ms, None
        if haul.deliveries:
            newest_ms = into.add(self.name, haul.deliveries).reaches_ms
            reaches_ms = max((t for t in (reaches_ms, newest_ms) if t is not None), default=None)
        if haul.position is not None and reaches_ms is not None:
            mark_ms = reaches_ms - self.lateness_ms
        position = replace(haul.position or position, reaches_ms=reaches_ms)
        with into.workshop.database.change():
            ledger.took(self.name, [(o.key, o.tag, o.modified_ms) for o in haul.objects])
            if haul.position is not None:
                ledger.drop_objects(self.name, position.since_ms or 0)
            ledger.heard(self.name, position.text(), mark_ms, into.now_ms)
        for delivery in haul.deliveries:
            delivery.path.unlink(missing_ok=True)
        into.told.notes.extend(f"{self.name}: {note}" for note in haul.notes)
        return position


def _some(pages: Iterator[Page]) -> Iterator[list[Page]]:
    """Yield ``pages`` some at a time; what came before a failure is yielded before it is raised."""
    some: list[Page] = []
    failure: MfagapError | Stopping | None = None
    while failure is None:
        try:
            page = next(pages, None)
        except (MfagapError, Stopping) as error:
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
