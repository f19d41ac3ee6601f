"""What a durable run works with, and what is done with the lake's changes; see ``tick``."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from mfagap.alerts import Suppression
from mfagap.engines.duckdb import DuckDBEngine
from mfagap.errors import StateError
from mfagap.lake.store import Lake
from mfagap.model import Detection, Stretch
from mfagap.settings import FLOOD_LIMIT
from mfagap.state.alerts import Alerts, Outbox
from mfagap.state.database import Database, Row
from mfagap.state.ledger import SLOT_MS, Ledger, Reach, floor
from mfagap.state.sessions import Sessions
from mfagap.state.suppressions import Suppressions

WATCHED_MS = 30 * 24 * 3600 * 1000
"""How long after its start a session is looked at again where something new comes to light."""

TAKEN_IN = "generation"
"""The fact that tells how far the lake's changes were taken in."""

SEEN = "seen"
AHEAD = "ahead"
"""Facts that tell NOW of the last time, and when the lake's newest event was by then: what it had
of later than that NOW was not seen yet."""

ALL_TIME = (-(2**62), 2**62)


@dataclass(frozen=True, slots=True)
class Workshop:
    """The lake, the state and the detections of one state folder.

    Attributes:
        lake: The events.
        database: The state.
        detections: With the changes of the settings.
        routes: Names of notification routes, each with the least severity that it is told of.
        sources: Names of the sources that are read; None for all that are on file.
        flood_limit: Sessions that one policy rule may let in within 24 hours.
        scratch: A folder for what is not kept; None for the system's.
    """

    lake: Lake
    database: Database
    detections: Sequence[Detection]
    routes: Sequence[tuple[str, int]] = ()
    sources: Collection[str] | None = None
    flood_limit: int = FLOOD_LIMIT
    scratch: Path | None = None

    @property
    def ledger(self) -> Ledger:
        """Slots and sources."""
        return Ledger(self.database)

    @property
    def sessions(self) -> Sessions:
        """Findings and investigations."""
        return Sessions(self.database)

    @property
    def alerts(self) -> Alerts:
        """Alerts."""
        return Alerts(self.database)

    @property
    def outbox(self) -> Outbox:
        """Notices."""
        return Outbox(self.database)

    @property
    def suppressions(self) -> Suppressions:
        """Exceptions on alerts."""
        return Suppressions(self.database)

    @property
    def feeds(self) -> list[Row]:
        """What is known of each source that is read; one that is read no more holds nobody back."""
        rows = self.ledger.sources()
        return [row for row in rows if self.sources is None or row["name"] in self.sources]

    @property
    def event_types(self) -> list[str]:
        """The types of events that some detection reads."""
        return sorted({kind for detection in self.detections for kind in detection.event_types})


def exceptions(suppressions: Suppressions) -> list[Suppression]:
    """Return every suppression on file, those that have ended too."""
    return [
        Suppression(
            id=row["id"],
            until_ms=row["until_ms"] if row["ended_ms"] is None else row["ended_ms"],
            detection=row["detection"],
            user=row["user"],
            address=row["address"],
            rule=row["rule"],
            client=row["client"],
        )
        for row in suppressions.all()
    ]


def reach(detection: Detection) -> Reach:
    """Return what of the log decides about a slot of ``detection``."""
    before_s = max(detection.before_s, detection.chain_s)
    after_s = max(detection.after_s, detection.grace_s)
    return Reach(before_s * 1000, after_s * 1000, detection.grace_s * 1000)


def agree(lake: Lake, ledger: Ledger) -> None:
    """See that the lake holds all that the state has taken in.

    Raises:
        StateError: It is from before, and what it lacks would never be read again.
    """
    known, held = ledger.fact(TAKEN_IN) or 0, lake.holdings().generation
    if known > held:
        raise StateError(
            f"{lake.folder}: the lake is older than the state (write {held}, and the "
            f"state knows {known}): put back both from one copy, or move both aside, and all is "
            "read again"
        )


def take_in(workshop: Workshop, now_ms: int) -> None:
    """Mark all that the lake's changes since the last time may change, and what has come true.

    The lake keeps what each of its changes touched until it was taken in, and all is marked in one
    transaction: a crash between the lake and the state loses nothing. What was received after NOW
    is not seen yet, and so waits. Where the state is from before changes that the lake keeps no
    more, as after damage to its log, all is due.
    """
    ledger, held = workshop.ledger, workshop.lake.holdings()
    known = ledger.fact(TAKEN_IN) or 0
    changes = workshop.lake.changes(known)
    batches = list(takewhile(lambda batch: batch.received_ms <= now_ms, changes))
    touched = {slot * SLOT_MS for batch in batches for slot in batch.slots}
    keys = [*_keys(workshop, sorted(touched)), *(true := list(_come_true(workshop, now_ms)))]
    for row in true:
        touched |= {*range(floor(row["first_ms"]), row["last_ms"] + 1, SLOT_MS)}
    with workshop.database.change():
        for detection in workshop.detections:
            ledger.spoil(detection.id, reach(detection), sorted(touched))
            _touch(workshop, detection, keys, now_ms)
            if known < held.forgotten:
                ledger.forget(detection.id, ALL_TIME)
                workshop.sessions.await_all(detection.id, now_ms - WATCHED_MS)
        generations = (batch.generation for batch in batches)
        ledger.note(TAKEN_IN, max([known, held.forgotten, *generations]))
        ledger.note(SEEN, now_ms)
        ledger.note(AHEAD, held.newest_ms or 0)


def _touch(
    workshop: Workshop, detection: Detection, keys: Iterable[dict[str, Any]], now_ms: int
) -> None:
    """Make due what the runbook may see otherwise: sessions of a user, or from an address."""
    if detection.runbook is None:
        return
    steps = detection.runbook.steps
    before_ms = max(step.before_s for step in steps) * 1000
    after_ms = max(step.after_s or 0 for step in steps) * 1000
    for row in keys:
        users = [user for user in (row["actor_id"], row["target_id"]) if user]
        workshop.sessions.touch(users, now_ms - WATCHED_MS)
        if row["client_ip"]:
            span = (row["first_ms"] - after_ms, row["last_ms"] + before_ms)
            workshop.sessions.touch_address(row["client_ip"], span)


def _come_true(workshop: Workshop, now_ms: int) -> Iterable[dict[str, Any]]:
    """Yield whom the events concern that the lake had the last time, and that happened since."""
    seen_ms, ahead_ms = (workshop.ledger.fact(name) or 0 for name in (SEEN, AHEAD))
    if seen_ms < min(ahead_ms, now_ms):
        slots = range(floor(seen_ms), min(ahead_ms, now_ms) + 1, SLOT_MS)
        yield from _keys(workshop, slots, (seen_ms + 1, now_ms + 1))


def _keys(
    workshop: Workshop, touched: Sequence[int], within: tuple[int, int] = ALL_TIME
) -> Iterable[dict[str, Any]]:
    """Yield whom, and which address, the events in the slots ``touched`` concern."""
    if not touched:
        return
    columns = {"actor_id", "target_id", "client_ip", "event_ms"}
    span = (max(touched[0], within[0]), min(touched[-1] + SLOT_MS, within[1]))
    slots = ", ".join(str(from_ms // SLOT_MS) for from_ms in touched)
    stretch = Stretch(workshop.event_types, *span)
    with workshop.lake.read(columns, [stretch]) as connection:
        yield from DuckDBEngine(connection).run(
            f"""
SELECT actor_id, target_id, client_ip, min(event_ms) AS first_ms, max(event_ms) AS last_ms
FROM events WHERE event_ms // {SLOT_MS} IN ({slots}) GROUP BY ALL ORDER BY ALL""",
            {},
            {},
        )
