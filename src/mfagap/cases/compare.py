"""Compares what a case expects with what was found: exactly, and in words."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mfagap.cases.load import Case
from mfagap.model import ALERTING, Alert, Evaluation, Finding, Reference


def differences(case: Case, evaluation: Evaluation, made: Iterable[Alert]) -> tuple[str, ...]:
    """Return each difference between what ``case`` expects and what was found."""
    return (
        *_repeated(case, evaluation),
        *_differences(_expected(case), _found(case, evaluation, made)),
    )


def _repeated(case: Case, evaluation: Evaluation) -> Iterator[str]:
    """Yield each start of which there is more than one finding."""
    times = Counter(finding.uuid for finding in evaluation.findings)
    for label, event_id in case.ids.items():
        if times[event_id] > 1:
            yield f"{label}: found {times[event_id]} times"


def _expected(case: Case) -> dict[str, Any]:
    findings = [_complete(finding) for finding in case.expect["findings"]]
    alone = [
        {"severity": finding["severity"], "findings": [finding["start"]]}
        for finding in findings
        if finding["mfa_status"] in ALERTING
    ]
    expected_alerts = case.expect.get("alerts", alone)
    return {
        "findings": {finding["start"]: finding for finding in findings},
        "alerts": sorted(expected_alerts, key=lambda alert: alert["findings"]),
        "skipped": case.expect.get("skipped", {}),
    }


def _complete(finding: Mapping[str, Any]) -> dict[str, Any]:
    absent: dict[str, Any] = {
        "severity": "informational",
        "confidence": "high",
        "confidence_reasons": [],
        "mfa": None,
        "explanation": None,
        "annotations": [],
        "policy": None,
    }
    return absent | dict(finding)


def _found(case: Case, evaluation: Evaluation, made: Iterable[Alert]) -> dict[str, Any]:
    labels = {event_id: label for label, event_id in case.ids.items()}
    with_keys = any("key" in alert for alert in case.expect.get("alerts", []))
    found_alerts = [
        {
            "severity": alert.severity.word,
            "findings": [labels.get(f.uuid, f.uuid) for f in alert.findings],
        }
        | ({"key": alert.dedup_key} if with_keys else {})
        for alert in made
    ]
    return {
        "findings": {labels.get(f.uuid, f.uuid): _plain(f, labels) for f in evaluation.findings},
        "alerts": sorted(found_alerts, key=lambda alert: alert["findings"]),
        "skipped": dict(evaluation.skipped),
    }


def _plain(finding: Finding, labels: Mapping[str, str]) -> dict[str, Any]:
    policy = finding.policy
    mfa = Reference("mfa", finding.mfa_link or "", finding.mfa_event or "")
    return {
        "start": labels.get(finding.uuid, finding.uuid),
        "mfa_status": finding.mfa_status.value,
        "severity": finding.severity.word,
        "confidence": finding.confidence.value,
        "confidence_reasons": list(finding.confidence_reasons),
        "mfa": _tie(mfa, labels) if finding.mfa_event else None,
        "explanation": finding.explanation and _named(finding.explanation, labels),
        "annotations": [_named(note, labels) for note in finding.annotations],
        "policy": {
            "result": policy.result,
            "rule_id": policy.rule_id,
            "link": policy.link,
            "event": labels.get(policy.event, policy.event),
        }
        if policy.event
        else None,
    }


def _tie(reference: Reference, labels: Mapping[str, str]) -> dict[str, str]:
    return {"link": reference.link, "event": labels.get(reference.event, reference.event)}


def _named(reference: Reference, labels: Mapping[str, str]) -> dict[str, str]:
    return {"name": reference.name} | _tie(reference, labels)


def _differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    wanted, got = expected["findings"], found["findings"]
    for start in sorted(wanted.keys() | got.keys()):
        if start not in got:
            yield f"{start}: expected {wanted[start]['mfa_status']}, found nothing"
        elif start not in wanted:
            yield f"{start}: expected nothing, found {got[start]['mfa_status']}"
        else:
            for key in sorted(wanted[start].keys() | got[start].keys()):
                if wanted[start].get(key) != got[start].get(key):
                    yield (
                        f"{start}.{key}: expected {_show(wanted[start].get(key))}, "
                        f"found {_show(got[start].get(key))}"
                    )
    for key in ("alerts", "skipped"):
        if expected[key] != found[key]:
            yield f"{key}: expected {_show(expected[key])}, found {_show(found[key])}"


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
