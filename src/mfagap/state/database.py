"""The state's SQLite file: opened, migrated, and changed in whole transactions alone.

WAL with full syncing: what was committed is there after a crash, and what was not is gone.
"""

import fcntl
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mfagap.errors import StateBusy, StateError
from mfagap.state.schema import MIGRATIONS

Row = Mapping[str, Any]
Value = str | int | float | None

FILE = "state.sqlite"
_DISK = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
)


class Database:
    """The state in ``folder``; a context manager.

    Args:
        folder: Made where it is missing.

    Raises:
        StateError: The file cannot be opened, is damaged, or is of a newer mfagap.
    """

    def __init__(self, folder: Path) -> None:
        """See the class."""
        self.file = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.file, isolation_level=None, timeout=30)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{folder}: cannot hold the state: {error}") from error
        self._connection.row_factory = sqlite3.Row
        with ExitStack() as undo:
            undo.callback(self._connection.close)
            self._prepare()
            undo.pop_all()

    def __enter__(self) -> Self:
        """Return the database."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._connection.close()

    def rows(self, sql: str, values: Sequence[Value] | Mapping[str, Value] = ()) -> list[Row]:
        """Return the rows of ``sql``, each by the names of its columns."""
        with self._told():
            return [dict(row) for row in self._connection.execute(sql, values)]

    def one(self, sql: str, values: Sequence[Value] | Mapping[str, Value] = ()) -> Any:
        """Return the first column of the first row of ``sql``; None where there is no row."""
        with self._told():
            row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def run(self, sql: str, values: Sequence[Value] | Mapping[str, Value] = ()) -> int:
        """Run a change, within ``change`` alone; return the id of the row that it added last."""
        self._within()
        with self._told():
            return self._connection.execute(sql, values).lastrowid or 0

    def run_all(self, sql: str, values: Iterable[Sequence[Value]]) -> None:
        """Run a change for each of ``values``, within ``change`` alone."""
        self._within()
        with self._told():
            self._connection.executemany(sql, values)

    @contextmanager
    def change(self) -> Generator[None]:
        """All that the body runs is done, or none of it."""
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
        with ExitStack() as undo:
            undo.callback(self._connection.rollback)
            yield
            with self._told():
                self._connection.execute("COMMIT")
            undo.pop_all()

    def _within(self) -> None:
        if not self._connection.in_transaction:
            raise StateError(f"{self.file}: a change outside of a transaction")

    def _prepare(self) -> None:
        with self._told():
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
        version = int(self.one("PRAGMA user_version"))
        if version > len(MIGRATIONS):
            raise StateError(
                f"{self.file}: was written by a newer mfagap (state version {version}, this one "
                f"knows {len(MIGRATIONS)}); install that version again"
            )
        for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            with self.change():
                for statement in statements:
                    self.run(statement)
                self.run(f"PRAGMA user_version = {number}")

    @contextmanager
    def _told(self) -> Generator[None]:
        """Say what SQLite says as an error of mfagap's."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            hint = "; nothing was changed: mend that, and run again" if code in _DISK else ""
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                hint = "; put it back from a backup, or move it aside: the lake is not harmed"
            raise StateError(f"{self.file}: {error}{hint}") from error


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Hold ``folder`` for this process alone; the system lets go of it when the process ends.

    Raises:
        StateBusy: Another process holds it.
        StateError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a")
    except OSError as error:
        raise StateError(f"{folder}: cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateBusy(
                f"{folder}: another mfagap is at work there; wait for it, or stop it"
            ) from error
        yield
