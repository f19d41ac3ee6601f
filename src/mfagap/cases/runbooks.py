"""Whether cases would notice a slip in a runbook's queries; see ``mutation``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mfagap.cases.compare import verdict_differences
from mfagap.cases.mutants import RESULT, Mutant, Piece, Query, assembled, parse
from mfagap.cases.together import Bench, Ready, bare
from mfagap.detect.evaluate import evaluate
from mfagap.detect.runbook import with_shared
from mfagap.errors import EngineError
from mfagap.investigate.run import (
    Inquiry,
    Rows,
    Run,
    by_session,
    conclude,
    parameters,
    run_step,
    sessions,
)
from mfagap.lake.memory import MemoryLake
from mfagap.model import Answer, Runbook, Source, Step

TOO_MUCH = 20_000
"""A step that answers in so many rows fails, as it would in the sandbox; as it is, it gives some
thousand for all cases together."""


@dataclass(frozen=True, slots=True)
class Slip:
    """A change of one of a runbook's queries.

    Attributes:
        mutant: The change.
        query: What is changed: a step's own query, or the one that steps share.
        steps: The steps whose answers it may change.
        shared: Whether it is the query that they share.
    """

    mutant: Mutant
    query: Query
    steps: tuple[Step, ...]
    shared: bool


def slips(runbook: Runbook) -> Iterator[Slip]:
    """Yield every mutant of the queries of ``runbook``; the shared query changes several steps."""
    for step in runbook.steps:
        if step.source is not None:
            query = _parsed(step.source)
            yield from (Slip(mutant, query, (step,), shared=False) for mutant in query.mutants)
    if runbook.shared is not None:
        query = _parsed(runbook.shared)
        readers = tuple(step for step in runbook.steps if _reads_shared(step))
        yield from (Slip(mutant, query, readers, shared=True) for mutant in query.mutants)


def _parsed(source: Source) -> Query:
    return parse(source.sql, source.file, f"{source.name}/")


def _reads_shared(step: Step) -> bool:
    return step.source is not None and step.query != step.source.sql


class RunbookBench:
    """The runbook of a group of cases on a connection of its own, run again and again.

    Args:
        lake: Holds the table ``shared``; see ``together.load``.
        bench: Of the group; its tables are there.
        sql: The detection's query, as it stands.
        runbook: As it stands.
    """

    def __init__(self, lake: MemoryLake, bench: Bench, sql: str, runbook: Runbook) -> None:
        """See the class."""
        self._lake = lake
        self._bench = bench
        self._stages: dict[str, Bench] = {}
        self._runbook = runbook
        members = bench.group.members
        rows = bench.by_case(bench.run(sql))
        detection = next(iter(members.values()))[0]
        slot = bench.group.slot
        found = [
            (suffix, finding)
            for suffix in members
            for finding in evaluate(detection, Ready(list(rows.get(suffix, ()))), slot).findings
        ]
        self._inquiry = Inquiry(
            detection, runbook, [finding for _, finding in found], slot.watermark_ms
        )
        self._suffixes = {finding.uuid: suffix for suffix, finding in found}
        self._bare = {
            suffix: evaluate(
                members[suffix][0], Ready(bare(list(rows.get(suffix, ())), suffix)), slot
            ).findings
            for suffix in set(self._suffixes.values())
        }
        self._runs = [self._run(step) for step in runbook.steps]

    def passes(self, slip: Slip) -> bool:
        """Return whether all cases pass with ``slip``."""
        changed: dict[str, Run] = {}
        try:
            for step in slip.steps:
                stage = self._stage(step, slip)
                if slip.mutant.piece.name == RESULT or not stage.unchanged(slip.mutant.piece):
                    rows = stage.first(TOO_MUCH, self._sql(step, slip))
                    if len(rows) >= TOO_MUCH:
                        return False
                    changed[step.id] = Run(step, by_session(step, rows), 0)
        except EngineError:
            return False
        runs = [changed.get(run.step.id, run) for run in self._runs]
        touched = {
            self._suffixes[uuid]
            for old, new in zip(self._runs, runs, strict=True)
            if new is not old
            for uuid in self._suffixes
            if old.rows.get(uuid, ()) != new.rows.get(uuid, ())
        }
        return not any(self._fails(suffix, runs) for suffix in touched)

    def failing(self) -> Iterator[str]:
        """Yield the suffix of each case that fails as the runbook stands."""
        for suffix in self._bare:
            if self._fails(suffix, self._runs):
                yield suffix

    def _stage(self, step: Step, slip: Slip) -> Bench:
        """Return a bench that has the CTEs of the slip's query as tables, as ``step`` runs them."""
        shared = self._runbook.shared
        key = f"{step.id}_shared" if slip.shared else step.id
        if key not in self._stages:
            lists = {**self._inquiry.detection.lists, **self._runbook.lists}
            group = replace(
                self._bench.group,
                schema=f"{self._bench.group.schema}_{key}",
                lists=lists | {"sessions": sessions(step, self._inquiry)},
                parameters=parameters(step, self._inquiry),
            )
            ctes = slip.query.pieces[:-1]
            if shared is not None and not slip.shared and _reads_shared(step):
                ctes = (Piece(shared.name, f"{shared.name} AS ({shared.sql})", frozenset()), *ctes)
            self._stages[key] = Bench(self._lake, group)
            self._stages[key].build(ctes)
        return self._stages[key]

    def _sql(self, step: Step, slip: Slip) -> str:
        """Return what ``step`` runs with the slip, where its stage has all that stays as it is."""
        sql = assembled(slip.query.after(slip.mutant))
        if not slip.shared or step.source is None or self._runbook.shared is None:
            return sql
        return with_shared(step.source.sql, replace(self._runbook.shared, sql=sql))

    def _run(self, step: Step) -> Run:
        return self._bench.timed(lambda engine: run_step(step, self._inquiry, engine, lambda: 0.0))

    def _fails(self, suffix: str, runs: Sequence[Run]) -> bool:
        detection, case = self._bench.group.members[suffix]
        inquiry = Inquiry(detection, self._runbook, self._bare[suffix], self._inquiry.watermark_ms)
        own = [replace(run, rows=self._own(run.rows, suffix)) for run in runs]
        return bool(verdict_differences(case, conclude(inquiry, own)))

    def _own(self, rows: Rows, suffix: str) -> Rows:
        return {
            uuid.replace(suffix, ""): [
                Answer(
                    answer.event_ms,
                    answer.name,
                    answer.tier,
                    answer.event and answer.event.replace(suffix, ""),
                    answer.amount,
                    answer.detail and answer.detail.replace(suffix, ""),
                )
                for answer in answers
            ]
            for uuid, answers in rows.items()
            if self._suffixes.get(uuid) == suffix
        }
