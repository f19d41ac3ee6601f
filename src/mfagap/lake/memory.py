"""A lake for one scan: reads deliveries into an ``events`` table in memory, spilling to disk.

Files are read in groups by the strict reader; what it stops at is halved until the one file that
is off is found, and that file alone is rewritten by ``normalize`` and read again. Of events whose
type no detection reads, only the time is kept.
"""

import glob
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from mfagap.errors import EngineError
from mfagap.lake.coalesce import coalesce, place_of
from mfagap.lake.database import compress, create_events, database
from mfagap.lake.fields import COLUMNS
from mfagap.lake.normalize import Normalizer, copy_to
from mfagap.lake.progress import watched
from mfagap.lake.projection import (
    ALWAYS,
    EVERY,
    MAX_VALUE,
    PAD,
    TEXT_COLUMNS,
    TIME,
    WAS_CUT,
    projection,
    quote,
    reading,
    rereading,
)
from mfagap.lake.rejects import Problem, Rejects
from mfagap.lake.statements import parsed
from mfagap.lake.streams import Kind, kind_of
from mfagap.model import Delivery, Stretch, Totals

GROUP_BYTES = 512 * 1024 * 1024
GROUP_FILES = 256
CHUNK_BYTES = 8 * 1024 * 1024
FEW = 20_000
"""With fewer rows, to look for what their projection computes twice takes longer than that does."""
FEW_BYTES = FEW * 1000
"""Of events as Okta writes them; a tenth of that, compressed."""

FUTURE_MS = 10 * 60 * 1000
"""An event dated further past the wall clock moves neither NOW nor a watermark."""

_REFUSED = (
    duckdb.InvalidInputException,
    duckdb.IOException,
    duckdb.ConversionException,
    duckdb.OutOfMemoryException,
    duckdb.NotImplementedException,
)
"""What stops a group: one event of millions of levels takes all memory, and is found by halving; so
do thousands of long ones, which the long way takes a few at a time. Of a file with a line longer
than its buffers the reader of lines says that it is not implemented."""
_START = f"(?i)^{PAD}*"
"""An event type may be padded, and is in any case."""
VALUE_CUT = f"a value longer than {MAX_VALUE:,} characters"
_FAST = ("lines", "array", "eventbridge")


class MemoryLake:
    """Reads deliveries and holds ``events``; a context manager that owns its temporary files.

    Args:
        rejects: Where problems are counted and kept.
        wall_ms: The wall clock, for the guard against future dates.
        columns: Of ``events``, that somebody will ask for. Reading the others costs time.
        scratch: A folder for what exceeds the memory; None for the system's.
        is_compressed: Whether what is read is kept compressed, since queries follow.
    """

    def __init__(
        self,
        rejects: Rejects,
        wall_ms: int,
        columns: Collection[str] = COLUMNS,
        scratch: Path | None = None,
        *,
        is_compressed: bool = False,
    ) -> None:
        """See the class."""
        self._columns = ALWAYS.union(columns)
        self._rejects = rejects
        self._wall_ms = wall_ms
        self._normalizer = Normalizer(rejects, self)
        self._scratch = tempfile.TemporaryDirectory(prefix="mfagap-", dir=scratch)
        self._links: dict[str, int] = {}
        self._held = 0
        self.totals = Totals()
        self.connection = database(self._scratch.name)
        self._is_compressed = is_compressed
        if is_compressed:
            compress(self.connection)
        create_events(self.connection, self._columns)
        self._relevant = EVERY

    def __enter__(self) -> Self:
        """Return the lake."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close the database and remove what it spilled."""
        self.connection.close()
        self._scratch.cleanup()

    def load(
        self,
        deliveries: Iterable[Delivery],
        event_types: Sequence[str],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Read ``deliveries`` and add their events.

        Args:
            deliveries: Files, in any shape.
            event_types: The types to keep; one that ends in ``*`` stands for all that begin so.
            progress: Told the bytes read since it was last told.

        Raises:
            EngineError: Memory or disk ran out.
        """
        self.read(deliveries, event_types, progress)
        try:
            repeats = coalesce(self.connection, "events", self._rejects)
            self.totals = replace(self.totals, duplicates=self.totals.duplicates + repeats)
            self.count_cut()
            self._compress()
        except duckdb.Error as error:
            raise EngineError(f"reading the log failed: {error}") from error

    def read(
        self,
        deliveries: Iterable[Delivery],
        event_types: Sequence[str],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Add a row to ``events`` for each delivery of an event; see ``load``.

        Raises:
            EngineError: Memory or disk ran out.
        """
        self._relevant = relevant(event_types)
        try:
            for kind, group in _groups(deliveries, self._kind):
                with watched(self.connection, sum(_bytes(d.path) for d in group), progress):
                    self._read(kind, group)
                self._compress()
            self._release()
        except duckdb.Error as error:
            raise EngineError(f"reading the log failed: {error}") from error

    def _compress(self) -> None:
        if self._is_compressed:
            self.connection.execute("CHECKPOINT")

    def forget_after(self, now_ms: int) -> int:
        """Drop what happened or was received after ``now_ms``; return how many events that were."""
        (gone,) = self._one(
            f"DELETE FROM events WHERE event_ms > {now_ms} OR received_ms > {now_ms}"
        )
        return gone

    def forget_outside(self, stretches: Iterable[Stretch]) -> None:
        """Drop what is of none of ``stretches``."""
        wanted = " OR ".join(
            f"(event_ms >= {part.from_ms} AND event_ms < {part.to_ms} "
            f"AND {relevant(part.event_types)})"
            for part in stretches
        )
        self.connection.execute(f"DELETE FROM events WHERE NOT ({wanted or 'false'})")

    def reread(self, lines: Sequence[str]) -> Sequence[Sequence[str]]:
        """See ``normalize.Reader``."""
        try:
            rows = self.connection.execute(rereading(), {"lines": lines}).fetchall()
        except _REFUSED:
            if len(lines) == 1:
                return [()]  # DuckDB refuses it as well: a reject, counted by the caller
            middle = len(lines) // 2
            return [*self.reread(lines[:middle]), *self.reread(lines[middle:])]
        known = {place: texts for place, *texts in rows}
        return [known.get(place, ()) for place in range(1, len(lines) + 1)]

    def is_time(self, text: str) -> bool:
        """See ``normalize.Reader``."""
        row = self.connection.execute(f"SELECT {TIME.format('$text')}", {"text": text}).fetchone()
        return row is not None and row[0] is not None

    def _kind(self, delivery: Delivery) -> Kind:
        try:
            return kind_of(delivery.path)
        except OSError as error:
            return Kind("uncompressed", "foreign", f"cannot be read: {error.strerror}")

    def _read(self, kind: Kind, group: Sequence[Delivery]) -> None:
        """Read a group of one kind; what the strict reader refuses goes the long way, alone."""
        self.totals = replace(self.totals, files=self.totals.files + len(group))
        if kind.layout == "empty":
            return
        if kind.layout == "foreign":
            remarks = {delivery.name: kind.remark for delivery in group}
            self.totals = replace(self.totals, foreign={**self.totals.foreign, **remarks})
        elif kind.layout in _FAST:
            self._read_fast(kind, group)
        else:
            for delivery in group:
                self._read_slowly(kind, delivery)

    def _read_fast(self, kind: Kind, group: Sequence[Delivery]) -> None:
        files = [self._readable(delivery.path) for delivery in group]
        if self._relevant == EVERY and self._read_whole(kind, files):
            return
        try:
            self._stage(files, kind)
            spoiled = self._spoiled()
            if not spoiled:
                self._keep()
                return
        except _REFUSED:
            if len(group) == 1:
                self._read_slowly(kind, group[0])
                return
            middle = len(group) // 2
            self._read_fast(kind, group[:middle])
            self._read_fast(kind, group[middle:])
            return
        bad = [delivery for delivery in group if self._readable(delivery.path) in spoiled]
        if good := [delivery for delivery in group if delivery not in bad]:
            self._read_fast(kind, good)
        for delivery in bad:
            self._read_slowly(kind, delivery)

    def _read_whole(self, kind: Kind, files: Sequence[str]) -> bool:
        """Read ``files``, project all their events and count them; nothing if one is spoiled.

        To stage them first takes half as long again, where most of a log is not passed over.
        """
        (first,) = self._one("SELECT coalesce(max(rowid) + 1, 0) FROM events")
        select = reading(kind, EVERY, self._columns - {"raw"})
        kept = projection(f"({select})", self._columns, judged=True)
        try:
            self._run(f"INSERT INTO events {kept}", files, few=_hold_few(files, kind))
        except _REFUSED:
            return False
        self._count(f"events WHERE rowid >= {first}")
        return True

    def _run(self, sql: str, files: Sequence[str] = (), *, few: bool) -> None:
        """Run ``sql``, whose parameter is ``$files`` where some are given, on few rows or many."""
        (statement,) = parsed(sql)
        left_out = "common_subexpressions" if few else ""
        self.connection.execute(f"SET disabled_optimizers = '{left_out}'")
        try:
            self.connection.execute(statement, {"files": [*files]} if files else None)
        finally:
            self.connection.execute("RESET disabled_optimizers")

    def _spoiled(self) -> set[str]:
        """Return the names of the staged files with an event that cannot be used as it is."""
        found = "SELECT DISTINCT spoiled FROM staged WHERE spoiled IS NOT NULL"
        return {str(name) for (name,) in self.connection.execute(found).fetchall()}

    def _readable(self, path: Path) -> str:
        """Return a name of ``path`` that DuckDB takes, and not for a pattern of many.

        A file called ``l*.json`` would make it read its neighbors, and what they link to. A name
        that is no UTF-8 it cannot take at all.
        """
        name = str(path.absolute())
        if not glob.has_magic(name) and name.isprintable():
            return name
        link = Path(self._scratch.name) / f"link-{self._links.setdefault(name, len(self._links))}"
        if not link.is_symlink():
            link.symlink_to(name)
        return str(link)

    def _read_slowly(self, kind: Kind, delivery: Delivery) -> None:
        lost, before = self._rejects.lost, self.totals.deliveries
        if kind.layout == "parquet":
            lines = self._parquet(delivery)
        else:
            lines = self._normalizer.rewrite(delivery.path, delivery.name, kind)
        chunk = Path(self._scratch.name) / "chunk.ndjson"
        try:
            while True:
                with chunk.open("wb") as out:
                    size = copy_to(lines, out, CHUNK_BYTES)
                if size == 0:
                    break
                self._stage([str(chunk)], Kind("uncompressed", "lines"), normalized=True)
                self._drop_unusable(delivery)
                self._hold(size)
        except OSError as error:
            self._reject(f"cannot be read: {error.strerror}", delivery.name)
        if self.totals.deliveries == before and self._rejects.lost > lost:
            self._foreign(delivery, "holds no Okta event")

    def _drop_unusable(self, delivery: Delivery) -> None:
        """Count what the normalizer let through and the reader cannot use: nothing is lost."""
        (count,) = self._one("SELECT count(spoiled) FROM staged")
        for _ in range(count):
            self._reject("refused by the reader", delivery.name)
        self.connection.execute("DELETE FROM staged WHERE spoiled IS NOT NULL")

    def _foreign(self, delivery: Delivery, remark: str) -> None:
        self.totals = replace(self.totals, foreign={**self.totals.foreign, delivery.name: remark})

    def _parquet(self, delivery: Delivery) -> Iterator[bytes]:
        """Yield each row of a Parquet file as canonical JSON."""
        source = f"read_parquet({quote(self._readable(delivery.path))})"
        try:
            cursor = self.connection.cursor()  # its rows are read while others are written
            cursor.execute("SET TimeZone = 'UTC'")
            rows = cursor.execute(f"SELECT to_json(event)::VARCHAR FROM {source} AS event")
            number = 0
            while batch := rows.fetchmany(1000):
                for (text,) in batch:
                    number += 1
                    yield from self._normalizer.row(number, text, delivery.name)
        except duckdb.OutOfMemoryException:
            raise  # no fault of the file's
        except duckdb.Error as error:
            self._reject("damaged Parquet", delivery.name, str(error))

    def _stage(self, files: Sequence[str], kind: Kind, *, normalized: bool = False) -> None:
        """Read ``files`` once: the time of every event, and what is asked for of the relevant.

        A list holds the event, since an empty list costs no room in the columns below it; the
        name of its file stands only beside an event that cannot be used.
        """
        select = reading(kind, self._relevant, self._columns, normalized=normalized)
        staged = "CREATE OR REPLACE TEMP TABLE staged AS SELECT spoiled, event_ms, kept"
        self._run(f"{staged} FROM ({select})", files, few=_hold_few(files, kind))

    def _keep(self) -> None:
        """Project what is staged onto ``events``, and count it."""
        self._count("staged")
        self._project("staged")

    def _hold(self, size: int) -> None:
        """Set aside what is staged, and count it: many small files are projected at once.

        Args:
            size: The bytes that it was read from.
        """
        self._count("staged")
        into = "INSERT INTO held" if self._held else "CREATE TEMP TABLE held AS"
        self.connection.execute(f"{into} SELECT kept FROM staged WHERE len(kept) > 0")
        self.connection.execute("DROP TABLE staged")
        self._held += size
        if self._held >= CHUNK_BYTES:
            self._release()

    def _release(self) -> None:
        """Project what was set aside onto ``events``."""
        if self._held:
            self._project("held")
            self._held = 0

    def _project(self, table: str) -> None:
        kept = projection(f"(SELECT kept FROM {table} WHERE len(kept) > 0)", self._columns)
        (count,) = self._one(f"SELECT count(*) FROM {table}")
        self._run(f"INSERT INTO events {kept}", few=count < FEW)
        self.connection.execute(f"DROP TABLE {table}")

    def _count(self, read: str) -> None:
        """Add the rows of ``read`` to the totals."""
        limit = self._wall_ms + FUTURE_MS
        count, future, oldest, newest = self._one(f"""
SELECT count(*), count(*) FILTER (event_ms > {limit}), min(event_ms),
       max(event_ms) FILTER (event_ms <= {limit})
FROM {read}""")
        known = self.totals
        self.totals = replace(
            known,
            deliveries=known.deliveries + count,
            future=known.future + future,
            oldest_ms=min((ms for ms in (known.oldest_ms, oldest) if ms is not None), default=None),
            newest_ms=max((ms for ms in (known.newest_ms, newest) if ms is not None), default=None),
        )

    def count_cut(self) -> None:
        """Count the events of which a value was cut."""
        columns = sorted(TEXT_COLUMNS & self._columns)
        long = f"greatest({', '.join(f'strlen({c})' for c in columns)}) >= {MAX_VALUE}"
        (statement,) = parsed(f"SELECT count(*) FROM events WHERE {long}")
        if self.connection.execute(statement).fetchone() == (0,):
            return
        cut = "[" + ", ".join(f"CASE WHEN {WAS_CUT.format(c)} THEN {quote(c)} END" for c in columns)
        rows = self.connection.execute(f"""
SELECT uuid, to_json({{uuid: uuid, cut: cut}})::VARCHAR
FROM (SELECT uuid, list_filter({cut}], lambda name: name IS NOT NULL) AS cut FROM events
      WHERE {long})
WHERE len(cut) > 0 ORDER BY uuid""")
        while batch := rows.fetchmany(1000):
            for uuid, text in batch:
                problem = Problem(VALUE_CUT, place_of(uuid), 0, used=True, text=text)
                self._rejects.add(problem)

    def _reject(self, reason: str, name: str, text: str = "") -> None:
        self._rejects.add(Problem(reason, name, 0, used=False, text=text))

    def _one(self, sql: str) -> tuple[int, ...]:
        return self.connection.execute(sql).fetchall()[0]


def relevant(event_types: Sequence[str]) -> str:
    """Return the SQL condition that ``event_type`` is one of ``event_types``."""
    if "*" in event_types:
        return EVERY
    names = (
        re.escape(kind.removesuffix("*")) + ("" if kind.endswith("*") else f"{PAD}*$")
        for kind in event_types
    )
    return f"regexp_matches(event_type, {quote(_START + '(' + '|'.join(names) + ')')})"


def _groups(
    deliveries: Iterable[Delivery], kind_of: Callable[[Delivery], Kind]
) -> Iterator[tuple[Kind, list[Delivery]]]:
    """Yield the deliveries of one kind together, in groups bounded in bytes and files."""
    by_kind: dict[Kind, list[Delivery]] = {}
    for delivery in deliveries:
        by_kind.setdefault(kind_of(delivery), []).append(delivery)
    for kind, alike in by_kind.items():
        group: list[Delivery] = []
        held = 0
        for delivery in alike:
            group.append(delivery)
            held += _bytes(delivery.path)
            if held >= GROUP_BYTES or len(group) >= GROUP_FILES:
                yield kind, group
                group, held = [], 0
        if group:
            yield kind, group


def _hold_few(files: Sequence[str], kind: Kind) -> bool:
    """Tell whether ``files`` are so small that they hold few events."""
    held = sum(_bytes(Path(file)) for file in files)
    return held < (FEW_BYTES if kind.compression == "uncompressed" else FEW_BYTES // 10)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
