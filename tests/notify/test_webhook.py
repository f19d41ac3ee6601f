"""Notices to a webhook: signed, told apart, and with nothing secret in what goes wrong."""

import json
import socket
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError
from tests.notify.receivers import NOTICE, Receiver, table
from tests.okta.orgs import shown

from mfagap.errors import MfagapError, NotifyError, SettingsError
from mfagap.notify import slack, webhook
from mfagap.notify.webhook import Webhook

SECRET = "whsec_" + b64encode(b"a secret of thirty-two bytes....").decode()
HIDDEN = "doNotShow"
NOW_MS = 1_768_478_400_999


def now_ms() -> int:
    """Return the wall clock: what verifies a signature refuses one of another hour."""
    return round(datetime.now(UTC).timestamp() * 1000)


def unreachable() -> str:
    """Return the URL of a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/{HIDDEN}"


def refused(send: Callable[[], object], kind: type[MfagapError] = NotifyError) -> str:
    """Return what ``send`` is refused with, having searched it for secrets."""
    with pytest.raises(kind) as caught:
        send()
    everything = shown(caught.value)
    assert HIDDEN not in everything
    assert SECRET.removeprefix("whsec_") not in everything
    return str(caught.value)


def test_a_notice_is_signed_as_standard_webhooks_has_it(receiver: Receiver) -> None:
    moment_ms = now_ms()
    Webhook(f"{receiver.url}/hook?x=1", SECRET).send("7-12-soc", NOTICE, moment_ms)
    (request,) = receiver.received
    assert (request.method, request.path) == ("POST", "/hook?x=1")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "7-12-soc"
    assert request.headers["webhook-timestamp"] == str(moment_ms // 1000)
    assert Verifier(SECRET).verify(request.body, dict(request.headers)) == NOTICE
    other = Verifier("whsec_" + b64encode(b"another secret").decode())
    with pytest.raises(WebhookVerificationError):
        other.verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(request.body + b" ", dict(request.headers))


def test_without_a_secret_it_is_not_signed(receiver: Receiver) -> None:
    Webhook(receiver.url, None).send("7-12-soc", NOTICE, NOW_MS)
    (request,) = receiver.received
    assert "webhook-signature" not in request.headers
    assert request.headers["webhook-timestamp"] == "1768478400"
    assert json.loads(request.body) == NOTICE


def test_a_notice_that_is_sent_again_bears_the_same_key(receiver: Receiver) -> None:
    receiver.statuses.append(500)
    hook = Webhook(receiver.url, SECRET)
    assert refused(lambda: hook.send("7-12-soc", NOTICE, NOW_MS)) == "answered 500"
    hook.send("7-12-soc", NOTICE, NOW_MS + 60_000)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "7-12-soc"
    assert first.body == second.body
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


@pytest.mark.parametrize("name", ["Größe", "a\nb: c", "日本", " "])
def test_any_name_of_a_route_can_be_in_the_key(receiver: Receiver, name: str) -> None:
    """TOML allows any text in a quoted key; a header does not."""
    moment_ms = now_ms()
    for _ in range(2):
        Webhook(receiver.url, SECRET).send(f"7-12-{name}", NOTICE, moment_ms)
    first, second = receiver.received
    assert Verifier(SECRET).verify(first.body, dict(first.headers)) == NOTICE
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-id"].startswith("7-12-")
    assert "b" not in first.headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.statuses.append(status)
    hook = Webhook(f"{receiver.url}/{HIDDEN}", None)
    assert refused(lambda: hook.send("k", NOTICE, NOW_MS)) == f"answered {status}"
    assert [request.path for request in receiver.received] == [f"/{HIDDEN}"]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 503])
def test_what_is_no_success_is_told_without_the_url(receiver: Receiver, status: int) -> None:
    receiver.statuses.append(status)
    hook = Webhook(f"{receiver.url}/{HIDDEN}", SECRET)
    assert refused(lambda: hook.send("k", NOTICE, NOW_MS)) == f"answered {status}"


def test_what_cannot_be_reached_is_told_without_the_url() -> None:
    hook = Webhook(unreachable(), SECRET)
    told = refused(lambda: hook.send("k", NOTICE, NOW_MS))
    assert told == "cannot be reached: ConnectError"


def take_and_drop(server: socket.socket) -> None:
    connection, _ = server.accept()
    connection.close()


def test_a_server_that_hangs_up_is_told_without_the_url() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        hanging_up = Thread(target=take_and_drop, args=(server,))
        hanging_up.start()
        hook = Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/{HIDDEN}", SECRET)
        told = refused(lambda: hook.send("k", NOTICE, NOW_MS))
        hanging_up.join()
    assert told in ("cannot be reached: RemoteProtocolError", "cannot be reached: ReadError")


@pytest.mark.parametrize(
    "url", ["https://example.com/hook", "http://localhost:1/", "http://[::1]/"]
)
def test_https_and_loopback_are_allowed(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SOC_URL", url)
    monkeypatch.setenv("SOC_KEY", SECRET)
    webhook.build(table(type="webhook", url_variable="SOC_URL", secret_variable="SOC_KEY"))
    slack.build(table(type="slack", url_variable="SOC_URL", severity="low"))


@pytest.mark.parametrize("kind", [webhook, slack], ids=["webhook", "slack"])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"http://example.com/{HIDDEN}", "the URL must begin with https://"),
        (f"http://127.0.0.1.example.com/{HIDDEN}", "the URL must begin with https://"),
        (f"file:///{HIDDEN}", "the URL must begin with https://"),
        (HIDDEN, "the URL must begin with https://"),
        (f"https://example.com:{HIDDEN}/", "the URL is none"),
        (f"https://{HIDDEN}..example.com/", "the URL is none"),
        (f"https://example.com/{HIDDEN}\n", "the URL is none"),
        (f"https:///{HIDDEN}", "the URL names no host"),
    ],
)
def test_another_url_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, kind: object, url: str, told: str
) -> None:
    monkeypatch.setenv("SOC_URL", url)
    build = webhook.build if kind is webhook else slack.build
    message = refused(lambda: build(table(url_variable="SOC_URL")), SettingsError)
    assert message == f"mfagap.toml:3: routes.soc: {told}"


@pytest.mark.parametrize("secret", [f"whsec_{HIDDEN}!", f"whsec_é{HIDDEN}", "whsec_a"])
def test_a_secret_that_is_no_key_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("SOC_URL", "https://example.com")
    monkeypatch.setenv("SOC_KEY", secret)
    built = table(url_variable="SOC_URL", secret_variable="SOC_KEY")
    message = refused(lambda: webhook.build(built), SettingsError)
    told = "routes.soc.secret_variable: holds no whsec_… key in Base64"
    assert message == f"mfagap.toml:3: {told}"


def test_an_unknown_key_and_a_variable_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SOC_URL", raising=False)
    for build in (webhook.build, slack.build):
        told = refused(lambda build=build: build(table(url_variable="SOC_URL")), SettingsError)
        assert told == (
            "mfagap.toml:3: routes.soc.url_variable: the environment variable 'SOC_URL' is not set"
        )
        told = refused(lambda build=build: build(table(url="https://example.com")), SettingsError)
        assert told.startswith("mfagap.toml:3: routes.soc.url: unknown; known is: type, severity, ")
