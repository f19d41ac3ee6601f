"""A rule that lets in too many is one matter, and so is a source that is silent."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.properties.orgs import BEGIN, SignIn, factor, log_event, of
from tests.service.workshops import DROP, Bench, bench, excepted

from mfagap.cases.templates import Event
from mfagap.notify.notice import MOST
from mfagap.service import casebook, run
from mfagap.service.collect import Folder, collect
from mfagap.service.matters import SILENCE
from mfagap.service.tick import tick
from mfagap.settings import FLOOD_LIMIT, Settings
from mfagap.state.database import Row

HOUR_MS = 3_600_000
NOW_MS = round(BEGIN.timestamp() * 1000) + 30 * HOUR_MS
ROUTES = (("log", 1),)
RULE_ID = "0pr1default0000000001"


def _sign_in(number: int, at: float, *more: Event) -> list[Event]:
    return _sign_in_of(SignIn(number, f"user{number}", at, "allowed"), *more)


def _sign_in_of(one: SignIn, *more: Event) -> list[Event]:
    return [
        of(one, "session_start", "start", 0),
        of(one, "session_policy", "policy", 0.05, outcome__result="ALLOW"),
        *more,
    ]


def _listed(folder: Path) -> list[Row]:
    return casebook.listed(Settings(state=folder / "state"), everything=False)


def _told(work: Bench) -> list[dict[str, Any]]:
    return [json.loads(row["body"]) for row in work.workshop.outbox.waiting(10**15)]


def _crowd(count: int, apart_s: int) -> list[Event]:
    told = [event for number in range(count) for event in _sign_in(number, number * apart_s)]
    return [*told, log_event("event", "end", 29 * 3600, eventType="user.session.end")]


def test_a_rule_that_lets_in_too_many_is_one_matter(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        work.drop("crowd.ndjson", _crowd(FLOOD_LIMIT + 1, 600))
        work.tick(NOW_MS)
        (notice,) = _told(work)
        assert notice["title"].startswith("The policy rule Default Rule let in more than 20")
        assert (notice["kind"], notice["severity"]) == ("opened", "medium")
        assert (notice["sessions"], notice["rules"]) == (FLOOD_LIMIT + 1, ["Default Rule"])
        users = sorted(f"user{number}@example.com" for number in range(FLOOD_LIMIT + 1))
        assert notice["users"] == users[:MOST]
        (row,) = [row for row in _listed(tmp_path) if row["rule"] is not None]
        assert row["rule"] == f"rule {RULE_ID}"
        assert (row["id"], row["findings"], row["users"]) == (
            notice["alert"],
            FLOOD_LIMIT + 1,
            users,
        )
        assert len(work.alerts) == FLOOD_LIMIT + 2, "each session keeps its own alert, unsent"
        assert {row["of_rule"] for row in _listed(tmp_path)} == {None, notice["alert"]}
        assert [row["id"] for row in _listed(tmp_path) if row["of_rule"] is None] == [row["id"]]
        shown = list(casebook.shown(Settings(state=tmp_path / "state"), notice["alert"]))
        assert sum("@example.com" in line for line in shown) == FLOOD_LIMIT + 1
        assert f"  sessions: {FLOOD_LIMIT + 1}" in shown
        assert casebook.notice(Settings(state=tmp_path / "state"), notice["alert"]) == notice
        work.drop("more.ndjson", _sign_in(99, 20_000))
        work.tick(NOW_MS + 60_000)
        assert len(_told(work)) == 1


def test_as_many_as_are_allowed_are_told_one_by_one(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        work.drop("crowd.ndjson", _crowd(FLOOD_LIMIT, 600))
        work.tick(NOW_MS)
        assert len(_told(work)) == FLOOD_LIMIT


def test_more_than_a_day_apart_is_no_crowd(tmp_path: Path) -> None:
    """The last one comes 24 hours after the first."""
    with bench(tmp_path, ROUTES) as work:
        work.drop("crowd.ndjson", _crowd(FLOOD_LIMIT + 1, 4320))
        work.tick(NOW_MS)
        assert len(_told(work)) == FLOOD_LIMIT + 1


def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    configured = Settings(state=tmp_path / "set", flood_limit=7)
    with run.opened(configured) as workshop:
        assert workshop.flood_limit == 7
    with bench(tmp_path, ROUTES) as work:
        stricter = replace(work, workshop=replace(work.workshop, flood_limit=2))
        work.drop("crowd.ndjson", _crowd(3, 600))
        stricter.tick(NOW_MS)
        (notice,) = _told(work)
        assert notice["title"].startswith("The policy rule Default Rule let in more than 2 ")
        assert notice["sessions"] == 3


EVE = SignIn(50, "eve", 3000, "allowed")
ELSEWHERE = {"client__ipAddress": "198.51.100.66"}


def _eve(**changes: object) -> list[Event]:
    """Return a sign-in of Eve's without a factor."""
    start = of(EVE, "session_start", "start", 0, **changes)
    return [start, of(EVE, "session_policy", "policy", 0.05, outcome__result="ALLOW")]


def _eve_earlier() -> list[Event]:
    """Return a sign-in of hers with a factor, an hour before, as ever."""
    earlier = SignIn(51, "eve", -600, "allowed")
    return [*_sign_in_of(earlier), factor(earlier, "mfa", -5, "external_session_id")]


def _spray() -> list[Event]:
    """Return failed sign-ins of five others from one address."""
    victims = [SignIn(60 + number, f"victim{number}", 2000, "alone") for number in range(5)]
    failed: dict[str, object] = {"outcome__result": "FAILURE", **ELSEWHERE}
    return [of(victim, "session_start", "failed", 0, **failed) for victim in victims]


SIGNALS = {
    "an act": [*_eve(), of(EVE, "token_create", "token", 60)],
    "a spray before it": [*_spray(), *_eve(**ELSEWHERE)],
    "a new device": [*_eve_earlier(), *_eve(debugContext__debugData__dtHash="another")],
    "a new address": [*_eve_earlier(), *_eve(**ELSEWHERE)],
    "nothing": [*_eve_earlier(), *_eve()],
}


@pytest.mark.parametrize("signal", SIGNALS)
def test_who_shows_a_signal_of_abuse_is_told_of_alone(tmp_path: Path, signal: str) -> None:
    with bench(tmp_path, ROUTES) as work:
        work.drop("crowd.ndjson", [*_crowd(FLOOD_LIMIT + 1, 600), *SIGNALS[signal]])
        work.tick(NOW_MS)
        counted = sorted((notice["sessions"], notice["users"][0]) for notice in _told(work))
        alone = [] if signal == "nothing" else [(1, "eve@example.com")]
        assert counted == [*alone, (FLOOD_LIMIT + 2, "eve@example.com")]
        seen = [row for row in _listed(tmp_path) if row["of_rule"] is None]
        assert sorted(row["findings"] for row in seen) == [count for count, _ in counted]


def test_what_a_suppression_covers_makes_no_flood(tmp_path: Path) -> None:
    """Nor is anybody told less of others, since one user's sign-ins are excepted."""
    with bench(tmp_path, ROUTES) as work:
        excepted(work, user="user0@example.com")
        work.drop("crowd.ndjson", _crowd(FLOOD_LIMIT + 1, 600))
        assert work.tick(NOW_MS).suppressed == 1
        assert len(_told(work)) == FLOOD_LIMIT
        assert sorted(len(notice["users"]) for notice in _told(work)) == [1] * FLOOD_LIMIT


def test_a_rule_that_is_suppressed_is_no_matter(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        work.drop("crowd.ndjson", _crowd(FLOOD_LIMIT + 1, 600))
        work.tick(NOW_MS)
        (notice,) = _told(work)
        number = excepted(work, rule=RULE_ID)
        assert all(row["suppressed_by"] == [number] for row in _listed(tmp_path))
        work.drop("more.ndjson", _sign_in(99, 28 * 3600))
        assert work.tick(NOW_MS + 60_000).suppressed == 1
        assert _told(work) == [notice]


def test_a_silent_source_has_an_alert_until_it_is_heard(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        work.drop("one.ndjson", _sign_in(1, 0, factor(SignIn(1, "user1", 0, ""), "mfa", 5)))
        work.tick(NOW_MS)
        assert _told(work) == []
        work.tick(NOW_MS + HOUR_MS)
        work.tick(NOW_MS + HOUR_MS + 60_000)
        (opened,) = _told(work)
        assert opened["title"] == f"The source {DROP} has been silent for more than an hour"
        work.drop("two.ndjson", _sign_in(2, 20 * 3600))
        work.tick(NOW_MS + HOUR_MS + 120_000)
        (row,) = work.workshop.alerts.of_keys(SILENCE, [DROP])
        assert (row["status"], row["resolution"]) == ("closed", "retracted")
        kinds = [(n["kind"], n["detection"]) for n in _told(work)]
        assert ("retracted", SILENCE) in kinds


def test_a_source_that_never_answered_is_silent_in_time(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        missing = Folder("missing", str(tmp_path / "nowhere"), 0)
        work.drop("one.ndjson", _sign_in(1, 0))
        for number, silent in ((0, ()), (59, ()), (60, ("missing",))):
            now_ms = NOW_MS + number * 60_000
            work.drop(f"{number}.ndjson", _crowd(0, 0))
            collected = collect(work.workshop, [missing], now_ms)
            assert list(collected.failures) == ["missing"]
            assert [name for name in work.tick(now_ms).silent if name != DROP] == list(silent)


def test_a_source_that_is_read_no_more_is_not_silent(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        work.drop("one.ndjson", _sign_in(1, 0))
        work.tick(NOW_MS)
        rest = replace(work.workshop, sources=["another"])
        assert tick(rest, NOW_MS + HOUR_MS, lambda: 0.0).silent == ()
