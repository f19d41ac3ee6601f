"""What a tick asks of the state costs no more the longer it has run."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.service.test_tick import ADA, END_MS, LOG, TOKEN, end, story
from tests.service.workshops import bench

GROW = re.compile(r"sessions|versions|investigations|alerts|members|deeds|outbox|slots")
"""Tables that grow as long as it runs."""
WHOLE = re.compile(r"SCAN (?!json_each)\w*|USING INDEX (?!sessions_due)\w+ \(detection=\?\)$")
"""Steps that read all of a table, or all that one detection ever had in it."""


def test_no_statement_of_a_tick_reads_a_whole_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    connect = sqlite3.connect

    def traced(*words: Any, **options: Any) -> sqlite3.Connection:
        opened = connect(*words, **options)
        opened.set_trace_callback(told.append)
        return opened

    monkeypatch.setattr(sqlite3, "connect", traced)
    with bench(tmp_path, [LOG]) as work:
        told.clear()
        work.drop("1", [*story(ADA), TOKEN, end()])
        assert work.tick(END_MS).investigated == 1
        file = work.workshop.database.file
    asked = {sql for sql in told if re.match(r"\s*(SELECT|WITH|UPDATE|DELETE)", sql)}
    asked = {sql for sql in asked if GROW.search(sql)}
    assert len(asked) > 15
    with closing(connect(file)) as reader:
        steps = {
            (sql, row[3]) for sql in asked for row in reader.execute(f"EXPLAIN QUERY PLAN {sql}")
        }
    tables = {(sql, step) for sql, step in steps if GROW.search(step)}
    assert len(tables) > 15
    assert {(sql, step) for sql, step in tables if WHOLE.search(step)} == set()
