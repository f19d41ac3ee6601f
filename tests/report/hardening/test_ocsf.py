import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.report.hardening.rendering import rendered
from tests.report.hardening.results import (
    CHECK,
    EMPTY,
    FAILED,
    FOUND,
    NOON_MS,
    ORIGIN,
    PASSED,
    SKIPPED,
    UNKNOWN,
    many,
    with_results,
)
from tests.report.ocsf_schema import SCHEMA, class_faults, class_schema

from mfagap import __version__
from mfagap.model.hardening import CheckResult

CLASS = "compliance_finding"
VALIDATOR: Any = Draft202012Validator(class_schema(CLASS, []))


def validated(text: str) -> list[dict[str, Any]]:
    """Return the events in ``text``, JSON Lines, each valid."""
    events: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    for event in events:
        assert class_faults(event, CLASS, VALIDATOR) == []
    return events


EVENTS = validated(rendered("ocsf", FOUND))


def test_a_failure_is_a_compliance_finding() -> None:
    (first, *_) = EVENTS
    assert first == {
        "class_uid": 2003,
        "class_name": "Compliance Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200301,
        "type_name": "Compliance Finding: Create",
        "time": NOON_MS,
        "timezone_offset": 0,
        "start_time": FAILED.first_ms,
        "end_time": FAILED.last_ms,
        "count": 41,
        "metadata": {
            "version": "1.8.0",
            "product": {"name": "mfagap", "vendor_name": "mfagap", "version": __version__},
            "uid": f"session_rule_without_factor:rule:0pr1legacy000000001:{NOON_MS}",
            "log_provider": "Okta",
        },
        "message": "Scripts let 41 sessions in without a factor.",
        "severity_id": 5,
        "severity": "Critical",
        "status_id": 1,
        "status": "New",
        "compliance": {
            "control": "A session rule lets people in without a factor",
            "status_id": 3,
            "status": "Fail",
            "status_code": "used",
            "status_details": ["Scripts let 41 sessions in without a factor.", "ALLOW"],
            "desc": "The legacy API obeys session rules alone.",
            "standards": ["DISA STIG, Okta Identity as a Service", "CIS Controls"],
            "requirements": [
                "DISA STIG, Okta Identity as a Service: V-273186",
                "CIS Controls: 6.3",
                "CIS Controls: 6.5",
            ],
        },
        "finding_info": {
            "uid": "session_rule_without_factor:rule:0pr1legacy000000001",
            "title": "A session rule lets people in without a factor",
            "created_time": NOON_MS,
            "desc": "The legacy API obeys session rules alone.",
            "first_seen_time": FAILED.first_ms,
            "last_seen_time": FAILED.last_ms,
            "related_events": [
                {"uid": "start-1", "type": "Okta System Log event"},
                {"uid": "start-2", "type": "Okta System Log event"},
            ],
            "related_events_count": 2,
            "analytic": {
                "type_id": 1,
                "type": "Rule",
                "uid": "session_rule_without_factor",
                "name": "A session rule lets people in without a factor",
            },
        },
        "remediation": {
            "desc": "Let the rule ask for a factor at every sign-in.",
            "references": ["https://example.com/session-policies"],
        },
        "resources": [
            {
                "uid": "0pr1legacy000000001",
                "name": "Scripts",
                "type": "Okta policy rule",
                "role_id": 3,
                "role": "Affected",
            },
            {
                "uid": "00p1service00000001",
                "name": "Service accounts",
                "type": "Okta policy",
                "role_id": 4,
                "role": "Related",
            },
        ],
        "unmapped": {
            "reason": "used",
            "outcome": "fail",
            "snapshot": "d" * 64,
            "changes": ["close-0pr1legacy000000001"],
        },
    }


@pytest.mark.parametrize(
    ("result", "status", "severity", "is_open"),
    [
        (FAILED, (3, "Fail"), "Critical", True),
        (UNKNOWN, (0, "Unknown"), "Medium", False),
        (PASSED, (1, "Pass"), "Informational", False),
        (SKIPPED, (99, "Not applicable"), "Informational", False),
    ],
    ids=("fail", "unknown", "pass", "not_applicable"),
)
def test_outcomes(
    result: CheckResult, status: tuple[int, str], severity: str, *, is_open: bool
) -> None:
    (event,) = validated(rendered("ocsf", with_results(result)))
    compliance = event["compliance"]
    assert (compliance["status_id"], compliance["status"]) == status
    assert event["severity"] == severity
    assert ("status_id" in event) is is_open


def test_the_schema_calls_them_so() -> None:
    words: Mapping[str, Any] = SCHEMA["objects"]["compliance"]["attributes"]["status_id"]["enum"]
    assert {number: word["caption"] for number, word in words.items()} == {
        "0": "Unknown",
        "1": "Pass",
        "2": "Warning",
        "3": "Fail",
        "99": "Other",
    }


def test_what_is_about_all_is_about_the_org() -> None:
    assert EVENTS[1]["resources"] == [
        {"name": ORIGIN, "type": "Okta org", "role_id": 3, "role": "Affected"}
    ]


def test_a_policy_and_a_kind_without_a_name_of_ours() -> None:
    policy = replace(FAILED, subject="policy", subject_id="00p1service00000001", subject_name="")
    other = replace(FAILED, subject="robot", policy_id=None)
    events = validated(rendered("ocsf", with_results(policy, other, checks=[])))
    assert [[one["type"] for one in event["resources"]] for event in events] == [
        ["Okta policy"],
        ["robot"],
    ]
    assert events[0]["compliance"]["control"] == FAILED.check
    assert "remediation" not in events[0]
    assert "name" not in events[0]["resources"][0]


def test_controls_of_another_catalog_keep_its_name() -> None:
    check = replace(CHECK, controls={"nist": ("IA-2",), "cis": ()})
    (event,) = validated(rendered("ocsf", with_results(FAILED, checks=[check])))
    assert event["compliance"]["requirements"] == ["nist: IA-2"]
    assert event["compliance"]["standards"] == ["nist"]


def test_the_finding_s_uid_stays_and_the_event_s_does_not() -> None:
    (later, *_) = validated(rendered("ocsf", replace(FOUND, now_ms=NOON_MS + 1)))
    assert later["finding_info"]["uid"] == EVENTS[0]["finding_info"]["uid"]
    assert later["metadata"]["uid"] != EVENTS[0]["metadata"]["uid"]


def test_nothing_at_all() -> None:
    assert rendered("ocsf", EMPTY) == ""


def test_thousands_of_results() -> None:
    assert len(rendered("ocsf", many(2000)).splitlines()) == 4000
