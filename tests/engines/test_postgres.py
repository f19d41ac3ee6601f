"""The translated query answers on PostgreSQL what it answers on DuckDB."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.engines.postgres import Postgres, installed, server
from tests.engines.warehouse import Judged, differing, missing

from mfagap.model import MfaStatus


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    programs = installed()
    if programs is None:
        missing("PostgreSQL is not installed: apt-get install postgresql")
    with server(programs) as connection:
        yield Postgres(connection)


def test_every_case_is_judged_as_by_duckdb(postgres: Postgres, judged: list[Judged]) -> None:
    assert [differing(postgres, group) for group in judged] == [[] for _ in judged]


def test_every_status_is_among_what_is_compared(judged: list[Judged]) -> None:
    statuses = {row["mfa_status"] for group in judged for row in group.answer}
    assert statuses == {str(status) for status in MfaStatus}


def test_another_answer_is_noticed(postgres: Postgres, judged: list[Judged]) -> None:
    group = max(judged, key=lambda group: group.cases)
    uuids = sorted(str(row["uuid"]) for row in group.answer)
    without = replace(group, rows=[row for row in group.rows if uuids[0] not in row])
    assert (None, next(row for row in group.answer if row["uuid"] == uuids[0])) in differing(
        postgres, without
    )
