"""Small orgs, as the API returns them, and sign-ins, for what decides the one by the other."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mfagap.harden import policies
from mfagap.model.hardening import SignIn
from mfagap.model.org import (
    Json,
    OktaPolicy,
    Part,
    Snapshot,
)

ADA, BEN = "00uada", "00uben"
NOON_MS: Final = 1_768_478_400_000
"""2026-01-15T12:00:00Z"""

OFFICE: Final[Json] = {
    "id": "nzooffice",
    "type": "IP",
    "name": "Office",
    "gateways": [{"type": "CIDR", "value": "192.0.2.0/24"}],
}
ELSEWHERE: Final[Json] = {
    "id": "nzoelsewhere",
    "type": "IP",
    "name": "Elsewhere",
    "gateways": [{"type": "CIDR", "value": "198.51.100.0/24"}],
}
PROVIDER_ZONE: Final[Json] = {
    "id": "nzoprovider",
    "type": "DYNAMIC",
    "name": "Provider",
    "asns": ["64500"],
}
BLOCKED: Final[Json] = {
    "id": "nzoblocked",
    "type": "IP",
    "name": "Blocked",
    "usage": "BLOCKLIST",
    "gateways": [{"type": "CIDR", "value": "192.0.2.0/24"}],
}
EVERYONE: Final[Json] = {"id": "00geveryone", "type": "BUILT_IN", "profile": {"name": "Everyone"}}
STAFF: Final[Json] = {"id": "00gstaff", "type": "OKTA_GROUP", "members": [ADA]}
OTHERS: Final[Json] = {"id": "00gothers", "type": "OKTA_GROUP", "members": [BEN]}
UNREAD: Final[Json] = {"id": "00gunread", "type": "OKTA_GROUP"}


def rule(rule_id: str, access: str = "ALLOW", /, **more: Any) -> dict[str, Any]:
    """Return a session rule: for ``ALLOW``, ``CHALLENGE``, ``DENY``, or another word.

    ``more`` are conditions, or ``priority``, ``status``, ``system``; ``signon`` is added to the
    sign-on actions.
    """
    own = {key: more.pop(key) for key in ("priority", "status", "system") if key in more}
    signon: dict[str, Any] = {"access": "ALLOW" if access == "CHALLENGE" else access}
    if access == "CHALLENGE":
        signon |= {"requireFactor": True, "factorPromptMode": "ALWAYS"}
    signon |= more.pop("signon", {})
    return {
        "id": rule_id,
        "name": rule_id,
        "status": "ACTIVE",
        **own,
        "conditions": more,
        "actions": {"signon": signon},
    }


def policy(policy_id: str, rules: Sequence[Json] | None, /, **more: Any) -> dict[str, Any]:
    """Return a session policy; ``groups`` are included, ``other`` are further conditions."""
    conditions: dict[str, Any] = dict(more.pop("other", {}))
    if "groups" in more:
        conditions["people"] = {"groups": {"include": more.pop("groups")}}
    held = {} if rules is None else {"rules": list(rules)}
    named = {"id": policy_id, "name": policy_id, "status": "ACTIVE"}
    return {**named, "conditions": conditions, **held, **more}


def default(*rules: Json) -> dict[str, Any]:
    """Return the default policy, whose default rule is an ALLOW unless it is given."""
    return policy("00pdefault", rules or [rule("0prdefault", system=True)], system=True)


def org(
    held: Sequence[Json],
    *,
    zones: Sequence[Json] | None = (OFFICE, ELSEWHERE, PROVIDER_ZONE, BLOCKED),
    factors: Mapping[str, int] | None = None,
) -> Snapshot:
    """Return a snapshot of session policies; ``zones`` are None where they are not known."""
    users = [
        {"userId": user, "factors": [{"status": "ACTIVE"}] * count + [{"status": "INACTIVE"}]}
        for user, count in (factors or {}).items()
    ]
    return Snapshot(
        None,
        "a test",
        {
            "OKTA_SIGN_ON": Part(tuple(held)),
            "groups": Part((EVERYONE, STAFF, OTHERS, UNREAD), "one was not read"),
            "zones": Part(tuple(zones or ()), "403" if zones is None else None),
            "user_factors": Part(tuple(users)),
        },
    )


def asked(snapshot: Snapshot) -> tuple[OktaPolicy, ...]:
    """Return the session policies of a snapshot, in the order in which they are asked."""
    return policies.read(snapshot, "OKTA_SIGN_ON")


def sign_in(uuid: str = "e1", **more: Any) -> SignIn:
    """Return Ada's sign-in by password from the office, which the default rule allowed."""
    fields: dict[str, Any] = {
        "uuid": uuid,
        "event_ms": NOON_MS,
        "actor_id": ADA,
        "login": "ada@example.com",
        "address": "192.0.2.10",
        "as_number": 64500,
        "country": "United States",
        "is_proxy": False,
        "client_zone": None,
        "user_agent": "Mozilla/5.0",
        "client_kind": None,
        "legacy": True,
        "auth_type": "ANY",
        "idp_id": None,
        "behaviors": {"New Device": "NEGATIVE", "New IP": "NEGATIVE"},
        "risk_level": "LOW",
        "passed_factor": False,
        "result": "ALLOW",
        "policy_id": "00pdefault",
        "rule_id": "0prdefault",
    }
    return SignIn(**(fields | more))


YES, NO = "yes", "no"
HIDDEN: Final[Json] = {"device": {"managed": True}}
"""A condition that nobody here can see."""


def zone(*include: str, exclude: tuple[str, ...] = ()) -> dict[str, Any]:
    network = {"connection": "ZONE", "include": list(include), "exclude": list(exclude)}
    return {"network": network}


def people(**more: Any) -> dict[str, Any]:
    return {"people": more}


def risk(level: str) -> dict[str, Any]:
    return {"riskScore": {"level": level}}


def idp(provider: str, *ids: str) -> dict[str, Any]:
    return {"identityProvider": {"provider": provider, "idpIds": list(ids)}}


def behaviors(*ids: str) -> dict[str, Any]:
    return {"risk": {"behaviors": list(ids)}}


CASES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, YES),
    ({"network": {"connection": "ANYWHERE"}}, {"address": None}, YES),
    (zone("nzooffice"), {}, YES),
    (zone("nzooffice"), {"address": "203.0.113.1"}, NO),
    (zone("nzooffice"), {"address": None}, "network"),
    (zone("nzooffice"), {"address": None, "client_zone": "Office"}, YES),
    (zone("nzooffice"), {"address": None, "client_zone": "Elsewhere"}, "network"),
    # The zone holds other addresses by now than when Okta named it.
    (zone("nzooffice"), {"address": "203.0.113.1", "client_zone": "Office"}, "network"),
    (zone("nzoelsewhere", "nzooffice"), {}, YES),
    (zone("nzogone", "nzooffice"), {}, YES),
    (zone("nzogone"), {}, "network"),
    (zone("nzogone", "nzooffice"), {"address": "203.0.113.1"}, "network"),
    (zone("nzoprovider"), {}, YES),
    (zone("nzoprovider"), {"as_number": 64501}, NO),
    (zone("nzoprovider"), {"as_number": None}, "network"),
    (zone(exclude=("nzooffice",)), {}, NO),
    (zone(exclude=("nzooffice",)), {"address": "203.0.113.1"}, YES),
    (zone(exclude=("nzooffice",)), {"address": None}, "network"),
    (zone("nzoprovider", exclude=("nzooffice",)), {}, NO),
    (zone("nzoprovider", exclude=("nzooffice",)), {"address": "203.0.113.1"}, YES),
    (zone("ALL_ZONES"), {}, YES),
    (zone("ALL_ZONES"), {"address": "203.0.113.1", "as_number": 64501}, NO),
    (zone("ALL_ZONES"), {"address": None, "as_number": 64501}, "network"),
    (zone(exclude=("ALL_ZONES",)), {}, NO),
    (zone(exclude=("ALL_ZONES",)), {"address": "203.0.113.1", "as_number": 64501}, YES),
    ({"network": {"connection": "ZONE"}}, {}, "network"),
    ({"network": {"connection": "ON_NETWORK"}}, {}, "network"),
    (people(users={"include": [ADA]}), {}, YES),
    (people(users={"include": [BEN]}), {}, NO),
    (people(users={"include": [BEN]}), {"actor_id": ""}, "people.users"),
    (people(users={"exclude": [ADA]}), {}, NO),
    (people(users={"exclude": [BEN]}), {}, YES),
    (people(users={"exclude": [BEN]}), {"actor_id": ""}, "people.users"),
    (people(users={"exclude": []}), {"actor_id": ""}, YES),
    (people(groups={"include": ["00gstaff"]}), {}, YES),
    (people(groups={"include": ["00gothers"]}), {}, NO),
    (people(groups={"include": ["00gothers", "00gstaff"]}), {}, YES),
    (people(groups={"include": ["00gstaff"]}), {"actor_id": ""}, "people.groups"),
    (people(groups={"include": ["00gunread"]}), {}, "people.groups"),
    (people(groups={"include": ["00gabsent"]}), {}, "people.groups"),
    (people(groups={"include": ["00geveryone"]}), {"actor_id": ""}, YES),
    (people(groups={"exclude": ["00gstaff"]}), {}, NO),
    (people(groups={"exclude": ["00gothers"]}), {}, YES),
    (people(groups={"exclude": ["00gunread"]}), {}, "people.groups"),
    (people(groups={"include": ["00gunread"], "exclude": ["00gstaff"]}), {}, NO),
    # Whether a named user or a named group is enough, Okta does not say.
    (people(users={"include": [ADA]}, groups={"include": ["00gstaff"]}), {}, YES),
    (people(users={"include": [BEN]}, groups={"include": ["00gothers"]}), {}, NO),
    (people(users={"include": [BEN]}, groups={"include": ["00gstaff"]}), {}, "people.users"),
    (
        people(users={"include": [BEN], "exclude": [ADA]}, groups={"include": ["00gstaff"]}),
        {},
        NO,
    ),
    ({"authContext": {"authType": "ANY"}}, {"auth_type": "RADIUS"}, YES),
    ({"authContext": {"authType": "RADIUS"}}, {"auth_type": "RADIUS"}, YES),
    ({"authContext": {"authType": "RADIUS"}}, {}, NO),
    ({"authContext": {"authType": "RADIUS"}}, {"auth_type": "LDAP_INTERFACE"}, NO),
    ({"authContext": {"authType": "LDAP_INTERFACE"}}, {"auth_type": "LDAP_INTERFACE"}, YES),
    ({"authContext": {"authType": "FAX"}}, {}, "authContext"),
    (idp("ANY"), {"idp_id": "0oapartner"}, YES),
    (idp("OKTA"), {}, YES),
    (idp("OKTA"), {"idp_id": "0oapartner"}, NO),
    (idp("OKTA"), {"idp_id": ""}, NO),
    (idp("SPECIFIC_IDP", "0oapartner"), {"idp_id": "0oapartner"}, YES),
    (idp("SPECIFIC_IDP", "0oapartner"), {"idp_id": "0oaother"}, NO),
    (idp("SPECIFIC_IDP", "0oapartner"), {}, NO),
    (idp("SPECIFIC_IDP", "0oapartner"), {"idp_id": ""}, "identityProvider"),
    (idp("SPECIFIC_IDP"), {"idp_id": "0oapartner"}, "identityProvider"),
    (idp("DYNAMIC"), {}, "identityProvider"),
    (behaviors(), {"behaviors": {}}, YES),
    (behaviors("bhv1"), {}, NO),
    (behaviors("bhv1"), {"behaviors": {}}, "risk.behaviors"),
    (behaviors("bhv1"), {"behaviors": {"New Device": "POSITIVE"}}, "risk.behaviors"),
    # What Okta cannot tell, as of a script without a device, it takes for detected.
    (behaviors("bhv1"), {"behaviors": {"New Device": "BAD_REQUEST"}}, "risk.behaviors"),
    (behaviors("New Device"), {"behaviors": {"New Device": "POSITIVE"}}, YES),
    (behaviors("New Device"), {"behaviors": {"New Device": "BAD_REQUEST"}}, YES),
    (behaviors("New Device"), {"behaviors": {"New Device": "UNKNOWN"}}, YES),
    (
        behaviors("New IP"),
        {"behaviors": {"New Device": "POSITIVE", "New IP": "ODD"}},
        "risk.behaviors",
    ),
    (risk("ANY"), {"risk_level": None}, YES),
    (risk("LOW"), {}, YES),
    (risk("HIGH"), {}, NO),
    (risk("HIGH"), {"risk_level": None}, "riskScore"),
    (risk("HIGH"), {"risk_level": "UNSURE"}, "riskScore"),
    (risk("EXTREME"), {}, "riskScore"),
    ({"device": {"managed": True}}, {}, "device"),
    (zone("nzooffice") | risk("HIGH") | {"device": {"managed": True}}, {}, NO),
]


"""How a rule's conditions answer to Ada's sign-in: the condition, how the sign-in differs, and
``YES``, ``NO``, or the name of what cannot be seen."""

REPEATABLE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
)


CONDITIONS: list[dict[str, Any]] = [conditions for conditions, _, _ in CASES]
ACCESS = st.sampled_from(["ALLOW", "CHALLENGE", "DENY"])


@st.composite
def orgs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return policies of every condition, in the order in which they are asked."""
    held: list[dict[str, Any]] = []
    for place in range(draw(st.integers(0, 3))):
        rules = [
            rule(
                f"0pr{place}{number}",
                draw(ACCESS),
                priority=number,
                **draw(st.sampled_from(CONDITIONS)),
            )
            for number in range(draw(st.integers(0, 3)))
        ]
        groups = draw(st.sampled_from(["00gstaff", "00gothers", "00geveryone", "00gunread"]))
        held.append(policy(f"00p{place}", rules, priority=place, groups=[groups]))
    return [*held, default(rule("0prdefault", draw(ACCESS), system=True))]
