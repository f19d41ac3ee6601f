"""Rules that were closed and may be open again: an alert each time, as of any other matter.

Which rules are closed the journals tell. The log tells of each change of such a rule, and of what
may be asked before it; a snapshot of the policies tells that a rule is open, or was overtaken. An
event is told of once, in whatever ticks it comes, and what a snapshot shows once for each state.

Our own writes are known by Okta's id of the request, which it returns in ``X-Okta-Request-Id`` to
correlate an answer with the log (its design principles, on debugging requests), and by nothing
else: a name, a client or a moment may be somebody else's.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final, cast

from mfagap.alerts import AlertStatus
from mfagap.engines.duckdb import DuckDBEngine
from mfagap.errors import StateError
from mfagap.harden import policies, values
from mfagap.harden.journal import FOLDER, Journal, Run
from mfagap.harden.plan import KIND, is_weak
from mfagap.harden.snapshot import canonical
from mfagap.harden.values import at
from mfagap.model import Scalar, Severity, Stretch
from mfagap.model.org import Json, OktaPolicy, Rule, Snapshot
from mfagap.service.durable import TAKEN_IN, Workshop
from mfagap.service.matters import open_alert
from mfagap.state.closed import Closed
from mfagap.state.database import Row

GAP: Final = "gap_reopened"
"""Stands in the place of a detection."""

EVENT_TYPES: Final = ("policy.rule.*", "policy.lifecycle.*")
"""What can undo the change of a rule, or have another asked before it."""

_COLUMNS: Final = frozenset(
    (
        *("event_type", "event_ms", "actor_id", "actor_login", "targets", "outcome_result"),
        *("transaction_id", "request_id"),
    )
)
_CHANGES: Final = """
SELECT uuid, event_type, event_ms, actor_id, actor_login, targets, transaction_id, request_id
FROM events
WHERE outcome_result IS NULL OR upper(outcome_result) <> 'FAILURE'
ORDER BY event_ms, uuid"""
_RULES: Final = frozenset(("policyrule", "rule"))
"""Types of targets that are a rule."""


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
    runs, opened = _runs(workshop, now_ms)
    closed = _closed(workshop, runs)
    from_ms = _from(workshop, closed, now_ms)
    if from_ms is None:
        return opened
    own = {entry.request for run in runs for entry in run.entries} - {None}
    lake = workshop.lake
    stretch = Stretch(EVENT_TYPES, from_ms, now_ms + 1)
    with lake.read(_COLUMNS, [stretch], now_ms) as connection:
        events = DuckDBEngine(connection).run(_CHANGES, {}, {})
    with workshop.database.change():
        for event in events:
            if own.isdisjoint((event["transaction_id"], event["request_id"])):
                opened += _tell(workshop, event, closed, now_ms)
        Closed(workshop.database).looked(closed)
    return opened


def seen(workshop: Workshop, snapshot: Snapshot, now_ms: int) -> int:
    """Open an alert for each closed rule that ``snapshot`` shows open, overtaken, or not at all.

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
    runs, opened = _runs(workshop, now_ms)
    taken_ms, known = snapshot.taken_ms, policies.read(snapshot, KIND)
    made = {_version(entry.after) for run in runs for entry in run.entries if entry.after}
    rows = _closed(workshop, runs)
    with workshop.database.change():
        for row in rows:
            if taken_ms is None or taken_ms <= row["closed_ms"]:
                continue
            moment = (taken_ms, now_ms)
            for rule in _before(row, known):
                version = _version(rule.json)
                title = f"{_named(row)}, is asked after a newer one that lets a password alone in"
                if version not in made:
                    key = f"before {' '.join(version)}"
                    opened += _open(workshop, key, f"{title}: {rule.name}", moment) is not None
            found = _state(row, known, complete=snapshot.part(KIND).known)
            if found is not None and row["status"] in (None, AlertStatus.CLOSED):
                opened += _open_about(workshop, row, found[0], f"{_named(row)}, {found[1]}", moment)
    return opened


def _runs(workshop: Workshop, now_ms: int) -> tuple[tuple[Run, ...], int]:
    """Return what the journals tell; and 1 where they cannot be read and nobody was told of it."""
    try:
        return Journal(workshop.database.file.parent / FOLDER, "", lambda: now_ms).runs(), 0
    except StateError as error:
        title = f"Rules that were closed may not be watched, since a journal is off: {error}"
        with workshop.database.change():
            number = _open(workshop, f"journal {error}", title, (now_ms, now_ms))
        return (), int(number is not None)


def _closed(workshop: Workshop, runs: Sequence[Run]) -> list[Row]:
    """Return the closed rules, on file as the journals tell.

    One whose journal is not there any more stays on file.
    """
    file = Closed(workshop.database)
    found = {rule.rule_id: (run.id, rule) for run in runs for rule in run.closed}
    ids = {run.id for run in runs}
    with workshop.database.change():
        rows = {row["rule_id"]: row for row in file.list()}
        for rule_id, row in rows.items():
            if row["run"] in ids and rule_id not in found:
                file.remove(rule_id)
        for run, rule in found.values():
            row = rows.get(rule.rule_id)
            if row is None or (row["run"], row["closed_ms"]) != (run, rule.at_ms):
                named = {"rule_id": rule.rule_id, "policy_id": rule.policy_id, "name": rule.name}
                file.put({**named, "run": run, "closed_ms": rule.at_ms})
        return file.list()


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


def _tell(
    workshop: Workshop, event: Mapping[str, Scalar], closed: Sequence[Row], now_ms: int
) -> int:
    """Open the alerts of an event that is not ours, and return how many.

    One for each closed rule that it changed; where it changed none, one that something else
    may be asked before such a rule.
    """
    event_ms = int(cast("int", event["event_ms"]))
    rows = [row for row in closed if event_ms > row["closed_ms"]]
    targets, uuid, moment = _targets(event), str(event["uuid"]), (event_ms, now_ms)
    who = event["actor_login"] or event["actor_id"] or "somebody whom the log does not name"
    told = f"{event['event_type']} by {who}"
    if about := [row for row in rows if targets is None or _is_about(targets, row)]:
        return sum(
            _open_about(workshop, row, uuid, f"{_named(row)}, was changed again: {told}", moment)
            for row in about
        )
    if targets is None or not rows:
        return 0
    ids = _ids(targets)
    row = next((row for row in rows if row["policy_id"] in ids), rows[0])
    if row["policy_id"] not in ids and not _may_be_of_sessions(targets):
        return 0
    title = f"{_other(event, row, ids)}: {told}"
    return int(_open(workshop, uuid, title, moment, Severity.MEDIUM) is not None)


def _other(event: Mapping[str, Scalar], row: Row, ids: frozenset[str]) -> str:
    """Return what an event did that is not about the closed rule itself."""
    word = str(event["event_type"]).lower()
    what = "rule" if word.startswith("policy.rule.") else "policy"
    done = "added" if word.endswith((".add", ".create")) else "changed"
    where = "to" if done == "added" else "in"
    named = f"the policy rule {row['name']}, which was closed"
    if row["policy_id"] in ids:
        return f"A rule was {done} {where} the policy of {named}: look whether it comes before it"
    return f"Another {what} was {done}: look whether it comes before {named}"


def _targets(event: Mapping[str, Scalar]) -> tuple[Json, ...] | None:
    """Return what an event is about; None where its form hides that, so that it may be anything.

    The lake leaves nothing of a target that is no object.
    """
    try:
        found = values.parsed(str(event["targets"] or "[]"))
    except ValueError:  # such as nested too deeply
        return None
    targets = values.objects(found)
    whole = targets and len(targets) == len(values.items(found))
    return targets if whole and all(values.text(at(each, "id")) for each in targets) else None


def _ids(targets: Sequence[Json]) -> frozenset[str]:
    return frozenset(str(at(target, "id")) for target in targets)


def _is_about(targets: Sequence[Json], row: Row) -> bool:
    """Tell whether a target is the rule; or its policy, where the event is about no other rule."""
    ids = _ids(targets)
    rules = any(_kind(target) in _RULES for target in targets)
    return row["rule_id"] in ids or (row["policy_id"] in ids and not rules)


def _may_be_of_sessions(targets: Sequence[Json]) -> bool:
    """Tell whether no target is a policy of which it is told that it is none of sessions."""
    policy = [each for each in targets if "policy" in _kind(each) and _kind(each) not in _RULES]
    kinds = [values.text(at(each, "detailEntry", "policyType")) for each in policy]
    # OktaSignOn, in whatever spelling
    return not kinds or any(
        kind is None or re.sub("[^a-z]", "", kind.lower()) == "oktasignon" for kind in kinds
    )


def _kind(target: Json) -> str:
    return (values.text(at(target, "type")) or "").lower()


def _named(row: Row) -> str:
    return f"The policy rule {row['name']}, which was closed"


def _before(row: Row, known: Sequence[OktaPolicy]) -> Iterator[Rule]:
    """Yield the open rules that are asked before a closed one, and that are not known to be older.

    Where the closed one is not there nothing is before it.
    """
    asked = [(policy, rule) for policy in known for rule in policy.rules or ()]
    if all(rule.id != row["rule_id"] for _, rule in asked):
        return
    for policy, rule in takewhile(lambda pair: pair[1].id != row["rule_id"], asked):
        changed_ms = values.moment(at(rule.json, "lastUpdated"))
        is_newer = changed_ms is None or changed_ms > row["closed_ms"]
        if policy.active and rule.active and _is_open(rule) and is_newer:
            yield rule


def _is_open(rule: Rule) -> bool:
    return rule.access == "ALLOW" and rule.requires_factor is not True


def _state(row: Row, known: Sequence[OktaPolicy], *, complete: bool) -> tuple[str, str] | None:
    """Return the state of a rule that is closed no more, and words for it; None where it is."""
    policy = next((p for p in known if any(r.id == row["rule_id"] for r in p.rules or ())), None)
    rule = next((r for r in policy.rules or () if r.id == row["rule_id"]), None) if policy else None
    if policy is None or rule is None:
        return ("gone", "is not there any more") if complete else None
    _, state = _version(rule.json)
    if not policy.active or not rule.active:
        return f"inactive {state}", "is not in force any more"
    if _is_open(rule):
        return f"open {state}", "lets a password alone in again"
    if is_weak(rule):
        return f"weak {state}", "lets a factor that was passed count too long again"
    return None


def _version(rule: Json) -> tuple[str, str]:
    """Return the id of a rule, and what is another after each change of it."""
    updated = values.text(at(rule, "lastUpdated"))
    version = updated or hashlib.sha256(canonical(rule)).hexdigest()
    return values.text(at(rule, "id")) or "", version


def _open_about(
    workshop: Workshop, row: Row, state: str, title: str, moment: tuple[int, int]
) -> bool:
    """Open the alert of a closed rule and an event or state; tell whether there was none."""
    number = _open(workshop, f"{row['rule_id']} {state}", title, moment)
    if number is not None:
        Closed(workshop.database).told(row["rule_id"], number)
    return number is not None


def _open(
    workshop: Workshop,
    key: str,
    title: str,
    moment: tuple[int, int],
    severity: Severity = Severity.HIGH,
) -> int | None:
    """Open an alert, and return its number; None where there was one of that key."""
    if workshop.alerts.of_keys(GAP, [key]):
        return None
    return open_alert(workshop, (GAP, key), title, severity, moment)
