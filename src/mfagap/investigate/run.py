"""Runs a runbook: a few queries for all sessions at once, then a verdict on each."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import pairwise
from typing import Any

from mfagap.detect.evaluate import Engine, Row
from mfagap.errors import EngineError, QueryTooLarge
from mfagap.investigate.verdict import apart, decide, weight
from mfagap.model import (
    Answer,
    ContentList,
    Detection,
    Evaluation,
    Evidence,
    Finding,
    Investigation,
    MfaStatus,
    Runbook,
    Scalar,
    Step,
    Stretch,
    VerdictWord,
)

SESSIONS = {
    "start_uuid": "VARCHAR",
    "start_ms": "BIGINT",
    "from_ms": "BIGINT",
    "to_ms": "BIGINT",
    "mfa_event": "VARCHAR",
}
"""Columns of the list ``sessions``, which a step's query joins: one row for each session.

``mfa_event`` is the factor that counts as the session's own, and is NULL where none does.
"""

WITH_FACTOR = frozenset({MfaStatus.MFA, MfaStatus.STEP_UP})
UNRESOLVED = frozenset({VerdictWord.TRUE_POSITIVE, VerdictWord.SUSPICIOUS})

Rows = Mapping[str, Sequence[Answer]]
"""A step's answers by the ``uuid`` of the session's start."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked about.

    Attributes:
        detection: That made the findings; its lists can be joined.
        runbook: Its runbook.
        findings: Of any status.
        watermark_ms: Events before this are believed complete: that nothing was found counts for
            what came before it.
        now_ms: Up to when events are looked at, complete or not: what was found counts at once;
            None for the watermark.
    """

    detection: Detection
    runbook: Runbook
    findings: Sequence[Finding]
    watermark_ms: int
    now_ms: int | None = None

    @property
    def until_ms(self) -> int:
        """Up to when events are looked at."""
        return self.watermark_ms if self.now_ms is None else max(self.watermark_ms, self.now_ms)


@dataclass(frozen=True, slots=True)
class Run:
    """One step's run for all sessions together."""

    step: Step
    rows: Rows
    duration_ms: int
    failure: str | None = None


def investigate(
    inquiry: Inquiry,
    engine: Engine,
    *,
    clock: Callable[[], float],
    unresolved: Collection[str] = (),
    resolved: Collection[str] = (),
) -> dict[str, Investigation]:
    """Return what the runbook finds out about each finding, by its ``uuid``.

    Args:
        inquiry: What is asked about.
        engine: Holds ``events``.
        clock: Seconds, for the durations alone.
        unresolved: Dedup keys with an unresolved alert from before; those of findings whose
            verdict is abuse or suspicion are added as they come, in the order of the starts.
        resolved: The ``uuid`` of findings that add none, since their alert is closed.
    """
    runs = [run_step(step, inquiry, engine, clock) for step in inquiry.runbook.steps]
    return conclude(inquiry, runs, unresolved, resolved)


def conclude(
    inquiry: Inquiry,
    runs: Sequence[Run],
    unresolved: Collection[str] = (),
    resolved: Collection[str] = (),
) -> dict[str, Investigation]:
    """Return what the answers of ``runs``, one for each step, come to; see ``investigate``."""
    runbook, watermark_ms = inquiry.runbook, inquiry.watermark_ms
    open_keys = set(unresolved)
    investigations: dict[str, Investigation] = {}
    for finding in sorted(inquiry.findings, key=lambda f: (f.start_ms, f.uuid)):
        evidence = [_evidence(run, finding, inquiry) for run in runs]
        verdict = decide(
            runbook, finding, evidence, watermark_ms, unresolved=finding.dedup_key in open_keys
        )
        if verdict.verdict in UNRESOLVED and finding.uuid not in resolved:
            open_keys.add(finding.dedup_key)
        kept = tuple(_kept(item, runbook) for item in evidence)
        investigations[finding.uuid] = Investigation(
            finding.detection, finding.uuid, finding.start_ms, verdict, kept
        )
    return investigations


def raised(evaluation: Evaluation, investigations: Mapping[str, Investigation]) -> Evaluation:
    """Return ``evaluation`` with the severities that the verdicts come to."""
    findings = (
        replace(finding, severity=investigations[finding.uuid].verdict.severity)
        if finding.uuid in investigations
        else finding
        for finding in evaluation.findings
    )
    return replace(evaluation, findings=tuple(findings))


def run_step(step: Step, inquiry: Inquiry, engine: Engine, clock: Callable[[], float]) -> Run:
    """Ask one step's question of all findings; an error is its failure, and no empty answer."""
    began = clock()
    rows: Rows = {}
    failure = None
    try:
        if step.query is None:
            kind: Any = import_module(f"mfagap.investigate.{step.kind}")
            found: Iterable[Row] = kind.rows(inquiry)
        else:
            found = _asked(step, step.query, inquiry, engine)
        rows = by_session(step, found)
    except EngineError as error:
        failure = str(error)
    return Run(step, rows, round((clock() - began) * 1000), failure)


def _asked(step: Step, query: str, inquiry: Inquiry, engine: Engine) -> list[Row]:
    """Return the rows about all findings; those of half of them at a time where they are too many.

    So one user's flood of sign-ins and acts cannot fail the step for everybody else.
    """
    lists = {**inquiry.detection.lists, **inquiry.runbook.lists}
    lists["sessions"] = sessions(step, inquiry)
    middle = len(inquiry.findings) // 2
    try:
        return list(engine.run(query, parameters(step, inquiry), lists))
    except QueryTooLarge:
        if middle == 0:
            raise
    # Not above: the error would hold what was read by then.
    halves = (inquiry.findings[:middle], inquiry.findings[middle:])
    asked = [_asked(step, query, replace(inquiry, findings=half), engine) for half in halves]
    return [row for rows in asked for row in rows]


def stretches(inquiry: Inquiry) -> list[Stretch]:
    """Return what of the log the steps read: what lies far back, only some of them do."""
    detection = inquiry.detection
    begins = [
        (
            _from(step, inquiry),
            detection.event_types if step.event_types is None else step.event_types,
        )
        for step in inquiry.runbook.steps
        if step.query is not None
    ]
    bounds = sorted({begin for begin, _ in begins})
    return [
        Stretch(
            sorted({kind for begin, kinds in begins if begin <= from_ms for kind in kinds}),
            from_ms,
            to_ms,
        )
        for from_ms, to_ms in pairwise([*bounds, inquiry.until_ms + 1])
    ]


def parameters(step: Step, inquiry: Inquiry) -> dict[str, int]:
    """Return what ``step``'s query is given besides its lists."""
    ranges = [_range(step, finding, inquiry.until_ms) for finding in inquiry.findings]
    return {
        **_settings(inquiry),
        "from": _from(step, inquiry),
        "to": max((to_ms for _, to_ms in ranges), default=0),
    }


def _from(step: Step, inquiry: Inquiry) -> int:
    """Return the earliest time that ``step`` looks at for any finding."""
    first_ms = min((finding.start_ms for finding in inquiry.findings), default=0)
    return first_ms - max(step.before_s, inquiry.detection.chain_s) * 1000


def _settings(inquiry: Inquiry) -> dict[str, int]:
    """Return the parameters that are the same for every session, in milliseconds."""
    runbook = inquiry.runbook
    return {
        **runbook.parameters,
        "cap_ms": runbook.cap_s * 1000,
        "chain_ms": inquiry.detection.chain_s * 1000,
    }


def sessions(step: Step, inquiry: Inquiry) -> ContentList:
    """Return the findings as the list ``sessions``, each with the range that ``step`` looks at."""
    rows = tuple(
        (
            finding.uuid,
            finding.start_ms,
            *_range(step, finding, inquiry.until_ms),
            finding.mfa_event if finding.mfa_status in WITH_FACTOR else None,
        )
        for finding in inquiry.findings
    )
    return ContentList(SESSIONS, rows)


def _range(step: Step, finding: Finding, until_ms: int) -> tuple[int, int]:
    start_ms = finding.start_ms
    to_ms = until_ms if step.after_s is None else start_ms + step.after_s * 1000
    return start_ms - step.before_s * 1000, max(start_ms, min(to_ms, until_ms))


def by_session(step: Step, rows: Iterable[Row]) -> Rows:
    """Return ``rows`` as answers, each session's in their order.

    Raises:
        EngineError: A row has another form, or an answer that the step does not know.
    """
    answers: dict[str, list[Answer]] = {}
    for row in rows:
        try:
            uuid, answer = _text(row["start_uuid"]), _answer(row)
        except (KeyError, TypeError) as error:
            raise EngineError(f"{step.id} gave a row of another form: {error!r}") from error
        if uuid is None:
            raise EngineError(f"{step.id} gave a row whose start_uuid is NULL")
        if answer.name not in step.answers:
            raise EngineError(f"{step.id} gave an answer that it does not know: {answer.name!r}")
        answers.setdefault(uuid, []).append(answer)
    return {uuid: sorted(found, key=_order) for uuid, found in answers.items()}


def _answer(row: Row) -> Answer:
    event_ms, amount = row["event_ms"], row["amount"]
    if type(event_ms) is not int or not (amount is None or type(amount) is int):
        raise TypeError(f"event_ms {event_ms!r}, amount {amount!r}")
    return Answer(
        event_ms=event_ms,
        name=str(row["answer"]),
        tier=_text(row["tier"]),
        event=_text(row["event_uuid"]),
        amount=amount,
        detail=_text(row["detail"]),
    )


def _text(value: Scalar) -> str | None:
    return None if value is None else str(value)


def _order(answer: Answer) -> tuple[int | str | bool, ...]:
    """Return all that two answers can differ in: engines give rows in any order."""
    tier, event, detail = answer.tier, answer.event, answer.detail
    texts = (part for text in (tier, event, detail) for part in (text is not None, text or ""))
    return answer.event_ms, answer.name, *texts, answer.amount is not None, answer.amount or 0


def _evidence(run: Run, finding: Finding, inquiry: Inquiry) -> Evidence:
    watermark_ms = inquiry.watermark_ms
    answers = run.rows.get(finding.uuid, ())
    listed = [[a.event_ms, a.name, a.tier, a.event, a.amount, a.detail] for a in answers]
    from_ms, to_ms = _range(run.step, finding, inquiry.until_ms)
    return Evidence(
        step=run.step.id,
        question=run.step.question,
        query=run.step.query,
        parameters={
            **_settings(inquiry),
            "start_uuid": finding.uuid,
            "from_ms": from_ms,
            "to_ms": to_ms,
        },
        answers=tuple(answers),
        count=len(answers),
        digest=hashlib.sha256(json.dumps(listed).encode()).hexdigest(),
        watermark_ms=watermark_ms,
        duration_ms=run.duration_ms,
        failure=run.failure,
    )


def _kept(item: Evidence, runbook: Runbook) -> Evidence:
    """Return ``item`` with as many answers as are kept: those that weigh most in a verdict.

    A verdict is reached on all of them, and of each kind some are kept: nobody can hide an act
    behind a hundred others.
    """
    if len(item.answers) <= runbook.keep:
        return item
    heaviest = sorted(apart(item.answers), key=lambda answer: weight(runbook, item.step, answer))
    return replace(item, answers=tuple(sorted(heaviest[: runbook.keep], key=_order)))
