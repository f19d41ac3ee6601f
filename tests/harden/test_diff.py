"""What differs between two snapshots: every key, and nothing that Okta sets itself."""

from copy import deepcopy
from typing import Any

import pytest
from tests.fake_okta.whole_org import whole_org

from mfagap.harden.diff import ChangedKey, Difference, What, differences
from mfagap.model.org import (
    NOTHING,
    Part,
    Snapshot,
)

Item = dict[str, Any]


def snapshot(*items: Any, part: str = "OKTA_SIGN_ON", missing: str | None = None) -> Snapshot:
    return Snapshot(None, "x", {part: Part(items, missing)})


def policy(rules: Any = None, **more: Any) -> Item:
    item: Item = {"id": "00p", "name": "Staff", "priority": 1, "lastUpdated": "then", **more}
    return item if rules is None else {**item, "rules": rules}


def rule(**more: Any) -> Item:
    actions = {"signon": {"access": "ALLOW", "requireFactor": True}}
    return {"id": "0pr", "name": "Office", "actions": actions, "created": "then", **more}


def test_the_same_differs_in_nothing() -> None:
    org = whole_org()
    items = [{**item, "rules": org["rules"][item["id"]]} for item in org["policies"]]
    later = deepcopy(items)
    for item in (*later, *(each for held in later for each in held["rules"])):
        item |= {"lastUpdated": "now", "created": "now", "_links": {"x": 1}, "_embedded": {}}
        item["description"] = None
    later.reverse()
    assert differences(snapshot(*items), snapshot(*later)) == ()
    assert differences(NOTHING, NOTHING) == ()


def test_a_rule_that_was_loosened() -> None:
    loose = rule(
        actions={"signon": {"access": "ALLOW", "requireFactor": False, "factorLifetime": 15}},
        conditions={"network": {"include": ["a", "b"]}},
    )
    found = differences(snapshot(policy([rule()])), snapshot(policy([loose], priority=2)))
    assert found == (
        Difference(
            *("OKTA_SIGN_ON", "00p", "Staff", What.CHANGED), (ChangedKey("priority", 1, 2),)
        ),
        Difference(
            *("OKTA_SIGN_ON", "0pr", "Staff: Office", What.CHANGED),
            (
                ChangedKey("actions.signon.requireFactor", True, False),
                ChangedKey("actions.signon.factorLifetime", None, 15),
                ChangedKey("conditions", None, {"network": {"include": ["a", "b"]}}),
            ),
        ),
    )


PATHS: list[tuple[Item, Item, list[tuple[str, Any, Any]]]] = [
    ({"a": {"b": 1}}, {"a": {"b": True}}, [("a.b", 1, True)]),
    ({"a": [1, 2]}, {"a": [2, 1]}, [("a", [1, 2], [2, 1])]),
    ({"a": [{"k": 1}, {"k": 2}]}, {"a": [{"k": 1}, {"k": 3}]}, [("a[1].k", 2, 3)]),
    ({"a": [{"k": 1}]}, {"a": []}, [("a", [{"k": 1}], [])]),
    ({"a": [{"k": 1}]}, {"a": [1]}, [("a", [{"k": 1}], [1])]),
    ({"a": {}}, {"a": "x"}, [("a", {}, "x")]),
    ({"a": None}, {}, []),
    ({"a": []}, {"a": []}, []),
    ({"a": []}, {"a": None}, [("a", [], None)]),
]


@pytest.mark.parametrize(("old", "new", "expected"), PATHS)
def test_paths(old: Item, new: Item, expected: list[tuple[str, Any, Any]]) -> None:
    was, now = (snapshot({"id": "z", **each}, part="zones") for each in (old, new))
    changes = [key for found in differences(was, now) for key in found.changes]
    assert [(key.path, key.old, key.new) for key in changes] == expected


def what(old: Snapshot, new: Snapshot) -> list[tuple[str, str]]:
    return [(found.name, found.what.value) for found in differences(old, new)]


def test_what_came_and_went() -> None:
    one, two = policy([rule()]), policy([rule(id="0pr2", name="Home")], id="00p2", name="Guests")
    assert what(snapshot(one), snapshot(two)) == [
        ("Guests", "added"),
        ("Guests: Home", "added"),
        ("Staff", "removed"),
        ("Staff: Office", "removed"),
    ]
    assert what(snapshot(policy([rule()])), snapshot(policy([]))) == [("Staff: Office", "removed")]
    assert what(snapshot(policy([])), snapshot(policy([rule()]))) == [("Staff: Office", "added")]


def test_what_is_absent_from_a_list_that_is_short_did_not_go() -> None:
    one, two = policy([rule()]), policy([rule(id="0pr2", name="Home")], id="00p2", name="Guests")
    short = snapshot(two, missing="the list is short")
    assert differences(snapshot(one), short) == (
        Difference(
            *("OKTA_SIGN_ON", "", "OKTA_SIGN_ON", What.BECAME_UNKNOWN),
            (ChangedKey("missing", None, "the list is short"),),
        ),
        Difference("OKTA_SIGN_ON", "00p2", "Guests", What.ADDED),
        Difference("OKTA_SIGN_ON", "0pr2", "Guests: Home", What.ADDED),
    )
    assert what(short, snapshot(one)) == [
        ("OKTA_SIGN_ON", "became known"),
        ("Guests", "removed"),
        ("Guests: Home", "removed"),
    ]
    assert what(NOTHING, snapshot(one)) == [("OKTA_SIGN_ON", "became known")]
    assert what(short, snapshot(one, missing="403")) == []
    loose = policy([rule(name="Any")], id="00p2", name="Guests")
    assert what(short, snapshot(loose, missing="403")) == []
    loose["rules"][0]["id"] = "0pr2"
    assert what(short, snapshot(loose, missing="403")) == [("Guests: Any", "changed")]


def test_rules_that_could_not_be_read_did_not_go() -> None:
    unread = snapshot(policy(), missing="rules")
    assert what(snapshot(policy([rule()])), unread) == [("OKTA_SIGN_ON", "became unknown")]
    assert what(unread, snapshot(policy([rule()]))) == [("OKTA_SIGN_ON", "became known")]


def test_what_nobody_asked_for_did_not_go() -> None:
    def asked(users: int, *groups: str, missing: str | None = None) -> Snapshot:
        factors: list[Item] = [{"userId": f"00u{n}", "factors": []} for n in range(users)]
        named: list[Item] = [{"id": group, "members": []} for group in groups]
        parts = {"user_factors": factors, "groups": named}
        return Snapshot(None, "x", {name: Part((*held,), missing) for name, held in parts.items()})

    assert differences(asked(28, "00g1", "00g2"), asked(1, "00g3")) == (
        Difference("groups", "", "members of 1 group", What.NOT_ASKED_OLD),
        Difference("groups", "", "members of 2 groups", What.NOT_ASKED_NEW),
        Difference("user_factors", "", "factors of 27 users", What.NOT_ASKED_NEW),
    )
    assert what(asked(1), asked(0, missing="403")) == [
        ("groups", "became unknown"),
        ("user_factors", "became unknown"),
    ]


def test_items_of_other_parts() -> None:
    was = Snapshot(
        None,
        "x",
        {
            "user_factors": Part(({"userId": "00u", "factors": [{"id": "a", "created": 1}]},)),
            "threat_insight": Part(({"action": "none", "created": 1},)),
            "groups": Part(({"id": "00g", "name": "Staff", "members": ["a"]},)),
        },
    )
    now = Snapshot(
        None,
        "x",
        {
            "user_factors": Part(({"userId": "00u", "factors": [{"id": "a", "created": 2}]},)),
            "threat_insight": Part(({"action": "block", "created": 2},)),
            "groups": Part(({"id": "00g", "name": "Staff", "members": ["a", "b"]},)),
        },
    )
    assert differences(was, now) == (
        Difference(
            *("threat_insight", "", "", What.CHANGED), (ChangedKey("action", "none", "block"),)
        ),
        Difference(
            *("groups", "00g", "Staff", What.CHANGED),
            (ChangedKey("members", ["a"], ["a", "b"]),),
        ),
    )


def test_the_same_id_twice() -> None:
    one, two = {"id": "a", "name": "one"}, {"id": "a", "name": "two"}
    assert what(snapshot(one, two), snapshot(one, two)) == []
    assert what(snapshot(one, two), snapshot(one)) == [("two", "removed")]


@pytest.mark.parametrize(
    "odd", [None, 1, "x", float("nan"), [], [None], {}, {"x": 1}, "\ud800", "x" * 100_000]
)
def test_odd_values_crash_nothing(odd: Any) -> None:
    held = dict.fromkeys(("id", "name", "rules", "conditions", "userId", "factors"), odd)
    old, new = snapshot(held, odd, policy([held, odd])), snapshot(policy([rule(), odd, held]), held)
    assert differences(old, old) == ()
    assert any(found.what is What.ADDED for found in differences(old, new))
