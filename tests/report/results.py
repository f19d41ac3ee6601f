"""Findings and results as a scan makes them, to be changed field by field."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mfagap.model import (
    AlertContext,
    Answer,
    Confidence,
    Evidence,
    Finding,
    Investigation,
    MfaStatus,
    Policy,
    ScanResult,
    Severity,
    Totals,
    Verdict,
    VerdictWord,
)

NOON_MS = 1_768_478_400_000
NOON = "2026-01-15T12:00:00.000Z"
CHROME_131 = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)

CONTEXT = AlertContext(
    user_email="ada@example.com",
    actor_id="00u1ada0000000000001",
    source_ip="192.0.2.10",
    user_agent=CHROME_131,
    external_session_id="102A",
    transaction_id="trail",
    request_uri="/api/v1/authn",
    session_start_time=NOON,
)

POLICY = Policy(
    result="ALLOW",
    policy_id="00p1",
    policy_name="Default Policy",
    rule_id="0pr1",
    rule_name="Default Rule",
    event="policy-uuid",
    link="external_session_id",
)

FINDING = Finding(
    detection="okta_legacy_authn_without_mfa",
    uuid="start-uuid",
    start_ms=NOON_MS,
    mfa_status=MfaStatus.SINGLE_FACTOR,
    severity=Severity.MEDIUM,
    confidence=Confidence.HIGH,
    confidence_reasons=(),
    title="ada@example.com signed in",
    dedup_key="00u1ada0000000000001",
    mfa_link=None,
    mfa_event=None,
    explanation=None,
    annotations=(),
    policy=POLICY,
    alert_context=CONTEXT,
)


def with_context(**changes: Any) -> Finding:
    """Return a finding whose alert context has ``changes``."""
    return replace(FINDING, alert_context=replace(CONTEXT, **changes))


def result(findings: Sequence[Finding] = (), **changes: Any) -> ScanResult:
    """Return what a scan gives that found ``findings``."""
    counted = Counter(found.mfa_status for found in findings)
    plain = ScanResult(
        detections=(),
        findings=tuple(findings),
        investigations={},
        alerts=(),
        counts={status: counted[status] for status in MfaStatus},
        skipped={},
        totals=Totals(files=1, deliveries=2, oldest_ms=NOON_MS - 1000, newest_ms=NOON_MS),
        problems={},
        examples={},
        ignored=(),
        now_ms=NOON_MS,
        unseen=0,
    )
    return replace(plain, **changes)


def evidence(step: str, *answers: Answer, **changes: Any) -> Evidence:
    """Return what ``step`` found: ``answers``, and no more than they."""
    plain = Evidence(
        step=step,
        question=f"What of {step}?",
        query=f"SELECT '{step}'\nFROM events",
        parameters={"start_uuid": "start-uuid", "from_ms": NOON_MS - 60_000, "to_ms": NOON_MS},
        answers=answers,
        count=len(answers),
        digest="0" * 64,
        watermark_ms=NOON_MS + 3_600_000,
        duration_ms=7,
    )
    return replace(plain, **changes)


POLICY_SAID = Answer(
    NOON_MS + 53, "policy", "session", "policy-uuid", None, "ALLOW by Default Rule"
)
ACT = Answer(NOON_MS + 40_000, "act", "session", "act-uuid", None, "user.mfa.factor.activate (Ada)")
FAILED_BEFORE = Answer(NOON_MS, "users_failed_before", None, None, 15, None)
EVIDENCE = (
    evidence("client", Answer(NOON_MS, "new_device", None, "start-uuid", None, None)),
    evidence("factor", POLICY_SAID),
    evidence("acts", ACT),
    evidence("around", FAILED_BEFORE),
    evidence("window", Answer(NOON_MS, "whole_window", None, None, None, "60m"), query=None),
)
"""What the runbook's five steps could find for a session that is abused."""


def investigated(
    finding: Finding = FINDING, items: Sequence[Evidence] = EVIDENCE, **changes: Any
) -> dict[tuple[str, str], Investigation]:
    """Return a result's entry for ``finding``, whose verdict has ``changes``."""
    plain = Verdict(
        verdict=VerdictWord.TRUE_POSITIVE,
        severity=Severity.CRITICAL,
        reason="It acted. [acts] An act was seen [acts: act-uuid].",
        follow_up_ms=None,
        rests_on=("acts",),
    )
    verdict = replace(plain, **changes)
    found = Investigation(finding.detection, finding.uuid, finding.start_ms, verdict, tuple(items))
    return {(finding.detection, finding.uuid): found}
