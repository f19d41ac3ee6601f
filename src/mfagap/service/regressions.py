"""Rules that were closed and are changed again: an alert each time, as of any other matter.

The log tells of each change; a snapshot of the policies tells that a rule is open. An event is told
of once, in whatever ticks it comes, and a rule that a snapshot shows open once for each state.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, cast

from mfagap.alerts import AlertStatus
from mfagap.engines.duckdb import DuckDBEngine
from mfagap.harden import policies, values
from mfagap.harden.journal import Run
from mfagap.harden.plan import KIND
from mfagap.harden.snapshot import canonical
from mfagap.harden.values import at
from mfagap.model import Scalar, Severity
from mfagap.model.org import OktaPolicy, Snapshot
from mfagap.service.durable import TAKEN_IN, Workshop
from mfagap.service.matters import open_alert
from mfagap.state.closed import Closed
from mfagap.state.database import Database, Row

GAP: Final = "gap_reopened"
"""Stands in the place of a detection."""

EVENT_TYPES: Final = (
    *(f"policy.rule.{word}" for word in ("update", "deactivate", "delete", "invalidate")),
    "policy.lifecycle.*",
)
"""What can undo the change of a rule."""

OWN_MS: Final = 60_000
"""How long after the change an event may still be of the write itself."""
OWN_CLIENT: Final = "mfagap/"
"""How the name begins by which our client calls itself."""

_COLUMNS: Final = frozenset(
    ("event_type", "event_ms", "actor_id", "actor_login", "user_agent", "targets", "outcome_result")
)
_CHANGES: Final = """
SELECT uuid, event_type, event_ms, actor_id, actor_login, user_agent, targets FROM events
WHERE outcome_result IS NULL OR upper(outcome_result) <> 'FAILURE'
ORDER BY event_ms, uuid"""
_RULES: Final = frozenset(("policyrule", "rule"))
"""Types of targets that are a rule."""


def close(database: Database, run: Run, actor_id: str | None) -> None:
    """Put on file which rules a run closed.

    Args:
        database: The state.
        run: That was applied.
        actor_id: Whom the log names for our writes: the service app, or the API token's owner. None
            where nobody knows: then any change counts.

    Raises:
        StateError: The state cannot be written.
    """
    with database.change():
        for rule in run.closed:
            Closed(database).put(
                {
                    "rule_id": rule.rule_id,
                    "policy_id": rule.policy_id,
                    "name": rule.name,
                    "run": run.id,
                    "closed_ms": rule.at_ms,
                    "actor_id": actor_id,
                }
            )


def reopen(database: Database, run: Run) -> None:
    """Take from file what a run closed, which was taken back.

    Raises:
        StateError: The state cannot be written.
    """
    with database.change():
        Closed(database).remove(run.id)


def look(workshop: Workshop, now_ms: int) -> int:
    """Open an alert for each change of a closed rule in what the lake took since the last time.

    To be called before the lake's changes are taken in. Of a rule that is new on file the whole log
    since it was closed is looked through.

    Args:
        workshop: The state.
        now_ms: What happened or was received later is not seen.

    Returns:
        How many alerts were opened.

    Raises:
        LakeError: The lake cannot be read.
        StateError: The state cannot be written.
    """
    closed = Closed(workshop.database).list()
    from_ms = _from(workshop, closed, now_ms)
    if from_ms is None:
        return 0
    lake = workshop.lake
    with lake.read(_COLUMNS, EVENT_TYPES, from_ms, now_ms + 1, now_ms) as connection:
        events = DuckDBEngine(connection).run(_CHANGES, {}, {})
    with workshop.database.change():
        opened = sum(
            _open(
                workshop, row, str(event["uuid"]), _title(row, event), (event["event_ms"], now_ms)
            )
            for event in events
            for row in closed
            if _undoes(event, row)
        )
        Closed(workshop.database).looked(closed)
    return opened


def seen(workshop: Workshop, snapshot: Snapshot, now_ms: int) -> int:
    """Open an alert for each closed rule that ``snapshot`` shows open, or does not show any more.

    One that was taken before a rule was closed, or nobody knows when, tells nothing of it. A rule
    about which an alert is open, whatever told of it, is known.

    Args:
        workshop: The state.
        snapshot: Of the org.
        now_ms: The moment.

    Returns:
        How many alerts were opened.

    Raises:
        StateError: The state cannot be written.
    """
    taken_ms, known = snapshot.taken_ms, policies.read(snapshot, KIND)
    opened = 0
    with workshop.database.change():
        for row in Closed(workshop.database).list():
            new = taken_ms is not None and taken_ms > row["closed_ms"]
            if not new or row["status"] not in (None, AlertStatus.CLOSED):
                continue
            found = _state(row, known, complete=snapshot.part(KIND).known)
            if found is not None:
                state, says = found
                title = f"The policy rule {row['name']}, which was closed, {says}"
                opened += _open(workshop, row, state, title, (taken_ms or now_ms, now_ms))
    return opened


def _from(workshop: Workshop, closed: Sequence[Row], now_ms: int) -> int | None:
    """Return from when on the log is to be looked through; None where nothing is new."""
    if not closed:
        return None
    changes = workshop.lake.changes(workshop.ledger.fact(TAKEN_IN) or 0)
    batches = takewhile(lambda batch: batch.received_ms <= now_ms, changes)
    begins = [batch.oldest_ms for batch in batches if batch.oldest_ms is not None]
    begins += [row["closed_ms"] for row in closed if not row["looked"]]
    first_ms = min(row["closed_ms"] for row in closed)
    return max(min(begins), first_ms) if begins else None


def _undoes(event: Mapping[str, Scalar], row: Row) -> bool:
    """Tell whether an event changed a closed rule, or its policy, after it was closed.

    The write that closed it is logged too: it came from us, and at once. Later ours are those of
    our actor by our client, since the actor may be a person who has other clients.
    """
    since_ms = int(cast("int", event["event_ms"])) - row["closed_ms"]
    if since_ms <= 0 or not _is_about(event, row):
        return False
    agent = str(event["user_agent"] or "")
    is_actor = row["actor_id"] is not None and event["actor_id"] == row["actor_id"]
    if since_ms <= OWN_MS and (is_actor or row["actor_id"] is None):
        return False
    return not (is_actor and agent.startswith(OWN_CLIENT))


def _is_about(event: Mapping[str, Scalar], row: Row) -> bool:
    """Tell whether a target is the rule; or its policy, where the event is about no other rule."""
    try:
        targets = values.objects(values.parsed(str(event["targets"] or "[]")))
    except ValueError:  # nested so deeply that it hides what it is about
        return True
    ids = {at(target, "id") for target in targets}
    rules = any(str(at(target, "type")).lower() in _RULES for target in targets)
    return row["rule_id"] in ids or (row["policy_id"] in ids and not rules)


def _title(row: Row, event: Mapping[str, Scalar]) -> str:
    who = event["actor_login"] or event["actor_id"] or "somebody whom the log does not name"
    return (
        f"The policy rule {row['name']}, which was closed, was changed again: "
        f"{event['event_type']} by {who}"
    )


def _state(row: Row, known: Sequence[OktaPolicy], *, complete: bool) -> tuple[str, str] | None:
    """Return the state of a rule that is closed no more, and words for it; None where it is."""
    policy = next((p for p in known if any(r.id == row["rule_id"] for r in p.rules or ())), None)
    rule = next((r for r in policy.rules or () if r.id == row["rule_id"]), None) if policy else None
    if policy is None or rule is None:
        return ("gone", "is not there any more") if complete else None
    version = values.text(at(rule.json, "lastUpdated"))
    state = version or hashlib.sha256(canonical(rule.json)).hexdigest()
    if not policy.active or not rule.active:
        return f"inactive {state}", "is not in force any more"
    if rule.access == "ALLOW" and rule.requires_factor is not True:
        return f"open {state}", "lets a password alone in again"
    return None


def _open(workshop: Workshop, row: Row, state: str, title: str, moment: tuple[Any, int]) -> bool:
    """Open the alert of a rule and an event or state, where there is none; tell whether it did."""
    key = f"{row['rule_id']} {state}"
    if workshop.alerts.of_keys(GAP, [key]):
        return False
    number = open_alert(workshop, (GAP, key), title, Severity.HIGH, moment)
    Closed(workshop.database).told(row["rule_id"], number)
    return True
