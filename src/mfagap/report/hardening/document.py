"""The one document that every format renders; its schema is docs/schema/hardening.schema.json."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mfagap.detect.evaluate import rfc3339
from mfagap.harden import values
from mfagap.model import Severity
from mfagap.model.hardening import (
    Affected,
    Agreement,
    Change,
    Check,
    CheckOutcome,
    CheckResult,
    Disagreement,
    Effect,
    Hardening,
    LegacyClient,
    Plan,
)
from mfagap.model.org import (
    PART_NAMES,
    PARTS,
    POLICY_TYPES,
    Part,
    Snapshot,
)

OPEN = frozenset({CheckOutcome.FAIL, CheckOutcome.UNKNOWN})
"""Outcomes that somebody has to look at; what is not known is one of them."""


def document(found: Hardening) -> dict[str, Any]:
    """Return all that ``found`` tells as JSON-ready values."""
    return {
        "summary": summary(found),
        "snapshot": snapshot(found),
        "results": [result(each) for each in found.results],
        "plan": None if found.plan is None else plan(found.plan),
        "impact": [affected(each) for each in worst_first(found.affected)],
        "agreement": None if found.agreement is None else agreement(found.agreement),
        "inventory": [client(each) for each in found.inventory],
        "checks": [check(each) for each in found.checks],
        "notes": list(found.notes),
    }


def summary(found: Hardening) -> dict[str, Any]:
    """Return the counts."""
    changes = None if found.plan is None else found.plan.changes
    return {
        "now": rfc3339(found.now_ms),
        "from": rfc3339(found.from_ms),
        "sessions": found.sessions if has_log(found) else None,
        "stepped_up": found.stepped_up if has_log(found) else None,
        "outcomes": outcomes(found.results),
        "worst": None if (worst := worst_failure(found.results)) is None else worst.word,
        "changes": None if changes is None else len(changes),
        "safe_changes": None if changes is None else sum(change.safe for change in changes),
        "effects": [tallied(each) for each in tally(found.affected)],
        "sign_ins": None if found.agreement is None else found.agreement.sign_ins,
        "agreed": None if found.agreement is None else found.agreement.agreed,
        "legacy_clients": len(found.inventory) if has_log(found) else None,
    }


def has_log(found: Hardening) -> bool:
    """Tell whether a log was read: without one, nothing seen is not nothing there."""
    return found.from_ms < found.now_ms


def outcomes(results: Iterable[CheckResult]) -> dict[str, int]:
    """Return how many results there are of each outcome, every outcome present."""
    counted = Counter(each.outcome for each in results)
    return {outcome.value: counted[outcome] for outcome in CheckOutcome}


def worst_failure(results: Iterable[CheckResult]) -> Severity | None:
    """Return the worst severity of a failure; None where nothing failed."""
    failed = (each.severity for each in results if each.outcome is CheckOutcome.FAIL)
    return max(failed, default=None)


def snapshot(found: Hardening) -> dict[str, Any]:
    """Return what is known of the org, part by part."""
    taken_ms = found.snapshot.taken_ms
    return {
        "origin": found.snapshot.origin,
        "taken_at": None if taken_ms is None else rfc3339(taken_ms),
        "digest": found.digest or None,
        "parts": [
            {"part": name, "items": len(part.items), "missing": part.missing}
            for name in PARTS
            for part in (found.snapshot.part(name),)
        ],
    }


def result(each: CheckResult) -> dict[str, Any]:
    """Return one result of a check."""
    return {
        "check": each.check,
        "outcome": each.outcome.value,
        "severity": each.severity.word,
        "reason": each.reason,
        "says": each.says,
        "subject": each.subject,
        "subject_id": each.subject_id or None,
        "subject_name": each.subject_name,
        "policy_id": each.policy_id,
        "amount": each.amount,
        "first_seen": _moment(each.first_ms),
        "last_seen": _moment(each.last_ms),
        "evidence": list(each.evidence),
        "detail": each.detail,
    }


def check(each: Check) -> dict[str, Any]:
    """Return what a check looks at, and what to do where it fails."""
    return {
        "id": each.id,
        "title": each.title,
        "severity": each.severity.word,
        "description": each.description,
        "prevention": each.prevention,
        "controls": {catalog: list(ids) for catalog, ids in each.controls.items()},
        "needs": list(each.needs),
        "references": list(each.references),
    }


def controls(each: Check) -> list[str]:
    """Return what it answers for elsewhere, as ``catalog:id``."""
    return [f"{catalog}:{one}" for catalog, ids in each.controls.items() for one in ids]


def plan(made: Plan) -> dict[str, Any]:
    """Return a plan."""
    return {
        "id": made.id,
        "made_at": rfc3339(made.made_ms),
        "origin": made.origin,
        "snapshot": made.snapshot,
        "changes": [change(each) for each in made.changes],
        "alternatives": list(made.alternatives),
    }


def change(each: Change) -> dict[str, Any]:
    """Return one write of a plan."""
    return {
        "id": each.id,
        "method": each.method,
        "path": each.path,
        "before": each.before,
        "after": each.after,
        "safe": each.safe,
        "why": each.why,
        "closes": list(each.closes),
        "expires_at": _moment(each.expires_ms),
    }


def worst_first(rows: Iterable[Affected]) -> list[Affected]:
    """Return who is affected: the worst effect first, then who signs in most."""
    order = list(Effect)
    return sorted(
        rows,
        key=lambda row: (
            *(order.index(row.effect), -row.sign_ins, row.login),
            *(row.user_agent or "", row.address or ""),
        ),
    )


def tally(rows: Sequence[Affected]) -> Iterator[tuple[Effect, int, int]]:
    """Yield for each effect, the worst first, how many users it has and how many sign-ins."""
    for effect in Effect:
        hit = [row for row in rows if row.effect is effect]
        yield effect, len({row.actor_id for row in hit}), sum(row.sign_ins for row in hit)


def tallied(counted: tuple[Effect, int, int]) -> dict[str, Any]:
    """Return an item of ``tally``."""
    effect, users, sign_ins = counted
    return {"effect": effect.value, "users": users, "sign_ins": sign_ins}


def effect_word(effect: Effect) -> str:
    """Return an effect as people are told of it: a program breaks, and its user loses it."""
    return "loses a program" if effect is Effect.BREAKS else effect.value.replace("_", " ")


def on_one_factor(found: Hardening) -> str:
    """Return, after a blank, how many of the sessions stayed on one factor, if there are any."""
    alone = found.sessions - found.stepped_up
    split = f" ({alone:,} on it alone, {found.stepped_up:,} that passed a second one later)"
    return split if found.sessions else ""


def not_counted(found: Agreement) -> str:
    """Return a sentence, after a blank, on sign-ins that tell nothing of the evaluator, if any."""
    early = " Not counted, since what decides them was changed later"
    return f"{early}: {found.changed:,}." if found.changed else ""


def affected(row: Affected) -> dict[str, Any]:
    """Return somebody's sign-ins under the plan."""
    return {
        "effect": row.effect.value,
        "reason": row.reason,
        "actor_id": row.actor_id,
        "login": row.login,
        "user_agent": row.user_agent,
        "address": row.address,
        "rule_id": row.rule_id,
        "sign_ins": row.sign_ins,
        "first_seen": rfc3339(row.first_ms),
        "last_seen": rfc3339(row.last_ms),
        "verdict": row.verdict and row.verdict.value,
    }


def agreement(found: Agreement) -> dict[str, Any]:
    """Return how far the evaluator can be believed."""
    return {
        "sign_ins": found.sign_ins,
        "agreed": found.agreed,
        "before_change": found.changed,
        "rules": [
            {
                "rule_id": rule.rule_id,
                "rule_name": rule.rule_name,
                "agreed": rule.agreed,
                "undecided": rule.undecided,
                "disagreed": rule.disagreed,
            }
            for rule in found.rules
        ],
        "disagreements": [_disagreement(each) for each in found.disagreements],
        "left_out": found.left_out,
    }


def _disagreement(each: Disagreement) -> dict[str, Any]:
    sign_in, decision = each.sign_in, each.decision
    return {
        "event": sign_in.uuid,
        "time": rfc3339(sign_in.event_ms),
        "actor_id": sign_in.actor_id,
        "login": sign_in.login,
        "address": sign_in.address,
        "recorded": sign_in.result,
        "recorded_rule_id": sign_in.rule_id,
        "decided": None if decision.access is None else decision.access.value,
        "decided_rule_id": decision.rule_id,
        "unseen": list(decision.unseen),
    }


def client(each: LegacyClient) -> dict[str, Any]:
    """Return a line of the inventory."""
    return {
        "path": each.path,
        "actor_id": each.actor_id,
        "login": each.login,
        "user_agent": each.user_agent,
        "client_kind": each.client_kind,
        "address": each.address,
        "api_token_id": each.api_token_id,
        "rule_id": each.rule_id,
        "rule_name": each.rule_name,
        "first_seen": rfc3339(each.first_ms),
        "last_seen": rfc3339(each.last_ms),
        "days": each.days,
        "uses": each.uses,
        "trend": each.trend,
        "move_to": each.move_to,
    }


def names(org: Snapshot) -> Mapping[str, str]:
    """Return the names of policies and rules by their ids; what has none is left out."""
    policies = [item for kind in POLICY_TYPES for item in org.part(kind).items]
    rules = [rule for policy in policies for rule in values.objects(policy.get("rules"))]
    named = ((values.text(item.get("id")), item.get("name")) for item in (*policies, *rules))
    return {own: name for own, told in named if own and (name := values.text(told))}


def known(name: str, part: Part) -> str | None:
    """Return how far a part is known, in words; None where it is not."""
    if not part.known:
        return None
    return "of these users alone" if name == "user_factors" else "wholly"


def unknown(found: Hardening) -> list[str]:
    """Return what is not known, in sentences: parts that were not read whole, then the notes."""
    reasons: dict[str, list[str]] = {}
    for name in PARTS:
        if missing := found.snapshot.part(name).missing:
            reasons.setdefault(missing, []).append(PART_NAMES[name])
    return [*(f"{', '.join(names)}: {why}" for why, names in reasons.items()), *found.notes]


def percent(part: int, whole: int) -> str:
    """Return a share in per cent, for reading; all is ``100``, and never what is a little less."""
    tenths = part * 1000 // whole if whole else 0
    return f"{tenths // 10}.{tenths % 10}".removesuffix(".0")


def _moment(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)
