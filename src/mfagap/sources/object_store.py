"""A bucket or container that other tools write to (S3, GCS, Azure): what is new in it.

Keys are not in the order of time: feeds may share a prefix, names within an hour are random, and
what was tried again comes late. So what is new is told by when the store says that it was written,
and by what was read before. The order of keys saves requests alone: a listing begins before the
smallest key that was written lately, and now and then it is of everything.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from mfagap.errors import SourceError
from mfagap.model import Delivery
from mfagap.settings import Table
from mfagap.sources.object_client import Client, Object, connect

MOST_OBJECTS = 256
MOST_BYTES = 256 << 20
"""What is on the disk at a time, unless one object alone has more."""

MOST_FAILURES = 5
"""Failures after which a reading stops; obstore tried each again for half a minute."""

HOUR_MS = 3600 * 1000


@dataclass(frozen=True, slots=True)
class Position:
    """How far a source was read.

    Attributes:
        since_ms: What the store wrote earlier was read, or is none of our business; None before
            everything was listed once.
        whole_ms: When everything was listed last, by our clock; None where it is to be.
        after: The key after which other listings begin.
        reaches_ms: The newest event that was read.
    """

    since_ms: int | None = None
    whole_ms: int | None = None
    after: str | None = None
    reaches_ms: int | None = None

    def text(self) -> str:
        """Return the position as it is stored."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str | None) -> "Position":
        """Return the position that ``text`` holds; None is the beginning.

        Raises:
            SourceError: It holds none.
        """
        if text is None:
            return cls()
        try:
            return cls(**cast("dict[str, Any]", json.loads(text)))
        except (ValueError, TypeError) as error:
            raise SourceError(
                "the stored cursor is none of an object store: give the source another name"
            ) from error


@dataclass(frozen=True, slots=True)
class Haul:
    """Objects that were read; the last haul of a reading has none.

    Attributes:
        deliveries: A file each, for the caller to delete.
        objects: Which they are.
        position: Of the last haul alone: where to go on.
        notes: What there is to tell.
    """

    deliveries: tuple[Delivery, ...] = ()
    objects: tuple[Object, ...] = ()
    position: Position | None = None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Seen:
    """What a reading came upon.

    Attributes:
        listed: How many objects.
        too_old: How many of them were written before anything was asked for.
        newest_ms: When the last of them was written.
        least: The smallest key of those written in an hour, by that hour.
        failures: What could not be listed or read.
    """

    listed: int = 0
    too_old: int = 0
    newest_ms: int = 0
    least: dict[int, str] = field(default_factory=dict[int, str])
    failures: list[SourceError] = field(default_factory=list[SourceError])

    def add(self, found: Object) -> None:
        """Count one object."""
        self.listed += 1
        self.newest_ms = max(self.newest_ms, found.modified_ms)
        hour = found.modified_ms // HOUR_MS
        self.least[hour] = min(found.key, self.least.get(hour, found.key))


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Reads what is new below a prefix.

    Attributes:
        client: Of the bucket.
        lookback_ms: How long an object may come after others that were written at its time.
        backfill_ms: How far the first reading goes back, by when objects were written.
        whole_every_ms: How often everything is listed.
    """

    client: Client
    lookback_ms: int
    backfill_ms: int
    whole_every_ms: int

    def fetch(
        self, position: Position, known: Mapping[str, str], now_ms: int, scratch: Path
    ) -> Iterator[Haul]:
        """Yield what is new, some at a time.

        Args:
            position: That of the last haul that had one.
            known: Tags by key: what was read since ``position.since_ms``.
            now_ms: The wall clock.
            scratch: A folder for what is downloaded.

        Raises:
            AccessRefused: The credentials do not suffice.
            SourceError: Something could not be listed or read, or nothing is there. What could
                be read was yielded before, but no position.
        """
        since_ms = position.since_ms
        if since_ms is None:
            since_ms = now_ms - self.backfill_ms
        age_ms = -1 if position.whole_ms is None else now_ms - position.whole_ms
        whole = not 0 <= age_ms < self.whole_every_ms
        seen, late = _Seen(), 0
        for group in _grouped(self._new(None if whole else position.after, since_ms, known, seen)):
            late += sum(position.after is not None and one.key <= position.after for one in group)
            yield self._haul(group, scratch, seen.failures)
            if len(seen.failures) >= MOST_FAILURES:
                break
        if seen.failures:
            raise _together(seen.failures)
        if not whole:
            # Where what was written lately is gone, only a whole listing tells what is left.
            yield Haul(position=position if seen.listed else replace(position, whole_ms=None))
            return
        notes: list[str] = []
        if seen.too_old and position.since_ms is None:
            notes.append(
                f"objects older than backfill_days, which were passed over: {seen.too_old}"
            )
        if late:
            notes.append(
                f"objects whose keys sort before those of late: {late}; they were found only by "
                "listing everything: see list_all_hours"
            )
        yield Haul(position=self._after(position, since_ms, seen, now_ms), notes=tuple(notes))

    def _after(self, position: Position, since_ms: int, seen: _Seen, now_ms: int) -> Position:
        """Return where to go on after everything was listed, and what is new was read.

        Raises:
            SourceError: Nothing is there.
        """
        if not seen.listed:
            raise SourceError(
                f"{self.client.name}: no object is there: are the names in the settings right, and "
                "does anything write to it?"
            )
        lately_ms = min(seen.newest_ms, now_ms) - self.lookback_ms  # its clock may be ahead
        least = min(key for hour, key in seen.least.items() if hour >= lately_ms // HOUR_MS)
        # Any beginning of a key sorts before it; obstore takes none that ends in "/" or "/..".
        after = least[:-1].rstrip("./") or None
        since_ms = max(since_ms, lately_ms)
        return replace(position, since_ms=since_ms, whole_ms=now_ms, after=after)

    def _new(
        self, after: str | None, since_ms: int, known: Mapping[str, str], seen: _Seen
    ) -> Iterator[Object]:
        """Yield what is there, holds something and was not read."""
        try:
            for one in self.client.listed(after):
                seen.add(one)
                if one.modified_ms < since_ms:
                    seen.too_old += 1
                elif one.size and known.get(one.key) != one.tag:
                    yield one
        except SourceError as error:
            seen.failures.append(error)

    def _haul(self, group: Iterable[Object], scratch: Path, failures: list[SourceError]) -> Haul:
        """Download ``group``; what fails is added to ``failures``, and keeps no other back."""
        deliveries: list[Delivery] = []
        objects: list[Object] = []
        for one in group:
            if len(failures) >= MOST_FAILURES:
                break
            try:
                deliveries.append(self.client.save(one, scratch))
            except SourceError as error:
                failures.append(error)
            else:
                objects.append(one)
        return Haul(tuple(deliveries), tuple(objects))


def _grouped(objects: Iterable[Object]) -> Iterator[list[Object]]:
    """Yield ``objects`` some at a time, as many as may be on the disk together."""
    group: list[Object] = []
    for one in objects:
        size = sum(each.size for each in group) + one.size
        if group and (len(group) == MOST_OBJECTS or size > MOST_BYTES):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _together(failures: list[SourceError]) -> SourceError:
    if len(failures) == 1:
        return failures[0]
    return SourceError(
        f"{len(failures)} failures; the next run tries again; the first: {failures[0]}"
    )


def build(table: Table) -> ObjectStore:
    """Return what ``table`` describes.

    Raises:
        SettingsError: ``table`` is off, or obstore is not installed.
    """
    return ObjectStore(
        client=connect(table),
        lookback_ms=table.number("lookback_hours", 24) * HOUR_MS,
        backfill_ms=table.number("backfill_days", 90) * 24 * HOUR_MS,
        whole_every_ms=table.number("list_all_hours", 24) * HOUR_MS,
    )
