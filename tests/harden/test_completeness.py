"""What a part lacks that it cannot do without."""

from typing import Any

import pytest
from tests.fake_okta.whole_org import EVERYONE, STAFF_GROUP, policy

from mfagap.harden.completeness import groups_named, judged, judged_groups, named
from mfagap.model.org import Part

DEFAULT: Any = {**policy("00p1", "PASSWORD", "Default Policy"), "rules": []}
PARTS: list[tuple[str, list[Any], str | None]] = [
    ("zones", [], None),
    ("api_tokens", [], None),
    ("zones", [{"id": ""}], "it has items without an id"),
    ("PASSWORD", [DEFAULT], None),
    ("MFA_ENROLL", [DEFAULT], None),
    (
        "OKTA_SIGN_ON",
        [DEFAULT],
        "the list is short: the default policy has no default rule, which every one has",
    ),
    (
        "PASSWORD",
        [{**DEFAULT, "system": "true"}],
        "the list is short: it has no default policy, which every org has",
    ),
    ("ACCESS_POLICY", [{"id": "rst1", "rules": []}], None),
    ("ACCESS_POLICY", [{"id": "rst1", "rules": [{}]}], "rst1 has rules without an id"),
    ("threat_insight", [{"action": "none"}], None),
    ("threat_insight", [{"action": 1}], "it tells no action"),
    ("threat_insight", [{"action": "none"}, {"action": "block"}], "it tells no action"),
    ("threat_insight", [{"action": "none", "excludeZones": []}], None),
    ("threat_insight", [{"action": "none", "excludeZones": ["nzo1"]}], None),
    *(
        (
            "threat_insight",
            [{"action": "block", "excludeZones": odd}],
            "which zones are exempt cannot be read",
        )
        for odd in ("nzo1", {"nzo1": 1}, [5], ["nzo1", 5])
    ),
    ("ACCESS_POLICY", [{"id": "a", "rules": [{"id": "r"}, {"id": "r"}]}], "r is there twice"),
    (
        "ACCESS_POLICY",
        [{"id": "a", "rules": [{"id": "r"}]}, {"id": "b", "rules": [{"id": "s"}, {"id": "r"}]}],
        "r is there twice",
    ),
    ("authenticators", [{"id": "a", "type": "password"}], None),
    ("user_factors", [{"userId": "a", "factors": []}], None),
    ("user_factors", [{"userId": "a", "factors": {}}], "it has users without a list of factors"),
    ("user_factors", [{"factors": []}], "it has users without a list of factors"),
    ("groups", [{"id": "a", "members": ["b"]}], None),
    ("groups", [{"id": "a"}], "it has groups whose members could not be read"),
    ("groups", [{"id": "a", "members": [1]}], "it has groups whose members could not be read"),
    (
        "groups",
        [{"id": "a", "type": "OKTA_GROUP", "profile": {"name": "Everyone"}}],
        "it has groups whose members could not be read",
    ),
]


@pytest.mark.parametrize(("name", "items", "missing"), PARTS)
def test_what_is_missing(name: str, items: list[Any], missing: str | None) -> None:
    assert judged(name, items) == Part(tuple(items), missing)


def test_problems_are_told_once_and_first() -> None:
    part = judged("zones", [{"a": 1}, 5], ["403", "403"])
    assert part.missing == "403; 1 of its items are no objects; it has items without an id"
    assert part.items == ({"a": 1},)


def test_groups_that_policies_name() -> None:
    people: Any = {"people": {"groups": {"include": [STAFF_GROUP], "exclude": [EVERYONE, 5]}}}
    items: Any = ({"conditions": people}, {"conditions": None}, {"conditions": {"people": []}})
    parts = {"OKTA_SIGN_ON": Part(items), "PASSWORD": Part(({"conditions": people},))}
    assert groups_named(parts) == (EVERYONE, STAFF_GROUP)
    assert groups_named({}) == ()
    everyone = {"id": EVERYONE, "type": "BUILT_IN", "profile": {"name": "Everyone"}}
    staff: dict[str, Any] = {"id": STAFF_GROUP, "members": []}
    whole = {**parts, "MFA_ENROLL": Part()}
    assert judged_groups([everyone, staff], whole).known
    assert judged_groups([everyone], whole).missing == f"{STAFF_GROUP}: not there"
    assert judged_groups([everyone], whole, ["403"]).missing == "403"
    assert judged_groups([everyone, staff], parts).missing == (
        "which groups count is not known, since the enrollment policies: not read"
    )


def test_few_ids_are_named() -> None:
    assert named(["a", "b" * 41]) == f"a, {'b' * 40}"
    assert named([str(n) for n in range(7)]) == "0, 1, 2, 3, 4 and 2 more"
