"""Each condition met, not met and not seen; the order of Okta; what several rules come to."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harden.deciding import (
    ADA,
    BEN,
    BLOCKED,
    CASES,
    ELSEWHERE,
    HIDDEN,
    NO,
    OFFICE,
    PROVIDER_ZONE,
    REPEATABLE,
    YES,
    asked,
    default,
    org,
    orgs,
    policy,
    risk,
    rule,
    sign_in,
    zone,
)

from mfagap.harden.evaluator import Org, candidates, decide, remembers
from mfagap.model.hardening import (
    Access,
    Decision,
    SignIn,
)
from mfagap.model.org import Json


@pytest.mark.parametrize(("conditions", "differs", "expected"), CASES)
def test_a_condition(conditions: dict[str, Any], differs: dict[str, Any], expected: str) -> None:
    snapshot = org([policy("00p1", [rule("0pr1", "DENY", **conditions)]), default()])
    decision = decide(asked(snapshot), sign_in(**differs), Org.of(snapshot))
    if expected == YES:
        assert decision == Decision(Access.DENY, "0pr1", "00p1")
    elif expected == NO:
        assert decision == Decision(Access.ALLOW, "0prdefault", "00pdefault")
    else:
        assert decision.access is decision.rule_id is decision.policy_id is None
        assert decision.unseen[0] == f"0pr1: {expected}"


def test_zones_that_could_not_be_read() -> None:
    for include in ("nzooffice", "ALL_ZONES"):
        held = [policy("00p1", [rule("0pr1", "DENY", **zone(include))]), default()]
        snapshot = org(held, zones=None)
        decision = decide(asked(snapshot), sign_in(), Org.of(snapshot))
        assert decision == Decision(None, None, None, ("0pr1: network",))


def decided(*held: Json, **differs: Any) -> Decision:
    snapshot = org(held)
    return decide(asked(snapshot), sign_in(**differs), Org.of(snapshot))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"groups": ["00gstaff"]}, Decision(Access.DENY, "0pr1", "00p1")),
        ({"groups": ["00geveryone"]}, Decision(Access.DENY, "0pr1", "00p1")),
        ({"groups": ["00gothers"]}, Decision(Access.ALLOW, "0prdefault", "00pdefault")),
        ({"groups": ["00gunread"]}, Decision(None, None, None, ("00p1: people.groups",))),
        ({"other": {"weather": {"is": "fine"}}}, Decision(None, None, None, ("00p1: weather",))),
        (
            {"groups": ["00gothers"], "other": {"weather": {"is": "fine"}}},
            Decision(Access.ALLOW, "0prdefault", "00pdefault"),
        ),
        ({"status": "INACTIVE"}, Decision(Access.ALLOW, "0prdefault", "00pdefault")),
    ],
)
def test_a_policy_s_own_conditions(conditions: dict[str, Any], expected: Decision) -> None:
    assert decided(policy("00p1", [rule("0pr1", "DENY")], **conditions), default()) == expected


def test_the_default_policy_is_for_everyone() -> None:
    held = default(rule("0prdefault", "CHALLENGE", system=True))
    held["conditions"] = {"people": {"groups": {"include": ["00gabsent"]}}}
    assert decided(held) == Decision(Access.CHALLENGE, "0prdefault", "00pdefault")


def test_other_kinds_of_policies_decide_no_session() -> None:
    snapshot = org([default()])
    app = [replace(held, type="ACCESS_POLICY") for held in asked(snapshot)]
    assert candidates(app, sign_in(), Org.of(snapshot)) == ()


def test_policies_and_rules_are_asked_by_priority_and_passed_over() -> None:
    held = [
        policy(
            "00p2",
            [rule("0pr4", "DENY", priority=2), rule("0pr3", "CHALLENGE", priority=1)],
            priority=2,
        ),
        default(),
        # No rule of it matches, so that the next policy is asked.
        policy("00p1", [rule("0pr1", "DENY", **risk("HIGH"))], priority=1),
        policy("00p3", [rule("0pr5", "DENY")], priority=3),
        policy("00p0", [], priority=0),
    ]
    assert decided(*held) == Decision(Access.CHALLENGE, "0pr3", "00p2")
    assert decided(*held, risk_level="HIGH") == Decision(Access.DENY, "0pr1", "00p1")


def test_an_inactive_rule_is_passed_over() -> None:
    held = policy("00p1", [rule("0pr1", "DENY", status="INACTIVE"), rule("0pr2", "CHALLENGE")])
    assert decided(held, default()) == Decision(Access.CHALLENGE, "0pr2", "00p1")


@pytest.mark.parametrize(
    ("access", "signon", "expected"),
    [
        ("ALLOW", {}, Access.ALLOW),
        ("ALLOW", {"requireFactor": False}, Access.ALLOW),
        ("ALLOW", {"requireFactor": "yes"}, Access.ALLOW),
        ("ALLOW", {"requireFactor": True, "factorPromptMode": "DEVICE"}, Access.CHALLENGE),
        ("DENY", {"requireFactor": True}, Access.DENY),
    ],
)
def test_what_a_rule_comes_to(access: str, signon: dict[str, Any], expected: Access) -> None:
    assert decided(default(rule("0prdefault", access, signon=signon))).access is expected


def test_an_access_that_nobody_knows() -> None:
    held = default(rule("0prdefault", "PERHAPS"))
    assert decided(held) == Decision(None, None, None, ("0prdefault: access 'PERHAPS'",))
    assert decided(policy("00p1", [rule("0pr1", "PERHAPS")]), default()).unseen == (
        "0pr1: access 'PERHAPS'",
    )


@pytest.mark.parametrize(
    ("signon", "expected"),
    [
        ({"factorPromptMode": "DEVICE"}, True),
        ({"factorPromptMode": "SESSION", "factorLifetime": 15}, True),
        ({"factorPromptMode": None, "factorLifetime": 15}, True),
        ({"factorPromptMode": None}, False),
        ({"factorPromptMode": "ALWAYS", "factorLifetime": 15}, False),
    ],
)
def test_a_rule_that_remembers_factors(signon: dict[str, Any], expected: bool) -> None:
    (held,) = asked(org([default(rule("0prdefault", "CHALLENGE", signon=signon))]))
    assert held.rules is not None
    assert remembers(held.rules[0]) is expected


def test_where_several_rules_might_decide_and_come_to_the_same() -> None:
    held = policy("00p1", [rule("0pr1", "CHALLENGE", **HIDDEN), rule("0pr2", "CHALLENGE")])
    assert decided(held, default()) == Decision(Access.CHALLENGE, None, "00p1")
    maybe = policy("00p1", [rule("0pr1")], other=HIDDEN)
    assert decided(maybe, default()) == Decision(Access.ALLOW, None, None)


def test_only_what_matters_is_named_as_unseen() -> None:
    held = policy(
        "00p1",
        [
            rule("0pr1", "CHALLENGE", **HIDDEN),
            rule("0pr2", "ALLOW", **HIDDEN, **zone("nzogone")),
            rule("0pr3", "CHALLENGE", **HIDDEN),  # comes to what the last one does
            rule("0pr4", "CHALLENGE"),
        ],
    )
    unseen = ("0pr1: device", "0pr2: network", "0pr2: device")
    assert decided(held, default()) == Decision(None, None, None, unseen)


def test_within_a_policy_that_may_be_asked_a_sure_rule_is_the_last() -> None:
    held = policy("00p1", [rule("0pr1", "DENY"), rule("0pr2", "CHALLENGE")], other=HIDDEN)
    snapshot = org([held, default()])
    found = candidates(asked(snapshot), sign_in(), Org.of(snapshot))
    assert [candidate.rule and candidate.rule.id for candidate in found] == ["0pr1", "0prdefault"]
    assert [candidate.unseen for candidate in found] == [("00p1: device",), ()]


def test_rules_that_were_not_read() -> None:
    expected = Decision(None, None, None, ("00p1: rules were not read",))
    assert decided(policy("00p1", None), default()) == expected
    assert decided(policy("00p1", None, groups=["00gothers"]), default()).access is Access.ALLOW


def test_a_list_of_policies_without_a_sure_end() -> None:
    unsure = "policies: none is sure to match"
    assert decided() == Decision(None, None, None, (unsure,))
    held = policy("00p1", [rule("0pr1", **HIDDEN)])
    assert decided(held) == Decision(None, None, None, (unsure, "0pr1: device"))


def test_factors_are_those_that_are_active() -> None:
    known = Org.of(org([default()], factors={ADA: 2, BEN: 0}))
    assert known.factors == {ADA: 2, BEN: 0}
    assert known.everyone == {"00geveryone"}
    assert known.members == {"00gstaff": {ADA}, "00gothers": {BEN}}
    assert known.zones_known


SIGN_INS = st.sampled_from([differs for _, differs, _ in CASES]).map(
    lambda differs: sign_in(**differs)
)


@REPEATABLE
@given(orgs(), SIGN_INS, st.data())
def test_what_is_hidden_never_turns_one_known_access_into_another(
    held: list[dict[str, Any]], asks: SignIn, data: st.DataObject
) -> None:
    snapshot = org(held)
    before = decide(asked(snapshot), asks, Org.of(snapshot))
    owners = [*held[:-1], *(rule for item in held[:-1] for rule in item["rules"])]
    for owner in owners:
        if data.draw(st.booleans()):
            owner["conditions"] = owner["conditions"] | HIDDEN
    snapshot = org(held)
    after = decide(asked(snapshot), asks, Org.of(snapshot))
    assert after.access in (before.access, None)
    assert (after.access is None) == bool(after.unseen)


def _shuffled(value: Any, order: Callable[[list[Any]], list[Any]]) -> Any:
    """Return JSON with each list in another order."""
    if isinstance(value, dict):
        held = cast("dict[str, Any]", value)
        return {key: _shuffled(item, order) for key, item in held.items()}
    if isinstance(value, list):
        return order([_shuffled(item, order) for item in cast("list[Any]", value)])
    return value


@REPEATABLE
@given(orgs(), SIGN_INS, st.randoms(use_true_random=False))
def test_the_order_of_the_lists_does_not_matter(
    held: list[dict[str, Any]], asks: SignIn, chance: Any
) -> None:
    def order(items: list[Any]) -> list[Any]:
        return chance.sample(items, len(items))

    zones = order([OFFICE, ELSEWHERE, PROVIDER_ZONE, BLOCKED])
    snapshot, other = org(held), org(_shuffled(held, order), zones=zones)
    assert decide(asked(snapshot), asks, Org.of(snapshot)) == decide(
        asked(other), asks, Org.of(other)
    )


@pytest.mark.parametrize("status", ["inactive", "DELETED", None])
def test_one_of_an_odd_status_is_never_certain(status: str | None) -> None:
    held = [policy("00p1", [rule("0pr1", "CHALLENGE", status=status)]), default()]
    told = Decision(None, None, None, ("0pr1: status",))
    snapshot = org(held)
    assert decide(asked(snapshot), sign_in(), Org.of(snapshot)) == told
    snapshot = org([policy("00p1", [rule("0pr1", "CHALLENGE")], status=status), default()])
    told = Decision(None, None, None, ("00p1: status",))
    assert decide(asked(snapshot), sign_in(), Org.of(snapshot)) == told
