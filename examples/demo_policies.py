"""Writes the policies of the demo's org, as Okta's API returns them, and knows what a plan does.

Usage: python examples/demo_policies.py FOLDER

They decide every sign-in of ``demo_org`` as its log has it. Two of the policies ask for a second
factor, each rule of the others lets a password alone in: from where nobody looked (the default
rule), over the VPN, from the build hosts, at low risk, after a partner's word. The same call always
writes the same bytes.
"""

import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from examples.demo_org import ADMINISTRATORS, PEOPLE, PILOT, RULES, user_id
from mfagap.model.hardening import Effect

Json = dict[str, Any]

ORG = "https://demo.example.com"
WRITTEN = {"created": "2025-11-03T09:00:00.000Z", "lastUpdated": "2025-11-03T09:00:00.000Z"}
EVERYONE, SERVICES, ADMINS, PILOT_GROUP = (
    *("00g1everyone00000001", "00g1services00000001"),
    *("00g1admins0000000001", "00g1pilot00000000001"),
)
KNOWN_ZONE, BUILD_ZONE = "nzo1known00000000001", "nzo1build00000000001"
PARTNER = "0oa1partneridp000001"
"""The identity provider that the log's template ``idp_assertion`` names."""
BACKUP = "00T1created0000000001"
"""The API token that the log's template ``token_create`` names."""
WITHOUT_FACTOR = ("default", "vpn", "partners", "low_risk", "services")
"""The rules that let a password alone in, by their names in ``demo_org.RULES``."""
LOST_FACTOR = "tim"
"""Whose factor was removed since."""


def truth(closed: Collection[str] = WITHOUT_FACTOR) -> dict[str, Effect]:
    """Return what it does to each person that the rules ``closed`` ask for a factor.

    All of ``WITHOUT_FACTOR``, but for ``partners``, which may be left out.

    It is written down by hand, from the stories of ``demo_org``.
    """
    told = dict.fromkeys(PEOPLE, Effect.UNAFFECTED)
    # The attacker's script, a helper for command lines, and RADIUS: no person who could answer.
    told |= dict.fromkeys(("grace", "sofia", "vint", "olga"), Effect.BREAKS)
    # They have a factor; so do the two whom the attacker came in as, with a browser.
    told |= dict.fromkeys(("ida", "noor", "radia", "wei", "yuki", "zoe"), Effect.PROMPTED)
    told[LOST_FACTOR] = Effect.LOCKED_OUT
    if "partners" not in closed:
        told["zoe"] = Effect.UNAFFECTED
    return told


def parts() -> dict[str, list[Json]]:
    """Return the objects of each part of the org, by its name in ``model.hardening.PARTS``.

    Policies have their rules under ``rules``, groups their members' ids under ``members``; Okta's
    own group of everyone needs none.
    """
    return {
        "OKTA_SIGN_ON": _sign_on(),
        "MFA_ENROLL": [_enrollment()],
        "ACCESS_POLICY": [_app_policy()],
        "PASSWORD": [_password_policy()],
        "zones": [
            _zone(KNOWN_ZONE, "Known networks", "192.0.2.0/24"),
            _zone(BUILD_ZONE, "Build hosts", "198.51.100.0/28"),
        ],
        "authenticators": [
            _authenticator("okta_password", "password", "Password"),
            _authenticator("okta_verify", "app", "Okta Verify"),
            _authenticator("google_otp", "app", "Google Authenticator"),
        ],
        "threat_insight": [{"action": "audit", "excludeZones": [], **WRITTEN}],
        "api_tokens": [
            _token(BACKUP, "backup", "grace", "2026-03-02T22:07:30.000Z"),
            _token("00T1pipeline000000001", "pipeline", "vint", "2025-11-20T10:00:00.000Z"),
        ],
        "groups": [
            _group(EVERYONE, "Everyone", "BUILT_IN"),
            _group(SERVICES, "Service accounts", "OKTA_GROUP", ("vint",)),
            _group(ADMINS, "Administrators", "OKTA_GROUP", ADMINISTRATORS),
            _group(PILOT_GROUP, "Adaptive pilot", "OKTA_GROUP", PILOT),
        ],
        "user_factors": [
            {"userId": user_id(user), "factors": [] if user == LOST_FACTOR else [_factor(user)]}
            for user in PEOPLE
        ],
    }


def files() -> dict[str, Sequence[Json] | Json]:
    """Return file name → what the API returns, as it comes: rules, members and factors apart."""
    found: dict[str, Sequence[Json] | Json] = {}
    for name, items in parts().items():
        if name == "user_factors":
            found |= {f"factors/{item['userId']}.json": item["factors"] for item in items}
        elif name == "threat_insight":
            (found["threat-insight.json"],) = items
        else:
            found[f"{name.lower().replace('_', '-')}.json"] = [
                {key: value for key, value in item.items() if key not in ("rules", "members")}
                for item in items
            ]
        for item in items:
            if "rules" in item:
                found[f"rules/{item['id']}.json"] = item["rules"]
            if "members" in item:
                found[f"members/{item['id']}.json"] = [*_users(item["members"])]
    return found


def _sign_on() -> list[Json]:
    """Return the session policies, in the order in which they are asked."""
    return [
        _policy("admins", 1, [ADMINS], _rule("admins", 1)),
        _policy(
            *("services", 2, [SERVICES]),
            _rule("services", 1, network={"connection": "ZONE", "include": [BUILD_ZONE]}),
        ),
        _policy("low_risk", 3, [PILOT_GROUP], _rule("low_risk", 1, riskScore={"level": "LOW"})),
        _policy(
            *("known", 4, [EVERYONE]),
            _rule("vpn", 1, authContext={"authType": "RADIUS"}),
            _rule(
                *("partners", 2),
                identityProvider={"provider": "SPECIFIC_IDP", "idpIds": [PARTNER]},
            ),
            # It asks on the networks that people know; from all others nobody asks.
            _rule("known", 3, network={"connection": "ZONE", "include": [KNOWN_ZONE]}),
        ),
        _policy("default", 5, [EVERYONE], _rule("default", 1)),
    ]


def _policy(rule: str, priority: int, groups: Sequence[str], *rules: Json) -> Json:
    """Return the policy of the rule that ``demo_org`` calls ``rule``."""
    decided = RULES[rule]
    return {
        "id": decided.policy_id,
        "status": "ACTIVE",
        "name": decided.policy,
        "description": f"The policy {decided.policy}",
        "priority": priority,
        "system": rule == "default",
        "conditions": {"people": {"groups": {"include": list(groups)}}},
        **WRITTEN,
        "_links": _self(f"/api/v1/policies/{decided.policy_id}"),
        "type": "OKTA_SIGN_ON",
        "rules": list(rules),
    }


def _rule(rule: str, priority: int, **conditions: Any) -> Json:
    decided = RULES[rule]
    signon: Json = {
        "access": "ALLOW",
        "requireFactor": decided.result == "CHALLENGE",
        "primaryFactor": "PASSWORD_IDP",
        "rememberDeviceByDefault": False,
        "session": {
            "usePersistentCookie": False,
            "maxSessionIdleMinutes": 120,
            "maxSessionLifetimeMinutes": 720,
        },
    }
    if decided.result == "CHALLENGE":
        signon |= {"factorPromptMode": "ALWAYS", "factorLifetime": 15}
    return {
        "id": decided.rule_id,
        "status": "ACTIVE",
        "name": decided.rule,
        "priority": priority,
        **WRITTEN,
        "system": rule == "default",
        "conditions": {
            "people": {"users": {"exclude": []}},
            "network": {"connection": "ANYWHERE"},
            "authContext": {"authType": "ANY"},
            "risk": {"behaviors": []},
            "riskScore": {"level": "ANY"},
            "identityProvider": {"provider": "ANY"},
            **conditions,
        },
        "actions": {"signon": signon},
        "_links": _self(f"/api/v1/policies/{decided.policy_id}/rules/{decided.rule_id}"),
        "type": "SIGN_ON",
    }


def _plain(kind: str, policy_id: str, name: str, rule: Json, **more: Any) -> Json:
    """Return the only policy of a kind, with its only rule."""
    path = f"/api/v1/policies/{policy_id}"
    about: Json = {"status": "ACTIVE", "priority": 1, "system": True, **WRITTEN}
    made = about | rule | {"_links": _self(f"{path}/rules/{rule['id']}")}
    return {
        **about,
        "id": policy_id,
        "name": name,
        "description": f"The policy {name}",
        "type": kind,
        "_links": _self(path),
        **more,
        "rules": [made],
    }


def _enrollment() -> Json:
    """Return the enrollment policy: who holds a password can enroll a factor."""
    keys = ("okta_verify", "google_otp")
    return _plain(
        *("MFA_ENROLL", "00p1enroll00000000001", "Default Policy"),
        {
            "id": "0pr1enroll00000000001",
            "name": "Default Rule",
            "type": "MFA_ENROLL",
            "conditions": {
                "people": {"users": {"exclude": []}},
                "network": {"connection": "ANYWHERE"},
            },
            "actions": {"enroll": {"self": "CHALLENGE"}},
        },
        conditions={"people": {"groups": {"include": [EVERYONE]}}},
        settings={
            "type": "AUTHENTICATORS",
            "authenticators": [{"key": key, "enroll": {"self": "OPTIONAL"}} for key in keys],
        },
    )


def _app_policy() -> Json:
    return _plain(
        *("ACCESS_POLICY", "rst1apps000000000001", "Any one factor"),
        {
            "id": "rul1catchall00000001",
            "name": "Catch-all Rule",
            "type": "ACCESS_POLICY",
            "priority": 99,
            "conditions": None,
            "actions": {
                "appSignOn": {
                    "access": "ALLOW",
                    "verificationMethod": {
                        "type": "ASSURANCE",
                        "factorMode": "1FA",
                        "reauthenticateIn": "PT2H",
                        "constraints": [],
                    },
                }
            },
        },
        conditions=None,
    )


def _password_policy() -> Json:
    return _plain(
        *("PASSWORD", "00p1password000000001", "Default Policy"),
        {
            "id": "0pr1password000000001",
            "name": "Default Rule",
            "type": "PASSWORD",
            "conditions": {
                "people": {"users": {"exclude": []}},
                "network": {"connection": "ANYWHERE"},
            },
            "actions": {
                "passwordChange": {"access": "ALLOW"},
                "selfServicePasswordReset": {"access": "ALLOW"},
                "selfServiceUnlock": {"access": "DENY"},
            },
        },
        conditions={"people": {"groups": {"include": [EVERYONE]}}},
        settings={"password": {"complexity": {"minLength": 12}, "age": {"maxAgeDays": 0}}},
    )


def _zone(zone_id: str, name: str, network: str) -> Json:
    return {
        "type": "IP",
        "id": zone_id,
        "name": name,
        "status": "ACTIVE",
        "usage": "POLICY",
        "system": False,
        "gateways": [{"type": "CIDR", "value": network}],
        "proxies": None,
        **WRITTEN,
        "_links": _self(f"/api/v1/zones/{zone_id}"),
    }


def _authenticator(key: str, kind: str, name: str) -> Json:
    authenticator_id = f"aut1{key.replace('_', ''):0<16}"
    return {
        "type": kind,
        "id": authenticator_id,
        "key": key,
        "status": "ACTIVE",
        "name": name,
        **WRITTEN,
        "_links": _self(f"/api/v1/authenticators/{authenticator_id}"),
    }


def _token(token_id: str, name: str, user: str, created: str) -> Json:
    return {
        "id": token_id,
        "name": name,
        "userId": user_id(user),
        "clientName": "Okta API",
        "tokenWindow": "P30D",
        "network": {"connection": "ANYWHERE"},
        "created": created,
        "lastUpdated": created,
        "expiresAt": "2026-04-01T22:07:30.000Z",
    }


def _group(group_id: str, name: str, kind: str, members: Sequence[str] = ()) -> Json:
    held = {"members": [user_id(user) for user in members]} if members else {}
    return {
        "id": group_id,
        **WRITTEN,
        "lastMembershipUpdated": WRITTEN["created"],
        "objectClass": ["okta:user_group"],
        "type": kind,
        "profile": {"name": name, "description": None},
        "_links": {"users": {"href": f"{ORG}/api/v1/groups/{group_id}/users"}},
        **held,
    }


def _users(ids: Sequence[str]) -> Iterator[Json]:
    names: Mapping[str, str] = {user_id(user): user for user in PEOPLE}
    for id_ in ids:
        login = f"{names[id_]}@example.com"
        profile = {"login": login, "email": login, "firstName": names[id_].title()}
        yield {
            "id": id_,
            "status": "ACTIVE",
            "created": WRITTEN["created"],
            "profile": {**profile, "lastName": "Example"},
            "_links": _self(f"/api/v1/users/{id_}"),
        }


def _factor(user: str) -> Json:
    factor_id = f"uft1{user:0<16}"
    return {
        "id": factor_id,
        "factorType": "token:software:totp",
        "provider": "GOOGLE",
        "vendorName": "GOOGLE",
        "status": "ACTIVE",
        **WRITTEN,
        "profile": {"credentialId": f"{user}@example.com"},
        "_links": _self(f"/api/v1/users/{user_id(user)}/factors/{factor_id}"),
    }


def _self(path: str) -> Json:
    return {"self": {"href": f"{ORG}{path}"}}


def main(folder: str) -> None:
    """Write the policies below ``folder``."""
    for name, content in files().items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: demo_policies.py FOLDER")
    main(sys.argv[1])
