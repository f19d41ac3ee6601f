"""What a plan changes, whom it costs, whom it keeps, and that an edited one is refused."""

import hashlib
import json
from pathlib import Path
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
    affected,
    failed,
    org,
    plan,
    rule,
    snapshot,
)

from mfagap.errors import ContentError, UsageError
from mfagap.harden import plan as plans
from mfagap.harden import policies
from mfagap.harden.plan import COVER, Keep
from mfagap.harden.snapshot import canonical, settable
from mfagap.model import VerdictWord
from mfagap.model.hardening import CheckOutcome, Effect

SIGNON = {
    "access": "ALLOW",
    "requireFactor": True,
    "primaryFactor": "PASSWORD_IDP",
    "factorPromptMode": "ALWAYS",
    "factorLifetime": 15,
    "rememberDeviceByDefault": False,
    "session": {
        "maxSessionIdleMinutes": 120,
        "maxSessionLifetimeMinutes": 720,
        "usePersistentCookie": False,
    },
}


def test_each_open_rule_is_sent_whole_with_its_actions_changed_alone() -> None:
    held = org()
    made = plan(held)
    assert [(c.id, c.method, c.path) for c in made.changes] == [
        (f"require-factor-{OFFICE_RULE}", "PUT", f"/api/v1/policies/{STAFF}/rules/{OFFICE_RULE}"),
        (f"require-factor-{REST_RULE}", "PUT", f"/api/v1/policies/{STAFF}/rules/{REST_RULE}"),
        (
            f"require-factor-{DEFAULT_RULE}",
            "PUT",
            f"/api/v1/policies/{DEFAULT}/rules/{DEFAULT_RULE}",
        ),
    ]
    office, rest, default = made.changes
    assert office.before == held["rules"][STAFF][0]
    for change, lifetime in ((office, 43_200), (rest, 15), (default, 15)):
        assert change.before is not None
        signon = SIGNON | {"factorLifetime": lifetime}
        assert change.after == {**settable(change.before), "actions": {"signon": signon}}
        assert not {"created", "lastUpdated", "_links"} & change.after.keys()
    assert office.closes == (f"no_factor:{OFFICE_RULE}",)
    assert made.origin == "https://example.okta.example.com"


def test_several_results_of_a_rule_make_one_change_in_the_order_in_which_rules_are_asked() -> None:
    known = snapshot(org())
    results = [failed("b", REST_RULE), failed("a", REST_RULE), failed("c", OFFICE_RULE)]
    made = plans.make(known, "d", results, NOW_MS)
    assert [change.closes for change in made.changes] == [
        (f"c:{OFFICE_RULE}",),
        (f"b:{REST_RULE}", f"a:{REST_RULE}"),
    ]


def test_what_is_no_failure_of_a_session_rule_that_allows_changes_nothing() -> None:
    held = org()
    held["rules"][STAFF][1]["actions"]["signon"] |= {"access": "DENY"}
    results = [
        failed("a", REST_RULE),
        failed("b", "0prsomewhereelse"),
        failed("c", STAFF, subject="policy"),
        failed("d", OFFICE_RULE, outcome=CheckOutcome.UNKNOWN),
        failed("unreachable_rule", OFFICE_RULE),
        failed("e", DEFAULT_RULE, outcome=CheckOutcome.PASSED),
    ]
    made = plans.make(snapshot(held), "d", results, NOW_MS)
    assert made.changes == ()
    assert plans.applied(snapshot(held), made) == snapshot(held)


def _signon(**signon: Any) -> Any:
    held = rule("0pr1", "A rule", 1)
    held["actions"]["signon"] |= signon
    return plans.closed(held)["actions"]["signon"]


@pytest.mark.parametrize(
    ("signon", "asks"),
    [
        ({}, ("ALWAYS", 15)),
        ({"factorPromptMode": "ALWAYS", "factorLifetime": 5}, ("ALWAYS", 5)),
        ({"factorPromptMode": "ALWAYS", "factorLifetime": 99_999}, ("ALWAYS", 99_999)),
        ({"factorPromptMode": "SESSION", "factorLifetime": 30}, ("SESSION", 30)),
        ({"factorPromptMode": "SESSION", "factorLifetime": 720}, ("SESSION", 720)),
        ({"factorPromptMode": "SESSION", "factorLifetime": 721}, ("SESSION", 720)),
        ({"factorPromptMode": "SESSION"}, ("SESSION", 720)),
        ({"factorPromptMode": "SESSION", "factorLifetime": -1}, ("SESSION", 720)),
        ({"factorPromptMode": "DEVICE", "factorLifetime": 30}, ("ALWAYS", 30)),
        ({"factorPromptMode": 7, "factorLifetime": "x"}, ("ALWAYS", 15)),
    ],
)
def test_what_is_stricter_stays(signon: dict[str, Any], asks: tuple[str, int]) -> None:
    after = _signon(rememberDeviceByDefault=True, **signon)
    assert (after["factorPromptMode"], after["factorLifetime"]) == asks
    assert (after["requireFactor"], after["rememberDeviceByDefault"]) == (True, False)


@pytest.mark.parametrize(
    ("signon", "changes"),
    [
        ({"factorPromptMode": "ALWAYS"}, False),
        ({"factorPromptMode": "SESSION", "factorLifetime": 60}, False),
        ({"factorPromptMode": "SESSION", "factorLifetime": 7200}, True),
        ({"factorPromptMode": "DEVICE"}, True),
        ({"factorPromptMode": "ALWAYS", "rememberDeviceByDefault": True}, True),
    ],
)
def test_a_rule_that_asks_is_changed_where_a_factor_counts_too_long(
    signon: dict[str, Any], changes: bool
) -> None:
    held = org()
    held["rules"][STAFF][1]["actions"]["signon"] |= {"requireFactor": True, **signon}
    made = plans.make(snapshot(held), "d", [failed("long", REST_RULE)], NOW_MS)
    assert [c.id for c in made.changes] == ([f"renew-factor-{REST_RULE}"] if changes else [])


def test_in_classic_engine_a_rule_is_put_before_the_default_rule() -> None:
    held = org(classic=True)
    (change,) = plans.make(snapshot(held), "d", [failed("open", DEFAULT_RULE)], NOW_MS).changes
    assert (change.method, change.path, change.before) == (
        "POST",
        f"/api/v1/policies/{DEFAULT}/rules",
        None,
    )
    assert change.id == f"require-factor-{DEFAULT_RULE}"
    assert change.after["name"] == COVER
    assert change.after["conditions"]["network"] == {"connection": "ANYWHERE"}
    signon = {key: value for key, value in SIGNON.items() if key != "primaryFactor"}
    assert change.after["actions"] == {"signon": signon}
    made = plans.make(snapshot(held), "d", [failed("open", DEFAULT_RULE)], NOW_MS)
    after = plans.applied(snapshot(held), made)
    (_, default) = policies.read(after, "OKTA_SIGN_ON")
    assert [each.name for each in default.rules or ()] == [COVER, "Default Rule"]
    again = plans.make(after, "d", [failed("open", DEFAULT_RULE)], NOW_MS)
    assert again.changes == (), "what is covered needs no other cover"


def test_a_change_is_safe_where_nobody_loses_by_it() -> None:
    nobody = [
        affected(Effect.PROMPTED, "ada", REST_RULE),
        affected(Effect.UNAFFECTED, "ben", OFFICE_RULE),
    ]
    office, rest, default = plan(affected=nobody).changes
    assert (office.safe, rest.safe, default.safe) == (True, True, False)
    assert default.why.endswith(
        "The log shows nobody who came in by it: whom it costs is not known."
    )
    assert office.why == (
        "A password alone is enough; then it asks for a second factor at every sign-in. "
        "Nobody who came in by it loses access."
    )
    assert [change.safe for change in plan().changes] == [False] * 3, "ignorance is not safety"


def test_a_change_names_how_many_lose_by_it_and_the_first_of_them() -> None:
    rows = [affected(Effect.LOCKED_OUT, name, REST_RULE) for name in ("eve", "dan", "cyd", "ben")]
    rows += [affected(Effect.LOCKED_OUT, "ben", REST_RULE, address="203.0.113.8")]
    rows += [affected(Effect.BREAKS, "svc", REST_RULE)]
    office, rest, default = plan(affected=rows).changes
    assert (office.safe, rest.safe, default.safe) == (False, False, False)
    assert office.why.endswith("whom it costs is not known.")
    assert rest.why.endswith(
        "Of those who came in by it 4 would be locked out: ben@example.com, cyd@example.com, "
        "dan@example.com, …; 1 would lose a program or channel that never passed a factor: "
        "svc@example.com."
    )


def test_who_comes_in_by_several_rules_counts_for_each() -> None:
    both = {OFFICE_RULE: Effect.BREAKS, REST_RULE: Effect.UNAFFECTED}
    row = affected(Effect.BREAKS, "svc", REST_RULE, by_rule=both)
    office, rest, default = plan(affected=[row]).changes
    assert (office.safe, rest.safe, default.safe) == (False, True, False)
    assert "svc@example.com" in office.why
    assert rest.why.endswith("Nobody who came in by it loses access.")


@pytest.mark.parametrize("rule_id", [None, "0prsomewhereelse"])
def test_who_came_in_by_no_rule_of_the_plan_may_lose_by_any(rule_id: str | None) -> None:
    rows = [affected(Effect.UNKNOWN, "ada", rule_id)]
    changes = plan(affected=rows).changes
    assert [change.safe for change in changes] == [False] * 3
    assert all("of 1 it cannot be told: ada@example.com" in change.why for change in changes)


def test_service_accounts_are_kept_by_a_policy_of_their_own_before_the_rest_is_closed() -> None:
    made = plan(keep=KEEP)
    policy, own, *closing = made.changes
    name = "mfagap: service accounts until 2026-03-01"
    assert (policy.method, policy.path, policy.before) == ("POST", "/api/v1/policies", None)
    assert policy.after == {
        "type": "OKTA_SIGN_ON",
        "name": name,
        "description": "Made by mfagap. To be deleted on 2026-03-01T12:00:00.000Z.",
        "status": "ACTIVE",
        "priority": 1,
        "conditions": {"people": {"groups": {"include": [KEEP.group_id]}}},
    }
    assert (own.method, own.path) == ("POST", f"/api/v1/policies/{{{policy.id}}}/rules")
    assert own.after["conditions"] == {"network": {"connection": "ZONE", "include": [KEEP.zone_id]}}
    assert own.after["actions"]["signon"] == {
        "access": "ALLOW",
        "requireFactor": False,
        "primaryFactor": "PASSWORD_IDP",
        "session": {
            "maxSessionIdleMinutes": 120,
            "maxSessionLifetimeMinutes": 120,
            "usePersistentCookie": False,
        },
    }
    assert [(c.safe, c.expires_ms) for c in (policy, own)] == [(True, UNTIL_MS)] * 2
    assert [change.expires_ms for change in closing] == [None] * 3
    classic = plan(org(classic=True), KEEP).changes[1]
    assert "primaryFactor" not in classic.after["actions"]["signon"]


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (Keep("00gnobody", KEEP.zone_id, UNTIL_MS), "no group '00gnobody'"),
        (Keep(KEEP.group_id, "nzonowhere", UNTIL_MS), "no network zone 'nzonowhere'"),
        (Keep(KEEP.group_id, "nzoworld000000000001", UNTIL_MS), "as good as open"),
        (Keep(KEEP.group_id, "nzoempty000000000001", UNTIL_MS), "addresses are not known"),
        (Keep(KEEP.group_id, "nzodynamic0000000001", UNTIL_MS), "addresses are not known"),
        (Keep(KEEP.group_id, "nzoidle0000000000001", UNTIL_MS), "inactive"),
        (Keep(KEEP.group_id, "nzoblock000000000001", UNTIL_MS), "block list"),
        (Keep(KEEP.group_id, KEEP.zone_id, NOW_MS), "is over, or longer than 180 days"),
        (Keep(KEEP.group_id, KEEP.zone_id, NOW_MS + 180 * DAY_MS + 1), "longer than 180 days"),
    ],
)
def test_an_exception_that_is_too_wide_is_refused(keep: Keep, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan(keep=keep)


def test_an_exception_is_refused_where_nothing_is_closed_or_one_is_there() -> None:
    known = snapshot(org())
    with pytest.raises(UsageError, match="no rule is to be closed"):
        plans.make(known, "d", [], NOW_MS, KEEP)
    after = plans.applied(known, plan(keep=KEEP))
    with pytest.raises(UsageError, match="already"):
        plans.make(after, "d", [failed("again", KEEP_RULE)], NOW_MS, KEEP)


KEEP_RULE = f"keep-rule-{KEEP.group_id}"


def test_an_id_that_is_none_of_oktas_makes_no_path() -> None:
    held = org()
    held["rules"][STAFF][1]["id"] = "0pr/../../apps"
    with pytest.raises(UsageError, match="no id of Okta's"):
        plans.make(snapshot(held), "d", [failed("a", "0pr/../../apps")], NOW_MS)


def test_who_signs_in_by_programs_alone_would_need_an_exception() -> None:
    program = {"user_agent": "python-requests/2.31.0"}
    rows = [
        affected(Effect.BREAKS, "svc", REST_RULE, address="192.0.2.9", **program),
        affected(Effect.BREAKS, "svc", REST_RULE, address="192.0.2.10", **program),
        affected(Effect.UNAFFECTED, "svc", REST_RULE, address="192.0.2.11", **program),
        affected(Effect.BREAKS, "ada", REST_RULE, **program),
        affected(Effect.PROMPTED, "ada", REST_RULE),
        affected(Effect.LOCKED_OUT, "ben", REST_RULE),
        affected(Effect.BREAKS, "cyd", REST_RULE),  # in a browser, over RADIUS
    ]
    (told,) = plan(affected=rows).alternatives
    assert told.startswith(
        "svc@example.com came in by programs alone (python-requests/2.31.0) from 192.0.2.10, "
        "192.0.2.9, which the change stops. If that is a service account at its own addresses, it "
        "needs an exception for a time: "
    )
    assert told.endswith("If not, somebody else has its password.")
    assert plan().alternatives == ()


def test_no_exception_is_proposed_for_what_may_be_an_intruder() -> None:
    script = {"user_agent": "curl/8.5.0", "address": "203.0.113.66"}
    rows = [
        affected(Effect.BREAKS, "svc", REST_RULE, **script, verdict=VerdictWord.SECURITY_RISK),
        affected(Effect.BREAKS, "eve", REST_RULE, **script, verdict=VerdictWord.TRUE_POSITIVE),
    ]
    eve, svc = plan(affected=rows).alternatives
    assert eve == (
        "eve@example.com came in by programs alone (curl/8.5.0) from 203.0.113.66, and the runbook "
        "says true_positive: look into that first, and make no exception for it."
    )
    assert "it needs an exception for a time" in svc


def test_a_plan_can_be_tried_on_the_snapshot_that_it_was_made_from() -> None:
    known = snapshot(org())
    after = plans.applied(known, plan(keep=KEEP))
    assert known == snapshot(org()), "what was read stays as it was"
    own, staff, default = policies.read(after, "OKTA_SIGN_ON")
    assert (own.priority, own.groups.include) == (1, (KEEP.group_id,))
    assert [
        (each.access, each.requires_factor, each.zones.include) for each in own.rules or ()
    ] == [("ALLOW", False, (KEEP.zone_id,))]
    assert [each.requires_factor for each in (*(staff.rules or ()), *(default.rules or ()))] == [
        True
    ] * 3
    assert (staff.priority, default.priority) == (2, 3)
    assert plans.make(after, "d", FAILED, NOW_MS).changes == ()


def test_the_same_changes_of_the_same_snapshot_have_the_same_id() -> None:
    known = snapshot(org())
    one, later = (plans.make(known, "d", FAILED, ms) for ms in (NOW_MS, NOW_MS + DAY_MS))
    assert (one.id, one.made_ms) == (later.id, NOW_MS)
    others = [
        plans.make(known, "e", FAILED, NOW_MS),
        plans.make(known, "d", FAILED[:2], NOW_MS),
        plans.make(known, "d", FAILED, NOW_MS, None, ()),
    ]
    assert len({one.id, *(other.id for other in others)}) == 4


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    made = plan(keep=KEEP)
    file.write_text(plans.dump(made), encoding="utf-8")
    assert plans.load(file) == made
    assert json.loads(file.read_text())["mfagap_plan"] == 1


def _edited(tmp_path: Path, *path: str | int, value: Any) -> Path:
    held: Any = json.loads(plans.dump(plan(keep=KEEP)))
    *above, last = path
    target = held
    for key in above:
        target = target[key]
    target[last] = value
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(held), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("changes", 2, "after", "actions"), {}, "was edited since it was made"),
        (("changes", 0, "after", "priority"), 9, "`mfagap harden plan` makes a new one"),
        (("snapshot",), "x", "was edited"),
        (("changes",), [], "was edited"),
        (("more",), 1, r"extra fields found \(more\)"),
        (("changes", 0, "more"), 1, r"extra fields found \(more\) @ \$.changes\[0\]"),
        (("changes", 1, "path"), 7, r"expected str @ \$.changes\[1\].path"),
        (("changes", 0, "safe"), 1, r"expected bool @ \$.changes\[0\].safe"),
        (("made_ms",), True, r"expected int @ \$.made_ms"),
        (("changes", 0, "after"), [], r"expected Mapping @ \$.changes\[0\].after"),
        (("changes",), 7, "changes"),
        (("mfagap_plan",), 2, "no plan of mfagap's that this version reads"),
    ],
)
def test_a_plan_that_was_edited_is_refused(
    tmp_path: Path, path: tuple[str | int, ...], value: Any, words: str
) -> None:
    file = _edited(tmp_path, *path, value=value)
    with pytest.raises(ContentError, match=words) as refused:
        plans.load(file)
    assert str(refused.value).startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ((2, "path"), "/api/v1/apps/0oa1"),
        ((2, "path"), "/api/v1/policies/../apps/rules/0pr1"),
        ((2, "method"), "DELETE"),
        ((2, "before"), None),
        ((0, "path"), "/api/v1/users"),
        ((0, "before"), {}),
        ((1, "path"), "/api/v1/policies/{keep-policy-other}/rules"),
        ((1, "id"), "a b"),
        ((3, "id"), f"require-factor-{OFFICE_RULE}"),
    ],
)
def test_a_plan_writes_to_session_policies_alone(
    tmp_path: Path, change: tuple[int, str], value: Any
) -> None:
    """Even where somebody gave it the id that it should have."""
    held = json.loads(_edited(tmp_path, "changes", *change, value=value).read_text())
    file = tmp_path / "forged.json"
    file.write_text(json.dumps(held | {"id": _identity(held)}), encoding="utf-8")
    with pytest.raises(ContentError, match="writes elsewhere"):
        plans.load(file)


def _identity(held: dict[str, Any]) -> str:
    content = {k: v for k, v in held.items() if k not in ("id", "made_ms", "mfagap_plan")}
    return hashlib.sha256(canonical(content)).hexdigest()[:32]


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"\xff", "no JSON"), (b"{", "no JSON"), (b"[]", "no plan"), (None, "cannot be read")],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, body: bytes | None, words: str) -> None:
    file = tmp_path / "plan.json"
    if body is not None:
        file.write_bytes(body)
    with pytest.raises(ContentError, match=words):
        plans.load(file)
