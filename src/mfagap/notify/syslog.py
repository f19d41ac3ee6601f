"""Notices to syslog: RFC 5424 over UDP, TCP (RFC 6587) or TLS (RFC 5425), or to a local socket."""

import json
import re
import socket
import ssl
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mfagap.errors import NotifyError
from mfagap.notify.endpoint import TIMEOUT_S, failure, host, port, trust
from mfagap.notify.notice import FORMATS, Body, identity, line
from mfagap.settings import Table

PORTS = {"tls": 6514, "tcp": 514, "udp": 514, "local": 0}
"""By how a message is carried; none for a local socket."""

FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", "ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
"""By number (RFC 5424, table 1)."""

SEVERITIES = {"critical": 2, "high": 3, "medium": 4, "low": 5, "informational": 6}
"""By ours: critical, error, warning, notice, informational (RFC 5424, table 2)."""

MOST_BYTES = 8000
"""Of a message: what receivers cut off if they are not told otherwise is a little longer."""

SHORT_TEXT = 100
"""Characters that are left of a text where lists cannot be shortened any more."""

LEAST_BYTES = 480
"""Every receiver takes so many (RFC 5424)."""

FAREWELL_S = 2.0

_TOKEN = re.compile("[!-~]{1,32}")
_APP_NAME = re.compile("[!-~]{1,48}")


@dataclass(frozen=True, slots=True)
class Syslog:
    """Sends each notice as one message.

    Attributes:
        transport: One of ``PORTS``.
        address: Host and port, or a local socket's path.
        facility: One of ``FACILITIES``.
        app_name: What the message says sent it.
        form: One of ``notice.FORMATS``.
        most: Bytes of a message.
        context: Whom TLS trusts; None without TLS.
    """

    transport: str
    address: tuple[str, int] | Path
    facility: str
    app_name: str
    form: str
    most: int
    context: ssl.SSLContext | None

    def send(self, key: str, notice: Body, now_ms: int) -> None:
        """Send ``notice``.

        No syslog transport confirms a message. What can be known is told: that nobody listens, or
        that the connection was reset; a datagram that is lost on its way is lost.

        Raises:
            NotifyError: It was not taken, or is too large.
        """
        message = self.render(key, notice, now_ms).encode("ascii")
        try:
            if isinstance(self.address, Path):
                _datagram(socket.AF_UNIX, str(self.address), message)
            elif self.transport == "udp":
                _datagrams(self.address, message)
            else:
                # A line feed may end a message, or be part of it: its length tells (RFC 6587).
                _stream(self.address, self.context, b"%d %s" % (len(message), message))
        except OSError as error:
            raise NotifyError(failure(error)) from None

    def render(self, key: str, notice: Body, now_ms: int) -> str:
        """Return the message that ``notice`` is: printable ASCII, on one line.

        One that is too large is shortened: the later half of the list that takes most room is left
        out, again and again, and ``left_out`` counts the values; then title and reason are cut. So
        a long user agent takes no room from the users.

        Raises:
            NotifyError: It is too large all the same.
        """
        head = self._head(key, notice, now_ms)
        size = 0
        for told in _ever_shorter(notice):
            message = head + line(self.form, key, told, now_ms).rstrip("\n")
            size = len(message)
            if size <= self.most:
                return message
        raise NotifyError(f"the message has {size} bytes, and max_bytes allows {self.most}")

    def _head(self, key: str, notice: Body, now_ms: int) -> str:
        priority = FACILITIES.index(self.facility) * 8 + SEVERITIES[notice["severity"]]
        moment = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds")
        here = re.sub("[^!-~]", "", socket.gethostname())[:255] or "-"
        message_id = key if _TOKEN.fullmatch(key) else identity(key, notice)
        stamp = moment.replace("+00:00", "Z")
        return f"<{priority}>1 {stamp} {here} {self.app_name} - {message_id} - "


def _ever_shorter(notice: Body) -> Generator[Body]:
    """Yield ``notice``, and then less and less of it."""
    yield notice
    lists: dict[str, list[Any]] = {
        name: value
        for name, value in notice.items()
        if isinstance(value, list) and value and name != "attack"
    }
    left_out: Counter[str] = Counter()
    shortest = notice
    while lists:
        longest = max(lists, key=lambda name: len(json.dumps(lists[name])))
        values = lists.pop(longest)
        kept = values[: len(values) // 2]
        if kept:
            lists[longest] = kept
        left_out[longest] += len(values) - len(kept)
        shortest = {**shortest, longest: kept, "left_out": dict(left_out)}
        yield shortest
    yield {**shortest, **{name: _cut(notice[name]) for name in ("title", "why")}}


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= SHORT_TEXT:
        return text
    return text[: SHORT_TEXT - 1] + "…"


def _datagrams(address: tuple[str, int], message: bytes) -> None:
    """Send ``message`` to the first of the host's addresses at which somebody listens.

    Raises:
        OSError: There is none.
    """
    problem = OSError("no address")
    for family, _, _, _, place in socket.getaddrinfo(*address, type=socket.SOCK_DGRAM):
        try:
            _datagram(family, place, message)
        except OSError as error:
            problem = error
        else:
            return
    raise problem


def _datagram(family: int, place: Any, message: bytes) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as out:
        out.settimeout(TIMEOUT_S)
        out.connect(place)
        out.send(message)
        # A machine that nobody listens on says so, and this one at once.
        refused = out.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if refused:
            raise OSError(refused, "nobody listens")


def _stream(address: tuple[str, int], context: ssl.SSLContext | None, message: bytes) -> None:
    with _connected(address, context) as out:
        out.sendall(message)
        out.settimeout(FAREWELL_S)
        # Slow or rude is no failure; that it went away with the message unread, is.
        with suppress(TimeoutError, ssl.SSLError):
            _farewell(out)


def _farewell(out: socket.socket) -> None:
    """Wait until the receiver has read all and hangs up.

    Raises:
        OSError: It does not.
    """
    if isinstance(out, ssl.SSLSocket):
        out.unwrap()
    else:
        out.shutdown(socket.SHUT_WR)
        out.recv(1)


@contextmanager
def _connected(
    address: tuple[str, int], context: ssl.SSLContext | None
) -> Generator[socket.socket]:
    with closing(socket.create_connection(address, TIMEOUT_S)) as plain:
        if context is None:
            yield plain
            return
        with closing(context.wrap_socket(plain, server_hostname=address[0])) as secured:
            yield secured


def build(table: Table) -> Syslog:
    """Return the receiver that ``table`` describes.

    Raises:
        SettingsError: ``table`` is off.
    """
    transport = table.one_of("transport", "tls", PORTS)
    context = None
    if transport == "local":
        table.only("severity", "transport", "facility", "app_name", "format", "max_bytes", "path")
        address = table.path("path")
    else:
        table.only(
            "severity",
            "transport",
            "facility",
            "app_name",
            "format",
            "max_bytes",
            "host",
            "port",
            "ca_file",
        )
        address = (host(table), port(table, PORTS[transport]))
        if transport == "tls":
            context = trust(table)
        elif "ca_file" in table.values:
            raise table.off("ca_file", f"{transport} knows no certificates")
    app_name = table.text("app_name", "mfagap")
    if not _APP_NAME.fullmatch(app_name):
        raise table.off("app_name", f"{app_name!r} is not 1 to 48 printable characters of ASCII")
    most = table.number("max_bytes", MOST_BYTES)
    if most < LEAST_BYTES:
        raise table.off("max_bytes", f"{most} is less than {LEAST_BYTES}")
    facility = table.one_of("facility", "local0", FACILITIES)
    form = table.one_of("format", "json", FORMATS)
    return Syslog(transport, address, facility, app_name, form, most, context)
