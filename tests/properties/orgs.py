"""Generated orgs: sign-ins of every status among other events, and what a scan tells of them.

An org is plain data, so that a failing example prints as what it is.
"""

import io
import json
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.report.schema import validated_lines

from mfagap.cases.templates import Event, Templates
from mfagap.report import document, jsonl
from mfagap.report import json as whole
from mfagap.service.scan import Request, scan

BEGIN = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
END_S = 4 * 3600
"""Seconds from BEGIN to the newest event of every org, which makes NOW the same in all of them."""

GRACE_S = 300
CHAIN_S = 3600

REPEATABLE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    # A whole org is a large example, and a scan takes its time.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Every run tries the same examples, and none fails for the machine's speed."""

TEMPLATES = Templates()
ALERTING = frozenset({"single_factor", "challenged"})


@dataclass(frozen=True, slots=True)
class SignIn:
    """One legacy sign-in: whose, when (seconds from BEGIN), and how it goes on."""

    number: int
    user: str
    at: float
    story: str


@dataclass(frozen=True, slots=True)
class Other:
    """An event of somebody else, which may bear the ids of sign-in number ``like``."""

    number: int
    template: str
    at: float
    like: int | None


@dataclass(frozen=True, slots=True)
class Org:
    """What happened."""

    sign_ins: tuple[SignIn, ...]
    others: tuple[Other, ...] = ()

    @property
    def events(self) -> list[Event]:
        """All events, and one that ends the log."""
        told = [event for sign_in in self.sign_ins for event in STORIES[sign_in.story](sign_in)]
        told += [_other(other, self) for other in self.others]
        return [*told, log_event("event", "end", END_S, eventType="user.session.end")]


def log_event(template: str, name: str, at: float, /, **fields: object) -> Event:
    """Return an event with the uuid ``name``; in ``fields``, ``__`` stands for a dot."""
    moment = BEGIN + timedelta(seconds=at)
    paths = {key.replace("__", "."): value for key, value in fields.items()}
    published = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return TEMPLATES.event(template, {"uuid": name, "published": published} | paths)


def of(sign_in: SignIn, template: str, name: str, after: float, /, **fields: object) -> Event:
    """Return an event of the sign-in's user and ids; ``after`` counts from the sign-in."""
    number, user = sign_in.number, sign_in.user
    own: dict[str, object] = {
        "actor__id": f"00u{user}",
        "actor__alternateId": f"{user}@example.com",
        "authenticationContext__externalSessionId": f"102-{number}",
        "transaction__id": f"trail-{number}",
        "debugContext__debugData__requestId": f"trail-{number}",
        "debugContext__debugData__dtHash": f"device-{user}",
    }
    name = f"{name}-{number}"
    return log_event(template, name, sign_in.at + after, **(own | fields))


def factor(sign_in: SignIn, name: str, after: float, link: str = "request_trail") -> Event:
    """Return a second factor that ``link`` alone ties to the sign-in."""
    number = sign_in.number
    fields: dict[str, object] = {
        "authenticationContext__externalSessionId": f"102-{number}-{name}",
        "transaction__id": f"trail-{number}-{name}",
        "debugContext__debugData__requestId": f"trail-{number}-{name}",
        "debugContext__debugData__authnRequestId": None,
    }
    fields |= {
        "request_trail": {"debugContext__debugData__authnRequestId": f"trail-{number}"},
        "external_session_id": {"authenticationContext__externalSessionId": f"102-{number}"},
        "root_session_id": {"authenticationContext__rootSessionId": f"102-{number}"},
    }[link]
    return of(sign_in, "mfa", name, after, **fields)


LINKS = ("request_trail", "external_session_id", "root_session_id")


def _start(sign_in: SignIn, **fields: object) -> Event:
    return of(sign_in, "session_start", "start", 0, **fields)


def _policy(sign_in: SignIn, result: str, name: str = "policy") -> Event:
    return of(sign_in, "session_policy", name, 0.05, outcome__result=result)


def _allowed(sign_in: SignIn, *more: Event) -> list[Event]:
    return [_start(sign_in), _policy(sign_in, "ALLOW"), *more]


def _asked(sign_in: SignIn, *more: Event) -> list[Event]:
    return [_start(sign_in), _policy(sign_in, "CHALLENGE"), *more]


SCRIPT = {"client__userAgent__rawUserAgent": "python-requests/2.31.0"}

STORIES: Mapping[str, Callable[[SignIn], list[Event]]] = {
    "alone": lambda s: [_start(s)],
    "allowed": _allowed,
    "allowed and used": lambda s: _allowed(s, of(s, "sso", "sso", 20)),
    "from a script": lambda s: [_start(s, **SCRIPT), _policy(s, "ALLOW")],
    "challenged": _asked,
    "challenged and denied": lambda s: _asked(s, of(s, "deny_push", "push", 25)),
    "challenged and used": lambda s: _asked(s, of(s, "sso", "sso", 20)),
    "step up": lambda s: _allowed(s, factor(s, "mfa", 30)),
    "answered": lambda s: _asked(s, factor(s, "mfa", 30)),
    "before": lambda s: _allowed(s, factor(s, "mfa", -90, "external_session_id")),
    "enrolled and answered": lambda s: _asked(
        s, of(s, "factor_activate", "enroll", 20), factor(s, "mfa", 40)
    ),
    "two factors at once": lambda s: _allowed(
        s, factor(s, "one", 30), factor(s, "two", 30, "root_session_id"), _policy(s, "DENY", "too")
    ),
    "too late": lambda s: _allowed(s, factor(s, "late", GRACE_S + 60)),
    "desktop": lambda s: _allowed(s, of(s, "desktop_sso", "iwa", -1)),
    "federated": lambda s: _allowed(s, of(s, "idp_assertion", "idp", 0)),
    "federated by a new provider": lambda s: _allowed(
        s,
        of(s, "idp_assertion", "idp", 0, authenticationContext__issuer__id=f"0oa-{s.number}"),
        of(s, "idp_change", "change", -60, target__0__id=f"0oa-{s.number}"),
    ),
    "radius": lambda s: _allowed(s, of(s, "radius", "radius", 0)),
    "nobody's": lambda s: [_start(s, actor__alternateId=None)],
    "without a session": lambda s: [_start(s, authenticationContext__externalSessionId="unknown")],
}
"""How a sign-in may go on; together they have every status."""

OTHERS = (
    "session_start", "idx_session_start", "session_policy", "session_challenge", "app_policy",
    "mfa", "deny_push", "sso", "admin_app", "factor_activate", "token_create", "idp_assertion",
    "desktop_sso", "radius", "ad_agent", "event",
)  # fmt: skip
"""What somebody else may do; ``event`` is of a type that no detection reads."""


def _other(other: Other, org: Org) -> Event:
    """Return an event of a user who is in no sign-in, though its ids may be of one."""
    name = f"other-{other.number}"
    number = name if other.like is None else str(org.sign_ins[other.like].number)
    fields: dict[str, object] = {
        "actor__id": f"00u{name}",
        "actor__alternateId": f"{name}@example.com",
        "authenticationContext__externalSessionId": f"102-{number}",
        "transaction__id": f"trail-{number}",
        "debugContext__debugData__requestId": f"trail-{number}",
        "debugContext__debugData__authnRequestId": f"trail-{number}",
    }
    if other.template == "factor_activate":
        fields["target__0__id"] = f"00u{name}"
    if other.template == "event":
        fields["eventType"] = "user.account.report_suspicious_activity_by_enduser.example"
    return log_event(other.template, name, other.at, **fields)


@st.composite
def orgs(draw: st.DrawFn, stories: Sequence[str] = tuple(STORIES), others: int = 4) -> Org:
    """Draw an org of a few sign-ins by a few users, up to the end of the log."""
    seconds = st.integers(CHAIN_S, END_S - 10) | st.integers(END_S - GRACE_S - 5, END_S - 10)
    size = draw(st.integers(1, 6))
    sign_ins = tuple(
        SignIn(
            number,
            draw(st.sampled_from(("ada", "bob", "cyd"))),
            draw(seconds),
            draw(st.sampled_from(stories)),
        )
        for number in range(size)
    )
    return Org(sign_ins, draw(st.tuples() if not others else somebody_else(size, others)))


@st.composite
def somebody_else(draw: st.DrawFn, size: int, most: int) -> tuple[Other, ...]:
    """Draw events of others, some of which bear the ids of one of ``size`` sign-ins."""
    return tuple(
        Other(
            number,
            draw(st.sampled_from(OTHERS)),
            draw(st.integers(0, END_S)),
            draw(st.none() | st.integers(0, size - 1)),
        )
        for number in range(draw(st.integers(0, most)))
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What a scan tells with ``--all``: JSON Lines and the JSON document, as bytes."""

    lines: bytes
    whole: bytes

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The lines, parsed; each fits the schema."""
        return validated_lines(self.lines.decode())

    def statuses(self, *wanted: str) -> set[str]:
        """Return the uuids of the findings that have one of these statuses."""
        return {line["uuid"] for line in self.findings if line["mfa_status"] in wanted}

    @property
    def summary(self) -> dict[str, Any]:
        """The summary, less what counts files and deliveries: these may be cut in any way."""
        summary = json.loads(self.whole)["summary"]
        return {key: summary[key] for key in summary.keys() - {"files", "events", "duplicates"}}


ABOUT_OTHERS = frozenset({"users_failed_before", "users_of_address", "users_of_client", "nothing"})
"""What the evidence counts of other people, and that a step found nothing at all."""


def without(line: Mapping[str, Any], answers: Collection[str] = ABOUT_OTHERS) -> dict[str, Any]:
    """Return a line less what its evidence says under ``answers``."""
    kept = [entry for entry in line["evidence"] if entry["answer"] not in answers]
    return {**line, "evidence": kept}


def told(files: Mapping[str, bytes]) -> Told:
    """Scan ``files`` and return what is told of them."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        result = scan(Request([folder], io.BytesIO()))
    lines, summary = io.StringIO(), io.StringIO()
    jsonl.render(result, document.ALL, lines)
    whole.render(result, document.ALL, summary)
    return Told(lines.getvalue().encode(), summary.getvalue().encode())


def plain(events: Sequence[Event]) -> Told:
    """Scan ``events`` from one file, one a line."""
    return told({"plain.ndjson": "".join(json.dumps(one) + "\n" for one in events).encode()})
