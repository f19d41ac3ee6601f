"""SQL as DuckDB's parser reads it, once for each text: that takes longer than a small query."""

from functools import lru_cache

import duckdb


@lru_cache(maxsize=1)
def parser() -> duckdb.DuckDBPyConnection:
    """Return a connection that only parses: none of a lake's, which may be locked, or busy."""
    return duckdb.connect(config={"threads": 1})


@lru_cache(maxsize=64)
def parsed(sql: str) -> tuple[duckdb.Statement, ...]:
    """Return the statements of ``sql``, which any connection can run.

    Raises:
        duckdb.Error: It cannot be parsed.
    """
    return tuple(parser().extract_statements(sql))
