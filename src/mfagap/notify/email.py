"""Notices by mail: SMTP, encrypted unless the settings say otherwise, and plain text alone."""

import re
import smtplib
import ssl
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, cast

from mfagap.errors import NotifyError
from mfagap.notify.endpoint import LOOPBACK, TIMEOUT_S, failure, host, port, trust
from mfagap.notify.notice import MOST_TEXT, Body, identity
from mfagap.report.clean import mail, terminal
from mfagap.settings import Table

PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""By how the connection is secured."""

MOST_SUBJECT = 150

ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
"""ASCII alone: any other needs a server that knows SMTPUTF8."""


@dataclass(frozen=True, slots=True)
class Server:
    """The mail server.

    Attributes:
        host: Its name.
        port: Its port.
        security: One of ``PORTS``.
        login: User and password; None sends without.
        context: Whom TLS trusts.
    """

    host: str
    port: int
    security: str
    login: tuple[str, str] | None
    context: ssl.SSLContext


class Email:
    """Sends each notice as a mail to one address.

    To one, so that no notice is taken for some and refused for others: whoever is to be told
    besides has a route of their own, or the address is that of a list.

    Args:
        server: That sends it on.
        sender: Its address.
        recipient: Whom to tell.
    """

    def __init__(self, server: Server, sender: str, recipient: str) -> None:
        """See the class."""
        self._server = server
        self._sender = sender
        self._recipient = recipient

    def send(self, key: str, notice: Body, now_ms: int) -> None:
        """Send ``notice``. A repeat bears the same ``Message-ID``.

        Raises:
            NotifyError: It was not taken.
        """
        message = self._message(key, notice, now_ms)
        try:
            with _connected(self._server) as smtp:
                smtp.send_message(message, self._sender, [self._recipient])
                return
        except OSError as error:  # all of smtplib's are of this kind
            why = _why(error)
        # Outside of the handler: what is raised there shows what the server said in full.
        raise NotifyError(why)

    def render(self, key: str, notice: Body, now_ms: int) -> str:
        """Return the mail that ``notice`` is, as a mail program shows it."""
        message = self._message(key, notice, now_ms)
        heads = "".join(f"{name}: {value}\n" for name, value in message.items())
        return f"{heads}\n{message.get_content()}"

    def _message(self, key: str, notice: Body, now_ms: int) -> EmailMessage:
        message = EmailMessage(SMTP)
        head = f"[mfagap] {notice['severity']}, {notice['kind']}: {notice['title']}"
        message["Subject"] = mail(head, MOST_SUBJECT)
        message["From"] = self._sender
        message["To"] = self._recipient
        message["Date"] = format_datetime(datetime.fromtimestamp(now_ms // 1000, UTC))
        domain = self._sender.rpartition("@")[2]
        message["Message-ID"] = f"<{identity(key, notice)}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"  # no reply that says who is on holiday
        message.set_content("\n".join(_lines(key, notice)), cte="quoted-printable")
        return message


def _lines(key: str, notice: Body) -> Generator[str]:
    """Yield the text; what may come from the log is cleaned and indented, and heads no line."""
    yield mail(str(notice["title"]), MOST_TEXT)
    yield ""
    for name, value in notice.items():
        words = name.replace("_", " ")
        if isinstance(value, list):
            if value:
                yield f"{words}:"
            yield from (f"  {mail(str(one), MOST_TEXT)}" for one in cast("list[Any]", value))
        elif value is not None and name != "title":
            yield f"{words}: {mail(str(value), MOST_TEXT)}"
    yield ""
    yield f"mfagap alerts show {notice['alert']}"
    yield f"key: {mail(key, MOST_TEXT)}"


@contextmanager
def _connected(server: Server) -> Generator[smtplib.SMTP]:
    """Connect and log in.

    Raises:
        OSError: It failed.
    """
    if server.security == "tls":
        smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=server.context)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    try:
        if server.security == "starttls":
            smtp.starttls(context=server.context)
        if server.login is not None:
            smtp.login(*server.login)
        yield smtp
        with suppress(OSError):  # the mail is taken, whatever becomes of the farewell
            smtp.quit()
    finally:
        smtp.close()


def _why(error: OSError) -> str:
    match error:
        case smtplib.SMTPAuthenticationError():  # the words may repeat what the server was told
            return f"refused the login: {error.smtp_code}"
        case smtplib.SMTPRecipientsRefused():
            ((address, (code, words)),) = error.recipients.items()
            return f"refused {address}: {_answer(code, words)}"
        case smtplib.SMTPResponseException():
            return f"answered {_answer(error.smtp_code, error.smtp_error)}"
        case smtplib.SMTPException():
            return str(error)
        case _:
            return failure(error)


def _answer(code: int, words: bytes | str) -> str:
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return f"{code} {terminal(' '.join(text.split()))}"


def build(table: Table) -> Email:
    """Return the address that ``table`` describes.

    Raises:
        SettingsError: ``table`` is off.
    """
    table.only(
        "severity",
        "host",
        "port",
        "security",
        "ca_file",
        "user",
        "password_variable",
        "from",
        "to",
    )
    security = table.one_of("security", "starttls", PORTS)
    name = host(table)
    login = _login(table)
    if login is not None and security == "none" and name not in LOOPBACK:
        raise table.off("security", "a password is sent to another machine over TLS alone")
    server = Server(name, port(table, PORTS[security]), security, login, trust(table))
    return Email(server, _address(table, "from"), _address(table, "to"))


def _login(table: Table) -> tuple[str, str] | None:
    if "user" not in table.values and "password_variable" not in table.values:
        return None
    user, password = table.text("user"), table.secret("password_variable")
    if not user.isascii():
        raise table.off("user", "must be ASCII")
    if not password.isascii():
        raise table.off("password_variable", "the password that it holds must be ASCII")
    return user, password


def _address(table: Table, key: str) -> str:
    address = table.text(key)
    if not ADDRESS.fullmatch(address):
        raise table.off(key, f"{address!r} is not one address, such as soc@example.com")
    return address
