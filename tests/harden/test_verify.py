"""Proof that a plan is in force: live rules, sessions since, exceptions that are overdue."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
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
    UNTIL_MS,
    org,
    plan,
    policy,
    rule,
    snapshot,
)

from mfagap.harden import plan as plans
from mfagap.harden.plan import COVER
from mfagap.harden.verify import EXPIRED, IN_FORCE, LET_IN, verify
from mfagap.model import AlertContext, Confidence, Finding, MfaStatus, Policy, Severity
from mfagap.model.hardening import (
    MOST_EVIDENCE,
    CheckOutcome,
    CheckResult,
    Plan,
)
from mfagap.model.org import Part, Snapshot

PLAN = plan()
MOMENTS = {change.id: NOW_MS for change in PLAN.changes}
LATER_MS = NOW_MS + DAY_MS


def _session(
    uuid: str, start_ms: int, rule_id: str | None, status: MfaStatus = MfaStatus.SINGLE_FACTOR
) -> Finding:
    context = AlertContext("a@example.com", None, None, None, "102", None, None, "")
    return Finding(
        detection="d",
        uuid=uuid,
        start_ms=start_ms,
        mfa_status=status,
        severity=Severity.MEDIUM,
        confidence=Confidence.HIGH,
        confidence_reasons=(),
        title="",
        dedup_key=uuid,
        mfa_link=None,
        mfa_event=None,
        explanation=None,
        annotations=(),
        policy=Policy(rule_id=rule_id),
        alert_context=context,
    )


def _after(made: Plan = PLAN, held: Any = None) -> Snapshot:
    return plans.applied(snapshot(held or org()), made)


def _told(results: Sequence[CheckResult]) -> list[tuple[str, str, str, str]]:
    return [(r.check, r.subject_id, r.outcome.value, r.reason) for r in results]


def _of(check: str, results: Sequence[CheckResult], rule_id: str) -> CheckResult:
    (found,) = [r for r in results if (r.check, r.subject_id) == (check, rule_id)]
    return found


def test_a_plan_that_is_in_force_with_nobody_let_in_since() -> None:
    results = verify(PLAN, _after(), [], LATER_MS, MOMENTS)
    assert _told(results) == [
        (check, rule_id, "pass", reason)
        for rule_id in (OFFICE_RULE, REST_RULE, DEFAULT_RULE)
        for check, reason in ((IN_FORCE, "as_planned"), (LET_IN, "nobody"))
    ]
    assert results[0].says == "The rule Office is as planned."
    assert results[1].says == (
        "Rule Office let nobody in on one factor from 2026-01-16T12:00:00.000Z to "
        "2026-01-17T12:00:00.000Z."
    )
    assert (results[0].policy_id, results[0].subject) == (STAFF, "rule")


def test_a_plan_that_was_not_carried_out_is_not_in_force() -> None:
    results = verify(PLAN, snapshot(org()), [], LATER_MS)
    assert _of(IN_FORCE, results, REST_RULE).says == (
        "The rule Everybody else is not as planned, in actions.signon.requireFactor, "
        "actions.signon.factorPromptMode, actions.signon.factorLifetime."
    )
    since = _of(LET_IN, results, REST_RULE)
    assert (since.outcome, since.reason) == (CheckOutcome.UNKNOWN, "no_moment")
    assert since.severity is Severity.HIGH
    assert since.says == "No journal here tells when rule Everybody else was changed."


def test_what_the_journal_tells_is_said_where_there_is_no_moment() -> None:
    known = {PLAN.changes[1].id: "Run 1 was taken back."}
    results = verify(PLAN, snapshot(org()), [], LATER_MS, {}, known)
    assert _of(LET_IN, results, REST_RULE).says == "Run 1 was taken back."


def _with_rule(**changes: Any) -> Snapshot:
    after = _after()
    items = [dict(item) for item in after.part("OKTA_SIGN_ON").items]
    rules = list(items[0]["rules"])
    rules[1] = {**rules[1], **changes}
    items[0]["rules"] = rules
    return replace(after, parts={**after.parts, "OKTA_SIGN_ON": Part(tuple(items))})


def test_a_rule_that_is_otherwise_than_planned_fails_with_the_paths() -> None:
    results = verify(PLAN, _with_rule(status="INACTIVE", priority=5), [], LATER_MS, MOMENTS)
    result = _of(IN_FORCE, results, REST_RULE)
    assert (result.outcome, result.reason, result.severity) == (
        CheckOutcome.FAIL,
        "differs",
        Severity.HIGH,
    )
    assert result.says == "The rule Everybody else is not as planned, in status, priority."
    assert _of(IN_FORCE, results, OFFICE_RULE).outcome is CheckOutcome.PASSED


def test_what_okta_added_to_a_rule_is_as_planned() -> None:
    results = verify(PLAN, _with_rule(more={"a": 1}), [], LATER_MS, MOMENTS)
    assert _of(IN_FORCE, results, REST_RULE).outcome is CheckOutcome.PASSED


@pytest.mark.parametrize(
    ("missing", "outcome", "reason"),
    [(None, "fail", "gone"), ("403", "unknown", "unknown_part")],
)
def test_a_rule_that_is_not_there_is_gone_or_not_known(
    missing: str | None, outcome: str, reason: str
) -> None:
    known = replace(snapshot(org()), parts={"OKTA_SIGN_ON": Part(missing=missing)})
    result = _of(IN_FORCE, verify(PLAN, known, [], LATER_MS, MOMENTS), REST_RULE)
    assert (result.outcome.value, result.reason) == (outcome, reason)


def test_sessions_since_the_change_are_listed() -> None:
    sessions = [
        _session("before", NOW_MS, REST_RULE),
        _session("second", NOW_MS + 2, REST_RULE, MfaStatus.STEP_UP),
        _session("first", NOW_MS + 1, REST_RULE),
        _session("stopped", NOW_MS + 3, REST_RULE, MfaStatus.CHALLENGED),
        _session("other", NOW_MS + 3, "0prother"),
        _session("excused", NOW_MS + 3, REST_RULE, MfaStatus.EXPLAINED),
    ]
    results = verify(PLAN, _after(), sessions, LATER_MS, MOMENTS)
    result = _of(LET_IN, results, REST_RULE)
    assert (result.outcome, result.reason, result.amount) == (CheckOutcome.FAIL, "let_in", 2)
    assert (result.evidence, result.first_ms, result.last_ms) == (
        ("first", "second"),
        NOW_MS + 1,
        NOW_MS + 2,
    )
    assert _of(LET_IN, results, OFFICE_RULE).outcome is CheckOutcome.PASSED


def test_many_sessions_are_counted_and_the_first_are_named() -> None:
    sessions = [_session(f"{n:03}", NOW_MS + 1 + n, REST_RULE) for n in range(50)]
    result = _of(LET_IN, verify(PLAN, _after(), sessions, LATER_MS, MOMENTS), REST_RULE)
    assert (result.amount, len(result.evidence)) == (50, MOST_EVIDENCE)
    assert result.says.endswith("since 2026-01-16T12:00:00.000Z: 50.")


def test_a_log_that_ends_before_the_change_tells_nothing() -> None:
    results = verify(PLAN, _after(), [], NOW_MS, MOMENTS)
    result = _of(LET_IN, results, REST_RULE)
    assert (result.outcome, result.reason) == (CheckOutcome.UNKNOWN, "log_too_short")
    assert result.says == (
        "The log reaches to 2026-01-16T12:00:00.000Z, and rule Everybody else was changed at "
        "2026-01-16T12:00:00.000Z: give a log that reaches past it."
    )


@pytest.mark.parametrize(
    "unsure",
    [
        _session("u", NOW_MS + 1, REST_RULE, MfaStatus.UNSETTLED),
        _session("u", NOW_MS + 1, None),
        _session("u", NOW_MS + 1, None, MfaStatus.STEP_UP),
        _session("u", NOW_MS + 1, None, MfaStatus.UNSETTLED),
    ],
)
def test_a_session_of_which_the_log_does_not_tell_is_no_proof(unsure: Finding) -> None:
    result = _of(LET_IN, verify(PLAN, _after(), [unsure], LATER_MS, MOMENTS), REST_RULE)
    assert (result.outcome, result.reason, result.amount, result.evidence) == (
        CheckOutcome.UNKNOWN,
        "unsure",
        1,
        ("u",),
    )


def test_in_classic_engine_the_default_rule_counts_with_the_one_before_it() -> None:
    held = org(classic=True)
    made = plans.make(snapshot(held), "d", FAILED[:1], NOW_MS)
    moments = {made.changes[0].id: NOW_MS}
    for rule_id in (DEFAULT_RULE, made.changes[0].id):
        session = _session("s", NOW_MS + 1, rule_id)
        in_force, let_in = verify(made, _after(made, held), [session], LATER_MS, moments)
        assert (in_force.outcome, in_force.subject_name) == (CheckOutcome.PASSED, COVER)
        assert (let_in.outcome, let_in.policy_id) == (CheckOutcome.FAIL, DEFAULT)


KEPT = plan(keep=KEEP)


def _kept(known: Snapshot, now_ms: int) -> list[tuple[str, str, str, str]]:
    return [
        (r.check, r.subject, r.outcome.value, r.reason)
        for r in verify(KEPT, known, [], now_ms, MOMENTS)
        if r.check == EXPIRED or r.subject_name.startswith("mfagap")
    ]


def test_an_exception_is_in_force_until_it_is_over() -> None:
    assert _kept(_after(KEPT), UNTIL_MS - 1) == [
        (IN_FORCE, "policy", "pass", "as_planned"),
        (EXPIRED, "policy", "pass", "lasts"),
        (IN_FORCE, "rule", "pass", "as_planned"),
        (EXPIRED, "rule", "pass", "lasts"),
    ]


def test_an_exception_that_is_over_and_still_there_fails() -> None:
    assert _kept(_after(KEPT), UNTIL_MS) == [
        (IN_FORCE, "policy", "pass", "as_planned"),
        (EXPIRED, "policy", "fail", "overdue"),
        (IN_FORCE, "rule", "pass", "as_planned"),
        (EXPIRED, "rule", "fail", "overdue"),
    ]


def test_an_exception_that_is_gone_once_it_is_over_is_as_planned() -> None:
    assert _kept(_after(), UNTIL_MS) == [
        (EXPIRED, "policy", "pass", "gone"),
        (EXPIRED, "rule", "pass", "gone"),
    ]
    assert [told[2:] for told in _kept(_after(), UNTIL_MS - 1)] == [
        ("fail", "gone"),
        ("pass", "lasts"),
    ] * 2


def test_whether_an_exception_is_gone_may_not_be_known() -> None:
    known = replace(_after(), parts={"OKTA_SIGN_ON": Part(missing="403")})
    assert _kept(known, UNTIL_MS) == [
        (EXPIRED, "policy", "unknown", "unknown_part"),
        (EXPIRED, "rule", "unknown", "unknown_part"),
    ]


def test_an_exception_may_be_put_behind_others() -> None:
    after = _after(KEPT)
    items = tuple(
        {**item, "priority": 9} if item["id"].startswith("keep") else item
        for item in after.part("OKTA_SIGN_ON").items
    )
    later = replace(after, parts={"OKTA_SIGN_ON": Part(items)})
    assert _kept(later, NOW_MS)[0][2:] == ("pass", "as_planned")


def _edited(edit: Callable[[list[dict[str, Any]]], object], missing: str | None = None) -> Snapshot:
    after = _after()
    items = [deepcopy(dict(item)) for item in after.part("OKTA_SIGN_ON").items]
    edit(items)
    return replace(after, parts={**after.parts, "OKTA_SIGN_ON": Part(tuple(items), missing)})


SINCE, LONG_SINCE = "2026-01-16T18:00:00.000Z", "2024-05-02T08:00:00.000Z"


def _inactive(items: list[dict[str, Any]]) -> None:
    items[0]["status"] = "INACTIVE"


def _changed(items: list[dict[str, Any]]) -> None:
    items[0]["conditions"]["people"]["groups"]["include"] = ["00gnobody00000000001"]
    items[0]["lastUpdated"] = SINCE


def _narrowed(items: list[dict[str, Any]]) -> None:
    items[0]["rules"][1]["conditions"]["people"]["users"]["include"] = ["00unobody"]


def _rule_before(at: str | None) -> Callable[[list[dict[str, Any]]], None]:
    def edit(items: list[dict[str, Any]]) -> None:
        made = rule("0prnew00000000000001", "New", 0) | {"created": at, "lastUpdated": at}
        items[0]["rules"].insert(0, made)

    return edit


def _policy_before(at: str) -> Callable[[list[dict[str, Any]]], None]:
    def edit(items: list[dict[str, Any]]) -> None:
        made = policy("00pnew00000000000001", "New", 0, ["00gstaff000000000001"])
        rules = [rule("0prnew00000000000001", "New", 1)]
        items.insert(0, made | {"lastUpdated": at, "rules": rules})

    return edit


@pytest.mark.parametrize(
    ("edit", "outcome", "reason", "says"),
    [
        (
            _inactive,
            CheckOutcome.FAIL,
            "policy_inactive",
            "Rule Everybody else is as planned, and its policy Staff is inactive.",
        ),
        (
            _changed,
            CheckOutcome.UNKNOWN,
            "policy_changed",
            "Rule Everybody else is as planned, and its policy Staff was changed since: whom it is "
            "for, and when it is asked, may be otherwise.",
        ),
        (
            _narrowed,
            CheckOutcome.FAIL,
            "differs",
            "The rule Everybody else is not as planned, in conditions.people.users.include.",
        ),
        *(
            (
                edit,
                outcome,
                "overtaken",
                "Rule New is asked before rule Everybody else and asks for no factor.",
            )
            for edit, outcome in (
                (_rule_before(SINCE), CheckOutcome.FAIL),
                (_rule_before(None), CheckOutcome.UNKNOWN),
                (_policy_before(SINCE), CheckOutcome.UNKNOWN),
            )
        ),
        (
            _rule_before(LONG_SINCE),
            CheckOutcome.PASSED,
            "as_planned",
            "The rule Everybody else is as planned.",
        ),
    ],
)
def test_a_rule_as_planned_may_decide_nothing(
    edit: Callable[[list[dict[str, Any]]], None], outcome: CheckOutcome, reason: str, says: str
) -> None:
    result = _of(IN_FORCE, verify(PLAN, _edited(edit), [], LATER_MS, MOMENTS), REST_RULE)
    assert (result.outcome, result.reason, result.says) == (outcome, reason, says)


def test_what_is_asked_before_may_not_be_known() -> None:
    known = _edited(lambda _items: None, "403")
    result = _of(IN_FORCE, verify(PLAN, known, [], LATER_MS, MOMENTS), REST_RULE)
    assert (result.outcome, result.reason) == (CheckOutcome.UNKNOWN, "unknown_part")
    assert result.says == (
        "Whether another rule is asked before rule Everybody else is not known: 403."
    )


def test_sessions_through_a_rule_that_the_plan_does_not_close_are_listed() -> None:
    sessions = [
        _session("before", NOW_MS, "0prother"),
        _session("second", NOW_MS + 2, "0prother"),
        _session("first", NOW_MS + 1, "0prother"),
        _session("asked", NOW_MS + 1, "0prother", MfaStatus.CHALLENGED),
    ]
    result = _of(LET_IN, verify(PLAN, _after(), sessions, LATER_MS, MOMENTS), "0prother")
    assert (result.outcome, result.reason, result.evidence) == (
        CheckOutcome.FAIL,
        "let_in_elsewhere",
        ("first", "second"),
    )
    assert result.says == (
        "Sessions that rule 0prother, which the plan does not close, let in on one factor since "
        "2026-01-16T12:00:00.000Z: 2."
    )
