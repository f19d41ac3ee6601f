"""The runbook as it ran, in lines for a terminal: each question, and what the log answers."""

from collections.abc import Iterator

from mfagap.detect.evaluate import rfc3339
from mfagap.model import Answer, Evidence, Finding, Investigation, MfaStatus
from mfagap.report.clean import terminal

WIDTH = 110
"""Columns in which it reads well."""
MOST_REASON = 4000
MOST_DETAIL = 300


def lines(
    found: Finding, investigation: Investigation | None, *, named: bool = False
) -> Iterator[str]:
    """Yield the verdict on ``found`` with its reason, then each step with its answers.

    Args:
        found: What was found.
        investigation: What the runbook came to; None where it was not run.
        named: Whether to say which detection found it.
    """
    context = found.alert_context
    yield ""
    who = f"{terminal(context.user_email)} from {terminal(context.source_ip or '-')}"
    yield f"{context.session_start_time}  {who}, session {terminal(context.external_session_id)}"
    yield f"  with {terminal(context.user_agent or '-', MOST_DETAIL)}"
    if named:
        yield f"  found by {terminal(found.detection)}"
    yield (
        f"  {found.mfa_status.value}, confidence {found.confidence.value}, noted: "
        f"{terminal(why(found), MOST_DETAIL)}; policy: {terminal(policy(found), MOST_DETAIL)}"
    )
    if investigation is None:
        yield f"  {found.severity.word}, not investigated"
        return
    verdict = investigation.verdict
    yield f"  {verdict.verdict.value}, {verdict.severity.word}"
    yield f"  {terminal(verdict.reason, MOST_REASON)}"
    if verdict.follow_up_ms is not None:
        yield f"  Look again at {rfc3339(verdict.follow_up_ms)}."
    for item in investigation.evidence:
        yield from _step(item)


def why(found: Finding) -> str:
    """Return what explains a finding, or takes from the confidence in it; "-" for nothing."""
    parts = [note.name for note in found.annotations]
    if found.explanation is not None:
        parts.insert(0, found.explanation.name)
    if found.mfa_link is not None and found.mfa_status is not MfaStatus.SINGLE_FACTOR:
        parts.insert(0, f"MFA by {found.mfa_link}")
    parts += [reason for reason in found.confidence_reasons if reason not in parts]
    return ", ".join(parts) or "-"


def policy(found: Finding) -> str:
    """Return what the session policy said, and which rule."""
    said = found.policy
    if said.event is None:
        return "no policy event"
    rule = said.rule_name or said.rule_id or said.policy_name or said.policy_id
    return f"{said.result}: {rule or 'unnamed rule'}"


def _step(item: Evidence) -> Iterator[str]:
    yield f"  {item.step}: {terminal(item.question, MOST_DETAIL)}"
    if item.failure is not None:
        yield f"    failed: {terminal(item.failure, MOST_DETAIL)}"
    elif not item.answers:
        yield "    nothing"
    for answer in item.answers:
        yield f"    {_answer(answer)}"
    if item.count > len(item.answers):
        yield f"    … and {item.count - len(item.answers):,} more, not kept"


def _answer(answer: Answer) -> str:
    """Return one answer in a line; its event last, so that it can be copied."""
    parts = [answer.name]
    if answer.amount is not None:
        parts.append(f"{answer.amount:,}")
    if answer.detail is not None:
        parts.append(terminal(answer.detail, MOST_DETAIL))
    if answer.tier is not None:
        parts.append(f"by {terminal(answer.tier)}")
    if answer.event is not None:
        parts.append(f"at {rfc3339(answer.event_ms)}, event {terminal(answer.event)}")
    return "  ".join(parts)
