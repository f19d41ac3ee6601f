"""A snapshot from the fake org: all of it, and what is unknown where it may not all be read."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fake_okta import faults
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import READ_SCOPES, FakeOkta
from tests.fake_okta.whole_org import (
    ADA,
    APPS,
    BEN,
    DEFAULT,
    DEFAULT_RULE,
    ENROLL,
    EVERYONE,
    OFFICE,
    PASSWORDS,
    STAFF,
    STAFF_GROUP,
    TOR,
    policy,
    whole_org,
)
from tests.okta.orgs import NOW_MS, Clock, client

from mfagap.errors import AccessRefused, SourceError
from mfagap.harden.fetch import fetch
from mfagap.harden.snapshot import digest
from mfagap.model.org import PARTS, Snapshot
from mfagap.okta.credentials import Secret


@pytest.fixture
def okta() -> Iterator[FakeOkta]:
    with FakeOkta(clock=Clock(), **whole_org()) as running:
        yield running


def read(okta: FakeOkta, *users: str) -> Snapshot:
    clock = Clock()
    with client(okta, clock) as org:
        return fetch(org, NOW_MS, users)


def ids(snapshot: Snapshot, part: str) -> list[str]:
    return [item["id"] for item in snapshot.part(part).items]


def missing(snapshot: Snapshot) -> dict[str, str]:
    """Return what is not known, and why."""
    return {name: said for name in PARTS if (said := snapshot.part(name).missing) is not None}


def test_all_of_an_org(okta: FakeOkta) -> None:
    snapshot = read(okta, BEN, ADA, ADA)
    assert (snapshot.taken_ms, snapshot.origin) == (NOW_MS, okta.url)
    assert missing(snapshot) == {}
    assert {name: len(snapshot.part(name).items) for name in PARTS} == {
        **dict.fromkeys(PARTS, 1),
        **dict.fromkeys(("OKTA_SIGN_ON", "zones", "groups", "user_factors"), 2),
    }
    assert ids(snapshot, "OKTA_SIGN_ON") == [STAFF, DEFAULT]
    (rule,) = snapshot.part("OKTA_SIGN_ON").items[1]["rules"]
    assert rule["id"] == DEFAULT_RULE
    everyone, staff = snapshot.part("groups").items
    assert (everyone["id"], everyone["name"], "members" in everyone) == (
        *(EVERYONE, "Everyone"),
        False,
    )
    assert (staff["id"], staff["name"], staff["members"]) == (STAFF_GROUP, "Staff", [ADA])
    assert [item["userId"] for item in snapshot.part("user_factors").items] == [ADA, BEN]
    assert okta.asked(f"/api/v1/groups/{EVERYONE}/users") == []


def test_a_group_is_read_that_no_policy_names(okta: FakeOkta) -> None:
    services = {"id": "00gservices", "type": "OKTA_GROUP", "profile": {"name": "Services"}}
    okta.org.groups.append({**services, "members": []})
    with client(okta, Clock()) as org:
        named = fetch(org, NOW_MS, groups=[STAFF_GROUP, "00gservices"])
        gone = fetch(org, NOW_MS, groups=["00gnone"])
    assert ids(named, "groups") == [EVERYONE, STAFF_GROUP, "00gservices"]
    assert missing(named) == {}
    assert "00gnone" in missing(gone)["groups"]


def test_users_are_read_only_where_they_are_asked_for(okta: FakeOkta) -> None:
    part = read(okta).part("user_factors")
    assert (part.items, part.known) == ((), True)


def test_page_size_changes_nothing(okta: FakeOkta) -> None:
    with FakeOkta(clock=Clock(), page_size=1, **whole_org()) as paged:
        # Links hold the port, and the digest leaves them out.
        assert digest(read(paged, ADA)) == digest(read(okta, ADA))
        assert len(paged.asked("/api/v1/zones")) == 2


SCOPES = {
    "okta.policies.read": ("OKTA_SIGN_ON", "MFA_ENROLL", "ACCESS_POLICY", "PASSWORD", "groups"),
    "okta.networkZones.read": ("zones",),
    "okta.authenticators.read": ("authenticators",),
    "okta.threatInsights.read": ("threat_insight",),
    "okta.apiTokens.read": ("api_tokens",),
    "okta.groups.read": ("groups",),
    "okta.users.read": ("user_factors",),
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_that_is_missing_makes_its_parts_unknown(scope: str) -> None:
    with FakeOkta(clock=Clock(), scopes=READ_SCOPES - {scope}, **whole_org()) as okta:
        snapshot = read(okta, ADA)
    found = missing(snapshot)
    assert tuple(found) == SCOPES[scope]
    for reason in found.values():
        assert f"needs the scope {scope}, and it or the API token's owner an admin role" in reason


def test_nothing_may_be_read() -> None:
    with FakeOkta(clock=Clock(), scopes=frozenset(), **whole_org()) as okta:
        snapshot = read(okta, ADA)
    assert tuple(missing(snapshot)) == PARTS
    assert all(snapshot.part(name).items == () for name in PARTS)


POLICIES = "/api/v1/policies"
CUT: list[tuple[str, Fault, dict[str, str]]] = [
    (
        f"{POLICIES}?type=OKTA_SIGN_ON",
        faults.hidden(DEFAULT),
        {"OKTA_SIGN_ON": "the list is short: it has no default policy, which every org has"},
    ),
    (
        f"{POLICIES}?type=MFA_ENROLL",
        faults.hidden(ENROLL),
        {"MFA_ENROLL": "the list is short: it has no default policy, which every org has"},
    ),
    (
        f"{POLICIES}?type=PASSWORD",
        faults.hidden(PASSWORDS),
        {"PASSWORD": "the list is short: it has no default policy, which every org has"},
    ),
    (
        f"{POLICIES}?type=ACCESS_POLICY",
        faults.hidden(APPS),
        {"ACCESS_POLICY": "the list is short: it is empty, and every org of Identity Engine"},
    ),
    (
        f"{POLICIES}/{DEFAULT}/rules",
        faults.hidden(DEFAULT_RULE),
        {"OKTA_SIGN_ON": "the list is short: the default policy has no default rule, which every"},
    ),
    (
        f"{POLICIES}/{STAFF}/rules",
        faults.forbidden(),
        {"OKTA_SIGN_ON": f"/rules: 403 E0000006: ; *the rules of {STAFF} could not be read"},
    ),
    (
        f"{POLICIES}/{APPS}/rules",
        Fault(404, "E0000007"),
        {"ACCESS_POLICY": f"404 E0000007*; the rules of {APPS} could not be read"},
    ),
    (
        "/api/v1/authenticators",
        faults.hidden("autpassword000000001"),
        {"authenticators": "the list is short: it has no password, which every org has"},
    ),
    ("/api/v1/threats/*", Fault(body=b"{}"), {"threat_insight": "it tells no action"}),
    (
        f"/api/v1/groups/{STAFF_GROUP}/users",
        faults.forbidden(),
        {"groups": f"Okta refuses /api/v1/groups/{STAFF_GROUP}/users: 403"},
    ),
    (
        f"/api/v1/groups/{STAFF_GROUP}",
        Fault(404, "E0000007"),
        {"groups": f"Okta refuses /api/v1/groups/{STAFF_GROUP}: 404"},
    ),
    (
        f"/api/v1/users/{BEN}/factors",
        Fault(404, "E0000007"),
        {"user_factors": f"Okta refuses /api/v1/users/{BEN}/factors: 404 E0000007"},
    ),
    ("/api/v1/zones", Fault(body=b"[1]"), {"zones": "1 of its items are no objects"}),
    ("/api/v1/zones", Fault(body=b'[{"a": 1}]'), {"zones": "it has items without an id"}),
]


@pytest.mark.parametrize(("path", "fault", "expected"), CUT)
def test_a_list_that_is_cut_short_is_no_list(
    path: str, fault: Fault, expected: dict[str, str], okta: FakeOkta
) -> None:
    okta.when(path, fault)
    found = missing(read(okta, ADA, BEN))
    assert found.keys() - {"groups"} == expected.keys() - {"groups"}
    for part, said in expected.items():
        assert all(words in found[part] for words in said.split("*"))
    named = {"OKTA_SIGN_ON", "MFA_ENROLL"} & expected.keys()
    assert ("groups" in found) == ("groups" in expected or bool(named))


def test_pages_that_are_lost(okta: FakeOkta) -> None:
    """The default policy, which is last, goes with them."""
    with FakeOkta(clock=Clock(), page_size=1, **whole_org()) as paged:
        paged.when(f"{POLICIES}?type=OKTA_SIGN_ON*", faults.last_page())
        snapshot = read(paged)
    assert ids(snapshot, "OKTA_SIGN_ON") == [STAFF]
    assert snapshot.part("OKTA_SIGN_ON").missing is not None


def test_what_is_read_stays_beside_what_is_not(okta: FakeOkta) -> None:
    okta.when(f"{POLICIES}/{STAFF}/rules", faults.forbidden())
    staff, default = read(okta).part("OKTA_SIGN_ON").items
    assert "rules" not in staff
    assert len(default["rules"]) == 1


def test_many_problems_are_counted(okta: FakeOkta) -> None:
    more = [policy(f"rst{n}", "ACCESS_POLICY", f"App {n}", system=False) for n in range(9)]
    okta.org.policies += more
    okta.when(f"{POLICIES}/rst*", faults.forbidden())
    said = missing(read(okta))["ACCESS_POLICY"]
    assert said.count("okta.policies.read") == 3
    assert "and 7 more like it; the rules of " in said
    assert said.endswith("rst3 and 5 more could not be read")


def test_classic_engine_lacks_two_parts() -> None:
    with FakeOkta(clock=Clock(), classic=True, **whole_org()) as okta:
        found = missing(read(okta))
    assert found == {
        "ACCESS_POLICY": (
            "Okta refuses /api/v1/policies: 400 E0000002: The request was not valid: Invalid "
            "policy type specified.; Classic Engine has none"
        ),
        "authenticators": (
            "Okta refuses /api/v1/authenticators: 404 E0000007: Not found: Resource not found; "
            "Classic Engine has none"
        ),
    }


ORG_DOWN: list[tuple[Fault, str]] = [
    (Fault(401, "E0000011"), "the API token or service app is not accepted"),
    (Fault(418), "Okta refuses /api/v1/zones: 418"),
    (faults.redirect("https://example.com"), "a redirect, which is not followed"),
    (Fault(body=b"[NaN]"), "Okta's answer about zones is no JSON: NaN is no number"),
    (Fault(body=b"[1e999]"), "is no JSON: 1e999 is no number"),
    (Fault(body=b"[" * 100 + b"]" * 100), "is no JSON: it has more than 64 levels"),
    (Fault(body=b"[" * 10_000 + b"]" * 10_000), "is no JSON: it has more than 64 levels"),
    (Fault(body=b"{}"), "Okta's answer about zones is no list"),
]


@pytest.mark.parametrize(("fault", "said"), ORG_DOWN)
def test_what_is_not_about_access_is_an_error(fault: Fault, said: str, okta: FakeOkta) -> None:
    okta.when("/api/v1/zones", fault)
    with pytest.raises(SourceError) as caught:
        read(okta)
    assert said in str(caught.value)


def test_an_object_that_is_none(okta: FakeOkta) -> None:
    okta.when("/api/v1/threats/configuration", Fault(body=b"[]"))
    with pytest.raises(SourceError, match="about threats/configuration is no object"):
        read(okta)


def test_an_org_that_is_down(okta: FakeOkta) -> None:
    okta.when(f"{POLICIES}?type=PASSWORD", faults.internal_error())
    with pytest.raises(SourceError, match="given up after 6 tries"):
        read(okta)


def test_a_token_that_is_not_accepted(okta: FakeOkta) -> None:
    clock = Clock()
    with client(okta, clock, Secret("other")) as org, pytest.raises(AccessRefused):
        fetch(org, NOW_MS)
    assert len(okta.requests) == 1


def test_links_in_a_circle(okta: FakeOkta) -> None:
    okta.when("/api/v1/zones*", faults.next_link(f"{okta.url}/api/v1/zones?after=1"))
    with pytest.raises(SourceError, match="between pages of /api/v1/zones lead in a circle"):
        read(okta)


def test_the_same_item_on_two_pages_counts_once(okta: FakeOkta) -> None:
    office = okta.org.zones[0]
    okta.org.zones.append(office)
    assert ids(read(okta), "zones") == [OFFICE, TOR]
    okta.org.zones.append({**office, "name": "Another"})
    snapshot = read(okta)
    assert missing(snapshot) == {"zones": f"{OFFICE} is there twice, and differs"}
    assert ids(snapshot, "zones") == [OFFICE, TOR, OFFICE]


def test_ids_that_are_no_words_of_a_path_are_not_asked_about(okta: FakeOkta) -> None:
    odd = "../../users"
    staff = {"people": {"groups": {"include": [odd]}}}
    okta.org.policies.append(policy(odd, "MFA_ENROLL", "odd", system=False, conditions=staff))
    found = missing(read(okta, odd, "x" * 101))
    assert found == {
        "MFA_ENROLL": f"the rules of {odd} could not be read",
        "groups": (
            f"{odd}: not there; which groups count is not known, since the "
            "enrollment policies: the rules of "
            f"{odd} could not be read"
        ),
        "user_factors": f"{odd} is no id of a user; {'x' * 40} is no id of a user",
    }
    assert not any(".." in request.path for request in okta.requests)


ODD: list[Any] = [None, [], {}, "x", 1, True, 1.5, "x" * 100_000, [None], {"id": []}, [{}]]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_odd_values_crash_nothing(odd: Any, okta: FakeOkta) -> None:
    for key in ("id", "name", "priority", "status", "system", "conditions", "settings"):
        item: Any = {**policy("00podd", "OKTA_SIGN_ON", "odd"), key: odd}
        body = json.dumps([item, {"id": "00pother", key: odd}, odd]).encode()
        okta.faults.append(Fault(body=body))
        part = read(okta).part("OKTA_SIGN_ON")
        assert part.missing is not None
        assert len(part.items) >= 2
