"""Compares what a case expects with what was found: exactly, and in words."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mfagap.cases.load import Case, offset
from mfagap.model import ALERTING, Alert, Evaluation, Finding, Investigation, Reference, Severity

Investigations = Mapping[str, Investigation]
"""What the runbook came to, by the ``uuid`` of the start."""


def differences(
    case: Case,
    evaluation: Evaluation,
    made: Iterable[Alert],
    investigations: Investigations | None = None,
) -> tuple[str, ...]:
    """Return each difference between what ``case`` expects and what was found.

    Args:
        case: What is expected.
        evaluation: What the detection said, before any verdict.
        made: The alerts, with the severities of the verdicts.
        investigations: Of every finding; None where the runbook was not run, and then nothing that
            it comes to is compared.
    """
    expected, found = _expected(case), _found(case, evaluation, made)
    if investigations is None:
        for finding in expected["findings"].values():
            for key in _VERDICT_KEYS:
                finding.pop(key, None)
    else:
        labels = _labels(case)
        for uuid, investigation in investigations.items():
            start = labels.get(uuid, uuid)
            wanted = expected["findings"].get(start, {})
            found["findings"][start] |= _concluded(investigation, labels, wanted)
    return (*_repeated(case, evaluation), *_differences(expected, found))


def verdict_differences(case: Case, investigations: Investigations) -> tuple[str, ...]:
    """Return each difference between the verdicts that ``case`` expects and ``investigations``."""
    labels = _labels(case)
    wanted = {finding["start"]: _complete(finding) for finding in case.expect["findings"]}
    told = ({key: w[key] for key in _VERDICT_KEYS if key in w} for w in wanted.values())
    expected = {"findings": dict(zip(wanted, told, strict=True))}
    found = {
        "findings": {
            labels[uuid]: _concluded(investigation, labels, wanted[labels[uuid]])
            for uuid, investigation in investigations.items()
        }
    }
    return tuple(_differences(expected, found, counted=()))


def expected_severities(case: Case, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield ``findings`` with the severities that ``case`` expects of the verdicts."""
    labels = _labels(case)
    raised = {finding["start"]: finding.get("raised") for finding in case.expect["findings"]}
    for finding in findings:
        word = raised.get(labels.get(finding.uuid, ""))
        yield replace(finding, severity=Severity[word.upper()]) if word else finding


_VERDICT_KEYS = ("verdict", "raised", "follow_up", "evidence")


def _labels(case: Case) -> Mapping[str, str]:
    return {event_id: label for label, event_id in case.ids.items()}


def _concluded(
    investigation: Investigation, labels: Mapping[str, str], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what an investigation came to, as a case writes it; evidence only if it is wanted."""
    verdict = investigation.verdict
    follow_up_ms = verdict.follow_up_ms
    concluded: dict[str, Any] = {
        "verdict": verdict.verdict.value,
        "raised": verdict.severity.word,
        "follow_up": None if follow_up_ms is None else follow_up_ms - investigation.start_ms,
    }
    if "evidence" in wanted:
        concluded["evidence"] = [
            {
                key: value
                for key, value in (
                    ("answer", answer.name),
                    ("tier", answer.tier),
                    ("event", labels.get(answer.event or "", answer.event)),
                    ("amount", answer.amount),
                    ("detail", answer.detail),
                )
                if value is not None
            }
            for item in investigation.evidence
            for answer in item.answers
        ] + [{"failed": item.step} for item in investigation.evidence if item.failure is not None]
    return concluded


def _repeated(case: Case, evaluation: Evaluation) -> Iterator[str]:
    """Yield each start of which there is more than one finding."""
    times = Counter(finding.uuid for finding in evaluation.findings)
    for label, event_id in case.ids.items():
        if times[event_id] > 1:
            yield f"{label}: found {times[event_id]} times"


def _expected(case: Case) -> dict[str, Any]:
    findings = [_complete(finding) for finding in case.expect["findings"]]
    alone = [
        {"severity": finding["raised"], "findings": [finding["start"]]}
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
    whole = absent | dict(finding)
    follow_up = whole.get("follow_up")
    return whole | {
        "raised": whole.get("raised", whole["severity"]),
        "follow_up": None if follow_up is None else round(offset(follow_up) * 1000),
    }


def _found(case: Case, evaluation: Evaluation, made: Iterable[Alert]) -> dict[str, Any]:
    labels = _labels(case)
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


def _differences(
    expected: Mapping[str, Any],
    found: Mapping[str, Any],
    counted: Iterable[str] = ("alerts", "skipped"),
) -> Iterator[str]:
    wanted, got = expected["findings"], found["findings"]
    for start in sorted(wanted.keys() | got.keys()):
        if start not in got:
            yield f"{start}: expected {wanted[start].get('mfa_status')}, found nothing"
        elif start not in wanted:
            yield f"{start}: expected nothing, found {got[start].get('mfa_status')}"
        else:
            for key in sorted(wanted[start].keys() | got[start].keys()):
                if wanted[start].get(key) != got[start].get(key):
                    yield (
                        f"{start}.{key}: expected {_show(wanted[start].get(key))}, "
                        f"found {_show(got[start].get(key))}"
                    )
    for key in counted:
        if expected[key] != found[key]:
            yield f"{key}: expected {_show(expected[key])}, found {_show(found[key])}"


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
