"""Notices by apprise: fixed words alone, and nothing of the URL in what goes wrong."""

import io
import json
import logging
import sys
from collections.abc import Generator
from typing import Any

import pytest
from tests.notify.receivers import NOTICE, Receiver, table
from tests.notify.test_webhook import HIDDEN, refused, unreachable

from mfagap.errors import SettingsError
from mfagap.notify import apprise
from mfagap.notify.apprise import Apprise

# Apprise loads all that it knows, and what one of these needs is going to leave Python.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

NOW_MS = 1_768_478_400_999
HOSTILE = "@everyone <script>x</script> *b* [click](https://example.com)\n\x1b\u202e"

TEXT = """\
severity: high
verdict: suspicious
status: open
sessions: 2
first seen: 2026-01-15T12:00:00.000Z
last seen: 2026-01-15T12:10:00.000Z
detection: okta_legacy_authn_without_mfa
mfagap alerts show 7
key: 7-12-soc"""


@pytest.fixture
def log() -> Generator[io.StringIO]:
    """What a program that logs everything gets to see."""
    seen, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(seen), root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield seen
    root.setLevel(level)
    root.removeHandler(handler)


def service(monkeypatch: pytest.MonkeyPatch, url: str) -> Apprise:
    monkeypatch.setenv("APPRISE_URL", url.replace("http://", "json://"))
    return apprise.build(table(type="apprise", url_variable="APPRISE_URL"))


def test_a_message(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    service(monkeypatch, f"{receiver.url}/{HIDDEN}").send("7-12-soc", NOTICE, NOW_MS)
    (request,) = receiver.received
    assert request.path.rstrip("/") == f"/{HIDDEN}"
    told = json.loads(request.body)
    assert (told["title"], told["message"]) == ("mfagap: alert 7 opened", TEXT)
    assert told["type"] == "failure"


@pytest.mark.parametrize(
    ("severity", "kind"),
    [
        ("critical", "failure"),
        ("high", "failure"),
        ("medium", "warning"),
        ("low", "info"),
        ("informational", "info"),
    ],
)
def test_the_severity_tells_the_type(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, severity: str, kind: str
) -> None:
    notice = {**NOTICE, "severity": severity, "verdict": None}
    service(monkeypatch, receiver.url).send("7-12-soc", notice, NOW_MS)
    (request,) = receiver.received
    told = json.loads(request.body)
    assert told["type"] == kind
    assert "verdict" not in told["message"]


def test_nothing_that_the_log_says_is_sent(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    lists = ("users", "addresses", "clients", "session_ids", "rules")
    hostile: dict[str, Any] = {name: [HOSTILE] for name in lists}
    notice = {**NOTICE, **hostile, "title": HOSTILE, "why": HOSTILE, "members": [HOSTILE]}
    sender = service(monkeypatch, receiver.url)
    sender.send("7-12-soc", notice, NOW_MS)
    (request,) = receiver.received
    assert json.loads(request.body)["message"] == TEXT
    assert sender.render("7-12-soc", notice, NOW_MS) == f"mfagap: alert 7 opened\n\n{TEXT}"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_refused_is_told_without_the_url(
    monkeypatch: pytest.MonkeyPatch,
    receiver: Receiver,
    capsys: pytest.CaptureFixture[str],
    log: io.StringIO,
    status: int,
) -> None:
    receiver.statuses.append(status)
    sender = service(monkeypatch, f"{receiver.url}/{HIDDEN}")
    assert refused(lambda: sender.send("k", NOTICE, NOW_MS)) == "apprise could not send it"
    assert len(receiver.received) == 1, "nor is a redirect followed"
    assert (log.getvalue(), *capsys.readouterr()) == ("", "", "")


def test_what_cannot_be_reached_is_told_without_the_url(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    sender = service(monkeypatch, unreachable())
    assert refused(lambda: sender.send("k", NOTICE, NOW_MS)) == "apprise could not send it"
    assert log.getvalue() == ""


@pytest.mark.parametrize(
    "url", [HIDDEN, f"nosuch://{HIDDEN}", f"json://a/{HIDDEN}, json://b/{HIDDEN}", "json://"]
)
def test_what_is_no_url_of_one_service_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO, url: str
) -> None:
    told = refused(lambda: service(monkeypatch, url), SettingsError)
    words = "holds no URL of one service that apprise knows"
    assert told == f"mfagap.toml:3: routes.soc.url_variable: {words}"
    assert log.getvalue() == ""


def test_without_apprise_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    told = refused(lambda: service(monkeypatch, f"json://localhost/{HIDDEN}"), SettingsError)
    words = "apprise is not installed: pip install 'mfagap[apprise]'"
    assert told == f"mfagap.toml:3: routes.soc.type: {words}"


def test_an_unknown_key() -> None:
    told = refused(lambda: apprise.build(table(url=f"json://{HIDDEN[:0]}")), SettingsError)
    assert told == "mfagap.toml:3: routes.soc.url: unknown; known is: type, severity, url_variable"
