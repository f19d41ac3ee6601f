"""An Okta org on the loopback interface: real HTTP, paging and limits, and faults on demand."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from fnmatch import fnmatchcase
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.fake_okta.faults import Fault
from tests.fake_okta.log import Found, Log, Refused, asked
from tests.fake_okta.oauth import App, Doorman, Refusal
from tests.fake_okta.org import Call, NotDone, Org

SUMMARIES = {
    "E0000001": "Api validation failed: after",
    "E0000007": "Not found: Resource not found",
    "E0000009": "Internal Server Error",
    "E0000047": "API call exceeded rate limit due to too many requests.",
}
TOKEN = "00fakeToken-doNotShow"
SCOPES = {"zones": "networkZones", "api-tokens": "apiTokens", "threats": "threatInsights"}
"""Names of scopes that are not the path's."""
READ_SCOPES = frozenset(
    f"okta.{name}.read"
    for name in ("logs", "policies", "authenticators", "groups", "users", *SCOPES.values())
)
MANAGE_SCOPES = READ_SCOPES | {"okta.policies.manage", "okta.networkZones.manage"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is sent."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Standing:
    """A fault of the requests that it matches, for so many ``times``; None for all."""

    path: str
    method: str
    fault: Fault
    times: int | None

    def matches(self, request: Recorded) -> bool:
        whole = f"{request.path}?{urlencode(request.query)}"
        found = fnmatchcase(request.path, self.path) or fnmatchcase(whole, self.path)
        return found and self.method in ("*", request.method) and self.times != 0


class FakeOkta:
    """A running org; use it in ``with``.

    Args:
        token: The SSWS token that it accepts; None for none.
        app: The service app that it knows; None for none.
        scopes: What the SSWS token's owner may read, or manage.
        limit: Requests a minute to each kind of resource; None for no limit.
        clock: Seconds since the epoch.
        port: 0 for any that is free.
        page_size: Items of a page, of lists other than the log.
        org: What it holds; see ``Org``: ``policies``, ``rules``, ``zones``, and so on.

    Attributes:
        org: What it holds now.
        faults: Used up by the next requests, one each.
        meddle: Called before each request is answered, and may change the org.
    """

    def __init__(
        self,
        token: str | None = TOKEN,
        app: App | None = None,
        *,
        scopes: frozenset[str] = READ_SCOPES,
        limit: int | None = None,
        clock: Callable[[], float] = time.time,
        port: int = 0,
        page_size: int = 200,
        **org: Any,
    ) -> None:
        self.log = Log()
        self.clock = clock
        self.faults: deque[Fault] = deque()
        self.token_faults: deque[Fault] = deque()
        self.requests: list[Recorded] = []
        self.meddle: Callable[[Recorded], object] | None = None
        self._standing: list[_Standing] = []
        self._page_size = page_size
        self._limit = limit
        self._windows: dict[str, tuple[int, int]] = {}
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.org = Org.of(**org)
        self.org.url, self.org.clock = self.url, clock
        self.doorman = Doorman(self.url, clock, token, app, scopes)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, events: Iterable[Mapping[str, Any]], stored_ms: int | None = None) -> None:
        """Store events; see ``Log.add``."""
        self.log.add(events, stored_ms)

    def asked(self, path: str = "/api/v1/logs") -> list[Recorded]:
        """Return the requests to ``path``."""
        return [request for request in self.requests if request.path == path]

    def when(
        self, path: str, fault: Fault, *, method: str = "GET", times: int | None = None
    ) -> None:
        """Let requests of ``method`` (``*``: any) to ``path`` go wrong, so many ``times``.

        ``path`` may hold ``*`` and ``?``, and is compared without and with the query.
        """
        self._standing.append(_Standing(path, method, fault, times))

    def answer(self, request: Recorded, body: bytes) -> tuple[Reply, Fault]:
        """Return what is answered, and how its sending goes wrong."""
        with self._lock:
            self.requests.append(request)
            if request.path == "/oauth2/v1/token" and request.method == "POST":
                return self._token(request, body)
            if self.meddle is not None:
                self.meddle(request)
            fault = self._fault(request)
            if fault.of_cursor and "after" not in request.query:
                fault = Fault()
            limits, within = self._count(request.path, fault)
            if fault.status is not None:
                reply = _error(fault.status, fault.code)
            elif not within:
                reply = _error(429, "E0000047")
            elif fault.undone:
                reply = Reply(204, b"", {})
            else:
                reply = self._resource(request, body, fault)
            own = {"X-Okta-Request-Id": f"req{len(self.requests)}"}
            headers = {**own, **reply.headers, **limits, **fault.headers}
            return Reply(reply.status, fault.body or reply.body, headers), fault

    def _fault(self, request: Recorded) -> Fault:
        if self.faults:
            return self.faults.popleft()
        for standing in self._standing:
            if standing.matches(request):
                standing.times = None if standing.times is None else standing.times - 1
                return standing.fault
        return Fault()

    def _token(self, request: Recorded, body: bytes) -> tuple[Reply, Fault]:
        fault = self.token_faults.popleft() if self.token_faults else Fault()
        if fault.status is not None:
            reply = _error(fault.status, fault.code)
            return Reply(reply.status, fault.body or reply.body, fault.headers), fault
        form = dict(parse_qsl(body.decode()))
        try:
            token = self.doorman.token(form, request.headers.get("dpop"))
            return _reply(200, token), fault
        except Refusal as refusal:
            return _reply(refusal.status, refusal.body, refusal.headers), fault

    def _count(self, path: str, fault: Fault) -> tuple[Mapping[str, str], bool]:
        """Return the headers of the rate limit, and whether the request is within it."""
        now = int(self.clock())
        bucket = "/".join(path.split("/")[:4])
        begun, count = self._windows.get(bucket, (now, 0))
        if now >= begun + 60:
            begun, count = now, 0
        self._windows[bucket] = begun, count + 1
        limit = self._limit if self._limit is not None else 600
        remaining, reset = max(limit - count - 1, 0), begun + 60
        if fault.reset_in is not None:
            remaining, reset = 0, round(self.clock() + fault.reset_in)
        numbers = {"Limit": limit, "Remaining": remaining, "Reset": reset}
        headers = {f"X-Rate-Limit-{word}": str(number) for word, number in numbers.items()}
        return headers, self._limit is None or count < limit

    def _resource(self, request: Recorded, body: bytes, fault: Fault) -> Reply:
        words = request.path.strip("/").split("/")
        kind = words[2] if words[:2] == ["api", "v1"] and len(words) > 2 else ""
        url = f"{self.url}{request.path}"
        try:
            right = "read" if request.method == "GET" else "manage"
            scope = f"okta.{SCOPES.get(kind, kind)}.{right}"
            self.doorman.check(scope, request.method, url, request.headers)
            if kind == "logs" and len(words) == 3:
                return self._logs(request, fault)
            call = Call(request.method, tuple(words[2:]), request.query, _object(body))
            done = self.org.answer(call)
            if isinstance(done.value, list):
                return self._page(request, cast("list[Any]", done.value), fault)
            return Reply(204, b"", {}) if done.value is None else _reply(done.status, done.value)
        except Refusal as refusal:
            return _reply(refusal.status, refusal.body, refusal.headers)
        except Refused as refused:
            return _error(400, "E0000001", str(refused))
        except NotDone as error:
            return _error(error.status, error.code, error.summary, error.causes)

    def _page(self, request: Recorded, items: list[Any], fault: Fault) -> Reply:
        """Return a page of a list, whose cursor is a number of items."""
        limit, after = request.query.get("limit", ""), request.query.get("after", "0")
        if not after.isdigit() or (limit and not limit.isdigit()):
            return _error(400, "E0000001", "Api validation failed: after or limit")
        seen = [item for item in items if item.get("id") not in fault.hides]
        end = int(after) + min(int(limit or self._page_size), self._page_size)
        url = f"{self.url}{request.path}"
        links = f'<{url}?{urlencode(request.query)}>; rel="self"'
        following = f"{url}?{urlencode({**request.query, 'after': end})}"
        following = "" if end >= len(seen) else following
        if following := following if fault.next_url is None else fault.next_url:
            links += f', <{following}>; rel="next"'
        return _reply(200, seen[int(after) : end], {"Link": links})

    def _logs(self, request: Recorded, fault: Fault) -> Reply:
        bounds = asked(request.query, int(self.clock() * 1000))
        found = self.log.page(bounds)
        if fault.twice:
            found = replace(found, events=[event for event in found.events for _ in range(2)])
        own = f"{self.url}{request.path}?{urlencode(request.query)}"
        links = f'<{own}>; rel="self"'
        if following := self._next(request, found, fault):
            links += f', <{following}>; rel="next"'
        events = [piece for event in found.events for piece in (b",", event)]
        body = b"".join((b"[", *events[1:], b"]"))  # a page is large: it is copied once
        return Reply(200, body, {"Link": links})

    def _next(self, request: Recorded, found: Found, fault: Fault) -> str:
        if fault.next_url is not None:
            return fault.next_url
        if found.after is None:
            return ""
        query = urlencode({**request.query, "after": found.after})
        return f"{self.url}{request.path}?{query}"


def _reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(body).encode(), headers or {})


def _object(body: bytes) -> dict[str, Any]:
    try:
        value: Any = json.loads(body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NotDone(400, "E0000003", "The request body was not well-formed.")
    return cast("dict[str, Any]", value)


def _error(status: int, code: str, summary: str | None = None, causes: Iterable[str] = ()) -> Reply:
    error = {
        "errorCode": code,
        "errorSummary": SUMMARIES.get(code, "") if summary is None else summary,
        "errorLink": code,
        "errorId": "oaeFakeFakeFake",
        "errorCauses": [{"errorSummary": cause} for cause in causes],
    }
    return _reply(status, error)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], okta: FakeOkta) -> None:
        super().__init__(address, _Handler)
        self.okta = okta

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        okta = cast("_Server", self.server).okta
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query))
        reply, fault = okta.answer(Recorded(self.command, parts.path, query, headers), body)
        time.sleep(fault.delay)
        if fault.lost:
            self.close_connection = True
            return
        told = fault.length and reply.status != 204
        head = {
            "Date": formatdate(okta.clock(), usegmt=True),
            "Content-Type": "application/json",
            **({"Content-Length": str(len(reply.body))} if told else {}),
            **reply.headers,
        }
        lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        start = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.close_connection = fault.cut or not told
        if fault.cut:
            self.wfile.write(start + reply.body[: len(reply.body) // 2])
        elif fault.drip:
            self._drip(start + reply.body, fault.drip)
        else:
            self.wfile.write(start)
            self.wfile.write(reply.body)

    def _drip(self, answer: bytes, pause: float) -> None:
        for byte in answer:
            self.wfile.write(bytes([byte]))
            time.sleep(pause)
