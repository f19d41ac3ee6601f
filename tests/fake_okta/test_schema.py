"""What the fake org answers is what Okta's own OpenAPI description allows.

The description is not part of this repository: without it beside the checkout, these are skipped.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from jsonschema import Draft202012Validator
from tests.events import event
from tests.fake_okta import faults
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import TOKEN, FakeOkta
from tests.fake_okta.whole_org import (
    ADA,
    APPS,
    ENROLL,
    PASSWORDS,
    STAFF,
    STAFF_GROUP,
    whole_org,
)
from tests.okta.orgs import Clock, client

from mfagap.okta.client import OktaClient

SLICE = Path(__file__).resolve().parents[3] / "shared" / "okta-openapi-slice.json"

pytestmark = pytest.mark.skipif(
    not SLICE.exists(),
    reason="Okta's OpenAPI description, not ours to ship, is not beside the repository",
)

TEMPLATES = [
    "session_start",
    "session_policy",
    "session_challenge",
    "app_policy",
    "mfa",
    "sso",
    "admin_app",
    "factor_activate",
    "token_create",
    "idp_assertion",
    "idp_change",
    "desktop_sso",
    "radius",
    "ad_agent",
    "failed_start",
    "act",
]


def problems(answer: bytes, name: str, *, many: bool = False) -> list[str]:
    """Return where ``answer`` is not what the description calls ``name``."""
    described = json.loads(SLICE.read_text(encoding="utf-8"))
    one = {"$ref": f"#/components/schemas/{name}"}
    schema = {"type": "array", "minItems": 1, "items": one} if many else one
    validator: Any = Draft202012Validator({**schema, "components": described["components"]})
    errors = validator.iter_errors(without_nulls(json.loads(answer)))
    return [f"{error.json_path}: {error.message}" for error in errors]


def without_nulls(value: Any) -> Any:
    """Real answers hold nulls where the description allows none."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: without_nulls(item) for key, item in items if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in cast("list[Any]", value)]
    return value


@pytest.fixture
def okta() -> Iterator[FakeOkta]:
    with FakeOkta(clock=Clock(), **whole_org()) as running:
        running.add(event(name, f"{name}-1") for name in TEMPLATES)
        yield running


@pytest.fixture
def org(okta: FakeOkta) -> Iterator[OktaClient]:
    with client(okta, Clock()) as opened:
        yield opened


def test_the_log(org: OktaClient) -> None:
    answer = org.get("/api/v1/logs", {"since": "2026-01-01T00:00:00Z"}).body
    assert len(json.loads(answer)) == len(TEMPLATES)
    assert problems(answer, "LogEvent", many=True) == []
    assert problems(answer.replace(b'"uuid": "', b'"uuid": 1, "x": "'), "LogEvent", many=True)


@pytest.mark.parametrize(
    ("kind", "policy_id", "name", "rule_name"),
    [
        ("OKTA_SIGN_ON", STAFF, "OktaSignOnPolicy", "OktaSignOnPolicyRule"),
        (
            *("MFA_ENROLL", ENROLL),
            *("AuthenticatorEnrollmentPolicy", "AuthenticatorEnrollmentPolicyRule"),
        ),
        ("PASSWORD", PASSWORDS, "PasswordPolicy", "PasswordPolicyRule"),
        ("ACCESS_POLICY", APPS, "AccessPolicy", "AccessPolicyRule"),
    ],
)
def test_policies_and_rules(
    kind: str, policy_id: str, name: str, rule_name: str, org: OktaClient
) -> None:
    policies = org.get("/api/v1/policies", {"type": kind}).body
    assert problems(policies, name, many=True) == []
    path = f"/api/v1/policies/{policy_id}"
    assert problems(org.get(path).body, name) == []
    rules = org.get(f"{path}/rules").body
    assert problems(rules, rule_name, many=True) == []
    (rule,) = json.loads(rules)
    assert problems(org.get(f"{path}/rules/{rule['id']}").body, rule_name) == []
    assert problems(rules.replace(b'"status": "ACTIVE"', b'"status": "ON"'), rule_name, many=True)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("zones", "NetworkZone"),
        ("authenticators", "AuthenticatorBase"),
        ("api-tokens", "ApiToken"),
        (f"groups/{STAFF_GROUP}/users", "User"),
        (f"users/{ADA}/factors", "UserFactor"),
    ],
)
def test_other_lists(path: str, name: str, org: OktaClient) -> None:
    answer = org.get(f"/api/v1/{path}").body
    assert problems(answer, name, many=True) == []
    assert problems(answer.replace(b'"id": "', b'"id": 1, "x": "'), name, many=True)


def test_zones_by_type_and_a_group(org: OktaClient) -> None:
    for zone in json.loads(org.get("/api/v1/zones").body):
        name = {"IP": "IPNetworkZone", "DYNAMIC": "DynamicNetworkZone"}[zone["type"]]
        assert problems(json.dumps(zone).encode(), name) == []
    assert problems(org.get(f"/api/v1/groups/{STAFF_GROUP}").body, "Group") == []


@pytest.mark.parametrize(
    ("path", "token", "fault", "status"),
    [
        ("/api/v1/logs?limit=1001", TOKEN, None, 400),
        ("/api/v1/logs?after=x", TOKEN, None, 400),
        ("/api/v1/logs", TOKEN, faults.rate_limited(1), 429),
        ("/api/v1/logs", TOKEN, faults.concurrency_limited(), 429),
        ("/api/v1/logs", TOKEN, faults.internal_error(), 500),
        ("/api/v1/logs", "other", None, 401),
        ("/api/v1/apps", TOKEN, None, 403),
        ("/api/v1/policies/none/rules", TOKEN, None, 404),
        ("/api/v1/policies/none", TOKEN, None, 404),
        ("/api/v1/policies/a/b/c", TOKEN, None, 404),
    ],
)
def test_errors(path: str, token: str, fault: Fault | None, status: int, okta: FakeOkta) -> None:
    okta.faults.extend([] if fault is None else [fault])
    answer = httpx2.get(okta.url + path, headers={"Authorization": f"SSWS {token}"})
    assert answer.status_code == status
    assert answer.json()["errorCode"].startswith("E0000")
    assert problems(answer.content, "Error") == []
