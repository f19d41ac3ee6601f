"""Notices by whatever apprise knows: chats, pagers, phones. Fixed words and numbers alone.

What a service makes of a message is its own: Markdown, HTML, mentions. So nothing that may come
from the log goes there, and the alert's number says where to look.
"""

import logging
from typing import Any

from mfagap.errors import NotifyError
from mfagap.notify.notice import Body
from mfagap.settings import Table

TYPES = {"critical": "failure", "high": "failure", "medium": "warning"}
"""Apprise's word by our severity; any other is ``info``."""

FIELDS = ("severity", "verdict", "status", "sessions", "first_seen", "last_seen", "detection")


class Apprise:
    """Sends each notice to one service.

    Args:
        service: An ``apprise.Apprise`` that knows it.
    """

    def __init__(self, service: Any) -> None:
        """See the class."""
        self._service = service

    def send(self, key: str, notice: Body, now_ms: int) -> None:
        """Send ``notice``.

        Raises:
            NotifyError: It was not taken; apprise's reason may hold parts of the URL.
        """
        title, _, text = self.render(key, notice, now_ms).partition("\n\n")
        kind = TYPES.get(notice["severity"], "info")
        if not self._service.notify(body=text, title=title, notify_type=kind):
            raise NotifyError("apprise could not send it")

    def render(self, key: str, notice: Body, now_ms: int) -> str:
        """Return title and text."""
        del now_ms  # services stamp a message themselves
        lines = [
            f"{name.replace('_', ' ')}: {notice[name]}"
            for name in FIELDS
            if notice[name] is not None
        ]
        lines += [f"mfagap alerts show {notice['alert']}", f"key: {key}"]
        return f"mfagap: alert {notice['alert']} {notice['kind']}\n\n" + "\n".join(lines)


def build(table: Table) -> Apprise:
    """Return the service that ``table`` describes.

    Raises:
        SettingsError: ``table`` is off, or apprise is not installed.
    """
    table.only("severity", "url_variable")
    url = table.secret("url_variable")
    try:
        import apprise
    except ImportError as error:
        install = "pip install 'mfagap[apprise]'"
        raise table.off("type", f"apprise is not installed: {install}") from error
    # What it logs of a failure may hold parts of the URL.
    logging.getLogger(apprise.__name__).propagate = False
    asset = apprise.AppriseAsset(async_mode=False, http_redirects=False, app_id="mfagap")
    service: Any = apprise.Apprise(asset=asset)
    if not service.add(url) or len(service) != 1:
        raise table.off("url_variable", "holds no URL of one service that apprise knows")
    return Apprise(service)
