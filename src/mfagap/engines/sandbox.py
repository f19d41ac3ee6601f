"""DuckDB as far as a detection's query may use it: whoever wrote the query, it only answers.

docs/decisions/0017-sandbox.md says what each of its walls keeps out, and what none of them does.
"""

import json
import re
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import duckdb

from mfagap.engines.duckdb import DuckDBEngine
from mfagap.errors import AnswerTooLarge, EngineError, QueryTooLarge
from mfagap.lake.statements import parsed, parser
from mfagap.model import ContentList, Scalar

TIMEOUT_S = 300.0
INTERVAL_S = 0.05
MAX_ROWS = 1_000_000
MAX_TEXT = 512 * 1024 * 1024
"""Characters in all rows together."""

_FEW_EVENTS = 200
_FOR_FEW = (
    "disabled_optimizers = 'cte_inlining,join_order,statistics_propagation'",
    "threads = 1",
)
"""With fewer events, these passes, and a second thread, take longer than they save. With many more,
what a CTE gives would be written out, which may be the square of a hostile log. Set before the
lock, which ends all setting. DuckDB 1.5 knows them all; it refuses a name that it does not know."""

_BATCH = 1000
_MESSAGE = 2000

_LOCK = (
    "enable_external_access = false",
    "autoload_known_extensions = false",
    "autoinstall_known_extensions = false",
    "allow_persistent_secrets = false",
    "python_enable_replacements = false",
    "lock_configuration = true",
)
_TABLE_FUNCTIONS = ("generate_series", "range", "unnest")
_QUERIES = ("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE")
_SOURCES = ("BASE_TABLE", "TABLE_FUNCTION", "SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY")
_PLAIN = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = """
SELECT lower(table_name) FROM duckdb_tables()
UNION ALL
SELECT lower(view_name) FROM duckdb_views() WHERE schema_name <> 'information_schema'"""
"""What a bare name can mean beside a CTE; the views of information_schema need their schema."""

_TYPES = (
    *("VARCHAR", "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("FLOAT", "DOUBLE", '"NULL"'),
)


class Sandbox(DuckDBEngine):
    """Runs queries of anybody's on one connection.

    From here on the connection's whole database opens no file that is not its own, and its
    settings stay as they are.

    Args:
        connection: Holds ``events``.
        timeout_s: How long one query may take.

    Raises:
        EngineError: The database cannot be locked.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, timeout_s: float = TIMEOUT_S) -> None:
        """See the class."""
        super().__init__(connection)
        self._timeout_s = timeout_s
        try:
            locked = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
            if locked == (False,):
                for setting in (*(_FOR_FEW if _holds_few(connection) else ()), *_LOCK):
                    connection.execute(f"SET {setting}")
        except duckdb.Error as error:
            raise EngineError(f"the database cannot be locked: {error}") from error

    def run(
        self, sql: str, parameters: Mapping[str, int], lists: Mapping[str, ContentList]
    ) -> list[dict[str, Scalar]]:
        """Return the rows of ``sql`` as name → value, and leave nothing behind.

        Args:
            sql: One SELECT over ``events`` and ``lists``; parameters as ``$name``.
            parameters: Values by name; those that ``sql`` does not use are left out.
            lists: Small tables that ``sql`` may join; gone when it is done.

        Raises:
            AnswerTooLarge: The query gives too much.
            QueryTooLarge: It ran out of memory or disk.
            EngineError: The query reads or does more than it may, failed, or ran out of time.
        """
        try:
            statement = self._checked(sql, {"events", *lists})
            names = statement.named_parameters
            used = {name: value for name, value in parameters.items() if name in names}
            with self._for_nothing():
                return self._in_time(lambda: self._answer(statement, used, lists))
        except duckdb.OutOfMemoryException as error:
            raise QueryTooLarge(f"the query failed: {str(error)[:_MESSAGE]}") from error
        except duckdb.Error as error:
            raise EngineError(f"the query failed: {str(error)[:_MESSAGE]}") from error

    def _checked(self, sql: str, tables: set[str]) -> duckdb.Statement:
        """Return ``sql`` as the one SELECT that it is; DuckDB's own parser is the judge."""
        statements = parsed(sql)
        if [_kind(statement) for statement in statements] != [duckdb.StatementType.SELECT]:
            raise EngineError("the query must be exactly one SELECT")
        reads = _reads(sql)
        (listing,) = parsed(_TAKEN)
        taken = {str(name) for (name,) in self.connection.execute(listing).fetchall()}
        fault = reads.fault(tables, taken)
        if fault:
            raise EngineError(f"the query {fault}")
        return statements[0]

    @contextmanager
    def _for_nothing(self) -> Generator[None]:
        """Undo what the body does. In DuckDB 2 a SELECT can hold a DELETE: nothing is written."""
        self.connection.execute("BEGIN TRANSACTION READ ONLY")  # temporary tables can be made
        try:
            yield
        finally:
            self.connection.rollback()

    def _answer(
        self,
        statement: duckdb.Statement,
        parameters: Mapping[str, int],
        lists: Mapping[str, ContentList],
    ) -> list[dict[str, Scalar]]:
        self.create(lists)
        return _rows(self.connection.execute(statement, parameters))

    def _in_time(self, work: Callable[[], list[dict[str, Scalar]]]) -> list[dict[str, Scalar]]:
        """Return what ``work`` returns; it has a thread, since this one hears Ctrl-C and the clock.

        ``work`` has ended by the return, so that no interrupt hits what comes later.
        """
        with ThreadPoolExecutor(1, "mfagap-query") as pool:
            answer = pool.submit(work)
            try:
                return answer.result(self._timeout_s)
            except TimeoutError as error:
                message = f"the query ran for more than {self._timeout_s:g} s and was stopped"
                raise EngineError(message) from error
            finally:
                while not answer.done():  # one interrupt that comes between two statements is lost
                    self.connection.interrupt()
                    wait([answer], INTERVAL_S)


def _holds_few(connection: duckdb.DuckDBPyConnection) -> bool:
    return connection.execute(f"SELECT count(*) < {_FEW_EVENTS} FROM events").fetchone() == (True,)


@lru_cache(maxsize=64)
def _reads(sql: str) -> "_Reads":
    """Return what ``sql`` reads; the same for the same text, which many a caller asks again."""
    with parser().cursor() as connection:
        tree = connection.execute("SELECT json_serialize_sql($sql::VARCHAR)", {"sql": sql})
        ((text,),) = tree.fetchall()
    reads = _Reads()
    try:
        json.loads(text, object_hook=reads.note)
    except RecursionError as error:
        raise EngineError("the query is nested too deeply") from error
    return reads


@dataclass(slots=True)
class _Reads:
    """What a query reads, noted from DuckDB's tree of it, and what else it does."""

    tables: set[str] = field(default_factory=set[str])
    ctes: set[str] = field(default_factory=set[str])
    functions: set[str] = field(default_factory=set[str])
    sources: set[str] = field(default_factory=set[str])
    doings: set[str] = field(default_factory=set[str])

    def note(self, node: dict[str, Any]) -> dict[str, Any]:
        """Note one node; its children were noted before."""
        kind = str(node.get("type"))
        if kind == "BASE_TABLE":
            self.tables.add(_table(node))
        elif kind == "TABLE_FUNCTION":
            self.functions.add(str(node["function"]["function_name"]).lower())
        elif kind.endswith("_NODE") and kind not in _QUERIES:
            self.doings.add(kind)
        elif node.get("error") is True:
            self.doings.add(str(node.get("error_message")))
        elif "sample" in node and kind not in (*_SOURCES, *_QUERIES):  # all that FROM can hold
            self.sources.add(kind)
        if node.get("cte_map"):
            self.ctes.update(str(entry["key"]) for entry in node["cte_map"]["map"])
        return node

    def fault(self, tables: set[str], taken: set[str]) -> str | None:
        """Return what is more than reading ``tables``; None if nothing is.

        Where a CTE is seen is not followed, and a table of its name may be outside of that. So no
        CTE has the name of a file, or one of those in ``taken``, which the database has already.
        """
        if self.doings:
            return f"must be exactly one SELECT: {min(self.doings)}"
        functions = self.functions.difference(_TABLE_FUNCTIONS)
        if functions:
            known = ", ".join(_TABLE_FUNCTIONS)
            return f"reads {min(functions)}(); as tables, only these functions can be read: {known}"
        if self.sources:
            return f"reads from {min(self.sources)}, which is no table, function or subquery"
        ctes = {name.lower() for name in self.ctes}
        others = self.tables - ctes - tables
        if others:
            return f"reads {min(others)!r}, which is neither events nor a list of detection.yml"
        odd = {name for name in self.ctes if not _PLAIN.fullmatch(name)} | (ctes & taken) - tables
        if odd:
            return f"has a CTE {min(odd)!r}: name it otherwise, in letters, digits and _"
        return None


def _table(node: Mapping[str, Any]) -> str:
    """Return the name of a table; with its schema, which is no CTE's and no list's."""
    parts = (node["catalog_name"], node["schema_name"], node["table_name"])
    name = ".".join(str(part).lower() for part in parts if part)
    return "events" if parts[:2] == ("", "main") and name == "main.events" else name


def _kind(statement: duckdb.Statement) -> duckdb.StatementType | None:
    try:
        return statement.type
    except ValueError:  # a kind of statement that the Python client has no name for
        return None


def _rows(result: duckdb.DuckDBPyConnection) -> list[dict[str, Scalar]]:
    names: list[str] = []
    for name, kind, *_ in result.description or ():
        if str(kind) not in _TYPES:
            kinds = "VARCHAR, BOOLEAN, whole numbers or DOUBLE"
            raise EngineError(f"the query gives {name!r} as {kind}; cast it to {kinds}")
        names.append(name)
    rows: list[dict[str, Scalar]] = []
    size = 0
    while batch := result.fetchmany(_BATCH):
        size += sum(len(value) for row in batch for value in row if isinstance(value, str))
        rows += [dict(zip(names, row, strict=True)) for row in batch]
        if len(rows) > MAX_ROWS or size > MAX_TEXT:
            rows.clear()  # the error, and who asks again because of it, would hold them
            most = f"{MAX_ROWS:,} rows or {MAX_TEXT // 2**20} MiB of text"
            raise AnswerTooLarge(f"the query gives more than {most}")
    return rows
