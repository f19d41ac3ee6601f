"""The one HTTP client for Okta's API."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import httpx2

from mfagap.errors import AccessRefused, CursorRefused, SourceError
from mfagap.okta.auth import ApiToken, Auth, ServiceAppToken, plain
from mfagap.okta.credentials import Credentials, Secret
from mfagap.okta.transport import Answer, Transport

_SCOPES: Final = {"zones": "networkZones", "api-tokens": "apiTokens", "org": "orgs"}
"""Scopes that are not named as the path is."""


class OktaClient:
    """Reads from one org. It keeps to a share of the rate limit and outlasts short failures.

    Args:
        credentials: Of the org.
        http: Such as ``transport.open_http()``; the caller closes it.
        clock: Seconds since the epoch.
        sleep: Waits that many seconds.
        share: Of Okta's rate limit that may be used, over 0 and up to 1.

    Raises:
        SettingsError: The service app's private key is of no use.
    """

    def __init__(
        self,
        credentials: Credentials,
        http: httpx2.Client,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        share: float = 0.5,
    ) -> None:
        self._org = httpx2.URL(credentials.org_url)
        self._transport = Transport(http, clock, sleep, share)
        access = credentials.access
        self._auth: Auth = (
            ApiToken(access)
            if isinstance(access, Secret)
            else ServiceAppToken(access, credentials.org_url, self._transport)
        )

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Answer:
        """Return Okta's answer, whose status is 200.

        Args:
            url: A path of the API, or one of Okta's links.
            params: The query; None keeps that of ``url``.

        Raises:
            AccessRefused: The credentials are not accepted, or lack a scope or role.
            CursorRefused: The link of a page is not accepted, or no longer.
            SourceError: Any other refusal, no answer after several tries, or a link to another
                host.
        """
        target = self._resolve(url, params)
        answer = self._send(target)
        if answer.status in (400, 401) and _is_about_access(answer) and self._auth.retry(answer):
            answer = self._send(target)
        if answer.status != 200:
            raise _error(answer, target)
        return answer

    def limits(self, path: str) -> tuple[int | None, int]:
        """Return what is left of the rate limit of ``path``, and how many answers were a 429."""
        return self._transport.remaining(path), self._transport.limited

    def _send(self, target: httpx2.URL) -> Answer:
        url = str(target)
        return self._transport.send(
            lambda: self._transport.request("GET", url, self._auth.headers("GET", url))
        )

    def _resolve(self, url: str, params: Mapping[str, str] | None) -> httpx2.URL:
        """Return the whole URL; one that leads to another host would be handed the token."""
        try:
            target = self._org.join(url)
        except httpx2.InvalidURL as error:
            raise SourceError("a link of Okta's is no URL") from error
        if params is not None:
            target = target.copy_with(params=dict(params))
        same = (target.scheme, target.host, target.port) == (
            self._org.scheme,
            self._org.host,
            self._org.port,
        )
        if not same or target.userinfo:
            raise SourceError(
                f"a link leads to {plain(target.host)} and not to {self._org.host}: not followed"
            )
        return target


def _is_about_access(answer: Answer) -> bool:
    return answer.status == 401 or "www-authenticate" in answer.headers


def _error(answer: Answer, target: httpx2.URL) -> SourceError:
    said = f"Okta refuses {target.path}: {answer.status}{_reason(answer.body)}"
    if answer.status == 403:
        words = target.path.split("/")
        name = words[3] if len(words) > 3 else "*"
        return AccessRefused(
            f"{said}; the service app needs the scope okta.{_SCOPES.get(name, name)}.read, and it "
            "or the API token's owner an admin role that may read this"
        )
    if _is_about_access(answer):
        return AccessRefused(
            f"{said}; the API token or service app is not accepted: revoked, unused for 30 days, "
            "or of another org"
        )
    if answer.status in (400, 404, 410) and "after" in target.params:
        return CursorRefused(said)
    return SourceError(said)


def _reason(body: bytes) -> str:
    """Return what Okta says, such as `` E0000006: You do not have permission …``."""
    try:
        said: Any = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(said, dict):
        return ""
    words = cast("dict[str, Any]", said)
    code = plain(words.get("errorCode"))
    if not re.fullmatch(r"E\d{7}", code):
        return ""
    return f" {code}: {plain(words.get('errorSummary'))}"
