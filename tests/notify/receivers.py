"""Where notices are sent to: HTTP servers on the loopback interface, and settings of routes."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self, cast

from mfagap.notify.notice import Body
from mfagap.settings import Table

NOTICE: Body = {
    "kind": "opened",
    "alert": 7,
    "detection": "okta_legacy_authn_without_mfa",
    "title": "ada@example.com signed in",
    "status": "open",
    "severity": "high",
    "verdict": "suspicious",
    "why": None,
    "first_seen": "2026-01-15T12:00:00.000Z",
    "last_seen": "2026-01-15T12:10:00.000Z",
    "sessions": 2,
    "users": ["ada@example.com"],
    "addresses": ["192.0.2.10", "198.51.100.7"],
    "clients": ["curl/8.5.0"],
    "session_ids": ["102A"],
    "rules": [],
    "attack": ["TA0001:T1078.004"],
}


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """A running server; use it in ``with``. It answers ``statuses`` in turn, and then 204."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.statuses: deque[int] = deque()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        super().__init__(address, _Handler)
        self.receiver = receiver


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def _take(self) -> None:
        receiver = cast("_Server", self.server).receiver
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.received.append(Received(self.command, self.path, headers, body))
        status = receiver.statuses.popleft() if receiver.statuses else 204
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{receiver.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing on standard error."""


def table(**values: Any) -> Table:
    """Return the settings of a route."""
    return Table("mfagap.toml:3", "routes.soc", values)
