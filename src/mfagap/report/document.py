"""The one document that every format renders; its schema is docs/schema/finding.schema.json."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mfagap.detect.evaluate import rfc3339
from mfagap.model import Finding, MfaStatus, Reference, ScanResult

DEFAULT = frozenset({MfaStatus.SINGLE_FACTOR, MfaStatus.CHALLENGED, MfaStatus.UNSETTLED})
ALL = DEFAULT | {MfaStatus.STEP_UP, MfaStatus.EXPLAINED}
"""Statuses shown; a session with MFA is counted only."""


def shown(result: ScanResult, statuses: Iterable[MfaStatus]) -> list[Finding]:
    """Return the findings of ``statuses``, in the result's order."""
    wanted = frozenset(statuses)
    return [finding for finding in result.findings if finding.mfa_status in wanted]


def finding(found: Finding) -> dict[str, Any]:
    """Return ``found`` as JSON-ready values."""
    return {
        "detection": found.detection,
        "uuid": found.uuid,
        "mfa_status": found.mfa_status.value,
        "severity": found.severity.word,
        "confidence": found.confidence.value,
        "confidence_reasons": list(found.confidence_reasons),
        "title": found.title,
        "dedup_key": found.dedup_key,
        "mfa_link": found.mfa_link,
        "mfa_event": found.mfa_event,
        "explanation": found.explanation and reference(found.explanation),
        "annotations": [reference(note) for note in found.annotations],
        "policy": asdict(found.policy),
        "alert_context": asdict(found.alert_context),
    }


def reference(named: Reference) -> dict[str, str]:
    """Return ``named`` as JSON-ready values."""
    return {"name": named.name, "link": named.link, "event": named.event}


def summary(result: ScanResult) -> dict[str, Any]:
    """Return the counts of ``result`` as JSON-ready values."""
    totals = result.totals
    return {
        "now": rfc3339(result.now_ms),
        "oldest_event": None if totals.oldest_ms is None else rfc3339(totals.oldest_ms),
        "newest_event": None if totals.newest_ms is None else rfc3339(totals.newest_ms),
        "files": totals.files,
        "events": totals.deliveries,
        "duplicates": totals.duplicates,
        "future_events": totals.future,
        "unseen_events": result.unseen,
        "mfa_status": {status.value: count for status, count in result.counts.items()},
        "never_fires": dict(result.skipped),
        "alerts": len(result.alerts),
        "problems": [
            {"reason": reason.reason, "used": reason.used, "count": count}
            for reason, count in result.problems.items()
        ],
        "not_okta": dict(totals.foreign),
        "passed_over": dict(result.ignored),
    }
