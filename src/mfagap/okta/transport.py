"""One request to Okta, sent until it is answered or given up: limits, failures, size."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx2

from mfagap import __version__
from mfagap.errors import AnswerLost, SourceError

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""A thousand events are a few megabytes."""
MAX_ANSWER_S: Final = 180.0
"""How long one answer may take; Okta itself gives up a query after 30 seconds."""
MAX_FAILURES: Final = 6
"""Tries of one request that failed, before it is given up."""
MAX_WAITS: Final = 12
"""Answers of 429 to one request, before it is given up."""
MAX_RESET_S: Final = 300.0
"""Okta's windows last a minute; a reset that is farther away than this is not believed."""
_END: Final = 1024
"""Bytes at the end of an answer in which it must close; only blanks may follow."""
RETRIED: Final = frozenset({500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What Okta answered.

    Attributes:
        url: That was asked.
        status: HTTP's.
        headers: By lower-case name.
        links: URL by relation, such as ``next``.
        body: As sent, decompressed.
        failures: How many tries failed before; one of them may have done what was asked.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    links: Mapping[str, str]
    body: bytes
    failures: int = 0


class _Failed(Exception):
    """One try failed in a way that another may not; it may have reached Okta all the same."""

    def __init__(self, problem: str, *, reached: bool = True) -> None:
        super().__init__(problem)
        self.reached = reached


def open_http() -> httpx2.Client:
    """Return an HTTP client with time-outs that suit Okta; the caller closes it."""
    return httpx2.Client(timeout=httpx2.Timeout(60.0, connect=15.0), follow_redirects=False)


class Transport:
    """Sends requests, and waits where Okta wants it.

    Args:
        http: Does the work; its time-outs hold.
        clock: Seconds since the epoch.
        sleep: Waits that many seconds.
        share: Of Okta's rate limit that may be used, over 0 and up to 1; the rest is for others.

    Attributes:
        ahead: How many seconds Okta's clock is ahead of ours, as its last answer told.
        limited: How many answers were a 429.
    """

    def __init__(
        self,
        http: httpx2.Client,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        share: float,
    ) -> None:
        self._http = http
        self._clock = clock
        self._sleep = sleep
        self._share = share
        self.ahead = 0.0
        self.limited = 0
        self._left: dict[str, int] = {}
        self._ready: dict[str, float] = {}
        self._random = random.SystemRandom()

    def now(self) -> float:
        """Return Okta's time in seconds since the epoch, as far as its answers have told it.

        A signed request with the time of a clock that is wrong would be refused.
        """
        return self._clock() + self.ahead

    def remaining(self, path: str) -> int | None:
        """Return what the last answer said is left of the limit of ``path``; None: it said none."""
        return self._left.get(_bucket(path))

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> httpx2.Request:
        """Return a request, not yet sent, with a form, with JSON as its ``body``, or with none."""
        common = {"Accept": "application/json", "User-Agent": f"mfagap/{__version__}"}
        if body is not None:
            common["Content-Type"] = "application/json"
        return self._http.build_request(
            method, url, headers={**common, **headers}, data=form, content=body
        )

    def send(self, build: Callable[[], httpx2.Request], *, once: bool = False) -> Answer:
        """Return the answer, whatever its status, except for those that ask to try again.

        Args:
            build: Makes the request anew for each try, since some bear what may be sent only once.
            once: Whether it would do something twice: then it is tried again only where Okta has
                certainly done nothing.

        Raises:
            AnswerLost: It was sent once, and what became of it is not known.
            SourceError: No answer after several tries, or one that is too large or redirects.
        """
        failures = waits = 0
        while True:
            request = build()
            self._keep_to_share(request)
            try:
                answer = self._once(request)
                if answer.status in RETRIED:
                    raise _Failed(f"status {answer.status}")
            except _Failed as failed:
                if once and failed.reached:
                    raise AnswerLost(
                        f"Okta did not answer {request.method} {_place(request.url)}: {failed}; "
                        "it was not sent again, and may have been done"
                    ) from failed
                failures += 1
                problem = str(failed)
                delay = self._back_off(failures)
            else:
                if answer.status != 429:
                    return replace(answer, failures=failures)
                waits += 1
                self.limited += 1
                problem = "status 429"
                delay = self._until_reset(answer.headers) or self._back_off(waits)
            if failures >= MAX_FAILURES or waits >= MAX_WAITS:
                raise SourceError(
                    f"Okta does not answer {_place(request.url)}: {problem}, "
                    f"given up after {failures + waits} tries"
                )
            self._sleep(delay)

    def _once(self, request: httpx2.Request) -> Answer:
        problem, reached = "", True
        try:
            # No `auth`: nothing but our own header may be sent, whatever the client was made with.
            response = self._http.send(request, stream=True, auth=None, follow_redirects=False)
            try:
                return self._answer(request, response)
            finally:
                response.close()
        except httpx2.NetworkError as error:
            problem = f"{type(error).__name__}: {error}"
            reached = not isinstance(error, httpx2.ConnectError)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            # The name alone: these may quote a header.
            problem = type(error).__name__
            reached = not isinstance(error, httpx2.ConnectTimeout)
        raise _Failed(problem, reached=reached)

    def _answer(self, request: httpx2.Request, response: httpx2.Response) -> Answer:
        self._learn(request, response.headers)
        if response.is_redirect:
            # Followed, it would take the token along.
            raise SourceError(
                f"Okta answers {_place(request.url)} with a redirect, which is not followed: is "
                "the org's URL right?"
            )
        body = bytearray()
        latest = self._clock() + MAX_ANSWER_S
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise SourceError(
                    f"Okta's answer to {_place(request.url)} is over {MAX_ANSWER_BYTES:,} bytes"
                )
            if self._clock() > latest:
                raise _Failed(f"an answer that took over {MAX_ANSWER_S:.0f} seconds")
        whole = body[-_END:].rstrip().endswith((b"]", b"}"))
        if response.status_code in (200, 201) and not whole:
            # A connection that is closed early looks like an end where no length was given.
            raise _Failed("an answer that was cut, or is no JSON")
        links = {rel: link["url"] for rel, link in response.links.items() if rel}
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(str(request.url), response.status_code, headers, links, bytes(body))

    def _learn(self, request: httpx2.Request, headers: Mapping[str, str]) -> None:
        """Note Okta's time, and until when its limit leaves us no more of our share."""
        if (date := _date(headers)) is not None:
            self.ahead = date - self._clock()
        limit = _number(headers, "x-rate-limit-limit")
        remaining = _number(headers, "x-rate-limit-remaining")
        bucket = _bucket(request.url.path)
        if limit and remaining is not None:
            self._left[bucket] = remaining
        if limit and remaining is not None and remaining <= (1 - self._share) * limit:
            self._ready[bucket] = self._clock() + self._until_reset(headers)

    def _keep_to_share(self, request: httpx2.Request) -> None:
        delay = self._ready.pop(_bucket(request.url.path), 0.0) - self._clock()
        if delay > 0:
            self._sleep(min(delay, MAX_RESET_S))

    def _until_reset(self, headers: Mapping[str, str]) -> float:
        """Return seconds until the limit is reset by Okta's own clock; 0 where it does not tell.

        A limit of zero is what too many requests at once look like: its reset means nothing.
        """
        reset = _number(headers, "x-rate-limit-reset")
        if not reset or _number(headers, "x-rate-limit-limit") == 0:
            return 0.0
        # Okta's Date has no fractions, hence a second more.
        return min(max(reset - self.now(), 0.0) + 1.0, MAX_RESET_S)

    def _back_off(self, failures: int) -> float:
        """Return a wait with jitter, so that many clients do not come back at once."""
        longest = min(60.0, 2.0**failures)
        return longest / 2 + self._random.random() * longest / 2


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _date(headers: Mapping[str, str]) -> float | None:
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return None


def _bucket(path: str) -> str:
    """Return what Okta's limits are counted by: the first words of the path."""
    return "/".join(path.split("/")[:4])


def _place(url: httpx2.URL) -> str:
    """Return ``url`` without its query, for people."""
    return f"{urlsplit(str(url)).netloc}{url.path}"
