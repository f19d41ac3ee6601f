"""Whether a check's cases would notice a slip in its query: each mutant must fail one.

Each case has a connection of its own to one database, and on it every table that the query reads
and every CTE of the query: a mutant costs the changed CTE and those that read it.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mfagap.cases.hardening import HardeningCase
from mfagap.cases.hardening_run import differences
from mfagap.cases.mutants import Piece, Query, assembled, parse
from mfagap.cases.mutation import Report, report
from mfagap.cases.together import Ready
from mfagap.engines.duckdb import DuckDBEngine
from mfagap.errors import ContentError, EngineError
from mfagap.harden.judge import judge, lists, parameters
from mfagap.lake.memory import MemoryLake
from mfagap.lake.projection import named_in
from mfagap.lake.rejects import Rejects
from mfagap.model import ContentList, Delivery, Scalar
from mfagap.model.hardening import Check

_SUFFIX = ":{:04}"
_LENGTH = len(_SUFFIX.format(0))

Rows = list[dict[str, Scalar]]


def mutate(
    check: Check,
    cases: Sequence[HardeningCase],
    progress: Callable[[int, int], None] = lambda _judged, _all: None,
) -> Report:
    """Judge every mutant of the query of ``check`` by ``cases``.

    Args:
        check: As shipped.
        cases: All of its cases; at least one.
        progress: Told how many mutants were judged since it was last told, and how many there are.

    Raises:
        ContentError: ``survivors.yml`` is off, or a case fails as the query stands.
        EngineError: The query failed as it stands.
    """
    query = parse(check.query, str(Path(check.folder) / "query.sql"))
    judgments = _judgments(check, query, cases)
    return report(Path(check.folder), query.mutants, judgments, progress)


def _judgments(
    check: Check, query: Query, cases: Sequence[HardeningCase]
) -> Iterator[tuple[int, bool]]:
    """Yield the place of each mutant, and whether it passes all cases."""
    with Rejects() as rejects, MemoryLake(rejects, 0, named_in(check.query)) as lake:
        _load(lake, check, cases)
        benches = [_Bench(lake, number, check, query, case) for number, case in enumerate(cases)]
        for place, mutant in enumerate(query.mutants):
            sql = assembled(query.after(mutant))
            killer = next((bench for bench in benches if not bench.passes(sql)), None)
            if killer is not None:  # who has killed one kills the next of the same kind
                benches.remove(killer)
                benches.insert(0, killer)
            yield place, killer is None


def _load(lake: MemoryLake, check: Check, cases: Sequence[HardeningCase]) -> None:
    """Read the events of all ``cases``, each with the number of its case after its ``uuid``."""
    lake.connection.execute("SET threads = 1")
    with tempfile.TemporaryDirectory(prefix="mfagap-cases-") as folder:
        file = Path(folder) / "events.ndjson"
        with file.open("w", encoding="utf-8") as out:
            for number, case in enumerate(cases):
                for event in case.events:
                    marked = event | {"uuid": event["uuid"] + _SUFFIX.format(number)}
                    out.write(json.dumps(marked) + "\n")
        lake.load([Delivery(file, "cases")], ("*",))  # others' events are there, too


class _Bench:
    """A connection of its own on which one case is judged, again and again."""

    def __init__(
        self, lake: MemoryLake, number: int, check: Check, query: Query, case: HardeningCase
    ) -> None:
        self._engine = DuckDBEngine(lake.connection.cursor())
        self._check, self._case = check, case
        self._parameters = parameters(case.snapshot, case.span)
        self._run("SELECT 1 AS made", lists(check, case.tables))
        suffix = _SUFFIX.format(number)
        self._run(
            f"CREATE TEMP TABLE events AS SELECT e.* REPLACE (left(uuid, -{_LENGTH}) AS uuid) "
            f"FROM main.events AS e WHERE right(uuid, {_LENGTH}) = '{suffix}'"
        )
        for cte in query.pieces[:-1]:
            self._run(f'CREATE TEMP TABLE "{cte.name}" AS {_all_of(cte)}')
        self._passing = self._run(query.pieces[-1].sql)
        if self._fails(self._passing):
            raise ContentError("fails as the query stands; see `mfagap test`", case.file)

    def passes(self, sql: str) -> bool:
        """Return whether the case passes with ``sql``; it does not where that fails."""
        try:
            rows = self._run(sql)
            return rows == self._passing or not self._fails(rows)
        except EngineError:
            return False

    def _fails(self, rows: Rows) -> bool:
        case, engine = self._case, Ready(rows)
        results = judge(self._check, engine, case.tables, case.snapshot, case.span)
        return bool(differences(self._check, case, results))

    def _run(self, sql: str, given: Mapping[str, ContentList] | None = None) -> Rows:
        return self._engine.run(sql, self._parameters, given or {})


def _all_of(cte: Piece) -> str:
    return f'WITH {cte.sql} SELECT * FROM "{cte.name}"'
