"""Places what happened around one session on a line: the drawing itself is the template's.

Nothing here depends on the width of the page: places are percentages, so that a drawing fits a
telephone and a sheet of paper with letters of the same size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mfagap.investigate.verdict import meaning, weight
from mfagap.model import (
    Answer,
    AnswerRule,
    Finding,
    Investigation,
    Runbook,
    VerdictWord,
)

MOST_MARKS = 12
"""Events that are drawn; more would touch on a telephone."""

BREAK_MS = 600_000
"""A quiet stretch from here on is drawn broken, with its length on it."""

_SAME_MS = 1000
_LEFT, _RIGHT = 3.0, 95.0
_ABUSE = frozenset({VerdictWord.TRUE_POSITIVE, VerdictWord.SUSPICIOUS})
_LANES = ("sign-in", "policy", "factor", "acts")


@dataclass(frozen=True, slots=True)
class Mark:
    """One event.

    Attributes:
        number: As the list beside the drawing has it; 0 for the session's start.
        event_ms: When.
        after: The time from the start, such as ``+40s``.
        lane: Its row, from the top.
        kind: ``start``, ``abuse`` where a verdict of abuse or suspicion names it, or ``note``.
        text: What it says.
        event: The event's ``uuid``.
        x: Its place, in percent.
    """

    number: int
    event_ms: int
    after: str
    lane: int
    kind: str
    text: str
    event: str
    x: float = 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A time under the drawing; ``minor`` ones may be left out where there is little room."""

    x: float
    label: str
    minor: bool


@dataclass(frozen=True, slots=True)
class Break:
    """A quiet stretch that is drawn shorter than it was."""

    x: float
    width: float
    label: str

    @property
    def middle(self) -> float:
        """Where its length is written."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that is drawn for one session.

    Attributes:
        lanes: Names of the rows.
        marks: In the order of time.
        ticks: One for each column of marks, and one for the end of the log.
        breaks: Between them.
        end_x: Where the log ends.
        left_out: Events that are not drawn.
    """

    lanes: tuple[str, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    breaks: tuple[Break, ...]
    end_x: float
    left_out: int


def timeline(finding: Finding, investigated: Investigation, runbook: Runbook | None) -> Timeline:
    """Return the drawing of ``investigated``, from those of its answers that name an event."""
    found = [
        (item.step, answer)
        for item in investigated.evidence
        for answer in item.answers
        if answer.event is not None and answer.event != finding.uuid
    ]
    kept = _heaviest(found, runbook)
    lanes = _lanes(kept)
    marks = list(_marks(finding, kept, lanes, runbook))
    end_ms = max(
        [mark.event_ms for mark in marks] + [item.watermark_ms for item in investigated.evidence]
    )
    columns = _columns(marks)
    edges = [(column[0].event_ms, column[-1].event_ms) for column in columns]
    edges.append((end_ms, end_ms))
    places = _places(edges)
    placed = tuple(
        replace(mark, x=x) for column, x in zip(columns, places, strict=False) for mark in column
    )
    return Timeline(
        lanes=lanes,
        marks=placed,
        ticks=tuple(_ticks(columns, places, after(end_ms - finding.start_ms))),
        breaks=tuple(_breaks(edges, places)),
        end_x=places[-1],
        left_out=len(found) - len(kept),
    )


def span(duration_ms: int) -> str:
    """Return a duration as a person says it, such as ``40s``, ``4m``, ``26h`` or ``5d``."""
    seconds = abs(duration_ms) // 1000
    for unit, size, least in (("d", 86400, 3), ("h", 3600, 2), ("m", 60, 2)):
        if seconds >= size * least:
            return f"{seconds // size:,}{unit}"
    return f"{seconds}s"


def after(duration_ms: int) -> str:
    """Return a time from the start with its sign."""
    sign = "\N{MINUS SIGN}" if duration_ms < 0 else "+"
    return f"{sign}{span(duration_ms)}"


def said(rule: AnswerRule | None, answer: Answer, start_ms: int) -> str:
    """Return the runbook's clause for ``answer``; without a rule, the answer's own words."""
    if rule is None:
        return ": ".join(part for part in (answer.name, answer.detail) if part)
    side = "before" if answer.event_ms < start_ms else "after"
    text = rule.says
    # The detail comes last, since the log's words may hold a brace.
    for key, value in (
        ("after", f"{span(answer.event_ms - start_ms)} {side} the start"),
        ("amount", f"{answer.amount or 0:,}"),
        ("tier", (answer.tier or "nothing").replace("_", " ")),
        ("detail", answer.detail or "nothing named"),
    ):
        text = text.replace(f"{{{key}}}", value)
    return text


def rule_of(runbook: Runbook | None, step: str, answer: Answer) -> AnswerRule | None:
    """Return what ``runbook`` says of ``answer``; None where it does not know it."""
    steps = () if runbook is None else runbook.steps
    return next((known.answers.get(answer.name) for known in steps if known.id == step), None)


def heaviness(runbook: Runbook | None, step: str, answer: Answer) -> int:
    """Return how early in the verdict table ``answer`` counts; the smaller, the more it weighs."""
    if runbook is None or rule_of(runbook, step, answer) is None:
        return 0
    return weight(runbook, step, answer)


def is_abuse(runbook: Runbook | None, step: str, answer: Answer) -> bool:
    """Return whether a verdict of abuse or suspicion names the fact that ``answer`` establishes."""
    rule = rule_of(runbook, step, answer)
    if runbook is None or rule is None:
        return False
    fact = meaning(rule, answer)
    return any(line.verdict in _ABUSE and fact in line.when for line in runbook.verdicts)


def _heaviest(
    found: Sequence[tuple[str, Answer]], runbook: Runbook | None
) -> list[tuple[str, Answer]]:
    kept = sorted(found, key=lambda item: (heaviness(runbook, *item), item[1].event_ms))
    return sorted(kept[:MOST_MARKS], key=lambda item: (item[1].event_ms, item[0], item[1].name))


def _lane(step: str, answer: Answer) -> str:
    """Return the row's name: the step's, but for the policy, which is a row of its own."""
    return answer.name if answer.name in _LANES else step


def _lanes(found: Sequence[tuple[str, Answer]]) -> tuple[str, ...]:
    others = {_lane(step, answer) for step, answer in found} - set(_LANES)
    return (*_LANES, *sorted(others))


def _marks(
    finding: Finding,
    found: Sequence[tuple[str, Answer]],
    lanes: Sequence[str],
    runbook: Runbook | None,
) -> Iterator[Mark]:
    """Yield the start and the answers, in the order of time."""
    start_ms = finding.start_ms
    start = Mark(0, start_ms, "start", 0, "start", "the session starts", finding.uuid)
    earlier = sum(answer.event_ms < start_ms for _, answer in found)
    for number, (step, answer) in enumerate(found, 1):
        if number == earlier + 1:
            yield start
        yield Mark(
            number=number,
            event_ms=answer.event_ms,
            after=after(answer.event_ms - start_ms),
            lane=lanes.index(_lane(step, answer)),
            kind="abuse" if is_abuse(runbook, step, answer) else "note",
            text=said(rule_of(runbook, step, answer), answer, start_ms),
            event=answer.event or "",
        )
    if earlier == len(found):
        yield start


def _columns(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Return ``marks`` as they stand above each other: of one moment, and in different rows."""
    columns: list[list[Mark]] = []
    for mark in marks:
        if columns:
            last = columns[-1]
            near = mark.event_ms - last[0].event_ms <= _SAME_MS
            if near and mark.lane not in {other.lane for other in last}:
                last.append(mark)
                continue
        columns.append([mark])
    return columns


def _places(edges: Sequence[tuple[int, int]]) -> list[float]:
    """Return each column's place: further apart where more time lies between, up to a limit."""
    steps = [_step(later - earlier) for (_, earlier), (later, _) in pairwise(edges)]
    unit = (_RIGHT - _LEFT) / sum(steps)
    places, x = [_LEFT], _LEFT
    for step in steps:
        x += step * unit
        places.append(round(x, 2))
    return places


def _step(between_ms: int) -> float:
    if between_ms >= BREAK_MS:
        return 1.8
    return 1.0 if between_ms < 60_000 else 1.3


def _ticks(columns: Sequence[Sequence[Mark]], places: Sequence[float], end: str) -> Iterator[Tick]:
    for place, (column, x) in enumerate(zip(columns, places, strict=False)):
        start = any(mark.kind == "start" for mark in column)
        yield Tick(x, "start" if start else column[0].after, minor=not start and place % 2 == 1)
    yield Tick(places[-1], end, minor=False)


def _breaks(edges: Sequence[tuple[int, int]], places: Sequence[float]) -> Iterator[Break]:
    for ((_, earlier), (later, _)), (x, next_x) in zip(
        pairwise(edges), pairwise(places), strict=True
    ):
        if later - earlier >= BREAK_MS:
            width = next_x - x
            yield Break(
                x=round(x + width * 0.3, 2),
                width=round(width * 0.4, 2),
                label=span(later - earlier),
            )
