"""What a query of anybody's may and may not do; see docs/decisions/0017."""

import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from mfagap.engines import sandbox
from mfagap.engines.sandbox import Sandbox
from mfagap.errors import AnswerTooLarge, EngineError
from mfagap.model import ContentList

RULES = ContentList({"rule_id": "VARCHAR", "lifetime_s": "BIGINT"}, (("0pr1", 60), ("0pr2", None)))
SPILL = """
SELECT count(*) AS n FROM (
  SELECT row_number() OVER (ORDER BY repeat('x', 100) || hash(i)) AS r FROM range(1000000) AS t(i)
) WHERE r % 2 = 0"""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills into a folder, like a lake's."""
    spill = tmp_path / "spill"
    spill.mkdir()
    with duckdb.connect(config={"temp_directory": str(spill), "memory_limit": "80MB"}) as opened:
        opened.execute("CREATE TABLE events AS SELECT 1::BIGINT AS event_ms, 'x' AS uuid")
        yield opened


@pytest.fixture
def engine(connection: duckdb.DuckDBPyConnection) -> Sandbox:
    return Sandbox(connection)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that no query may read."""
    file = tmp_path / "secret.csv"
    file.write_text("hidden\nTOP-SECRET\n", encoding="utf-8")
    return file


def refused(engine: Sandbox, sql: str) -> str:
    """Return why ``sql`` is refused; nothing of the database has changed by it."""
    with pytest.raises(EngineError) as caught:
        engine.run(sql, {"from": 1}, {"rules": RULES})
    assert engine.run("SELECT * FROM events", {}, {}) == [{"event_ms": 1, "uuid": "x"}]
    assert "TOP-SECRET" not in str(caught.value)
    return str(caught.value)


def test_rows_have_names(engine: Sandbox) -> None:
    rows = engine.run("SELECT uuid, event_ms AS ms, NULL AS nothing FROM events;", {}, {})
    assert rows == [{"uuid": "x", "ms": 1, "nothing": None}]


def test_parameters_are_bound_and_unused_ones_dropped(engine: Sandbox) -> None:
    sql = "SELECT $from + 0 AS a, $from_here + 0 AS b, '$to' AS c FROM events -- $fr"
    rows = engine.run(sql, {"from": 1, "from_here": 2**53, "to": 3, "fr": 4}, {})
    assert rows == [{"a": 1, "b": 2**53, "c": "$to"}]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT rule_id FROM rules), b AS (SELECT * FROM A) SELECT * FROM b",
        "WITH RECURSIVE r AS (SELECT '0pr1' AS rule_id UNION SELECT '0pr2' FROM r) FROM r",
        "SELECT rule_id FROM main.events JOIN Rules ON true",
        "SELECT '0pr' || i AS rule_id FROM range(1, 3) AS t(i)",
        "SELECT '0pr' || i AS rule_id FROM generate_series(1, 2) AS t(i)",
        "SELECT rule_id FROM unnest(['0pr1', '0pr2']) AS t(rule_id)",
        "VALUES ('0pr1'), ('0pr2')",
    ],
)
def test_what_a_query_may_read(engine: Sandbox, sql: str) -> None:
    rows = engine.run(sql, {}, {"rules": RULES})
    assert sorted(str(value) for row in rows for value in row.values()) == ["0pr1", "0pr2"]


@pytest.mark.parametrize(
    "source",
    [
        "read_text('{file}')",
        "read_blob('{file}')",
        "read_csv('{file}')",
        "read_json('{file}')",
        "read_parquet('{file}')",
        "parquet_metadata('{file}')",
        "sniff_csv('{file}')",
        "glob('{file}')",
        "main.read_text('{file}')",
        "system.main.\"READ_TEXT\"('{file}')",
        "query('SELECT * FROM read_text(''{file}'')')",
        "json_execute_serialized_sql(json_serialize_sql('FROM read_text(''{file}'')'))",
        "(DESCRIBE FROM read_csv('{file}'))",
        "(SELECT (SELECT content FROM read_text('{file}')))",
    ],
)
def test_no_function_reads_a_file(engine: Sandbox, secret: Path, source: str) -> None:
    said = refused(engine, f"SELECT * FROM {source.format(file=secret)}")
    assert "(); as tables, only these functions can be read" in said


def test_no_file_is_a_table(engine: Sandbox, secret: Path) -> None:
    said = refused(engine, f"SELECT * FROM '{secret}'")
    assert said == (
        f"the query reads {str(secret).lower()!r}, which is neither events nor a list of "
        "detection.yml"
    )


def test_no_cte_lends_its_name_to_a_file(engine: Sandbox, tmp_path: Path, secret: Path) -> None:
    inside = tmp_path / "spill" / "chunk.csv"  # where DuckDB itself would read
    inside.write_text("hidden\nTOP-SECRET\n", encoding="utf-8")
    for file in (secret, inside, f"file://{inside}", tmp_path / "spill" / "*.csv"):
        said = refused(
            engine, f"SELECT y.* FROM (WITH \"{file}\" AS (SELECT 1) SELECT 1) AS x, '{file}' AS y"
        )
        assert said == (
            f"the query has a CTE {str(file)!r}: name it otherwise, in letters, digits and _"
        )


def test_duckdb_itself_reads_no_file(
    engine: Sandbox, connection: duckdb.DuckDBPyConnection, secret: Path
) -> None:
    for source in (f"read_text('{secret}')", f"'{secret}'", "read_text('https://example.com/x')"):
        with pytest.raises(duckdb.PermissionException):
            connection.execute(f"SELECT * FROM {source}")
    assert refused(engine, "SELECT * FROM 'https://example.com/x.parquet'")


def test_a_file_beside_what_is_spilled(engine: Sandbox, tmp_path: Path) -> None:
    inside = tmp_path / "spill" / "chunk.csv"
    inside.write_text("hidden\nTOP-SECRET\n", encoding="utf-8")
    assert "neither events nor a list" in refused(engine, f"SELECT * FROM '{inside}'")
    assert "read_csv()" in refused(engine, f"SELECT * FROM read_csv('{inside}')")


def test_nothing_is_asked_of_a_server(engine: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x.csv"
        for source in (f"'{address}'", f"read_csv('{address}')"):
            assert refused(engine, f"SELECT * FROM {source}")
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    "sql",
    [
        "COPY events TO '{out}'",
        "COPY (SELECT 1) TO '{out}'",
        "EXPORT DATABASE '{out}'",
        "ATTACH '{out}'",
        "ATTACH ':memory:' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{out}'",
        "UPDATE EXTENSIONS",
        "CREATE TABLE other (a INT)",
        "CREATE TEMP TABLE events (a INT)",
        "CREATE MACRO m() AS 1",
        "SET memory_limit = '1TB'",
        "RESET memory_limit",
        "PRAGMA memory_limit = '1TB'",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "INSERT INTO events VALUES (2, 'y')",
        "UPDATE events SET uuid = 'y'",
        "DELETE FROM events",
        "DROP TABLE events",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE DELETE FROM events",
        "PREPARE p AS SELECT 1",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "CHECKPOINT",
        "VACUUM",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM events",
        "COMMIT; DELETE FROM events; SELECT 1",
        "",
        ";",
        "-- nothing but a comment",
        "PIVOT events ON uuid USING count(*)",
    ],
)
def test_one_select_and_nothing_else(engine: Sandbox, tmp_path: Path, sql: str) -> None:
    out = tmp_path / "out"
    said = refused(engine, sql.format(out=out))
    assert said.startswith(("the query must be exactly one SELECT", "the query failed: Parser"))
    assert not out.exists()


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM events RETURNING uuid",
        "INSERT INTO events VALUES (2, 'y') RETURNING uuid",
        "UPDATE events SET uuid = 'y' RETURNING uuid",
        "INSERT INTO rules VALUES ('0pr3', 1) RETURNING rule_id AS uuid",
    ],
)
def test_no_cte_changes_data(engine: Sandbox, change: str) -> None:
    # DuckDB 2 takes each for a SELECT; 1.5 for none.
    assert refused(engine, f"WITH a AS ({change}) SELECT * FROM a")


def test_what_a_query_changes_is_undone(
    engine: Sandbox, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read-only transaction alone holds, too."""

    def unchecked(sql: str, _: set[str]) -> duckdb.Statement:
        return connection.extract_statements(sql)[0]

    monkeypatch.setattr(engine, "_checked", unchecked)
    for sql in ("DELETE FROM events", "CREATE TABLE other AS SELECT 1 AS a", "DROP TABLE events"):
        with pytest.raises(EngineError, match="read-only"):
            engine.run(sql, {}, {})
    assert engine.run("SELECT * FROM events", {}, {}) == [{"event_ms": 1, "uuid": "x"}]


@pytest.mark.parametrize(
    "call",
    [
        # DuckDB 1.5 lets the first two write, locked or not, and ends the process at the refusal.
        "enable_logging(storage = 'file', storage_config = {{'path': '{out}'}})",
        "enable_profiling(save_location = '{out}')",
        "checkpoint()",
        "truncate_duckdb_logs()",
        "duckdb_settings()",
        "duckdb_secrets()",
        "duckdb_tables()",
        "query_table('events')",
        "pragma_storage_info('events')",
    ],
)
def test_no_function_reaches_for_the_database(engine: Sandbox, tmp_path: Path, call: str) -> None:
    said = refused(engine, f"SELECT * FROM {call.format(out=tmp_path / 'out')}")
    name = call.partition("(")[0]
    known = "generate_series, range, unnest"
    assert said == (
        f"the query reads {name}(); as tables, only these functions can be read: {known}"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("table", ["information_schema.tables", "duckdb_tables", "pg_class"])
def test_the_catalog_is_not_read(engine: Sandbox, table: str) -> None:
    assert "neither events nor a list" in refused(engine, f"SELECT * FROM {table}")


CATALOG = (
    *("duckdb_columns", "duckdb_databases", "duckdb_logs", "duckdb_tables", "duckdb_views"),
    *("pragma_database_list", "sqlite_master", "sqlite_temp_schema", "pg_class", "pg_settings"),
)
"""Views that need no schema before their name."""


@pytest.mark.parametrize("name", [*CATALOG, "of_the_lake", "DuckDB_Settings"])
def test_no_cte_lends_its_name_to_the_catalog(
    engine: Sandbox, connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    connection.execute("CREATE TABLE of_the_lake AS SELECT 'TOP-SECRET' AS a")
    connection.execute("CREATE VIEW duckdb_settings AS FROM of_the_lake")
    for sql in (
        f"SELECT y.* FROM (WITH {name} AS (SELECT 1) SELECT 1) AS x, {name} AS y",
        f"WITH {name} AS (SELECT * FROM {name}) SELECT * FROM {name}",
        f"WITH a AS (SELECT * FROM {name}), {name} AS (SELECT 1) SELECT * FROM a",
        f"SELECT (WITH {name} AS (SELECT 1) SELECT 1) AS a FROM {name}",
    ):
        said = refused(engine, sql)
        assert said == (
            f"the query has a CTE {name.lower()!r}: name it otherwise, in letters, digits and _"
        )
        assert engine.run(sql.replace(name, "plain"), {}, {"plain": RULES})


@pytest.mark.parametrize(
    "table",
    [
        "information_schema.tables",
        "system.information_schema.tables",
        "main.duckdb_databases",
        "main.pragma_database_list",
        "pg_catalog.pg_class",
        "main.rules",
        "temp.rules",
        "temp.main.rules",
        "memory.events",
        "memory.main.events",
        "temp.events",
        '"main.events"',
        '"main"."MAIN.EVENTS"',
    ],
)
def test_no_schema_but_that_of_events(engine: Sandbox, table: str) -> None:
    plain = table.replace('"', "")
    for cte in ("other", plain.rpartition(".")[2]):
        said = refused(engine, f"WITH {cte} AS (SELECT 1 AS a) SELECT * FROM {table}")
        assert said == (
            f"the query reads {plain.lower()!r}, which is neither events nor a list of "
            "detection.yml"
        )


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("(SHOW TABLES)", "SHOW_REF"),
        ("(SHOW ALL TABLES)", "SHOW_REF"),
        ("(SHOW DATABASES)", "SHOW_REF"),
        ("(SHOW TABLES FROM information_schema)", "SHOW_REF"),
        ("(DESCRIBE events)", "SHOW_REF"),
        ("(SUMMARIZE events)", "SHOW_REF"),
        ("(PIVOT events ON uuid IN ('x') USING count(*))", "PIVOT"),
        ("events UNPIVOT (a FOR b IN (uuid))", "PIVOT"),
    ],
)
def test_nothing_else_is_a_table(engine: Sandbox, source: str, kind: str) -> None:
    for sql in (f"SELECT * FROM {source}", f"SELECT (SELECT count(*) FROM {source}) AS a"):
        said = refused(engine, sql)
        assert said == f"the query reads from {kind}, which is no table, function or subquery"


def test_no_environment(engine: Sandbox) -> None:
    assert "getenv" in refused(engine, "SELECT getenv('HOME') AS a")


def test_no_python_variable_is_a_table(
    engine: Sandbox, connection: duckdb.DuckDBPyConnection
) -> None:
    local = connection.sql("SELECT 'TOP-SECRET' AS a")
    assert "neither events nor a list" in refused(engine, "SELECT * FROM local")
    with pytest.raises(duckdb.CatalogException, match="local does not exist"):
        connection.execute("SELECT * FROM local")
    assert local.fetchall() == [("TOP-SECRET",)]


def test_the_settings_are_locked(engine: Sandbox, connection: duckdb.DuckDBPyConnection) -> None:
    for sql in ("SET memory_limit = '1TB'", "SET enable_external_access = true"):
        with pytest.raises(duckdb.Error, match=r"locked|while database is running"):
            connection.execute(sql)
    again = Sandbox(connection)
    assert again.run("SELECT uuid FROM events", {}, {}) == [{"uuid": "x"}]
    assert engine.run("SELECT uuid FROM events", {}, {}) == [{"uuid": "x"}]


def test_lists_are_gone_afterwards(engine: Sandbox, connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TEMP TABLE rules AS SELECT 'of the lake' AS a")
    sql = "SELECT rule_id, lifetime_s FROM rules ORDER BY rule_id"
    rows = engine.run(sql, {}, {"rules": RULES})
    assert rows == [{"rule_id": "0pr1", "lifetime_s": 60}, {"rule_id": "0pr2", "lifetime_s": None}]
    assert "'rules', which is neither" in refused_without_lists(engine, sql)
    assert connection.execute("FROM rules").fetchall() == [("of the lake",)]


def refused_without_lists(engine: Sandbox, sql: str) -> str:
    with pytest.raises(EngineError) as caught:
        engine.run(sql, {}, {})
    return str(caught.value)


def test_names_of_lists_are_quoted(engine: Sandbox) -> None:
    odd = ContentList({'a" INT); DROP TABLE events; --': "VARCHAR"}, (("x",),))
    rows = engine.run('SELECT * FROM "select"', {}, {"select": odd})
    assert rows == [{'a" INT); DROP TABLE events; --': "x"}]


def test_a_large_query_spills(engine: Sandbox) -> None:
    assert engine.run(SPILL, {}, {}) == [{"n": 500_000}]
    with (
        duckdb.connect(config={"temp_directory": "", "memory_limit": "80MB"}) as other,
        pytest.raises(duckdb.OutOfMemoryException),
    ):
        other.execute(SPILL)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
        "SELECT sum(a.i * b.i) AS n FROM range(10000000) a(i), range(10000000) b(i)",
        "SELECT a.i AS n FROM range(10000000) a(i), range(10000000) b(i) WHERE a.i + b.i = -1",
    ],
)
def test_a_query_without_end_is_stopped(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    hasty = Sandbox(connection, timeout_s=0.1)
    with pytest.raises(EngineError, match=r"^the query ran for more than 0.1 s and was stopped$"):
        hasty.run(sql, {}, {"rules": RULES})
    # The next one is left alone, however soon it comes.
    patient = Sandbox(connection)
    for _ in range(20):
        assert patient.run("SELECT count(*) AS n FROM range(100000)", {}, {}) == [{"n": 100_000}]
    assert [t.name for t in threading.enumerate() if t.name.startswith("mfagap-query")] == []


def test_ctrl_c_stops_a_query(connection: duckdb.DuckDBPyConnection) -> None:
    patient = Sandbox(connection, timeout_s=20)
    timer = threading.Timer(0.3, signal.pthread_kill, [threading.get_ident(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        patient.run("SELECT sum(i) AS n FROM range(100000000000000) t(i)", {}, {})
    timer.join()
    assert patient.run("SELECT uuid FROM events", {}, {}) == [{"uuid": "x"}]


def test_who_else_interrupts_is_not_taken_for_the_clock(
    engine: Sandbox, connection: duckdb.DuckDBPyConnection
) -> None:
    done = threading.Event()

    def interrupt() -> None:
        while not done.wait(0.01):
            connection.interrupt()

    other = threading.Thread(target=interrupt)
    other.start()
    try:
        with pytest.raises(EngineError, match=r"^the query failed: INTERRUPT"):
            engine.run("SELECT sum(i) AS n FROM range(100000000000) t(i)", {}, {})
    finally:
        done.set()
        other.join()


def test_rows_are_bounded(engine: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MAX_ROWS", 2000)
    assert len(engine.run("SELECT i FROM range(2000) t(i)", {}, {})) == 2000
    with pytest.raises(AnswerTooLarge, match=r"^the query gives more than 2,000 rows or") as raised:
        engine.run("SELECT i FROM range(100000000000) t(i)", {}, {})
    assert [f.frame.f_locals["rows"] for f in raised.traceback if f.name == "_rows"] == [[]]


def test_text_is_bounded(engine: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MAX_TEXT", 2**20)
    assert len(engine.run("SELECT repeat('x', 524288) AS a FROM range(2)", {}, {})) == 2
    said = refused(engine, "SELECT repeat('x', 524288) AS a, 'y' AS b FROM range(2)")
    assert said == "the query gives more than 1,000,000 rows or 1 MiB of text"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("now()", "TIMESTAMP WITH TIME ZONE"),
        ("[1]", "INTEGER[]"),
        ("'x'::BLOB", "BLOB"),
        ("1.5", "DECIMAL(2,1)"),
    ],
)
def test_values_are_plain(engine: Sandbox, value: str, kind: str) -> None:
    said = refused(engine, f"SELECT {value} AS a")
    assert said == (
        f"the query gives 'a' as {kind}; cast it to VARCHAR, BOOLEAN, whole numbers or DOUBLE"
    )


def test_what_is_nested_too_deeply(engine: Sandbox) -> None:
    said = refused(engine, "SELECT " + "1 || " * 900 + "1 AS a")
    assert said == "the query is nested too deeply"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nothing FROM events", "nothing"),
        ("SELECT FROM", "syntax error"),
        ("SELECT uuid::BIGINT AS a FROM events", "Could not convert"),
        ("SELECT $missing + 1 AS a", "missing"),
        ("SELECT error(repeat('long ', 100000)) AS a", "long "),
    ],
)
def test_an_error_is_an_engine_error(engine: Sandbox, sql: str, said: str) -> None:
    message = refused(engine, sql)
    assert message.startswith("the query failed: ")
    assert said in message
    assert len(message) < 2100


def test_a_list_that_does_not_fit_is_an_engine_error(engine: Sandbox) -> None:
    wrong = ContentList({"lifetime_s": "BIGINT"}, (("an hour",),))
    with pytest.raises(EngineError, match="the query failed: "):
        engine.run("SELECT 1 AS a", {}, {"rules": wrong})


def test_a_database_that_cannot_be_locked(connection: duckdb.DuckDBPyConnection) -> None:
    connection.close()
    with pytest.raises(EngineError, match="the database cannot be locked: "):
        Sandbox(connection)
