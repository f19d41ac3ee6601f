"""OAuth with a private key and DPoP, against a fake org that checks every signature."""

import json
from collections.abc import Iterator

import httpx2
import pytest
from joserfc import jwk
from tests.events import start
from tests.fake_okta import faults
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import FakeOkta
from tests.okta.orgs import Clock, client, known_app, pem, recorded, rsa_key, service_app, shown

from mfagap.errors import AccessRefused, SettingsError, SourceError
from mfagap.okta.auth import signing_key
from mfagap.okta.credentials import Secret, ServiceApp

LOGS = "/api/v1/logs?since=2026-01-01T00:00:00Z"
TOKENS = "/oauth2/v1/token"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def okta(clock: Clock) -> Iterator[FakeOkta]:
    with FakeOkta(None, known_app(), clock=clock) as running:
        running.add([start("one")])
        yield running


def test_a_token_is_fetched_once_with_a_nonce_and_proves_each_request(
    okta: FakeOkta, clock: Clock
) -> None:
    with client(okta, clock, service_app()) as org:
        for _ in range(3):
            assert json.loads(org.get(LOGS).body)[0]["uuid"] == "one"
    paths = [request.path for request in okta.requests]
    assert paths == [TOKENS, TOKENS, *["/api/v1/logs"] * 3]
    proofs = [request.headers["dpop"] for request in okta.requests]
    assert len(set(proofs)) == 5
    assert okta.requests[2].headers["authorization"] == f"DPoP {okta.doorman.given[0]}"


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512"])
def test_a_jwk_may_name_its_algorithm(alg: str, clock: Clock) -> None:
    text = json.dumps(rsa_key().as_dict(private=True, alg=alg))
    access = ServiceApp("0oaFake", Secret(text), "kid1")
    with FakeOkta(None, known_app(), clock=clock) as okta, client(okta, clock, access) as org:
        assert org.get(LOGS).status == 200


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_other_keys(curve: str, clock: Clock) -> None:
    key = jwk.import_key(jwk.ECKey.generate_key(curve).as_dict(private=True), "EC")
    app, access = known_app(key=key), service_app(key=key)
    with FakeOkta(None, app, clock=clock) as okta, client(okta, clock, access) as org:
        assert org.get(LOGS).status == 200


def test_a_jwk_brings_its_kid(clock: Clock) -> None:
    text = json.dumps(rsa_key().as_dict(private=True, kid="kid1", use="sig", alg="RS256"))
    access = ServiceApp("0oaFake", Secret(text))
    with FakeOkta(None, known_app(), clock=clock) as okta, client(okta, clock, access) as org:
        assert org.get(LOGS).status == 200


def test_an_app_without_dpop(clock: Clock) -> None:
    with FakeOkta(None, known_app(dpop=False), clock=clock) as okta:
        with client(okta, clock, service_app()) as org:
            assert org.get(LOGS).status == 200
        last = okta.requests[-1].headers
    assert last["authorization"] == f"Bearer {okta.doorman.given[0]}"
    assert "dpop" not in last


def test_a_token_is_renewed_before_its_end(okta: FakeOkta, clock: Clock) -> None:
    with client(okta, clock, service_app()) as org:
        org.get(LOGS)
        clock.sleep(3539)
        org.get(LOGS)
        assert len(okta.doorman.given) == 1
        clock.sleep(1)
        org.get(LOGS)
    assert len(okta.doorman.given) == 2
    assert len(okta.asked(TOKENS)) == 3  # the nonce is known by now


def test_a_token_that_is_revoked_is_fetched_anew(okta: FakeOkta, clock: Clock) -> None:
    with client(okta, clock, service_app()) as org:
        org.get(LOGS)
        okta.doorman.revoke_tokens()
        assert org.get(LOGS).status == 200
    assert len(okta.doorman.given) == 2


def test_a_nonce_that_changes(okta: FakeOkta, clock: Clock) -> None:
    with client(okta, clock, service_app()) as org:
        org.get(LOGS)
        okta.doorman.nonce, okta.doorman.wants_nonce_everywhere = "another", True
        assert org.get(LOGS).status == 200
        assert len(okta.doorman.given) == 1
        okta.doorman.nonce = "a third"
        clock.sleep(3600)
        assert org.get(LOGS).status == 200


@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_a_clock_that_is_wrong_signs_with_okta_s_time(ahead: float, clock: Clock) -> None:
    okta = FakeOkta(None, known_app(), clock=lambda: clock() + ahead)
    with okta, client(okta, clock, service_app()) as org:
        assert org.get("/api/v1/logs").status == 200


def test_each_try_is_signed_anew(okta: FakeOkta, clock: Clock) -> None:
    okta.token_faults.extend([faults.internal_error(), faults.cut()])
    okta.faults.extend([faults.fine(), faults.internal_error(), faults.cut()])
    with client(okta, clock, service_app()) as org:
        org.get(LOGS)
        org.get(LOGS)
    assert len(okta.asked()) == 4


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (service_app("okta.users.read"), "invalid_scope: One or more scopes are not granted"),
        (service_app("okta.users.read"), "asked for were okta.users.read: grant them to the app"),
        (service_app(key=jwk.ECKey.generate_key("P-256")), "invalid_client: The client assert"),
        (ServiceApp("0oaOther", Secret(pem(rsa_key())), "kid1"), "invalid_client: iss, sub or aud"),
        (ServiceApp("0oaFake", Secret(pem(rsa_key())), "kid2"), "invalid_client: kid is off"),
        (ServiceApp("0oaFake", Secret(pem(rsa_key()))), "invalid_client: kid is off"),
    ],
)
def test_an_app_that_gets_no_token(
    access: ServiceApp, said: str, okta: FakeOkta, clock: Clock
) -> None:
    with client(okta, clock, access) as org, pytest.raises(AccessRefused) as caught:
        org.get(LOGS)
    assert str(caught.value).startswith("Okta gives the service app no token: invalid_")
    assert said in str(caught.value)
    assert_no_secret(shown(caught.value), access, okta)


def test_a_scope_that_was_not_asked_for(okta: FakeOkta, clock: Clock) -> None:
    with client(okta, clock, service_app("okta.policies.read")) as org:
        with pytest.raises(AccessRefused, match=r"needs the scope okta\.logs\.read") as caught:
            org.get(LOGS)
        assert str(caught.value).endswith("it asked for okta.policies.read alone: set its scopes")
        okta.faults.append(Fault(403))
        with pytest.raises(AccessRefused, match=r"an admin role that may read this$"):
            org.get("/api/v1/policies")
        assert org.get("/api/v1/policies", {"type": "OKTA_SIGN_ON"}).body == b"[]"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": "a", "token_type": "DPoP"},
        {"access_token": "a\r\nb", "token_type": "DPoP", "expires_in": 1},
        {"access_token": "a", "token_type": "mac", "expires_in": 1},
        {"access_token": 1, "token_type": "Bearer", "expires_in": 1},
    ],
)
def test_a_token_of_no_use(
    answer: object, okta: FakeOkta, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def token(*_: object) -> object:
        return answer

    monkeypatch.setattr(okta.doorman, "token", token)
    with client(okta, clock, service_app()) as org, pytest.raises(SourceError) as caught:
        org.get(LOGS)
    assert str(caught.value).endswith("holds no token of use")


def test_an_address_that_gives_no_tokens(clock: Clock) -> None:
    """What is there may be no org at all."""
    body = b"<html>not found</html>"
    with (
        FakeOkta(None, known_app(), clock=clock) as okta,
        client(okta, clock, service_app()) as org,
    ):
        okta.token_faults.append(Fault(404, body=body))
        with pytest.raises(AccessRefused, match="no token: status 404"):
            org.get(LOGS)


def test_the_fake_tells_true_proofs_from_stolen_ones(okta: FakeOkta, clock: Clock) -> None:
    with client(okta, clock, service_app()) as org:
        org.get(LOGS)
    sent = okta.requests[-1].headers
    url = f"{okta.url}/api/v1/logs"
    for change, status in [
        ({}, 400),  # sent before
        ({"dpop": ""}, 400),
        ({"dpop": okta.requests[1].headers["dpop"]}, 400),  # of another address
        ({"authorization": sent["authorization"].replace("DPoP", "Bearer")}, 400),
        ({"authorization": "DPoP other"}, 401),
        ({"authorization": "SSWS other"}, 401),
        ({"authorization": ""}, 401),
    ]:
        headers = {name: {**sent, **change}[name] for name in ("authorization", "dpop")}
        assert httpx2.get(url, headers=headers).status_code == status


PUBLIC = rsa_key().as_pem(private=False).decode()
LOCKED = rsa_key().as_pem(private=True, password="pw").decode()


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\nkeyToSearchFor\n-----END PRIVATE KEY-----",
        PUBLIC,
        LOCKED,
        pem(jwk.ECKey.generate_key("secp256k1")),
        json.dumps(rsa_key().as_dict(private=False)),
        json.dumps(rsa_key().as_dict(private=True, use="enc")),
        '{"kty": "oct", "k": "keyToSearchFor"}',
        '{"kty": "RSA", "n": "keyToSearchFor"}',
        '{"keyToSearchFor"',
        "[]",
    ],
)
def test_a_key_of_no_use_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="private key is of no use") as caught:
        signing_key(Secret(text))
    assert "ToSearchFor" not in shown(caught.value)


def assert_no_secret(text: str, access: ServiceApp, okta: FakeOkta) -> None:
    key = access.private_key.reveal()
    lines = [line for line in key.splitlines() if not line.startswith("-----")]
    for secret in (*lines, *okta.doorman.given):
        assert secret not in text


def test_no_error_and_no_log_shows_a_key_or_token(okta: FakeOkta, clock: Clock) -> None:
    access = service_app()
    with recorded() as records, client(okta, clock, access) as org:
        org.get(LOGS)
        okta.faults.append(faults.internal_error(403))
        with pytest.raises(AccessRefused) as caught:
            org.get(LOGS)
        assert okta.doorman.given
        text = shown(caught.value) + "\n".join(records.texts) + repr(access)
        assert_no_secret(text, access, okta)
        for request in okta.requests:
            assert request.headers["dpop"] not in text
