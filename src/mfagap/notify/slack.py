"""Notices to a Slack channel, by an incoming webhook (Block Kit).

All that may come from the log stands in ``plain_text``: nothing in it is a link, a mention or
markup. It is cleaned as for a terminal, so that no user agent adds a line of its own.
"""

import json
from typing import Any

from mfagap.notify.notice import MOST_TEXT as MOST_VALUE
from mfagap.notify.notice import Body
from mfagap.notify.webhook import checked, post
from mfagap.report.clean import terminal
from mfagap.settings import Table

MOST_TEXT = 2900
"""Slack refuses a text of more than 3,000 characters; a header, of more than 150."""

FIELDS = ("users", "addresses", "clients", "rules", "session_ids")


class Slack:
    """Posts each notice as a message.

    Args:
        url: Of the incoming webhook, which is a secret.
    """

    def __init__(self, url: str) -> None:
        """See the class."""
        self._url = url

    def send(self, key: str, notice: Body, now_ms: int) -> None:
        """Send ``notice``; Slack knows no idempotency key, so that it stands in the message.

        Raises:
            NotifyError: It was not taken.
        """
        text = self.render(key, notice, now_ms)
        post(self._url, text, {"content-type": "application/json"})

    def render(self, key: str, notice: Body, now_ms: int) -> str:
        """Return the message that ``notice`` is, as JSON."""
        del now_ms  # Slack stamps a message itself
        return json.dumps(message(key, notice))


def message(key: str, notice: Body) -> dict[str, Any]:
    """Return ``notice`` as Slack's API takes it."""
    head = f"{notice['kind']}: {terminal(notice['title'], MOST_VALUE)}"
    verdict = notice["verdict"] or "no verdict yet"
    lines = [
        f"alert {notice['alert']} · {notice['severity']} · {verdict} · "
        f"{notice['sessions']} session(s) · first {notice['first_seen']}"
    ]
    if notice["why"]:
        lines.append(f"why: {terminal(notice['why'], MOST_VALUE)}")
    lines += [
        f"{name}: {', '.join(terminal(text, MOST_VALUE) for text in notice[name])}"
        for name in FIELDS
        if notice[name]
    ]
    last = f"\nmfagap alerts show {notice['alert']} · {key}"
    text = "\n".join(lines)[: MOST_TEXT - len(last)] + last
    return {
        # What a phone's notification shows; Slack reads markup in it, unless it is escaped.
        "text": _escaped(head)[:MOST_TEXT],
        "blocks": [
            {"type": "header", "text": _plain(head[:150])},
            {"type": "section", "text": _plain(text)},
        ],
    }


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def build(table: Table) -> Slack:
    """Return the channel that ``table`` describes.

    Raises:
        SettingsError: ``table`` is off.
    """
    table.only("severity", "url_variable")
    return Slack(checked(table.secret("url_variable"), table))
