"""What a detection's query becomes in each dialect: the golden files, and how they are made."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

import duckdb
import pytest
import sqlglot
from sqlglot import exp
from tests.engines import golden
from tests.engines.golden import EVERY
from tests.engines.warehouse import Judged

from mfagap.detect.load import find, load_all
from mfagap.engines.dialects import (
    DIALECTS,
    MEANINGS,
    RENAMED,
    STEP_MEANINGS,
    asking,
    document,
    translate,
)
from mfagap.engines.duckdb import DuckDBEngine
from mfagap.engines.portable import Fault, faults
from mfagap.errors import EngineError
from mfagap.investigate.run import SESSIONS
from mfagap.model import ContentList, Detection

CLIENTS = ContentList(
    {"pattern": "VARCHAR", "lifetime_s": "BIGINT"}, (("%it's%", 60), ("$from", None))
)
JOINED = """
SELECT e.uuid AS uuid FROM events AS e JOIN clients AS c ON e.user_agent LIKE c.pattern
"""


@pytest.mark.parametrize(("dialect", "detection_id", "step"), EVERY)
def test_the_golden_file_is_what_is_made_now(
    dialect: str, detection_id: str, step: str | None
) -> None:
    kept = golden.file(dialect, detection_id, step).read_text(encoding="utf-8")
    assert document(find(detection_id), dialect, step) == kept, (
        "write them anew with `python -m tests.engines.golden`, and review what changed"
    )


def test_there_is_no_other_golden_file() -> None:
    kept = {path for path in golden.FOLDER.rglob("*") if path.is_file()}
    assert kept == {golden.file(*one) for one in EVERY}


@pytest.mark.parametrize(("dialect", "detection_id", "step"), EVERY)
def test_a_golden_file_is_portable_sql_in_its_dialect(
    dialect: str, detection_id: str, step: str | None
) -> None:
    back = _back(dialect, detection_id, step)
    source = _source(find(detection_id), step)
    tables = {"events"} if step is None else {"events", "sessions"}
    assert faults(back, tables=tables, parameters=set(_names(detection_id, step))) == []
    placeholders = sqlglot.parse_one(back, dialect="duckdb").find_all(exp.Placeholder)
    (query,) = duckdb.extract_statements(source)
    used = {RENAMED.get(name, name) for name in query.named_parameters}
    assert {placeholder.name for placeholder in placeholders} == used


@pytest.mark.parametrize("detection", load_all(), ids=lambda detection: detection.id)
def test_golden_files_read_back_answer_as_the_query(
    detection: Detection, judged: list[Judged]
) -> None:
    groups = [one for one in judged if one.query == detection.query]
    group = max(groups, key=lambda one: one.cases)
    assert group.lists == detection.lists
    with _holding(group) as engine:
        parameters = {RENAMED.get(name, name): value for name, value in group.parameters.items()}
        for dialect in DIALECTS:
            answer = engine.run(_back(dialect, detection.id), parameters, {})
            assert sorted(answer, key=repr) == sorted(group.answer, key=repr), dialect


@pytest.mark.parametrize("detection", load_all(), ids=lambda detection: detection.id)
def test_golden_files_of_steps_read_back_answer_as_the_steps(
    detection: Detection, judged: list[Judged]
) -> None:
    group = max((one for one in judged if one.query == detection.query), key=lambda one: one.cases)
    assert detection.runbook is not None
    day = 24 * 60 * 60 * 1000
    found = [row for row in group.answer if row["skip_reason"] is None]
    starts = [(row["uuid"], int(str(row["event_ms"])), row["mfa_event"]) for row in found]
    sessions = ContentList(
        SESSIONS, tuple((uuid, ms, ms - 30 * day, ms + day, mfa) for uuid, ms, mfa in starts)
    )
    parameters = {
        **detection.runbook.parameters,
        "from": min(ms for _, ms, _ in starts) - 30 * day,
        "to": max(ms for _, ms, _ in starts) + day,
        "chain_ms": detection.chain_s * 1000,
        "cap_ms": detection.runbook.cap_s * 1000,
    }
    lists = {**detection.lists, **detection.runbook.lists, "sessions": sessions}
    with _holding(group) as engine:
        renamed = {RENAMED.get(name, name): value for name, value in parameters.items()}
        for step in asking(detection):
            answer = engine.run(_source(detection, step.id), parameters, lists)
            assert len({row["answer"] for row in answer}) > 1, step.id
            for dialect in DIALECTS:
                back = engine.run(
                    _back(dialect, detection.id, step.id), renamed, {"sessions": sessions}
                )
                assert sorted(back, key=repr) == sorted(answer, key=repr), (step.id, dialect)


@contextmanager
def _holding(group: Judged) -> Generator[DuckDBEngine]:
    """Yield an engine that holds the events of ``group``."""
    with duckdb.connect() as connection:
        types = ", ".join(f"{name} {kind}" for name, kind in group.columns)
        connection.execute(f"CREATE TABLE events ({types})")
        marks = ", ".join("?" for _ in group.columns)
        connection.executemany(f"INSERT INTO events VALUES ({marks})", group.rows)
        yield DuckDBEngine(connection)


def _source(detection: Detection, step: str | None) -> str:
    """Return the query that a golden file is made of."""
    if step is None:
        return detection.query
    (query,) = (one.query for one in asking(detection) if one.id == step)
    assert query is not None
    return query


def _names(detection_id: str, step: str | None) -> list[str]:
    """Return the parameters that a golden file may have."""
    if step is None:
        return list(MEANINGS)
    runbook = find(detection_id).runbook
    assert runbook is not None
    return [*STEP_MEANINGS, *runbook.parameters]


@cache
def _back(dialect: str, detection_id: str, step: str | None = None) -> str:
    """Return a golden file, parsed in its dialect, as DuckDB's SQL without what dialects need."""
    detection = find(detection_id)
    text = golden.file(dialect, detection_id, step).read_text(encoding="utf-8")
    named = _named(text, dialect, _names(detection_id, step))
    query = sqlglot.parse_one(named, dialect=dialect, into=exp.Select)
    known = dict(detection.lists)
    if step is not None and detection.runbook is not None:
        known |= detection.runbook.lists
    lists = [cte for cte in query.ctes if cte.alias in known]
    source = sqlglot.parse_one(_source(detection, step), dialect="duckdb")
    read = {table.name for table in source.find_all(exp.Table)}
    assert [cte.alias for cte in lists] == [name for name in known if name in read]
    for cast in [cast for cte in lists for cast in cte.find_all(exp.Cast)]:
        cast.replace(cast.this)
    if dialect == "clickhouse":
        assert [setting.sql() for setting in query.args["settings"]] == [
            "join_use_nulls = 1",
            "enable_materialized_cte = 1",
        ]
        query.set("settings", None)
        assert all(cte.args["materialized"] for cte in query.ctes)
        for cte in query.ctes:
            cte.set("materialized", None)
    return query.sql(dialect="duckdb")


def _named(text: str, dialect: str, parameters: list[str]) -> str:
    """Return ``text`` as the driver sends it, with names for its values."""
    if DIALECTS[dialect].doubled:
        return text % {name: f":{name}" for name in parameters}
    if dialect == "trino":
        _, _, ordered = text.partition("in this order:")
        names = iter(re.findall(r"^--   (\w+)$", ordered, re.MULTILINE))
        named = re.sub(r"\?", lambda _: f":{next(names)}", text)
        assert list(names) == []
        return named
    return text


@pytest.mark.parametrize(
    ("dialect", "condition", "parameters"),
    [
        ("bigquery", "@to_ms - @from_ms > @from_ms AND 'a%?' LIKE '%$to'", ("to_ms", "from_ms")),
        (
            "clickhouse",
            "{to_ms: Int64} - {from_ms: Int64} > {from_ms: Int64} AND 'a%?' LIKE '%$to'",
            ("to_ms", "from_ms"),
        ),
        ("databricks", ":to_ms - :from_ms > :from_ms AND 'a%?' LIKE '%$to'", ("to_ms", "from_ms")),
        ("duckdb", "$to_ms - $from_ms > $from_ms AND 'a%?' LIKE '%$to'", ("to_ms", "from_ms")),
        (
            "postgres",
            "%(to_ms)s - %(from_ms)s > %(from_ms)s AND 'a%%?' LIKE '%%$to'",
            ("to_ms", "from_ms"),
        ),
        (
            "snowflake",
            "%(to_ms)s - %(from_ms)s > %(from_ms)s AND 'a%%?' LIKE '%%$to'",
            ("to_ms", "from_ms"),
        ),
        ("spark", ":to_ms - :from_ms > :from_ms AND 'a%?' LIKE '%$to'", ("to_ms", "from_ms")),
        ("trino", "? - ? > ? AND 'a%?' LIKE '%$to'", ("to_ms", "from_ms", "from_ms")),
    ],
)
def test_parameters_are_as_the_driver_takes_them(
    dialect: str, condition: str, parameters: tuple[str, ...]
) -> None:
    sql = "SELECT 1 AS a FROM events WHERE $to - $from > $from AND 'a%?' LIKE '%$to'"
    translation = translate(sql, {}, dialect)
    assert " ".join(translation.sql.split()).partition("WHERE ")[2].startswith(condition)
    assert translation.parameters == parameters


@pytest.mark.parametrize(
    ("dialect", "first", "second"),
    [
        ("duckdb", "CAST('%it''s%' AS TEXT) AS pattern, CAST(60 AS BIGINT)", "'$from', NULL"),
        ("bigquery", r"CAST('%it\'s%' AS STRING) AS pattern, CAST(60 AS INT64)", "'$from', NULL"),
        (
            "snowflake",
            r"CAST('%%it\'s%%' AS VARCHAR) AS pattern, CAST(60 AS BIGINT)",
            "'$from', NULL",
        ),
    ],
)
def test_a_list_is_constant_rows(dialect: str, first: str, second: str) -> None:
    sql = " ".join(translate(JOINED, {"clients": CLIENTS}, dialect).sql.split())
    start = f"WITH clients AS ( SELECT {first} AS lifetime_s UNION ALL SELECT {second} ) SELECT "
    assert sql.startswith(start)


def test_an_empty_list_is_no_row_of_its_types() -> None:
    empty = ContentList(CLIENTS.columns, ())
    sql = " ".join(translate(JOINED, {"clients": empty}, "postgres").sql.split())
    assert sql.startswith(
        "WITH clients AS ( SELECT CAST(NULL AS TEXT) AS pattern, CAST(NULL AS BIGINT) AS "
        "lifetime_s FROM events WHERE 1 = 0 ) SELECT "
    )


def test_a_list_that_is_not_read_is_left_out() -> None:
    sql = "SELECT 1 AS a FROM events"
    assert translate(sql, {"clients": CLIENTS}, "duckdb").sql == "SELECT\n  1 AS a\nFROM events"


def test_lists_come_before_the_ctes_that_read_them() -> None:
    sql = f"WITH found AS ({JOINED}) SELECT f.uuid AS uuid FROM found AS f"
    query = sqlglot.parse_one(translate(sql, {"clients": CLIENTS}, "trino").sql, dialect="trino")
    assert isinstance(query, exp.Select)
    assert [cte.alias for cte in query.ctes] == ["clients", "found"]


@pytest.mark.parametrize("text", [r"a\_b", "a\0b"])
def test_text_that_engines_read_differently_is_refused(text: str) -> None:
    rows = ContentList({"pattern": "VARCHAR"}, ((text,),))
    with pytest.raises(EngineError, match=r"^list clients: engines read .* differently$"):
        translate(JOINED, {"clients": rows}, "duckdb")


def test_the_lint_refuses_such_text_in_a_query() -> None:
    sql = "SELECT a FROM events\nWHERE a LIKE 'x\\_%'"
    message = "a backslash escapes in some engines only: no LIKE pattern can rely on it"
    assert faults(sql, tables={"events"}, parameters=set()) == [Fault(message, 2)]


def test_a_nul_in_a_query_is_refused() -> None:
    with pytest.raises(EngineError, match=r"^a query holds no NUL$"):
        translate("SELECT '\0' AS a FROM events", {}, "duckdb")


def test_what_is_no_sql_is_refused() -> None:
    with pytest.raises(EngineError, match=r"^cannot be written for Trino: "):
        translate("SELECT FROM WHERE", {}, "trino")


def test_texts_are_joined_without_casts_and_null_is_asked_for_plainly() -> None:
    sql = "SELECT e.a || 'x' AS b FROM events AS e WHERE e.c IS NOT NULL -- why"
    assert translate(sql, {}, "trino").sql == (
        "SELECT\n  e.a || 'x' AS b\nFROM events AS e\nWHERE\n  e.c IS NOT NULL"
    )


def test_snowflake_keeps_the_case_of_the_names_of_the_result() -> None:
    sql = "WITH x AS (SELECT e.a AS a FROM events AS e) SELECT x.a AS a FROM x"
    assert " ".join(translate(sql, {}, "snowflake").sql.split()) == (
        'WITH x AS ( SELECT e.a AS a FROM events AS e ) SELECT x.a AS "a" FROM x'
    )
