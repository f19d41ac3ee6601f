"""A rule that lets in too many is one matter, and so is a source that is silent."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.properties.orgs import BEGIN, SignIn, factor, log_event, of
from tests.service.workshops import DROP, Bench, bench

from mfagap.cases.templates import Event
from mfagap.service import casebook
from mfagap.service.collect import Folder, collect
from mfagap.service.matters import FLOOD, SILENCE
from mfagap.service.tick import tick
from mfagap.settings import Settings

HOUR_MS = 3_600_000
NOW_MS = round(BEGIN.timestamp() * 1000) + 30 * HOUR_MS
ROUTES = (("log", 1),)


def _sign_in(number: int, at: float, *more: Event) -> list[Event]:
    one = SignIn(number, f"user{number}", at, "allowed")
    return [
        of(one, "session_start", "start", 0),
        of(one, "session_policy", "policy", 0.05, outcome__result="ALLOW"),
        *more,
    ]


def _told(work: Bench) -> list[dict[str, Any]]:
    return [json.loads(row["body"]) for row in work.workshop.outbox.waiting(10**15)]


def _crowd(count: int, apart_s: int) -> list[Event]:
    told = [event for number in range(count) for event in _sign_in(number, number * apart_s)]
    return [*told, log_event("event", "end", 29 * 3600, eventType="user.session.end")]


def test_a_rule_that_lets_in_too_many_is_one_matter(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        work.drop("crowd.ndjson", _crowd(FLOOD + 1, 600))
        work.tick(NOW_MS)
        (notice,) = _told(work)
        assert notice["title"].startswith("The policy rule Default Rule let in more than 20")
        assert (notice["kind"], notice["severity"], notice["users"]) == ("opened", "medium", [])
        assert len(work.alerts) == FLOOD + 2, "each session keeps its own alert, unsent"
        shown = list(casebook.shown(Settings(state=tmp_path / "state"), notice["alert"]))
        assert sum("@example.com" in line for line in shown) == FLOOD + 1
        assert casebook.notice(Settings(state=tmp_path / "state"), notice["alert"]) == notice
        work.drop("more.ndjson", _sign_in(99, 20_000))
        work.tick(NOW_MS + 60_000)
        assert len(_told(work)) == 1


def test_as_many_as_are_allowed_are_told_one_by_one(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        work.drop("crowd.ndjson", _crowd(FLOOD, 600))
        work.tick(NOW_MS)
        assert len(_told(work)) == FLOOD


def test_more_than_a_day_apart_is_no_crowd(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        work.drop("crowd.ndjson", _crowd(FLOOD + 1, 4320))  # the 21st comes 24 hours after the 1st
        work.tick(NOW_MS)
        assert len(_told(work)) == FLOOD + 1


def test_who_shows_a_signal_of_abuse_is_told_of_alone(tmp_path: Path) -> None:
    intruder = SignIn(50, "eve", 3000, "allowed")
    with bench(tmp_path, ROUTES) as work:
        act = of(intruder, "token_create", "token", 60)
        start = of(intruder, "session_start", "start", 0)
        policy = of(intruder, "session_policy", "policy", 0.05, outcome__result="ALLOW")
        work.drop("crowd.ndjson", [*_crowd(FLOOD + 1, 600), start, policy, act])
        work.tick(NOW_MS)
        assert sorted(notice["users"] for notice in _told(work)) == [[], ["eve@example.com"]]


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
