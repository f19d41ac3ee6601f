"""Whether a detection's cases would notice a slip in its query: each mutant must fail one."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from mfagap.cases import survivors
from mfagap.cases.load import Case
from mfagap.cases.mutants import RESULT, Mutant, Query, assembled, parse
from mfagap.cases.runbooks import RunbookBench, Slip, slips
from mfagap.cases.together import Bench, Group, groups, latest, load
from mfagap.errors import ContentError, EngineError, MfagapError
from mfagap.lake.memory import MemoryLake
from mfagap.lake.rejects import Rejects
from mfagap.model import Detection

FEW = 200
"""So many mutants are judged in less time than it takes to start a process."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the mutants of one detection.

    Attributes:
        mutants: How many there are.
        survivors: Those that no case kills.
        unexplained: Those of them that ``survivors.yml`` does not name.
        stale: What it names and is no survivor, by its line.
    """

    mutants: int
    survivors: tuple[Mutant, ...]
    unexplained: tuple[Mutant, ...]
    stale: tuple[ContentError, ...]


def mutate(
    detection: Detection,
    cases: Sequence[Case],
    progress: Callable[[int, int], None] = lambda _judged, _all: None,
) -> Report:
    """Judge every mutant of the query of ``detection`` by ``cases``.

    Args:
        detection: As shipped.
        cases: All of its cases; at least one.
        progress: Told how many mutants were judged since it was last told, and how many there are.

    Raises:
        ContentError: ``survivors.yml`` is off, or a case fails as the query stands.
        EngineError: The query failed as it stands.
    """
    changed = _changed(detection)
    changes = changed.changes
    judge = _in_parallel if len(changes) > FEW else _judgments
    mutants = [change.mutant if isinstance(change, Slip) else change for change in changes]
    return report(Path(detection.folder), mutants, judge(changed, cases), progress)


def report(
    folder: Path,
    mutants: Sequence[Mutant],
    judgments: Iterable[tuple[int, bool]],
    progress: Callable[[int, int], None],
) -> Report:
    """Return what became of ``mutants``, held against the ``survivors.yml`` of ``folder``.

    Args:
        folder: Of what is mutated.
        mutants: All of them.
        judgments: The place of each, in any order, and whether all cases pass with it.
        progress: See ``mutate``.

    Raises:
        ContentError: ``survivors.yml`` is off.
        EngineError: Some could not be judged.
    """
    explained = survivors.load(folder)
    survives: dict[int, bool] = {}
    for place, passed in judgments:
        survives[place] = passed
        progress(1, len(mutants))
    if len(survives) < len(mutants):
        raise EngineError(f"only {len(survives)} of {len(mutants)} mutants could be judged")
    survived = [mutant for place, mutant in enumerate(mutants) if survives[place]]
    names = {mutant.name for mutant in survived}
    file = str(folder / survivors.FILE)
    return Report(
        mutants=len(mutants),
        survivors=tuple(survived),
        unexplained=tuple(mutant for mutant in survived if mutant.name not in explained),
        stale=tuple(
            ContentError(f"a case kills it, or there is no such mutant: {name}", file, line)
            for name, line in explained.items()
            if name not in names
        ),
    )


@dataclass(frozen=True, slots=True)
class Changed:
    """A detection, its query, and every change of it and of its runbook: found once, in seconds."""

    detection: Detection
    query: Query
    changes: Sequence[Mutant | Slip]


@dataclass(frozen=True, slots=True)
class Judge:
    """A bench for each group; the largest comes first and kills most."""

    query: Query
    benches: Sequence[Bench]
    runbooks: Sequence[RunbookBench]

    def survives(self, change: Mutant | Slip) -> bool:
        """Return whether all cases pass with ``change``."""
        if isinstance(change, Slip):
            return all(bench.passes(change) for bench in self.runbooks)
        sql = assembled(self.query.after(change))
        largest, *others = self.benches
        return largest.passes(sql) and all(
            (change.piece.name != RESULT and bench.unchanged(change.piece)) or bench.passes(sql)
            for bench in others
        )


def _judgments(
    changed: Changed, cases: Sequence[Case], first: int = 0, step: int = 1
) -> Iterator[tuple[int, bool]]:
    """Yield the place of every ``step``-th change, and whether it passes all groups."""
    detection, query, changes = changed.detection, changed.query, changed.changes
    with Rejects() as rejects, MemoryLake(rejects, latest(cases)) as lake:
        load(lake, detection, cases)
        judge = _judge(detection, lake, tuple(groups(lake, detection, cases, query.pieces)), query)
        for place in range(first, len(changes), step):
            yield place, judge.survives(changes[place])


def _in_parallel(changed: Changed, cases: Sequence[Case]) -> Iterator[tuple[int, bool]]:
    """Yield what ``_judgments`` does, from a process for each core.

    Threads of one DuckDB wait for each other: two of them are a third faster than one.
    """
    step = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pipes: list[Connection[Any, Any]] = []
        for first in range(1, step):
            receiver, sender = context.Pipe(duplex=False)
            helper = context.Process(
                target=help_out, args=(sender, changed, cases, first, step), daemon=True
            )
            helper.start()
            sender.close()  # the helper holds its own: when that ends, so does the pipe
            stack.callback(helper.join)
            stack.callback(helper.kill)
            pipes.append(stack.enter_context(cast("Connection[Any, Any]", receiver)))
        for judgment in _judgments(changed, cases, 0, step):
            yield judgment
            for pipe in pipes:
                yield from arrived(pipe)
        for pipe in pipes:
            with suppress(EOFError):
                while True:
                    yield pipe.recv()


def arrived(pipe: "Connection[Any, Any]") -> Iterator[tuple[int, bool]]:
    """Yield what is there already; no more comes once the helper has ended."""
    with suppress(EOFError):
        while pipe.poll():
            yield pipe.recv()


def help_out(
    out: "Connection[Any, Any]", changed: Changed, cases: Sequence[Case], first: int, step: int
) -> None:
    """Send what ``_judgments`` yields; a process of its own, which ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent hears Ctrl-C
    # What goes wrong here, but for a parent that is gone, goes wrong there, too, and is told there.
    with out, suppress(MfagapError, BrokenPipeError):
        for judgment in _judgments(changed, cases, first, step):
            out.send(judgment)


def _changed(detection: Detection) -> Changed:
    query = parse(detection.query, str(Path(detection.folder) / "query.sql"))
    slipped = slips(detection.runbook) if detection.runbook else ()
    return Changed(detection, query, (*query.mutants, *slipped))


def _judge(detection: Detection, lake: MemoryLake, judged: Sequence[Group], query: Query) -> Judge:
    benches = [Bench(lake, group) for group in judged]
    for bench in benches:
        bench.expect(query.pieces[-1].sql)
    if detection.runbook is None:
        return Judge(query, benches, ())
    # The tables of the group stand in for the CTEs of the query.
    last = query.pieces[-1].sql
    runbooks = [RunbookBench(lake, bench, last, detection.runbook) for bench in benches]
    for bench, runbook in zip(benches, runbooks, strict=True):
        for suffix in runbook.failing():
            case = bench.group.members[suffix][1]
            raise ContentError(
                "its verdicts fail, alone or judged together with others; see `mfagap test`",
                case.file,
            )
    return Judge(query, benches, runbooks)
