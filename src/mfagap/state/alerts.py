"""Alerts on file, what happened to each, and the notices that wait to be sent."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mfagap.errors import UsageError
from mfagap.state.database import Database, Row

OPEN = "('open', 'acknowledged')"


class Alerts:
    """The alerts in ``database``; times are UTC epoch milliseconds."""

    def __init__(self, database: Database) -> None:
        """See the class."""
        self._database = database

    def of_keys(self, detection: str, keys: Iterable[str]) -> list[Row]:
        """Return the alerts under one of ``keys``, each with its ``members``."""
        rows = self._database.rows(
            "SELECT *, (SELECT json_group_array(uuid) FROM members WHERE alert = alerts.id) "
            "AS members FROM alerts WHERE detection = ? "
            "AND dedup_key IN (SELECT value FROM json_each(?)) ORDER BY id",
            (detection, json.dumps(sorted(keys))),
        )
        return [{**row, "members": frozenset(json.loads(row["members"]))} for row in rows]

    def keys_of(self, detection: str, uuids: Iterable[str]) -> frozenset[str]:
        """Return the dedup keys of the alerts that hold one of ``uuids``."""
        rows = self._database.rows(
            "SELECT DISTINCT dedup_key FROM members JOIN alerts ON alert = alerts.id "
            "WHERE members.detection = ? AND uuid IN (SELECT value FROM json_each(?))",
            (detection, json.dumps(sorted(uuids))),
        )
        return frozenset(str(row["dedup_key"]) for row in rows)

    def beginning(self, prefix: str) -> list[Row]:
        """Return the alerts whose dedup keys begin with ``prefix``."""
        return self._database.rows(
            "SELECT * FROM alerts WHERE substr(dedup_key, 1, ?) = ? ORDER BY id",
            (len(prefix), prefix),
        )

    def members(self, alert: int) -> frozenset[str]:
        """Return the ``uuid`` of each finding of ``alert``."""
        rows = self._database.rows("SELECT uuid FROM members WHERE alert = ?", (alert,))
        return frozenset(str(row["uuid"]) for row in rows)

    def put(self, alert: int | None, values: Mapping[str, Any], now_ms: int) -> int:
        """Write an alert, a new one where ``alert`` is None; return its number.

        Args:
            alert: Its number.
            values: ``detection dedup_key first_ms status resolution severity verdict``; of one
                that is on file only the last five count.
            now_ms: The moment of the change.
        """
        if alert is None:
            return self._database.run(
                "INSERT INTO alerts (detection, dedup_key, first_ms, status, resolution, severity, "
                "verdict, opened_ms, changed_ms) VALUES (:detection, :dedup_key, :first_ms, "
                ":status, :resolution, :severity, :verdict, :now, :now)",
                {**values, "now": now_ms},
            )
        self._database.run(
            "UPDATE alerts SET first_ms = :first_ms, status = :status, resolution = :resolution, "
            "severity = :severity, verdict = :verdict, changed_ms = :now WHERE id = :id",
            {**values, "now": now_ms, "id": alert},
        )
        return alert

    def enlist(self, alert: int, detection: str, uuids: Iterable[str]) -> None:
        """Make ``uuids`` the findings of ``alert``; those of another become its own."""
        self._database.run("DELETE FROM members WHERE alert = ?", (alert,))
        self._database.run_all(
            "INSERT OR REPLACE INTO members VALUES (?, ?, ?)",
            [(detection, uuid, alert) for uuid in sorted(uuids)],
        )

    def tell(
        self, alert: int, deed: str, now_ms: int, *, who: str | None = None, note: str | None = None
    ) -> int:
        """Add to what happened to ``alert``; return the number of the entry."""
        return self._database.run(
            "INSERT INTO deeds (alert, at_ms, deed, who, note) VALUES (?, ?, ?, ?, ?)",
            (alert, now_ms, deed, who, note),
        )

    def deeds(self, alert: int) -> list[Row]:
        """Return what happened to ``alert``, in order."""
        return self._database.rows("SELECT * FROM deeds WHERE alert = ? ORDER BY id", (alert,))

    def last_deed(self) -> int:
        """Return the number of the last entry of what happened to any alert; 0 for none."""
        return int(self._database.one("SELECT coalesce(max(id), 0) FROM deeds"))

    def deeds_after(self, number: int) -> list[Row]:
        """Return what happened to alerts after entry ``number``, each with the alert as it is."""
        return self._database.rows(
            "SELECT deeds.deed, deeds.who, alerts.* FROM deeds JOIN alerts ON alert = alerts.id "
            "WHERE deeds.id > ? ORDER BY deeds.id",
            (number,),
        )

    def counts(self) -> dict[tuple[str, int], int]:
        """Return how many alerts are not closed, by status and severity."""
        rows = self._database.rows(
            f"SELECT status, severity, count(*) AS alerts FROM alerts WHERE status IN {OPEN} "
            "GROUP BY status, severity"
        )
        return {(str(r["status"]), int(r["severity"])): int(r["alerts"]) for r in rows}

    def get(self, alert: int) -> Row:
        """Return one alert.

        Raises:
            UsageError: There is none of this number.
        """
        rows = self._database.rows("SELECT * FROM alerts WHERE id = ?", (alert,))
        if not rows:
            raise UsageError(f"no alert {alert}; `mfagap alerts list --all` tells the numbers")
        return rows[0]

    def listed(self, *, everything: bool = False) -> list[Row]:
        """Return the alerts that are not closed, or all; the worst first, then the newest.

        Each with how many ``findings`` it holds, and whose they are: ``users``.
        """
        condition = "true" if everything else f"status IN {OPEN}"
        rows = self._database.rows(
            f"""
SELECT alerts.*, (SELECT count(*) FROM members WHERE alert = alerts.id) AS findings, (
    SELECT json_group_array(json_extract(finding, '$.alert_context.user_email'))
    FROM members JOIN sessions USING (detection, uuid)
    JOIN versions USING (detection, uuid, version)
    WHERE alert = alerts.id) AS logins
FROM alerts WHERE {condition} ORDER BY severity DESC, first_ms DESC, id DESC"""
        )
        return [_with_users(row) for row in rows]

    def closed_keys(self, detection: str, uuids: Iterable[str]) -> frozenset[str]:
        """Return those of ``uuids`` whose alert a person or the log has closed."""
        rows = self._database.rows(
            "SELECT uuid FROM members JOIN alerts ON alert = alerts.id "
            "WHERE members.detection = ? AND status = 'closed' "
            "AND uuid IN (SELECT value FROM json_each(?))",
            (detection, json.dumps(sorted(uuids))),
        )
        return frozenset(str(row["uuid"]) for row in rows)


class Outbox:
    """The notices in ``database``, each until it is sent or parked."""

    def __init__(self, database: Database) -> None:
        """See the class."""
        self._database = database

    def put(self, key: str, alert: int, route: str, body: Mapping[str, Any], now_ms: int) -> None:
        """Add a notice; ``key`` makes it one, however often it is added."""
        self._database.run(
            "INSERT OR IGNORE INTO outbox VALUES (?, ?, ?, ?, 'waiting', 0, ?, NULL)",
            (key, alert, route, json.dumps(body), now_ms),
        )

    def routes_told(self, alert: int) -> frozenset[str]:
        """Return the routes by which people were, or will be, told of ``alert``."""
        rows = self._database.rows("SELECT DISTINCT route FROM outbox WHERE alert = ?", (alert,))
        return frozenset(str(row["route"]) for row in rows)

    def waiting(self, now_ms: int) -> list[Row]:
        """Return the notices to be sent by ``now_ms``, in the order in which they were added."""
        return self._database.rows(
            "SELECT * FROM outbox WHERE status = 'waiting' AND next_ms <= ? ORDER BY rowid",
            (now_ms,),
        )

    def unsent(self) -> list[Row]:
        """Return the notices that wait, or were parked."""
        return self._database.rows("SELECT * FROM outbox WHERE status <> 'sent' ORDER BY rowid")

    def retry(self, now_ms: int, route: str | None = None) -> int:
        """Have what was not sent, of ``route`` or of all, sent anew; return how much that is."""
        condition = "status <> 'sent' AND coalesce(route = ?, true)"
        count = self._database.one(f"SELECT count(*) FROM outbox WHERE {condition}", (route,))
        self._database.run(
            f"UPDATE outbox SET status = 'waiting', attempts = 0, next_ms = ? WHERE {condition}",
            (now_ms, route),
        )
        return int(count)

    def counts(self) -> dict[str, int]:
        """Return how many notices are ``waiting``, and how many ``parked``."""
        rows = self._database.rows(
            "SELECT status, count(*) AS notices FROM outbox WHERE status <> 'sent' GROUP BY status"
        )
        return {str(row["status"]): int(row["notices"]) for row in rows}

    def sent(self, key: str) -> None:
        """Note that a notice was sent."""
        self._database.run(
            "UPDATE outbox SET status = 'sent', attempts = attempts + 1, failure = NULL "
            "WHERE key = ?",
            (key,),
        )

    def failed(self, key: str, failure: str, next_ms: int | None) -> None:
        """Note that sending failed, and when to try again; None parks the notice."""
        self._database.run(
            "UPDATE outbox SET status = ?, attempts = attempts + 1, failure = ?, next_ms = "
            "coalesce(?, next_ms) WHERE key = ?",
            ("parked" if next_ms is None else "waiting", failure, next_ms, key),
        )


def _with_users(row: Row) -> Row:
    logins: list[str | None] = json.loads(row["logins"])
    told = {key: value for key, value in row.items() if key != "logins"}
    return {**told, "users": sorted({login for login in logins if login})}
