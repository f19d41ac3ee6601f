"""The state's file: whole changes or none, and a sentence for whatever is wrong with it."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import FIGURE

from mfagap.errors import StateBusy, StateError
from mfagap.state.database import FILE, Database, held
from mfagap.state.schema import MIGRATIONS

ROOT = Path(__file__).resolve().parents[2]
BACKUP = "put it back from a backup, or move it aside: the lake is not harmed"
ADD = "INSERT INTO facts VALUES (?, ?)"


def facts(folder: Path) -> dict[str, int]:
    with Database(folder) as database:
        return {row["name"]: row["value"] for row in database.rows("SELECT * FROM facts")}


def add(folder: Path, *names: str) -> None:
    with Database(folder) as database, database.change():
        database.run_all(ADD, [(name, 1) for name in names])


def add_one_by_one(database: Database, *names: str) -> None:
    with database.change():
        for name in names:
            database.run(ADD, (name, {"one": 1, "two": 2}[name]))


def test_a_new_folder_gets_every_table(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    with Database(folder) as database:
        assert database.one("PRAGMA user_version") == len(MIGRATIONS)
        assert database.one("PRAGMA journal_mode") == "wal"
        assert database.one("PRAGMA synchronous") == 2
        assert database.one("PRAGMA foreign_keys") == 1
        assert database.one("SELECT count(*) FROM alerts") == 0
        assert database.one("SELECT value FROM facts") is None
    assert (folder / FILE).is_file()


def test_what_was_committed_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    add(tmp_path, "one", "two")
    assert facts(tmp_path) == {"one": 1, "two": 1}


def test_a_change_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        with pytest.raises(StateError, match="UNIQUE constraint failed"):
            add_one_by_one(database, "one", "two", "one")
        with pytest.raises(KeyError):
            add_one_by_one(database, "one", "the code's own error")
        assert database.rows("SELECT * FROM facts") == []
        with database.change():
            database.run(ADD, ("two", 2))
    assert facts(tmp_path) == {"two": 2}


def test_a_change_outside_of_a_transaction_is_refused(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        with pytest.raises(StateError) as one:
            database.run(ADD, ("one", 1))
        with pytest.raises(StateError) as several:
            database.run_all(ADD, [("one", 1)])
    assert str(one.value) == f"{tmp_path / FILE}: a change outside of a transaction"
    assert str(several.value) == str(one.value)
    assert facts(tmp_path) == {}


def test_a_row_gives_its_number(tmp_path: Path) -> None:
    with Database(tmp_path) as database, database.change():
        values = "('d', 'k', 0, 'open', NULL, 1, NULL, 0, 0)"
        columns = (
            "detection, dedup_key, first_ms, status, resolution, severity, verdict, opened_ms, "
            "changed_ms"
        )
        sql = f"INSERT INTO alerts ({columns}) VALUES {values}"
        assert [database.run(sql), database.run(sql)] == [1, 2]


@pytest.mark.parametrize("sql", ["SELECT * FROM nowhere", "SELEKT"])
def test_what_sqlite_refuses_names_the_file(tmp_path: Path, sql: str) -> None:
    with Database(tmp_path) as database:
        with pytest.raises(StateError, match=f"^{tmp_path / FILE}: ") as caught:
            database.rows(sql)
        assert "nothing was changed" not in str(caught.value)
        with pytest.raises(StateError):
            database.one(sql)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_an_older_state_is_migrated_and_keeps_what_it_holds(
    tmp_path: Path, version: int, record_property: Callable[[str, object], None]
) -> None:
    record_property(FIGURE, f"from version {version} of {len(MIGRATIONS)}")
    with closing(sqlite3.connect(tmp_path / FILE)) as opened, opened:
        for statement in (one for statements in MIGRATIONS[:version] for one in statements):
            opened.execute(statement)
        opened.execute(f"PRAGMA user_version = {version}")
        opened.execute(ADD, ("one", 1))
    assert facts(tmp_path) == {"one": 1}
    with Database(tmp_path) as database:
        assert database.one("PRAGMA user_version") == len(MIGRATIONS)
        tables = {row["name"] for row in database.rows("SELECT name FROM sqlite_schema")}
    with Database(tmp_path / "new") as database:
        rows = database.rows("SELECT name FROM sqlite_schema")
    assert tables == {row["name"] for row in rows}


def test_a_newer_state_is_refused(tmp_path: Path) -> None:
    add(tmp_path, "one")
    newer = len(MIGRATIONS) + 1
    with closing(sqlite3.connect(tmp_path / FILE)) as opened:
        opened.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(StateError) as caught:
        Database(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / FILE}: was written by a newer mfagap (state version {newer}, this one knows "
        f"{len(MIGRATIONS)}); install that version again"
    )
    with closing(sqlite3.connect(tmp_path / FILE)) as opened:
        assert opened.execute("PRAGMA user_version").fetchone() == (newer,)
        assert opened.execute("SELECT name FROM facts").fetchall() == [("one",)]


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_bytes(b"notes of a meeting\n" * 500)
    with pytest.raises(StateError) as caught:
        Database(tmp_path)
    assert str(caught.value) == f"{file}: file is not a database; {BACKUP}"
    assert file.read_bytes() == b"notes of a meeting\n" * 500


def test_a_damaged_page_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / FILE
    add(tmp_path, *(f"{number:0100}" for number in range(500)))
    pages = bytearray(file.read_bytes())
    with closing(sqlite3.connect(file)) as opened:
        size = opened.execute("PRAGMA page_size").fetchone()[0]
        root = opened.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'facts'")
        begin = (root.fetchone()[0] - 1) * size
    pages[begin : begin + size] = b"\xa5" * size
    file.write_bytes(pages)
    with pytest.raises(StateError) as caught:
        facts(tmp_path)
    assert str(caught.value) == f"{file}: database disk image is malformed; {BACKUP}"
    assert file.read_bytes() == bytes(pages)


def test_a_torn_log_loses_the_last_change_alone(tmp_path: Path) -> None:
    """A process that is killed leaves its write-ahead log; the system, half of its last frame."""
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    torn.mkdir()
    with Database(whole) as database:
        for name in ("one", "two"):
            with database.change():
                database.run(ADD, (name, 1))
        for suffix in ("", "-wal"):
            data = (whole / (FILE + suffix)).read_bytes()
            (torn / (FILE + suffix)).write_bytes(data[:-100] if suffix else data)
    assert facts(torn) == {"one": 1}
    add(torn, "three")
    assert facts(torn) == {"one": 1, "three": 1}


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text("")
    with pytest.raises(StateError, match=f"^{file}: cannot hold the state: .*File exists"):
        Database(file)
    with pytest.raises(StateError, match=f"^{file}: cannot be written: File exists$"), held(file):
        pass


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StateError, match=f"^{tmp_path}: cannot hold the state: unable to open"):
        Database(tmp_path)


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    add(tmp_path, "one")
    with Database(tmp_path) as database:
        pages = database.one("PRAGMA page_count")
        assert database.one(f"PRAGMA max_page_count = {pages}") == pages
        with pytest.raises(StateError) as caught, database.change():
            database.run_all(ADD, [(f"{number:0900}", 1) for number in range(100)])
        assert str(caught.value) == (
            f"{tmp_path / FILE}: database or disk is full; nothing was changed: mend that, and run "
            "again"
        )
        assert [row["name"] for row in database.rows("SELECT name FROM facts")] == ["one"]
    add(tmp_path, "two")
    assert facts(tmp_path) == {"one": 1, "two": 1}


HOLDER = """
import sys, time
from pathlib import Path
from mfagap.state.database import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_holds_a_folder_until_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StateBusy) as caught, held(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        assert holder.wait(timeout=30) == -signal.SIGKILL
    told = f"{tmp_path}: another mfagap is at work there; wait for it, or stop it"
    assert (str(caught.value), caught.value.exit_code) == (told, 4)
    with held(tmp_path):
        assert (tmp_path / "lock").is_file()


def test_people_may_write_while_a_run_holds_the_folder(tmp_path: Path) -> None:
    with held(tmp_path):
        add(tmp_path, "one")
        with pytest.raises(StateBusy), held(tmp_path):
            pass
    assert facts(tmp_path) == {"one": 1}
