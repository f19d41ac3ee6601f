"""What people see of the state, and what they decide about alerts."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mfagap.alerts import AlertStatus, Change, Deed
from mfagap.detect.evaluate import rfc3339
from mfagap.detect.load import load_all
from mfagap.errors import SettingsError, UsageError
from mfagap.model import Severity, VerdictWord
from mfagap.notify.notice import Body, body, plain
from mfagap.service.matters import DAY_MS, RULE, SILENCE
from mfagap.service.run import notifier, wall_ms
from mfagap.settings import Settings
from mfagap.state.alerts import Alerts, Outbox
from mfagap.state.database import FILE, Database, Row
from mfagap.state.ledger import Ledger
from mfagap.state.sessions import Session, Sessions

ALL_TIME = (-(2**62), 2**62)

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

    Raises:
        UsageError: There is no state.
        StateError: The state cannot be read.
    """
    with _opened(settings) as database:
        return Alerts(database).listed(everything=everything)


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
    with _opened(settings) as database, database.change():
        alerts = Alerts(database)
        row = alerts.get(alert)
        if AlertStatus(row["status"]) not in before:
            raise UsageError(_refusal(alert, row["status"], after, word))
        values = {**row, "status": after.value, "resolution": resolution}
        alerts.put(alert, values, now_ms)
        alerts.tell(alert, word, now_ms, who=person.name, note=person.note)
        Sessions(database).await_runbook(row["detection"], row["dedup_key"])
    return after


def _refusal(alert: int, status: str, after: AlertStatus, word: str) -> str:
    if status == after.value:
        return f"alert {alert} is {status} already"
    hint = f"; `mfagap alerts reopen {alert}` opens it" if status == AlertStatus.CLOSED else ""
    return f"alert {alert} is {status}, and so cannot be {word}{hint}"


@contextmanager
def _opened(settings: Settings) -> Generator[Database]:
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
    with _opened(settings) as database:
        alerts, sessions = Alerts(database), Sessions(database)
        row = alerts.get(alert)
        severity, resolution = Severity(row["severity"]).word, row["resolution"]
        yield f"alert {alert}: {row['detection']}"
        yield f"  {severity} · {row['verdict'] or 'no verdict'} · {row['status']}" + (
            f" ({resolution})" if resolution else ""
        )
        for session in _members(alerts, sessions, row):
            context = session.finding.alert_context
            yield (
                f"  {context.session_start_time}  {context.user_email or '-'}  "
                f"{context.source_ip or '-'}  {session.finding.mfa_status.value}"
            )
            yield f"    session {context.external_session_id or '-'}, event {session.finding.uuid}"
            yield f"    client {context.user_agent or '-'}"
            run = sessions.investigation(row["detection"], session.finding.uuid)
            if run is not None:
                yield f"    {run.verdict.verdict.value}: {run.verdict.reason}"
                if run.verdict.follow_up_ms is not None:
                    yield f"    looked at again from {rfc3339(run.verdict.follow_up_ms)} on"
        for deed in alerts.deeds(alert):
            who = f" by {deed['who']}" if deed["who"] else ""
            note = f": {deed['note']}" if deed["note"] else ""
            yield f"  {rfc3339(deed['at_ms'])}  {deed['deed']}{who}{note}"


def _members(alerts: Alerts, sessions: Sessions, row: Row) -> list[Session]:
    members = alerts.members(int(row["id"]))
    if row["dedup_key"].startswith(RULE):
        span = (row["first_ms"] - DAY_MS, row["first_ms"] + DAY_MS)
        return sessions.of_rule(row["detection"], row["dedup_key"].removeprefix(RULE), span)
    known = sessions.of_keys(row["detection"], [row["dedup_key"]])
    return [session for session in known if session.finding.uuid in members]


def notice(settings: Settings, alert: int) -> Body:
    """Return what would be sent of ``alert`` now.

    Raises:
        UsageError: There is none of that number, or no state.
        StateError: The state cannot be read.
    """
    with _opened(settings) as database:
        alerts = Alerts(database)
        row = alerts.get(alert)
        members = _members(alerts, Sessions(database), row)
        deeds = alerts.deeds(alert)
    if not _is_of_users(row):
        return plain(
            Deed.OPENED, alert, row["detection"], deeds[0]["note"], Severity(row["severity"])
        )
    detection = next(d for d in load_all() if d.id == row["detection"])
    verdict = None if row["verdict"] is None else VerdictWord(row["verdict"])
    change = Change(Deed.OPENED, None, None, verdict, AlertStatus(row["status"]))
    return body(detection, alert, change, members, None)


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
    if route not in settings.routes:
        known = ", ".join(settings.routes) or "none"
        raise SettingsError(f"{settings.file}: no route {route!r}; there are: {known}")
    return notifier(settings.routes[route])


def _is_of_users(row: Row) -> bool:
    return row["detection"] != SILENCE and not row["dedup_key"].startswith(RULE)


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
    with _opened(settings) as database:
        return Outbox(database).unsent()


def ledger(settings: Settings) -> Iterator[str]:
    """Yield the ledger in words: ranges of slots, gaps, sources.

    Raises:
        UsageError: There is no state.
        StateError: The state cannot be read.
    """
    with _opened(settings) as database:
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
