"""Small runbooks, and evidence for them, to be changed part by part."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tests.report.results import FINDING, NOON_MS, evidence

from mfagap.model import (
    Answer,
    AnswerRule,
    Evidence,
    Finding,
    Runbook,
    Severity,
    Step,
    VerdictRule,
    VerdictWord,
)

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WHOLE_MS = NOON_MS + 4 * HOUR_MS
"""A watermark by which the whole window of a start at noon is there."""


def means(fact: str, says: str = "", at_least: int = 0) -> AnswerRule:
    """Return a rule by which an answer of any tier establishes ``fact``."""
    return AnswerRule(says or f"{fact} was seen", {"": fact}, at_least)


def noted(says: str) -> AnswerRule:
    """Return a rule by which an answer establishes nothing."""
    return AnswerRule(says)


def step(name: str, answers: Mapping[str, AnswerRule], **changes: Any) -> Step:
    """Return a step with ``answers``, whose query gives no row unless ``changes`` has one."""
    plain = Step(
        id=name,
        question=f"What of {name}?",
        kind="query",
        source=None,
        query=None,
        before_s=0,
        after_s=None,
        event_types=None,
        answers=answers,
    )
    return replace(plain, **changes)


def line(verdict: VerdictWord, *when: str, **changes: Any) -> VerdictRule:
    """Return a line of a verdict table that holds where all of ``when`` do."""
    plain = VerdictRule(
        verdict=verdict,
        severity=None,
        when=frozenset(when),
        unless=frozenset(),
        rests_on=(),
        says=f"It is {verdict.value}.",
        cites=(),
        final=False,
    )
    return replace(plain, **changes)


def runbook(steps: Iterable[Step], *verdicts: VerdictRule, **changes: Any) -> Runbook:
    """Return a runbook of half an hour and four hours that ends in insufficient_data."""
    plain = Runbook(
        enough_s=1800,
        cap_s=4 * 3600,
        keep=100,
        parameters={},
        lists={},
        shared=None,
        steps=tuple(steps),
        verdicts=(*verdicts, line(VerdictWord.INSUFFICIENT_DATA)),
    )
    return replace(plain, **changes)


def answer(name: str, minute: float = 0, **changes: Any) -> Answer:
    """Return an answer ``minute`` minutes after noon."""
    return replace(Answer(NOON_MS + round(minute * MINUTE_MS), name), **changes)


def failed(name: str, failure: str = "the query failed: no memory") -> Evidence:
    """Return the evidence of a step that failed."""
    return evidence(name, failure=failure)


def finding(minute: float = 0, **changes: Any) -> Finding:
    """Return a finding whose sign-in was ``minute`` minutes after noon."""
    return replace(FINDING, start_ms=NOON_MS + round(minute * MINUTE_MS), **changes)


ACTS = step(
    "acts", {"act": AnswerRule("there was {detail}", {"session": "strong", "actor": "weak"})}
)
CLIENT = step("client", {"odd": means("signal", "the client is odd"), "usual": means("habit")})
HIGH = finding(severity=Severity.HIGH)
