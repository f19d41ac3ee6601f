"""Findings and results as a scan makes them, to be changed field by field."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mfagap.model import (
    AlertContext,
    Confidence,
    Finding,
    MfaStatus,
    Policy,
    ScanResult,
    Severity,
    Totals,
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
        findings=tuple(findings),
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
