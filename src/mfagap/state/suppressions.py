"""Exceptions on alerts as people made and ended them: none is ever changed or removed."""

from collections.abc import Mapping
from typing import Any

from mfagap.errors import UsageError
from mfagap.state.database import Database, Row


class Suppressions:
    """The suppressions in ``database``; times are UTC epoch milliseconds."""

    def __init__(self, database: Database) -> None:
        """See the class."""
        self._database = database

    def add(self, values: Mapping[str, Any]) -> int:
        """Add a suppression; return its number.

        Args:
            values: ``owner reason detection user address rule client added_ms added_by until_ms``.
        """
        return self._database.run(
            "INSERT INTO suppressions (owner, reason, detection, user, address, rule, client, "
            "added_ms, added_by, until_ms) VALUES (:owner, :reason, :detection, :user, :address, "
            ":rule, :client, :added_ms, :added_by, :until_ms)",
            values,
        )

    def end(self, suppression: int, now_ms: int, who: str, note: str | None) -> None:
        """Note that ``who`` ended a suppression before its expiry."""
        self._database.run(
            "UPDATE suppressions SET ended_ms = ?, ended_by = ?, note = ? WHERE id = ?",
            (now_ms, who, note, suppression),
        )

    def get(self, suppression: int) -> Row:
        """Return one suppression.

        Raises:
            UsageError: There is none of this number.
        """
        rows = self._database.rows("SELECT * FROM suppressions WHERE id = ?", (suppression,))
        if not rows:
            hint = "`mfagap suppress list --all` tells the numbers"
            raise UsageError(f"no suppression {suppression}; {hint}")
        return rows[0]

    def all(self) -> list[Row]:
        """Return every suppression, those that have ended too, in the order of their numbers."""
        return self._database.rows("SELECT * FROM suppressions ORDER BY id")

    def withhold(self, alert: int) -> None:
        """Note that people were not told what happened to ``alert``."""
        self._database.run("INSERT OR IGNORE INTO untold VALUES (?)", (alert,))

    def owed(self, alert: int) -> bool:
        """Tell whether the last news of ``alert`` was kept from people."""
        return self._database.one("SELECT 1 FROM untold WHERE alert = ?", (alert,)) is not None

    def told(self, alert: int) -> None:
        """Note that people know of ``alert`` as it is."""
        self._database.run("DELETE FROM untold WHERE alert = ?", (alert,))
