"""A dead man's switch: pinged as the settings ask, and its URL shown nowhere."""

import pytest
from tests.notify.receivers import Receiver
from tests.notify.test_webhook import HIDDEN, refused, unreachable

from mfagap.errors import SettingsError
from mfagap.notify import ping
from mfagap.notify.ping import Ping
from mfagap.settings import Table


def table(**values: object) -> Table:
    """Return the settings of a switch."""
    return Table("mfagap.toml:7", "ping", values)


def test_a_good_run_asks_for_the_url_itself(receiver: Receiver) -> None:
    assert Ping(f"{receiver.url}/{HIDDEN}?x=1", fail=False).send(good=True)
    (request,) = receiver.received
    assert (request.method, request.path, request.body) == ("GET", f"/{HIDDEN}?x=1", b"")


def test_a_failed_run_is_told_only_where_it_is_asked_for(receiver: Receiver) -> None:
    assert not Ping(f"{receiver.url}/a", fail=False).send(good=False)
    assert receiver.received == []
    for path in ("/a", "/a/", "/a?x=1", ""):
        assert Ping(f"{receiver.url}{path}", fail=True).send(good=False)
    asked = [request.path for request in receiver.received]
    assert asked == ["/a/fail", "/a/fail", "/a/fail?x=1", "/fail"]


@pytest.mark.parametrize("status", [302, 404, 429, 503])
def test_what_is_no_success_is_told_without_the_url(receiver: Receiver, status: int) -> None:
    receiver.statuses.append(status)
    switch = Ping(f"{receiver.url}/{HIDDEN}", fail=False)
    assert refused(lambda: switch.send(good=True)) == f"answered {status}"
    assert [request.path for request in receiver.received] == [f"/{HIDDEN}"]


def test_what_cannot_be_reached_is_told_without_the_url() -> None:
    told = refused(lambda: Ping(unreachable(), fail=False).send(good=True))
    assert told == "cannot be reached: ConnectError"


@pytest.mark.parametrize(
    ("values", "url", "told"),
    [
        ({}, None, "ping.url_variable: is missing; it is a text"),
        (
            {"url_variable": "PING_URL"},
            None,
            "ping.url_variable: the environment variable 'PING_URL' is not set",
        ),
        ({"url_variable": "PING_URL"}, f"http://example.com/{HIDDEN}", "ping: the URL must begin"),
        ({"url": "x"}, None, "ping.url: unknown; known is: url_variable, fail"),
        ({"type": "x"}, None, "ping.type: unknown; known is: url_variable, fail"),
        (
            {"url_variable": "PING_URL", "fail": 1},
            "https://example.com/",
            "ping.fail: 1 is not true or false",
        ),
    ],
)
def test_settings_that_are_off(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, object], url: str | None, told: str
) -> None:
    monkeypatch.delenv("PING_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("PING_URL", url)
    message = refused(lambda: ping.build(table(**values)), SettingsError)
    assert message.startswith(f"mfagap.toml:7: {told}")
