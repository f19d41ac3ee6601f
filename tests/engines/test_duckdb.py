from collections.abc import Iterator

import duckdb
import pytest

from mfagap.engines.duckdb import DuckDBEngine
from mfagap.errors import EngineError
from mfagap.model import ContentList

RULES = ContentList({"rule_id": "VARCHAR", "lifetime_s": "BIGINT"}, (("0pr1", 60), ("0pr2", None)))


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE events AS SELECT 1::BIGINT AS event_ms, 'x' AS uuid")
        yield DuckDBEngine(connection)


def test_rows_have_names(engine: DuckDBEngine) -> None:
    rows = engine.run("SELECT uuid, event_ms AS ms, NULL AS nothing FROM events", {}, {})
    assert rows == [{"uuid": "x", "ms": 1, "nothing": None}]


@pytest.mark.parametrize(("most", "rows"), [(0, 0), (1, 1), (2999, 2999), (3000, 3000), (9, 9)])
def test_so_many_rows_are_fetched(engine: DuckDBEngine, most: int, rows: int) -> None:
    bounded = DuckDBEngine(engine.connection, most)
    assert len(bounded.run("SELECT i FROM range(3000) t(i)", {}, {})) == rows


def test_no_row(engine: DuckDBEngine) -> None:
    assert engine.run("SELECT uuid FROM events WHERE event_ms > 1", {}, {}) == []


def test_parameters_are_bound_and_unused_ones_dropped(engine: DuckDBEngine) -> None:
    sql = "SELECT $from + 0 AS a, $from_here + 0 AS b FROM events WHERE event_ms = $from"
    rows = engine.run(sql, {"from": 1, "from_here": 2, "to": 3, "fr": 4}, {})
    assert rows == [{"a": 1, "b": 2}]


def test_a_text_is_no_parameter(engine: DuckDBEngine) -> None:
    sql = "SELECT '$to' AS a, $from + 0 AS b -- $to"
    assert engine.run(sql, {"from": 1, "to": 2}, {}) == [{"a": "$to", "b": 1}]


def test_a_parameter_keeps_64_bits(engine: DuckDBEngine) -> None:
    assert engine.run("SELECT $to + 1 AS a", {"to": 2**53}, {}) == [{"a": 2**53 + 1}]


def test_lists_are_tables(engine: DuckDBEngine) -> None:
    rows = engine.run(
        "SELECT rule_id, lifetime_s FROM rules ORDER BY rule_id", {}, {"rules": RULES}
    )
    assert rows == [
        {"rule_id": "0pr1", "lifetime_s": 60},
        {"rule_id": "0pr2", "lifetime_s": None},
    ]


def test_an_empty_list_is_an_empty_table(engine: DuckDBEngine) -> None:
    empty = ContentList(RULES.columns, ())
    assert engine.run("SELECT rule_id FROM rules", {}, {"rules": empty}) == []


def test_a_list_replaces_the_one_before(engine: DuckDBEngine) -> None:
    one = ContentList({"pattern": "VARCHAR"}, (("%x%",),))
    engine.run("SELECT 1 AS a", {}, {"rules": RULES})
    assert engine.run("SELECT pattern FROM rules", {}, {"rules": one}) == [{"pattern": "%x%"}]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT a FROM nowhere", "nowhere"),
        ("SELECT FROM", "syntax error"),
        ("SELECT uuid::BIGINT AS a FROM events", "Could not convert"),
        ("SELECT $missing + 1 AS a", "missing"),
    ],
)
def test_an_error_is_an_engine_error(engine: DuckDBEngine, sql: str, said: str) -> None:
    with pytest.raises(EngineError, match=f"^the query failed: (?s:.*){said}"):
        engine.run(sql, {}, {})


def test_a_list_that_does_not_fit_is_an_engine_error(engine: DuckDBEngine) -> None:
    wrong = ContentList({"lifetime_s": "BIGINT"}, (("an hour",),))
    with pytest.raises(EngineError, match="the query failed: "):
        engine.run("SELECT 1 AS a", {}, {"rules": wrong})
