"""What the client writes, and what it does when it cannot know whether a write was done."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.fake_okta import faults
from tests.fake_okta.faults import Fault
from tests.fake_okta.oauth import App
from tests.fake_okta.server import MANAGE_SCOPES, TOKEN, FakeOkta
from tests.fake_okta.whole_org import DEFAULT, DEFAULT_RULE, OFFICE_RULE, STAFF, signon, whole_org
from tests.okta.orgs import Clock, client, rsa_key, service_app, shown

from mfagap.errors import AccessRefused, AnswerLost, SourceError
from mfagap.okta.client import OktaClient

RULES = f"/api/v1/policies/{STAFF}/rules"
RULE = f"{RULES}/{OFFICE_RULE}"
NEW: dict[str, Any] = {"name": "New", "type": "SIGN_ON", "actions": signon()}
CHANGED: dict[str, Any] = {**NEW, "name": "Größer"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def okta(clock: Clock) -> Iterator[FakeOkta]:
    with FakeOkta(clock=clock, scopes=MANAGE_SCOPES, **whole_org()) as running:
        yield running


@pytest.fixture
def org(okta: FakeOkta, clock: Clock) -> Iterator[OktaClient]:
    with client(okta, clock) as opened:
        yield opened


def names(okta: FakeOkta) -> list[str]:
    return [rule["name"] for rule in okta.org.rules[STAFF]]


def test_what_is_written_is_there(okta: FakeOkta, org: OktaClient) -> None:
    made = json.loads(org.post(RULES, NEW).body)
    assert json.loads(org.put(f"{RULES}/{made['id']}", CHANGED).body)["name"] == "Größer"
    assert names(okta) == ["Office", "Größer"]
    assert org.post(f"{RULES}/{made['id']}/lifecycle/deactivate").status == 204
    assert okta.org.rules[STAFF][1]["status"] == "INACTIVE"
    assert org.delete(f"{RULES}/{made['id']}").status == 204
    assert names(okta) == ["Office"]
    sent = okta.requests[0].headers
    assert (sent["content-type"], sent["accept"]) == ("application/json", "application/json")


def test_a_service_app_proves_each_write(clock: Clock) -> None:
    scope = "okta.policies.manage"
    app = App("0oaFake", rsa_key(), frozenset({scope}), key_id="kid1")
    okta = FakeOkta(None, app, clock=clock, **whole_org())
    with okta, client(okta, clock, service_app(scope)) as org:
        org.post(RULES, NEW)
        okta.doorman.revoke_tokens()
        org.post(RULES, {**NEW, "name": "Another"})
        okta.doorman.nonce, okta.doorman.wants_nonce_everywhere = "another", True
        org.put(RULE, {**NEW, "name": "Office"})
    assert names(okta) == ["Office", "New", "Another"]


REPEATED = [
    *(faults.internal_error(status) for status in (500, 502, 503, 504)),
    faults.lost(),
    faults.unheard(),
    faults.cut(),
    faults.slow(0.3),
    faults.rate_limited(1),
]


@pytest.mark.parametrize("fault", REPEATED, ids=lambda fault: repr(fault)[6:40])
def test_put_and_delete_are_tried_again(fault: Fault, okta: FakeOkta, clock: Clock) -> None:
    okta.when(RULE, fault, method="*", times=1)
    with client(okta, clock, time_out=0.1) as org:
        assert json.loads(org.put(RULE, CHANGED).body)["name"] == "Größer"
        assert names(okta) == ["Größer"]
        okta.when(RULE, fault, method="*", times=1)
        done = org.delete(RULE)
    assert names(okta) == []
    assert done.status in (204, 404)


def test_delete_of_what_is_not_there_is_an_error(org: OktaClient) -> None:
    with pytest.raises(SourceError, match="404 E0000007") as caught:
        org.delete(f"{RULES}/none")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (faults.internal_error(503), False),
        (faults.lost(), True),
        (faults.unheard(), False),
        (faults.cut(), True),
        (faults.slow(0.3), True),
    ],
    ids=lambda value: repr(value)[6:40],
)
def test_post_is_sent_once(fault: Fault, done: bool, okta: FakeOkta, clock: Clock) -> None:
    okta.faults.append(fault)
    with client(okta, clock, time_out=0.1) as org, pytest.raises(AnswerLost) as caught:
        org.post(RULES, NEW)
    assert len(okta.requests) == 1
    assert names(okta) == ["Office", *(["New"] if done else [])]
    said = str(caught.value)
    assert said.startswith(f"Okta did not answer POST {okta.url.removeprefix('http://')}{RULES}: ")
    assert said.endswith("it was not sent again, and may have been done")
    assert TOKEN not in shown(caught.value)


def test_post_is_tried_again_where_okta_did_nothing(
    okta: FakeOkta, clock: Clock, org: OktaClient
) -> None:
    okta.faults.extend([faults.rate_limited(1), faults.concurrency_limited()])
    org.post(RULES, NEW)
    assert names(okta) == ["Office", "New"]
    okta.__exit__()
    with (
        client(okta, clock) as another,
        pytest.raises(SourceError, match="after 6 tries") as caught,
    ):
        another.post(RULES, NEW)
    assert type(caught.value) is SourceError


Write = Callable[[OktaClient], object]
REFUSED: list[tuple[Write, type[SourceError], str]] = [
    (
        lambda org: org.put("/api/v1/zones/a", {}),
        AccessRefused,
        "needs the scope okta.networkZones.manage",
    ),
    (
        lambda org: org.delete("/api/v1/threats/a"),
        AccessRefused,
        "okta.threatInsights.manage, and it or the API token's owner an admin",
    ),
    (
        lambda org: org.post("/api/v1/zones", {}),
        AccessRefused,
        "admin role that may change this",
    ),
    (
        lambda org: org.post(RULES, {**NEW, "name": "Office"}),
        SourceError,
        "failed: name (name: An object with this field already exists)",
    ),
    (
        lambda org: org.delete(f"/api/v1/policies/{DEFAULT}/rules/{DEFAULT_RULE}"),
        SourceError,
        "403 E0000077: Cannot modify the default object because it is read-only.",
    ),
    (
        lambda org: org.put("https://evil.example/api/v1/zones/a", {}),
        SourceError,
        "a link leads to evil.example",
    ),
]


@pytest.mark.parametrize(("write", "kind", "said"), REFUSED)
def test_refusals(write: Write, kind: type[SourceError], said: str, clock: Clock) -> None:
    scopes = frozenset({"okta.policies.manage"})
    with FakeOkta(clock=clock, scopes=scopes, **whole_org()) as okta, client(okta, clock) as org:
        with pytest.raises(SourceError) as caught:
            write(org)
        assert clock.slept == []
    assert type(caught.value) is kind
    assert said in str(caught.value)


def test_the_org_s_url(okta: FakeOkta, org: OktaClient) -> None:
    assert org.org_url == okta.url
