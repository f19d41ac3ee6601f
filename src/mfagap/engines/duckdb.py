"""The embedded engine: DuckDB, over the ``events`` table of a lake's connection."""

import re
from collections.abc import Mapping

import duckdb

from mfagap.errors import EngineError
from mfagap.model import ContentList, Scalar


class DuckDBEngine:
    """Runs queries on one connection.

    Args:
        connection: Holds ``events``.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """See the class."""
        self.connection = connection

    def run(
        self, sql: str, parameters: Mapping[str, int], lists: Mapping[str, ContentList]
    ) -> list[dict[str, Scalar]]:
        """Return the rows of ``sql`` as name → value.

        Args:
            sql: One SELECT in the portable subset; parameters as ``$name``.
            parameters: Values by name; those that ``sql`` does not use are left out.
            lists: Small tables that ``sql`` may join.

        Raises:
            EngineError: The query failed, or ran out of memory or disk.
        """
        used = {name: value for name, value in parameters.items() if re.search(rf"\${name}\b", sql)}
        try:
            for name, rows in lists.items():
                self._create(name, rows)
            result = self.connection.execute(sql, used)
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as error:
            raise EngineError(f"the query failed: {error}") from error

    def _create(self, name: str, rows: ContentList) -> None:
        columns = ", ".join(f'"{column}" {kind}' for column, kind in rows.columns.items())
        self.connection.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" ({columns})')
        if rows.rows:
            marks = ", ".join("?" for _ in rows.columns)
            self.connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows.rows)
