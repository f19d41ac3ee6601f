"""One row for each event: copies of it are coalesced column by column, in any order.

Of what is in memory and of what the durable lake has stored, by the same code (decision 0012).
"""

from collections.abc import Iterable, Sequence

import duckdb

from mfagap.lake.fields import COLUMNS, STORED
from mfagap.lake.parquet import columns_of
from mfagap.lake.projection import TEXT_COLUMNS
from mfagap.lake.rejects import Problem, Rejects

IDENTITY = ("uuid", "event_ms", "event_type")
"""What copies of one event agree on."""

_OUTSIDE = frozenset(("received_ms", "raw"))
"""What tells of a delivery, and not of the event."""
_SPELLED_FREELY = frozenset(("targets", "debug_data", "raw"))
"""Columns of JSON text, which every shape spells in its own way: they may differ."""
_IDX = "coalesce(request_uri LIKE '/idp/idx/%', false)"
_CLASSIC = r"coalesce(regexp_matches(session_id, '^(10[12]|trs)'), false)"
_PRECEDENCE = (
    "8 * (upper(outcome_result) IS DISTINCT FROM 'SUCCESS')::INT "
    f"+ 4 * (NOT {_CLASSIC})::INT + 2 * {_IDX}::INT "
    "+ (NOT coalesce(request_uri LIKE '/api/v1/authn%', false))::INT"
)
"""Which of an event's rows comes first: the one that is a legacy sign-in (OKTA.md), if any is."""


def place_of(uuid: str) -> str:
    """Return where a problem is that was seen only once all was read, and so in no file."""
    return f"event {uuid}"


def content(columns: Iterable[str]) -> str:
    """Return the SQL of a digest of what a row says of its event, whenever it was received."""
    return f"md5_number(row({', '.join(c for c in columns if c not in _OUTSIDE)})::VARCHAR)"


def drop_known(connection: duckdb.DuckDBPyConnection, stored: str | None, rejects: Rejects) -> None:
    """Leave in ``events`` one of the rows that say the same, and none that ``stored`` has.

    A copy that says something else stays, since only all copies together tell what is shown.
    What is to be told of such copies goes to ``rejects``.

    Args:
        connection: Holds ``events``, of the columns that are stored.
        stored: A table expression of what is known; None for nothing.
        rejects: Told of copies that disagree.
    """
    run = connection.execute
    near = "uuid IN (SELECT uuid FROM {}) AND event_ms BETWEEN {} AND {}"
    ((first, last),) = run("SELECT min(event_ms), max(event_ms) FROM events").fetchall()
    known = f"SELECT uuid FROM {stored} WHERE {near.format('events', first, last)}"
    union = f"UNION ALL {known}" if stored else ""
    run(f"""
CREATE TEMP TABLE again AS
SELECT uuid FROM (SELECT uuid FROM events {union}) GROUP BY uuid HAVING count(*) > 1""")
    if run("SELECT count(*) FROM again").fetchall() == [(0,)]:
        return
    run(f"""
CREATE TEMP TABLE copies AS
SELECT {columns_of(COLUMNS)}, false AS stored FROM events WHERE uuid IN (FROM again)""")
    if stored:
        run(f"""
INSERT INTO copies BY NAME
SELECT {columns_of(COLUMNS)}, true AS stored FROM {stored}
WHERE {near.format("again", first, last)}""")
    run("DELETE FROM events WHERE uuid IN (FROM again)")
    run(f"""
INSERT INTO events BY NAME
SELECT {columns_of(STORED)}
FROM (SELECT *, row_number() OVER (PARTITION BY uuid, {content(COLUMNS)}
                                   ORDER BY stored DESC, received_ms, raw) AS place
      FROM copies)
WHERE place = 1 AND NOT stored""")
    run("DELETE FROM copies WHERE uuid NOT IN (SELECT uuid FROM events)")
    run("ALTER TABLE copies DROP stored")
    coalesce(connection, "copies", rejects)


def coalesce(connection: duckdb.DuckDBPyConnection, table: str, rejects: Rejects) -> int:
    """Leave one row per ``uuid`` in ``table``, which has columns of ``events``.

    Copies agree on time and type. Where they disagree otherwise it is counted, and what keeps
    a sign-in in sight comes first, so that no copy can take it back. Another event under a
    ``uuid`` that is taken is a reject: the earliest is kept.

    Returns:
        How many rows were repeats.
    """
    run = connection.execute
    run(f"""
CREATE OR REPLACE TEMP TABLE repeated AS
SELECT uuid FROM {table} GROUP BY uuid HAVING count(*) > 1""")
    if run("SELECT count(*) FROM repeated").fetchall() == [(0,)]:
        return 0
    columns = [str(name) for (name, *_) in run(f"DESCRIBE {table}").fetchall()]
    _coalesced_into_single(connection, table, columns)
    others = [name for name in columns if name not in (*IDENTITY, "received_ms")]
    disagree = " OR ".join(_disagreeing(name) for name in others if name not in _SPELLED_FREELY)
    run(f"""
CREATE OR REPLACE TEMP TABLE unlike AS
SELECT {", ".join(IDENTITY)} FROM {table} WHERE uuid IN (FROM repeated)
GROUP BY {", ".join(IDENTITY)} HAVING {disagree}""")  # with the above, it would take thrice as long
    run(f"DELETE FROM {table} WHERE uuid IN (FROM repeated)")
    run(f"INSERT INTO {table} SELECT {', '.join(columns)} FROM single WHERE place = 1")
    told = "SELECT uuid, to_json(single)::VARCHAR FROM single"
    taken = f"{told} WHERE place > 1 ORDER BY uuid, place"
    for uuid, text in run(taken).fetchall():
        reason = "uuid of another event"
        rejects.add(Problem(reason, place_of(uuid), 0, used=False, text=text))
    shared = ", ".join(IDENTITY)
    differing = f"{told} SEMI JOIN unlike USING ({shared}) WHERE place = 1 ORDER BY uuid"
    for uuid, text in run(differing).fetchall():
        reason = "deliveries of one uuid disagree"
        rejects.add(Problem(reason, place_of(uuid), 0, used=True, text=text))
    ((repeats,),) = run("SELECT coalesce(sum(copies - 1), 0)::BIGINT FROM single").fetchall()
    return int(repeats)


def _coalesced_into_single(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]
) -> None:
    """Make ``single``: a row for each event whose ``uuid`` is repeated, and its place under it."""
    others = [name for name in columns if name not in (*IDENTITY, "received_ms")]
    coalesced = ", ".join(f"{_coalesced(name)} AS {name}" for name in others)
    connection.execute(f"""
CREATE OR REPLACE TEMP TABLE single AS
SELECT *, row_number() OVER (PARTITION BY uuid ORDER BY event_ms, event_type) AS place
FROM (SELECT {", ".join(IDENTITY)}, {coalesced},
             min(received_ms) AS received_ms, count(*) AS copies
      FROM (SELECT *, ({_PRECEDENCE})::UHUGEINT * {2**124} + {content(columns)} // 16 AS digest
            FROM {table} WHERE uuid IN (FROM repeated))
      GROUP BY {", ".join(IDENTITY)})""")


def _coalesced(column: str) -> str:
    """Return the SQL of what the rows of one event have in ``column``, in any order.

    That Identity Engine did it must stand in all of them: it takes a sign-in out of sight.
    """
    if column != "request_uri":
        return f"arg_min({column}, digest) FILTER ({column} IS NOT NULL)"
    return (
        f"CASE WHEN bool_and({_IDX}) THEN min(request_uri) "
        f"ELSE arg_min(request_uri, digest) FILTER (request_uri IS NOT NULL AND NOT {_IDX}) END"
    )


def _disagreeing(column: str) -> str:
    """Return the SQL condition that the rows of one event differ in ``column``."""
    if column == "request_uri":
        return f"bool_or({_IDX}) <> bool_and({_IDX}) OR min(request_uri) <> max(request_uri)"
    value = f"lower({column})" if column in TEXT_COLUMNS else column
    hashed = f"CASE WHEN {column} IS NOT NULL THEN hash({value}) END"
    return f"min({hashed}) <> max({hashed})"  # of texts, it would take ten times as long
