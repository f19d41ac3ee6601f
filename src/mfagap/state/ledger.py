"""Which slots were evaluated, on how much, and when; how far each source was read."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mfagap.state.database import Database, Row

SLOT_MS = 15 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Reach:
    """What of the log decides about a slot ``[from, to)``: ``[from - before, to + after)``.

    All in milliseconds; ``grace_ms`` is how far past its end the watermark must be to settle it.
    """

    before_ms: int
    after_ms: int
    grace_ms: int


def floor(ms: int) -> int:
    """Return the beginning of the slot that holds ``ms``."""
    return ms // SLOT_MS * SLOT_MS


class Ledger:
    """The ledger in ``database``."""

    def __init__(self, database: Database) -> None:
        """See the class."""
        self._database = database

    def fact(self, name: str) -> int | None:
        """Return a single fact; None where it is not known."""
        value = self._database.one("SELECT value FROM facts WHERE name = ?", (name,))
        return None if value is None else int(value)

    def note(self, name: str, value: int) -> None:
        """Set a single fact."""
        self._database.run("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def facts(self, prefix: str) -> dict[str, int]:
        """Return the single facts whose names begin with ``prefix``, by the rest of the name."""
        rows = self._database.rows("SELECT name, value FROM facts")
        named = {str(row["name"]): int(row["value"]) for row in rows}
        return {n.removeprefix(prefix): v for n, v in named.items() if n.startswith(prefix)}

    def cursor(self, source: str) -> str | None:
        """Return where reading ``source`` goes on; None at its beginning."""
        cursor = self._database.one("SELECT cursor FROM sources WHERE name = ?", (source,))
        return None if cursor is None else str(cursor)

    def heard(self, source: str, cursor: str | None, watermark_ms: int | None, now_ms: int) -> None:
        """Set how far ``source`` was read; a watermark never goes back.

        ``heard_ms`` moves only with the watermark, so that a source that says nothing new is told.
        """
        self._database.run(
            """
INSERT INTO sources VALUES (:name, :cursor, :watermark, :now)
ON CONFLICT (name) DO UPDATE SET
    cursor = excluded.cursor,
    heard_ms = CASE WHEN excluded.watermark_ms > coalesce(watermark_ms, -1)
                    THEN max(heard_ms, excluded.heard_ms) ELSE heard_ms END,
    watermark_ms = coalesce(max(watermark_ms, excluded.watermark_ms),
                            watermark_ms, excluded.watermark_ms)""",
            {"name": source, "cursor": cursor, "watermark": watermark_ms, "now": now_ms},
        )

    def meet(self, source: str, now_ms: int) -> None:
        """Note a source that is read for the first time, of which nothing is known yet.

        So one that fails from the beginning is silent in time, and is not overlooked.
        """
        self._database.run(
            "INSERT OR IGNORE INTO sources VALUES (?, NULL, NULL, ?)", (source, now_ms)
        )

    def sources(self) -> list[Row]:
        """Return what is known of every source."""
        return self._database.rows("SELECT * FROM sources ORDER BY name")

    def read(self, source: str) -> Mapping[str, tuple[int, int]]:
        """Return size and time (ns) of each file of ``source`` that was read."""
        rows = self._database.rows("SELECT * FROM files WHERE source = ?", (source,))
        return {row["path"]: (row["size"], row["modified_ns"]) for row in rows}

    def was_read(self, source: str, files: Mapping[str, tuple[int, int]]) -> None:
        """Note files that were read, each with size and time (ns)."""
        self._database.run_all(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
            [(source, path, size, ns) for path, (size, ns) in files.items()],
        )

    def objects(self, source: str) -> Mapping[str, str]:
        """Return the tag of each object of ``source`` that was read lately, by its key."""
        rows = self._database.rows("SELECT key, tag FROM objects WHERE source = ?", (source,))
        return {row["key"]: row["tag"] for row in rows}

    def took(self, source: str, objects: Iterable[tuple[str, str, int]]) -> None:
        """Note objects that were read: key, tag, and when each was written (UTC epoch ms)."""
        self._database.run_all(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
            [(source, *one) for one in objects],
        )

    def drop_objects(self, source: str, before_ms: int) -> None:
        """Forget the objects of ``source`` that were written before ``before_ms``."""
        self._database.run(
            "DELETE FROM objects WHERE source = ? AND modified_ms < ?", (source, before_ms)
        )

    def spoil(self, detection: str, reach: Reach, touched: Iterable[int]) -> None:
        """Mark as dirty every evaluated slot that looks at one of the slots ``touched``.

        Args:
            detection: Whose slots.
            reach: How far it looks beyond a slot.
            touched: Beginnings of slots that hold new events, in UTC epoch milliseconds.
        """
        for from_ms, to_ms in _joined(sorted(touched)):
            self._database.run(
                "UPDATE slots SET dirty = 1 WHERE detection = ? AND from_ms < ? AND to_ms > ?",
                (detection, to_ms + reach.before_ms, from_ms - reach.after_ms),
            )

    def due(
        self, detection: str, reach: Reach, span: tuple[int, int], watermark_ms: int
    ) -> list[tuple[int, int]]:
        """Return what is to be evaluated, as ranges of neighboring slots, the earliest first.

        A slot is due when it was never evaluated (new, or a gap), is dirty, or was evaluated at a
        watermark that could not settle it and has moved since.

        Args:
            detection: Whose slots.
            reach: Its grace counts.
            span: The first and the last moment to cover, in UTC epoch milliseconds.
            watermark_ms: Events before this are believed complete.
        """
        first_ms, last_ms = floor(span[0]), floor(span[1])
        rows = self._database.rows(
            """
WITH done AS (
  SELECT from_ms FROM slots
  WHERE detection = :detection AND from_ms BETWEEN :first AND :last
    AND dirty = 0 AND (watermark_ms >= to_ms + :grace OR watermark_ms >= :watermark)
  UNION ALL SELECT :last + :slot
),
ranges AS (
  SELECT lag(from_ms, 1, :first - :slot) OVER (ORDER BY from_ms) + :slot AS from_ms,
         from_ms AS to_ms
  FROM done
)
SELECT from_ms, to_ms FROM ranges WHERE from_ms < to_ms ORDER BY from_ms""",
            {
                "detection": detection,
                "first": first_ms,
                "last": last_ms,
                "slot": SLOT_MS,
                "grace": reach.grace_ms,
                "watermark": watermark_ms,
            },
        )
        return [(int(row["from_ms"]), int(row["to_ms"])) for row in rows]

    def done(
        self,
        detection: str,
        span: tuple[int, int],
        moment: tuple[int, int],
        counts: Mapping[int, tuple[int, int]],
    ) -> None:
        """Note the slots of ``span`` as evaluated.

        Args:
            detection: Whose slots.
            span: From and to, in UTC epoch milliseconds; both begin a slot.
            moment: The watermark and the wall clock of the evaluation.
            counts: By the slot's beginning: its events, and the starts among them.
        """
        watermark_ms, now_ms = moment
        self._database.run_all(
            "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            [
                (
                    detection,
                    from_ms,
                    from_ms + SLOT_MS,
                    watermark_ms,
                    now_ms,
                    *counts.get(from_ms, (0, 0)),
                )
                for from_ms in range(*span, SLOT_MS)
            ],
        )

    def forget(self, detection: str, span: tuple[int, int]) -> None:
        """Mark the slots that overlap ``span`` as dirty, so that they are evaluated again."""
        self._database.run(
            "UPDATE slots SET dirty = 1 WHERE detection = ? AND from_ms < ? AND to_ms > ?",
            (detection, span[1], span[0]),
        )

    def tally(self, detection: str, grace_ms: int) -> tuple[int, int]:
        """Return how many slots are due again by and by, and how many are missing between others.

        Args:
            detection: Whose slots.
            grace_ms: How far past its end the watermark must have been to settle a slot.
        """
        (row,) = self._database.rows(
            """
SELECT count(*) AS slots, coalesce(max(to_ms) - min(from_ms), 0) AS span,
    count(*) FILTER (WHERE dirty = 1 OR watermark_ms < to_ms + ?) AS due
FROM slots WHERE detection = ?""",
            (grace_ms, detection),
        )
        return int(row["due"]), int(row["span"]) // SLOT_MS - int(row["slots"])

    def slots(self, detections: Collection[str], span: tuple[int, int]) -> Sequence[Row]:
        """Return the evaluated slots that overlap ``span``, in order."""
        marks = ", ".join("?" * len(detections))
        return self._database.rows(
            f"SELECT * FROM slots WHERE detection IN ({marks}) AND from_ms < ? AND to_ms > ? "
            "ORDER BY detection, from_ms",
            (*sorted(detections), span[1], span[0]),
        )


def _joined(beginnings: Iterable[int]) -> list[tuple[int, int]]:
    """Return sorted beginnings of slots as ranges of neighbors."""
    ranges: list[tuple[int, int]] = []
    for from_ms in beginnings:
        if ranges and ranges[-1][1] == from_ms:
            ranges[-1] = (ranges[-1][0], from_ms + SLOT_MS)
        else:
            ranges.append((from_ms, from_ms + SLOT_MS))
    return ranges
