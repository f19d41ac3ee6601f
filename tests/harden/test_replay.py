"""Logged sign-ins decided again: agreement with what Okta recorded, and what a plan would do."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harden.deciding import (
    ADA,
    BEN,
    CASES,
    HIDDEN,
    NOON_MS,
    REPEATABLE,
    asked,
    default,
    org,
    orgs,
    policy,
    rule,
    sign_in,
    zone,
)

from mfagap.harden import replay
from mfagap.harden.evaluator import Org, candidates, decide
from mfagap.model import VerdictWord
from mfagap.model.hardening import (
    Access,
    Affected,
    Agreement,
    Decision,
    Disagreement,
    Effect,
    RuleAgreement,
    SignIn,
)
from mfagap.model.org import Json

DEFAULT = "0prdefault"


def agreed(
    held: Sequence[Json], *sign_ins: SignIn, changed: Mapping[str, int] | None = None
) -> Agreement:
    snapshot = org(held)
    return replay.agreement(asked(snapshot), sign_ins, Org.of(snapshot), changed)


def word(held: Sequence[Json], **differs: Any) -> tuple[str, Decision | None]:
    """Return how one sign-in compares, and the decision where it is listed."""
    found = agreed(held, sign_in(**differs))
    (counted,) = found.rules
    words = {"agreed": counted.agreed, "undecided": counted.undecided, "off": counted.disagreed}
    (said,) = (name for name, count in words.items() if count)
    listed = [item.decision for item in found.disagreements]
    assert len(listed) == (said != "agreed")
    return said, listed[0] if listed else None


def test_as_recorded() -> None:
    assert word([default()]) == ("agreed", None)


CHALLENGES = rule(DEFAULT, "CHALLENGE", system=True)
PER_DEVICE = rule(DEFAULT, "CHALLENGE", system=True, signon={"factorPromptMode": "DEVICE"})


@pytest.mark.parametrize(
    ("only", "recorded", "expected"),
    [
        (rule(DEFAULT, "ALLOW"), {"result": "CHALLENGE"}, "off"),
        (rule(DEFAULT, "ALLOW"), {"result": "DENY"}, "off"),
        (rule(DEFAULT, "DENY"), {"result": "DENY"}, "agreed"),
        (CHALLENGES, {"result": "CHALLENGE"}, "agreed"),
        (CHALLENGES, {"result": "ALLOW"}, "off"),
        (CHALLENGES, {"result": "ALLOW", "passed_factor": True}, "off"),
        (CHALLENGES, {"result": "ALLOW", "factor_first": True}, "agreed"),
        (PER_DEVICE, {"result": "ALLOW"}, "agreed"),
        (PER_DEVICE, {"result": "DENY"}, "off"),
        (rule(DEFAULT, "DENY"), {"factor_first": True}, "off"),
        (rule(DEFAULT, "PERHAPS"), {}, "undecided"),
        (rule(DEFAULT, "ALLOW"), {"result": "MAYBE"}, "undecided"),
        (rule(DEFAULT, "ALLOW"), {"result": ""}, "undecided"),
        (rule(DEFAULT, "ALLOW"), {"rule_id": None}, "agreed"),
        (rule(DEFAULT, "ALLOW"), {"rule_id": None, "result": "DENY"}, "off"),
        (rule(DEFAULT, "PERHAPS"), {"rule_id": None}, "undecided"),
    ],
)
def test_what_was_recorded(only: Json, recorded: dict[str, Any], expected: str) -> None:
    assert word([default(only)], **recorded)[0] == expected


def test_a_result_that_nobody_knows_is_named() -> None:
    told = Decision(Access.ALLOW, DEFAULT, "00pdefault", ("0prdefault: recorded 'MAYBE'",))
    assert word([default()], result="MAYBE") == ("undecided", told)


def test_no_policy_at_all() -> None:
    """It is of a session policy or of another."""
    told = Decision(Access.ALLOW, DEFAULT, "00pdefault", ("the log names no session policy",))
    assert word([default()], policy_id=None, rule_id=None) == ("undecided", told)
    assert word([default()], policy_id=None) == ("agreed", None)


def test_another_rule() -> None:
    held = [policy("00p1", [rule("0pr1"), rule("0pr2", **HIDDEN)]), default()]
    # It comes to the same, and yet the evaluator was wrong.
    assert word(held) == ("off", Decision(Access.ALLOW, "0pr1", "00p1"))
    assert word(held, rule_id="0pr1") == ("agreed", None)
    assert word(held, rule_id="0pr2")[0] == "off"


def test_several_rules() -> None:
    same = [policy("00p1", [rule("0pr1", **HIDDEN), rule("0pr2")]), default()]
    assert word(same, rule_id="0pr1") == word(same, rule_id="0pr2") == ("agreed", None)
    assert word(same)[0] == "off"
    split = [policy("00p1", [rule("0pr1", "CHALLENGE", **HIDDEN)]), default()]
    unseen = Decision(None, None, None, ("0pr1: device",))
    assert word(split) == ("undecided", unseen)
    assert word(split, rule_id="0pr1", result="CHALLENGE") == ("undecided", unseen)
    # Whichever of them decides: it was not recorded so.
    assert word(split, rule_id="0pr1") == ("off", unseen)
    assert word(split, result="DENY") == ("off", unseen)
    assert word(split, rule_id=None, result="DENY") == ("off", unseen)
    assert word(split, rule_id=None) == ("undecided", unseen)


def test_a_rule_that_the_snapshot_lacks() -> None:
    told = Decision(Access.ALLOW, DEFAULT, "00pdefault", ("0prgone: not in the snapshot",))
    assert word([default()], rule_id="0prgone") == ("off", told)
    # It may well be in the policy that could not be read.
    held = [policy("00p1", None, groups=["00gothers"]), default()]
    told = replace(told, unseen=("00p1: rules were not read",))
    assert word(held, rule_id="0prgone") == ("undecided", told)
    assert word(held) == ("agreed", None)
    inactive = policy("00p1", [rule("0pr1")], status="INACTIVE")
    assert word([inactive, default()], rule_id="0pr1")[1] == replace(told, unseen=())


def test_no_policy_that_is_sure() -> None:
    held = [policy("00p1", [rule("0pr1", "CHALLENGE", **HIDDEN)])]
    assert word(held, rule_id=None)[0] == "undecided"
    assert word([policy("00p1", [rule("0pr1", **zone("nzoelsewhere"))])], rule_id=None) == (
        "undecided",
        Decision(None, None, None, ("policies: none is sure to match",)),
    )


ZONED = policy("00p1", [rule("0pr1", "CHALLENGE", **zone("nzoelsewhere"))])


@pytest.mark.parametrize(
    ("changed", "differs", "expected"),
    [
        ({}, {}, "off"),
        ({"0pr1": NOON_MS + 1}, {}, "0pr1: changed at 2026-01-15T12:00:00.001Z"),
        ({"0pr1": NOON_MS}, {}, "off"),
        ({"0pr1": NOON_MS - 1}, {}, "off"),
        ({"00pwas": NOON_MS + 1}, {"policy_id": "00pwas"}, "00pwas: changed at"),
        ({"00p1": NOON_MS + 1}, {"policy_id": None}, "00p1: changed at"),
        ({DEFAULT: NOON_MS + 2}, {}, "0prdefault: changed at"),
        ({"00pdefault": NOON_MS + 2}, {}, "00pdefault: changed at"),
        ({"nzoelsewhere": NOON_MS + 2}, {}, "nzoelsewhere: changed at"),
        ({"nzooffice": NOON_MS + 2}, {}, "off"),
        ({ADA: NOON_MS + 2}, {}, f"{ADA}: changed at"),
        ({BEN: NOON_MS + 2}, {}, "off"),
        ({"0pr1": NOON_MS + 1, ADA: NOON_MS + 2}, {}, f"{ADA}: changed at"),
        ({"0prgone": NOON_MS + 1}, {"rule_id": "0prgone"}, "0prgone: changed at"),
    ],
)
def test_what_was_changed_since(
    changed: dict[str, int], differs: dict[str, Any], expected: str
) -> None:
    """Okta recorded the rule of a zone, which by today's policies does not decide."""
    found = sign_in(**({"rule_id": "0pr1", "result": "CHALLENGE", "policy_id": "00p1"} | differs))
    result = agreed([ZONED, default()], found, changed=changed)
    (listed,) = result.disagreements
    assert result.rules[0].disagreed == (expected == "off")
    if expected != "off":
        assert listed.decision.unseen[0].startswith(expected)
        assert result.rules[0].undecided == 1


def test_what_agrees_is_not_doubted_for_a_change() -> None:
    assert agreed([default()], sign_in(), changed={DEFAULT: NOON_MS + 1}).agreed == 1


def test_rules_and_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [policy("00p1", [rule("0pr1", "CHALLENGE", **HIDDEN), rule("0pr2")]), default()]
    good = [sign_in(f"good{n}", rule_id="0pr2", address=None) for n in range(3)]
    unsure = sign_in("unsure", rule_id="0pr2", event_ms=NOON_MS + 9)
    old = sign_in("old", rule_id=DEFAULT)
    new = sign_in("new", rule_id=DEFAULT, event_ms=NOON_MS + 1)
    gone = sign_in("gone", rule_id="0prgone", result="DENY")
    found = agreed(held, *good, unsure, old, new, gone)
    assert found.rules == (
        RuleAgreement(DEFAULT, DEFAULT, 0, 0, 2),
        RuleAgreement("0prgone", None, 0, 0, 1),
        RuleAgreement("0pr2", "0pr2", 0, 4, 0),
    )
    split = Decision(None, None, None, ("0pr1: device",))
    assert found.disagreements[:4] == (
        Disagreement(new, split),
        Disagreement(gone, replace(split, unseen=("0prgone: not in the snapshot",))),
        Disagreement(old, split),
        Disagreement(unsure, split),
    )
    assert (found.sign_ins, found.agreed, found.left_out) == (7, 0, 0)
    monkeypatch.setattr(replay, "MOST_DISAGREEMENTS", 2)
    fewer = agreed(held, *good, unsure, old, new, gone)
    assert fewer.rules == found.rules
    assert fewer.disagreements == found.disagreements[:2]
    assert fewer.left_out == 5


def test_disagreement_on_access_comes_before_another_rule_of_the_same() -> None:
    held = [policy("00p1", [rule("0pr1")]), default()]
    same, other = sign_in("same", event_ms=NOON_MS + 5), sign_in("other", result="CHALLENGE")
    listed = agreed(held, same, other).disagreements
    assert [item.sign_in.uuid for item in listed] == ["other", "same"]


def test_nothing_to_compare() -> None:
    assert agreed([default()]) == Agreement((), ())


# --- impact ---------------------------------------------------------------------------------------

GIMME = {"user_agent": "gimme-aws-creds 2.8.2", "client_kind": "helper"}
RADIUS = {"auth_type": "RADIUS"}
AGENT = {"user_agent": "AcmeSync/2.1"}
NAMELESS: dict[str, Any] = {"policy_id": None, "rule_id": None}
CLOSED = default(CHALLENGES)
NO_ACCESS = default(rule(DEFAULT, "DENY", system=True))


def impact(
    before: Sequence[Json],
    after: Sequence[Json],
    *sign_ins: SignIn,
    factors: Mapping[str, int] | None = None,
    changed: Mapping[str, int] | None = None,
) -> tuple[Affected, ...]:
    known, then = org(before, factors=factors), org(after)
    return replay.impact(asked(known), asked(then), sign_ins, Org.of(known), changed)


@pytest.mark.parametrize(
    ("after", "differs", "factors", "effect", "says"),
    [
        (CLOSED, {}, {ADA: 1}, Effect.PROMPTED, "and has one"),
        (CLOSED, {}, {ADA: 0}, Effect.LOCKED_OUT, "has no second factor"),
        (CLOSED, {}, {}, Effect.UNKNOWN, "whether there is one is not known"),
        (CLOSED, {"passed_factor": True}, {}, Effect.PROMPTED, "passed one before"),
        # What the snapshot says is newer.
        (CLOSED, {"passed_factor": True}, {ADA: 0}, Effect.LOCKED_OUT, "has no second factor"),
        (CLOSED, {"factor_first": True}, {ADA: 0}, Effect.UNAFFECTED, "was asked"),
        (CLOSED, {"result": "CHALLENGE"}, {ADA: 0}, Effect.UNAFFECTED, "was asked"),
        (CLOSED, {"result": "DENY"}, {ADA: 0}, Effect.UNAFFECTED, "was denied"),
        (CLOSED, GIMME, {ADA: 1}, Effect.BREAKS, "the client (a helper) never passed"),
        (CLOSED, GIMME, {ADA: 0}, Effect.BREAKS, "the client (a helper) never passed"),
        (CLOSED, GIMME | {"passed_factor": True}, {ADA: 1}, Effect.PROMPTED, "and has one"),
        (CLOSED, RADIUS, {ADA: 1}, Effect.BREAKS, "the channel (RADIUS) never passed"),
        (
            *(CLOSED, {"auth_type": "LDAP_INTERFACE"}, {ADA: 1}),
            *(Effect.BREAKS, "the channel (LDAP interface) never passed"),
        ),
        (CLOSED, RADIUS | {"passed_factor": True}, {ADA: 1}, Effect.PROMPTED, "and has one"),
        (NO_ACCESS, {}, {ADA: 1}, Effect.LOCKED_OUT, "will be denied"),
        (NO_ACCESS, {"result": "CHALLENGE"}, {}, Effect.LOCKED_OUT, "will be denied"),
        (NO_ACCESS, {"result": "DENY"}, {}, Effect.UNAFFECTED, "was denied"),
        (NO_ACCESS, GIMME, {ADA: 1}, Effect.BREAKS, "never passed"),
        (CLOSED, AGENT, {ADA: 1}, Effect.UNKNOWN, "a client that is no browser"),
        (CLOSED, {"user_agent": None}, {ADA: 1}, Effect.UNKNOWN, "a client that is no browser"),
        (CLOSED, AGENT, {ADA: 0}, Effect.LOCKED_OUT, "has no second factor"),
        (CLOSED, AGENT | {"legacy": False}, {ADA: 1}, Effect.PROMPTED, "and has one"),
        (CLOSED, AGENT | {"passed_factor": True}, {ADA: 1}, Effect.PROMPTED, "and has one"),
        (CLOSED, NAMELESS, {ADA: 1}, Effect.UNKNOWN, "does not tell which session policy"),
        (default(), NAMELESS, {ADA: 1}, Effect.UNAFFECTED, "the same rules decide"),
        (default(), {}, {}, Effect.UNAFFECTED, "the same rules decide"),
        (default(), {"rule_id": "0prgone"}, {}, Effect.UNAFFECTED, "the same rules decide"),
        (CLOSED, {"rule_id": "0prgone"}, {ADA: 1}, Effect.UNKNOWN, "otherwise than Okta recorded"),
        (CLOSED, {"rule_id": None}, {ADA: 1}, Effect.PROMPTED, "and has one"),
        (
            *(CLOSED, {"rule_id": None, "result": "CHALLENGE"}, {ADA: 1}),
            *(Effect.UNKNOWN, "otherwise than Okta recorded"),
        ),
        (default(rule(DEFAULT, "PERHAPS")), {}, {}, Effect.UNKNOWN, "(0prdefault: access"),
    ],
)
def test_an_effect(
    after: Json, differs: dict[str, Any], factors: dict[str, int], effect: Effect, says: str
) -> None:
    (found,) = impact([default()], [after], sign_in(**differs), factors=factors)
    assert found.effect is effect
    assert says in found.reason


def test_who_contradicts_the_evaluator_is_not_called_unaffected() -> None:
    """By what is seen the default rule decides; Okta recorded the rule that is closed."""
    held = [policy("00p1", [rule("0pr1", **zone("nzoelsewhere"))]), default()]
    after = [policy("00p1", [rule("0pr1", "CHALLENGE", **zone("nzoelsewhere"))]), default()]
    recorded = sign_in(rule_id="0pr1")
    (found,) = impact(held, after, recorded)
    assert (found.effect, found.sign_ins) == (Effect.UNKNOWN, 1)
    assert impact(held, held, recorded)[0].effect is Effect.UNAFFECTED
    (found,) = impact(held, after, recorded, changed={"nzoelsewhere": NOON_MS + 1})
    assert found.effect is Effect.UNAFFECTED


def test_what_was_changed_since_is_what_is_compared_with() -> None:
    """Okta allowed by a rule that is gone, and today's challenges already."""
    per_device = default(PER_DEVICE)
    recorded = sign_in(rule_id="0prgone")
    gone = {"0prgone": NOON_MS + 1}
    (found,) = impact([CLOSED], [per_device], recorded, changed=gone)
    assert found.effect is Effect.UNAFFECTED
    (found,) = impact([default()], [CLOSED], recorded, changed=gone, factors={ADA: 0})
    assert found.effect is Effect.LOCKED_OUT
    # What today's come to is not seen: then what was recorded is.
    unsure = [policy("00p1", [rule("0pr1", "DENY", **HIDDEN)]), default()]
    (found,) = impact(unsure, [CLOSED], recorded, changed=gone, factors={ADA: 1})
    assert found.effect is Effect.PROMPTED


def test_a_rule_put_before_moves_the_others_and_changes_no_more() -> None:
    before = [policy("00p1", [rule("0pr1", **HIDDEN, priority=1)], priority=1), default()]
    new = policy("00p0", [rule("0pr0", "DENY")], groups=["00gothers"], priority=1)
    after = [new, policy("00p1", [rule("0pr1", **HIDDEN, priority=2)], priority=2), default()]
    ada, ben = sign_in("a"), sign_in("b", actor_id=BEN, login="ben@example.com")
    found = impact(before, after, ada, ben)
    assert [(who.login, who.effect) for who in found] == [
        ("ben@example.com", Effect.LOCKED_OUT),
        ("ada@example.com", Effect.UNAFFECTED),
    ]


def test_what_hangs_on_the_unseen() -> None:
    before = [policy("00p1", [rule("0pr1", **HIDDEN)]), default()]
    after = [policy("00p1", [rule("0pr1", "CHALLENGE", **HIDDEN)]), default()]
    (found,) = impact(before, after, sign_in(), factors={ADA: 1})
    assert found.effect is Effect.UNKNOWN
    assert found.reason == "what the plan decides cannot be told (0pr1: device)"
    # Whichever decides, who was challenged before loses nothing.
    (found,) = impact(before, after, sign_in(result="CHALLENGE"))
    assert found.effect is Effect.UNAFFECTED
    both = [policy("00p1", [rule("0pr1", "CHALLENGE", **HIDDEN)]), CLOSED]
    (found,) = impact(before, both, sign_in(), factors={ADA: 1})
    assert found.effect is Effect.PROMPTED
    (found,) = impact(before, [policy("00p1", [rule("0pr1", "CHALLENGE", **HIDDEN)])], sign_in())
    assert found.effect is Effect.UNKNOWN


def test_a_rule_that_was_loosened_since_is_known_by_its_id() -> None:
    (found,) = impact([default()], [CLOSED], sign_in(result="CHALLENGE"), factors={ADA: 0})
    assert found.effect is Effect.UNAFFECTED


def test_a_program_is_judged_by_user_client_and_channel() -> None:
    helper = sign_in("a", **GIMME)
    others = [
        sign_in("b", **GIMME, actor_id=BEN, login="ben@example.com", passed_factor=True),
        sign_in("c", passed_factor=True),
        sign_in("d", **GIMME, auth_type="RADIUS", passed_factor=True),
    ]
    found = impact([default()], [CLOSED], helper, *others, factors={ADA: 1, BEN: 1})
    assert [(who.login, who.user_agent, who.effect) for who in found] == [
        ("ada@example.com", "gimme-aws-creds 2.8.2", Effect.BREAKS),
        ("ada@example.com", "Mozilla/5.0", Effect.PROMPTED),
        ("ben@example.com", "gimme-aws-creds 2.8.2", Effect.PROMPTED),
    ]
    # From another address the same client did pass.
    passed = sign_in("e", **GIMME, address="198.51.100.7", passed_factor=True)
    found = impact([default()], [CLOSED], helper, passed, factors={ADA: 1})
    assert {who.effect for who in found} == {Effect.PROMPTED}


@pytest.mark.parametrize(
    ("conditions", "here", "there"),
    [
        (zone("nzoprovider"), {}, {"as_number": 64501}),
        (zone("nzooffice"), {}, {"address": "203.0.113.1"}),
        ({"riskScore": {"level": "HIGH"}}, {"risk_level": "HIGH"}, {"risk_level": "LOW"}),
    ],
)
def test_no_sign_in_takes_the_answer_of_another(
    conditions: dict[str, Any], here: dict[str, Any], there: dict[str, Any]
) -> None:
    held = [policy("00p1", [rule("0pr1", "DENY", **conditions)]), default()]
    denied = sign_in("a", **here, result="DENY", rule_id="0pr1")
    assert agreed(held, denied, sign_in("b", **there)).agreed == 2


def test_what_a_condition_may_be_about_is_all_that_okta_did_not_decide() -> None:
    told = {"actor_id", "address", "as_number", "country", "is_proxy", "client_zone", "risk_level"}
    named = {item.name for item in fields(SignIn)}
    assert told <= named - replay.RECORDED
    assert named >= replay.RECORDED


def test_the_worst_verdict_on_their_sessions_is_told() -> None:
    words = [VerdictWord.BENIGN, VerdictWord.SUSPICIOUS, None, VerdictWord.SECURITY_RISK]
    sign_ins = [sign_in(f"s{n}", verdict=word) for n, word in enumerate(words)]
    (found,) = impact([default()], [CLOSED], *sign_ins, factors={ADA: 1})
    assert found.verdict is VerdictWord.SUSPICIOUS
    assert found.reason == (
        "will be asked for a second factor, and has one; the runbook says suspicious"
    )
    (found,) = impact([default()], [CLOSED], *sign_ins[::2], factors={ADA: 1})
    assert (found.verdict, found.is_suspected) == (VerdictWord.BENIGN, False)
    assert found.reason == "will be asked for a second factor, and has one"


def test_one_user_with_one_client_at_one_address() -> None:
    held = [policy("00p1", [rule("0pr1", authContext={"authType": "RADIUS"})]), default(CHALLENGES)]
    closed = [
        policy("00p1", [rule("0pr1", "CHALLENGE", authContext={"authType": "RADIUS"})]),
        default(CHALLENGES),
    ]
    fine = {"result": "CHALLENGE", "passed_factor": True}
    sign_ins = [
        sign_in("a", event_ms=NOON_MS + 1, **fine),
        sign_in("b", event_ms=NOON_MS + 2, auth_type="RADIUS", rule_id="0pr1"),
        sign_in("c", event_ms=NOON_MS + 3, **fine),
        sign_in("d", event_ms=NOON_MS + 9, address="198.51.100.7", **fine),
        sign_in("e", event_ms=NOON_MS + 8, address=None, **fine),
        sign_in("f", event_ms=NOON_MS, user_agent=None, **fine),
    ]
    for given_order in (sign_ins, sign_ins[::-1]):
        found = impact(held, closed, *given_order)
        assert found[0] == Affected(
            Effect.BREAKS,
            "the channel (RADIUS) never passed a second factor (1 of 3)",
            *(ADA, "ada@example.com", "Mozilla/5.0", "192.0.2.10", "0pr1"),
            *(3, NOON_MS + 1, NOON_MS + 3),
            by_rule={"0pr1": Effect.BREAKS, DEFAULT: Effect.UNAFFECTED},
        )
        rest = [(who.user_agent, who.address, who.sign_ins) for who in found[1:]]
        assert rest == [
            ("Mozilla/5.0", "198.51.100.7", 1),
            ("Mozilla/5.0", None, 1),
            (None, "192.0.2.10", 1),
        ]


def test_users_without_an_id_are_told_apart_by_name() -> None:
    nameless = [sign_in(n, actor_id="", login=n, event_ms=NOON_MS) for n in ("b", "a")]
    found = impact([default()], [default()], *nameless)
    assert [(who.actor_id, who.login) for who in found] == [("", "a"), ("", "b")]


def test_sign_ins_that_ask_alike_are_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asks: list[SignIn] = []

    def counted(policies: Any, found: SignIn, known: Org) -> Any:
        asks.append(found)
        return candidates(policies, found, known)

    monkeypatch.setattr(replay, "candidates", counted)
    same = [sign_in(f"e{n}", event_ms=NOON_MS + n, passed_factor=bool(n)) for n in range(9)]
    assert agreed([default()], *same, sign_in("other", risk_level="HIGH")).agreed == 10
    assert [found.uuid for found in asks] == ["e0", "other"]


# --- properties -----------------------------------------------------------------------------------


@REPEATABLE
@given(orgs())
def test_a_log_that_the_evaluator_wrote_agrees_wholly(held: list[dict[str, Any]]) -> None:
    snapshot = org(held)
    known, policies = Org.of(snapshot), asked(snapshot)
    written: list[SignIn] = []
    for place, (_, differs, _) in enumerate(CASES):
        asks = sign_in(f"e{place}", **differs)
        told = decide(policies, asks, known)
        if told.access is not None:
            recorded = replace(asks, result=told.access.value, rule_id=told.rule_id)
            written.append(recorded)
    found = replay.agreement(policies, written, known)
    assert found.agreed == found.sign_ins == len(written)
    assert found.disagreements == ()
    (*effects,) = {who.effect for who in replay.impact(policies, policies, written, known)}
    assert effects in ([], [Effect.UNAFFECTED])


@REPEATABLE
@given(orgs(), st.sampled_from(["ALLOW", "CHALLENGE", "DENY"]), st.integers(0, len(CASES) - 1))
def test_what_is_recorded_otherwise_never_agrees(
    held: list[dict[str, Any]], recorded: str, place: int
) -> None:
    snapshot = org(held)
    known, policies = Org.of(snapshot), asked(snapshot)
    asks = sign_in(**CASES[place][1])
    told = decide(policies, asks, known)
    found = replay.agreement(policies, [replace(asks, result=recorded, rule_id=None)], known)
    assert found.agreed == (told.access == recorded)
