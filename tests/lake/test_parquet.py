"""Parquet in the forms in which warehouses write it."""

import json
from pathlib import Path

import duckdb
import pytest
from tests.events import PUBLISHED_MS, event, ndjson, start
from tests.lake.reading import Row, read

EVENTS = (start("a"), event("session_policy", "b"), event("mfa", "c", outcome__reason="ä\0b"))
TEXTS = {"debug_data": None, "targets": None}


def written(folder: Path, select: str) -> bytes:
    """Return Parquet of ``select`` over ``rows``, DuckDB's own view of the events."""
    source, target = folder / "rows.ndjson", folder / "rows.parquet"
    source.write_bytes(ndjson(EVENTS))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TABLE rows AS FROM read_json(?)", [str(source)])
        connection.execute(f"COPY ({select}) TO '{target}' (FORMAT parquet)")
    return target.read_bytes()


def expected(folder: Path) -> list[Row]:
    rows = read(folder / "lines", {"lines": ndjson(EVENTS)}).rows
    return [row | TEXTS for row in rows.values()]


@pytest.mark.parametrize(
    "select",
    [
        "SELECT * FROM rows",
        "SELECT * REPLACE (strftime(published, '%Y-%m-%dT%H:%M:%SZ') AS published) FROM rows",
        "SELECT * REPLACE (published::TIMESTAMP AS published) FROM rows",
        "SELECT * REPLACE (timezone('UTC', published::TIMESTAMP) AS published) FROM rows",
        "SELECT * REPLACE (uuid::VARCHAR AS uuid, to_json(actor) AS actor,"
        " to_json(target) AS target, to_json(debugContext) AS debugContext) FROM rows",
        "SELECT * REPLACE (to_json(actor)::VARCHAR AS actor, to_json(client)::VARCHAR AS client,"
        " to_json(debugContext)::VARCHAR AS debugContext, to_json(target)::VARCHAR AS target)"
        " FROM rows",
        "SELECT eventType AS eventtype, * EXCLUDE (eventType) FROM rows",
        "SELECT to_json(rows)::VARCHAR AS event_original, 1 AS n, to_json(rows)::VARCHAR AS _raw"
        " FROM rows",
        "SELECT rows AS detail, 'SystemLog' AS \"detail-type\" FROM rows",
    ],
    ids=[
        "structs",
        "text-time",
        "timestamp",
        "timestamptz",
        "json",
        "json-text",
        "folded-key",
        "raw",
        "eventbridge",
    ],
)
def test_every_form_gives_the_rows_of_the_lines(select: str, tmp_path: Path) -> None:
    found = read(tmp_path, {"misnamed.json": written(tmp_path, select)})
    assert found.rejects == []
    assert [row | TEXTS for row in found.rows.values()] == expected(tmp_path)


def test_times_keep_their_moment(tmp_path: Path) -> None:
    select = """
SELECT * REPLACE (TIMESTAMPTZ '2026-01-15 07:00:00.123456-05' AS published),
       TIMESTAMPTZ '2026-01-15 12:00:05+00' AS p_parse_time FROM rows WHERE uuid = 'a'"""
    (row,) = read(tmp_path, {"a": written(tmp_path, select)}).rows.values()
    assert (row["event_ms"], row["received_ms"]) == (PUBLISHED_MS + 123, PUBLISHED_MS + 5000)


def test_a_row_that_is_off_is_told_by_its_number(tmp_path: Path) -> None:
    select = """
SELECT * REPLACE (CASE WHEN uuid = 'b' THEN NULL ELSE uuid END AS uuid, 'x' AS actor)
FROM rows ORDER BY rows.uuid"""
    found = read(tmp_path, {"a": written(tmp_path, select)})
    assert list(found.rows) == ["a", "c"]
    assert found.of("a") == [
        (1, "wrong type of actor", True),
        (2, "no uuid", False),
        (3, "wrong type of actor", True),
    ]
    assert json.loads(found.rejects[1]["text"])["actor"] == "x"


def test_what_no_json_library_takes_is_used_all_the_same(tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    select = f"SELECT *, '{deep}'::JSON AS zz FROM rows WHERE uuid = 'a'"
    found = read(tmp_path, {"a": written(tmp_path, select)})
    assert (list(found.rows), found.of("a")) == (["a"], [(1, "no strict JSON", True)])


def test_damaged_files_are_named_and_cost_no_other(tmp_path: Path) -> None:
    whole = written(tmp_path, "SELECT * FROM rows")
    files = {
        "cut": whole[: len(whole) // 2],
        "footer": whole[:-8] + bytes(4) + b"PAR1",
        "pages": whole[:200] + bytes(400) + whole[600:],
        "bare": b"PAR1",
        "good": whole,
    }
    found = read(tmp_path, files)
    assert list(found.rows) == ["a", "b", "c"]
    names = ["cut", "footer", "pages", "bare"]
    assert found.places == [(name, 0, "damaged Parquet", False) for name in names]
    assert all(reject["text"] for reject in found.rejects)
    assert found.totals.foreign == dict.fromkeys(names, "holds no Okta event")


def test_a_table_that_is_no_log_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, {"a": written(tmp_path, "SELECT uuid AS id, 1 AS n FROM rows")})
    assert found.counts == {("JSON, but no Okta event", False): 3}
    assert found.totals.foreign == {"a": "holds no Okta event"}


def test_an_empty_table_is_no_problem(tmp_path: Path) -> None:
    found = read(tmp_path, {"a": written(tmp_path, "SELECT * FROM rows WHERE uuid = 'none'")})
    assert (found.rows, found.rejects, found.totals.foreign) == ({}, [], {})
