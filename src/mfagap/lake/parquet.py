"""The Parquet files of the durable lake: each is read as the manifest says, or named as damaged."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from mfagap.errors import LakeError
from mfagap.lake.fields import OF_RAW
from mfagap.lake.manifest import StoredFile
from mfagap.lake.projection import quote

SET_ASIDE = "set-aside"
"""The folder below the lake's into which a person moves a file that the lake shall do without."""

FILE_ROWS = 32_768
"""The most rows of one file: to sort them has to fit the memory."""
GROUP_ROWS = 8192
"""Rows that are read or passed over together."""

LONG_EVENTS = "1GB"
"""Memory for events so long that the 2,048 which DuckDB takes at a time fill what others need."""


def columns_of(names: Iterable[str]) -> str:
    """Return a select list of those of ``names`` that there are, or that ``raw`` holds."""
    wanted = [*names]
    stored = ", ".join(quote(name) for name in wanted if name not in OF_RAW)
    paths = {name: ".".join(("$", *OF_RAW[name])) for name in wanted if name in OF_RAW}
    made = (f"json_extract_string(raw, '{path}') AS {name}" for name, path in paths.items())
    return ", ".join((f"COLUMNS(lambda name: name IN ({stored}))", *made))


def rows_of(files: Iterable[str]) -> str:
    """Return a table expression of the rows in ``files``; a column that a file lacks is NULL."""
    listed = ", ".join(map(quote, files))
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def write(
    connection: duckdb.DuckDBPyConnection, select: str, file: Path, first: str | None = None
) -> None:
    """Write the rows of ``select`` to ``file``, so that the types which are read are together.

    Args:
        connection: Where ``select`` can be run.
        select: Without an order.
        file: Not yet there.
        first: The condition of rows that come before all others, each in the order in which they
            are given; None sorts by type and time, which takes as long again.

    Raises:
        duckdb.Error: Memory or disk ran out, or the rows cannot be read.
    """
    options = (
        f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {GROUP_ROWS}, "
        f"ROW_GROUP_SIZE_BYTES '32MB', DICTIONARY_SIZE_LIMIT 1000, USE_TMP_FILE false)"
    )
    connection.execute("SET threads = 1")  # each has buffers of its own, of whole row groups
    try:
        if first is None:
            ordered = f"{select} ORDER BY event_type, event_ms"
        else:
            ordered = f"FROM ({select}) WHERE {first} UNION ALL FROM ({select}) WHERE NOT {first}"
        connection.execute(f"COPY ({ordered}) TO {quote(str(file))} {options}")
    except duckdb.OutOfMemoryException:  # very long events, which are stored in any order
        connection.execute(f"SET memory_limit = '{LONG_EVENTS}'")
        connection.execute(f"COPY ({select}) TO {quote(str(file))} {options}")


def set_aside(folder: Path, file: StoredFile) -> bool:
    """Tell whether a person took ``file`` out of the lake in ``folder``."""
    path = folder / file.path
    return not path.exists() and (folder / SET_ASIDE / path.name).exists()


def present(folder: Path, files: Iterable[StoredFile]) -> list[str]:
    """Return the paths of ``files``, less those that were set aside.

    Raises:
        LakeError: A file is missing, or not as long as when it was written.
    """
    found: list[str] = []
    for file in files:
        path = folder / file.path
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            if not set_aside(folder, file):
                raise _broken(folder, file, "missing") from None
            continue
        except OSError as error:
            raise LakeError(f"{path}: cannot be read: {error.strerror}") from error
        if size != file.bytes:
            raise _broken(folder, file, f"damaged: {size} bytes where {file.bytes} were written")
        found.append(str(path))
    return found


def unreadable(folder: Path, files: Sequence[StoredFile], error: duckdb.Error) -> LakeError:
    """Return what to raise for ``error``, which came while ``files`` were read: it names one."""
    for file in files:
        for path in present(folder, [file]):
            try:
                with duckdb.connect() as connection:  # the other may be beyond use
                    connection.execute(f"SELECT max(hash(f)) FROM {rows_of([path])} AS f")
            except duckdb.Error as damage:
                return _broken(folder, file, f"damaged: {str(damage).splitlines()[0]}")
    return LakeError(f"{folder}: the lake cannot be read: {error}")


def _broken(folder: Path, file: StoredFile, what: str) -> LakeError:
    path = folder / file.path
    return LakeError(
        f"{path}: {what}; restore it from a backup, or have a file of that name in "
        f"{folder / SET_ASIDE} (move it there): then its {file.rows:,} events are left out"
    )
