import io
from dataclasses import replace
from pathlib import Path

import pytest
from examples import demo_org
from tests.detect.shipped import ID
from tests.report.ocsf_events import (
    EVIDENCE,
    HOUR_LATER_MS,
    VERDICT,
    event_of,
    investigated,
    lacking,
    rendered,
)
from tests.report.ocsf_schema import validated_events
from tests.report.results import CHROME_131, FINDING, NOON, NOON_MS, result

from mfagap import __version__
from mfagap.detect.load import load_all
from mfagap.model import (
    Confidence,
    Detection,
    MfaStatus,
    Reference,
    Severity,
    Technique,
    VerdictWord,
)
from mfagap.report import document
from mfagap.service.scan import Request, scan


@pytest.fixture(scope="module")
def shipped() -> Detection:
    return next(detection for detection in load_all() if detection.id == ID)


def test_a_scan_of_the_demo_is_valid(tmp_path: Path) -> None:
    demo_org.main(str(tmp_path))
    scanned = scan(Request([str(tmp_path)], io.BytesIO()))
    events = validated_events(rendered(scanned, document.ALL))
    shown = document.shown(scanned, document.ALL)
    assert [event["metadata"]["original_event_uid"] for event in events] == [f.uuid for f in shown]
    ran = [scanned.investigations[found.detection, found.uuid] for found in shown]
    reasons = [investigation.verdict.reason for investigation in ran]
    assert [event["risk_details"] for event in events] == reasons
    verdicts = {event["verdict"] for event in events}
    assert verdicts >= {"True Positive", "Suspicious", "Security Risk", "Benign"}
    assert len({event["finding_info"]["uid"] for event in events}) == len(events)
    alerts = sum(len(alert.findings) for alert in scanned.alerts)
    assert sum(event["is_alert"] for event in events) == alerts > 0
    steps = {evidence["data"]["step"] for e in events for evidence in e["evidences"][1:]}
    assert steps == {"client", "factor", "acts", "around", "window"}


def test_the_findings_of_the_wanted_statuses_are_shown() -> None:
    findings = [replace(FINDING, uuid=status.value, mfa_status=status) for status in MfaStatus]
    events = validated_events(rendered(result(findings), document.DEFAULT))
    uids = [event["finding_info"]["uid"] for event in events]
    assert uids == [f"{ID}:{status}" for status in ("unsettled", "challenged", "single_factor")]


def test_nothing_found_is_no_line() -> None:
    assert rendered(result()) == ""


def test_the_class_and_its_main_values() -> None:
    event = event_of(investigated(FINDING))
    parts = ("finding_info", "evidences", "resources", "observables", "unmapped")
    assert lacking(event, *parts) == {
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200401,
        "type_name": "Detection Finding: Create",
        "time": HOUR_LATER_MS,
        "timezone_offset": 0,
        "start_time": NOON_MS - 5000,
        "end_time": NOON_MS + 90_000,
        "metadata": {
            "version": "1.8.0",
            "profiles": ["incident"],
            "product": {"name": "mfagap", "vendor_name": "mfagap", "version": __version__},
            "uid": f"{ID}:start-uuid:{HOUR_LATER_MS}",
            "original_event_uid": "start-uuid",
            "log_provider": "Okta",
        },
        "message": "ada@example.com signed in",
        "severity_id": 3,
        "severity": "Medium",
        "confidence_id": 3,
        "confidence": "High",
        "status_id": 1,
        "status": "New",
        "is_alert": True,
        "verdict_id": 2,
        "verdict": "True Positive",
        "risk_details": "It did what keeps access [acts: act-uuid].",
    }


def test_the_finding_names_every_event_once() -> None:
    found = replace(
        FINDING,
        mfa_event="mfa-uuid",
        explanation=Reference("desktop_sso", "start", "iwa-uuid"),
        annotations=(Reference("push_denied", "external_session_id", "push-uuid"),),
    )
    related = "Okta System Log event"
    assert event_of(investigated(found))["finding_info"] == {
        "uid": f"{ID}:start-uuid",
        "title": "ada@example.com signed in",
        "created_time": HOUR_LATER_MS,
        "first_seen_time": NOON_MS,
        "last_seen_time": NOON_MS + 90_000,
        "related_events": [
            {"uid": "start-uuid", "type": related, "title": "start"},
            {"uid": "policy-uuid", "type": related, "title": "policy, factor: policy"},
            {"uid": "mfa-uuid", "type": related, "title": "mfa"},
            {"uid": "iwa-uuid", "type": related, "title": "desktop_sso"},
            {"uid": "push-uuid", "type": related, "title": "push_denied"},
            {"uid": "act-uuid", "type": related, "title": "acts: act"},
            {"uid": "later-uuid", "type": related, "title": "acts: act"},
        ],
        "related_events_count": 7,
        "analytic": {"type_id": 1, "type": "Rule", "uid": ID},
    }


def test_the_start_is_the_first_evidence() -> None:
    start, *_ = event_of(investigated(FINDING))["evidences"]
    assert start == {
        "name": "user.session.start",
        "uid": "start-uuid",
        "actor": {
            "user": {
                "uid": "00u1ada0000000000001",
                "name": "ada@example.com",
                "email_addr": "ada@example.com",
            },
            "session": {"uid": "102A", "created_time": NOON_MS, "is_mfa": False},
            "authorizations": [
                {
                    "decision": "ALLOW",
                    "policy": {
                        "type": "Okta session policy",
                        "uid": "00p1",
                        "name": "Default Policy",
                    },
                }
            ],
        },
        "src_endpoint": {"ip": "192.0.2.10"},
        "http_request": {"user_agent": CHROME_131, "url": {"path": "/api/v1/authn"}},
    }


def test_each_answer_is_evidence() -> None:
    _, *answers = event_of(investigated(FINDING))["evidences"]
    told = [entry for item in EVIDENCE for entry in document.evidence(item)]
    assert [answer["data"] for answer in answers] == told
    assert [answer["name"] for answer in answers] == [
        "acts: act",
        "factor: policy",
        "around: users_failed_before",
        "client: nothing",
        "window: failed",
    ]
    assert answers[0]["data"] == {
        "step": "acts",
        "question": "acts?",
        "answer": "act",
        "tier": "session",
        "amount": None,
        "detail": "user.lifecycle.create",
        "count": 2,
        "events": ["act-uuid", "later-uuid"],
    }


def test_the_account_and_the_rule_are_resources() -> None:
    assert event_of(result([FINDING]))["resources"] == [
        {
            "uid": "00u1ada0000000000001",
            "name": "ada@example.com",
            "type": "Okta user",
            "role_id": 3,
            "role": "Affected",
        },
        {
            "uid": "0pr1",
            "name": "Default Rule",
            "type": "Okta policy rule",
            "role_id": 4,
            "role": "Related",
        },
    ]


def test_observables_point_at_their_values() -> None:
    event = event_of(result([FINDING]))
    kinds = [(observable["type"], observable["value"]) for observable in event["observables"]]
    assert kinds == [
        ("User Name", "ada@example.com"),
        ("Email Address", "ada@example.com"),
        ("User Object: uid", "00u1ada0000000000001"),
        ("IP Address", "192.0.2.10"),
        ("HTTP User-Agent", CHROME_131),
    ]
    for observable in event["observables"]:
        first, *path = observable["name"].split(".")
        assert first == "evidences[0]"
        value = event["evidences"][0]
        for name in path:
            value = value[name]
        assert value == observable["value"]


def test_what_has_no_place_in_the_schema_is_kept() -> None:
    found = replace(
        FINDING,
        mfa_link="request_trail",
        mfa_event="mfa-uuid",
        explanation=Reference("desktop_sso", "start", "iwa-uuid"),
        annotations=(Reference("push_denied", "external_session_id", "push-uuid"),),
        confidence_reasons=("no_policy_event",),
    )
    assert event_of(investigated(found))["unmapped"] == {
        "mfa_status": "single_factor",
        "mfa_link": "request_trail",
        "mfa_event": "mfa-uuid",
        "explanation": {"name": "desktop_sso", "link": "start", "event": "iwa-uuid"},
        "annotations": [
            {"name": "push_denied", "link": "external_session_id", "event": "push-uuid"}
        ],
        "confidence_reasons": ["no_policy_event"],
        "policy": {
            "result": "ALLOW",
            "policy_id": "00p1",
            "policy_name": "Default Policy",
            "rule_id": "0pr1",
            "rule_name": "Default Rule",
            "event": "policy-uuid",
            "link": "external_session_id",
        },
        "transaction_id": "trail",
        "dedup_key": "00u1ada0000000000001",
        "follow_up_at": NOON.replace("00.000Z", "01.000Z"),
    }


@pytest.mark.parametrize(
    ("word", "number", "told"),
    [
        (VerdictWord.FALSE_POSITIVE, 1, "False Positive"),
        (VerdictWord.TRUE_POSITIVE, 2, "True Positive"),
        (VerdictWord.SUSPICIOUS, 4, "Suspicious"),
        (VerdictWord.BENIGN, 5, "Benign"),
        (VerdictWord.INSUFFICIENT_DATA, 7, "Insufficient Data"),
        (VerdictWord.SECURITY_RISK, 8, "Security Risk"),
    ],
)
def test_verdicts_are_ocsfs(word: VerdictWord, number: int, told: str) -> None:
    event = event_of(investigated(FINDING, replace(VERDICT, verdict=word, follow_up_ms=None)))
    assert (event["verdict_id"], event["verdict"]) == (number, told)
    assert "follow_up_at" not in event["unmapped"]


def test_no_investigation_is_an_unknown_verdict() -> None:
    event = event_of(result([FINDING]))
    assert (event["verdict_id"], event["verdict"]) == (0, "Unknown")
    assert "risk_details" not in event
    assert len(event["evidences"]) == 1
    times = [event["time"], event["start_time"], event["end_time"]]
    assert times == [NOON_MS] * 3


@pytest.mark.parametrize(("severity", "number"), [*zip(Severity, range(1, 6), strict=True)])
def test_severities(severity: Severity, number: int) -> None:
    event = event_of(result([replace(FINDING, severity=severity)]))
    assert (event["severity_id"], event["severity"].lower()) == (number, severity.word)


@pytest.mark.parametrize(
    ("confidence", "number"), [(Confidence.LOW, 1), (Confidence.MEDIUM, 2), (Confidence.HIGH, 3)]
)
def test_confidences(confidence: Confidence, number: int) -> None:
    event = event_of(result([replace(FINDING, confidence=confidence)]))
    assert (event["confidence_id"], event["confidence"].lower()) == (number, confidence.value)


@pytest.mark.parametrize(
    ("status", "alerts", "factors"),
    [
        (MfaStatus.MFA, False, True),
        (MfaStatus.UNSETTLED, False, None),
        (MfaStatus.STEP_UP, False, None),
        (MfaStatus.CHALLENGED, True, False),
        (MfaStatus.EXPLAINED, False, None),
        (MfaStatus.SINGLE_FACTOR, True, False),
    ],
)
def test_mfa_statuses(status: MfaStatus, alerts: bool, factors: bool | None) -> None:
    event = event_of(result([replace(FINDING, mfa_status=status)]))
    assert event["is_alert"] is alerts
    assert event["evidences"][0]["actor"]["session"].get("is_mfa") is factors
    assert event["unmapped"]["mfa_status"] == status.value


def test_the_detection_adds_what_it_knows(shipped: Detection) -> None:
    event = event_of(result([FINDING], detections=(shipped,)))
    info = event["finding_info"]
    assert info["analytic"] == {
        "type_id": 1,
        "type": "Rule",
        "uid": ID,
        "name": shipped.title,
        "state_id": 1,
        "state": "Active",
    }
    assert info["desc"] == shipped.description
    assert info["data_sources"] == list(shipped.data_sources)
    assert info["types"] == list(shipped.categories)
    assert event["metadata"]["labels"] == list(shipped.tags)
    assert event["remediation"] == {
        "desc": "\n".join(shipped.prevention),
        "references": list(shipped.references),
    }
    assert len(info["attacks"]) == len(shipped.attack)


def test_attack_is_told_in_three_parts(shipped: Detection) -> None:
    pairs = (
        Technique("TA0001", "T1078.004"),
        Technique("TA0006", "T1556"),
        Technique("TA9999", "T9999.001"),
    )
    changed = replace(shipped, attack=pairs, attack_version="19.2")
    event = event_of(result([FINDING], detections=(changed,)))
    assert event["finding_info"]["attacks"] == [
        {
            "tactic": {"uid": "TA0001", "name": "Initial Access"},
            "technique": {"uid": "T1078", "name": "Valid Accounts"},
            "sub_technique": {"uid": "T1078.004", "name": "Cloud Accounts"},
            "version": "19.2",
        },
        {
            "tactic": {"uid": "TA0006", "name": "Credential Access"},
            "technique": {"uid": "T1556", "name": "Modify Authentication Process"},
            "version": "19.2",
        },
        {
            "tactic": {"uid": "TA9999"},
            "technique": {"uid": "T9999"},
            "sub_technique": {"uid": "T9999.001"},
            "version": "19.2",
        },
    ]


@pytest.mark.parametrize(
    ("status", "number", "told"),
    [
        ("stable", 1, "Active"),
        ("experimental", 3, "Experimental"),
        ("test", 99, "test"),
        ("deprecated", 99, "deprecated"),
    ],
)
def test_a_detections_status(shipped: Detection, status: str, number: int, told: str) -> None:
    event = event_of(result([FINDING], detections=(replace(shipped, status=status),)))
    analytic = event["finding_info"]["analytic"]
    assert (analytic["state_id"], analytic["state"]) == (number, told)


def test_a_sparse_detection_adds_no_empty_lists(shipped: Detection) -> None:
    sparse = replace(
        shipped, attack=(), tags=(), categories=(), data_sources=(), prevention=(), references=()
    )
    event = event_of(result([FINDING], detections=(sparse,)))
    assert "remediation" not in event
    assert "labels" not in event["metadata"]
    assert not {"attacks", "types", "data_sources"} & set(event["finding_info"])
    advised = replace(sparse, prevention=("Require a factor.",))
    event = event_of(result([FINDING], detections=(advised,)))
    assert event["remediation"] == {"desc": "Require a factor."}
