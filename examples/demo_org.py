"""Writes the demo: a small org's log of three days, in as many shapes as such a folder has.

A helper for command lines was at work two weeks before, so that it has a habit. The org's policies,
which decide its sign-ins as the log has it, are those of ``demo_policies``.

Usage: python examples/demo_org.py FOLDER

The org has forty people. Most sign in with a second factor; the stories below are what a scan is
for. The same call always writes the same bytes.
"""

import random
import sys
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from examples import log_shapes as shapes
from mfagap.cases.templates import Templates

Event = dict[str, Any]

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_NAMES = """
ada alan barbara blaise claude donald edsger emmy frances george grace hedy ida john joan
karen kurt leslie lise mary maurice niels noor olga paul peter radia rosa ruth sofia
stephen susan tim tony ursula vint wei xavier yuki zoe
"""
PEOPLE: tuple[str, ...] = tuple(_NAMES.split())
FIREFOX_59 = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:59.0) Gecko/20100101 Firefox/59.0"
HELPER = "gimme-aws-creds 2.8.2;Darwin;Python/3.11.9"
IPHONE_13 = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 13_3 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/13.0.4 Mobile/15E148 Safari/604.1"
)
KNOWN = "192.0.2.{}"
"""Addresses at which people usually sign in: the zone "Known networks"."""
BUILD_HOST = "198.51.100.4"


class Decided(NamedTuple):
    """How a rule of a session policy decides."""

    result: str
    rule_id: str
    rule: str
    policy_id: str
    policy: str


_DEFAULT = ("00p1default0000000001", "Default Policy")
_STAFF = ("00p1staff000000000001", "Staff")
RULES: dict[str, Decided] = {
    "default": Decided("ALLOW", "0pr1default0000000001", "Default Rule", *_DEFAULT),
    "known": Decided("CHALLENGE", "0pr1known000000000001", "Known networks", *_STAFF),
    "vpn": Decided("ALLOW", "0pr1vpn00000000000001", "VPN", *_STAFF),
    "partners": Decided("ALLOW", "0pr1partners000000001", "Partners", *_STAFF),
    "low_risk": Decided(
        *("ALLOW", "0pr1lowrisk0000000001", "Low risk"),
        *("00p1pilot000000000001", "Adaptive pilot"),
    ),
    "services": Decided(
        *("ALLOW", "0pr1services000000001", "Build hosts"),
        *("00p1services000000001", "Service accounts"),
    ),
    "admins": Decided(
        *("CHALLENGE", "0pr1admins00000000001", "Always asked"),
        *("00p1admins00000000001", "Administrators"),
    ),
}
"""The rules that decide the log's sign-ins; ``demo_policies`` has all of them."""
ADMINISTRATORS = ("kurt", "mary")
PILOT = ("radia", "tim", "wei", "yuki")
"""Whom Okta asks for no factor where it thinks the risk low."""


def user_id(user: str) -> str:
    """Return a person's id."""
    return f"00u1{user:x<16}"


class Org:
    """Collects the events of one org; every id comes from one seeded generator."""

    def __init__(self, seed: int) -> None:
        """Start with an empty log."""
        self.events: list[Event] = []
        self._random = random.Random(seed)
        self._templates = Templates()

    def word(self, prefix: str) -> str:
        """Return a new id."""
        return prefix + "".join(self._random.choices("abcdefghijkmnpqrstuvwxyz23456789", k=20))

    def minutes(self, low: float, high: float) -> timedelta:
        """Return a random duration."""
        return timedelta(minutes=self._random.uniform(low, high))

    def add(self, template: str, at: datetime, user: str, **overrides: Any) -> str:
        """Log one event by ``user`` and return its ``uuid``; ``__`` in a name stands for a dot."""
        number = PEOPLE.index(user)
        fields: dict[str, Any] = {
            "uuid": str(uuid.UUID(int=self._random.getrandbits(128), version=4)),
            "published": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "actor.id": user_id(user),
            "actor.alternateId": f"{user}@example.com",
            "actor.displayName": f"{user.title()} Example",
            "client.ipAddress": KNOWN.format(10 + number),
            "debugContext.debugData.dtHash": f"{number:064x}",
        }
        fields |= {name.replace("__", "."): value for name, value in overrides.items()}
        event = self._templates.event(template, fields)
        for target in event["target"] or ():
            _retarget(target, event["actor"])
        self.events.append(event)
        return str(fields["uuid"])

    def sign_in(self, at: datetime, user: str, rule: str, **overrides: Any) -> "SignIn":
        """Log a legacy sign-in and the session policy's evaluation, which ``rule`` decides."""
        trail = self.word("Z")
        own: dict[str, Any] = {
            "authenticationContext__externalSessionId": self.word("102"),
            "transaction__id": trail,
            "debugContext__debugData__requestId": trail,
        } | overrides
        self.add("session_start", at, user, **own)
        decided = RULES[rule]
        evaluation = {
            "outcome__result": decided.result,
            "outcome__reason": f"Sign-on policy: {decided.result}",
            "target__0__id": decided.policy_id,
            "target__0__displayName": decided.policy,
            "target__1__id": decided.rule_id,
            "target__1__displayName": decided.rule,
            "target__1__alternateId": decided.policy_id,
        }
        self.add("session_policy", at + timedelta(milliseconds=53), user, **(own | evaluation))
        return SignIn(self, at, user, own)


def _retarget(target: Event, actor: Event) -> None:
    """Make a target that is the templates' user the user who acts."""
    if target["alternateId"] == "ada@example.com":
        names = ("alternateId", "displayName")
        own = names if target["id"].startswith("0ua") else ("id", *names)
        target |= {key: actor[key] for key in own}


class SignIn:
    """A sign-in whose later events bear other session ids, as in the field."""

    def __init__(self, org: Org, at: datetime, user: str, own: dict[str, Any]) -> None:
        """Remember what ties the events together."""
        self.org, self.at, self.user, self.own = org, at, user, own

    def then(self, template: str, after: timedelta, **overrides: Any) -> "SignIn":
        """Log a later event, tied to the start by the request trail alone."""
        trail = self.org.word("Z")
        fields = {
            **self.own,
            "authenticationContext__externalSessionId": self.org.word("102"),
            "transaction__id": trail,
            "debugContext__debugData__requestId": trail,
            "debugContext__debugData__authnRequestId": self.own["transaction__id"],
        }
        self.org.add(template, self.at + after, self.user, **(fields | overrides))
        return self

    def same(self, template: str, after: timedelta, **overrides: Any) -> "SignIn":
        """Log a later event of the same session id."""
        trail = self.org.word("Z")
        fields = {**self.own, "transaction__id": trail, "debugContext__debugData__requestId": trail}
        self.org.add(template, self.at + after, self.user, **(fields | overrides))
        return self


def everyday(org: Org) -> None:
    """Most of the log: people who are asked for a factor and pass it, and work."""
    for day in range(3):
        for user in PEOPLE:
            at = START + timedelta(days=day) + org.minutes(0, 240)
            rule = "admins" if user in ADMINISTRATORS else "known"
            risk = {"debugContext__debugData__risk": "{level=MEDIUM}"} if user in PILOT else {}
            signed_in = org.sign_in(at, user, rule, **risk)
            signed_in.then("mfa", timedelta(seconds=20))
            for _ in range(4):
                signed_in.same("sso", org.minutes(1, 200))
        for user in PEOPLE[::3]:
            at = START + timedelta(days=day) + org.minutes(240, 480)
            org.add("idx_session_start", at, user)


def stories(org: Org) -> None:
    """What a scan is for: see each line's comment."""
    hour, second = timedelta(hours=1), timedelta(seconds=1)
    # A sprayed password, a script, and within the hour an API token that outlives the session.
    attacker: dict[str, Any] = {
        "client__ipAddress": "203.0.113.66",
        "client__userAgent__rawUserAgent": "python-requests/2.31.0",
        "debugContext__debugData__dtHash": None,
        "debugContext__debugData__deviceFingerprint": None,
    }
    spray = START + 14 * hour
    for place, user in enumerate(PEOPLE[5:25]):
        failed = {"outcome__result": "FAILURE", "outcome__reason": "INVALID_CREDENTIALS"}
        org.add("session_start", spray + place * 7 * second, user, **(attacker | failed))
    token = org.sign_in(spray + 30 * 7 * second, "grace", "default", **attacker)
    token.same("sso", 40 * second).same("token_create", 4 * 60 * second)
    # The same attacker under an old iPhone's name.
    other = attacker | {"client__userAgent__rawUserAgent": IPHONE_13}
    org.sign_in(spray + hour, "ida", "default", **other).same("admin_app", 30 * second)
    # The policy asked for a factor: the password is known, but the phone's owner said no.
    denied = other | {"client__userAgent__rawUserAgent": FIREFOX_59}
    org.sign_in(spray + 2 * hour, "kurt", "admins", **denied).then("deny_push", 25 * second)
    org.sign_in(spray + 2.2 * hour, "mary", "admins", **denied)
    # The intruder enrolls a factor and then passes it.
    enrolled = org.sign_in(START + 30 * hour, "noor", "default", **denied)
    path = f"/api/v1/users/{user_id('noor')}/factors/opf1/lifecycle/activate"
    enrolled.same("factor_activate", 40 * second, debugContext__debugData__requestUri=path)
    enrolled.then("mfa", 90 * second)
    # In with a password alone, the risk being low; the admin console asked later.
    for day, user in enumerate(("radia", "tim", "wei")):
        admin = org.sign_in(START + day * 24 * hour + 2 * hour, user, "low_risk")
        admin.then("mfa", 13 * second).then("admin_app", 15 * second)
    # Helpers for command lines, day after day: at last, a habit.
    for day in (-15, -12, -9, -6, -3, 0, 1, 2):
        helper = {"client__userAgent__rawUserAgent": HELPER, "client__ipAddress": BUILD_HOST}
        at = START + day * 24 * hour + hour
        org.sign_in(at, "vint", "services", **helper).same("sso", 5 * second)
    # In with a second factor: what the published rule would have paged somebody for.
    late = org.sign_in(
        START + 5 * hour,
        "lise",
        "known",
        authenticationContext__externalSessionId="102demoWithFactor",
    )
    late.then("mfa", 75 * second)
    # Explained: a partner's assertion, and a desktop on the domain.
    partner = org.sign_in(START + 3 * hour, "zoe", "partners")
    org.add("idp_assertion", partner.at, "zoe", **partner.own)
    org.sign_in(START + 4 * hour, "yuki", "low_risk").same("desktop_sso", -2 * second)
    # RADIUS: one factor, named and not excused.
    vpn = org.sign_in(START + 26 * hour, "olga", "vpn")
    org.add("radius", vpn.at, "olga", **vpn.own)
    # Too near the end of the log to tell.
    org.sign_in(START + timedelta(days=2, hours=8, minutes=3), "sofia", "default", **attacker)


def deliveries(events: Sequence[Event]) -> dict[str, bytes]:
    """Return file name → bytes: the log cut into as many shapes as it may come in, with overlap."""
    plan: tuple[tuple[str, Callable[[Sequence[Event]], bytes]], ...] = (
        ("api/2026-03-02.json", shapes.pretty_array),
        ("api/2026-03-02-part2.json.gz", shapes.api_array),
        ("stream/part-0001.ndjson", shapes.eventbridge),
        ("stream/part-0002.ndjson.zst", shapes.eventbridge),
        ("hooks/deliveries.ndjson", shapes.event_hook),
        ("elastic/export.ndjson", shapes.elastic_okta),
        ("splunk/search.json", shapes.splunk_json),
        ("sentinel/query.csv", shapes.sentinel_csv),
        ("panther/rows.ndjson.gz", shapes.panther),
        ("okta.ndjson", shapes.ndjson),
    )
    size = -(-len(events) // len(plan))
    overlap = 5
    files: dict[str, bytes] = {}
    for place, (name, shape) in enumerate(plan):
        part = events[max(0, place * size - overlap) : (place + 1) * size]
        packing = Path(name).suffix if Path(name).suffix in shapes.PACKINGS else ""
        files[name] = shapes.PACKINGS[packing](shape(part))
    # What such a folder has besides: a line that a full disk cut off, and a note.
    files["okta.ndjson"] += shapes.ndjson(events[-1:])[:600] + b"\n"
    files["notes.txt"] = b"exported by the on-call analyst, see the ticket\n"
    return files


def log() -> list[Event]:
    """Return the demo's events in the order in which they happened."""
    org = Org(seed=20260302)
    everyday(org)
    stories(org)
    return sorted(org.events, key=lambda event: (event["published"], event["uuid"]))


def main(folder: str) -> None:
    """Write the demo's log below ``folder``."""
    for name, data in deliveries(log()).items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: demo_org.py FOLDER")
    main(sys.argv[1])
