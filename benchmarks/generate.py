"""Writes a large log of whole events for the benchmarks; the same call writes the same bytes.

Usage: python -m benchmarks.generate EVENTS FILE [--sso SHARE]

Of a thousand events a hundred are sign-in traffic: session starts (one of them legacy), factors
and policy evaluations. ``SHARE`` (50) are single sign-on, which a scan keeps as well; the others
are of types that no detection reads. Of three legacy starts one is followed by its factor.
"""

import argparse
import json
import math
import random
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from mfagap.cases.templates import Templates

START = datetime(2026, 3, 2, tzinfo=UTC)
SPAN = timedelta(days=7)
EVENTS_A_USER = 200
SSO = 50
NOT_READ = (
    "user.session.end",
    "app.user_management.push_profile_success",
    "system.push.send_factor_verify_push",
    "app.access_request.request",
    "device.user.add",
    "event_hook.delivery",
    "system.email.send_factor_verify_message",
)
SIGN_IN = {"idx_session_start": 29, "mfa": 30, "session_policy": 20, "app_policy": 20}
"""How many of a thousand events each template makes; with one legacy start they are a hundred."""


class Form:
    """A template as JSON text in pieces, between which an event's own values go."""

    def __init__(self, template: str, event_type: str | None = None) -> None:
        """See the class."""
        overrides = {
            "uuid": "\0uuid\0",
            "published": "\0published\0",
            "actor.id": "00u1\0user\0",
            "actor.alternateId": "\0user\0@example.com",
            "client.ipAddress": "\0address\0",
            "authenticationContext.externalSessionId": "\0session\0",
            "transaction.id": "\0trail\0",
            "debugContext.debugData.requestId": "\0trail\0",
            "debugContext.debugData.authnRequestId": "\0trail\0",
        }
        if event_type:
            overrides["eventType"] = event_type
        text = json.dumps(Templates().event(template, overrides), separators=(",", ":"))
        self._pieces = text.split("\\u0000")

    def fill(self, values: dict[str, str]) -> str:
        """Return the event with ``values``."""
        return "".join(values.get(piece, piece) for piece in self._pieces)


def events(count: int, sso: int = SSO, seed: int = 7) -> Iterator[str]:
    """Yield ``count`` events (rounded up to thousands) as JSON, in the order of time."""
    rng = random.Random(seed)
    users = max(count // EVENTS_A_USER, 10)
    mfa, legacy = Form("mfa"), Form("session_start")
    thousand = [
        mfa if name == "mfa" else Form(name) for name, n in SIGN_IN.items() for _ in range(n)
    ]
    thousand += [Form("sso")] * sso
    others = [Form("sso", kind) for kind in NOT_READ]
    thousand += [others[n % len(others)] for n in range(999 - len(thousand))]
    step = SPAN / count
    for start in range(0, count, 1000):
        rng.shuffle(thousand)
        place = rng.choice([number for number, form in enumerate(thousand) if form is mfa])
        session = _values(rng, users) | {"session": _word(rng, "102")}
        answered = start // 1000 % 3 == 0
        for number, form in enumerate((*thousand[:place], legacy, *thousand[place:])):
            own = number == place or (answered and number == place + 1)
            values = dict(session) if own else _values(rng, users)
            moment = START + step * (start + number)
            values["uuid"] = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            values["published"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            yield form.fill(values)


def gaps(count: int) -> int:
    """Return how many of the legacy starts in ``events(count)`` no factor follows.

    In a log of fewer than 2016 events the factors come too late for a scan.
    """
    starts = math.ceil(count / 1000)
    return starts - math.ceil(starts / 3)


@contextmanager
def whole(file: Path) -> Generator[BinaryIO]:
    """Open ``file`` for writing; it is there only once all of it is written."""
    part = file.with_name(file.name + ".part")
    with part.open("wb") as out:
        yield out
    part.replace(file)


def write(file: Path, count: int, sso: int = SSO) -> None:
    """Write ``events`` as NDJSON."""
    with whole(file) as out:
        out.writelines(line.encode() + b"\n" for line in events(count, sso))


def _values(rng: random.Random, users: int) -> dict[str, str]:
    number = rng.randrange(users)
    user, address = f"user{number:07}", f"2001:db8::{number:x}"
    return {
        "user": user,
        "address": address,
        "session": _word(rng, "idx"),
        "trail": _word(rng, "Z"),
    }


def _word(rng: random.Random, prefix: str) -> str:
    return f"{prefix}{rng.getrandbits(100):025x}"


def main() -> None:
    """Write the log that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--sso", type=int, default=SSO, help="of a thousand (default: %(default)s)")
    arguments = parser.parse_args()
    write(arguments.file, arguments.events, arguments.sso)


if __name__ == "__main__":
    main()
