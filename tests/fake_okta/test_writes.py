"""What the fake org does when it is written to: the rules that the product relies on."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.fake_okta import faults
from tests.fake_okta.server import MANAGE_SCOPES, READ_SCOPES, TOKEN, FakeOkta
from tests.fake_okta.whole_org import (
    APPS,
    DEFAULT,
    DEFAULT_RULE,
    ENROLL,
    ENROLL_RULE,
    OFFICE,
    OFFICE_RULE,
    STAFF,
    STAFF_GROUP,
    TOR,
    signon,
    whole_org,
)
from tests.okta.orgs import NOW, Clock

SSWS = {"Authorization": f"SSWS {TOKEN}"}
NOW_TEXT = "2026-01-16T12:00:00.000Z"
STAFF_RULES = f"/policies/{STAFF}/rules"


@pytest.fixture
def okta() -> Iterator[FakeOkta]:
    with FakeOkta(clock=Clock(NOW), scopes=MANAGE_SCOPES, **whole_org()) as running:
        yield running


def ask(okta: FakeOkta, method: str, path: str, body: Any = None) -> httpx2.Response:
    return httpx2.request(method, f"{okta.url}/api/v1{path}", json=body, headers=SSWS)


def names(okta: FakeOkta, path: str) -> list[tuple[str, int]]:
    return [(item["name"], item["priority"]) for item in ask(okta, "GET", path).json()]


def made(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "SIGN_ON", "actions": signon(), **more}


def test_a_new_rule_has_an_id_and_comes_last_or_where_it_should(okta: FakeOkta) -> None:
    last = ask(okta, "POST", STAFF_RULES, made("Last")).json()
    assert last["id"].startswith("0pr")
    assert (last["status"], last["system"], last["priority"]) == ("ACTIVE", False, 2)
    assert last["created"] == last["lastUpdated"] == NOW_TEXT
    assert last["_links"]["self"]["href"].endswith(f"/api/v1{STAFF_RULES}/{last['id']}")
    first = ask(okta, "POST", f"{STAFF_RULES}?activate=false", made("First", priority=1)).json()
    assert (first["status"], first["priority"]) == ("INACTIVE", 1)
    assert names(okta, STAFF_RULES) == [("First", 1), ("Office", 2), ("Last", 3)]
    assert ask(okta, "DELETE", f"{STAFF_RULES}/{first['id']}").status_code == 204
    assert names(okta, STAFF_RULES) == [("Office", 1), ("Last", 2)]
    assert ask(okta, "GET", f"{STAFF_RULES}/{first['id']}").status_code == 404


def test_the_default_rule_stays_last(okta: FakeOkta) -> None:
    path = f"/policies/{DEFAULT}/rules"
    rule = ask(okta, "POST", path, made("Cover")).json()
    assert names(okta, path) == [("Cover", 1), ("Default Rule", 2)]
    ask(okta, "DELETE", f"{path}/{rule['id']}")
    assert names(okta, path) == [("Default Rule", 1)]
    ask(okta, "POST", f"/policies/{APPS}/rules", made("App", type="ACCESS_POLICY"))
    assert names(okta, f"/policies/{APPS}/rules") == [("App", 1), ("Catch-all Rule", 99)]


def test_a_rule_is_replaced_whole_but_for_what_is_okta_s(okta: FakeOkta) -> None:
    path = f"{STAFF_RULES}/{OFFICE_RULE}"
    ask(okta, "POST", STAFF_RULES, made("Last"))
    before = ask(okta, "GET", path).json()
    body = made("Office", id="x", system=True, created="x", priority=2)
    after = ask(okta, "PUT", path, body).json()
    assert after == ask(okta, "GET", path).json()
    assert {key: after[key] for key in ("id", "system", "created", "status", "priority")} == {
        **{key: before[key] for key in ("id", "system", "created", "status")},
        "priority": 2,
    }
    assert after["lastUpdated"] == NOW_TEXT
    assert "conditions" not in after
    assert after["actions"] == signon()
    assert names(okta, STAFF_RULES) == [("Last", 1), ("Office", 2)]
    back = ask(okta, "PUT", path, before).json()
    assert back == {**before, "lastUpdated": NOW_TEXT}
    assert names(okta, STAFF_RULES) == [("Office", 1), ("Last", 2)]


def test_of_a_default_rule_only_what_it_does_may_change(okta: FakeOkta) -> None:
    path = f"/policies/{DEFAULT}/rules/{DEFAULT_RULE}"
    before = ask(okta, "GET", path).json()
    asks = signon(requireFactor=True, factorPromptMode="ALWAYS")
    assert ask(okta, "PUT", path, {**before, "actions": asks}).json()["actions"] == asks
    changes: dict[str, Any] = {"name": "Mine", "priority": 3, "conditions": {}, "status": "X"}
    for key, value in changes.items():
        refused = ask(okta, "PUT", path, {**before, key: value})
        assert (refused.status_code, refused.json()["errorCode"]) == (403, "E0000076")
        assert refused.json()["errorSummary"].startswith(f"Cannot modify the {key} attribute")
    for method, end in [("DELETE", ""), ("POST", "/lifecycle/deactivate")]:
        assert ask(okta, method, path + end).json()["errorCode"] == "E0000077"
    enroll = f"/policies/{ENROLL}/rules/{ENROLL_RULE}"
    whole = ask(okta, "GET", enroll).json()
    assert ask(okta, "PUT", enroll, whole).json()["errorCode"] == "E0000077"


def test_classic_engine_changes_no_default_rule_and_knows_no_app_policies() -> None:
    with FakeOkta(scopes=MANAGE_SCOPES, **whole_org(), classic=True) as okta:
        path = f"/policies/{DEFAULT}/rules/{DEFAULT_RULE}"
        whole = ask(okta, "GET", path).json()
        assert ask(okta, "PUT", path, whole).json()["errorCode"] == "E0000077"
        refused = ask(okta, "GET", "/policies?type=ACCESS_POLICY")
        assert (refused.status_code, refused.json()["errorCode"]) == (400, "E0000002")
        assert ask(okta, "GET", "/authenticators").status_code == 404


def test_policies(okta: FakeOkta) -> None:
    staff = {"people": {"groups": {"include": [STAFF_GROUP]}}}
    body = {"type": "OKTA_SIGN_ON", "name": "Services", "priority": 1, "conditions": staff}
    new = ask(okta, "POST", "/policies", body).json()
    listed = "/policies?type=OKTA_SIGN_ON"
    assert names(okta, listed) == [("Services", 1), ("Staff", 2), ("Default Policy", 3)]
    assert ask(okta, "GET", f"/policies/{new['id']}/rules").json() == []
    ask(okta, "PUT", f"/policies/{new['id']}", {**body, "priority": 2})
    assert names(okta, listed) == [("Staff", 1), ("Services", 2), ("Default Policy", 3)]
    assert ask(okta, "POST", f"/policies/{new['id']}/lifecycle/deactivate").status_code == 204
    assert ask(okta, "GET", f"/policies/{new['id']}").json()["status"] == "INACTIVE"
    assert ask(okta, "DELETE", f"/policies/{new['id']}").status_code == 204
    assert names(okta, listed) == [("Staff", 1), ("Default Policy", 2)]
    assert ask(okta, "DELETE", f"/policies/{DEFAULT}").status_code == 403


def test_zones(okta: FakeOkta) -> None:
    zone = ask(okta, "POST", "/zones", {"type": "IP", "name": "Lab", "gateways": []}).json()
    assert (zone["status"], zone["system"]) == ("ACTIVE", False)
    changed = {**zone, "name": "Laboratory"}
    assert ask(okta, "PUT", f"/zones/{zone['id']}", changed).json()["name"] == "Laboratory"
    assert ask(okta, "GET", f"/zones/{zone['id']}").json()["name"] == "Laboratory"
    assert ask(okta, "DELETE", f"/zones/{zone['id']}").status_code == 204
    assert ask(okta, "DELETE", f"/zones/{OFFICE}").status_code == 400
    assert [found["id"] for found in ask(okta, "GET", "/zones").json()] == [OFFICE, TOR]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", STAFF_RULES, made(""), 400, "name: The field cannot be left blank"),
        ("POST", STAFF_RULES, made("Office"), 400, "name: An object with this field already"),
        ("POST", STAFF_RULES, made("a", priority=0), 400, "priority: must be greater than 0"),
        ("POST", STAFF_RULES, made("a", actions={}), 400, "actions: The field cannot be left"),
        (
            *("POST", STAFF_RULES),
            made("a", conditions={"network": {"connection": "ZONE", "include": ["nzoX"]}}),
            *(400, "network: Invalid zone nzoX"),
        ),
        (
            *("POST", "/policies"),
            {
                "type": "OKTA_SIGN_ON",
                "name": "a",
                "conditions": {"people": {"groups": {"include": ["00gX"]}}},
            },
            *(400, "people.groups: Invalid group 00gX"),
        ),
        ("POST", "/policies", {"type": "OTHER", "name": "a"}, 400, "Invalid policy type"),
        ("POST", STAFF_RULES, [], 400, "not well-formed"),
        ("PUT", f"{STAFF_RULES}/none", made("a"), 404, "Resource not found"),
        ("POST", f"{STAFF_RULES}/{OFFICE_RULE}/lifecycle/x", None, 404, "not found"),
        ("PATCH", "/zones", {}, 501, ""),
        ("PUT", "/zones", {}, 404, "not found"),
        ("PUT", "/policies", {}, 404, "not found"),
        ("PUT", f"{STAFF_RULES}/a/b/c", {}, 404, "not found"),
        ("DELETE", "/authenticators", None, 403, "permission"),
        ("GET", "/zones?after=x", None, 400, "after"),
    ],
)
def test_refusals(
    method: str, path: str, body: Any, status: int, said: str, okta: FakeOkta
) -> None:
    refused = ask(okta, method, path, body)
    assert refused.status_code == status
    assert said.lower() in refused.text.lower()


def test_only_who_may_manage_writes() -> None:
    with FakeOkta(scopes=READ_SCOPES, **whole_org()) as okta:
        assert ask(okta, "GET", STAFF_RULES).status_code == 200
        assert ask(okta, "POST", STAFF_RULES, made("a")).status_code == 403
    may = READ_SCOPES | {"okta.authenticators.manage"}
    with FakeOkta(scopes=may) as okta:
        assert ask(okta, "DELETE", "/authenticators").status_code == 405


def test_lists_are_paged_and_can_be_cut_short(okta: FakeOkta) -> None:
    okta.when("/api/v1/zones", faults.hidden(OFFICE), times=1)
    okta.when("/api/v1/zones", faults.last_page(), times=1)
    assert [zone["id"] for zone in ask(okta, "GET", "/zones").json()] == [TOR]
    cut = ask(okta, "GET", "/zones?limit=1")
    assert [zone["id"] for zone in cut.json()] == [OFFICE]
    assert "next" not in cut.links
    page = ask(okta, "GET", "/zones?limit=1")
    assert httpx2.get(page.links["next"]["url"], headers=SSWS).json()[0]["id"] == TOR


def test_faults_by_path_query_and_method(okta: FakeOkta) -> None:
    okta.when("/api/v1/policies?type=PASSWORD", faults.forbidden())
    okta.when(f"/api/v1{STAFF_RULES}*", faults.lost(), method="POST", times=1)
    okta.when("/api/v1/zones", faults.unheard(), method="*")
    assert ask(okta, "GET", "/policies?type=PASSWORD").status_code == 403
    assert ask(okta, "GET", "/policies?type=MFA_ENROLL").status_code == 200
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(okta, "POST", STAFF_RULES, made("Lost"))
    assert names(okta, STAFF_RULES) == [("Office", 1), ("Lost", 2)]
    for _ in range(2):
        with pytest.raises(httpx2.RemoteProtocolError):
            ask(okta, "POST", "/zones", {"name": "a"})
    assert [zone["id"] for zone in okta.org.zones] == [OFFICE, TOR]


def test_the_org_can_change_between_two_requests(okta: FakeOkta) -> None:
    def rename(_: object) -> None:
        okta.org.rules[STAFF][0]["name"] = f"Office {len(okta.requests)}"

    okta.meddle = rename
    assert names(okta, STAFF_RULES) == [("Office 1", 1)]
    assert names(okta, STAFF_RULES) == [("Office 2", 1)]
