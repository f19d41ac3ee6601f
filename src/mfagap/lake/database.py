"""The database in memory in which ``events`` is made, bounded in memory and silent."""

from collections.abc import Set

import duckdb

from mfagap.lake.fields import COLUMNS
from mfagap.lake.projection import SQL_TYPES

MEMORY_LIMIT = "320MB"


def database(scratch: str) -> duckdb.DuckDBPyConnection:
    """Return a new database; into the folder ``scratch`` goes what exceeds its memory."""
    connection = duckdb.connect(
        config={
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": scratch,
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
        }
    )
    # Progress is kept, for ``watched``, and never printed: it would go to standard output.
    connection.execute(
        "SET TimeZone = 'UTC'; "
        "SET enable_progress_bar = true; SET enable_progress_bar_print = false"
    )
    return connection


def compress(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of ``connection`` from now on such as a CHECKPOINT compresses.

    They take a sixth of the memory then: a large log is not read from the scratch folder again by
    each query. To write such a table takes longer, so it is for what is asked more than once.
    """
    connection.execute("ATTACH ':memory:' AS log (COMPRESS); USE log")


def create_events(connection: duckdb.DuckDBPyConnection, columns: Set[str]) -> None:
    """Make an empty table ``events`` of ``columns``."""
    typed = (f"{name} {SQL_TYPES[name]}" for name in COLUMNS if name in columns)
    connection.execute(f"CREATE TABLE events ({', '.join(typed)})")
