"""The translated query answers on ClickHouse what it answers on DuckDB."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from tests.engines.clickhouse import ClickHouse
from tests.engines.warehouse import Judged, differing, missing


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    try:
        chdb: Any = importlib.import_module("chdb.session")
    except ImportError:
        missing("chdb is not installed: it has no wheel for this platform")
    with chdb.Session(str(tmp_path_factory.mktemp("clickhouse"))) as opened:
        yield opened


def test_every_case_is_judged_as_by_duckdb(session: Any, judged: list[Judged]) -> None:
    clickhouse = ClickHouse(session, stepwise=True)
    assert [differing(clickhouse, group) for group in judged] == [[] for _ in judged]


def test_most_cases_are_judged_by_the_whole_query_at_once(
    session: Any, judged: list[Judged]
) -> None:
    group = max(judged, key=lambda group: group.cases)
    assert group.cases > sum(group.cases for group in judged) / 2
    assert differing(ClickHouse(session, stepwise=False), group) == []
