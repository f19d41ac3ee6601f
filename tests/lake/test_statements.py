"""SQL that is parsed once: any connection runs it, and what is no SQL is told each time."""

import duckdb
import pytest

from mfagap.lake.statements import parsed


def test_what_was_parsed_once_runs_on_any_connection() -> None:
    sql = "SELECT a + $more FROM range(2) AS r (a) ORDER BY a"
    (statement,) = parsed(sql)
    assert parsed(sql)[0] is statement
    for more, locked in ((1, False), (2, True)):
        with duckdb.connect() as connection:
            connection.execute(f"SET lock_configuration = {locked}")
            rows = connection.execute(statement, {"more": more}).fetchall()
            assert rows == [(more,), (more + 1,)]


def test_what_is_no_sql_is_told_each_time() -> None:
    for _ in range(2):
        with pytest.raises(duckdb.ParserException, match="SELEC"):
            parsed("SELEC 1")
