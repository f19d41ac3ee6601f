"""The one HTTP client for Okta's API."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, cast

import httpx2

from mfagap.errors import AccessRefused, CursorRefused, SourceError
from mfagap.model.org import Json
from mfagap.okta.auth import ApiToken, Auth, ServiceAppToken, plain
from mfagap.okta.credentials import Credentials, Secret
from mfagap.okta.transport import Answer, Transport

_SCOPES: Final = {
    "zones": "networkZones",
    "api-tokens": "apiTokens",
    "org": "orgs",
    "threats": "threatInsights",
}
"""Scopes that are not named as the path is."""
_READ_ONLY: Final = (" E0000076", " E0000077")
"""Okta's codes of what nobody may change, such as conditions of a default rule."""


class OktaClient:
    """Reads from one org and writes to it, within a share of the rate limit; outlasts failures.

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
        self._asked = () if isinstance(access, Secret) else access.scopes
        self._auth: Auth = (
            ApiToken(access)
            if isinstance(access, Secret)
            else ServiceAppToken(access, credentials.org_url, self._transport)
        )

    @property
    def org_url(self) -> str:
        """Such as ``https://example.okta.com``."""
        return str(self._org).rstrip("/")

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
        answer = self._send("GET", target)
        if answer.status != 200:
            raise _error(answer, target, "read", self._asked)
        return answer

    def pages(self, path: str, params: Mapping[str, str] | None = None) -> Iterator[Answer]:
        """Yield Okta's answer for each page of a list.

        Args:
            path: Of the API.
            params: The query.

        Raises:
            SourceError: The links lead in a circle, or what ``get`` raises.
        """
        url: str | None = path
        asked: set[str] = set()
        while url is not None:
            if url in asked:
                raise SourceError(f"Okta's links between pages of {path} lead in a circle")
            asked.add(url)
            answer = self.get(url, params)
            yield answer
            url, params = answer.links.get("next"), None  # the link has them

    def put(self, url: str, body: Json) -> Answer:
        """Replace what is at ``url``, and return Okta's answer, whose status is 2xx.

        It is tried again like ``get``, since twice comes to the same.

        Raises:
            AccessRefused: The credentials are not accepted, or lack a scope or role.
            SourceError: Any other refusal, or no answer after several tries.
        """
        return self._write("PUT", url, body)

    def post(self, url: str, body: Json | None = None) -> Answer:
        """Create something, or set something going; return Okta's answer, whose status is 2xx.

        Raises:
            AnswerLost: It was sent, once, and not answered: it may have been done.
            AccessRefused: The credentials are not accepted, or lack a scope or role.
            SourceError: Any other refusal, or no connection after several tries.
        """
        return self._write("POST", url, body)

    def delete(self, url: str) -> Answer:
        """Remove what is at ``url``; return Okta's answer: 2xx, or 404 where a lost try did it.

        Raises:
            AccessRefused: The credentials are not accepted, or lack a scope or role.
            SourceError: Any other refusal, or no answer after several tries.
        """
        return self._write("DELETE", url, None)

    def limits(self, path: str) -> tuple[int | None, int]:
        """Return what is left of the rate limit of ``path``, and how many answers were a 429."""
        return self._transport.remaining(path), self._transport.limited

    def _write(self, method: str, url: str, body: Json | None) -> Answer:
        target = self._resolve(url, None)
        answer = self._send(method, target, body)
        is_gone = method == "DELETE" and answer.status == 404 and answer.failures > 0
        if not 200 <= answer.status < 300 and not is_gone:
            raise _error(answer, target, "manage", self._asked)
        return answer

    def _send(self, method: str, target: httpx2.URL, body: Json | None = None) -> Answer:
        url = str(target)
        text = None if body is None else json.dumps(body).encode("ascii")

        def build() -> httpx2.Request:
            headers = self._auth.headers(method, url)
            return self._transport.request(method, url, headers, body=text)

        answer = self._transport.send(build, once=method == "POST")
        if answer.status in (400, 401) and _is_about_access(answer) and self._auth.retry(answer):
            answer = self._transport.send(build, once=method == "POST")
        return answer

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


def _error(answer: Answer, target: httpx2.URL, right: str, asked: Collection[str]) -> SourceError:
    """Return what a refusal means.

    Args:
        answer: The refusal.
        target: What was asked.
        right: What it took, ``read`` or ``manage``.
        asked: Scopes that the service app asked for; none with an API token.
    """
    reason = _reason(answer.body)
    said = f"Okta refuses {target.path}: {answer.status}{reason}"
    if answer.status == 403 and not reason.startswith(_READ_ONLY):
        words = target.path.split("/")
        name = words[3] if len(words) > 3 else "*"
        scope = f"okta.{_SCOPES.get(name, name)}.{right}"
        may = "read" if right == "read" else "change"
        unasked = f"; it asked for {' '.join(asked)} alone: set its scopes"
        return AccessRefused(
            f"{said}; the service app needs the scope {scope}, and it or the API token's owner an "
            f"admin role that may {may} this{unasked if asked and scope not in asked else ''}",
            403,
        )
    if _is_about_access(answer):
        return AccessRefused(
            f"{said}; the API token or service app is not accepted: revoked, unused for 30 days, "
            "or of another org",
            answer.status,
        )
    if answer.status in (400, 404, 410) and "after" in target.params:
        return CursorRefused(said, answer.status)
    return SourceError(said, answer.status)


def _reason(body: bytes) -> str:
    """Return what Okta says, such as `` E0000006: You do not have permission …``, and why."""
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
    causes: Any = words.get("errorCauses")
    why = [
        plain(cast("dict[str, Any]", cause).get("errorSummary"))
        for cause in (cast("list[Any]", causes)[:3] if isinstance(causes, list) else ())
        if isinstance(cause, dict)
    ]
    detail = f" ({'; '.join(why)})" if why else ""
    return f" {code}: {plain(words.get('errorSummary'))}{detail}"
