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
from tests.okta.orgs import Clock, client

from mfagap.okta.client import OktaClient

SLICE = Path(__file__).resolve().parents[3] / "shared" / "okta-openapi-slice.json"

pytestmark = pytest.mark.skipif(not SLICE.exists(), reason="Okta's description is not here")

POLICY_ID = "00pexample0000000001"
POLICY = {
    "type": "OKTA_SIGN_ON",
    "id": POLICY_ID,
    "status": "ACTIVE",
    "name": "Default Policy",
    "priority": 1,
    "system": True,
    "conditions": {"people": {"groups": {"include": ["00gexample0000000001"]}}},
    "created": "2026-01-01T00:00:00.000Z",
    "lastUpdated": "2026-01-01T00:00:00.000Z",
}
RULE = {
    "id": "0prexample0000000001",
    "status": "ACTIVE",
    "name": "Default Rule",
    "priority": 1,
    "system": True,
    "type": "SIGN_ON",
    "conditions": {
        "network": {"connection": "ANYWHERE"},
        "authContext": {"authType": "ANY"},
    },
    "actions": {
        "signon": {
            "access": "ALLOW",
            "requireFactor": False,
            "primaryFactor": "PASSWORD_IDP",
            "rememberDeviceByDefault": False,
            "session": {
                "usePersistentCookie": False,
                "maxSessionIdleMinutes": 120,
                "maxSessionLifetimeMinutes": 0,
            },
        }
    },
    "created": None,
}
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
    rules = {POLICY_ID: [RULE]}
    with FakeOkta(clock=Clock(), policies=[POLICY], rules=rules) as running:
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


def test_policies_and_rules(org: OktaClient) -> None:
    policies = org.get("/api/v1/policies", {"type": "OKTA_SIGN_ON"}).body
    assert problems(policies, "OktaSignOnPolicy", many=True) == []
    policy = org.get(f"/api/v1/policies/{POLICY_ID}").body
    assert problems(policy, "OktaSignOnPolicy") == []
    rules = org.get(f"/api/v1/policies/{POLICY_ID}/rules").body
    assert problems(rules, "OktaSignOnPolicyRule", many=True) == []
    assert org.get("/api/v1/policies", {"type": "PASSWORD"}).body == b"[]"


@pytest.mark.parametrize(
    ("path", "token", "fault", "status"),
    [
        ("/api/v1/logs?limit=1001", TOKEN, None, 400),
        ("/api/v1/logs?after=x", TOKEN, None, 400),
        ("/api/v1/logs", TOKEN, faults.rate_limited(1), 429),
        ("/api/v1/logs", TOKEN, faults.concurrency_limited(), 429),
        ("/api/v1/logs", TOKEN, faults.internal_error(), 500),
        ("/api/v1/logs", "other", None, 401),
        ("/api/v1/users", TOKEN, None, 403),
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
