"""Notices to syslog: whole on each transport, on one line, and never too large."""

import errno
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.notify.certificates import Certificate
from tests.notify.receivers import NOTICE, table
from tests.notify.syslog_receivers import datagrams, frames, hang_up, read_all, stream
from tests.report.ocsf_schema import validated_events

from mfagap.errors import NotifyError, SettingsError
from mfagap.notify import syslog
from mfagap.notify.notice import MOST, MOST_TEXT, identity
from mfagap.notify.syslog import FACILITIES, PORTS, Syslog

NOW_MS = 1_768_478_400_999
HEAD = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) - (\S+) - (?=\{)")
LISTS = ("users", "addresses", "clients", "session_ids", "rules")
BOMB = "\U0001f4a3"


def route(**values: Any) -> Syslog:
    return syslog.build(table(type="syslog", **values))


def parts(message: bytes) -> tuple[tuple[str | Any, ...], dict[str, Any]]:
    """Return the fields of the head, and the JSON behind it."""
    text = message.decode("ascii")
    assert text.isprintable(), "one line, with nothing that steers"
    head = HEAD.match(text)
    assert head
    return head.groups(), json.loads(text[head.end() :])


def test_a_datagram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "soc host\n1")
    with datagrams(socket.AF_INET, ("127.0.0.1", 0)) as receiver:
        port = receiver.getsockname()[1]
        route(transport="udp", host="localhost", port=port).send("7-12-soc", NOTICE, NOW_MS)
        head, told = parts(receiver.recv(65536))
    assert head == (str(16 * 8 + 3), "2026-01-15T12:00:00.999Z", "sochost1", "mfagap", "7-12-soc")
    assert told == {"key": "7-12-soc", "at_ms": NOW_MS, **NOTICE}


def test_a_stream_tells_the_length_of_a_message() -> None:
    received: list[bytes] = []
    for _ in range(2):
        with stream(read_all(received)) as port:
            route(transport="tcp", host="localhost", port=port).send("7-12-soc", NOTICE, NOW_MS)
    first, second = frames(b"".join(received))
    assert first == second, "a repeat is the same message"
    assert parts(first)[1]["key"] == "7-12-soc"


def test_tls(certificate: Certificate) -> None:
    received: list[bytes] = []
    with stream(read_all(received), certificate.context) as port:
        route(host="localhost", port=port, ca_file=str(certificate.file)).send(
            "7-12-soc", NOTICE, NOW_MS
        )
    (message,) = frames(b"".join(received))
    assert parts(message)[1] == {"key": "7-12-soc", "at_ms": NOW_MS, **NOTICE}


def test_a_certificate_that_nobody_trusts(certificate: Certificate) -> None:
    received: list[bytes] = []
    with stream(read_all(received), certificate.context) as port:
        sender = route(host="localhost", port=port)
        with pytest.raises(NotifyError) as caught:
            sender.send("7-12-soc", NOTICE, NOW_MS)
    assert str(caught.value) == "its certificate is not trusted: self-signed certificate"
    assert received == []


def test_a_local_socket(tmp_path: Path) -> None:
    with datagrams(socket.AF_UNIX, str(tmp_path / "log")) as receiver:
        route(transport="local", path=str(tmp_path / "log")).send("7-12-soc", NOTICE, NOW_MS)
        assert parts(receiver.recv(65536))[1]["key"] == "7-12-soc"


def test_ocsf() -> None:
    sender = route(transport="udp", host="localhost", format="ocsf", facility="authpriv")
    head, told = parts(sender.render("7-12-soc", NOTICE, NOW_MS).encode())
    assert head[0] == str(10 * 8 + 3)
    (event,) = validated_events(json.dumps(told) + "\n")
    assert (event["metadata"]["uid"], event["unmapped"]["key"]) == (
        identity("7-12-soc", NOTICE),
        "7-12-soc",
    )


@pytest.mark.parametrize(
    ("severity", "number"),
    [("critical", 2), ("high", 3), ("medium", 4), ("low", 5), ("informational", 6)],
)
def test_severities(severity: str, number: int) -> None:
    sender = route(host="localhost", facility="user", app_name="soc")
    head, _ = parts(sender.render("k", {**NOTICE, "severity": severity}, NOW_MS).encode())
    assert (head[0], head[3]) == (str(8 + number), "soc")


def test_facilities_have_their_numbers() -> None:
    numbers = {name: FACILITIES.index(name) for name in ("kern", "auth", "authpriv", "local0")}
    assert numbers == {"kern": 0, "auth": 4, "authpriv": 10, "local0": 16}
    assert FACILITIES[23] == "local7"


@pytest.mark.parametrize("key", ["7-12-" + "x" * 28, "7-12-a b", "7-12-ä", "7-12-a\n<0>1", ""])
def test_a_key_that_is_no_message_id_gets_one(key: str) -> None:
    head, told = parts(route(host="localhost").render(key, NOTICE, NOW_MS).encode())
    assert head[4] == identity(key, NOTICE)
    assert told["key"] == key


def test_hostile_text_stays_in_its_place() -> None:
    hostile = "\n<0>1 - - - - - - \x1b[2J\u202e\x00\x7f\u2028\ud83d é"
    notice = {**NOTICE, "title": hostile, **{name: [hostile] for name in LISTS}}
    for form in ("json", "ocsf"):
        message = route(host="localhost", format=form).render("k", notice, NOW_MS)
        _, told = parts(message.encode())
        shown = told["title"] if form == "json" else told["message"]
        assert shown == hostile.replace("\ud83d", "\ufffd")


def long(kept: int, text: str = BOMB * MOST_TEXT) -> dict[str, Any]:
    return {**NOTICE, **{name: [f"{n}{text}"[:MOST_TEXT] for n in range(kept)] for name in LISTS}}


@pytest.mark.parametrize("form", ["json", "ocsf"])
def test_the_largest_notice_fits(form: str) -> None:
    notice = {**long(MOST), "title": BOMB * MOST_TEXT, "why": BOMB * MOST_TEXT}
    message = route(host="localhost", format=form).render("7-12-soc", notice, NOW_MS)
    assert len(message) <= 8000
    _, told = parts(message.encode())
    told = told if form == "json" else {**told["unmapped"], "title": told["message"]}
    assert told["left_out"] == dict.fromkeys(LISTS, MOST)
    assert told["title"] == told["why"] == BOMB * 99 + "…"
    assert (told["alert"], told["sessions"], told["key"]) == (7, 2, "7-12-soc")


def test_what_takes_most_room_goes_first() -> None:
    notice = {
        **NOTICE,
        "clients": [f"{number}{'x' * 200}" for number in range(4)],
        "rules": [f"{number}{'y' * 150}" for number in range(3)],
        "users": ["ada@example.com", "bob@example.com"],
    }
    whole = route(host="localhost").render("k", notice, NOW_MS)
    sender = route(host="localhost", max_bytes=len(whole) - 650)
    _, told = parts(sender.render("k", notice, NOW_MS).encode())
    assert told["left_out"] == {"clients": 2, "rules": 2}
    assert told["clients"] == notice["clients"][:2]
    assert told["rules"] == notice["rules"][:1]
    assert (told["users"], told["title"]) == (notice["users"], NOTICE["title"])


def test_a_long_user_agent_takes_no_room_from_the_users() -> None:
    notice = {**NOTICE, "clients": [f"{number}{BOMB * 499}" for number in range(MOST)]}
    for form in ("json", "ocsf"):
        _, told = parts(route(host="localhost", format=form).render("k", notice, NOW_MS).encode())
        text = json.dumps(told)
        assert "ada@example.com" in text
        assert "198.51.100.7" in text


def test_what_fits_is_not_shortened() -> None:
    notice = {**NOTICE, "clients": ["x" * 100] * MOST}
    message = route(host="localhost").render("k", notice, NOW_MS)
    same = route(host="localhost", max_bytes=len(message))
    assert same.render("k", notice, NOW_MS) == message
    less = route(host="localhost", max_bytes=len(message) - 1)
    _, told = parts(less.render("k", notice, NOW_MS).encode())
    assert told["left_out"] == {"clients": MOST // 2}


def test_what_cannot_be_made_to_fit_is_refused() -> None:
    sender = route(host="localhost", max_bytes=480)
    with pytest.raises(NotifyError) as caught:
        sender.send("k", NOTICE, NOW_MS)
    told = re.fullmatch(r"the message has (\d+) bytes, and max_bytes allows 480", str(caught.value))
    assert told
    assert int(told[1]) > 480


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_nobody_listens(transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotifyError) as caught:
        route(transport=transport, host="127.0.0.1", port=port).send("k", NOTICE, NOW_MS)
    words = {"udp": "nobody listens", "tcp": "Connection refused"}
    assert str(caught.value) == f"cannot be reached: {words[transport]}"


def test_no_local_socket(tmp_path: Path) -> None:
    with pytest.raises(NotifyError) as caught:
        route(transport="local", path=str(tmp_path / "log")).send("k", NOTICE, NOW_MS)
    assert str(caught.value) == "cannot be reached: No such file or directory"


def test_a_host_that_is_none() -> None:
    with pytest.raises(NotifyError, match=r"^cannot be reached: .*ame"):
        route(transport="udp", host="host.invalid").send("k", NOTICE, NOW_MS)


def test_a_receiver_that_resets_the_connection_has_not_taken_it() -> None:
    with stream(hang_up) as port:
        sender = route(transport="tcp", host="localhost", port=port)
        with pytest.raises(NotifyError) as caught:
            sender.send("k", NOTICE, NOW_MS)
    assert str(caught.value) in {
        f"cannot be reached: {os.strerror(number)}"
        for number in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
    }


@pytest.mark.parametrize("secured", [False, True])
def test_a_receiver_that_does_not_hang_up_has_taken_it(
    monkeypatch: pytest.MonkeyPatch, certificate: Certificate, *, secured: bool
) -> None:
    monkeypatch.setattr(syslog, "FAREWELL_S", 0.1)
    received: list[bytes] = []
    kept: list[socket.socket] = []

    def take(connection: socket.socket) -> None:
        received.append(connection.recv(65536))
        kept.append(connection.dup() if not secured else connection)
        connection.recv(1)

    context = certificate.context if secured else None
    more = {"ca_file": str(certificate.file)} if secured else {}
    with stream(take, context) as port:
        sender = route(transport="tls" if secured else "tcp", host="localhost", port=port, **more)
        sender.send("7-12-soc", NOTICE, NOW_MS)
    for connection in kept:
        connection.close()
    (message,) = frames(received[0])
    assert parts(message)[1]["key"] == "7-12-soc"


def test_ports() -> None:
    assert PORTS == {"tls": 6514, "tcp": 514, "udp": 514, "local": 0}
    for transport in ("tls", "tcp", "udp"):
        built = route(transport=transport, host="log.example.com")
        assert built.address == ("log.example.com", PORTS[transport])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "host: is missing; it is a text"),
        ({"host": "a b"}, "host: 'a b' is no name of a host"),
        ({"host": "h", "port": 65536}, "port: 65536 is not 1 to 65535"),
        ({"host": "h", "transport": "relp"}, "transport: 'relp' is none of: tls, tcp, udp, local"),
        ({"host": "h", "facility": "local8"}, "facility: 'local8' is none of: kern, user, "),
        ({"host": "h", "format": "cef"}, "format: 'cef' is none of: json, ocsf"),
        ({"host": "h", "app_name": "a b"}, "app_name: 'a b' is not 1 to 48 printable character"),
        ({"host": "h", "app_name": "a" * 49}, "app_name: 'aaa"),
        ({"host": "h", "max_bytes": 479}, "max_bytes: 479 is less than 480"),
        ({"host": "h", "path": "p"}, "path: unknown; known is: type, severity, transport, "),
        ({"transport": "local"}, "path: is missing; it is a text"),
        ({"transport": "local", "path": "p", "host": "h"}, "host: unknown; known is: type, "),
        ({"transport": "udp", "host": "h", "ca_file": "f"}, "ca_file: udp knows no certificates"),
        ({"transport": "tls", "host": "h", "ca_file": "f"}, "ca_file: /f: No such file or dir"),
    ],
)
def test_settings_that_are_off(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir("/")
    with pytest.raises(SettingsError) as caught:
        route(**values)
    assert str(caught.value).startswith(f"mfagap.toml:3: routes.soc.{told}")
