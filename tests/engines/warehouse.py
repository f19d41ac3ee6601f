"""The cases' rows and what DuckDB says of them, for engines that should say the same."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

import pytest

from mfagap.cases import mutants, together
from mfagap.cases.load import load as load_cases
from mfagap.cases.templates import Templates
from mfagap.detect.evaluate import Engine
from mfagap.detect.load import load_all
from mfagap.engines.dialects import RENAMED, translate
from mfagap.engines.duckdb import DuckDBEngine
from mfagap.lake.memory import MemoryLake
from mfagap.lake.rejects import Rejects
from mfagap.model import ContentList, Detection, Scalar

Columns = Sequence[tuple[str, str]]
Rows = Sequence[tuple[Scalar, ...]]
Answer = list[dict[str, Scalar]]


@dataclass(frozen=True, slots=True)
class Judged:
    """Cases that are judged by one query, as ``together`` groups them: all pass on DuckDB.

    Attributes:
        cases: How many.
        query: The detection's.
        parameters: What it is given.
        lists: What it reads beside ``events``.
        columns: Name and type of each column of ``events``.
        rows: The rows of ``events``.
        answer: DuckDB's.
    """

    cases: int
    query: str
    parameters: Mapping[str, int]
    lists: Mapping[str, ContentList]
    columns: Columns
    rows: Rows
    answer: Answer


class Warehouse(Engine, Protocol):
    """An engine whose ``events`` can be filled."""

    def fill(self, columns: Columns, rows: Rows) -> None:
        """Make ``events`` hold these rows, and no other."""
        ...


def judge_all() -> list[Judged]:
    """Read the cases of every detection into DuckDB and judge them there."""
    return [judged for detection in load_all() for judged in _judge(detection)]


def _judge(detection: Detection) -> Iterator[Judged]:
    cases = load_cases(Path(detection.folder), Templates())
    pieces = mutants.parse(detection.query).pieces
    with Rejects() as rejects, MemoryLake(rejects, together.latest(cases)) as lake:
        together.load(lake, detection, cases)
        for group in together.groups(lake, detection, cases, pieces):
            connection = lake.connection.cursor()
            run = connection.execute
            run(f"SET schema = '{group.schema}'")
            described = run("DESCRIBE events").fetchall()
            yield Judged(
                cases=len(group.members),
                query=detection.query,
                parameters=group.parameters,
                lists=group.lists,
                columns=[(str(name), str(kind)) for name, kind, *_ in described],
                rows=run("SELECT * FROM events").fetchall(),
                answer=DuckDBEngine(connection).run(detection.query, group.parameters, group.lists),
            )


def differing(warehouse: Warehouse, judged: Judged) -> list[tuple[object, object]]:
    """Return each row that ``warehouse`` answers otherwise than DuckDB, with DuckDB's."""
    warehouse.fill(judged.columns, judged.rows)
    answer = warehouse.run(judged.query, judged.parameters, judged.lists)
    found = {str(row["uuid"]): row for row in answer}
    assert len(found) == len(answer)
    expected = {str(row["uuid"]): row for row in judged.answer}
    return [
        (found.get(uuid), expected.get(uuid))
        for uuid in sorted(found.keys() | expected.keys())
        if found.get(uuid) != expected.get(uuid)
    ]


def translated(
    sql: str, lists: Mapping[str, ContentList], parameters: Mapping[str, int], dialect: str
) -> tuple[str, dict[str, int]]:
    """Return ``sql`` in ``dialect``, and its parameters under the names that it has for them."""
    named = {RENAMED.get(name, name): value for name, value in parameters.items()}
    return translate(sql, lists, dialect).sql, named


def missing(reason: str) -> NoReturn:
    """Skip the test, for a reason; where everything must be there, fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
