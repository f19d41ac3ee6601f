"""The durable lake: the log as Parquet files by day, which many may read while one writes.

Why it is as it is: docs/decisions/0019-durable-lake.md.
"""

import glob
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from mfagap.errors import LakeError
from mfagap.lake.change import Change, change, name_of
from mfagap.lake.coalesce import coalesce, drop_known
from mfagap.lake.database import create_events, database
from mfagap.lake.fields import STORED
from mfagap.lake.manifest import Batch, DeadLetters, Manifest, StoredFile, load
from mfagap.lake.memory import FUTURE_MS, MemoryLake, relevant
from mfagap.lake.parquet import FILE_ROWS, columns_of, present, rows_of, set_aside, unreadable
from mfagap.lake.projection import ALWAYS, DAY_MS, quote
from mfagap.lake.rejects import Problem, Rejects
from mfagap.model import Delivery, Stretch

GRACE_MS = 10 * 60 * 1000
"""How long a file that was replaced stays, for readers that know of no other yet."""
MOST_SMALL = 8
"""How many files of a day may have few rows."""
ATTEMPTS = 10
"""How often a reader begins anew because its files were replaced meanwhile."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the lake holds.

    Attributes:
        generation: Of its last write.
        forgotten: The last one whose batch it keeps no more, since the caller has dealt with it.
        events: Rows; copies of one event that differ are a row each.
        bytes: On the disk, dead letters aside.
        files: Parquet files.
        days: Rows by day, as ISO 8601.
        oldest_ms: The earliest event; None where there is none.
        newest_ms: The latest, though it be in the future.
        rejects: Deliveries in the dead-letter files.
        set_aside: Files that a person took out.
    """

    generation: int
    forgotten: int
    events: int
    bytes: int
    files: int
    days: Mapping[str, int]
    oldest_ms: int | None
    newest_ms: int | None
    rejects: int
    set_aside: tuple[str, ...]

    @property
    def emptiness(self) -> str:
        """Why it holds no event, if it holds none, and what to do."""
        if self.set_aside:
            return f"the lake holds no event: {len(self.set_aside)} of its files were set aside"
        if self.generation:
            return (
                "the lake holds no event: all that was read is older than keep_days, or could not "
                f"be used ({self.rejects:,} could not)"
            )
        return "the lake holds no event yet; `mfagap run --once` reads some"


class Lake:
    """Holds every event in a folder. One process at a time may write: the caller sees to that.

    Args:
        folder: Made at the first write.
        grace_ms: How long files that were replaced are kept for readers.
        scratch: A folder for what is not kept; None for the system's.

    Raises:
        LakeError: The folder has a name that DuckDB would take for a pattern.
    """

    def __init__(self, folder: Path, grace_ms: int = GRACE_MS, scratch: Path | None = None) -> None:
        """See the class."""
        self.folder = folder.absolute()
        if glob.has_magic(str(self.folder)):
            raise LakeError(f"{self.folder}: the lake's path must have none of * ? [")
        self._grace_ms = grace_ms
        self._scratch = scratch
        self._swept = False

    def append(
        self,
        deliveries: Iterable[Delivery],
        *,
        received_ms: int,
        wall_ms: int,
        slot_ms: int,
        event_types: Sequence[str],
        forget_through: int = 0,
    ) -> Batch:
        """Store what ``deliveries`` say that the lake does not know, all of it or nothing.

        Args:
            deliveries: Files, in any shape.
            received_ms: When they were received, unless they say it themselves.
            wall_ms: The wall clock.
            slot_ms: The length of a slot.
            event_types: Whose slots are asked about; ``*`` at the end stands for any rest.
            forget_through: The last generation whose batch the caller has dealt with.

        Returns:
            What is new. Where that is nothing, not even a reject, the lake is as before.

        Raises:
            LakeError: The lake cannot be read or written; what it held is still there.
            EngineError: Memory or disk ran out while reading.
            OutputError: Rejects cannot be written.
        """
        with self._change() as write:
            with (
                write.rejects() as rejects,
                MemoryLake(rejects, wall_ms, STORED, self._scratch) as memory,
            ):
                # One core is enough for any log, and each thread takes memory of its own.
                memory.connection.execute("SET threads = 1")
                memory.read(deliveries, ["*"])
                for name, remark in memory.totals.foreign.items():
                    rejects.add(Problem(remark, name, 0, used=False, text=""))
                self._drop_known(memory.connection, write.before.files, rejects)
                memory.count_cut()
                first = _types(memory.connection, "events", "true", event_types)
                files = _stored(write, memory.connection, (received_ms, wall_ms), first)
                batch = _batch(memory, wall_ms, slot_ms, first)
            batch = replace(
                batch,
                generation=write.generation,
                received_ms=received_ms,
                rejects={r.reason: n for r, n in sorted(rejects.counts.items()) if not r.used},
                mended={r.reason: n for r, n in sorted(rejects.counts.items()) if r.used},
            )
            if not files and not rejects.counts:
                return replace(batch, generation=write.before.generation)
            after = _grown(write, files, batch, forget_through)
            write.commit(after, wall_ms, self._grace_ms)
        return batch

    @contextmanager
    def read(
        self,
        columns: Set[str],
        stretches: Sequence[Stretch],
        received_until_ms: int | None = None,
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Give a database in memory whose table ``events`` holds a part of the log.

        One row for each ``uuid``, coalesced from the copies in that part.

        Args:
            columns: Of ``events``; some are there in any case (``projection.ALWAYS``).
            stretches: What part; no two of them overlap.
            received_until_ms: The last moment at which it was received; None for any.

        Raises:
            LakeError: A file of the lake cannot be read.
        """
        received = "true" if received_until_ms is None else f"received_ms <= {received_until_ms}"
        with self._database() as opened:
            create_events(opened, ALWAYS | columns)
            for attempt in range(1, ATTEMPTS + 1):
                manifest = load(self.folder)
                try:
                    self._fill(opened, manifest.files, stretches, received)
                    break
                except LakeError:
                    same = load(self.folder).generation == manifest.generation
                    if same or attempt == ATTEMPTS:
                        raise
                    # What was read already will be there twice, and is coalesced.
            yield opened

    def changes(self, after_generation: int) -> tuple[Batch, ...]:
        """Return every batch that came later and is not forgotten, in order.

        Raises:
            LakeError: The manifest cannot be read.
        """
        batches = load(self.folder).batches
        return tuple(batch for batch in batches if batch.generation > after_generation)

    def holdings(self) -> Holdings:
        """Return what the lake holds.

        Raises:
            LakeError: The manifest cannot be read.
        """
        manifest = load(self.folder)
        gone = tuple(f.path for f in manifest.files if set_aside(self.folder, f))
        files = [file for file in manifest.files if file.path not in gone]
        days: dict[str, int] = {}
        for file in sorted(files, key=lambda file: file.day):
            days[name_of(file.day)] = days.get(name_of(file.day), 0) + file.rows
        return Holdings(
            generation=manifest.generation,
            forgotten=manifest.forgotten,
            events=sum(file.rows for file in files),
            bytes=sum(file.bytes for file in files),
            files=len(files),
            days=days,
            oldest_ms=min((file.oldest_ms for file in files), default=None),
            newest_ms=max((file.newest_ms for file in files), default=None),
            rejects=sum(letters.rejects for letters in manifest.dead_letters),
            set_aside=gone,
        )

    def compact(self, *, now_ms: int, most: int = MOST_SMALL) -> int:
        """Merge the small files of each day that has more than ``most``.

        Returns:
            How many files became fewer.

        Raises:
            LakeError: The lake cannot be read or written; what it held is still there.
        """
        with self._change() as write:
            small: dict[int, list[StoredFile]] = {}
            for file in sorted(write.before.files, key=lambda file: file.oldest_ms):
                if file.rows < FILE_ROWS // 2 and not set_aside(self.folder, file):
                    small.setdefault(file.day, []).append(file)
            crowded = [files for files in small.values() if len(files) > most]
            groups = [group for files in crowded for group in _groups(files) if len(group) > 1]
            if not groups:
                return 0
            gone = {file.path for group in groups for file in group}
            made = [self._merged(write, group) for group in groups]
            kept = [file for file in write.before.files if file.path not in gone]
            write.commit(replace(write.before, files=(*kept, *made)), now_ms, self._grace_ms)
        return len(gone) - len(made)

    def retain(self, days: int, now_ms: int) -> int:
        """Drop all that is of a day, or was rejected on one, more than ``days`` before ``now_ms``.

        Returns:
            How many events were dropped.

        Raises:
            LakeError: The lake cannot be read or written; what it held is still there.
        """
        first = now_ms // DAY_MS - days
        with self._change() as write:
            before = write.before
            kept = [file for file in before.files if file.day >= first]
            letters = [each for each in before.dead_letters if each.received_ms // DAY_MS >= first]
            if len(kept) < len(before.files) or len(letters) < len(before.dead_letters):
                after = replace(before, files=tuple(kept), dead_letters=tuple(letters))
                write.commit(after, now_ms, self._grace_ms)
        return sum(file.rows for file in before.files) - sum(file.rows for file in kept)

    @contextmanager
    def _database(self) -> Generator[duckdb.DuckDBPyConnection]:
        with (
            tempfile.TemporaryDirectory(prefix="mfagap-", dir=self._scratch) as scratch,
            database(scratch) as opened,
        ):
            yield opened

    @contextmanager
    def _change(self) -> Generator[Change]:
        with change(self.folder, sweep=not self._swept) as write:
            self._swept = True
            yield write

    def _merged(self, write: Change, files: Sequence[StoredFile]) -> StoredFile:
        """Write the rows of ``files``, all of one day, as one."""
        with self._database() as opened:
            rows = rows_of(present(self.folder, files))
            try:
                made = write.store(opened, f"SELECT * FROM {rows}", files[0].day)
            except duckdb.Error as error:
                raise unreadable(self.folder, files, error) from error
        if made.rows != sum(file.rows for file in files):
            raise LakeError(f"{self.folder}: merged files came to another number of rows: {files}")
        return made

    def _drop_known(
        self, connection: duckdb.DuckDBPyConnection, stored: Sequence[StoredFile], rejects: Rejects
    ) -> None:
        """Leave in ``events`` what none of ``stored`` says, of the days that ``events`` touch."""
        spans = connection.execute(
            "SELECT min(event_ms), max(event_ms) + 1 FROM events GROUP BY event_day"
        ).fetchall()
        touched = [f for f in stored if any(f.meets(first, end) for first, end in spans)]
        paths = present(self.folder, touched)
        try:
            drop_known(connection, rows_of(paths) if paths else None, rejects)
        except duckdb.Error as error:
            raise unreadable(self.folder, touched, error) from error

    def _fill(
        self,
        connection: duckdb.DuckDBPyConnection,
        stored: Sequence[StoredFile],
        stretches: Sequence[Stretch],
        condition: str,
    ) -> None:
        """Insert into ``events`` what ``stored`` has of ``stretches`` that meets ``condition``."""
        read: list[StoredFile] = []
        try:
            for stretch in stretches:
                files = [file for file in stored if file.meets(stretch.from_ms, stretch.to_ms)]
                read += files
                if paths := present(self.folder, files):
                    _insert(connection, rows_of(paths), stretch, condition)
            coalesce(connection, "events", Rejects())  # counted when they were stored
        except duckdb.Error as error:
            raise unreadable(self.folder, read, error) from error


def _insert(
    connection: duckdb.DuckDBPyConnection, rows: str, stretch: Stretch, condition: str
) -> None:
    """Insert into ``events`` what ``rows`` have of ``stretch`` that meets ``condition``."""
    run = connection.execute
    condition += f" AND event_ms >= {stretch.from_ms} AND event_ms < {stretch.to_ms}"
    if "*" not in stretch.event_types:
        # Which rows have a type by its name, the files tell without being read.
        condition += f" AND {_types(connection, rows, condition, stretch.event_types)}"
    wanted = columns_of(str(name) for (name, *_) in run("DESCRIBE events").fetchall())
    run(f"INSERT INTO events BY NAME SELECT {wanted} FROM {rows} WHERE {condition}")


def _types(
    connection: duckdb.DuckDBPyConnection, rows: str, condition: str, event_types: Sequence[str]
) -> str:
    """Return that an event is of one of ``event_types``, by the names of those in ``rows``.

    Each name is matched once, and not for every row.
    """
    found = connection.execute(f"""
WITH named AS MATERIALIZED (SELECT DISTINCT event_type FROM {rows} WHERE {condition})
SELECT event_type FROM named WHERE {relevant(event_types)}""").fetchall()
    names = ", ".join(quote(name) for (name,) in found)
    return f"event_type IN ({names})" if found else "false"


def _stored(
    write: Change, connection: duckdb.DuckDBPyConnection, moment: tuple[int, int], first: str
) -> list[StoredFile]:
    """Write ``events`` as files, each of one day and a part of its time.

    ``moment`` is when they were received, and the wall clock; ``first`` as in ``parquet.write``.
    What is dated in the future is filed under tomorrow, so that it goes with its time.
    """
    run, (received_ms, wall_ms) = connection.execute, moment
    run(f"UPDATE events SET received_ms = {received_ms} WHERE received_ms IS NULL")
    day = f"least(greatest(event_day, 0), {wall_ms // DAY_MS + 1})"
    pieces = run(f"""
SELECT day, min(event_ms) AS first
FROM (SELECT day, event_ms,
             (row_number() OVER (PARTITION BY day ORDER BY event_ms) - 1) // {FILE_ROWS} AS piece
      FROM (SELECT {day} AS day, event_ms FROM events))
GROUP BY day, piece ORDER BY first""").fetchall()
    begins = {first: number for number, first in pieces}
    ends = [*begins, None][1:]
    files: list[StoredFile] = []
    for (begin, number), end in zip(begins.items(), ends, strict=True):
        until = "" if end is None else f" AND event_ms < {end}"
        select = f"SELECT * FROM events WHERE event_ms >= {begin}{until}"
        files.append(write.store(connection, select, number, first))
    return files


def _grown(
    write: Change, files: Sequence[StoredFile], batch: Batch, forget_through: int
) -> Manifest:
    """Return the manifest after ``write`` has added ``files`` and what ``batch`` tells."""
    before, letters = write.before, list[DeadLetters]()
    if batch.rejects or batch.mended:
        count = sum(batch.rejects.values())
        letters = [DeadLetters(write.letters, batch.received_ms, count)]
    return replace(
        before,
        forgotten=max(before.forgotten, forget_through),
        files=(*before.files, *files),
        batches=(*(b for b in before.batches if b.generation > forget_through), batch),
        dead_letters=(*before.dead_letters, *letters),
    )


def _batch(memory: MemoryLake, wall_ms: int, slot_ms: int, first: str) -> Batch:
    """Return what is new in ``events``; ``first`` tells of which types the slots are."""
    run = memory.connection.execute
    limit = wall_ms + FUTURE_MS
    ((events, oldest, newest, future),) = run(f"""
SELECT count(*), min(event_ms), max(event_ms) FILTER (event_ms <= {limit}),
       count(*) FILTER (event_ms > {limit})
FROM events""").fetchall()
    asked = f"FROM events WHERE {first}"
    slots = run(f"SELECT DISTINCT floor(event_ms / {slot_ms})::BIGINT {asked} ORDER BY 1")
    return Batch(
        generation=0,
        received_ms=0,
        events=events,
        duplicates=memory.totals.deliveries - events,
        oldest_ms=oldest,
        newest_ms=newest,
        reaches_ms=memory.totals.newest_ms,
        future=future,
        slots=tuple(int(slot) for (slot,) in slots.fetchall()),
    )


def _groups(files: Iterable[StoredFile]) -> Generator[list[StoredFile]]:
    """Yield neighbors that together are not too large for one file."""
    group: list[StoredFile] = []
    for file in files:
        if group and sum(each.rows for each in group) + file.rows > FILE_ROWS:
            yield group
            group = []
        group.append(file)
    yield group
