"""One session as a report shows it: its verdict, its timeline and the evidence, bounded in size."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mfagap.model import Answer, Detection, Evidence, Finding, Investigation, Runbook, ScanResult
from mfagap.report import clean
from mfagap.report.timeline import Timeline, heaviness, is_abuse, timeline

MOST_ANSWERS = 12
"""Answers of a step that are listed: those that weigh most in a verdict."""

MOST_REASON = 2000
"""Characters of a reason."""

_CITATION = re.compile(r"\[([^\[\]]{1,200})\]")


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of a reason; ``href`` where it cites evidence that is there."""

    text: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One answer of a step, and whether a verdict of abuse or suspicion names it."""

    answer: Answer
    abuse: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What one step found, as much of it as is shown.

    Attributes:
        anchor: Its id on the page.
        item: The evidence.
        answers: The heaviest, the earliest first.
        query: The id of the query on the page; None for a built-in kind.
        range_ms: From when to when it looked, where it says.
    """

    anchor: str
    item: Evidence
    answers: tuple[Listed, ...]
    query: str | None
    range_ms: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Session:
    """A finding with its investigation; the latter's parts are empty where there was none."""

    anchor: str
    finding: Finding
    investigation: Investigation | None
    reason: tuple[Clause, ...]
    timeline: Timeline | None
    evidence: tuple[Shown, ...]

    @property
    def answers(self) -> int:
        """How many answers its evidence holds."""
        return sum(shown.item.count for shown in self.evidence)


@dataclass(frozen=True, slots=True)
class Ran:
    """One step of a runbook, over all sessions shown.

    Attributes:
        step: Its id.
        question: In plain words.
        queries: Each text that was run, with its id on the page.
        sessions: That it was asked of.
        answered: Of them, with an answer.
        answers: In all.
        failed: Of them, for which the step failed.
    """

    step: str
    question: str
    queries: tuple[tuple[str, str], ...]
    sessions: int
    answered: int
    answers: int
    failed: int


Queries = Mapping[tuple[str, str, str], str]
"""The page's id of each detection's, step's and text's query."""


def queries(investigations: Sequence[Investigation]) -> Queries:
    """Return an id for each query that was run: the page shows it once."""
    ids: dict[tuple[str, str, str], str] = {}
    for investigated in investigations:
        for item in investigated.evidence:
            if item.query is not None:
                key = (investigated.detection, item.step, item.query)
                ids.setdefault(key, f"query-{len(ids) + 1}")
    return ids


def session(place: int, finding: Finding, result: ScanResult, known: Queries) -> Session:
    """Return the ``place``-th session of the report."""
    anchor = f"session-{place}"
    investigated = result.investigation(finding)
    if investigated is None:
        return Session(anchor, finding, None, (), None, ())
    runbook = runbook_of(result, finding.detection)
    evidence = tuple(
        _shown(f"{anchor}-{number}", item, finding, runbook, known)
        for number, item in enumerate(investigated.evidence, 1)
    )
    return Session(
        anchor=anchor,
        finding=finding,
        investigation=investigated,
        reason=tuple(_clauses(investigated.verdict.reason, evidence)),
        timeline=timeline(finding, investigated, runbook),
        evidence=evidence,
    )


def runbook_of(result: ScanResult, detection: str) -> Runbook | None:
    """Return the runbook of ``detection``; None where the result does not have it."""
    return next((known.runbook for known in result.detections if known.id == detection), None)


def ran(detection: Detection, investigations: Sequence[Investigation], known: Queries) -> list[Ran]:
    """Return how each step of ``detection``'s runbook went, in the order in which they ran."""
    items: dict[str, list[Evidence]] = {}
    for investigated in investigations:
        if investigated.detection == detection.id:
            for item in investigated.evidence:
                items.setdefault(item.step, []).append(item)
    return [
        Ran(
            step=step,
            question=found[0].question,
            queries=tuple(
                (anchor, text)
                for (of, name, text), anchor in known.items()
                if (of, name) == (detection.id, step)
            ),
            sessions=len(found),
            answered=sum(item.count > 0 for item in found),
            answers=sum(item.count for item in found),
            failed=sum(item.failure is not None for item in found),
        )
        for step, found in items.items()
    ]


def _shown(
    anchor: str, item: Evidence, finding: Finding, runbook: Runbook | None, known: Queries
) -> Shown:
    kept = sorted(item.answers, key=lambda answer: heaviness(runbook, item.step, answer))
    answers = _in_order(kept[:MOST_ANSWERS])
    first, last = item.parameters.get("from_ms"), item.parameters.get("to_ms")
    ranged = (first, last) if isinstance(first, int) and isinstance(last, int) else None
    return Shown(
        anchor=anchor,
        item=item,
        answers=tuple(Listed(answer, is_abuse(runbook, item.step, answer)) for answer in answers),
        query=None if item.query is None else known[finding.detection, item.step, item.query],
        range_ms=ranged,
    )


def _in_order(answers: Sequence[Answer]) -> list[Answer]:
    return sorted(answers, key=lambda a: (a.event_ms, a.name, a.tier or "", a.event or ""))


def _clauses(reason: str, evidence: Sequence[Shown]) -> Iterator[Clause]:
    """Yield ``reason`` in pieces: a citation becomes a link where the evidence holds the event.

    Words from the log may look like a citation, so that only what holds is linked.
    """
    text = clean.html(reason, MOST_REASON)
    end = 0
    for match in _CITATION.finditer(text):
        cited = [_cited(part, evidence) for part in match[1].split(", ")]
        if not all(cited):
            continue
        yield Clause(text[end : match.start()].removesuffix(" "))
        yield from (clause for clause in cited if clause)
        end = match.end()
    yield Clause(text[end:])


def _cited(part: str, evidence: Sequence[Shown]) -> Clause | None:
    step, _, event = part.partition(": ")
    for shown in evidence:
        if shown.item.step == step and event in {
            "",
            *(answer.event for answer in shown.item.answers),
        }:
            return Clause(step, f"#{shown.anchor}")
    return None
