"""A rule that was closed and is changed again is an alert, once an event, in whatever ticks."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.harden.planned import (
    DEFAULT,
    DEFAULT_RULE,
    OFFICE_RULE,
    REST_RULE,
    STAFF,
)
from tests.service.closed_rules import (
    CLOSED_MS,
    LATER_MS,
    OTHER_RULE,
    POLICY,
    ROUTES,
    RULE,
    change,
    closed,
    closing,
    keys,
    looked,
    target,
    told,
)
from tests.service.workshops import bench

from mfagap.alerts import Deed
from mfagap.service import casebook
from mfagap.service.regressions import GAP, look
from mfagap.settings import Settings
from mfagap.state.closed import Closed


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
    change("id-of-a-list", 3600, "rule.update", ({**OTHER_RULE[1], "id": []},)),
    change("id-of-an-object", 3600, "rule.update", ({**OTHER_RULE[1], "id": {"a": 1}},)),
    change("id-of-nothing", 3600, "rule.update", ({"type": "PolicyRule"},)),
    change("list-of-lists", 3600, "rule.update", ([*RULE],)),
    change("list-of-texts", 3600, "rule.update", ("x",)),
    change("of-nothing", 3600, "rule.update", ()),
    change("rule-update", 3600),
    change("rule-activate", 3600, "rule.activate"),
    change("rule-deactivate", 3600, "rule.deactivate"),
    change("rule-delete", 3600, "rule.delete"),
    change("rule-invalidate", 3600, "rule.invalidate"),
    change("policy-update", 3600, "lifecycle.update", POLICY),
    change("policy-deactivate", 3600, "lifecycle.deactivate", POLICY),
    change("policy-delete", 3600, "lifecycle.delete", POLICY),
    change("update-of-a-policy", 3600, "rule.update", POLICY),
    change("of-no-outcome", 3600, outcome__result=None),
)
OTHER_POLICY = target("PolicyEntity", "00pother")
APP_POLICY = {**OTHER_POLICY, "detailEntry": {"policyType": "Okta:AccessPolicy"}}
SESSION_POLICY = {**OTHER_POLICY, "detailEntry": {"policyType": "OktaSignOn"}}
MAY_PRECEDE = {
    "A rule was added to the policy of the policy rule Everybody else, which was closed: look "
    "whether it comes before it": (
        change("rule-add", 3600, "rule.add", OTHER_RULE),
        change("rule-create", 3600, "rule.create", OTHER_RULE),
    ),
    "A rule was changed in the policy of the policy rule Everybody else, which was closed: look "
    "whether it comes before it": (
        change("other-update", 3600, "rule.update", OTHER_RULE),
        change("other-activate", 3600, "rule.activate", OTHER_RULE),
        change(
            "of-its-type",
            3600,
            "rule.delete",
            ({**POLICY[0], **APP_POLICY, "id": STAFF}, RULE[0] | {"type": "Rule", "id": "rul1"}),
        ),
    ),
    "Another policy was added: look whether it comes before the policy rule Everybody else, which "
    "was closed": (change("policy-create", 3600, "lifecycle.create", (OTHER_POLICY,)),),
    "Another policy was changed: look whether it comes before the policy rule Everybody else, "
    "which was closed": (
        change("policy-activate", 3600, "lifecycle.activate", (SESSION_POLICY,)),
        change("other-policy", 3600, "lifecycle.update", (OTHER_POLICY,)),
    ),
    "Another rule was added: look whether it comes before the policy rule Everybody else, which "
    "was closed": (
        change("other-add", 3600, "rule.add", (SESSION_POLICY, OTHER_RULE[1])),
        change("of-no-policy", 3600, "rule.add", (OTHER_RULE[1],)),
    ),
    "Another rule was changed: look whether it comes before the policy rule Everybody else, which "
    "was closed": (change("other-rule", 3600, "rule.update", (SESSION_POLICY, OTHER_RULE[1])),),
}
DOES_NOT = (
    change("app-rule", 3600, "rule.update", (APP_POLICY, OTHER_RULE[1])),
    change("app-policy", 3600, "lifecycle.create", (APP_POLICY,)),
    change("evaluation", 3600, "evaluate_sign_on"),
    change("failed", 3600, outcome__result="FAILURE"),
    change("at-that-moment", 0),
    change("before", -1, "rule.add", OTHER_RULE),
)


def test_what_undoes_the_change_of_a_rule(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        looked(work, *UNDOES, *DOES_NOT)
        assert keys(work) == {event["uuid"] for event in UNDOES}
        assert {notice["severity"] for notice in told(work)} == {"high"}


def test_what_may_be_asked_before_a_rule_is_told_once_and_as_what_it_is(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        closing(work, rule_id=OFFICE_RULE, name="Office", closed_ms=CLOSED_MS + 3_600_001)
        closing(work, rule_id=DEFAULT_RULE, name="Default", policy_id=DEFAULT)
        notices = looked(work, *(event for events in MAY_PRECEDE.values() for event in events))
        said = {
            notice["title"].replace("Default,", "Everybody else,"): notice["severity"]
            for notice in notices
        }
        assert said == {
            f"{title}: {event['eventType']} by mallory@example.com": "medium"
            for title, events in MAY_PRECEDE.items()
            for event in events
        }
        assert keys(work) == {event["uuid"] for events in MAY_PRECEDE.values() for event in events}


def test_one_odd_event_stops_no_tick(tmp_path: Path) -> None:
    odd = change("odd", 3000, targets=({"id": [], "type": "PolicyRule"},))
    with closed(tmp_path) as work:
        work.drop("events.ndjson", [odd, change("e1", 3600)])
        assert work.tick(LATER_MS).deeds == (Deed.OPENED,) * 2
        assert work.tick(LATER_MS + 60_000).deeds == ()


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

        def noted(lake: Any, columns: Any, stretches: Any, *until: Any) -> Any:
            spans.extend((part.from_ms, part.to_ms) for part in stretches)
            return read(lake, columns, stretches, *until)

        monkeypatch.setattr(type(work.workshop.lake), "read", noted)
        assert look(work.workshop, LATER_MS + 60_000) == 0
        assert spans == []
        work.drop("late.ndjson", [change("e2", 7200)])
        work.tick(LATER_MS + 120_000)
        assert spans[0] == (CLOSED_MS + 7_200_000, LATER_MS + 120_001)
        assert len(told(work)) == 2


EVENTS = (
    change("update", 3600),
    change("policy", 3700, "lifecycle.deactivate", POLICY),
    change("delete", 3800, "rule.delete"),
    change("other", 3900, targets=OTHER_RULE),
    change("app", 4000, targets=(APP_POLICY, OTHER_RULE[1])),
    change("before", -60),
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
        assert keys(work) == {"update", "policy", "delete", "other"}
        assert len(told(work)) == opened == 4


def test_a_crash_before_the_lake_was_taken_in_tells_nothing_twice(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        (notice,) = looked(work, change("e1", 3600))
        assert look(work.workshop, LATER_MS) == 0
        work.tick(LATER_MS + 60_000)
        assert told(work) == [notice]


def test_a_lake_without_an_event_tells_nothing(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        assert look(work.workshop, LATER_MS) == 0
