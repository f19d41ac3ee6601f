"""From a LogEvent to the columns of ``events``: each kind of cleaning, each derived column."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from examples.log_shapes import panther_lower
from tests.events import PUBLISHED_MS, ndjson, start
from tests.lake.reading import Reading, Row, read

from mfagap.cases.templates import Event
from mfagap.lake.fields import COLUMNS, DEBUG, SCALARS
from mfagap.lake.projection import expressions


@dataclass(frozen=True, slots=True)
class Projected:
    """An event and columns of its row."""

    event: Event
    row: Row


def case(name: str, row: Row, /, **overrides: object) -> Projected:
    return Projected(start(name, **overrides), row)


def policy(name: str, kind: str | None, *targets: Event) -> Projected:
    return case(name, {"policy_kind": kind}, target=list(targets))


def moment(name: str, published: str, event_ms: int) -> Projected:
    return case(name, {"event_ms": event_ms}, published=published)


def uri(name: str, text: str, path: str | None) -> Projected:
    return case(name, {"request_uri": path}, debugContext__debugData__requestUri=text)


def amr(name: str, text: object, words: str | None) -> Projected:
    return case(name, {"amr_list": words}, debugContext__debugData__amrList=text)


SET = {"id": "x", "type": "PolicyEntity", "displayName": "P"}
RULE = {"type": "PolicyRule", "displayName": "R"}
METHOD = [{"id": "a", "type": "User"}, {"type": "F", "detailEntry": {"methodTypeUsed": "Password"}}]
IDP = {"id": "0oaT", "type": "IdentityProvider"}
ABSENT = ["", " ", "-", " - ", "unknown", "Unknown", " UNKNOWN ", None]
IDS = [
    (".".join(prefix + field.path), field.column)
    for prefix, fields in (((), SCALARS), (("debugContext", "debugData"), DEBUG))
    for field in fields
    if field.clean == "id"
]

CASES = (
    *(
        case(
            f"absent-{place}",
            {column: None for _, column in IDS},
            **{path.replace(".", "__"): text for path, _ in IDS},
        )
        for place, text in enumerate(ABSENT)
    ),
    case(
        "padded-ids",
        {column: f"id of {column}" for _, column in IDS},
        **{path.replace(".", "__"): f"  id of {column} " for path, column in IDS},
    ),
    case("padded-identity", {"event_type": "user.session.start"}, eventType=" user.session.start "),
    case("number-as-id", {"session_id": "102"}, authenticationContext__externalSessionId=102),
    case("text-empty", {"outcome_reason": None}, outcome__reason=""),
    case("text-kept", {"outcome_reason": " -unknown "}, outcome__reason=" -unknown "),
    case("word", {"outcome_result": "SUCCESS"}, outcome__result="  SUCCESS "),
    case("word-empty", {"outcome_result": None}, outcome__result="  "),
    case("bigint-text", {"as_number": 64501}, securityContext__asNumber="64501"),
    case("bigint-garbage", {"as_number": None}, securityContext__asNumber="AS64501"),
    case("bigint-object", {"as_number": None}, securityContext__asNumber={"n": 1}),
    case("boolean", {"is_proxy": True}, securityContext__isProxy=True),
    case("boolean-text", {"is_proxy": True}, securityContext__isProxy="true"),
    case("boolean-false", {"is_proxy": False}, securityContext__isProxy="False"),
    case("boolean-garbage", {"is_proxy": None}, securityContext__isProxy="perhaps"),
    case("threat", {"threat_suspected": True}, debugContext__debugData__threatSuspected="true"),
    uri("uri", "/api/v1/authn", "/api/v1/authn"),
    uri("uri-slash", "/api/v1/authn/", "/api/v1/authn"),
    uri("uri-query", "/api/v1/authn?x=/y/", "/api/v1/authn"),
    uri("uri-slash-query", " /API/v1/Authn//?x ", "/api/v1/authn"),
    uri("uri-slashes", "//api///v1/authn", "/api/v1/authn"),
    uri("uri-parameters", "/api;x=1/v1/authn;a=b;c/recovery", "/api/v1/authn/recovery"),
    uri("uri-absolute", "HTTPS://org.example.com:443/api/v1/authn", "/api/v1/authn"),
    uri("uri-host", "https://org.example.com", None),
    uri("uri-in-a-query", "/a?b=https://org.example.com/api/v1/authn", "/a"),
    uri("uri-root", "/", None),
    uri("uri-empty", "", None),
    moment("utc", "2026-01-15T12:00:00.000Z", PUBLISHED_MS),
    moment("no-offset", "2026-01-15T12:00:00", PUBLISHED_MS),
    moment("blank", "2026-01-15 12:00:00", PUBLISHED_MS),
    moment("offset-east", "2026-01-15T14:30:00+02:30", PUBLISHED_MS),
    moment("offset-west", "2026-01-15T04:00:00.500-08:00", PUBLISHED_MS + 500),
    moment("nine-digits", "2026-01-15T12:00:00.123456789Z", PUBLISHED_MS + 123),
    moment("one-digit", "2026-01-15T12:00:00.5Z", PUBLISHED_MS + 500),
    moment("padded", " 2026-01-15T12:00:00Z ", PUBLISHED_MS),
    moment("day", "2026-01-15", PUBLISHED_MS - 12 * 3_600_000),
    moment("midnight-24", "2026-01-14T24:00:00Z", PUBLISHED_MS - 12 * 3_600_000),
    case("received", {"received_ms": PUBLISHED_MS + 1}, p_parse_time="2026-01-15T12:00:00.001"),
    policy("okta-sign-on", "session", SET | {"detailEntry": {"policyType": "OktaSignOn"}}),
    policy("sign-on-case", "session", SET | {"detailEntry": {"policyType": "OKTASIGNON"}}),
    policy("other-type", "app", SET | {"detailEntry": {"policyType": "ACCESS_POLICY"}}),
    policy("0pr", "session", RULE | {"id": "0pr1"}),
    policy("plr", "app", RULE | {"id": "plr1"}),
    policy("rul", "app", RULE | {"id": "rul1", "type": "Rule"}),
    policy(
        "type-beats-prefix",
        "app",
        SET | {"detailEntry": {"policyType": "X"}},
        RULE | {"id": "0pr1"},
    ),
    policy("unknown-prefix", None, RULE | {"id": "abc1"}),
    policy("no-policy", None, {"id": "0pr1", "type": "User"}),
    case(
        "policy-columns",
        {"policy_id": "x", "policy_name": "P", "rule_id": "0pr1", "rule_name": "R"},
        target=[RULE | {"id": "0pr1"}, SET],
    ),
    case(
        "target-user-first",
        {
            "target_type": "User",
            "target_id": "u",
            "target_login": "ada@example.com",
            "target_name": "Ada",
            "other_target_name": "Payroll",
        },
        target=[
            {"id": "a", "type": "AppInstance", "displayName": "Payroll"},
            {"id": "u", "type": "User", "alternateId": "ada@example.com", "displayName": "Ada"},
        ],
    ),
    case(
        "target-first",
        {"target_type": "AppInstance", "target_id": "a", "other_target_name": None},
        target=[
            {"id": "a", "type": "AppInstance", "displayName": "A"},
            {"id": "b", "type": "AppUser"},
        ],
    ),
    case("target-none", {"target_type": None, "target_id": None}, target=[]),
    case("idp-issuer", {"idp_id": "0oaI"}, authenticationContext__issuer={"id": "0oaI"}),
    case(
        "idp-target",
        {"idp_id": "0oaT", "issuer_id": "0oaI"},
        authenticationContext__issuer={"id": "0oaI"},
        target=[IDP],
    ),
    case("idp-none", {"idp_id": None, "issuer_id": None}),
    amr("amr-json", '["pwd", "MFA"]', "pwd mfa"),
    amr("amr-list", ["pwd", "mfa"], "pwd mfa"),
    amr("amr-text", "[pwd, mfa]", "pwd mfa"),
    amr(
        "amr-urn",
        "urn:oasis:names:tc:SAML:2.0:ac:classes:X509",
        "urn:oasis:names:tc:saml:2.0:ac:classes:x509",
    ),
    amr("amr-empty", "[]", None),
    amr("amr-none", None, None),
    case(
        "behaviors",
        {"new_device": "POSITIVE", "new_ip": "BAD_REQUEST"},
        debugContext__debugData__behaviors="{New Device=POSITIVE, New IP=BAD_REQUEST, V=A}",
    ),
    case(
        "behaviors-alike",
        {"new_device": None, "new_ip": None},
        debugContext__debugData__behaviors="{Not New Devices=POSITIVE, New IPs=NEGATIVE}",
    ),
    case(
        "behaviors-empty",
        {"new_device": None, "new_ip": None},
        debugContext__debugData__behaviors="{}",
    ),
    case(
        "risk",
        {"risk_level": "HIGH"},
        debugContext__debugData__risk="{reasons=Anomalous Device, level=HIGH}",
    ),
    case("risk-none", {"risk_level": None}, debugContext__debugData__risk="{sublevel=HIGH}"),
    case("method", {"method_type_used": "Password"}, target=METHOD),
    case(
        "method-in-debug",
        {"method_type_used": "Push"},
        target=METHOD,
        debugContext__debugData__methodTypeUsed="Push",
    ),
    case("method-none", {"method_type_used": None}),
    case(
        "principal",
        {"original_principal_id": "00u2"},
        debugContext__debugData__originalPrincipal={"id": "00u2", "type": "User"},
    ),
    case(
        "principal-text",
        {"original_principal_id": None},
        debugContext__debugData__originalPrincipal="x",
    ),
    case("no-debug", {"request_uri": None, "factor": None, "new_ip": None}, debugContext=None),
)


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    found = read(tmp_path_factory.mktemp("all"), {"all": ndjson(case.event for case in CASES)})
    assert (found.rejects, len(found.rows)) == ([], len(CASES))
    return found


@pytest.fixture(scope="module")
def respelled(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    data = panther_lower([case.event for case in CASES])
    found = read(tmp_path_factory.mktemp("lower"), {"lower": data})
    assert (found.rejects, len(found.rows)) == ([], len(CASES))
    return found


@pytest.mark.parametrize("projected", CASES, ids=lambda case: case.event["uuid"])
def test_columns(projected: Projected, reading: Reading, respelled: Reading) -> None:
    for found in (reading, respelled):
        row = found.rows[projected.event["uuid"]]
        assert {name: row[name] for name in projected.row} == projected.row


def test_every_scalar_has_its_column(tmp_path: Path) -> None:
    """Each field's value arrives in its own column, and in no other."""
    event = start("scalars", target=None)
    event["debugContext"] = {"debugData": {}}
    expected: dict[str, Any] = {}
    for prefix, fields in (((), SCALARS), (("debugContext", "debugData"), DEBUG)):
        for number, field in enumerate(fields):
            texts = {"bigint": number, "boolean": True, "path": f"/path/{number}"}
            value = texts.get(field.clean, f"value of {field.column}")
            inside: dict[str, Any] = event
            for key in (*prefix, *field.path[:-1]):
                inside[key] = inside.get(key) or {}
                inside = inside[key]
            inside[field.path[-1]] = value
            expected[field.column] = value
    row = read(tmp_path, {"a": ndjson([event])}).rows["scalars"]
    assert {name: row[name] for name in expected} == expected


def test_the_texts_hold_what_was_delivered(tmp_path: Path) -> None:
    event = start("texts", target=[{"id": "a", "more": {"b": 1}}])
    row = read(tmp_path, {"a": ndjson([event])}).rows["texts"]
    assert json.loads(row["targets"]) == event["target"]
    assert json.loads(row["debug_data"]) == event["debugContext"]["debugData"]


def test_every_column_has_its_sql() -> None:
    assert expressions(()).keys() == set(COLUMNS)
