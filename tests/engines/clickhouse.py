"""ClickHouse inside this process, and a detection's query on it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from tests.engines.warehouse import Columns, Rows, translated

from mfagap.model import ContentList, Scalar

TYPES = {
    "VARCHAR": "Nullable(String)",
    "BIGINT": "Nullable(Int64)",
    "BOOLEAN": "Nullable(Bool)",
}


class ClickHouse:
    """Runs translated queries in one session.

    Args:
        session: A session of chdb.
        stepwise: Run each CTE that is referenced more than once as a table, as the server does by
            itself. That spares resolving the names of the whole, which takes many seconds.
    """

    def __init__(self, session: Any, *, stepwise: bool) -> None:
        self._session = session
        self._stepwise = stepwise

    def fill(self, columns: Columns, rows: Rows) -> None:
        types = ", ".join(f"{name} {TYPES[kind]}" for name, kind in columns)
        self._session.query(f"CREATE OR REPLACE TABLE events ({types}) ENGINE = Memory")
        names = [name for name, _ in columns]
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
        if lines:
            self._session.query("INSERT INTO events FORMAT JSONEachRow " + "\n".join(lines))

    def run(
        self, sql: str, parameters: Mapping[str, int], lists: Mapping[str, ContentList]
    ) -> list[dict[str, Scalar]]:
        query, values = translated(sql, lists, parameters, "clickhouse")
        *steps, last = _steps(query) if self._stepwise else [query]
        for step in steps:
            self._session.query(step, params=values)
        answer = self._session.query(last, "JSONEachRow", params=values).data()
        return [json.loads(line) for line in answer.splitlines()]


def _steps(sql: str) -> Iterator[str]:
    """Yield ``sql`` as statements: a table for each CTE that has several references, then the rest.

    The others stay CTEs of each statement, which takes those it needs.
    """
    query = sqlglot.parse_one(sql, dialect="clickhouse", into=exp.Select)
    references = Counter(table.name for table in query.find_all(exp.Table))
    inline: list[exp.CTE] = []
    for cte in query.ctes:
        if references[cte.alias] > 1:
            select = _with(inline, cte.this)
            yield f"CREATE OR REPLACE TABLE {cte.alias} ENGINE = Memory AS {select}"
        else:
            inline.append(cte)
    query.set("with_", None)
    query.set("settings", None)
    yield _with(inline, query)


def _with(ctes: list[exp.CTE], query: exp.Expr) -> str:
    """Return ``query`` with those of ``ctes`` that it reads, or that they read."""
    wanted = {table.name for table in query.find_all(exp.Table)}
    kept: list[str] = []
    for cte in reversed(ctes):
        if cte.alias in wanted:
            wanted |= {table.name for table in cte.this.find_all(exp.Table)}
            kept.insert(0, f"{cte.alias} AS ({cte.this.sql(dialect='clickhouse')})")
    definitions = f"WITH {', '.join(kept)} " if kept else ""
    return f"{definitions}{query.sql(dialect='clickhouse')} SETTINGS join_use_nulls = 1"
