"""A rule that was closed and is changed again is an alert, once an event, in whatever ticks."""

import itertools
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.harden.applied import bench as org_bench
from tests.harden.planned import (
    DEFAULT,
    DEFAULT_RULE,
    KEEP,
    NOW_MS,
    OFFICE_RULE,
    REST_RULE,
    STAFF,
    org,
    plan,
    snapshot,
)
from tests.properties.orgs import BEGIN, log_event
from tests.service.workshops import DROP, Bench, bench

from mfagap.alerts import Deed
from mfagap.harden import plan as plans
from mfagap.model.org import Part, Snapshot
from mfagap.service import casebook
from mfagap.service.collect import Folder, collect
from mfagap.service.regressions import GAP, OWN_MS, close, look, reopen, seen
from mfagap.settings import Settings
from mfagap.state.closed import Closed

BEGIN_MS = round(BEGIN.timestamp() * 1000)
CLOSED_S = 600
CLOSED_MS = BEGIN_MS + CLOSED_S * 1000
LATER_MS = BEGIN_MS + 24 * 3_600_000
OURS = "0oaHardening"
ROUTES = (("log", 1),)


def _target(kind: str, id_: str) -> dict[str, str]:
    return {"id": id_, "type": kind, "displayName": id_, "alternateId": "unknown"}


RULE = (_target("PolicyEntity", STAFF), _target("PolicyRule", REST_RULE))
OTHER_RULE = (_target("PolicyEntity", STAFF), _target("PolicyRule", "0prother"))
POLICY = (_target("PolicyEntity", STAFF),)


def change(
    name: str, after_s: float, kind: str = "rule.update", targets: Sequence[Any] = RULE, **more: Any
) -> Any:
    """Return an event that changes a policy, so many seconds after the rule was closed."""
    fields: dict[str, object] = {
        "eventType": f"policy.{kind}",
        "target": list(targets),
        "actor__id": "00umallory",
        "actor__alternateId": "mallory@example.com",
        "client__userAgent__rawUserAgent": "Mozilla/5.0",
        **more,
    }
    return log_event("event", name, CLOSED_S + after_s, **fields)


def closing(work: Bench, actor_id: str | None = OURS, **changes: Any) -> None:
    """Put on file that a rule was closed."""
    row = {
        "rule_id": REST_RULE,
        "policy_id": STAFF,
        "name": "Everybody else",
        "run": "0001-x",
        "closed_ms": CLOSED_MS,
        "actor_id": actor_id,
    }
    with work.workshop.database.change():
        Closed(work.workshop.database).put(row | changes)


@contextmanager
def closed(folder: Path, actor_id: str | None = OURS) -> Generator[Bench]:
    """Open a workshop in which a rule was closed."""
    with bench(folder, ROUTES) as work:
        closing(work, actor_id)
        yield work


def told(work: Bench) -> list[dict[str, Any]]:
    """Return the notices, the silence of sources aside."""
    bodies = [json.loads(row["body"]) for row in work.workshop.outbox.waiting(10**15)]
    return [body for body in bodies if body["detection"] == GAP]


def looked(work: Bench, *events: Any) -> list[dict[str, Any]]:
    """Let ``events`` come, look as a tick does, and return all notices."""
    work.drop("events.ndjson", events)
    source = Folder(DROP, str(work.folder / "logs"), 0)
    assert collect(work.workshop, [source], LATER_MS).failures == {}
    opened = look(work.workshop, LATER_MS)
    assert opened == len(told(work))
    return told(work)


def keys(work: Bench) -> set[str]:
    """Return the dedup keys of the alerts, less the rule that stands before each."""
    rows = work.workshop.alerts.listed(everything=True)
    return {
        row["dedup_key"].removeprefix(f"{REST_RULE} ") for row in rows if row["detection"] == GAP
    }


def test_a_change_of_a_closed_rule_opens_an_alert(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        work.drop("events.ndjson", [change("e1", 3600)])
        assert work.tick(LATER_MS).deeds == (Deed.OPENED,)
        (notice,) = told(work)
        assert notice["title"] == (
            "The policy rule Everybody else, which was closed, was changed again: "
            "policy.rule.update by mallory@example.com"
        )
        assert (notice["kind"], notice["severity"], notice["status"]) == ("opened", "high", "open")
        settings = Settings(state=tmp_path / "state")
        (row,) = casebook.listed(settings, everything=False)
        assert (row["detection"], row["dedup_key"]) == (GAP, f"{REST_RULE} e1")
        assert row["first_ms"] == CLOSED_MS + 3_600_000
        lines = list(casebook.shown(settings, row["id"]))
        assert lines[0] == f"alert {row['id']}: {GAP}"
        assert lines[-1].endswith(f"opened: {notice['title']}")
        assert casebook.notice(settings, row["id"]) == notice
        person = casebook.Person("ana", "seen to")
        assert casebook.decide(settings, row["id"], "close", person, "fixed").value == "closed"
        work.tick(LATER_MS + 60_000)
        assert told(work) == [notice]


DEEP: Any = json.loads('{"more": ' * 100 + "1" + "}" * 100)
UNDOES = (
    change("nested-deeply", 3600, "rule.update", ({**OTHER_RULE[1], "detailEntry": DEEP},)),
    change("rule-update", 3600),
    change("rule-deactivate", 3600, "rule.deactivate"),
    change("rule-delete", 3600, "rule.delete"),
    change("rule-invalidate", 3600, "rule.invalidate"),
    change("policy-update", 3600, "lifecycle.update", POLICY),
    change("policy-deactivate", 3600, "lifecycle.deactivate", POLICY),
    change("policy-delete", 3600, "lifecycle.delete", POLICY),
    change("update-of-a-policy", 3600, "rule.update", POLICY),
)
DOES_NOT = (
    change("another-rule", 3600, "rule.update", OTHER_RULE),
    change("another-policy", 3600, "rule.update", (_target("PolicyEntity", DEFAULT),)),
    change("of-nothing", 3600, "rule.update", ()),
    change("rule-add", 3600, "rule.add", OTHER_RULE),
    change("evaluation", 3600, "evaluate_sign_on"),
)


def test_what_undoes_the_change_of_a_rule(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        looked(work, *UNDOES, *DOES_NOT)
        assert keys(work) == {event["uuid"] for event in UNDOES}


AT_ONCE_S = OWN_MS / 1000
OUR_AGENT: dict[str, Any] = {"client__userAgent__rawUserAgent": "mfagap/0.1.0"}
OUR_PERSON: dict[str, Any] = {"actor__id": OURS}
US = OUR_AGENT | OUR_PERSON
OWN = {
    OURS: (
        change("at-that-moment", 0),
        change("our-client", 0.001, **US),
        change("our-person-at-once", AT_ONCE_S, **OUR_PERSON),
        change("our-client-later", 3600, **US),
        change("failed", 3600, outcome__result="FAILURE"),
    ),
    None: (change("at-once", AT_ONCE_S), change("before", -1)),
}
NEWS = {
    OURS: (
        change("another-at-once", 0.001),
        change("our-person-later", AT_ONCE_S + 0.001, **OUR_PERSON),
        change("another-with-our-agent", 3600, **OUR_AGENT),
        change("of-no-outcome", 3600, outcome__result=None),
    ),
    None: (change("any-later", AT_ONCE_S + 0.001, **US),),
}


@pytest.mark.parametrize("actor_id", [OURS, None])
def test_our_own_writes_are_no_news_and_others_are(tmp_path: Path, actor_id: str | None) -> None:
    with closed(tmp_path, actor_id) as work:
        looked(work, *OWN[actor_id], *NEWS[actor_id])
        assert keys(work) == {event["uuid"] for event in NEWS[actor_id]}


def test_who_changed_it_may_not_be_known(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        nobody: dict[str, Any] = {"actor__id": None, "actor__alternateId": None}
        (notice,) = looked(work, change("e1", 3600, **nobody))
        assert notice["title"].endswith("by somebody whom the log does not name")


def test_a_rule_that_comes_on_file_late_is_looked_for_in_all_that_was_read(tmp_path: Path) -> None:
    """Another process put it there, while a tick had taken the event in already."""
    with bench(tmp_path, ROUTES) as work:
        work.drop("events.ndjson", [change("e1", 3600)])
        work.tick(LATER_MS)
        assert told(work) == []
        closing(work)
        assert look(work.workshop, LATER_MS + 60_000) == 1
        assert look(work.workshop, LATER_MS + 60_000) == 0
        (row,) = Closed(work.workshop.database).list()
        assert row["looked"] == 1


def test_once_looked_through_only_what_is_new_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closed(tmp_path) as work:
        work.drop("events.ndjson", [change("e1", 3600)])
        work.tick(LATER_MS)
        spans: list[tuple[int, int]] = []
        read = type(work.workshop.lake).read

        def noted(lake: Any, columns: Any, types: Any, *span: Any) -> Any:
            spans.append(span[:2])
            return read(lake, columns, types, *span)

        monkeypatch.setattr(type(work.workshop.lake), "read", noted)
        assert look(work.workshop, LATER_MS + 60_000) == 0
        assert spans == []
        work.drop("late.ndjson", [change("e2", 7200)])
        work.tick(LATER_MS + 120_000)
        assert spans[0] == (CLOSED_MS + 7_200_000, LATER_MS + 120_001)
        assert len(told(work)) == 2


def test_a_rule_that_was_taken_back_is_watched_no_more(tmp_path: Path) -> None:
    with org_bench(tmp_path) as org_work, bench(tmp_path, ROUTES) as work:
        org_work.apply(org_work.plan(KEEP))
        run = org_work.last()
        database = work.workshop.database
        close(database, run, None)
        rows = Closed(database).list()
        assert [(row["rule_id"], row["policy_id"], row["name"]) for row in rows] == [
            (DEFAULT_RULE, DEFAULT, "Default Rule"),
            (OFFICE_RULE, STAFF, "Office"),
            (REST_RULE, STAFF, "Everybody else"),
        ]
        assert {(row["run"], row["closed_ms"], row["actor_id"]) for row in rows} == {
            (run.id, NOW_MS, None)
        }
        org_work.roll_back()
        reopen(database, run)
        assert Closed(database).list() == []


EVENTS = (
    change("update", 3600),
    change("policy", 3700, "lifecycle.deactivate", POLICY),
    change("delete", 3800, "rule.delete"),
    change("other", 3900, targets=OTHER_RULE),
    change("before", -60),
    change("own", 5, **US),
)
ORDERS = list(itertools.permutations(range(len(EVENTS))))[::179]


@pytest.mark.parametrize(("order", "size"), [(order, 2 + n % 2) for n, order in enumerate(ORDERS)])
def test_whatever_the_ticks_each_event_is_told_once(
    tmp_path: Path, order: Sequence[int], size: int
) -> None:
    """One comes again each time, and the rule comes on file in the midst of it."""
    with bench(tmp_path, ROUTES) as work:
        opened = 0
        for number, begin in enumerate(range(0, len(order), size)):
            part = [EVENTS[place] for place in order[begin : begin + size]]
            work.drop(f"{number}.ndjson", [*part, EVENTS[order[0]]])
            if number == 1:
                closing(work)
            opened += work.tick(LATER_MS + number * 60_000).deeds.count(Deed.OPENED)
        opened += work.tick(LATER_MS + 600_000).deeds.count(Deed.OPENED)
        assert keys(work) == {"update", "policy", "delete"}
        assert len(told(work)) == opened == 3


def test_a_crash_before_the_lake_was_taken_in_tells_nothing_twice(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        (notice,) = looked(work, change("e1", 3600))
        assert look(work.workshop, LATER_MS) == 0
        work.tick(LATER_MS + 60_000)
        assert told(work) == [notice]


def _snapshot(taken_ms: int | None = CLOSED_MS + 1, /, **changes: Any) -> Snapshot:
    """Return a snapshot in which all rules are closed, but for what ``changes`` say of one."""
    held = snapshot(org())
    after = plans.applied(held, plan())
    staff, *others = after.part("OKTA_SIGN_ON").items
    rules = [{**r, **changes} if r["id"] == REST_RULE else r for r in staff["rules"]]
    return Snapshot(taken_ms, "", {"OKTA_SIGN_ON": Part(({**staff, "rules": rules}, *others))})


OPEN: dict[str, Any] = {"actions": {"signon": {"access": "ALLOW", "requireFactor": False}}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        (OPEN, "lets a password alone in again"),
        ({"actions": {"signon": {"access": "ALLOW"}}}, "lets a password alone in again"),
        ({"actions": {"signon": {"access": "DENY", "requireFactor": False}}}, None),
        ({"status": "INACTIVE"}, "is not in force any more"),
        ({"id": "0prother"}, "is not there any more"),
    ],
)
def test_a_snapshot_in_which_a_closed_rule_is_open_opens_an_alert(
    tmp_path: Path, changes: dict[str, Any], says: str | None
) -> None:
    with closed(tmp_path) as work:
        assert seen(work.workshop, _snapshot(**changes), LATER_MS) == (says is not None)
        titles = [notice["title"] for notice in told(work)]
        assert titles == [
            f"The policy rule Everybody else, which was closed, {words}"
            for words in [says]
            if words
        ]
        assert seen(work.workshop, _snapshot(**changes), LATER_MS + 1) == 0


def test_a_policy_that_is_not_active_guards_nobody(tmp_path: Path) -> None:
    known = _snapshot()
    staff, *others = known.part("OKTA_SIGN_ON").items
    items = ({**staff, "status": "INACTIVE"}, *others)
    with closed(tmp_path) as work:
        inactive = Snapshot(known.taken_ms, "", {"OKTA_SIGN_ON": Part(items)})
        assert seen(work.workshop, inactive, LATER_MS) == 1


@pytest.mark.parametrize("taken_ms", [None, CLOSED_MS])
def test_a_snapshot_from_before_tells_nothing(tmp_path: Path, taken_ms: int | None) -> None:
    with closed(tmp_path) as work:
        assert seen(work.workshop, _snapshot(taken_ms, **OPEN), LATER_MS) == 0


def test_what_a_snapshot_does_not_know_is_not_gone(tmp_path: Path) -> None:
    unknown = Snapshot(CLOSED_MS + 1, "", {"OKTA_SIGN_ON": Part(missing="403")})
    with closed(tmp_path) as work:
        assert seen(work.workshop, unknown, LATER_MS) == 0


def test_one_open_alert_of_a_rule_is_enough_for_a_snapshot(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        (notice,) = looked(work, change("e1", 3600))
        first = _snapshot(lastUpdated="2026-01-15T09:10:00.000Z", **OPEN)
        assert seen(work.workshop, first, LATER_MS) == 0
        settings = Settings(state=tmp_path / "state")
        person = casebook.Person("ana", None)
        casebook.decide(settings, notice["alert"], "close", person, "fixed")
        assert seen(work.workshop, first, LATER_MS) == 1, "it was not fixed"
        again = told(work)[-1]
        casebook.decide(settings, again["alert"], "close", person, "accepted")
        assert seen(work.workshop, first, LATER_MS) == 0, "it was told of, and is as it was"
        later = _snapshot(lastUpdated="2026-01-15T09:20:00.000Z", **OPEN)
        assert seen(work.workshop, later, LATER_MS) == 1


def test_nothing_on_file_reads_nothing(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        assert look(work.workshop, LATER_MS) == 0
        assert seen(work.workshop, _snapshot(**OPEN), LATER_MS) == 0


def test_a_lake_without_an_event_tells_nothing(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        assert look(work.workshop, LATER_MS) == 0
