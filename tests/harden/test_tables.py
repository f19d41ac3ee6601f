"""The tables that checks query: exact columns, and rows of a whole org."""

from typing import Any

import duckdb
import pytest
from tests.fake_okta.whole_org import (
    ADA,
    APP_RULE,
    APPS,
    BEN,
    DEFAULT,
    DEFAULT_RULE,
    ENROLL,
    ENROLL_RULE,
    EVERYONE,
    OFFICE,
    OFFICE_RULE,
    PASSWORD_RULE,
    PASSWORDS,
    STAFF,
    STAFF_GROUP,
    TOR,
    whole_org,
)

from mfagap.engines.duckdb import DuckDBEngine
from mfagap.harden.tables import COLUMNS, sessions, tables
from mfagap.model import (
    AlertContext,
    Confidence,
    Finding,
    MfaStatus,
    Policy,
    Scalar,
    Severity,
)
from mfagap.model.org import (
    NOTHING,
    PARTS,
    POLICY_TYPES,
    Part,
    Snapshot,
)

CREATED_MS, UPDATED_MS, EXPIRES_MS = 1_746_172_800_000, 1_748_851_200_000, 1_780_387_200_000
LONG = "x" * 100_000


def whole() -> Snapshot:
    org = whole_org()
    parts = {
        kind: Part(
            tuple(
                {**p, "rules": org["rules"][p["id"]]} for p in org["policies"] if p["type"] == kind
            )
        )
        for kind in POLICY_TYPES
    }
    factors = [{"userId": user, "factors": held} for user, held in org["factors"].items()]
    groups = [org["groups"][1]]
    for name in ("zones", "authenticators", "api_tokens"):
        parts[name] = Part(tuple(org[name]))
    parts["threat_insight"] = Part((org["threat_insight"],))
    parts["groups"] = Part(tuple(groups), "Everyone: not there")
    parts["user_factors"] = Part(tuple(factors))
    return Snapshot(None, "x", parts)


def rows(snapshot: Snapshot, name: str) -> list[dict[str, Scalar]]:
    """Return a table as an engine has it."""
    with duckdb.connect() as connection:
        held = tables(snapshot)
        return DuckDBEngine(connection).run(f"SELECT * FROM {name}", {}, held)


def test_every_table_has_its_columns() -> None:
    held = {**tables(whole()), "legacy_sessions": sessions([], {})}
    assert held.keys() == COLUMNS.keys()
    boolean = {"has_rules", "requires_factor", "remembers_device", "is_open"}
    whole_number = {"start_ms", "place", "addresses", "factors", "factor_lifetime_min"}
    for name, table in held.items():
        for column, kind in table.columns.items():
            if column in boolean or column.startswith(("is_", "policy_is_")):
                assert kind == "BOOLEAN", (name, column)
            elif column in whole_number or column.endswith(("priority", "_ms")):
                assert kind == "BIGINT", (name, column)
            else:
                assert kind == "VARCHAR", (name, column)
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_parts() -> None:
    found = rows(whole(), "snapshot_parts")
    assert [row["part"] for row in found] == list(PARTS)
    assert [row for row in found if row["missing"]] == [
        {"part": "groups", "missing": "Everyone: not there"}
    ]
    assert {row["missing"] for row in rows(NOTHING, "snapshot_parts")} == {"not read"}
    assert all(not rows(NOTHING, name) for name in tables(NOTHING) if name != "snapshot_parts")


def test_policies() -> None:
    found = rows(whole(), "policies")
    assert [(row["policy_id"], row["policy_type"], row["is_system"]) for row in found] == [
        (STAFF, "OKTA_SIGN_ON", False),
        (DEFAULT, "OKTA_SIGN_ON", True),
        (ENROLL, "MFA_ENROLL", True),
        (APPS, "ACCESS_POLICY", False),
        (PASSWORDS, "PASSWORD", True),
    ]
    assert found[0] == {
        "policy_id": STAFF,
        "policy_type": "OKTA_SIGN_ON",
        "name": "Staff",
        "priority": 1,
        "is_active": True,
        "is_system": False,
        "has_rules": True,
    }


def test_rules() -> None:
    found = rows(whole(), "rules")
    assert [(row["rule_id"], row["place"]) for row in found] == [
        (OFFICE_RULE, 1),
        (DEFAULT_RULE, 2),
        (ENROLL_RULE, 1),
        (APP_RULE, 1),
        (PASSWORD_RULE, 1),
    ]
    assert found[0] == {
        "rule_id": OFFICE_RULE,
        "policy_id": STAFF,
        "policy_type": "OKTA_SIGN_ON",
        "policy_name": "Staff",
        "policy_priority": 1,
        "policy_is_active": True,
        "policy_is_system": False,
        "name": "Office",
        "priority": 1,
        "is_active": True,
        "is_system": False,
        "access": "ALLOW",
        "requires_factor": True,
        "prompt_mode": "DEVICE",
        "factor_lifetime_min": 43_200,
        "remembers_device": True,
        "primary_factor": "PASSWORD_IDP",
        "auth_type": "ANY",
        "connection": "ZONE",
        "idp_provider": "ANY",
        "risk_level": "ANY",
        "enroll_self": None,
        "place": 1,
    }
    filled = ("auth_type", "connection", "idp_provider", "risk_level")
    assert [found[3][column] for column in filled] == ["ANY", "ANYWHERE", "ANY", "LOW"]


def test_conditions() -> None:
    found = [tuple(row.values()) for row in rows(whole(), "conditions")]
    assert found == [
        (STAFF, STAFF, "group", "include", STAFF_GROUP),
        (OFFICE_RULE, STAFF, "user", "exclude", BEN),
        (OFFICE_RULE, STAFF, "zone", "include", OFFICE),
        (DEFAULT, DEFAULT, "group", "include", EVERYONE),
        (ENROLL, ENROLL, "group", "include", EVERYONE),
        (APP_RULE, APPS, "other", "include", "platform"),
        (PASSWORDS, PASSWORDS, "group", "include", EVERYONE),
    ]
    more = {
        "people": {"groups": {"include": ["g"], "exclude": ["h"]}},
        "identityProvider": {"idpIds": ["0oa"]},
        "risk": {"behaviors": ["beh"]},
    }
    rule = {"id": "0pr", "status": "ODD", "conditions": more}
    item = {"id": "00p", "status": "ACTIVE", "rules": [rule]}
    snapshot = Snapshot(None, "x", {"ACCESS_POLICY": Part((item,))})
    assert [tuple(row.values())[2:] for row in rows(snapshot, "conditions")] == [
        ("group", "include", "g"),
        ("group", "exclude", "h"),
        ("idp", "include", "0oa"),
        ("behavior", "include", "beh"),
        ("other", "include", "status"),
    ]


def test_what_stands_beside_policies() -> None:
    assert [tuple(row.values()) for row in rows(whole(), "zones")] == [
        (OFFICE, "Office", "IP", "POLICY", True, False, 18, False),
        (TOR, "Tor", "DYNAMIC", "POLICY", True, False, None, None),
    ]
    assert [tuple(row.values()) for row in rows(whole(), "authenticators")] == [
        ("autpassword000000001", "okta_password", "Password", "password", True)
    ]
    assert [tuple(row.values()) for row in rows(whole(), "api_tokens")] == [
        (
            *("00Tportal00000000001", "portal", ADA, "Okta API"),
            *(CREATED_MS, UPDATED_MS, EXPIRES_MS, "ANYWHERE"),
        )
    ]
    assert rows(whole(), "threat_insight") == [{"action": "audit"}]
    assert rows(whole(), "group_members") == [{"group_id": STAFF_GROUP, "user_id": ADA}]
    assert [tuple(row.values()) for row in rows(whole(), "factor_users")] == [(ADA, 1), (BEN, 0)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"factors": {"okta_otp": {"enroll": {"self": "OPTIONAL"}}, "sms": {"x": 1}}},
            [("okta_otp", "OPTIONAL"), ("sms", None)],
        ),
        ({"authenticators": [{"key": "duo", "enroll": {"self": 1}}, "x"]}, [("duo", None)]),
        ({"factors": ["x"], "authenticators": {"x": 1}}, []),
        (None, []),
    ],
)
def test_enrollments(settings: Any, expected: list[tuple[str, str | None]]) -> None:
    item = {"id": ENROLL, "name": "a", "priority": 3, "settings": settings, "status": "INACTIVE"}
    found = rows(Snapshot(None, "x", {"MFA_ENROLL": Part((item,))}), "enrollments")
    assert [tuple(row.values()) for row in found] == [
        (ENROLL, "a", 3, False, False, key, enroll) for key, enroll in expected
    ]
    assert [tuple(row.values())[-2:] for row in rows(whole(), "enrollments")] == [
        ("okta_verify", "OPTIONAL"),
        ("okta_password", "REQUIRED"),
    ]


CYD = "00u3cyd"


def test_a_user_has_one_row() -> None:
    active: list[Any] = [{"status": "ACTIVE"}, {"status": "ACTIVE"}, {"status": "EXPIRED"}, 5]
    none = [{"status": "ACTIVE", "factorType": kind} for kind in ("question", "password", "email")]
    items: list[Any] = [
        {"userId": ADA, "factors": active},
        {"userId": ADA, "factors": [*active[:1], *none]},
        {"userId": ADA, "factors": active},
        {"userId": CYD, "factors": none},
        {"userId": BEN, "factors": None},
        {"factors": active},
    ]
    snapshot = Snapshot(None, "x", {"user_factors": Part(tuple(items))})
    assert [tuple(row.values()) for row in rows(snapshot, "factor_users")] == [(ADA, 1), (CYD, 0)]


def test_exempt_zones() -> None:
    item = {"action": "block", "excludeZones": ["nzo1", "nzo2", "nzo1", 5]}
    snapshot = Snapshot(None, "x", {"threat_insight": Part((item,))})
    assert [*rows(snapshot, "exempt_zones")] == [{"zone_id": "nzo1"}, {"zone_id": "nzo2"}]


ODD: list[Any] = [
    *(None, True, 1, 1.5, float("nan"), 2**70, "x", LONG, "a\x00\ud800\u202e"),
    *([], [None], ["x"], {}, {"x": {"x": None}}),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_odd_values_fit_into_every_table(odd: Any) -> None:
    keys = (
        *("id", "name", "type", "priority", "status", "system", "usage", "key", "settings"),
        *("userId", "clientName", "created", "expiresAt", "network", "action", "members"),
        *("factors", "conditions", "actions", "rules"),
    )
    held = dict.fromkeys(keys, odd)
    plain = {"id": "a", "name": "b", "rules": [held, odd], "settings": {"authenticators": [held]}}
    snapshot = Snapshot(None, "x", {name: Part((held, plain, held, odd)) for name in PARTS})
    made = tables(snapshot)
    with duckdb.connect() as connection:
        engine = DuckDBEngine(connection)
        for name, table in made.items():
            (count,) = engine.run(f"SELECT count(*) AS n FROM {name}", {}, {name: table})
            assert count["n"] == len(table.rows)
    assert [row[0] for row in made["policies"].rows].count("a") == len(POLICY_TYPES)


def test_sessions() -> None:
    context = AlertContext(
        *("ada@example.com", ADA, "192.0.2.1", "curl", "102a", "t", "/api/v1/authn", "…")
    )
    policy = Policy("ALLOW", STAFF, "Staff", OFFICE_RULE, "Office", "e", "transaction_id")
    finding = Finding(
        detection="d",
        uuid="u1",
        start_ms=5,
        mfa_status=MfaStatus.SINGLE_FACTOR,
        severity=Severity.HIGH,
        confidence=Confidence.HIGH,
        confidence_reasons=(),
        title="t",
        dedup_key="k",
        mfa_link=None,
        mfa_event=None,
        explanation=None,
        annotations=(),
        policy=policy,
        alert_context=context,
    )
    table = sessions([finding], {"u1": "security_risk", "u2": "benign"})
    (row,) = table.rows
    assert dict(zip(table.columns, row, strict=True)) == {
        "uuid": "u1",
        "start_ms": 5,
        "mfa_status": "single_factor",
        "severity": "high",
        "actor_id": ADA,
        "user_email": "ada@example.com",
        "source_ip": "192.0.2.1",
        "user_agent": "curl",
        "rule_id": OFFICE_RULE,
        "rule_name": "Office",
        "policy_id": STAFF,
        "policy_name": "Staff",
        "policy_result": "ALLOW",
        "verdict": "security_risk",
    }
    assert sessions([finding], {}).rows[0][-1] is None
