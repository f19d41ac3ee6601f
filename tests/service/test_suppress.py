"""Ticks and people's lists under an exception: what is hidden, what is told, and when again."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.properties.orgs import BEGIN, SignIn, factor, log_event, of
from tests.service.workshops import Bench, bench, excepted

from mfagap.cases.templates import Event
from mfagap.detect.evaluate import rfc3339
from mfagap.errors import UsageError
from mfagap.service import casebook, suppress
from mfagap.service.casebook import Person
from mfagap.service.run import wall_ms
from mfagap.service.suppress import Wanted
from mfagap.settings import Settings
from mfagap.state.database import Row

BEGIN_MS = round(BEGIN.timestamp() * 1000)
END_S = 14_400
ROUTES = [("log", 1)]
ADA = SignIn(1, "ada", 9000, "allowed")
LATER = SignIn(2, "ada", 12_000, "allowed")  # within the hour from the first
BOB = SignIn(3, "bob", 9000, "allowed")
UNTIL_MS = BEGIN_MS + 10_000_000
"""Between Ada's two sign-ins."""
NOTE = "nobody is told: suppression 1"
DAY_MS = 86_400_000


def sign_in(one: SignIn, *more: Event) -> list[Event]:
    start = of(one, "session_start", "start", 0)
    return [start, of(one, "session_policy", "policy", 0.05, outcome__result="ALLOW"), *more]


def end(at: float = END_S) -> Event:
    return log_event("event", f"end-{at}", at, eventType="user.session.end")


def near_act(one: SignIn) -> Event:
    """Return an act of the same user, from the same address, in another session."""
    other = dict.fromkeys(
        ("authenticationContext__externalSessionId", "transaction__id"), "another"
    )
    return of(one, "token_create", "near", 120, debugContext__debugData__requestId="other", **other)


def told(work: Bench) -> list[tuple[int, str, str | None]]:
    """Return alert, kind and verdict of every notice."""
    rows = work.workshop.database.rows("SELECT alert, body FROM outbox ORDER BY rowid")
    bodies = [(row["alert"], json.loads(row["body"])) for row in rows]
    return [(alert, body["kind"], body["verdict"]) for alert, body in bodies]


def deeds(work: Bench, alert: int = 1) -> list[tuple[str, str | None]]:
    return [(row["deed"], row["note"]) for row in work.workshop.alerts.deeds(alert)]


def verdict(work: Bench, alert: int = 1) -> Any:
    return work.workshop.alerts.get(alert)["verdict"]


def tick(work: Bench, name: str, events: Sequence[Event], after_ms: int = 0) -> int:
    """Tick so long after the end of the log; return what was kept from people."""
    work.drop(name, events)
    return work.tick(BEGIN_MS + END_S * 1000 + after_ms).suppressed


def test_what_is_covered_is_investigated_and_nobody_is_told(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        excepted(work, user="ada@example.com")
        assert tick(work, "1", [*sign_in(ADA), *sign_in(BOB), end()]) == 1
        assert told(work) == [(2, "opened", "security_risk")]
        assert deeds(work) == [("opened", NOTE)]
        assert verdict(work) == "security_risk"
        assert tick(work, "2", [near_act(ADA)]) == 1
        assert deeds(work)[1:] == [("worsened", NOTE)]
        assert (verdict(work), len(told(work))) == ("suspicious", 1)


def test_known_abuse_is_told_of_all_the_same(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        excepted(work, user="ada@example.com")
        assert tick(work, "1", [*sign_in(ADA), end()]) == 1
        assert tick(work, "2", [of(ADA, "token_create", "token", 120)]) == 0
        assert told(work) == [(1, "worsened", "true_positive")]
        assert deeds(work) == [("opened", NOTE), ("worsened", None)]


def test_its_end_tells_nothing_and_what_comes_after_it_is_told(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        excepted(work, UNTIL_MS, user="ada@example.com")
        # Both ticks are after the end, which the sign-in was before.
        assert tick(work, "1", [*sign_in(ADA), end()]) == 1
        assert tick(work, "2", [end(END_S - 1)], 60_000) == 0
        assert told(work) == []
        assert tick(work, "3", sign_in(LATER), 120_000) == 0
        assert told(work) == [(1, "opened", "security_risk")]
        assert deeds(work) == [("opened", NOTE), ("matched", None)]
        third = SignIn(4, "ada", 12_100, "allowed")
        tick(work, "4", sign_in(third), 180_000)
        assert deeds(work)[2:] == [("matched", None)]
        assert len(told(work)) == 1, "one more of what people know of"


def test_what_becomes_worse_after_its_end_is_told(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        excepted(work, UNTIL_MS, user="ada@example.com")
        tick(work, "1", [*sign_in(ADA), end()])
        assert tick(work, "2", [near_act(ADA)], 60_000) == 0
        assert told(work) == [(1, "worsened", "suspicious")]


def test_one_more_that_is_covered_is_kept_and_one_that_is_not_is_told(tmp_path: Path) -> None:
    """Though people had been told of the alert: of its becoming worse they were not."""
    with bench(tmp_path, ROUTES) as work:
        tick(work, "1", [*sign_in(ADA), end()])
        excepted(work, address="192.0.2.0/24")
        assert tick(work, "2", sign_in(LATER), 1) == 0
        assert tick(work, "3", [near_act(LATER)], 2) == 1
        assert deeds(work) == [("opened", None), ("matched", None), ("worsened", NOTE)]
        assert told(work) == [(1, "opened", "security_risk")]
        third = SignIn(4, "ada", 12_100, "allowed")
        elsewhere = [event | {"client": {"ipAddress": "198.51.100.7"}} for event in sign_in(third)]
        tick(work, "4", elsewhere, 3)
        assert told(work)[1:] == [(1, "worsened", "suspicious")]


def test_a_retraction_is_kept_too(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        tick(work, "1", [*sign_in(ADA), *sign_in(BOB), end()])
        excepted(work, user="ada@example.com")
        late = [factor(ADA, "mfa", 20), factor(BOB, "mfa", 20)]
        assert tick(work, "2", late, 1) == 1
        assert told(work)[2:] == [(2, "retracted", "security_risk")]
        why = "a second factor came to light [mfa-1]"
        assert deeds(work) == [("opened", None), ("retracted", f"{why}; {NOTE}")]


def test_an_alert_that_a_person_has_taken_up_owes_no_news(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        excepted(work, UNTIL_MS, user="ada@example.com")
        tick(work, "1", [*sign_in(ADA), end()])
        casebook.decide(Settings(state=tmp_path / "state"), 1, "ack", Person("ana", None), None)
        tick(work, "2", sign_in(LATER), 60_000)
        assert deeds(work)[-1] == ("matched", None)
        assert told(work) == []


# What people do and see.


@pytest.fixture(scope="module")
def _ticked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ticked")
    with bench(folder) as work:
        tick(work, "1", [*sign_in(ADA), *sign_in(BOB), end()])
    return folder / "state"


@pytest.fixture
def configured(_ticked: Path, tmp_path: Path) -> Settings:
    """Settings, and a state with an alert of Ada's and one of Bob's."""
    return Settings(state=shutil.copytree(_ticked, tmp_path / "state"))


def wanted(until: str = "30d", by: str | None = None, **scope: str | None) -> Wanted:
    return Wanted("ana", "their script, until it is replaced", until, scope, by)


def hidden(configured: Settings) -> dict[int, list[int]]:
    rows = casebook.listed(configured, everything=False)
    return {row["id"]: row["suppressed_by"] for row in rows}


def test_an_exception_hides_at_once_and_its_early_end_shows_again(configured: Settings) -> None:
    before_ms = wall_ms()
    row, count = suppress.add(configured, wanted(by=" ben ", user="ada@example.com"))
    assert (row["id"], row["owner"], row["added_by"], count) == (1, "ana", "ben", 1)
    assert 30 * DAY_MS <= row["until_ms"] - before_ms <= 30 * DAY_MS + wall_ms() - before_ms
    assert hidden(configured) == {1: [1], 2: []}
    assert f"  suppressed by 1 until {rfc3339(row['until_ms'])}: {row['reason']} (ana)" in list(
        casebook.shown(configured, 1)
    )
    (listed,) = suppress.listed(configured, everything=False)
    assert (listed["holds"], listed["hides"]) == (True, [1])
    assert list(suppress.shown(configured, 1)) == [
        "suppression 1: holds",
        "  owner ana: their script, until it is replaced",
        "  user ada@example.com",
        "  hides alert 1",
        f"  {rfc3339(row['added_ms'])}  added by ben",
        f"  {rfc3339(row['until_ms'])}  expires",
    ]
    suppress.expire(configured, 1, Person("cyd", "replaced"))
    assert hidden(configured) == {1: [], 2: []}
    assert suppress.listed(configured, everything=False) == []
    (ended,) = suppress.listed(configured, everything=True)
    assert (ended["holds"], ended["hides"], ended["ended_by"]) == (False, [], "cyd")
    lines = list(suppress.shown(configured, 1))
    assert (lines[0], lines[3]) == ("suppression 1: has ended", "  hides no alert")
    assert lines[-1] == f"  {rfc3339(ended['ended_ms'])}  ended by cyd: replaced"
    with pytest.raises(UsageError) as caught:
        suppress.expire(configured, 1, Person("cyd", None))
    assert str(caught.value) == (
        f"suppression 1 has ended already, at {rfc3339(ended['ended_ms'])}"
    )


def test_one_that_has_expired_hides_nothing(tmp_path: Path, configured: Settings) -> None:
    with bench(tmp_path) as work:
        excepted(work, 10, rule="0pr1")
        excepted(work, BEGIN_MS + DAY_MS, user="ada@example.com")
        excepted(work, address="192.0.2.0/24")
    assert hidden(configured) == {1: [3], 2: [3]}
    lines = list(suppress.shown(configured, 2))
    assert lines[-1] == f"  {rfc3339(BEGIN_MS + DAY_MS)}  expired"
    assert "  hides alerts 1, 2" in suppress.shown(configured, 3)


def test_a_closed_alert_is_not_hidden(configured: Settings) -> None:
    casebook.decide(configured, 1, "close", Person("ana", None), "benign")
    suppress.add(configured, wanted(user="ada@example.com"))
    rows: list[Row] = casebook.listed(configured, everything=True)
    assert [row["suppressed_by"] for row in rows] == [[], []]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (
            wanted(client="sync/*", detection="okta_legacy_authn_without_mfa"),
            "a suppression needs --user, --address or --rule: all else is too wide, and a client's "
            "name is what whoever signs in says it is",
        ),
        (wanted(user=" "), "--user is empty"),
        (Wanted(" ", "why", "1d", {"user": "ada"}), "--owner is empty"),
        (Wanted("ana", "", "1d", {"user": "ada"}), "--reason is empty"),
        (wanted(by=" ", user="ada"), "--by is empty"),
        (wanted("0d", user="ada"), "--until 0d: that is past"),
        (wanted("2026-01-01", user="ada"), "--until 2026-01-01: that is past"),
        (
            wanted("91d", user="ada"),
            "--until 91d: a suppression lasts 90 days at most (suppression_days in the settings); "
            "add it again once it has ended and is still right",
        ),
        (
            wanted(user="ada", detection="mine"),
            "--detection: no detection 'mine'; there are: okta_legacy_authn_without_mfa",
        ),
        (
            wanted(address="192.0.2"),
            "--address: '192.0.2' is no address and no range; write it as 192.0.2.1 or "
            "192.0.2.0/24",
        ),
        (wanted(address="0.0.0.0/7"), "--address 0.0.0.0/7: too wide; give /8 or longer"),
        (wanted(address="2001::/31"), "--address 2001::/31: too wide; give /32 or longer"),
    ],
)
def test_what_is_refused_changes_nothing(configured: Settings, asked: Wanted, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        suppress.add(configured, asked)
    assert str(caught.value) == why
    assert suppress.listed(configured, everything=True) == []


def test_what_is_no_time_is_refused(configured: Settings) -> None:
    with pytest.raises(UsageError) as caught:
        suppress.add(configured, wanted("soon", user="ada"))
    said = "--until: 'soon' is no time; write it as 2026-12-31, or as 30d or 12h from now"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("192.0.2.10/24", "192.0.2.0/24"),
        ("192.0.2.10/32", "192.0.2.10"),
        ("2001:DB8::1", "2001:db8::1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_an_address_is_kept_in_its_plain_form(configured: Settings, given: str, kept: str) -> None:
    row, _ = suppress.add(configured, wanted(address=given))
    assert row["address"] == kept


def test_one_that_is_not_there(configured: Settings) -> None:
    for act in (
        lambda: suppress.expire(configured, 7, Person("ana", None)),
        lambda: list(suppress.shown(configured, 7)),
    ):
        with pytest.raises(UsageError) as caught:
            act()
        said = "no suppression 7; `mfagap suppress list --all` tells the numbers"
        assert str(caught.value) == said
