"""An org that has something of every part, as Okta's API returns it."""

from copy import deepcopy
from typing import Any, Final

Item = dict[str, Any]

EVERYONE, STAFF_GROUP = "00geveryone000000001", "00gstaff000000000001"
STAFF, DEFAULT = "00pstaff000000000001", "00pdefault0000000001"
ENROLL, PASSWORDS, APPS = "00penroll00000000001", "00ppassword000000001", "rstapps0000000000001"
OFFICE_RULE, DEFAULT_RULE = "0proffice00000000001", "0prdefault0000000001"
ENROLL_RULE, PASSWORD_RULE = "0prenroll00000000001", "0prpassword000000001"
APP_RULE = "rulapps0000000000001"
OFFICE, TOR = "nzooffice00000000001", "nzotor00000000000001"
ADA, BEN = "00uada00000000000001", "00uben00000000000001"
TIMES: Final[Item] = {
    "created": "2025-05-02T08:00:00.000Z",
    "lastUpdated": "2025-06-02T08:00:00.000Z",
}


def policy(policy_id: str, kind: str, name: str, priority: int = 1, **more: Any) -> Item:
    """Return a policy; a default one unless ``more`` says otherwise."""
    common: Item = {"id": policy_id, "type": kind, "name": name, "status": "ACTIVE"}
    people = {"people": {"groups": {"include": [EVERYONE]}}}
    return {**common, "priority": priority, "system": True, "conditions": people, **TIMES, **more}


def rule(rule_id: str, kind: str, name: str, actions: Item, **more: Any) -> Item:
    """Return a rule; a default one unless ``more`` says otherwise."""
    common: Item = {"id": rule_id, "type": kind, "name": name, "status": "ACTIVE", "priority": 1}
    anywhere = {"network": {"connection": "ANYWHERE"}}
    return {**common, "system": True, "conditions": anywhere, "actions": actions, **TIMES, **more}


def signon(**more: Any) -> Item:
    """Return what a session policy's rule does: it lets a password in."""
    session = {"usePersistentCookie": False, "maxSessionIdleMinutes": 120}
    common: Item = {"access": "ALLOW", "requireFactor": False, "primaryFactor": "PASSWORD_IDP"}
    return {"signon": {**common, "rememberDeviceByDefault": False, "session": session, **more}}


def whole_org() -> dict[str, Any]:
    """Return what ``FakeOkta`` takes; the caller may change it."""
    office_condition: Item = {
        "people": {"users": {"exclude": [BEN]}},
        "network": {"connection": "ZONE", "include": [OFFICE]},
        "authContext": {"authType": "ANY"},
        "risk": {"behaviors": []},
        "riskScore": {"level": "ANY"},
        "identityProvider": {"provider": "ANY"},
    }
    staff_groups: Item = {"people": {"groups": {"include": [STAFF_GROUP]}}}
    loose = signon(
        requireFactor=True,
        factorPromptMode="DEVICE",
        factorLifetime=43_200,
        rememberDeviceByDefault=True,
    )
    office = rule(OFFICE_RULE, "SIGN_ON", "Office", loose, system=False)
    verification = {"type": "ASSURANCE", "factorMode": "1FA", "reauthenticateIn": "PT2H"}
    app_actions = {"appSignOn": {"access": "ALLOW", "verificationMethod": verification}}
    platform = {"include": [{"type": "MOBILE", "os": {"type": "IOS"}}]}
    return deepcopy(
        {
            "policies": [
                policy(*(STAFF, "OKTA_SIGN_ON", "Staff", 1), system=False, conditions=staff_groups),
                policy(DEFAULT, "OKTA_SIGN_ON", "Default Policy", 2),
                policy(
                    *(ENROLL, "MFA_ENROLL", "Default Policy"),
                    settings={
                        "type": "AUTHENTICATORS",
                        "authenticators": [
                            {"key": "okta_verify", "enroll": {"self": "OPTIONAL"}},
                            {"key": "okta_password", "enroll": {"self": "REQUIRED"}},
                        ],
                    },
                ),
                policy(PASSWORDS, "PASSWORD", "Default Policy"),
                policy(APPS, "ACCESS_POLICY", "Any two factors", conditions=None, system=False),
            ],
            "rules": {
                STAFF: [office | {"conditions": office_condition}],
                DEFAULT: [rule(DEFAULT_RULE, "SIGN_ON", "Default Rule", signon())],
                ENROLL: [
                    rule(ENROLL_RULE, "MFA_ENROLL", "Default Rule", {"enroll": {"self": "LOGIN"}})
                ],
                PASSWORDS: [
                    rule(
                        *(PASSWORD_RULE, "PASSWORD", "Default Rule"),
                        {"passwordChange": {"access": "ALLOW"}},
                    )
                ],
                APPS: [
                    rule(
                        *(APP_RULE, "ACCESS_POLICY", "Catch-all Rule", app_actions),
                        priority=99,
                        conditions={"platform": platform, "riskScore": {"level": "LOW"}},
                    )
                ],
            },
            **_beside(),
        }
    )


def _beside() -> dict[str, Any]:
    """Return what the org holds beside its policies."""
    gateways = [
        {"type": "CIDR", "value": "192.0.2.0/28"},
        {"type": "RANGE", "value": "198.51.100.1-198.51.100.2"},
    ]
    zone: Item = {"status": "ACTIVE", "usage": "POLICY", "system": False, **TIMES}
    token: Item = {"name": "portal", "userId": ADA, "clientName": "Okta API", **TIMES}
    return {
        "zones": [
            {"id": OFFICE, "type": "IP", "name": "Office", **zone, "gateways": gateways},
            {"id": TOR, "type": "DYNAMIC", "name": "Tor", **zone, "proxyType": "Tor"},
        ],
        "authenticators": [
            {
                "id": "autpassword000000001",
                "key": "okta_password",
                "type": "password",
                "name": "Password",
                "status": "ACTIVE",
                **TIMES,
            }
        ],
        "threat_insight": {"action": "audit", "excludeZones": [OFFICE], **TIMES},
        "api_tokens": [
            {
                "id": "00Tportal00000000001",
                **token,
                "expiresAt": "2026-06-02T08:00:00.000Z",
                "network": {"connection": "ANYWHERE"},
            }
        ],
        "groups": [
            {
                "id": EVERYONE,
                "type": "BUILT_IN",
                "profile": {"name": "Everyone"},
                "members": [ADA, BEN],
            },
            {
                "id": STAFF_GROUP,
                "type": "OKTA_GROUP",
                "profile": {"name": "Staff"},
                "members": [ADA],
            },
        ],
        "factors": {
            ADA: [
                {"id": "opfpush1", "factorType": "push", "provider": "OKTA", "status": "ACTIVE"},
                {"id": "sms1", "factorType": "sms", "provider": "OKTA", "status": "INACTIVE"},
            ],
            BEN: [],
        },
    }
