import json
from dataclasses import replace
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator, ValidationError
from tests.report.hardening.rendering import rendered
from tests.report.hardening.results import (
    AFTER,
    CHECK,
    EMPTY,
    FAILED,
    FOUND,
    LOCKED_OUT,
    NOON_MS,
    ORIGIN,
    PASSED,
    RULE,
    SIGN_IN,
    UNKNOWN,
    many,
    with_results,
)
from tests.report.hardening.schema import SCHEMA, VALIDATOR, validated

from mfagap.model import Severity
from mfagap.model.hardening import (
    Access,
    Decision,
    Disagreement,
    Effect,
)
from mfagap.report.hardening import document

WHOLE = document.document(FOUND)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_whole_document_is_valid_json() -> None:
    assert validated(rendered("json", FOUND)) == WHOLE


def test_summary() -> None:
    assert WHOLE["summary"] == {
        "now": "2026-01-15T12:00:00.000Z",
        "from": "2025-12-16T12:00:00.000Z",
        "sessions": 41,
        "stepped_up": 3,
        "outcomes": {"fail": 1, "unknown": 1, "pass": 1, "not_applicable": 1},
        "worst": "critical",
        "changes": 1,
        "safe_changes": 0,
        "effects": [
            {"effect": "locked_out", "users": 1, "sign_ins": 3},
            {"effect": "breaks", "users": 0, "sign_ins": 0},
            {"effect": "unknown", "users": 0, "sign_ins": 0},
            {"effect": "prompted", "users": 0, "sign_ins": 0},
            {"effect": "unaffected", "users": 1, "sign_ins": 1000},
        ],
        "sign_ins": 1200,
        "agreed": 1199,
        "legacy_clients": 1,
    }


def test_snapshot() -> None:
    told = document.snapshot(FOUND)
    parts = {part.pop("part"): part for part in told.pop("parts")}
    assert told == {
        "origin": ORIGIN,
        "taken_at": "2026-01-15T11:00:00.000Z",
        "digest": "d" * 64,
    }
    assert parts["OKTA_SIGN_ON"] == {"items": 1, "missing": None}
    assert parts["zones"] == {
        "items": 0,
        "missing": "403: the scope okta.networkZones.read is missing",
    }
    assert len(parts) == 10


def test_results() -> None:
    assert WHOLE["results"][:2] == [
        {
            "check": "session_rule_without_factor",
            "outcome": "fail",
            "severity": "critical",
            "reason": "used",
            "says": "Scripts let 41 sessions in without a factor.",
            "subject": "rule",
            "subject_id": "0pr1legacy000000001",
            "subject_name": "Scripts",
            "policy_id": "00p1service00000001",
            "amount": 41,
            "first_seen": "2026-01-13T12:00:00.000Z",
            "last_seen": "2026-01-15T11:59:00.000Z",
            "evidence": ["start-1", "start-2"],
            "detail": "ALLOW",
        },
        {
            "check": "wide_network_zone",
            "outcome": "unknown",
            "severity": "medium",
            "reason": "unknown_part",
            "says": "zones is not known: the scope okta.networkZones.read is missing.",
            "subject": "org",
            "subject_id": None,
            "subject_name": "",
            "policy_id": None,
            "amount": 0,
            "first_seen": None,
            "last_seen": None,
            "evidence": [],
            "detail": None,
        },
    ]
    assert [(r["outcome"], r["subject_id"]) for r in WHOLE["results"][2:]] == [
        ("pass", "0pr2default00000002"),
        ("not_applicable", None),
    ]


def test_plan() -> None:
    told = document.document(FOUND)["plan"]
    (change,) = told.pop("changes")
    assert told == {
        "id": "plan-1",
        "made_at": "2026-01-15T12:00:00.000Z",
        "origin": ORIGIN,
        "snapshot": "d" * 64,
        "alternatives": ["Disable the rule."],
    }
    assert change == {
        "id": "close-0pr1legacy000000001",
        "method": "PUT",
        "path": "/api/v1/policies/00p1service00000001/rules/0pr1legacy000000001",
        "before": RULE,
        "after": AFTER,
        "safe": False,
        "why": "Closes Scripts. bob@example.com has no factor.",
        "closes": ["session_rule_without_factor:0pr1legacy000000001"],
        "expires_at": None,
    }


def test_the_worst_effect_comes_first_then_who_signs_in_most() -> None:
    assert [row["effect"] for row in WHOLE["impact"]] == ["locked_out", "unaffected"]
    rows = [
        replace(LOCKED_OUT, login="a", sign_ins=1),
        replace(LOCKED_OUT, login="b", sign_ins=2),
        replace(LOCKED_OUT, login="c", effect=Effect.BREAKS, sign_ins=9),
        replace(LOCKED_OUT, login="d", sign_ins=2, address=None, user_agent=None),
    ]
    assert [row.login for row in document.worst_first(rows)] == ["b", "d", "a", "c"]


def test_agreement_and_what_could_not_be_seen() -> None:
    assert WHOLE["agreement"] == {
        "sign_ins": 1200,
        "agreed": 1199,
        "before_change": 0,
        "rules": [
            {
                "rule_id": "0pr1legacy000000001",
                "rule_name": "Scripts",
                "agreed": 1199,
                "undecided": 1,
                "disagreed": 0,
            }
        ],
        "disagreements": [
            {
                "event": "policy-1",
                "time": "2026-01-15T11:58:00.000Z",
                "actor_id": "00u1ada0000000000001",
                "login": "ada@example.com",
                "address": "192.0.2.10",
                "recorded": "ALLOW",
                "recorded_rule_id": "0pr1legacy000000001",
                "decided": None,
                "decided_rule_id": None,
                "unseen": ["0pr1legacy000000001: zone"],
            }
        ],
        "left_out": 0,
    }


def test_a_sign_in_that_is_decided_otherwise() -> None:
    other = Disagreement(SIGN_IN, Decision(Access.DENY, "0pr9", "00p9"))
    assert FOUND.agreement is not None
    told = document.agreement(replace(FOUND.agreement, disagreements=(other,)))
    assert (
        told["disagreements"][0] | {"decided": "DENY", "decided_rule_id": "0pr9"}
        == (told["disagreements"][0])
    )


def test_inventory_checks_and_notes() -> None:
    assert WHOLE["inventory"] == [
        {
            "path": "/api/v1/authn",
            "actor_id": "00u1ada0000000000001",
            "login": "ada@example.com",
            "user_agent": "curl/8.5.0",
            "client_kind": "library",
            "address": "192.0.2.10",
            "api_token_id": None,
            "rule_id": "0pr1legacy000000001",
            "rule_name": "Scripts",
            "first_seen": "2026-01-13T12:00:00.000Z",
            "last_seen": "2026-01-15T11:59:00.000Z",
            "days": 3,
            "uses": 41,
            "trend": "steady",
            "move_to": "An OAuth 2 client of its own.",
        }
    ]
    assert WHOLE["checks"][0] == {
        "id": "session_rule_without_factor",
        "title": "A session rule lets people in without a factor",
        "severity": "high",
        "description": "The legacy API obeys session rules alone.",
        "prevention": "Let the rule ask for a factor at every sign-in.",
        "controls": {"stig": ["V-273186"], "cis": ["6.3", "6.5"]},
        "needs": ["OKTA_SIGN_ON"],
        "references": ["https://example.com/session-policies"],
    }
    assert WHOLE["notes"] == ["The log begins 2026-01-13."]


def test_nothing_at_all() -> None:
    told = validated(rendered("json", EMPTY))
    assert told["summary"]["worst"] is None
    assert told["snapshot"]["digest"] is None
    assert told["snapshot"]["taken_at"] is None
    assert {part["missing"] for part in told["snapshot"]["parts"]} == {"not read"}
    assert (told["plan"], told["agreement"], told["impact"]) == (None, None, [])


def test_without_a_log_nothing_seen_is_not_nothing_there() -> None:
    summary = validated(rendered("json", replace(FOUND, from_ms=NOON_MS)))["summary"]
    assert (summary["sessions"], summary["legacy_clients"]) == (None, None)


def test_thousands_of_rows_are_all_there() -> None:
    told = json.loads(rendered("json", many(2000)))
    for name, count in (("results", 4000), ("impact", 2000), ("inventory", 2000)):
        assert len(told[name]) == count
    assert len(told["plan"]["changes"]) == 2000


def test_half_a_surrogate_pair_spoils_nothing() -> None:
    text = rendered("json", with_results(replace(FAILED, detail="a\ud800b")))
    assert text.isascii()
    assert validated(text)["results"][0]["detail"] == "a\ufffdb"


def test_the_worst_failure_is_no_unknown() -> None:
    critical = replace(UNKNOWN, severity=Severity.CRITICAL)
    assert document.worst_failure([critical, PASSED]) is None
    assert document.worst_failure([critical, FAILED, replace(FAILED, severity=Severity.LOW)]) is (
        Severity.CRITICAL
    )


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 0, "0"), (1, 3, "33.3"), (2, 2, "100"), (1999, 2000, "99.9"), (19999, 20000, "99.9")],
)
def test_nearly_all_is_not_all(part: int, whole: int, shown: str) -> None:
    assert document.percent(part, whole) == shown


def test_names_of_policies_and_rules() -> None:
    assert document.names(FOUND.snapshot) == {
        "00p1service00000001": "Service accounts",
        "0pr1legacy000000001": "Scripts",
    }


def test_what_is_unknown_for_one_reason_is_one_line() -> None:
    assert document.unknown(FOUND) == [
        "the network zones: 403: the scope okta.networkZones.read is missing",
        "The log begins 2026-01-13.",
    ]
    (line,) = document.unknown(EMPTY)
    assert line.startswith("the session policies, the enrollment policies, ")
    assert line.endswith(", the groups, the users' factors: not read")


def test_controls() -> None:
    assert document.controls(CHECK) == ["stig:V-273186", "cis:6.3", "cis:6.5"]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every object in ``value`` whose keys are ours."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, list):
        inner = list(enumerate(cast("list[Any]", value)))
    elif isinstance(value, dict):
        inner = [
            pair
            for pair in cast("dict[str, Any]", value).items()
            if pair[0] not in ("before", "after", "controls")
        ]
    below = [found for key, item in inner for found in _paths(item, (*path, key))]
    return [path, *below] if isinstance(value, dict) else below


@pytest.mark.parametrize("path", _paths(WHOLE), ids=str)
def test_every_key_is_required_and_no_other_taken(path: tuple[Any, ...]) -> None:
    for key in [*_inside(path)[1], None]:
        whole, inner = _inside(path)
        if key is None:
            inner["surprise"] = 1
        else:
            del inner[key]
        with pytest.raises(ValidationError):
            VALIDATOR.validate(whole)


def _inside(path: tuple[Any, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a copy of the whole document, and the object at ``path`` of the copy."""
    whole = json.loads(json.dumps(WHOLE))
    inner = whole
    for key in path:
        inner = inner[key]
    return whole, inner
