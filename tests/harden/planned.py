"""An org whose rules let a password alone in, what checks say of it, and a plan for it."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from mfagap.harden import plan as plans
from mfagap.harden.plan import Keep
from mfagap.harden.snapshot import digest
from mfagap.model import Severity
from mfagap.model.hardening import (
    Affected,
    CheckOutcome,
    CheckResult,
    Effect,
    Plan,
)
from mfagap.model.org import Part, Snapshot

NOW_MS: Final = 1_768_564_800_000
"""2026-01-16T12:00:00Z"""
DAY_MS: Final = 86_400_000
UNTIL_MS: Final = NOW_MS + 44 * DAY_MS
"""2026-03-01T12:00:00Z"""
KEEP: Final = Keep("00gservice0000000001", "nzooffice00000000001", UNTIL_MS)
STAFF, DEFAULT = "00pstaff000000000001", "00pdefault0000000001"
OFFICE_RULE, REST_RULE = "0proffice00000000001", "0prrest0000000000001"
DEFAULT_RULE = "0prdefault0000000001"


def rule(rule_id: str, name: str, priority: int, /, **signon: Any) -> dict[str, Any]:
    """Return a rule for everybody that lets a password alone in, but for what ``signon`` says."""
    return {
        "id": rule_id,
        "type": "SIGN_ON",
        "name": name,
        "status": "ACTIVE",
        "priority": priority,
        "system": False,
        "created": "2024-05-02T08:00:00.000Z",
        "lastUpdated": "2024-05-02T08:00:00.000Z",
        "conditions": {
            "people": {"users": {"exclude": []}},
            "network": {"connection": "ANYWHERE"},
            "authContext": {"authType": "ANY"},
        },
        "actions": {
            "signon": {
                "access": "ALLOW",
                "requireFactor": False,
                "primaryFactor": "PASSWORD_IDP",
                "rememberDeviceByDefault": False,
                "session": {
                    "maxSessionIdleMinutes": 120,
                    "maxSessionLifetimeMinutes": 720,
                    "usePersistentCookie": False,
                },
                **signon,
            }
        },
    }


def policy(policy_id: str, name: str, priority: int, groups: Sequence[str]) -> dict[str, Any]:
    """Return a session policy for ``groups``."""
    return {
        "id": policy_id,
        "type": "OKTA_SIGN_ON",
        "name": name,
        "description": f"{name} of the org",
        "status": "ACTIVE",
        "priority": priority,
        "system": False,
        "conditions": {"people": {"groups": {"include": list(groups)}}},
        "created": "2024-05-02T08:00:00.000Z",
        "lastUpdated": "2024-05-02T08:00:00.000Z",
    }


def org(*, classic: bool = False) -> dict[str, Any]:
    """Return what the fake org holds: two policies, three rules that are open."""
    office = rule(OFFICE_RULE, "Office", 1, factorPromptMode="DEVICE", factorLifetime=43_200)
    office["conditions"]["network"] = {"connection": "ZONE", "include": ["nzooffice00000000001"]}
    rest = rule(REST_RULE, "Everybody else", 2)
    default: dict[str, Any] = {**rule(DEFAULT_RULE, "Default Rule", 1), "system": True}
    if classic:
        for each in (office, rest, default):
            del each["actions"]["signon"]["primaryFactor"]
    everyone = policy(DEFAULT, "Default Policy", 2, ["00geveryone000000001"])
    enroll = policy("00penroll00000000001", "Service accounts", 1, ["00gservice0000000001"])
    return deepcopy(
        {
            "classic": classic,
            "policies": [
                policy(STAFF, "Staff", 1, ["00gstaff000000000001"]),
                everyone | {"system": True},
                enroll | {"type": "MFA_ENROLL"},
            ],
            "rules": {STAFF: [office, rest], DEFAULT: [default]},
            "zones": [
                zone("nzooffice00000000001", "192.0.2.0/28"),
                zone("nzoworld000000000001", "0.0.0.0/0"),
                zone("nzoempty000000000001"),
                zone("nzoidle0000000000001", "192.0.2.0/28") | {"status": "INACTIVE"},
                zone("nzoblock000000000001", "192.0.2.0/28") | {"usage": "BLOCKLIST"},
                {"id": "nzodynamic0000000001", "type": "DYNAMIC", "status": "ACTIVE"},
            ],
            "groups": [
                {"id": "00gstaff000000000001", "members": ["00uada"]},
                {"id": "00geveryone000000001", "members": ["00uada", "00usvc"]},
                {"id": "00gservice0000000001", "members": ["00usvc"]},
            ],
        }
    )


def zone(zone_id: str, *networks: str) -> dict[str, Any]:
    """Return an IP zone that holds ``networks``."""
    gateways = [{"type": "CIDR", "value": network} for network in networks]
    return {
        "id": zone_id,
        "type": "IP",
        "name": f"zone {zone_id}",
        "status": "ACTIVE",
        "usage": "POLICY",
        "gateways": gateways,
    }


ORIGIN: Final = "https://example.okta.example.com"


def snapshot(held: Mapping[str, Any], origin: str = ORIGIN) -> Snapshot:
    """Return the snapshot of an org that holds ``held``."""
    found = [
        {**each, "rules": held["rules"][each["id"]]}
        for each in held["policies"]
        if each["type"] == "OKTA_SIGN_ON"
    ]
    parts = {
        "OKTA_SIGN_ON": Part(tuple(found)),
        "zones": Part(tuple(held["zones"])),
        "groups": Part(tuple(held["groups"])),
    }
    return Snapshot(NOW_MS, origin, deepcopy(parts))


def failed(check: str, rule_id: str, **changes: Any) -> CheckResult:
    """Return what a check says of a rule that fails it."""
    told: dict[str, Any] = {
        "check": check,
        "outcome": CheckOutcome.FAIL,
        "severity": Severity.HIGH,
        "reason": "open",
        "says": "A password alone is enough.",
        "subject": "rule",
        "subject_id": rule_id,
        "subject_name": rule_id,
    }
    return CheckResult(**(told | changes))


FAILED: Final = tuple(failed("no_factor", id_) for id_ in (DEFAULT_RULE, REST_RULE, OFFICE_RULE))


def plan(
    held: Mapping[str, Any] | None = None,
    keep: Keep | None = None,
    affected: Sequence[Affected] | None = None,
) -> Plan:
    """Return the plan that closes all rules of the org."""
    known = snapshot(held or org())
    return plans.make(known, digest(known), FAILED, NOW_MS, keep, affected)


def affected(effect: Effect, login: str, rule_id: str | None, **changes: Any) -> Affected:
    """Return what a plan does to a user."""
    told: dict[str, Any] = {
        "effect": effect,
        "reason": "",
        "actor_id": f"00u{login}",
        "login": f"{login}@example.com",
        "user_agent": "Mozilla/5.0",
        "address": "203.0.113.7",
        "rule_id": rule_id,
        "sign_ins": 3,
        "first_ms": NOW_MS - DAY_MS,
        "last_ms": NOW_MS,
        "by_rule": {rule_id: effect},
    }
    return Affected(**(told | changes))
