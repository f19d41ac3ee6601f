"""Whether a plan is in force, and whether anybody came in all the same since it is."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from mfagap.detect.evaluate import rfc3339
from mfagap.harden import policies, values
from mfagap.harden.likeness import differs, lacks
from mfagap.harden.places import placed
from mfagap.harden.plan import KIND, is_weak
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
from mfagap.model.org import Json, OktaPolicy, Rule, Snapshot

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
    why: Mapping[str, str] | None = None,
) -> tuple[CheckResult, ...]:
    """Return for each change whether it is in force, and who came in since, or what is overdue.

    Args:
        plan: That was carried out.
        snapshot: Of the org, taken since.
        sessions: That came in through the legacy API, as of the log.
        now_ms: Up to when the log tells, UTC epoch milliseconds.
        moments: When each change was made, by its id (``Run.moments``). Of one that is not there
            it cannot be told who came in since.
        why: Of a change without a moment why it has none, in a sentence, by its id.
    """
    results: list[CheckResult] = []
    asked = _Asked.of(plan, snapshot, moments or {})
    for change in plan.changes:
        live = _live(change, plan, snapshot)
        about = _about(change, live)
        ends_ms = change.expires_ms
        if ends_ms is None or now_ms < ends_ms or live is not None:
            result = _in_force(about, change, live, snapshot)
            if ends_ms is None and result.outcome is CheckOutcome.PASSED:
                result = asked.judged(result)
            results.append(result)
        if ends_ms is None:
            moment_ms = (moments or {}).get(change.id)
            if moment_ms is None:
                says = f"No journal here tells when rule {about.subject_name} was changed."
                says = (why or {}).get(change.id, says)
                unknown = replace(about, check=LET_IN)
                results.append(_said(unknown, CheckOutcome.UNKNOWN, "no_moment", says))
            else:
                results.append(_let_in(about, change, sessions, moment_ms, now_ms))
        else:
            results.append(_expired(about, ends_ms, live, snapshot, now_ms))
    if moments:
        results += _elsewhere(asked, sessions, min(moments.values()))
    return tuple(results)


def is_made(change: Change, plan: Plan, snapshot: Snapshot) -> bool:
    """Tell whether what a change of ``plan`` writes is in the snapshot."""
    return not lacks(_live(change, plan, snapshot) or {}, settable(change.after))


def _live(change: Change, plan: Plan, snapshot: Snapshot) -> Json | None:
    """Return what a change is about, as the snapshot has it; None where it has none such."""
    where, items = placed(change), snapshot.part(KIND).items
    if where.is_policies:
        return _first(items, "name", at(change.after, "name"))
    if where.made_by is not None:
        maker = next(other for other in plan.changes if other.id == where.made_by)
        policy = _live(maker, plan, snapshot)
    else:
        policy = _first(items, "id", where.policy_id)
    rules = values.objects(at(policy, "rules"))
    if where.rule_id is not None:
        return _first(rules, "id", where.rule_id)
    return _first(rules, "name", at(change.after, "name"))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The rules that are asked in a snapshot, and which of them are the plan's.

    Attributes:
        rules: Of active policies, active, in the order in which they are asked.
        planned: Ids of the rules that the plan changes, makes or closes.
        policies: Those that are there, by id.
        made_ms: When the plan was made.
        done_ms: When the last of its changes was.
        missing: Why not all of the policies are known; None where they are.
    """

    rules: tuple[Rule, ...]
    planned: frozenset[str]
    policies: Mapping[str, OktaPolicy]
    made_ms: int
    done_ms: int
    missing: str | None

    @staticmethod
    def of(plan: Plan, snapshot: Snapshot, moments: Mapping[str, int]) -> "_Asked":
        """Return what is asked in ``snapshot``."""
        known = policies.read(snapshot, KIND)
        active = (policy for policy in known if policy.active)
        rules = (rule for policy in active for rule in policy.rules or () if rule.active)
        planned: set[str] = set()
        for change in plan.changes:
            about = _about(change, _live(change, plan, snapshot))
            planned |= {about.subject_id, *(each.partition(":")[2] for each in change.closes)}
        return _Asked(
            tuple(rules),
            frozenset(planned),
            {policy.id: policy for policy in known},
            plan.made_ms,
            max(moments.values(), default=plan.made_ms),
            snapshot.part(KIND).missing,
        )

    def judged(self, result: CheckResult) -> CheckResult:
        """Return what says that a rule is as planned, or why it may not be the one that decides."""
        rule_id, name = result.subject_id, result.subject_name
        policy = self.policies.get(result.policy_id or "")
        if policy is not None and not policy.active:
            says = f"Rule {name} is as planned, and its policy {policy.name} is inactive."
            return _said(result, CheckOutcome.FAIL, "policy_inactive", says)
        before = takewhile(lambda rule: rule.id != rule_id, self.rules)
        weak = [rule for rule in before if rule.id not in self.planned and is_weak(rule)]
        for outcome in (CheckOutcome.FAIL, CheckOutcome.UNKNOWN):
            for rule in weak:
                if self._tells(rule) is outcome:
                    says = f"Rule {rule.name} is asked before rule {name} and asks for no factor."
                    return _said(result, outcome, "overtaken", says)
        if self.missing is not None:
            says = f"Whether another rule is asked before rule {name} is not known: {self.missing}."
            return _said(result, CheckOutcome.UNKNOWN, "unknown_part", says)
        if policy is not None and (_changed_ms(policy.json) or 0) > self.done_ms:
            says = (
                f"Rule {name} is as planned, and its policy {policy.name} was changed since: whom "
                "it is for, and when it is asked, may be otherwise."
            )
            return _said(result, CheckOutcome.UNKNOWN, "policy_changed", says)
        return result

    def _tells(self, rule: Rule) -> CheckOutcome:
        """Return what a weak rule comes to: one that the plan was made in view of fails nothing."""
        policy = self.policies[rule.policy_id].json
        changed_ms, policy_ms = _changed_ms(rule.json), _changed_ms(policy)
        made_ms = values.moment(at(policy, "created"))
        if max(changed_ms or 0, made_ms or 0) > self.made_ms:
            return CheckOutcome.FAIL
        if changed_ms is None or policy_ms is None or policy_ms > self.done_ms:
            return CheckOutcome.UNKNOWN
        return CheckOutcome.PASSED


def _changed_ms(item: Json) -> int | None:
    """Return when Okta last changed an object, or made it; None where it does not say."""
    told = (values.moment(at(item, key)) for key in ("created", "lastUpdated"))
    return max((ms for ms in told if ms is not None), default=None)


def _decisive(item: Json) -> Json:
    """Return what decides whether a rule is asked at all."""
    return {key: item[key] for key in ("conditions", "status") if key in item}


def _elsewhere(asked: _Asked, sessions: Sequence[Finding], since_ms: int) -> Iterator[CheckResult]:
    """Yield, for each rule that is not the plan's, who came in by it on one factor since."""
    through: dict[str, list[Finding]] = {}
    for session in sorted(sessions, key=lambda each: (each.start_ms, each.uuid)):
        rule_id = session.policy.rule_id
        is_open = session.start_ms > since_ms and session.mfa_status in ON_ONE_FACTOR
        if is_open and rule_id is not None and rule_id not in asked.planned:
            through.setdefault(rule_id, []).append(session)
    for rule_id, found in sorted(through.items()):
        policy = found[0].policy
        name = policy.rule_name or rule_id
        about = CheckResult(
            check=LET_IN,
            outcome=CheckOutcome.FAIL,
            severity=Severity.HIGH,
            reason="let_in_elsewhere",
            says=f"Sessions that rule {name}, which the plan does not close, let in on one factor "
            f"since {rfc3339(since_ms)}: {len(found):,}.",
            subject="rule",
            subject_id=rule_id,
            subject_name=name,
            policy_id=policy.policy_id,
        )
        yield _counted(about, found)


def _first(items: Sequence[Json], key: str, value: object) -> Json | None:
    return next((item for item in items if at(item, key) == value), None)


def _about(change: Change, live: Json | None) -> CheckResult:
    """Return a result that says nothing yet."""
    where = placed(change)
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
    paths = lacks(live, wanted)
    if change.before is not None:  # what is not there in the plan narrows a rule as well
        paths += differs(_decisive(live), _decisive(wanted))
    if paths := list(dict.fromkeys(paths)):
        says = f"The {kind} {name} is not as planned, in {', '.join(paths)}."
        return _said(about, CheckOutcome.FAIL, "differs", says)
    return _said(about, CheckOutcome.PASSED, "as_planned", f"The {kind} {name} is as planned.")


def _let_in(
    about: CheckResult,
    change: Change,
    sessions: Sequence[Finding],
    moment_ms: int,
    now_ms: int,
) -> CheckResult:
    """Return who came in through a rule on one factor since it was closed."""
    about, name = replace(about, check=LET_IN), about.subject_name
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
        says = (
            f"The log reaches to {rfc3339(now_ms)}, and rule {name} was changed at {since}: give a "
            "log that reaches past it."
        )
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
        return session.mfa_status in ON_ONE_FACTOR or session.mfa_status is MfaStatus.UNSETTLED
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
