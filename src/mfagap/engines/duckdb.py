"""The embedded engine: DuckDB, over the ``events`` table of a lake's connection."""

from collections.abc import Mapping

import duckdb

from mfagap.errors import EngineError
from mfagap.model import ContentList, Scalar


class DuckDBEngine:
    """Runs SQL that mfagap itself wrote on one connection; a detection's goes to ``Sandbox``.

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
        try:
            self.create(lists)
            (statement,) = self.connection.extract_statements(sql)
            names = statement.named_parameters
            used = {name: value for name, value in parameters.items() if name in names}
            result = self.connection.execute(statement, used)
            columns = [column[0] for column in result.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as error:
            raise EngineError(f"the query failed: {error}") from error

    def create(self, lists: Mapping[str, ContentList]) -> None:
        """Make ``lists`` into temporary tables; one of the same name is replaced."""
        for name, content in lists.items():
            columns = ", ".join(f"{_quoted(c)} {kind}" for c, kind in content.columns.items())
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {_quoted(name)} ({columns})")
            if content.rows:  # a parameter for each column, and not one for each value
                values = ", ".join(f"unnest(?::{kind}[])" for kind in content.columns.values())
                columns_of = [list(column) for column in zip(*content.rows, strict=True)]
                self.connection.execute(f"INSERT INTO {_quoted(name)} SELECT {values}", columns_of)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
