"""What people see of the state, and what they decide about alerts."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mfagap.alerts import AlertStatus, Change, Cover, Deed, cover
from mfagap.detect.evaluate import rfc3339
from mfagap.detect.load import load_all
from mfagap.errors import SettingsError, UsageError
from mfagap.investigate.run import UNRESOLVED
from mfagap.model import Severity, VerdictWord
from mfagap.notify.notice import Body, body, plain
from mfagap.service.durable import ALL_TIME, exceptions
from mfagap.service.matters import RULE, SILENCE, let_in
from mfagap.service.regressions import GAP
from mfagap.service.run import notifier, wall_ms
from mfagap.settings import Settings, Table
from mfagap.state.alerts import Alerts, Outbox
from mfagap.state.database import FILE, Database, Row
from mfagap.state.ledger import Ledger
from mfagap.state.sessions import Session, Sessions
from mfagap.state.suppressions import Suppressions

STEPS = {
    "ack": ((AlertStatus.OPEN,), AlertStatus.ACKNOWLEDGED, "acknowledged"),
    "close": ((AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED), AlertStatus.CLOSED, "closed"),
    "reopen": ((AlertStatus.CLOSED,), AlertStatus.OPEN, "reopened"),
}
"""What a person can do: from where, to where, and the word for it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who decides, and why."""

    name: str
    note: str | None


def listed(settings: Settings, *, everything: bool) -> list[Row]:
    """Return the alerts that are not closed, or all.

    Each with what hides it: ``suppressed_by``, and ``of_rule``, the alert of the policy rule that
    counts all of its sessions, where none of them has a signal of abuse of its own.

    Raises:
        UsageError: There is no state.
        StateError: The state cannot be read.
    """
    with opened(settings) as database:
        rows = Alerts(database).listed(everything=everything)
        hidden = covers(database, rows, wall_ms())
        counted = _counted(database, rows)
        return [
            _listed(database, row, hidden.get(int(row["id"])))
            | {"of_rule": counted.get(int(row["id"]))}
            for row in rows
        ]


def _counted(database: Database, rows: Iterable[Row]) -> dict[int, int]:
    """Return the rule's alert that counts all sessions of an alert of ``rows``, by its number."""
    rules: dict[tuple[str, str], int] = {}
    for row in Alerts(database).beginning(RULE):
        for session in _members(database, row):
            rules[session.finding.detection, session.finding.uuid] = int(row["id"])
    quiet = [row for row in rows if _is_of_users(row) and _verdict(row) not in UNRESOLVED]
    found = Sessions(database).of_alerts(int(row["id"]) for row in quiet) if rules else {}
    counted: dict[int, int] = {}
    for number, sessions in found.items():
        known = [rules.get((s.finding.detection, s.finding.uuid)) for s in sessions]
        if None not in known:
            counted[number] = max(rule for rule in known if rule is not None)
    return counted


def _listed(database: Database, row: Row, covered: Cover | None) -> dict[str, Any]:
    told = {**row, "rule": None, "suppressed_by": list(covered.suppressions) if covered else []}
    if row["dedup_key"].startswith(RULE):
        told["rule"] = row["dedup_key"]
        found = _members(database, row)
        users = {session.finding.alert_context.user_email for session in found}
        told |= {"findings": len(found), "users": sorted(user for user in users if user)}
    return told


def covers(database: Database, rows: Iterable[Row], now_ms: int) -> dict[int, Cover]:
    """Return what hides each alert of ``rows`` that is hidden at ``now_ms``, by its number."""
    known = exceptions(Suppressions(database))
    if not any(now_ms < item.until_ms for item in known):
        return {}
    rows = [row for row in rows if row["status"] != AlertStatus.CLOSED]
    found = Sessions(database).of_alerts(int(row["id"]) for row in rows)
    hidden: dict[int, Cover] = {}
    for row in rows:
        number = int(row["id"])
        members = found[number] if number in found else _members(database, row)
        findings = [session.finding for session in members]
        covered = cover(known, findings, _verdict(row))
        if covered is not None and now_ms < covered.until_ms:
            hidden[number] = covered
    return hidden


def _verdict(row: Row) -> VerdictWord | None:
    return None if row["verdict"] is None else VerdictWord(row["verdict"])


def decide(
    settings: Settings, alert: int, deed: str, person: Person, resolution: str | None
) -> AlertStatus:
    """Do ``deed`` to ``alert``; return where it is then.

    It does not wait for a run that is under way: SQLite puts one change after the other.

    Raises:
        UsageError: There is no such alert, or it is so already.
        StateError: The state cannot be written.
    """
    before, after, word = STEPS[deed]
    now_ms = wall_ms()
    with opened(settings) as database, database.change():
        alerts = Alerts(database)
        row = alerts.get(alert)
        if AlertStatus(row["status"]) not in before:
            raise UsageError(_refusal(alert, row["status"], after, word))
        values = {**row, "status": after.value, "resolution": resolution}
        alerts.put(alert, values, now_ms)
        alerts.tell(alert, word, now_ms, who=person.name, note=person.note)
        Suppressions(database).told(alert)
        Sessions(database).await_runbook(row["detection"], row["dedup_key"])
    return after


def _refusal(alert: int, status: str, after: AlertStatus, word: str) -> str:
    if status == after.value:
        return f"alert {alert} is {status} already"
    hint = f"; `mfagap alerts reopen {alert}` opens it" if status == AlertStatus.CLOSED else ""
    return f"alert {alert} is {status}, and so cannot be {word}{hint}"


@contextmanager
def opened(settings: Settings) -> Generator[Database]:
    """Open the state, which is there.

    Raises:
        UsageError: It is not: nothing found is not the same as nothing read.
        StateError: It cannot be read.
    """
    if not (settings.state / FILE).exists():
        raise UsageError(
            f"{settings.state}: no state there yet; `mfagap run --once` makes it, and --config "
            "FILE or MFAGAP_CONFIG tells where it is"
        )
    with Database(settings.state) as database:
        yield database


def shown(settings: Settings, alert: int) -> Iterator[str]:
    """Yield one alert in words: its sessions, and what happened to it.

    Raises:
        UsageError: There is none of that number, or no state.
        StateError: The state cannot be read.
    """
    with opened(settings) as database:
        row = Alerts(database).get(alert)
        severity, resolution = Severity(row["severity"]).word, row["resolution"]
        yield f"alert {alert}: {row['detection']}"
        yield f"  {severity} · {row['verdict'] or 'no verdict'} · {row['status']}" + (
            f" ({resolution})" if resolution else ""
        )
        covered = covers(database, [row], wall_ms()).get(alert)
        for number in covered.suppressions if covered else ():
            held = Suppressions(database).get(number)
            until = rfc3339(held["until_ms"])
            yield f"  suppressed by {number} until {until}: {held['reason']} ({held['owner']})"
        members = _members(database, row)
        if row["dedup_key"].startswith(RULE):
            yield f"  sessions: {len(members)}"
        for session in members:
            yield from _session(Sessions(database), session)
        for deed in Alerts(database).deeds(alert):
            who = f" by {deed['who']}" if deed["who"] else ""
            note = f": {deed['note']}" if deed["note"] else ""
            yield f"  {rfc3339(deed['at_ms'])}  {deed['deed']}{who}{note}"


def _session(sessions: Sessions, session: Session) -> Iterator[str]:
    """Yield one session in words, and what it was said to be where that has changed."""
    finding = session.finding
    context, rule = finding.alert_context, finding.policy
    yield (
        f"  {context.session_start_time}  {context.user_email or '-'}  "
        f"{context.source_ip or '-'}  {finding.mfa_status.value}"
    )
    yield f"    session {context.external_session_id or '-'}, event {finding.uuid}"
    yield f"    client {context.user_agent or '-'}"
    if rule.rule_id is not None:
        yield f"    policy rule {rule.rule_name or '-'}, {rule.rule_id}"
    run = sessions.investigation(finding.detection, finding.uuid)
    if run is not None:
        yield f"    {run.verdict.verdict.value}: {run.verdict.reason}"
        if run.verdict.follow_up_ms is not None:
            yield f"    looked at again from {rfc3339(run.verdict.follow_up_ms)} on"
    history = sessions.history(finding.detection, finding.uuid)
    if len(history) > 1 + (run is not None):
        yield from (f"    {rfc3339(at_ms)}  {word}" for at_ms, word in history)


def _members(database: Database, row: Row) -> list[Session]:
    sessions = Sessions(database)
    if row["dedup_key"].startswith(RULE):
        return let_in(sessions, row["detection"], row["dedup_key"], row["first_ms"])
    return sessions.of_alerts([int(row["id"])]).get(int(row["id"]), [])


def notice(settings: Settings, alert: int) -> Body:
    """Return what would be sent of ``alert`` now.

    Raises:
        UsageError: There is none of that number, or no state.
        StateError: The state cannot be read.
    """
    with opened(settings) as database:
        row = Alerts(database).get(alert)
        found = _members(database, row)
        title = Alerts(database).deeds(alert)[0]["note"]
    if not _is_of_users(row):
        severity = Severity(row["severity"])
        return plain(Deed.OPENED, alert, row["detection"], title, severity, found)
    detection = next(d for d in load_all() if d.id == row["detection"])
    change = Change(Deed.OPENED, None, None, _verdict(row), AlertStatus(row["status"]))
    return body(detection, alert, change, found, None)


def preview(settings: Settings, alert: int, route: str) -> str:
    """Return what would be sent of ``alert`` now, as ``route`` sends it.

    Raises:
        UsageError: There is none of that number, or no state.
        StateError: The state cannot be read.
        SettingsError: There is no such route, it is off, or its kind shows nothing.
        NotifyError: It cannot be sent as it is.
    """
    sender = _route(settings, route)
    if not hasattr(sender, "render"):
        raise SettingsError(
            f"{settings.file}: route {route!r} has no `render`, which a preview needs"
        )
    return str(sender.render(f"{alert}-preview-{route}", notice(settings, alert), wall_ms()))


def _route(settings: Settings, route: str) -> Any:
    return notifier(_table(settings, route))


def _table(settings: Settings, route: str) -> Table:
    if route not in settings.routes:
        known = ", ".join(settings.routes) or "none"
        raise SettingsError(f"{settings.file}: no route {route!r}; there are: {known}")
    return settings.routes[route]


def _is_of_users(row: Row) -> bool:
    own = row["detection"] in (SILENCE, GAP)
    return not own and not row["dedup_key"].startswith(RULE)


def test_route(settings: Settings, route: str) -> None:
    """Send a notice that says that it is a test.

    Raises:
        SettingsError: There is no such route, or it is off.
        NotifyError: It was not taken.
    """
    sender = _route(settings, route)
    now_ms = wall_ms()
    detection = load_all()[0]
    change = Change(Deed.OPENED, None, None, None, AlertStatus.OPEN)
    told = {**body(detection, 0, change, [], None), "kind": "test", "title": "A test of mfagap"}
    sender.send(f"test-{now_ms}", told, now_ms)


def unsent(settings: Settings) -> list[Row]:
    """Return the notices that wait, or were parked.

    Raises:
        UsageError: There is no state.
        StateError: The state cannot be read.
    """
    with opened(settings) as database:
        return Outbox(database).unsent()


def retry(settings: Settings, route: str | None) -> int:
    """Have the next run send what waits or was parked; return how many notices that are.

    Raises:
        SettingsError: There is no such route.
        UsageError: There is no state.
        StateError: The state cannot be written.
    """
    if route is not None:
        _table(settings, route)
    with opened(settings) as database, database.change():
        return Outbox(database).retry(wall_ms(), route)


def ledger(settings: Settings) -> Iterator[str]:
    """Yield the ledger in words: ranges of slots, gaps, sources.

    Raises:
        UsageError: There is no state.
        StateError: The state cannot be read.
    """
    with opened(settings) as database:
        book = Ledger(database)
        for detection in load_all():
            yield detection.id
            last: list[Row] = []
            for row in book.slots([detection.id], ALL_TIME):
                if last and not _alike(last[-1], row):
                    yield _range(last)
                    if row["from_ms"] > last[-1]["to_ms"]:
                        yield f"  {rfc3339(last[-1]['to_ms'])} to {rfc3339(row['from_ms'])}  GAP"
                    last = []
                last.append(row)
            yield _range(last) if last else "  no slot was evaluated yet"
        for row in book.sources():
            mark = "nothing" if row["watermark_ms"] is None else rfc3339(row["watermark_ms"])
            yield f"{row['name']}: complete until {mark}, heard {rfc3339(row['heard_ms'])}"


def _alike(one: Row, other: Row) -> bool:
    keys = ("watermark_ms", "dirty")
    return one["to_ms"] == other["from_ms"] and all(one[key] == other[key] for key in keys)


def _range(rows: list[Row]) -> str:
    events, starts = (sum(int(row[key]) for row in rows) for key in ("events", "starts"))
    dirty = "  DIRTY" if rows[0]["dirty"] else ""
    return (
        f"  {rfc3339(rows[0]['from_ms'])} to {rfc3339(rows[-1]['to_ms'])}  {len(rows)} slots  "
        f"{events:,} events  {starts:,} starts  watermark {rfc3339(rows[0]['watermark_ms'])}{dirty}"
    )
