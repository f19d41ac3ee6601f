"""Notices by mail: encrypted, with nothing that the log could add to them, and told apart."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from tests.notify.certificates import Certificate
from tests.notify.mail_server import CUT, WAIT, MailServer
from tests.notify.receivers import NOTICE, table
from tests.notify.test_webhook import HIDDEN, NOW_MS, refused

from mfagap.errors import SettingsError
from mfagap.notify import email
from mfagap.notify.email import Email
from mfagap.notify.notice import MOST_TEXT

ADDRESSES = {"from": "mfagap@example.com", "to": "soc@example.com"}

TEXT = """\
ada@example.com signed in

kind: opened
alert: 7
detection: okta_legacy_authn_without_mfa
status: open
severity: high
verdict: suspicious
first seen: 2026-01-15T12:00:00.000Z
last seen: 2026-01-15T12:10:00.000Z
sessions: 2
users:
  ada@example.com
addresses:
  192.0.2.10
  198.51.100.7
clients:
  curl/8.5.0
session ids:
  102A
attack:
  TA0001:T1078.004

mfagap alerts show 7
key: 7-12-soc
"""

HOSTILE = (
    "curl\x1b[2J\u202eeve\r\nBcc: eve@example.com\r\n\r\n<script>x</script> "
    "=?utf-8?q?a=0D=0ABcc=3A_eve=40example.com?= https://example.com/login WWW.example.com\n.\n"
)
SHOWN = (
    r"curl\x1b[2J\u202eeve\x0d\x0aBcc: eve@example.com\x0d\x0a\x0d\x0a<script>x</script> "
    "= ?utf-8?q?a=0D=0ABcc=3A_eve=40example.com?= https[://]example.com/login "
    r"WWW[.]example.com\x0a.\x0a"
)


def route(server: MailServer, certificate: Certificate | None = None, **more: Any) -> Email:
    trusted = {} if certificate is None else {"ca_file": str(certificate.file)}
    security = {} if certificate else {"security": "none"}
    values = {"host": "localhost", "port": server.port, **ADDRESSES, **trusted, **security, **more}
    return email.build(table(type="email", **values))


def text(message: EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


def taken(server: MailServer) -> EmailMessage:
    (mail,) = server.mails
    message = message_from_bytes(mail[2], policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", HIDDEN)
    with MailServer(certificate.context) as server:
        sender = route(server, certificate, user="mfagap", password_variable="MAIL_PASSWORD")
        sender.send("7-12-soc", NOTICE, NOW_MS)
    assert [command.split()[0] for command in server.commands] == [
        "ehlo",
        "STARTTLS",
        "TLS",
        "ehlo",
        "AUTH",
        "mail",
        "rcpt",
        "data",
        "quit",
    ]
    assert server.logins == [("mfagap", HIDDEN)]
    assert server.mails[0][:2] == ("mfagap@example.com", "soc@example.com")
    message = taken(server)
    heads = dict(message.items())
    assert heads.pop("Message-ID").endswith("@example.com>")
    assert heads == {
        "Subject": "[mfagap] high, opened: ada@example.com signed in",
        "From": "mfagap@example.com",
        "To": "soc@example.com",
        "Date": "Thu, 15 Jan 2026 12:00:00 +0000",
        "Auto-Submitted": "auto-generated",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
        "MIME-Version": "1.0",
    }
    assert text(message) == TEXT


def test_tls_may_begin_with_the_connection(certificate: Certificate) -> None:
    with MailServer(certificate.context, at_once=True) as server:
        route(server, certificate, security="tls").send("7-12-soc", NOTICE, NOW_MS)
    assert server.commands[0] == "TLS"
    assert text(taken(server)) == TEXT


def test_it_is_plain_where_that_is_said(certificate: Certificate) -> None:
    with MailServer(certificate.context) as server:
        route(server).send("7-12-soc", NOTICE, NOW_MS)
    assert "TLS" not in server.commands
    assert text(taken(server)) == TEXT


def test_without_tls_nothing_is_sent_where_that_is_not_said(certificate: Certificate) -> None:
    with MailServer() as server:
        told = refused(lambda: route(server, certificate).send("k", NOTICE, NOW_MS))
    assert told == "STARTTLS extension not supported by server."
    assert [command.split()[0] for command in server.commands] == ["ehlo"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_trusts(certificate: Certificate, security: str) -> None:
    with MailServer(certificate.context, at_once=security == "tls") as server:
        sender = email.build(
            table(host="localhost", port=server.port, security=security, **ADDRESSES)
        )
        told = refused(lambda: sender.send("k", NOTICE, NOW_MS))
    assert told == "its certificate is not trusted: self-signed certificate"
    assert server.mails == []


def test_a_repeat_bears_the_same_message_id_and_no_other_notice_does() -> None:
    with MailServer() as server:
        sender = route(server)
        for key, notice, now_ms in (
            ("7-12-soc", NOTICE, NOW_MS),
            ("7-12-soc", NOTICE, NOW_MS + 60_000),
            ("7-13-soc", NOTICE, NOW_MS),
            ("7-12-soc", {**NOTICE, "users": ["bob@example.com"]}, NOW_MS),
        ):
            sender.send(key, notice, now_ms)
    ids = [message_from_bytes(mail)["Message-ID"] for _, _, mail in server.mails]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_hostile_text_stays_in_its_place() -> None:
    fields = {name: [HOSTILE] for name in ("users", "addresses", "clients", "rules")}
    with MailServer() as server:
        notice = {**NOTICE, "title": HOSTILE, "why": HOSTILE, **fields}
        route(server).send("7-12-a\r\nBcc: eve@example.com", notice, NOW_MS)
    message = taken(server)
    subject = message["Subject"].replace(" ", "")  # some are lost where long words are folded
    whole = f"[mfagap] high, opened: {SHOWN}".replace(" ", "")
    assert whole.startswith(subject.removesuffix("…"))
    assert "=?utf-8?q?a" in subject, "and what looks encoded is not decoded"
    assert sorted(message.keys()) == [
        "Auto-Submitted",
        "Content-Transfer-Encoding",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Subject",
        "To",
    ]
    assert message["To"] == "soc@example.com"
    lines = text(message).splitlines()
    assert [line.strip() for line in lines].count(SHOWN) == 1 + len(fields)
    assert lines.count(f"why: {SHOWN}") == 1
    assert lines[-1] == r"key: 7-12-a\x0d\x0aBcc: eve@example.com"
    assert len(lines) == len(TEXT.splitlines()) + 2, "rules and why, and no line of its own"
    assert all(line.isprintable() for line in lines)


def test_a_subject_is_read_as_it_was_written() -> None:
    title = "Zoë O'Brien · 日本 🔑 " + "長" * 200
    with MailServer() as server:
        route(server).send("k", {**NOTICE, "title": title, "users": ["zoë@example.com"]}, NOW_MS)
    message = taken(server)
    head = f"[mfagap] high, opened: {title}"
    assert message["Subject"] == head[:149] + "…"
    assert server.mails[0][2].isascii()
    assert max(map(len, server.mails[0][2].splitlines())) <= 78
    lines = text(message).splitlines()
    assert lines[0] == title
    assert "  zoë@example.com" in lines


def test_the_longest_value_is_cut() -> None:
    with MailServer() as server:
        route(server).send("k", {**NOTICE, "clients": ["\x1b" * 1_000_000]}, NOW_MS)
    assert max(map(len, text(taken(server)).splitlines())) == MOST_TEXT + len("  ")


@pytest.mark.parametrize(
    ("verb", "answer", "told"),
    [
        ("HELLO", "421 4.3.2 busy", "answered 421 4.3.2 busy"),
        ("MAIL", "451 4.3.0 later", "answered 451 4.3.0 later"),
        ("MAIL", "550-5.7.1 not\r\n550 you", "answered 550 5.7.1 not you"),
        ("RCPT", "450 4.2.0 greylisted", "refused soc@example.com: 450 4.2.0 greylisted"),
        ("RCPT", "550 5.1.1 nobody", "refused soc@example.com: 550 5.1.1 nobody"),
        ("DATA", "554 5.5.1 no", "answered 554 5.5.1 no"),
        ("MAIL TAKEN", "452 4.3.1 full", "answered 452 4.3.1 full"),
        ("MAIL TAKEN", "552 5.3.4 too big", "answered 552 5.3.4 too big"),
        ("HELLO", CUT, "Connection unexpectedly closed"),
        ("RCPT", CUT, "Connection unexpectedly closed"),
        ("MAIL TAKEN", CUT, "Connection unexpectedly closed"),
        ("MAIL", WAIT, "Connection unexpectedly closed: timed out"),
    ],
)
def test_what_is_refused_can_be_sent_again(
    monkeypatch: pytest.MonkeyPatch, verb: str, answer: str, told: str
) -> None:
    if answer == WAIT:
        monkeypatch.setattr(email, "TIMEOUT_S", 0.2)
    with MailServer() as server:
        server.answers[verb].append(answer)
        sender = route(server)
        assert refused(lambda: sender.send("7-12-soc", NOTICE, NOW_MS)) == told
        server.mails.clear()
        sender.send("7-12-soc", NOTICE, NOW_MS)
    assert text(taken(server)) == TEXT


@pytest.mark.parametrize("farewell", ["421 4.3.2 closing", CUT])
def test_what_was_taken_is_not_sent_again_for_a_farewell(farewell: str) -> None:
    with MailServer() as server:
        server.answers["QUIT"].append(farewell)
        route(server).send("7-12-soc", NOTICE, NOW_MS)
    assert text(taken(server)) == TEXT


def test_a_refused_login_shows_no_password(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", HIDDEN)
    with MailServer(certificate.context) as server:
        server.answers["AUTH"].append(f"535 5.7.8 not {HIDDEN}")
        sender = route(server, certificate, user="mfagap", password_variable="MAIL_PASSWORD")
        told = refused(lambda: sender.send("k", NOTICE, NOW_MS))
    assert told == "refused the login: 535"
    assert server.mails == []


def test_nobody_listens() -> None:
    with MailServer() as server:
        sender = route(server)
    told = refused(lambda: sender.send("k", NOTICE, NOW_MS))
    assert told == "cannot be reached: Connection refused"


def test_a_preview_shows_the_mail() -> None:
    sender = email.build(table(host="localhost", **ADDRESSES))
    head, _, told = sender.render("7-12-soc", NOTICE, NOW_MS).partition("\n\n")
    assert told == TEXT
    assert head.startswith("Subject: [mfagap] high, opened: ada@example.com signed in\nFrom: ")


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_each_security_has_its_port(security: str, port: int) -> None:
    assert email.PORTS[security] == port


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"host": "a..b"}, "host: 'a..b' is no name of a host"),
        ({"host": ""}, "host: '' is no name of a host"),
        ({"host": "a\nb"}, r"host: 'a\nb' is no name of a host"),
        ({"port": 0}, "port: 0 is not 1 to 65535"),
        ({"security": "ssl"}, "security: 'ssl' is none of: starttls, tls, none"),
        ({"to": "soc"}, "to: 'soc' is not one address, such as soc@example.com"),
        ({"to": "a@example.com, b@example.com"}, "to: 'a@example.com, b@example.com' is not one "),
        ({"from": "a@example.com\nBcc: b@c"}, r"from: 'a@example.com\nBcc: b@c' is not one add"),
        ({"from": "zoë@example.com"}, "from: 'zoë@example.com' is not one address"),
        ({"user": "u"}, "password_variable: is missing; it is a text"),
        ({"password_variable": "MAIL_PASSWORD"}, "user: is missing; it is a text"),
        ({"user": "ü", "password_variable": "MAIL_PASSWORD"}, "user: must be ASCII"),
        (
            {"user": "u", "password_variable": "MAIL_PASSWORD", "security": "none"},
            "security: a password is sent to another machine over TLS alone",
        ),
        (
            {"user": "u", "password_variable": "MAIL_UMLAUT"},
            "password_variable: the password that it holds must be ASCII",
        ),
        ({"ca_file": "absent.pem"}, "ca_file: /absent.pem: No such file or directory"),
        ({"ca_file": "/dev/null"}, "ca_file: /dev/null: no certificates in PEM"),
        ({"password": HIDDEN[:0]}, "password: unknown; known is: type, severity, host, "),
    ],
)
def test_settings_that_are_off(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], told: str
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", HIDDEN)
    monkeypatch.setenv("MAIL_UMLAUT", f"ü{HIDDEN}")
    monkeypatch.chdir("/")
    given = {"type": "email", "host": "mail.example.com", **ADDRESSES, **values}
    message = refused(lambda: email.build(table(**given)), SettingsError)
    assert message.startswith(f"mfagap.toml:3: routes.soc.{told}")


def test_a_password_may_go_to_this_machine_in_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", HIDDEN)
    with MailServer() as server:
        route(server, user="u", password_variable="MAIL_PASSWORD").send("k", NOTICE, NOW_MS)
    assert server.logins == [("u", HIDDEN)]
