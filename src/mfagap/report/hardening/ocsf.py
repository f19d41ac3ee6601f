"""OCSF: one Compliance Finding (class 2003, version 1.8.0) a line, for each result of a check.

Values that the schema has no place for are under ``unmapped``, in the words of ``document``.
"""

from collections.abc import Mapping
from typing import IO, Any

from mfagap.model import Severity
from mfagap.model.hardening import (
    Check,
    CheckOutcome,
    CheckResult,
    Hardening,
)
from mfagap.report.clean import json_line
from mfagap.report.hardening import document
from mfagap.report.ocsf_objects import (
    CREATE,
    OTHER,
    event_class,
    given,
    product,
    resource,
    severity,
)

_CLASS = (2003, "Compliance Finding")
_STATUS: Mapping[CheckOutcome, tuple[int, str]] = {
    CheckOutcome.PASSED: (1, "Pass"),
    CheckOutcome.FAIL: (3, "Fail"),
    CheckOutcome.UNKNOWN: (0, "Unknown"),
    CheckOutcome.NOT_APPLICABLE: (OTHER, "Not applicable"),
}
"""Of the check; a word of its own goes with Other."""

_KINDS = {
    "rule": "Okta policy rule",
    "policy": "Okta policy",
    "user": "Okta user",
    "api_token": "Okta API token",
    "zone": "Okta network zone",
}
_STANDARDS = {"stig": "DISA STIG, Okta Identity as a Service", "cis": "CIS Controls"}


def render(found: Hardening, out: IO[str]) -> None:
    """Write the results of ``found`` to ``out``."""
    checks = {check.id: check for check in found.checks}
    names = document.names(found.snapshot)
    for each in found.results:
        event = _event(each, checks.get(each.check), found)
        event["resources"] = _resources(each, found.snapshot.origin, names)
        out.write(json_line(event))


def _event(each: CheckResult, check: Check | None, found: Hardening) -> dict[str, Any]:
    """Return ``each`` as a Compliance Finding, but for its resources.

    A consumer that drops repeats of ``metadata.uid`` loses no later result, since NOW is in it;
    what stays the same is ``finding_info.uid``.
    """
    uid = f"{each.check}:{each.subject}:{each.subject_id}"
    title = each.check if check is None else check.title
    return {
        **event_class(*_CLASS, CREATE, found.now_ms),
        **given(start_time=each.first_ms, end_time=each.last_ms, count=each.amount or None),
        "metadata": {**product(), "uid": f"{uid}:{found.now_ms}", "log_provider": "Okta"},
        "message": each.says,
        **severity(each.severity if each.outcome in document.OPEN else Severity.INFORMATIONAL),
        # Where it does not fail there is nothing to work on.
        **({"status_id": 1, "status": "New"} if each.outcome is CheckOutcome.FAIL else {}),
        "compliance": _compliance(each, check),
        "finding_info": {
            "uid": uid,
            "title": title,
            "created_time": found.now_ms,
            **given(
                desc=None if check is None else check.description,
                first_seen_time=each.first_ms,
                last_seen_time=each.last_ms,
                related_events=[
                    {"uid": event, "type": "Okta System Log event"} for event in each.evidence
                ],
                related_events_count=len(each.evidence) or None,
            ),
            "analytic": {"type_id": 1, "type": "Rule", "uid": each.check, "name": title},
        },
        **({} if check is None else {"remediation": _remediation(check)}),
        "unmapped": _unmapped(each, found),
    }


def _compliance(each: CheckResult, check: Check | None) -> dict[str, Any]:
    status_id, status = _STATUS[each.outcome]
    controls = [pair for pair in check.controls.items() if pair[1]] if check else []
    return {
        "control": each.check if check is None else check.title,
        "status_id": status_id,
        "status": status,
        "status_code": each.reason,
        **given(
            status_details=[text for text in (each.says, each.detail) if text],
            desc=None if check is None else check.description,
            standards=[_STANDARDS.get(catalog, catalog) for catalog, _ in controls],
            requirements=[
                f"{_STANDARDS.get(catalog, catalog)}: {one}"
                for catalog, ids in controls
                for one in ids
            ],
        ),
    }


def _resources(each: CheckResult, origin: str, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what the result is about, and the policy that it belongs to; else the org."""
    if not each.subject_id:
        return [resource("Okta org", affected=True, name=origin)]
    kind = _KINDS.get(each.subject, each.subject)
    subject = resource(kind, affected=True, uid=each.subject_id, name=each.subject_name or None)
    if each.policy_id is None or each.policy_id == each.subject_id:
        return [subject]
    policy = {"uid": each.policy_id, "name": names.get(each.policy_id)}
    return [subject, resource(_KINDS["policy"], affected=False, **policy)]


def _remediation(check: Check) -> dict[str, Any]:
    return {"desc": check.prevention, **given(references=list(check.references))}


def _unmapped(each: CheckResult, found: Hardening) -> dict[str, Any]:
    changes = () if found.plan is None else found.plan.changes
    closes = f"{each.check}:{each.subject_id}"
    return {
        "reason": each.reason,
        "outcome": each.outcome.value,
        **given(
            snapshot=found.digest or None,
            changes=[change.id for change in changes if closes in change.closes],
        ),
    }
