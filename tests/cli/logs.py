"""Small logs whose truth is known, written where a scan reads them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mfagap.cases.templates import Event, Templates

TEMPLATES = Templates()
NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SCRIPT = {"client.userAgent.rawUserAgent": "python-requests/2.31.0"}

EVERY_STATUS = {
    "single_factor": 2,
    "challenged": 2,
    "unsettled": 1,
    "step_up": 1,
    "explained": 1,
    "mfa": 1,
}
"""How many sessions of each status ``every_status`` holds."""

SHOWN = ["bob-start", "dee-start", "ada-start", "cyd-start", "joy-start"]
"""What a scan of ``every_status`` shows by default, in order."""

SHOWN_WITH_ALL = [*SHOWN, "fay-start", "eve-start"]
"""The same with ``--all``."""


def event(template: str, user: str, name: str, minute: float, **fields: Any) -> Event:
    """Return an event of ``user`` whose uuid is ``<user>-<name>``; ``__`` stands for a dot."""
    at = NINE + timedelta(minutes=minute)
    overrides: dict[str, Any] = {
        "uuid": f"{user}-{name}",
        "published": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "actor.id": f"00u{user}",
        "actor.alternateId": f"{user}@example.com",
        "authenticationContext.externalSessionId": f"102{user}",
        "transaction.id": f"trail-{user}",
        "debugContext.debugData.requestId": f"trail-{user}",
        "debugContext.debugData.dtHash": f"device-{user}",
    }
    overrides |= {key.replace("__", "."): value for key, value in fields.items()}
    return TEMPLATES.event(template, overrides)


def sign_in(user: str, minute: float, policy: str = "ALLOW", **fields: Any) -> list[Event]:
    """Return a legacy sign-in and the session policy's evaluation."""
    start = event("session_start", user, "start", minute, **fields)
    outcome = {"result": policy, "reason": f"Sign-on policy evaluation resulted in {policy}"}
    return [start, event("session_policy", user, "policy", minute + 0.001, outcome=outcome)]


def mfa(user: str, minute: float) -> Event:
    """Return a factor that ``user`` passed in a session tied by the request trail alone."""
    return event(
        "mfa",
        user,
        "mfa",
        minute,
        authenticationContext__externalSessionId=f"102{user}B",
        transaction__id=f"trail-{user}-mfa",
        debugContext__debugData__requestId=f"trail-{user}-mfa",
        debugContext__debugData__authnRequestId=f"trail-{user}",
    )


def every_status() -> list[Event]:
    """Return sessions of every status, and two starts that can never fire."""
    return [
        *sign_in("ada", 0),
        *sign_in("bob", 1, **SCRIPT),
        *sign_in("cyd", 2, "CHALLENGE"),
        *sign_in("dee", 3, "CHALLENGE"),
        event("deny_push", "dee", "push", 3.5, debugContext__debugData__authnRequestId="trail-dee"),
        *sign_in("eve", 4),
        mfa("eve", 4.5),
        *sign_in("fay", 5),
        event("desktop_sso", "fay", "iwa", 5),
        *sign_in("gus", 6, "CHALLENGE"),
        mfa("gus", 6.5),
        *sign_in("hal", 7, actor__alternateId=None),
        *sign_in("ian", 8, authenticationContext__externalSessionId=None),
        *sign_in("joy", 20),
    ]


def write(path: Path, events: Iterable[Event]) -> Path:
    """Write ``events`` to ``path``, one a line, and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    return path
