"""Runs against an org, a plan or a journal in which somebody had a hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import Recorded
from tests.harden.applied import Bench, bench
from tests.harden.planned import (
    DAY_MS,
    DEFAULT,
    DEFAULT_RULE,
    FAILED,
    KEEP,
    NOW_MS,
    OFFICE_RULE,
    REST_RULE,
    STAFF,
    policy,
)

from mfagap.errors import AnswerLost, ContentError, PlanRefused, SourceError, StateError
from mfagap.harden import plan as plans
from mfagap.harden.apply import resume, roll_back
from mfagap.model.hardening import Change, Plan
from mfagap.model.org import Json
from mfagap.okta.client import OktaClient
from mfagap.okta.transport import Answer

POLICY = "00pmade0000000000001"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(body=b"{}"), "about /api/v1/policies is no list"),
        (Fault(body=b"[7]"), "about /api/v1/policies holds what is no object"),
        (Fault(404, "E0000007"), "404 E0000007"),
    ],
)
def test_a_list_that_is_none_is_not_taken_for_an_empty_one(
    tmp_path: Path, fault: Fault, words: str
) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan(KEEP))
        work.okta.when("/api/v1/policies", fault, times=1)
        with pytest.raises(SourceError, match=words):
            work.roll_back()
        assert POLICY in work.holds()
        work.roll_back()
        assert POLICY not in work.holds()


def test_rules_that_are_not_there_though_their_policy_is_are_not_taken_for_none(
    tmp_path: Path,
) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan(KEEP))
        work.okta.when(f"/api/v1/policies/{POLICY}/rules", Fault(404, "E0000007"), times=1)
        with pytest.raises(SourceError, match="404 E0000007"):
            work.roll_back()
        assert not work.last().finished


def test_a_rule_is_put_back_behind_what_was_put_before_it_since(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan())
        deny: Json = {"type": "SIGN_ON", "name": "Block", "priority": 1, "conditions": {}}
        actions = {"signon": {"access": "DENY"}}
        work.client.post(f"/api/v1/policies/{STAFF}/rules", {**deny, "actions": actions})
        work.roll_back()
        rules = sorted(work.okta.org.rules[STAFF], key=lambda each: each["priority"])
        assert [
            (each["name"], each["actions"]["signon"].get("requireFactor")) for each in rules
        ] == [
            ("Block", None),
            ("Office", False),
            ("Everybody else", False),
        ]


def _forged(plan: Plan, folder: Path, change: Change) -> Plan:
    file = folder / "plan.json"
    file.write_text(plans.dump(_otherwise(plan, changes=(change,))), encoding="utf-8")
    return plans.load(file)


def _otherwise(plan: Plan, **changes: Any) -> Plan:
    made = replace(plan, **changes)
    return replace(made, id=plans.identity(made))


@pytest.mark.parametrize("key", ["_links", "_embedded", "created", "lastUpdated"])
def test_a_plan_that_would_send_what_is_not_shown_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    sent: list[Json] = []
    put = OktaClient.put

    def noted(client: OktaClient, url: str, body: Json) -> Answer:
        sent.append(body)
        return put(client, url, body)

    monkeypatch.setattr(OktaClient, "put", noted)
    with bench(tmp_path) as work:
        plan = work.plan()
        hidden = replace(plan.changes[0], after={**plan.changes[0].after, key: "x"})
        with pytest.raises(ContentError, match="has what Okta sets itself"):
            _forged(plan, tmp_path, hidden)
        work.apply(_otherwise(plan, changes=(hidden,)))
        (run,) = (tmp_path / "hardening" / "runs").iterdir()
        intent = json.loads(run.read_text(encoding="utf-8").splitlines()[1])
        assert sent == [intent["after"]] == [plan.changes[0].after]


def test_a_plan_that_makes_what_is_no_session_policy_or_rule_is_none(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        for change in plan.changes[:2]:
            other = replace(change, after={**change.after, "type": "PASSWORD"})
            with pytest.raises(ContentError, match="writes elsewhere"):
                _forged(plan, tmp_path, other)


def test_nothing_is_written_to_a_policy_of_another_type(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan()
        other = "00penroll00000000001"
        work.okta.org.rules[other] = [work.rule(STAFF, REST_RULE)]
        path = f"/api/v1/policies/{other}/rules/{REST_RULE}"
        with pytest.raises(PlanRefused, match=f"policy {other} is no session policy"):
            work.apply(_forged(plan, tmp_path, replace(plan.changes[1], path=path)))
        assert work.writes() == []


def _edit(work: Bench, edit: Callable[[dict[str, Any]], object]) -> None:
    file = work.journal.file(work.last().id)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        edit(line)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _intent(line: dict[str, Any]) -> None:
    if line["event"] == "intent":
        line["before"]["conditions"] = {}


def _nothing_before(line: dict[str, Any]) -> None:
    if line["event"] == "intent":
        line["before"] = None


@pytest.mark.parametrize("edit", [_intent, _nothing_before])
def test_an_edited_journal_does_not_decide_what_is_put_back(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan())
        asked = work.writes()
        _edit(work, edit)
        with pytest.raises(StateError, match=r"damaged \(what was there before .* is not what the"):
            work.roll_back()
        assert work.writes() == asked


def test_a_journal_that_was_edited_plan_and_all_is_not_what_the_audit_log_tells(
    tmp_path: Path,
) -> None:
    with bench(tmp_path) as work:
        plan = work.plan()
        work.apply(plan)
        asked = work.writes()
        first = plan.changes[0]
        assert first.before is not None
        forged = replace(first, before={**first.before, "conditions": {}})
        other = _otherwise(plan, changes=(forged, *plan.changes[1:]))

        def edit(line: dict[str, Any]) -> None:
            if "plan" in line:
                line["plan"] = json.loads(plans.dump(other))
            if (line["event"], line["change"]) == ("intent", first.id):
                line["before"]["conditions"] = {}

        _edit(work, edit)
        with pytest.raises(StateError, match=f"before {first.id} is not what .* one of them was"):
            work.roll_back()
        assert work.writes() == asked


def test_a_moment_far_ahead_of_our_clock_is_not_believed(tmp_path: Path) -> None:
    def ahead(line: dict[str, Any]) -> None:
        if line["event"] == "done":
            line["after"]["lastUpdated"] = "9999-01-01T00:00:00.000Z"

    with bench(tmp_path) as work:
        work.apply(work.plan())
        _edit(work, ahead)
        assert {each.at_ms for each in work.last().closed} == {NOW_MS + DAY_MS}


def test_a_journal_with_too_many_levels_is_damaged(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan())
        with work.journal.file(work.last().id).open("a", encoding="utf-8") as out:
            out.write('{"a":' + "[" * 200_000 + "]" * 200_000 + "}\n")
        with pytest.raises(StateError, match=r"damaged .*levels"):
            work.roll_back()


def test_the_number_of_a_run_is_not_given_twice(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        for _ in range(2):
            work.apply(work.plan())
            work.roll_back()
        min((tmp_path / "hardening" / "runs").iterdir()).unlink()
        assert work.apply(work.plan()).run.startswith("0003-")
        assert [run.id[:4] for run in work.journal.runs()] == ["0002", "0003"]


def test_a_run_is_gone_on_with_and_taken_back_in_its_own_org_alone(tmp_path: Path) -> None:
    with bench(tmp_path / "one") as one, bench(tmp_path / "other") as other:
        one.okta.when(f"/api/v1/policies/{STAFF}/rules/*", Fault(400), method="PUT", times=1)
        plan = _otherwise(one.plan(KEEP), origin="a folder")
        with pytest.raises(SourceError):
            one.apply(plan)
        words = f"wrote to {one.okta.url}, and the credentials lead to {other.okta.url}"
        for verb in (resume, roll_back):
            with pytest.raises(PlanRefused, match=words):
                verb(one.journal, other.client)
        assert other.okta.requests == []
        assert not one.last().turned_back
        one.roll_back()


def test_what_was_made_in_a_policy_that_is_gone_is_told(tmp_path: Path) -> None:
    with bench(tmp_path, classic=True) as work:
        known = work.snapshot()
        work.apply(plans.make(known, "d", FAILED[:1], NOW_MS))
        work.okta.when(f"/api/v1/policies/{DEFAULT}*", Fault(404, "E0000007"))
        with pytest.raises(PlanRefused, match=f"policy {DEFAULT}, which held it, is not there any"):
            work.roll_back()


def test_somebody_elses_policy_of_that_name_is_not_taken_for_ours(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        other = "00pother000000000001"
        theirs = policy(other, plan.changes[0].after["name"], 1, ["00geveryone000000001"])

        def meddle(_request: Recorded) -> None:
            if work.writes() and other not in work.okta.org.rules:
                work.okta.org.policies.insert(0, theirs)
                work.okta.org.rules[other] = []

        work.okta.when("/api/v1/policies", Fault(lost=True, undone=True), method="POST")
        work.okta.meddle = meddle
        with pytest.raises(AnswerLost, match="0 of 5 changes of run"):
            work.apply(plan)
        assert work.okta.org.rules[other] == []
        with pytest.raises(PlanRefused, match="there is one of that name already"):
            work.resume()


def test_an_older_run_is_not_taken_back_under_a_newer_one(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        first = work.apply(work.plan()).run
        for policy_id, rule_id in (
            (STAFF, OFFICE_RULE),
            (STAFF, REST_RULE),
            (DEFAULT, DEFAULT_RULE),
        ):
            work.rule(policy_id, rule_id)["actions"]["signon"]["requireFactor"] = False
        second = work.apply(work.plan()).run
        asked = work.writes()
        with pytest.raises(PlanRefused, match=f"run {second} changed the same rules since"):
            work.roll_back(first)
        assert work.writes() == asked
        assert len(work.roll_back(second).changes) == len(FAILED)
