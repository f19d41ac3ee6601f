"""Whether a plan is in force, and whether anybody came in all the same since it is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from mfagap.detect.evaluate import rfc3339
from mfagap.harden import values
from mfagap.harden.likeness import lacks
from mfagap.harden.places import Place, place
from mfagap.harden.plan import KIND
from mfagap.harden.snapshot import settable
from mfagap.harden.values import at
from mfagap.model import Finding, MfaStatus, Severity
from mfagap.model.hardening import (
    MOST_EVIDENCE,
    Change,
    CheckOutcome,
    CheckResult,
    Plan,
)
from mfagap.model.org import Json, Snapshot

IN_FORCE: Final = "plan_in_force"
LET_IN: Final = "let_in_since"
EXPIRED: Final = "exception_expired"
"""What stands in the place of a check."""

ON_ONE_FACTOR: Final = frozenset({MfaStatus.SINGLE_FACTOR, MfaStatus.STEP_UP})
"""Of sessions that came in on one factor; one that passed another later was in before."""


def verify(
    plan: Plan,
    snapshot: Snapshot,
    sessions: Sequence[Finding],
    now_ms: int,
    moments: Mapping[str, int] | None = None,
) -> tuple[CheckResult, ...]:
    """Return for each change whether it is in force, and who came in since, or what is overdue.

    Args:
        plan: That was carried out.
        snapshot: Of the org, taken since.
        sessions: That came in through the legacy API, as of the log.
        now_ms: Up to when the log tells, UTC epoch milliseconds.
        moments: When each change was made, by its id (``Run.moments``). Of one that is not there
            it cannot be told who came in since.
    """
    results: list[CheckResult] = []
    for change in plan.changes:
        live = _live(change, plan, snapshot)
        about = _about(change, live)
        ends_ms = change.expires_ms
        if ends_ms is None or now_ms < ends_ms or live is not None:
            results.append(_in_force(about, change, live, snapshot))
        if ends_ms is None:
            moment_ms = (moments or {}).get(change.id)
            results.append(_let_in(about, change, sessions, moment_ms, now_ms))
        else:
            results.append(_expired(about, ends_ms, live, snapshot, now_ms))
    return tuple(results)


def _live(change: Change, plan: Plan, snapshot: Snapshot) -> Json | None:
    """Return what a change is about, as the snapshot has it; None where it has none such."""
    where, policies = place(change.path) or Place(), snapshot.part(KIND).items
    if where.is_policies:
        return _first(policies, "name", at(change.after, "name"))
    if where.made_by is not None:
        maker = next(other for other in plan.changes if other.id == where.made_by)
        policy = _live(maker, plan, snapshot)
    else:
        policy = _first(policies, "id", where.policy_id)
    rules = values.objects(at(policy, "rules"))
    if where.rule_id is not None:
        return _first(rules, "id", where.rule_id)
    return _first(rules, "name", at(change.after, "name"))


def _first(items: Sequence[Json], key: str, value: object) -> Json | None:
    return next((item for item in items if at(item, key) == value), None)


def _about(change: Change, live: Json | None) -> CheckResult:
    """Return a result that says nothing yet."""
    where = place(change.path) or Place()
    return CheckResult(
        check=IN_FORCE,
        outcome=CheckOutcome.UNKNOWN,
        severity=Severity.HIGH,
        reason="",
        says="",
        subject="policy" if where.is_policies else "rule",
        subject_id=where.rule_id or values.text(at(live, "id")) or change.id,
        subject_name=values.text(at(change.after, "name")) or "",
        policy_id=where.policy_id,
    )


def _said(about: CheckResult, outcome: CheckOutcome, reason: str, says: str) -> CheckResult:
    good = outcome is CheckOutcome.PASSED
    severity = Severity.INFORMATIONAL if good else Severity.HIGH
    return replace(about, outcome=outcome, severity=severity, reason=reason, says=says)


def _in_force(
    about: CheckResult, change: Change, live: Json | None, snapshot: Snapshot
) -> CheckResult:
    """Return whether the live object is as planned."""
    kind, name = about.subject, about.subject_name
    missing = snapshot.part(KIND).missing
    if live is None and missing is not None:
        says = f"Whether {kind} {name} is as planned is not known: {missing}."
        return _said(about, CheckOutcome.UNKNOWN, "unknown_part", says)
    if live is None:
        says = f"The {kind} {name} is not there any more."
        return _said(about, CheckOutcome.FAIL, "gone", says)
    wanted = settable(change.after)
    if change.before is None:  # others move what was put among them
        wanted = {key: value for key, value in wanted.items() if key != "priority"}
    if paths := lacks(live, wanted):
        says = f"The {kind} {name} is not as planned, in {', '.join(paths)}."
        return _said(about, CheckOutcome.FAIL, "differs", says)
    return _said(about, CheckOutcome.PASSED, "as_planned", f"The {kind} {name} is as planned.")


def _let_in(
    about: CheckResult,
    change: Change,
    sessions: Sequence[Finding],
    moment_ms: int | None,
    now_ms: int,
) -> CheckResult:
    """Return who came in through a rule on one factor since it was closed."""
    about, name = replace(about, check=LET_IN), about.subject_name
    if moment_ms is None:
        says = f"No journal here tells when rule {name} was changed."
        return _said(about, CheckOutcome.UNKNOWN, "no_moment", says)
    since = rfc3339(moment_ms)
    closed = {about.subject_id, *(mended.partition(":")[2] for mended in change.closes)}
    later = sorted(
        (session for session in sessions if session.start_ms > moment_ms),
        key=lambda session: (session.start_ms, session.uuid),
    )
    through = [session for session in later if session.policy.rule_id in closed]
    if found := [session for session in through if session.mfa_status in ON_ONE_FACTOR]:
        says = f"Sessions that rule {name} let in on one factor since {since}: {len(found):,}."
        return _counted(_said(about, CheckOutcome.FAIL, "let_in", says), found)
    if now_ms <= moment_ms:
        says = f"The log reaches to {rfc3339(now_ms)}, and rule {name} was changed at {since}."
        return _said(about, CheckOutcome.UNKNOWN, "log_too_short", says)
    if unsure := [session for session in later if _is_unsure(session, closed)]:
        says = (
            f"Sessions since {since} of which the log does not tell whether rule {name} let them "
            f"in on one factor: {len(unsure):,}."
        )
        return _counted(_said(about, CheckOutcome.UNKNOWN, "unsure", says), unsure)
    says = f"Rule {name} let nobody in on one factor from {since} to {rfc3339(now_ms)}."
    return _said(about, CheckOutcome.PASSED, "nobody", says)


def _is_unsure(session: Finding, closed: Collection[str | None]) -> bool:
    """Tell whether a session may have been let in on one factor by one of the rules ``closed``."""
    if session.policy.rule_id is None:
        return session.mfa_status in ON_ONE_FACTOR
    return session.policy.rule_id in closed and session.mfa_status is MfaStatus.UNSETTLED


def _counted(result: CheckResult, sessions: Sequence[Finding]) -> CheckResult:
    return replace(
        result,
        amount=len(sessions),
        first_ms=sessions[0].start_ms,
        last_ms=sessions[-1].start_ms,
        evidence=tuple(session.uuid for session in sessions[:MOST_EVIDENCE]),
    )


def _expired(
    about: CheckResult, ends_ms: int, live: Json | None, snapshot: Snapshot, now_ms: int
) -> CheckResult:
    """Return whether an exception that is over is gone."""
    about, ends = replace(about, check=EXPIRED), rfc3339(ends_ms)
    kind, name = about.subject, about.subject_name
    if now_ms < ends_ms:
        says = f"The exception by {kind} {name} lasts until {ends}."
        return _said(about, CheckOutcome.PASSED, "lasts", says)
    if live is not None:
        says = f"The exception by {kind} {name} was over at {ends} and is still there: delete it."
        return _said(about, CheckOutcome.FAIL, "overdue", says)
    if (missing := snapshot.part(KIND).missing) is not None:
        says = f"Whether {kind} {name} is gone, which was over at {ends}, is not known: {missing}."
        return _said(about, CheckOutcome.UNKNOWN, "unknown_part", says)
    return _said(about, CheckOutcome.PASSED, "gone", f"The {kind} {name} is gone, as planned.")
