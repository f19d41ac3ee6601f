"""Whether a detection's cases would notice a slip in its query: each mutant must fail one."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from mfagap.cases import survivors
from mfagap.cases.load import Case
from mfagap.cases.mutants import RESULT, Mutant, Query, assembled, parse
from mfagap.cases.together import Bench, groups, latest, load
from mfagap.errors import ContentError
from mfagap.lake.memory import MemoryLake
from mfagap.lake.rejects import Rejects
from mfagap.model import Detection


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
    explained = survivors.load(Path(detection.folder))
    query = parse(detection.query)
    survived = list(_survivors(detection, cases, query, progress))
    names = {mutant.name for mutant in survived}
    file = str(Path(detection.folder) / survivors.FILE)
    return Report(
        mutants=len(query.mutants),
        survivors=tuple(survived),
        unexplained=tuple(mutant for mutant in survived if mutant.name not in explained),
        stale=tuple(
            ContentError(f"a case kills it, or there is no such mutant: {name}", file, line)
            for name, line in explained.items()
            if name not in names
        ),
    )


def _survivors(
    detection: Detection,
    cases: Sequence[Case],
    query: Query,
    progress: Callable[[int, int], None],
) -> Iterator[Mutant]:
    """Yield each mutant that passes every group; the largest is tried first and kills most."""
    workers = os.cpu_count() or 1
    with Rejects() as rejects, MemoryLake(rejects, latest(cases)) as lake:
        load(lake, detection, cases)
        judged = tuple(groups(lake, detection, cases, query.pieces))
        free: SimpleQueue[list[Bench]] = SimpleQueue()
        for _ in range(workers):
            benches = [Bench(lake, group) for group in judged]
            for bench in benches:
                bench.expect(query.pieces[-1].sql)
            free.put(benches)

        def survives(mutant: Mutant) -> bool:
            sql = assembled(query.after(mutant))
            largest, *others = benches = free.get()
            try:
                return largest.passes(sql) and all(
                    (mutant.piece.name != RESULT and bench.unchanged(mutant.piece))
                    or bench.passes(sql)
                    for bench in others
                )
            finally:
                free.put(benches)

        with ThreadPoolExecutor(workers) as pool:
            results = pool.map(survives, query.mutants)
            for mutant, survived in zip(query.mutants, results, strict=True):
                progress(1, len(query.mutants))
                if survived:
                    yield mutant
