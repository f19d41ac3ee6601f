"""Policies and rules as they are asked, whatever the API says of them."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from tests.fake_okta.whole_org import (
    APP_RULE,
    APPS,
    BEN,
    DEFAULT,
    DEFAULT_RULE,
    EVERYONE,
    OFFICE,
    OFFICE_RULE,
    STAFF,
    STAFF_GROUP,
    policy,
    rule,
    signon,
    whole_org,
)

from mfagap.harden import policies, values
from mfagap.model.org import (
    NOTHING,
    POLICY_TYPES,
    OktaPolicy,
    Part,
    Rule,
    Snapshot,
    Wanted,
)


def snapshot(items: Any, kind: str = "OKTA_SIGN_ON") -> Snapshot:
    return Snapshot(None, "x", {kind: Part(tuple(items))})


def whole() -> Snapshot:
    org = whole_org()
    parts = {
        kind: Part(
            tuple(
                {**p, "rules": org["rules"][p["id"]]} for p in org["policies"] if p["type"] == kind
            )
        )
        for kind in POLICY_TYPES
    }
    return Snapshot(None, "x", parts)


def one_rule(conditions: Any, actions: Any = None, kind: str = "OKTA_SIGN_ON") -> Rule:
    item = {"id": "0pr1", "status": "ACTIVE", "conditions": conditions, "actions": actions}
    (found,) = policies.rules(snapshot([{"id": "00p1", "rules": [item]}], kind), kind)
    return found


def test_a_session_policy() -> None:
    staff, default = policies.read(whole(), "OKTA_SIGN_ON")
    assert (staff.id, staff.name, staff.type, staff.priority) == (STAFF, "Staff", "OKTA_SIGN_ON", 1)
    assert (staff.active, staff.system, default.system) == (True, False, True)
    assert (staff.groups, default.groups) == (Wanted((STAFF_GROUP,)), Wanted((EVERYONE,)))
    assert (staff.other, default.other) == ((), ())
    assert "rules" not in staff.json
    assert staff.rules is not None
    (office,) = staff.rules
    assert office == Rule(
        id=OFFICE_RULE,
        name="Office",
        policy_id=STAFF,
        policy_type="OKTA_SIGN_ON",
        priority=1,
        active=True,
        system=False,
        access="ALLOW",
        requires_factor=True,
        prompt_mode="DEVICE",
        factor_lifetime_min=43_200,
        remembers_device=True,
        primary_factor="PASSWORD_IDP",
        auth_type="ANY",
        connection="ZONE",
        zones=Wanted((OFFICE,)),
        users=Wanted((), (BEN,)),
        groups=Wanted(),
        idp_provider="ANY",
        idp_ids=(),
        behaviors=(),
        risk_level="ANY",
        other=(),
        enroll_self=None,
        json={},
    )
    assert office.json["id"] == OFFICE_RULE


def test_rules_of_other_kinds() -> None:
    (app,) = policies.rules(whole(), "ACCESS_POLICY")
    assert (app.id, app.policy_id, app.priority, app.system) == (APP_RULE, APPS, 99, True)
    assert (app.access, app.requires_factor, app.risk_level) == ("ALLOW", False, "LOW")
    assert app.other == ("platform",)
    (enroll,) = policies.rules(whole(), "MFA_ENROLL")
    assert (enroll.enroll_self, enroll.access, enroll.requires_factor) == ("LOGIN", None, None)
    (password,) = policies.rules(whole(), "PASSWORD")
    assert (password.access, password.connection) == (None, "ANYWHERE")
    assert [found.id for found in policies.rules(whole(), "OKTA_SIGN_ON")] == [
        *(OFFICE_RULE, DEFAULT_RULE)
    ]
    assert policies.read(NOTHING, "OKTA_SIGN_ON") == ()


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ({"factorMode": "2FA", "type": "ASSURANCE"}, True),
        ({"factorMode": "1FA"}, False),
        ({"factorMode": "3FA"}, None),
        ({"type": "AUTH_METHOD_CHAIN", "chains": []}, None),
        (None, None),
    ],
)
def test_an_app_rule_s_factors(method: Any, expected: bool | None) -> None:
    actions = {"appSignOn": {"access": "DENY", "verificationMethod": method}}
    found = one_rule({}, actions, "ACCESS_POLICY")
    assert (found.access, found.requires_factor) == ("DENY", expected)
    assert one_rule({}, actions).access is None  # of a session policy, it says nothing


def test_the_order_in_which_they_are_asked() -> None:
    asked = [("last", None, True), ("b", 2, False), ("c", None, False), ("a", 1, False)]
    made: list[dict[str, Any]] = [
        {"id": name, "priority": priority, "system": system} for name, priority, system in asked
    ]
    item = {"id": "00p", "rules": made}
    (found,) = policies.read(snapshot([item]), "OKTA_SIGN_ON")
    assert [rule.id for rule in found.rules or ()] == ["a", "b", "c", "last"]
    assert [p.id for p in policies.read(snapshot(made), "OKTA_SIGN_ON")] == ["a", "b", "c", "last"]
    first = {"id": "default", "priority": 1, "system": True}
    found = policies.read(snapshot([first, {"id": "x", "priority": 7}]), "OKTA_SIGN_ON")
    assert [p.id for p in found] == ["x", "default"]


KNOWN: list[tuple[Any, dict[str, Any]]] = [
    (None, {}),
    ({}, {}),
    ({"network": None, "people": {"users": {"include": []}, "groups": None}}, {}),
    ({"device": {"registered": None}, "platform": {"include": [], "exclude": []}}, {}),
    (
        {"network": {"connection": "ZONE", "include": ["a"], "exclude": ["b"]}},
        {"connection": "ZONE", "zones": Wanted(("a",), ("b",))},
    ),
    ({"network": {"connection": "OFF_NETWORK"}}, {"connection": "OFF_NETWORK"}),
    ({"authContext": {"authType": "RADIUS"}}, {"auth_type": "RADIUS"}),
    (
        {"people": {"users": {"include": ["u"]}, "groups": {"exclude": ["g"]}}},
        {"users": Wanted(("u",)), "groups": Wanted((), ("g",))},
    ),
    (
        {"identityProvider": {"provider": "SPECIFIC_IDP", "idpIds": ["0oa1"]}},
        {"idp_provider": "SPECIFIC_IDP", "idp_ids": ("0oa1",)},
    ),
    (
        {"riskScore": {"level": "HIGH"}, "risk": {"behaviors": ["beh1"]}},
        {"risk_level": "HIGH", "behaviors": ("beh1",)},
    ),
]


@pytest.mark.parametrize(("conditions", "expected"), KNOWN)
def test_conditions_that_are_known(conditions: Any, expected: dict[str, Any]) -> None:
    assert one_rule(conditions) == replace(one_rule({}, None), **expected)


OTHER: list[tuple[Any, tuple[str, ...]]] = [
    (
        {"device": {"registered": True}, "elCondition": {"condition": "x"}},
        ("device", "elCondition"),
    ),
    ({"app": {"include": [{"type": "APP"}]}, "a": 0}, ("a", "app")),
    ({"network": {"connection": "ZONE", "city": "x"}}, ("network.city",)),
    (
        {"people": {"users": {"include": [], "inactivity": {"number": 1}}}},
        ("people.users.inactivity",),
    ),
    ({"people": {"userTypes": {"include": ["x"]}}}, ("people.userTypes",)),
    ({"risk": {"score": 5}, "riskScore": "HIGH"}, ("risk.score", "riskScore")),
    ({"authContext": {"authType": 1}}, ("authContext.authType",)),
    ({"network": {"include": "nzo1"}}, ("network.include",)),
    ({"network": {"include": ["nzo1", 2]}}, ("network.include",)),
    ({"people": {"users": ["x"]}}, ("people.users",)),
    ({"people": ["x"]}, ("people",)),
    ({"identityProvider": 0}, ("identityProvider",)),
    (["x"], ("conditions",)),
    ("x", ("conditions",)),
]


@pytest.mark.parametrize(("conditions", "expected"), OTHER)
def test_conditions_that_cannot_be_seen_are_named(
    conditions: Any, expected: tuple[str, ...]
) -> None:
    """None of them makes a rule look wider than it is."""
    assert one_rule(conditions).other == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"people": {"groups": {"include": ["g"]}, "users": {"exclude": []}}}, ()),
        ({"people": {"users": {"include": ["u"]}}}, ("people.users",)),
        ({"authProvider": {"provider": "OKTA"}}, ("authProvider",)),
        ({"network": {"connection": "ANYWHERE"}}, ("network",)),
        (["x"], ("conditions",)),
        (None, ()),
    ],
)
def test_conditions_of_a_policy(conditions: Any, expected: tuple[str, ...]) -> None:
    (found,) = policies.read(
        snapshot([{"id": "00p1", "status": "ACTIVE", "conditions": conditions}]), "OKTA_SIGN_ON"
    )
    assert found.other == expected


def test_rules_that_were_not_read_are_not_none() -> None:
    items: list[Any] = [{"id": "a", "rules": []}, {"id": "b"}, {"id": "c", "rules": "x"}]
    found = policies.read(snapshot(items), "OKTA_SIGN_ON")
    assert [policy.rules for policy in found] == [(), None, None]


@pytest.mark.parametrize(
    ("status", "active"), [("ACTIVE", True), ("INACTIVE", False), (None, True), (["x"], True)]
)
def test_only_what_is_called_inactive_is_passed_over(status: Any, active: bool) -> None:
    item = {"id": "a", "status": status, "rules": [{"id": "b", "status": status}]}
    (found,) = policies.read(snapshot([item]), "OKTA_SIGN_ON")
    assert found.rules is not None
    assert (found.active, found.rules[0].active) == (active, active)


ODD: list[Any] = [
    *(None, True, 0, 1.5, float("nan"), float("inf"), 2**70, "", "x" * 100_000, "\ud800"),
    *([], [None], {}, {"x": None}, [[["x"]]], {"include": {"include": 1}}),
]
WHERE = [
    *("id", "name", "status", "priority", "system", "conditions", "actions", "rules", "type"),
    *("conditions.people", "conditions.people.groups", "conditions.people.users.include"),
    *("conditions.network", "conditions.network.include", "conditions.authContext"),
    *("conditions.identityProvider", "conditions.risk", "conditions.riskScore.level"),
    *("actions.signon", "actions.signon.access", "actions.signon.requireFactor"),
    *("actions.signon.factorLifetime", "actions.signon.rememberDeviceByDefault"),
]


def put(item: dict[str, Any], path: str, odd: Any) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    return {**item, first: put(item.get(first) or {}, rest, odd) if rest else odd}


def assert_types(found: OktaPolicy | Rule) -> None:
    """Each field is of its type: what is not was made None."""
    for field in fields(found):
        value = getattr(found, field.name)
        if field.name in ("priority", "factor_lifetime_min"):
            assert value is None or (type(value) is int and abs(value) < 2**63)
        elif field.name in ("active", "system"):
            assert isinstance(value, bool)
        elif isinstance(value, str):
            value.encode()
        elif field.name != "json":
            assert value is None or isinstance(value, bool | tuple | Wanted)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_odd_values_are_none_or_other(odd: Any) -> None:
    for kind in POLICY_TYPES:
        whole_rule = rule("0pr1", "SIGN_ON", "a", signon())
        for path in WHERE:
            held = [put(whole_rule, path, odd), whole_rule, whole_rule]
            item = put({**policy("00p1", kind, "a"), "rules": held}, path, odd)
            read = policies.read(snapshot([item, item, odd], kind), kind)
            for found in read:
                assert_types(found)
                for each in found.rules or ():
                    assert_types(each)
            assert len(read) == 2 + isinstance(odd, dict)


def test_numbers_as_texts_are_none() -> None:
    actions = {"signon": {"factorLifetime": "15", "requireFactor": "true", "access": 1}}
    found = one_rule({}, actions)
    assert (found.factor_lifetime_min, found.requires_factor, found.access) == (None, None, None)
    assert one_rule({}, {"signon": {"factorLifetime": 15.0}}).factor_lifetime_min == 15


def test_default_policy_is_read_whole() -> None:
    found = policies.read(whole(), "OKTA_SIGN_ON")[1]
    assert found.id == DEFAULT
    assert found.json["priority"] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[-Infinity]", "-Infinity is no number"),
        ("[" * 65 + "]" * 65, "more than 64 levels"),
        ('{"a":' * 65 + "1" + "}" * 65, "more than 64 levels"),
    ],
)
def test_json_that_is_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        values.parsed(text)


def test_json_that_is_deep_enough() -> None:
    text = "[" * 64 + "]" * 64
    assert values.parsed(text) == json.loads(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-16T12:00:00.123Z", 1_768_564_800_123),
        ("2026-01-16T14:00:00+02:00", 1_768_564_800_000),
        ("2026-01-16T12:00:00", None),
        ("0001-01-01T00:00:00+23:00", -62_135_679_600_000),
        ("soon", None),
        (5, None),
    ],
)
def test_moments(value: Any, expected: int | None) -> None:
    assert values.moment(value) == expected


@pytest.mark.parametrize(
    ("status", "active", "other"),
    [
        ("ACTIVE", True, ()),
        ("INACTIVE", False, ()),
        ("inactive", True, ("status",)),
        (None, True, ("status",)),
        (["ACTIVE"], True, ("status",)),
    ],
)
def test_whether_one_of_an_odd_status_is_asked_is_not_seen(
    status: Any, active: bool, other: tuple[str, ...]
) -> None:
    item = {"id": "x", "status": status}
    (found,) = policies.read(snapshot([{**item, "rules": [item]}]), "OKTA_SIGN_ON")
    assert found.rules is not None
    for told in (found, *found.rules):
        assert (told.active, told.other) == (active, other)
    # Okta lets nobody switch off its own.
    (system,) = policies.read(snapshot([{**item, "system": True}]), "OKTA_SIGN_ON")
    assert system.other == ()
