"""Evidence to a verdict: the answers establish facts, and the first rule that holds decides."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from mfagap.investigate.window import rough
from mfagap.model import (
    Answer,
    AnswerRule,
    Evidence,
    Finding,
    Runbook,
    Verdict,
    VerdictRule,
)

UNRESOLVED_ALERT = "unresolved_alert"
"""The fact that an earlier alert of the same dedup key is not resolved."""

MOST_OF_ONE = 3
"""Answers of one name that a reason spells out."""

MOST_DETAIL = 120
"""Characters of the log's words in a clause: names that fill the reason would hide the rest."""


def decide(
    runbook: Runbook,
    finding: Finding,
    evidence: Sequence[Evidence],
    watermark_ms: int,
    *,
    unresolved: bool,
) -> Verdict:
    """Return the verdict on ``finding``.

    Args:
        runbook: Its verdict table always has a line that holds: the loader's lint sees to it.
        finding: What is judged.
        evidence: Of every step, in their order.
        watermark_ms: Events before this are believed complete.
        unresolved: Whether an earlier alert of the same dedup key is not resolved.
    """
    facts = {finding.mfa_status.value, *_facts(runbook, evidence)}
    if unresolved:
        facts.add(UNRESOLVED_ALERT)
    failed = frozenset(item.step for item in evidence if item.failure is not None)
    rule = next(rule for rule in runbook.verdicts if _holds(rule, facts, failed))
    severity = finding.severity if rule.severity is None else max(finding.severity, rule.severity)
    return Verdict(
        verdict=rule.verdict,
        severity=severity,
        reason=_reason(runbook, rule, finding, evidence),
        follow_up_ms=None if rule.final else _follow_up(runbook, finding, watermark_ms),
        rests_on=rule.rests_on,
    )


def _holds(rule: VerdictRule, facts: set[str], failed: frozenset[str]) -> bool:
    return rule.when <= facts and not rule.unless & facts and failed.isdisjoint(rule.rests_on)


def _facts(runbook: Runbook, evidence: Iterable[Evidence]) -> Iterator[str]:
    """Yield what the answers establish."""
    rules = {step.id: step.answers for step in runbook.steps}
    for item in evidence:
        for answer in item.answers:
            rule = rules[item.step][answer.name]
            if fact := meaning(rule, answer):
                yield fact


def meaning(rule: AnswerRule, answer: Answer) -> str | None:
    """Return the fact that ``answer`` establishes; None where it is only noted."""
    if (answer.amount or 0) < rule.at_least:
        return None
    return rule.means.get(answer.tier or "", rule.means.get(""))


def weight(runbook: Runbook, step: str, answer: Answer) -> int:
    """Return how early in the verdict table ``answer`` counts; the smaller, the more it weighs."""
    rules = next(known.answers for known in runbook.steps if known.id == step)
    fact = meaning(rules[answer.name], answer)
    places = (place for place, rule in enumerate(runbook.verdicts) if fact in rule.when)
    return next(places, len(runbook.verdicts))


def _follow_up(runbook: Runbook, finding: Finding, watermark_ms: int) -> int | None:
    """Return when the next part of the window is there; None where the whole of it is."""
    for part_s in (runbook.enough_s, runbook.cap_s):
        if watermark_ms < finding.start_ms + part_s * 1000:
            return finding.start_ms + part_s * 1000
    return None


def _reason(
    runbook: Runbook, rule: VerdictRule, finding: Finding, evidence: Sequence[Evidence]
) -> str:
    rules = {name: rule for step in runbook.steps for name, rule in step.answers.items()}
    first = f"{rule.says} [{', '.join(rule.rests_on)}]" if rule.rests_on else rule.says
    clauses = [
        clause
        for name in rule.cites
        for item in evidence
        for clause in _clauses(rules[name], rule, finding, item, name)
    ]
    clauses += [
        f"the step {item.step} failed: {item.failure} [{item.step}]"
        for item in evidence
        if item.failure is not None
    ]
    if not clauses:
        return first
    text = "; ".join(clauses)
    return f"{first} {text[0].upper()}{text[1:]}."


def _clauses(
    rule: AnswerRule, decisive: VerdictRule, finding: Finding, item: Evidence, name: str
) -> Iterator[str]:
    """Yield what ``item`` says under ``name``, each with its citation; first what decided."""
    named = [answer for answer in item.answers if answer.name == name]
    if not named:  # of most names there is none, and thousands of sessions may be asked about
        return
    said = [answer for answer in named if meaning(rule, answer) in decisive.when] or named
    for answer in apart(said)[:MOST_OF_ONE]:
        text = rule.says
        for key, value in _values(answer, finding):
            text = text.replace(f"{{{key}}}", value)
        cited = item.step if answer.event is None else f"{item.step}: {answer.event}"
        yield f"{text} [{cited}]"
    if len(said) > MOST_OF_ONE:
        yield f"and {len(said) - MOST_OF_ONE} more of them [{item.step}]"


def apart(answers: Sequence[Answer]) -> list[Answer]:
    """Return ``answers`` with the first of each kind first, then the second of each, and so on.

    A kind is the first word of the detail: of an act, its event type.
    """
    seen: Counter[str] = Counter()
    turns: list[tuple[int, Answer]] = []
    for answer in answers:
        kind = (answer.detail or "").partition(" ")[0]
        turns.append((seen[kind], answer))
        seen[kind] += 1
    return [answer for _, answer in sorted(turns, key=lambda turn: turn[0])]


def _values(answer: Answer, finding: Finding) -> Iterator[tuple[str, str]]:
    """Yield what a clause may name; ``detail`` last, since the log's words may hold a brace."""
    apart_ms = answer.event_ms - finding.start_ms
    yield "after", f"{rough(abs(apart_ms))} {'before' if apart_ms < 0 else 'after'} the start"
    yield "amount", str(answer.amount or 0)
    yield "tier", (answer.tier or "nothing").replace("_", " ")
    yield "detail", _quoted(answer.detail or "nothing named")


def _quoted(detail: str) -> str:
    """Return the log's words, short, and without the brackets by which they could cite."""
    short = detail if len(detail) <= MOST_DETAIL else detail[: MOST_DETAIL - 1] + "…"
    return short.replace("[", "(").replace("]", ")")
