"""The one document that every format renders; its schema is docs/schema/finding.schema.json."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mfagap.detect.evaluate import rfc3339
from mfagap.model import Evidence, Finding, Investigation, MfaStatus, Reference, ScanResult

DEFAULT = frozenset({MfaStatus.SINGLE_FACTOR, MfaStatus.CHALLENGED, MfaStatus.UNSETTLED})
ALL = DEFAULT | {MfaStatus.STEP_UP, MfaStatus.EXPLAINED}
"""Statuses shown; a session with MFA is counted only."""


def shown(result: ScanResult, statuses: Iterable[MfaStatus]) -> list[Finding]:
    """Return the findings of ``statuses``, in the result's order."""
    wanted = frozenset(statuses)
    return [finding for finding in result.findings if finding.mfa_status in wanted]


def finding(found: Finding, investigated: Investigation | None) -> dict[str, Any]:
    """Return ``found``, and what its investigation came to, as JSON-ready values."""
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
        **_verdict(investigated),
    }


def _verdict(investigated: Investigation | None) -> dict[str, Any]:
    if investigated is None:
        return {"verdict": None, "verdict_reason": None, "follow_up_at": None, "evidence": []}
    verdict = investigated.verdict
    follow_up_ms = verdict.follow_up_ms
    return {
        "verdict": verdict.verdict.value,
        "verdict_reason": verdict.reason,
        "follow_up_at": None if follow_up_ms is None else rfc3339(follow_up_ms),
        "evidence": [entry for item in investigated.evidence for entry in evidence(item)],
    }


def evidence(item: Evidence) -> list[dict[str, Any]]:
    """Return one entry for each answer of a step, tier and detail; one alone where it has none.

    ``count`` is how many rows gave the answer, among those that are kept; ``amount`` what they
    count themselves.
    """
    about = {"step": item.step, "question": item.question}
    if item.failure is not None:
        return [about | _answer("failed", detail=item.failure)]
    if not item.answers:
        return [about | _answer("nothing")]
    entries: dict[tuple[str, str | None, int | None, str | None], dict[str, Any]] = {}
    for answer in item.answers:
        key = (answer.name, answer.tier, answer.amount, answer.detail)
        entry = entries.setdefault(
            key, about | _answer(answer.name, answer.tier, answer.amount, answer.detail)
        )
        entry["count"] += 1
        if answer.event is not None:
            entry["events"].append(answer.event)
    return list(entries.values())


def _answer(
    name: str, tier: str | None = None, amount: int | None = None, detail: str | None = None
) -> dict[str, Any]:
    return {
        "answer": name,
        "tier": tier,
        "amount": amount,
        "detail": detail,
        "count": 0,
        "events": list[str](),
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
        "verdicts": dict(
            sorted(Counter(i.verdict.verdict.value for i in result.investigations.values()).items())
        ),
        "problems": [
            {"reason": reason.reason, "used": reason.used, "count": count}
            for reason, count in result.problems.items()
        ],
        "not_okta": dict(totals.foreign),
        "passed_over": dict(result.ignored),
    }
