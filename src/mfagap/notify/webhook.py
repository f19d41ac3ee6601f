"""Notices to a webhook, signed as Standard Webhooks has it (standardwebhooks.com)."""

import json
from datetime import UTC, datetime
from urllib.parse import quote

import httpx2
from standardwebhooks.webhooks import Webhook as Signer

from mfagap.errors import NotifyError, SettingsError
from mfagap.notify.endpoint import LOOPBACK, TIMEOUT_S
from mfagap.notify.notice import Body
from mfagap.settings import Table


class Webhook:
    """Posts each notice as JSON.

    ``webhook-id`` is the idempotency key: a notice that is sent again, after a crash between the
    sending and the note of it, bears the same one. What signs it never leaves the process.

    Args:
        url: Where to; https, or loopback.
        secret: ``whsec_…``; None leaves the notices unsigned.
    """

    def __init__(self, url: str, secret: str | None) -> None:
        """See the class."""
        self._url = url
        self._signer = None if secret is None else Signer(secret)

    def send(self, key: str, notice: Body, now_ms: int) -> None:
        """Send ``notice``.

        Raises:
            NotifyError: It was not taken.
        """
        key = quote(key, safe="")  # a route's name is part of it, and may be any text
        moment = datetime.fromtimestamp(now_ms / 1000, UTC)
        text = self.render(key, notice, now_ms)
        headers = {
            "content-type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": str(int(moment.timestamp())),
        }
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(key, moment, text)
        post(self._url, text, headers)

    def render(self, key: str, notice: Body, now_ms: int) -> str:
        """Return what is posted; the key is in a header."""
        del key, now_ms
        return json.dumps(notice, sort_keys=True)


def post(url: str, text: str, headers: dict[str, str]) -> None:
    """Post ``text``; the URL, which may be a secret itself, stands in no error.

    Raises:
        NotifyError: It was not taken.
    """
    try:
        with httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False) as http:
            answer = http.post(url, content=text.encode(), headers=headers)
    except httpx2.HTTPError as error:
        raise NotifyError(f"cannot be reached: {type(error).__name__}") from None
    if not answer.is_success:
        raise NotifyError(f"answered {answer.status_code}")


def checked(url: str, table: Table) -> str:
    """Return ``url``, which a token may be part of: it goes over https, or to loopback alone.

    Raises:
        SettingsError: It is another; raised where nothing that shows the URL is its context.
    """
    problem = _problem(url)
    if problem:
        raise SettingsError(f"{table.where}: {table.name}: the URL {problem}")
    return url


def _problem(url: str) -> str | None:
    try:
        parsed = httpx2.URL(url)
        parsed.host.encode("idna")  # as Python does it to connect
    except (httpx2.InvalidURL, UnicodeError):
        return "is none"
    if parsed.scheme != "https" and not (parsed.scheme == "http" and parsed.host in LOOPBACK):
        return "must begin with https://"
    return None if parsed.host else "names no host"


def build(table: Table) -> Webhook:
    """Return the webhook that ``table`` describes.

    Raises:
        SettingsError: ``table`` is off.
    """
    table.only("severity", "url_variable", "secret_variable")
    secret = table.secret("secret_variable") if "secret_variable" in table.values else None
    hook = _signed(checked(table.secret("url_variable"), table), secret)
    if hook is None:
        raise table.off("secret_variable", "holds no whsec_… key in Base64")
    return hook


def _signed(url: str, secret: str | None) -> Webhook | None:
    """Return the webhook; None where ``secret`` is no key."""
    try:
        return Webhook(url, secret)
    except ValueError:
        return None
