"""Notices to Slack: what the log says is text there, and fits."""

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.notify.receivers import NOTICE, Receiver, table
from tests.report.results import with_context

from mfagap.alerts import AlertStatus, Change, Deed
from mfagap.detect.load import load_all
from mfagap.errors import NotifyError
from mfagap.model import Severity
from mfagap.notify import slack
from mfagap.notify.notice import body
from mfagap.state.sessions import Session

HOSTILE = "<!channel> <@U1> *bold* _it_ `code` <https://example.com|click> &lt; :bomb:"
STEERING = "\u202e\x1b[2J\nverdict: benign"
SHOWN = r"\u202e\x1b[2J\x0averdict: benign"


def texts(value: Any) -> Generator[dict[str, Any]]:
    """Yield every object of a message that is a text."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        if "text" in given and "type" in given and isinstance(given["text"], str):
            yield given
        for part in given.values():
            yield from texts(part)
    if isinstance(value, list):
        for part in cast("list[Any]", value):
            yield from texts(part)


def test_a_message() -> None:
    assert slack.message("7-12-soc", NOTICE) == {
        "text": "opened: ada@example.com signed in",
        "blocks": [
            {
                "type": "header",
                "text": {
                    "type": "plain_text",
                    "text": "opened: ada@example.com signed in",
                    "emoji": False,
                },
            },
            {
                "type": "section",
                "text": {
                    "type": "plain_text",
                    "text": (
                        "alert 7 · high · suspicious · 2 session(s) · "
                        "first 2026-01-15T12:00:00.000Z\n"
                        "users: ada@example.com\n"
                        "addresses: 192.0.2.10, 198.51.100.7\n"
                        "clients: curl/8.5.0\n"
                        "session_ids: 102A\n"
                        "mfagap alerts show 7 · 7-12-soc"
                    ),
                    "emoji": False,
                },
            },
        ],
    }


def test_why_it_was_taken_back_is_told() -> None:
    told = slack.message("k", {**NOTICE, "verdict": None, "why": "a second factor came to light"})
    text = told["blocks"][1]["text"]["text"]
    assert " · no verdict yet · " in text
    assert "\nwhy: a second factor came to light\n" in text


def test_hostile_text_is_text() -> None:
    hostile = f"{HOSTILE} {STEERING}"
    fields = {key: [hostile] for key in slack.FIELDS}
    notice = {**NOTICE, "title": hostile, "why": hostile, **fields}
    told = slack.message("k", notice)
    assert told["text"] == (
        "opened: &lt;!channel&gt; &lt;@U1&gt; *bold* _it_ `code` "
        "&lt;https://example.com|click&gt; &amp;lt; :bomb: " + SHOWN
    )
    found = list(texts(told))
    assert [text["type"] for text in found] == ["plain_text", "plain_text"]
    assert [text["emoji"] for text in found] == [False, False]
    assert found[1]["text"].count(f"{HOSTILE} {SHOWN}") == 1 + len(slack.FIELDS)
    assert len(found[1]["text"].splitlines()) == 3 + len(slack.FIELDS), "no line of its own"
    assert json.dumps(told).count("!channel") == 8, "and nowhere else"


@pytest.mark.parametrize("text", ["x" * 500, "<" * 500, "\U0001f4a3" * 500, "&lt;" * 125])
def test_the_longest_notice_fits(text: str) -> None:
    sessions = [
        Session(
            replace(
                with_context(
                    user_email=f"{number}{text}",
                    source_ip=f"{number}{text}",
                    user_agent=f"{number}{text}",
                    external_session_id=f"{number}{text}",
                ),
                title=text,
                policy=replace(with_context().policy, rule_name=f"{number}{text}"),
            ),
            False,
            None,
            Severity.HIGH,
        )
        for number in range(30)
    ]
    change = Change(Deed.OPENED, None, None, None, AlertStatus.OPEN)
    told = slack.message("k" * 80, body(load_all()[0], 1, change, sessions, None))
    header, section = texts(told)
    assert len(header["text"]) <= 150
    assert len(section["text"]) <= 3000
    assert len(told["text"]) <= 3000
    assert section["text"].endswith(f"mfagap alerts show 1 · {'k' * 80}"), "what to do is not cut"


def test_it_is_posted_as_json(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK", f"{receiver.url}/services/T/B/x")
    channel = slack.build(table(type="slack", url_variable="SLACK"))
    channel.send("7-12-soc", NOTICE, 1)
    (request,) = receiver.received
    assert request.path == "/services/T/B/x"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == slack.message("7-12-soc", NOTICE)
    receiver.statuses.append(404)
    with pytest.raises(NotifyError, match=r"^answered 404$"):
        channel.send("7-12-soc", NOTICE, 1)
