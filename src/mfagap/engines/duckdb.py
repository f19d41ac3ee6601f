"""The embedded engine: DuckDB, over the ``events`` table of a lake's connection."""

import sys
from collections.abc import Mapping

import duckdb

from mfagap.errors import EngineError
from mfagap.lake.statements import parsed
from mfagap.model import ContentList, Scalar


class DuckDBEngine:
    """Runs SQL that mfagap itself wrote on one connection; a detection's goes to ``Sandbox``.

    Args:
        connection: Holds ``events``.
        most: So many rows of an answer are fetched.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, most: int = sys.maxsize) -> None:
        """See the class."""
        self.connection = connection
        self._most = most

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
        try:
            self.create(lists)
            (statement,) = parsed(sql)
            names = statement.named_parameters
            used = {name: value for name, value in parameters.items() if name in names}
            result = self.connection.execute(statement, used)
            columns = [column[0] for column in result.description or ()]
            rows = result.fetchmany(self._most)
            return [dict(zip(columns, row, strict=True)) for row in rows]
        except duckdb.Error as error:
            raise EngineError(f"the query failed: {error}") from error

    def create(self, lists: Mapping[str, ContentList]) -> None:
        """Make ``lists`` into temporary tables; one of the same name is replaced."""
        for name, content in lists.items():
            made = f"CREATE OR REPLACE TEMP TABLE {_quoted(name)}"
            if content.rows:  # a parameter for each column, and not one for each value
                given = content.columns.items()
                values = ", ".join(f"unnest(?::{kind}[]) AS {_quoted(c)}" for c, kind in given)
                columns_of = [list(column) for column in zip(*content.rows, strict=True)]
                (statement,) = parsed(f"{made} AS SELECT {values}")
                self.connection.execute(statement, columns_of)
            else:
                columns = ", ".join(f"{_quoted(c)} {kind}" for c, kind in content.columns.items())
                self.connection.execute(f"{made} ({columns})")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
