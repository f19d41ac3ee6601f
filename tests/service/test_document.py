"""Every value of a finding comes from the field of the log that it is named for."""

import io
import json
from pathlib import Path
from typing import Any

from mfagap.cases.templates import Templates
from mfagap.report import document
from mfagap.service.scan import Request, scan

START: dict[str, Any] = {
    "uuid": "the-start",
    "published": "2026-03-02T10:00:00.123Z",
    "actor.id": "00u1ada",
    "actor.alternateId": "ada@example.com",
    "client.ipAddress": "203.0.113.9",
    "client.userAgent.rawUserAgent": "curl/8.5.0",
    "authenticationContext.externalSessionId": "102session",
    "transaction.id": "transaction-1",
    "debugContext.debugData.requestId": "request-1",
    "debugContext.debugData.requestUri": "/API/v1/authn/?x=1",
}
POLICY: dict[str, Any] = START | {
    "uuid": "the-policy",
    "published": "2026-03-02T10:00:00.200Z",
    "target.0.id": "00ppolicy",
    "target.0.displayName": "Legacy Policy",
    "target.1.id": "0prrule",
    "target.1.displayName": "Legacy Rule",
}
LATER: dict[str, Any] = {"uuid": "later", "published": "2026-03-02T12:00:00Z"}

EXPECTED: dict[str, Any] = {
    "detection": "okta_legacy_authn_without_mfa",
    "uuid": "the-start",
    "mfa_status": "single_factor",
    "severity": "high",
    "confidence": "high",
    "confidence_reasons": [],
    "title": "ada@example.com signed in to Okta through the legacy API without a second factor",
    "dedup_key": "00u1ada",
    "mfa_link": None,
    "mfa_event": None,
    "explanation": None,
    "annotations": [],
    "policy": {
        "result": "ALLOW",
        "policy_id": "00ppolicy",
        "policy_name": "Legacy Policy",
        "rule_id": "0prrule",
        "rule_name": "Legacy Rule",
        "event": "the-policy",
        "link": "external_session_id",
    },
    "alert_context": {
        "user_email": "ada@example.com",
        "actor_id": "00u1ada",
        "source_ip": "203.0.113.9",
        "user_agent": "curl/8.5.0",
        "external_session_id": "102session",
        "transaction_id": "transaction-1",
        "request_uri": "/api/v1/authn",
        "session_start_time": "2026-03-02T10:00:00.123Z",
    },
    "verdict": None,
    "verdict_reason": None,
    "follow_up_at": None,
    "evidence": [],
}


def test_the_whole_document(tmp_path: Path) -> None:
    templates = Templates()
    events = (
        templates.event("session_start", START),
        templates.event("session_policy", POLICY),
        templates.event("idx_session_start", LATER),
    )
    file = tmp_path / "okta.ndjson"
    file.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    result = scan(Request([str(file)], io.BytesIO()))
    assert [document.finding(found, None) for found in result.findings] == [EXPECTED]
