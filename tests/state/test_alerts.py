"""Alerts on file and their notices."""

import json
from typing import Any

import pytest

from mfagap.errors import UsageError
from mfagap.state.alerts import Alerts, Outbox
from mfagap.state.database import Database

ADA: dict[str, Any] = {
    "detection": "okta",
    "dedup_key": "ada",
    "first_ms": 10,
    "status": "open",
    "resolution": None,
    "severity": 2,
    "verdict": None,
}
BODY = {"title": "„Ada“", "users": ["ada@example.com"]}


@pytest.fixture
def alerts(database: Database) -> Alerts:
    return Alerts(database)


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """The outbox of a state that has the alerts 1 and 2."""
    for key in ("ada", "bob"):
        put(database, None, now_ms=1, dedup_key=key)
    return Outbox(database)


def put(database: Database, alert: int | None, now_ms: int, **changes: object) -> int:
    with database.change():
        return Alerts(database).put(alert, {**ADA, **changes}, now_ms)


def enlist(database: Database, alert: int, *uuids: str) -> None:
    with database.change():
        Alerts(database).enlist(alert, "okta", uuids)


def send(database: Database, key: str, alert: int = 1, route: str = "log", now_ms: int = 5) -> None:
    with database.change():
        Outbox(database).put(key, alert, route, BODY, now_ms)


def keys(rows: list[Any]) -> list[str]:
    return [row["key"] for row in rows]


def test_an_alert_keeps_its_number_and_when_it_was_opened(
    database: Database, alerts: Alerts
) -> None:
    assert put(database, None, 100) == 1
    assert alerts.get(1) == {**ADA, "id": 1, "opened_ms": 100, "changed_ms": 100}
    changes: dict[str, Any] = {
        "first_ms": 5,
        "status": "closed",
        "resolution": "retracted",
        "severity": 4,
        "verdict": "true_positive",
    }
    assert put(database, 1, 200, **changes) == 1
    assert alerts.get(1) == {**ADA, **changes, "id": 1, "opened_ms": 100, "changed_ms": 200}
    assert put(database, None, 300) == 2


def test_an_alert_that_is_not_there(alerts: Alerts) -> None:
    with pytest.raises(UsageError) as caught:
        alerts.get(7)
    assert str(caught.value) == "no alert 7; `mfagap alerts list --all` tells the numbers"


def test_a_finding_is_in_one_alert(database: Database, alerts: Alerts) -> None:
    for key in ("ada", "bob"):
        put(database, None, 1, dedup_key=key)
    enlist(database, 1, "a", "b")
    enlist(database, 2, "c")
    assert [alerts.members(1), alerts.members(2)] == [{"a", "b"}, {"c"}]
    enlist(database, 2, "b", "c", "d")
    assert [alerts.members(1), alerts.members(2)] == [{"a"}, {"b", "c", "d"}]
    enlist(database, 2, "d")
    assert alerts.members(2) == {"d"}
    assert alerts.keys_of("okta", ["a", "b", "d"]) == {"ada", "bob"}
    assert alerts.keys_of("okta", ["b", "c"]) == alerts.keys_of("other", ["a"]) == frozenset()


def test_alerts_of_a_key_with_their_findings(database: Database, alerts: Alerts) -> None:
    for key in ("ada", "bob", "ada"):
        put(database, None, 1, dedup_key=key)
    enlist(database, 3, "a")
    found = alerts.of_keys("okta", ["ada", "nobody"])
    assert [(row["id"], row["members"]) for row in found] == [(1, set()), (3, {"a"})]
    assert alerts.of_keys("other", ["ada"]) == []


def test_what_is_closed(database: Database, alerts: Alerts) -> None:
    for number, status in enumerate(("open", "acknowledged", "closed"), start=1):
        put(database, None, 1, status=status)
        enlist(database, number, f"u{number}")
    assert alerts.closed_keys("okta", ["u1", "u2", "u3", "u4"]) == {"u3"}
    assert alerts.closed_keys("other", ["u3"]) == frozenset()
    assert [row["id"] for row in alerts.listed()] == [2, 1]
    assert [row["id"] for row in alerts.listed(everything=True)] == [3, 2, 1]


def test_the_worst_come_first_then_the_newest(database: Database, alerts: Alerts) -> None:
    for severity, first_ms in ((2, 10), (4, 5), (2, 20), (2, 20)):
        put(database, None, 1, severity=severity, first_ms=first_ms)
    enlist(database, 3, "a", "b")
    assert [(row["id"], row["findings"]) for row in alerts.listed()] == [
        (2, 0),
        (4, 0),
        (3, 2),
        (1, 0),
    ]


def test_what_happened_is_told_in_order(database: Database, alerts: Alerts) -> None:
    put(database, None, 1)
    with database.change():
        assert alerts.tell(1, "opened", 9) == 1
        assert alerts.tell(1, "closed", 5, who="ada", note="known") == 2
    assert alerts.deeds(1) == [
        {"id": 1, "alert": 1, "at_ms": 9, "deed": "opened", "who": None, "note": None},
        {"id": 2, "alert": 1, "at_ms": 5, "deed": "closed", "who": "ada", "note": "known"},
    ]
    assert alerts.deeds(2) == []


def test_what_happened_after_and_to_what(database: Database, alerts: Alerts) -> None:
    assert alerts.last_deed() == 0
    for key, status in (("ada", "open"), ("bob", "acknowledged"), ("eve", "closed")):
        put(database, None, 1, dedup_key=key, status=status)
    with database.change():
        alerts.tell(1, "opened", 5)
        alerts.tell(2, "opened", 5)
        alerts.tell(1, "acknowledged", 6, who="zoe")
    assert alerts.last_deed() == 3
    rows = alerts.deeds_after(1)
    told = [(row["id"], row["dedup_key"], row["deed"], row["who"]) for row in rows]
    assert told == [(2, "bob", "opened", None), (1, "ada", "acknowledged", "zoe")]
    assert alerts.counts() == {("open", 2): 1, ("acknowledged", 2): 1}


def test_unsent_notices_are_counted(database: Database, outbox: Outbox) -> None:
    for key in ("1", "2", "3", "4"):
        send(database, key)
    with database.change():
        outbox.sent("1")
        outbox.failed("2", "why", None)
    assert outbox.counts() == {"waiting": 2, "parked": 1}


def test_a_notice_is_one_however_often_it_is_added(database: Database, outbox: Outbox) -> None:
    send(database, "1-1-log", now_ms=5)
    send(database, "1-1-log", alert=2, route="chat", now_ms=1)
    (row,) = outbox.waiting(5)
    assert row == {
        "key": "1-1-log",
        "alert": 1,
        "route": "log",
        "body": json.dumps(BODY),
        "status": "waiting",
        "attempts": 0,
        "next_ms": 5,
        "failure": None,
    }
    with database.change():
        outbox.sent("1-1-log")
    send(database, "1-1-log", now_ms=9)
    assert outbox.waiting(99) == outbox.unsent() == [], "what was sent is not sent again"


def test_notices_wait_in_the_order_in_which_they_were_added(
    database: Database, outbox: Outbox
) -> None:
    for key, now_ms in (("z", 5), ("a", 3), ("m", 4)):
        send(database, key, now_ms=now_ms)
    assert keys(outbox.waiting(5)) == ["z", "a", "m"]
    assert keys(outbox.waiting(4)) == ["a", "m"]
    assert keys(outbox.waiting(2)) == []


def test_a_notice_that_failed_waits_and_then_is_parked(database: Database, outbox: Outbox) -> None:
    send(database, "one")
    with database.change():
        outbox.failed("one", "answered 500", 50)
    assert outbox.waiting(49) == []
    (row,) = outbox.waiting(50)
    assert (row["attempts"], row["failure"], row["next_ms"]) == (1, "answered 500", 50)
    with database.change():
        outbox.failed("one", "answered 503", None)
    assert outbox.waiting(2**60) == []
    (row,) = outbox.unsent()
    assert (row["status"], row["attempts"], row["failure"]) == ("parked", 2, "answered 503")


def test_a_notice_that_was_sent_failed_no_more(database: Database, outbox: Outbox) -> None:
    send(database, "one")
    with database.change():
        outbox.failed("one", "answered 500", 50)
        outbox.sent("one")
    (row,) = database.rows("SELECT status, attempts, failure FROM outbox")
    assert row == {"status": "sent", "attempts": 2, "failure": None}


def test_routes_that_were_told_of_an_alert(database: Database, outbox: Outbox) -> None:
    for key, alert, route in (("a", 1, "log"), ("b", 1, "log"), ("c", 1, "chat"), ("d", 2, "mail")):
        send(database, key, alert, route)
    with database.change():
        outbox.sent("a")
        outbox.failed("c", "answered 500", None)
    assert outbox.routes_told(1) == {"log", "chat"}
    assert outbox.routes_told(3) == frozenset()
