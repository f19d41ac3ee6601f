"""An Okta org on the loopback interface: real HTTP, paging and limits, and faults on demand."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.fake_okta.faults import Fault
from tests.fake_okta.log import Found, Log, Refused, asked
from tests.fake_okta.oauth import App, Doorman, Refusal

SUMMARIES = {
    "E0000001": "Api validation failed: after",
    "E0000007": "Not found: Resource not found",
    "E0000009": "Internal Server Error",
    "E0000047": "API call exceeded rate limit due to too many requests.",
}
TOKEN = "00fakeToken-doNotShow"
ALL_SCOPES = frozenset({"okta.logs.read", "okta.policies.read"})


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


class FakeOkta:
    """A running org; use it in ``with``.

    Args:
        token: The SSWS token that it accepts; None for none.
        app: The service app that it knows; None for none.
        scopes: What the SSWS token's owner may read.
        policies: Answered to lists of policies, each with ``id`` and ``type``.
        rules: Answered by policy id.
        limit: Requests a minute to each kind of resource; None for no limit.
        clock: Seconds since the epoch.
        port: 0 for any that is free.
    """

    def __init__(
        self,
        token: str | None = TOKEN,
        app: App | None = None,
        *,
        scopes: frozenset[str] = ALL_SCOPES,
        policies: Sequence[Mapping[str, Any]] = (),
        rules: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        limit: int | None = None,
        clock: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        self.log = Log()
        self.clock = clock
        self.faults: deque[Fault] = deque()
        self.token_faults: deque[Fault] = deque()
        self.requests: list[Recorded] = []
        self._policies = list(policies)
        self._rules = dict(rules or {})
        self._limit = limit
        self._windows: dict[str, tuple[int, int]] = {}
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
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

    def answer(self, request: Recorded, body: bytes) -> tuple[Reply, Fault]:
        """Return what is answered, and how its sending goes wrong."""
        with self._lock:
            self.requests.append(request)
            if request.path == "/oauth2/v1/token" and request.method == "POST":
                return self._token(request, body)
            fault = self.faults.popleft() if self.faults else Fault()
            if fault.of_cursor and "after" not in request.query:
                fault = Fault()
            limits, within = self._count(request.path, fault)
            if fault.status is not None:
                reply = _error(fault.status, fault.code)
            elif not within:
                reply = _error(429, "E0000047")
            else:
                reply = self._resource(request, fault)
            headers = {**reply.headers, **limits, **fault.headers}
            return Reply(reply.status, fault.body or reply.body, headers), fault

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

    def _resource(self, request: Recorded, fault: Fault) -> Reply:
        words = request.path.strip("/").split("/")
        kind = words[2] if words[:2] == ["api", "v1"] and len(words) > 2 else ""
        url = f"{self.url}{request.path}"
        try:
            scope = f"okta.{kind}.read"
            self.doorman.check(scope, request.method, url, request.headers)
            if kind == "logs" and len(words) == 3:
                return self._logs(request, fault)
            if kind == "policies":
                return self._policy(words[3:], request.query)
        except Refusal as refusal:
            return _reply(refusal.status, refusal.body, refusal.headers)
        except Refused as refused:
            return _error(400, "E0000001", str(refused))
        return _error(404, "E0000007")

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

    def _policy(self, words: Sequence[str], query: Mapping[str, str]) -> Reply:
        match words:
            case []:
                kind = query.get("type")
                return _reply(200, [p for p in self._policies if p.get("type") == kind])
            case [wanted] | [wanted, "rules"]:
                known = [policy for policy in self._policies if policy.get("id") == wanted]
                if not known:
                    return _error(404, "E0000007")
                return _reply(200, self._rules.get(wanted, []) if len(words) == 2 else known[0])
            case _:
                return _error(404, "E0000007")


def _reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(body).encode(), headers or {})


def _error(status: int, code: str, summary: str | None = None) -> Reply:
    error = {
        "errorCode": code,
        "errorSummary": SUMMARIES.get(code, "") if summary is None else summary,
        "errorLink": code,
        "errorId": "oaeFakeFakeFake",
        "errorCauses": list[object](),
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

    def _handle(self) -> None:
        okta = cast("_Server", self.server).okta
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query))
        reply, fault = okta.answer(Recorded(self.command, parts.path, query, headers), body)
        time.sleep(fault.delay)
        head = {
            "Date": formatdate(okta.clock(), usegmt=True),
            "Content-Type": "application/json",
            **({"Content-Length": str(len(reply.body))} if fault.length else {}),
            **reply.headers,
        }
        lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        start = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.close_connection = fault.cut or not fault.length
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
