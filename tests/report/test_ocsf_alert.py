"""What is told of an alert, as a Detection Finding."""

import json
from typing import Any

import pytest
from tests.notify.receivers import NOTICE
from tests.report.ocsf_schema import validated_events
from tests.report.results import NOON_MS

from mfagap import __version__
from mfagap.alerts import AlertStatus, Deed
from mfagap.model import Severity, VerdictWord
from mfagap.notify.notice import plain
from mfagap.report import ocsf

NOW_MS = NOON_MS + 3_600_000
USER_AGENT = {"type_id": 16, "type": "HTTP User-Agent"}


def event_of(**changes: Any) -> dict[str, Any]:
    """Return the one valid event of a notice with ``changes``."""
    event = ocsf.alert("7-12-soc", "an-identity", {**NOTICE, **changes}, NOW_MS)
    (valid,) = validated_events(json.dumps(event) + "\n")
    return valid


def test_the_whole_event() -> None:
    assert event_of(rules=["Default Rule"]) == {
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200401,
        "type_name": "Detection Finding: Create",
        "time": NOW_MS,
        "timezone_offset": 0,
        "metadata": {
            "version": "1.8.0",
            "profiles": ["incident"],
            "product": {"name": "mfagap", "vendor_name": "mfagap", "version": __version__},
            "uid": "an-identity",
            "log_provider": "Okta",
        },
        "message": "ada@example.com signed in",
        "severity_id": 4,
        "severity": "High",
        "status_id": 1,
        "status": "New",
        "is_alert": True,
        "verdict_id": 4,
        "verdict": "Suspicious",
        "finding_info": {
            "uid": "okta_legacy_authn_without_mfa:alert:7",
            "title": "ada@example.com signed in",
            "first_seen_time": NOON_MS,
            "last_seen_time": NOON_MS + 600_000,
            "analytic": {"type_id": 1, "type": "Rule", "uid": "okta_legacy_authn_without_mfa"},
            "attacks": [
                {
                    "tactic": {"uid": "TA0001", "name": "Initial Access"},
                    "technique": {"uid": "T1078", "name": "Valid Accounts"},
                    "sub_technique": {"uid": "T1078.004", "name": "Cloud Accounts"},
                    "version": "19.2",
                }
            ],
        },
        "evidences": [
            {
                "name": "user",
                "actor": {"user": {"name": "ada@example.com", "email_addr": "ada@example.com"}},
            },
            {"name": "address", "src_endpoint": {"ip": "192.0.2.10"}},
            {"name": "address", "src_endpoint": {"ip": "198.51.100.7"}},
            {"name": "client", "data": {"user_agent": "curl/8.5.0"}},
            {"name": "session", "actor": {"session": {"uid": "102A"}}},
        ],
        "resources": [
            {
                "name": "ada@example.com",
                "type": "Okta user",
                "role_id": 3,
                "role": "Affected",
            },
            {
                "name": "Default Rule",
                "type": "Okta policy rule",
                "role_id": 4,
                "role": "Related",
            },
        ],
        "observables": [
            {
                "name": "evidences[0].actor.user.name",
                "type_id": 4,
                "type": "User Name",
                "value": "ada@example.com",
            },
            {
                "name": "evidences[0].actor.user.email_addr",
                "type_id": 5,
                "type": "Email Address",
                "value": "ada@example.com",
            },
            {
                "name": "evidences[1].src_endpoint.ip",
                "type_id": 2,
                "type": "IP Address",
                "value": "192.0.2.10",
            },
            {
                "name": "evidences[2].src_endpoint.ip",
                "type_id": 2,
                "type": "IP Address",
                "value": "198.51.100.7",
            },
            {"name": "evidences[3].data.user_agent", "value": "curl/8.5.0", **USER_AGENT},
        ],
        "unmapped": {"kind": "opened", "alert": 7, "sessions": 2, "key": "7-12-soc"},
    }


@pytest.mark.parametrize(
    ("kind", "activity"),
    [
        (Deed.OPENED, (1, "Create")),
        (Deed.WORSENED, (2, "Update")),
        (Deed.REOPENED, (2, "Update")),
        (Deed.RETRACTED, (3, "Close")),
        ("test", (99, "Test")),
    ],
)
def test_what_happened_to_it(kind: str, activity: tuple[int, str]) -> None:
    event = event_of(kind=str(kind))
    assert (event["activity_id"], event["activity_name"]) == activity
    assert event["type_uid"] == 200400 + activity[0]
    assert event["unmapped"]["kind"] == kind


def test_every_status_severity_and_verdict_is_the_schemas() -> None:
    statuses = [event_of(status=status.value)["status"] for status in AlertStatus]
    assert statuses == ["New", "In Progress", "Resolved"]
    severities = [event_of(severity=severity.word)["severity"] for severity in Severity]
    assert severities == ["Informational", "Low", "Medium", "High", "Critical"]
    verdicts = [event_of(verdict=word.value)["verdict"] for word in VerdictWord]
    assert len(set(verdicts)) == len(VerdictWord)
    assert event_of(verdict=None)["verdict"] == "Unknown"


def test_an_alert_without_sessions() -> None:
    told = plain(Deed.RETRACTED, 3, "silent_source", "heard again", Severity.MEDIUM)
    event = ocsf.alert("3-1-soc", "an-identity", told, NOW_MS)
    (valid,) = validated_events(json.dumps(event) + "\n")
    assert {"evidences", "resources", "observables"}.isdisjoint(valid)
    assert valid["finding_info"] == {
        "uid": "silent_source:alert:3",
        "title": "heard again",
        "analytic": {"type_id": 1, "type": "Rule", "uid": "silent_source"},
    }
    assert (valid["status"], valid["severity"]) == ("Resolved", "Medium")


def test_what_the_schema_does_not_take_is_unmapped() -> None:
    odd = ["fe80::1%<script>", "x" * 50]
    event = event_of(addresses=["192.0.2.10", *odd], why="a factor came late", more=["of it"])
    assert event["unmapped"] == {
        "kind": "opened",
        "alert": 7,
        "sessions": 2,
        "why": "a factor came late",
        "addresses": odd,
        "more": ["of it"],
        "key": "7-12-soc",
    }
    assert [e["src_endpoint"] for e in event["evidences"] if e["name"] == "address"] == [
        {"ip": "192.0.2.10"}
    ]
