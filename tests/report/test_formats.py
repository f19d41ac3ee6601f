import csv as reader
import io
import json
from dataclasses import replace
from types import ModuleType

import pytest
from tests.report.results import (
    EVIDENCE,
    FINDING,
    NOON,
    NOON_MS,
    POLICY_SAID,
    evidence,
    investigated,
    result,
    with_context,
)
from tests.report.schema import validated_document, validated_lines

from mfagap.model import (
    Finding,
    MfaStatus,
    Policy,
    Reason,
    Reference,
    ScanResult,
    Severity,
    Totals,
    VerdictWord,
)
from mfagap.report import csv, document, jsonl
from mfagap.report import json as whole

HOSTILE = "=cmd|' /C calc'!A0\x1b]0;owned\x07\u202e\r\n[red]é日[/red]\ud800"
STEP_UP = replace(
    FINDING,
    uuid="step-uuid",
    mfa_status=MfaStatus.STEP_UP,
    severity=Severity.INFORMATIONAL,
    mfa_link="request_trail",
    mfa_event="mfa-uuid",
    explanation=Reference("desktop_sso", "start", "iwa-uuid"),
    annotations=(
        Reference("push_denied", "external_session_id", "push-uuid"),
        Reference("radius", "request_trail", "radius-uuid"),
    ),
    confidence_reasons=("no_policy_event", "remembered_device"),
    policy=Policy(),
)


def _rendered(renderer: ModuleType, scanned: ScanResult) -> str:
    out = io.StringIO()
    renderer.render(scanned, document.ALL, out)
    return out.getvalue()


def test_only_the_wanted_statuses_are_shown_in_the_results_order() -> None:
    findings = [replace(FINDING, uuid=status.value, mfa_status=status) for status in MfaStatus]
    scanned = result(findings)
    default = [found.uuid for found in document.shown(scanned, document.DEFAULT)]
    everything = [found.uuid for found in document.shown(scanned, document.ALL)]
    assert default == ["unsettled", "challenged", "single_factor"]
    assert everything == ["unsettled", "step_up", "challenged", "explained", "single_factor"]


def test_a_line_has_every_key() -> None:
    (line,) = validated_lines(_rendered(jsonl, result([STEP_UP])))
    assert line == {
        "detection": "okta_legacy_authn_without_mfa",
        "uuid": "step-uuid",
        "mfa_status": "step_up",
        "severity": "informational",
        "confidence": "high",
        "confidence_reasons": ["no_policy_event", "remembered_device"],
        "title": "ada@example.com signed in",
        "dedup_key": "00u1ada0000000000001",
        "mfa_link": "request_trail",
        "mfa_event": "mfa-uuid",
        "explanation": {"name": "desktop_sso", "link": "start", "event": "iwa-uuid"},
        "annotations": [
            {"name": "push_denied", "link": "external_session_id", "event": "push-uuid"},
            {"name": "radius", "link": "request_trail", "event": "radius-uuid"},
        ],
        "policy": {
            "result": None,
            "policy_id": None,
            "policy_name": None,
            "rule_id": None,
            "rule_name": None,
            "event": None,
            "link": None,
        },
        "alert_context": {
            "user_email": "ada@example.com",
            "actor_id": "00u1ada0000000000001",
            "source_ip": "192.0.2.10",
            "user_agent": FINDING.alert_context.user_agent,
            "external_session_id": "102A",
            "transaction_id": "trail",
            "request_uri": "/api/v1/authn",
            "session_start_time": NOON,
        },
        "verdict": None,
        "verdict_reason": None,
        "follow_up_at": None,
        "evidence": [],
    }


def test_a_line_tells_the_verdict_and_the_evidence() -> None:
    items = (
        replace(EVIDENCE[1], answers=(POLICY_SAID, replace(POLICY_SAID, event="again-uuid"))),
        EVIDENCE[2],
        EVIDENCE[3],
        evidence("client"),
        evidence("window", failure="no memory"),
    )
    found = investigated(items=items, follow_up_ms=NOON_MS)
    (line,) = validated_lines(_rendered(jsonl, result([FINDING], investigations=found)))
    assert line["verdict"] == "true_positive"
    assert line["verdict_reason"] == "It acted. [acts] An act was seen [acts: act-uuid]."
    assert line["follow_up_at"] == NOON
    keys = ("step", "question", "answer", "tier", "amount", "detail", "count", "events")
    assert [tuple(item) for item in line["evidence"]] == [keys] * 5
    said, asked = "ALLOW by Default Rule", "user.mfa.factor.activate (Ada)"
    events = ["policy-uuid", "again-uuid"]
    assert [tuple(item.values()) for item in line["evidence"]] == [
        ("factor", "What of factor?", "policy", "session", None, said, 2, events),
        ("acts", "What of acts?", "act", "session", None, asked, 1, ["act-uuid"]),
        ("around", "What of around?", "users_failed_before", None, 15, None, 1, []),
        ("client", "What of client?", "nothing", None, None, None, 0, []),
        ("window", "What of window?", "failed", None, None, "no memory", 0, []),
    ]


@pytest.mark.parametrize("renderer", [jsonl, whole])
def test_json_is_ascii_and_loses_nothing(renderer: ModuleType) -> None:
    text = _rendered(renderer, result([with_context(user_agent=HOSTILE, user_email=HOSTILE)]))
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    found = (
        validated_lines(text)[0] if renderer is jsonl else validated_document(text)["findings"][0]
    )
    assert found["alert_context"]["user_agent"] == HOSTILE


def test_nothing_found_is_no_line() -> None:
    assert _rendered(jsonl, result()) == ""


def test_json_tells_all_that_the_notes_tell() -> None:
    scanned = result(
        [FINDING],
        counts={status: place for place, status in enumerate(MfaStatus)},
        skipped={"no user": 2},
        totals=Totals(3, 9, 1, 1, NOON_MS - 1000, NOON_MS, {"notes.txt": "holds no Okta event"}),
        problems={Reason("not JSON", used=False): 4},
        examples={Reason("not JSON", used=False): ("a:1",)},
        ignored=(("pipe", "no regular file"),),
        unseen=5,
        investigations={
            **investigated(replace(FINDING, uuid="a")),
            **investigated(replace(FINDING, uuid="b")),
            **investigated(verdict=VerdictWord.BENIGN),
        },
    )
    assert validated_document(_rendered(whole, scanned))["summary"] == {
        "now": NOON,
        "oldest_event": "2026-01-15T11:59:59.000Z",
        "newest_event": NOON,
        "files": 3,
        "events": 9,
        "duplicates": 1,
        "future_events": 1,
        "unseen_events": 5,
        "mfa_status": {
            "mfa": 0,
            "unsettled": 1,
            "step_up": 2,
            "challenged": 3,
            "explained": 4,
            "single_factor": 5,
        },
        "never_fires": {"no user": 2},
        "alerts": 0,
        "verdicts": {"benign": 1, "true_positive": 2},
        "problems": [{"reason": "not JSON", "used": False, "count": 4}],
        "not_okta": {"notes.txt": "holds no Okta event"},
        "passed_over": {"pipe": "no regular file"},
    }


def test_json_without_events_has_no_span() -> None:
    summary = validated_document(_rendered(whole, result(totals=Totals())))["summary"]
    assert (summary["oldest_event"], summary["newest_event"]) == (None, None)


def _rows(finding: Finding) -> dict[str, str]:
    (row,) = reader.DictReader(io.StringIO(_rendered(csv, result([finding]))))
    return row


def test_csv_parses_back() -> None:
    row = _rows(STEP_UP)
    assert list(row) == list(csv.COLUMNS)
    assert row["mfa_status"] == "step_up"
    assert row["alert_context.session_start_time"] == NOON
    assert row["confidence_reasons"] == "no_policy_event remembered_device"
    assert row["explanation"] == "desktop_sso=iwa-uuid"
    assert row["annotations"] == "push_denied=push-uuid radius=radius-uuid"
    assert row["policy.result"] == ""


def test_csv_has_a_column_for_every_value() -> None:
    line = json.loads(_rendered(jsonl, result([STEP_UP])))
    nested = ("policy", "alert_context")
    names = {f"{key}.{inner}" for key in nested for inner in line[key]}
    flat = set(line) - set(nested)
    # What ties the policy event to the start, and each step's evidence, are details that JSON has.
    assert set(csv.COLUMNS) == (names | flat) - {"policy.event", "policy.link", "evidence"}


def test_csv_tells_the_verdict() -> None:
    text = _rendered(csv, result([FINDING], investigations=investigated(follow_up_ms=NOON_MS)))
    (row,) = reader.DictReader(io.StringIO(text))
    assert (row["verdict"], row["follow_up_at"]) == ("true_positive", NOON)
    assert row["verdict_reason"] == "It acted. [acts] An act was seen [acts: act-uuid]."
    assert (_rows(FINDING)["verdict"], _rows(FINDING)["verdict_reason"]) == ("", "")


def test_csv_opens_no_formula_in_a_reason() -> None:
    found = investigated(reason="=cmd|' /C calc'!A0\n")
    text = _rendered(csv, result([FINDING], investigations=found))
    (row,) = reader.DictReader(io.StringIO(text))
    assert row["verdict_reason"] == "'=cmd|' /C calc'!A0\\x0a"


def test_csv_opens_no_formula_and_keeps_one_line() -> None:
    text = _rendered(csv, result([with_context(user_agent=HOSTILE, user_email="+1@example.com")]))
    assert len(text.splitlines()) == 2
    row = _rows(with_context(user_agent=HOSTILE, user_email="+1@example.com"))
    assert row["alert_context.user_email"] == "'+1@example.com"
    assert row["alert_context.user_agent"].startswith("'=cmd|")
    assert row["alert_context.user_agent"].isprintable()
