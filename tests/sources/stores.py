"""An S3 server on the loopback interface, what it holds, and faults that it may be given."""

import http.client
import logging
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any, cast

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
REGION = "us-east-1"
SETTINGS = """\
state = "state"

[sources.feed]
type = "s3"
bucket = "{bucket}"
prefix = "okta"
region = "us-east-1"
endpoint = "{endpoint}"
"""


def error(status: int, code: str = "", message: str = "no") -> "Answer":
    """Return what S3 answers where it refuses."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, text.encode() if code else b"")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in place of the store's; it is cut where its head tells of the ``whole``."""

    status: int
    body: bytes
    whole: bytes | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is answered to requests whose path has ``part``, so many times; None: always."""

    part: str
    answer: Answer
    times: int | None = None


@dataclass(slots=True)
class Front:
    """Stands before the store: notes what is asked, and answers ``faults`` by itself."""

    url: str = ""
    asked: list[str] = field(default_factory=list[str])
    faults: list[Fault] = field(default_factory=list[Fault])

    def fault(self, path: str) -> Answer | None:
        """Return what is to be answered in place of the store."""
        for index, each in enumerate(self.faults):
            if each.part in path and each.times != 0:
                if each.times is not None:
                    self.faults[index] = Fault(each.part, each.answer, each.times - 1)
                return each.answer
        return None


@dataclass(frozen=True, slots=True)
class Store:
    """The server: ``front`` is where mfagap asks."""

    front: Front
    _buckets: list[str] = field(default_factory=list[str])

    def bucket(self) -> "Bucket":
        """Return a new bucket."""
        name = f"okta-logs-{len(self._buckets)}"
        self._buckets.append(name)
        _backend().create_bucket(name, REGION)
        self.front.faults.clear()
        self.front.asked.clear()
        return Bucket(name, self.front)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of the server."""

    name: str
    front: Front

    def put(self, key: str, body: bytes, written: datetime | None = None) -> None:
        """Write an object; say that it was ``written`` then."""
        made: Any = _backend().put_object(self.name, key, body)
        if written is not None:
            made.last_modified = written.astimezone(UTC).replace(tzinfo=None)

    def delete(self, key: str) -> None:
        """Delete an object."""
        _backend().delete_object(self.name, key)

    def asked(self, what: str) -> Sequence[str]:
        """Return the requests that had ``what`` in their path, since last asked."""
        found = [path for path in self.front.asked if what in path]
        self.front.asked.clear()
        return found


def configured(folder: Path, bucket: Bucket, more: str = "", old: str = "", new: str = "") -> Path:
    """Write settings that read ``bucket``; in them, ``old`` is ``new``."""
    text = SETTINGS.format(bucket=bucket.name, endpoint=bucket.front.url) + more
    file = folder / "mfagap.toml"
    file.write_text(re.sub(old, new, text, flags=re.MULTILINE) if old else text, encoding="utf-8")
    return file


def _backend() -> Any:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


@contextmanager
def serving() -> Generator[Store]:
    """Run the server, and what stands before it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # Not all of moto says its types.
    module: Any = import_module("moto.moto_server.threaded_moto_server")
    moto = module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    front = Front()
    server = _Server(front, moto.get_host_and_port())
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    front.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield Store(front)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        moto.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, front: Front, behind: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.front = front
        self.behind = behind


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else head and body are 40 ms apart

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        server.front.asked.append(self.path)
        answer = server.front.fault(self.path)
        if answer is not None:
            self._answer(answer.status, _heads(answer.whole), answer.body)
            self.close_connection = answer.whole is not None
            return
        connection = http.client.HTTPConnection(*server.behind)
        connection.request("GET", self.path, headers=dict(self.headers))
        response = connection.getresponse()
        body = response.read()
        connection.close()
        own = {"content-length", "connection", "transfer-encoding", "date", "server"}
        heads = {k: v for k, v in response.getheaders() if k.lower() not in own}
        self._answer(response.status, heads, body)

    def _answer(self, status: int, heads: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **heads}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


def _heads(whole: bytes | None) -> dict[str, str]:
    """Return what S3 says of an object."""
    if whole is None:
        return {}
    return {
        "content-length": str(len(whole)),
        "etag": f'"{md5(whole, usedforsecurity=False).hexdigest()}"',
        "last-modified": "Mon, 02 Mar 2026 09:00:00 GMT",
    }
