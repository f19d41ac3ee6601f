"""Policy rules that were closed, on which an eye is kept."""

from collections.abc import Iterable, Mapping
from typing import Any

from mfagap.state.database import Database, Row


class Closed:
    """The closed rules in ``database``; times are UTC epoch milliseconds."""

    def __init__(self, database: Database) -> None:
        """See the class."""
        self._database = database

    def put(self, values: Mapping[str, Any]) -> None:
        """Put a rule on file; one that is on file was closed anew.

        Args:
            values: ``rule_id policy_id name run closed_ms``.
        """
        self._database.run(
            "INSERT OR REPLACE INTO closed VALUES (:rule_id, :policy_id, :name, :run, :closed_ms, "
            "0, NULL)",
            values,
        )

    def list(self) -> list[Row]:
        """Return the closed rules, each with the ``status`` of the last alert about it, or None."""
        return self._database.rows(
            "SELECT closed.*, alerts.status FROM closed LEFT JOIN alerts ON alerts.id = alert "
            "ORDER BY rule_id"
        )

    def looked(self, rows: Iterable[Row]) -> None:
        """Note that the log since each of ``rows`` was closed was looked through."""
        self._database.run_all(
            "UPDATE closed SET looked = 1 WHERE rule_id = ? AND closed_ms = ?",
            [(row["rule_id"], row["closed_ms"]) for row in rows if not row["looked"]],
        )

    def told(self, rule_id: str, alert: int) -> None:
        """Note which alert was opened about a rule."""
        self._database.run("UPDATE closed SET alert = ? WHERE rule_id = ?", (alert, rule_id))

    def remove(self, rule_id: str) -> None:
        """Take a rule from file, since it was opened again by us."""
        self._database.run("DELETE FROM closed WHERE rule_id = ?", (rule_id,))
