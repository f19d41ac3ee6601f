"""A mail server on the loopback interface, which does as it is told."""

import ssl
from base64 import b64decode
from collections import defaultdict, deque
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Self, cast

CUT = "cut"
"""In the place of an answer: hang up."""
WAIT = "wait"
"""In the place of an answer: say nothing until the server is stopped."""


class MailServer:
    """A running server; use it in ``with``.

    Attributes:
        answers: Instead of the usual answer to a verb, in turn; ``HELLO`` is the greeting, and
            ``MAIL TAKEN`` what ends the data.
        commands: What it was told, with ``TLS`` where the connection was secured.
        mails: Sender, recipient and text of what it took.
        logins: User and password.

    Args:
        context: Of TLS; None knows none.
        at_once: Whether TLS begins with the connection.
    """

    def __init__(self, context: ssl.SSLContext | None = None, *, at_once: bool = False) -> None:
        self.answers: defaultdict[str, deque[str]] = defaultdict(deque)
        self.commands: list[str] = []
        self.mails: list[tuple[str, str, bytes]] = []
        self.logins: list[tuple[str, str]] = []
        self.context = context
        self.at_once = at_once
        self.stopped = Event()
        self._server = _Server(("127.0.0.1", 0), self)
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], owner: MailServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing on standard error: clients that trust nobody hang up."""


class _Handler(StreamRequestHandler):
    def handle(self) -> None:
        self.owner = cast("_Server", self.server).owner
        self.envelope = ["", ""]
        if self.owner.at_once:
            self._secure()
        going = self._say("HELLO", "220 mail.example.com")
        while going and (line := self.rfile.readline()):
            text = line.decode("ascii").rstrip("\r\n")
            verb = text[:4].upper()
            self.owner.commands.append("AUTH" if verb == "AUTH" else text)
            going = self._answer(verb, text)

    def _answer(self, verb: str, text: str) -> bool:
        match verb:
            case "EHLO":
                extra = "" if self.owner.context is None else "250-STARTTLS\r\n"
                return self._say(verb, f"250-hello\r\n{extra}250 AUTH PLAIN")
            case "STAR":
                if going := self._say(verb, "220 go ahead"):
                    self._secure()
                return going
            case "AUTH":
                _, user, password = b64decode(text.split()[2]).decode().split("\0")
                self.owner.logins.append((user, password))
                return self._say(verb, "235 welcome")
            case "MAIL" | "RCPT":
                self.envelope[verb == "RCPT"] = text[text.index("<") + 1 : text.index(">")]
                return self._say(verb, "250 fine")
            case "DATA":
                refused = bool(self.owner.answers[verb])
                going = self._say(verb, "354 go ahead")
                return going if refused else self._take()
            case "QUIT":
                self._say(verb, "221 bye")
                return False
            case _:
                return self._say(verb, "250 fine")

    def _take(self) -> bool:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line.removeprefix(b"."))
        sender, recipient = self.envelope
        answer = self.owner.answers["MAIL TAKEN"]
        if not answer or answer[0].startswith("2"):
            self.owner.mails.append((sender, recipient, b"".join(lines)))
        return self._say("MAIL TAKEN", "250 queued")

    def finish(self) -> None:
        super().finish()
        self.request.close()  # where it was secured, the server knows the bare one alone

    def _secure(self) -> None:
        assert self.owner.context is not None
        super().finish()
        self.request = self.owner.context.wrap_socket(self.request, server_side=True)
        self.owner.commands.append("TLS")
        self.setup()

    def _say(self, verb: str, usual: str) -> bool:
        waiting = self.owner.answers[verb]
        answer = waiting.popleft() if waiting else usual
        if answer == WAIT:
            self.owner.stopped.wait()
        if answer in (CUT, WAIT):
            return False
        self.wfile.write(f"{answer}\r\n".encode())
        return answer[0] in "23" or verb != "HELLO"
