"""What people see of the state, and what they decide; without any event, as the state has it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.notify.receivers import table
from tests.report.results import FINDING, NOON_MS, investigated

from mfagap.alerts import AlertStatus
from mfagap.errors import SettingsError, UsageError
from mfagap.model import MfaStatus, Policy
from mfagap.service import casebook
from mfagap.service.casebook import Person
from mfagap.settings import Settings
from mfagap.state.alerts import Alerts, Outbox
from mfagap.state.database import Database
from mfagap.state.ledger import SLOT_MS, Ledger
from mfagap.state.sessions import Sessions

ID = FINDING.detection
ADA = Person("ada", "it is a test")


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    """Settings with one route, and a state with one alert of one investigated session."""
    route = table(type="file", path=str(tmp_path / "out.jsonl"))
    configured = Settings(file="mfagap.toml", state=tmp_path / "state", routes={"log": route})
    ((_, run),) = investigated(follow_up_ms=NOON_MS + 3_600_000).items()
    values = {
        "detection": ID,
        "dedup_key": FINDING.dedup_key,
        "first_ms": NOON_MS,
        "status": "open",
        "resolution": None,
        "severity": 4,
        "verdict": "true_positive",
    }
    with Database(configured.state) as database, database.change():
        Sessions(database).store(ID, (NOON_MS, NOON_MS + 1), [FINDING], (NOON_MS, NOON_MS))
        Sessions(database).conclude(run, NOON_MS)
        alerts = Alerts(database)
        alerts.put(None, values, NOON_MS)
        alerts.enlist(1, ID, [FINDING.uuid])
        alerts.tell(1, "opened", NOON_MS)
    return configured


def test_what_a_person_decides_is_kept_and_the_runbook_waits(configured: Settings) -> None:
    for deed, resolution, status in (
        ("ack", None, AlertStatus.ACKNOWLEDGED),
        ("close", "handled", AlertStatus.CLOSED),
        ("reopen", None, AlertStatus.OPEN),
    ):
        assert casebook.decide(configured, 1, deed, ADA, resolution) is status
        (row,) = casebook.listed(configured, everything=True)
        assert (row["status"], row["resolution"]) == (status.value, resolution)
        open_now = casebook.listed(configured, everything=False)
        assert len(open_now) == (status is not AlertStatus.CLOSED)
    with Database(configured.state) as database:
        assert [s.finding for s in Sessions(database).due(ID, 0)] == [FINDING]
        told = [(d["deed"], d["who"], d["note"]) for d in Alerts(database).deeds(1)]
    words = ("acknowledged", "closed", "reopened")
    assert told == [("opened", None, None), *((word, "ada", "it is a test") for word in words)]


def test_what_cannot_be_decided_changes_nothing(configured: Settings) -> None:
    for number, deed, why in (
        (1, "reopen", "alert 1 is open already"),
        (7, "ack", "no alert 7; `mfagap alerts list --all` tells the numbers"),
    ):
        with pytest.raises(UsageError) as caught:
            casebook.decide(configured, number, deed, ADA, None)
        assert str(caught.value) == why
    assert len(list(casebook.shown(configured, 1))) == 9


def test_an_alert_in_words(configured: Settings) -> None:
    casebook.decide(configured, 1, "close", Person("ada", None), "handled")
    *lines, last = casebook.shown(configured, 1)
    assert lines == [
        f"alert 1: {ID}",
        "  critical · true_positive · closed (handled)",
        "  2026-01-15T12:00:00.000Z  ada@example.com  192.0.2.10  single_factor",
        f"    session 102A, event {FINDING.uuid}",
        f"    client {FINDING.alert_context.user_agent}",
        "    policy rule Default Rule, 0pr1",
        "    true_positive: It acted. [acts] An act was seen [acts: act-uuid].",
        "    looked at again from 2026-01-15T13:00:00.000Z on",
        "  2026-01-15T12:00:00.000Z  opened",
    ]
    assert last.endswith("  closed by ada")


def test_what_a_session_was_said_to_be_before(configured: Settings) -> None:
    unsettled = replace(FINDING, mfa_status=MfaStatus.UNSETTLED, policy=Policy())
    with Database(configured.state) as database, database.change():
        later = (NOON_MS, NOON_MS + 1000)
        Sessions(database).store(ID, (NOON_MS, NOON_MS + 1), [unsettled], later)
    assert list(casebook.shown(configured, 1))[5:-1] == [
        "    true_positive: It acted. [acts] An act was seen [acts: act-uuid].",
        "    looked at again from 2026-01-15T13:00:00.000Z on",
        "    2026-01-15T12:00:00.000Z  single_factor, high confidence",
        "    2026-01-15T12:00:00.000Z  true_positive",
        "    2026-01-15T12:00:01.000Z  unsettled, high confidence",
    ], "no rule is known any more"


def test_what_would_be_sent(configured: Settings) -> None:
    told = casebook.notice(configured, 1)
    assert (told["kind"], told["verdict"], told["severity"]) == (
        "opened",
        "true_positive",
        "critical",
    )
    assert (told["users"], told["sessions"]) == (["ada@example.com"], 1)


def test_a_route_is_tried(configured: Settings) -> None:
    casebook.test_route(configured, "log")
    file = Path(configured.routes["log"].text("path"))
    (line,) = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert (line["kind"], line["title"], line["alert"]) == ("test", "A test of mfagap", 0)
    with pytest.raises(SettingsError) as caught:
        casebook.test_route(configured, "chat")
    assert str(caught.value) == "mfagap.toml: no route 'chat'; there are: log"
    with pytest.raises(SettingsError, match=r"no route 'chat'; there are: none$"):
        casebook.test_route(replace(configured, routes={}), "chat")


def test_what_was_not_sent(configured: Settings) -> None:
    assert casebook.unsent(configured) == []
    with Database(configured.state) as database, database.change():
        Outbox(database).put("1-1-log", 1, "log", {}, 0)
    assert [row["key"] for row in casebook.unsent(configured)] == ["1-1-log"]


def test_the_ledger_tells_gaps_and_sources(configured: Settings) -> None:
    lines = list(casebook.ledger(configured))
    assert lines == [ID, "  no slot was evaluated yet"]
    moment = (NOON_MS, NOON_MS)
    with Database(configured.state) as database, database.change():
        book = Ledger(database)
        for begin, count in ((0, 2), (4, 1)):
            span = (NOON_MS + begin * SLOT_MS, NOON_MS + (begin + count) * SLOT_MS)
            book.done(ID, span, moment, {span[0]: (1200, 3)})
        book.forget(ID, (NOON_MS + 4 * SLOT_MS, NOON_MS + 5 * SLOT_MS))
        book.heard("okta", None, NOON_MS, NOON_MS)
        book.heard("new", None, None, NOON_MS)
    noon = "2026-01-15T12:00:00.000Z"
    assert list(casebook.ledger(configured)) == [
        ID,
        f"  {noon} to 2026-01-15T12:30:00.000Z  2 slots  1,200 events  3 starts  watermark {noon}",
        "  2026-01-15T12:30:00.000Z to 2026-01-15T13:00:00.000Z  GAP",
        "  2026-01-15T13:00:00.000Z to 2026-01-15T13:15:00.000Z  1 slots  1,200 events  3 starts"
        f"  watermark {noon}  DIRTY",
        f"new: complete until nothing, heard {noon}",
        f"okta: complete until {noon}, heard {noon}",
    ]
