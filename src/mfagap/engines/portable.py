"""The portable subset of SQL that detections are written in, and its lint.

One SELECT over ``events`` and declared lists; equi-joins and sorted windows; bound parameters;
times are integers. What engines answer differently is left out: docs/decisions/0002 has the list.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

_NAMES = """
Abs Add Alias And CTE Case Coalesce Column Count DPipe Distinct EQ From GT GTE Group Having
Identifier If In Is Join LT LTE Like Literal Lower Max Min Mul NEQ Neg Not Null Or Order Ordered
Paren Placeholder RowNumber Select Star Sub Subquery Sum Table TableAlias Trim Union Upper Where
Window With
"""
ALLOWED = frozenset(_NAMES.split())
"""sqlglot's names of all that may stand in a query; these mean the same in every dialect."""

JOINS = frozenset({("", ""), ("LEFT", ""), ("", "INNER"), ("", "CROSS")})

BANNED = (
    (exp.With, "recursive", "no RECURSIVE"),
    (exp.CTE, "materialized", "no MATERIALIZED: engines choose"),
    (exp.Group, "all", "no GROUP BY ALL: name the columns"),
    (exp.Union, "by_name", "no UNION BY NAME: order the columns"),
    (exp.Star, "except_", "no * EXCLUDE: name the columns"),
    (exp.Star, "replace", "no * REPLACE: name the columns"),
    (exp.Join, "method", "no NATURAL or ASOF JOIN: write the columns in ON"),
)
"""What an allowed kind of node may not carry: dialects drop it without a word."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is outside the subset, and the 1-based line in the query."""

    message: str
    line: int | None


def faults(
    sql: str,
    tables: set[str],
    parameters: set[str],
    other: str = "neither events nor a list of detection.yml",
) -> list[Fault]:
    """Return what in ``sql`` is outside the portable subset, by line.

    Args:
        sql: The query.
        tables: Names that it may read.
        parameters: Names that it may use as ``$name``.
        other: What any other table is.
    """
    try:
        statements = _statements(sql)
    except ParseError as error:
        return [_unparsed(error)]
    except TokenError as error:
        return [Fault(f"no SQL: {str(error).splitlines()[0]}", None)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        return [Fault("must be exactly one SELECT", 1)]
    query = statements[0]
    known = tables | {cte.alias for cte in query.find_all(exp.CTE)}
    found = [
        Fault(message, line_of(node, sql))
        for node in query.walk()
        for message in _messages(node, known, parameters, other)
    ]
    return sorted(set(found), key=lambda fault: (fault.line or 0, fault.message))


def compared(sql: str, column: str) -> list[tuple[int, str]]:
    """Return each text that ``sql`` compares ``column`` with, by =, IN, LIKE or CASE, by line.

    ``LOWER(column)`` counts as the column, of whatever table. What is no SQL compares nothing.
    """
    try:
        statements = _statements(sql)
    except (ParseError, TokenError):
        return []
    found: list[tuple[int, str]] = []
    nodes = (n for s in statements if s for n in s.find_all(exp.EQ, exp.In, exp.Like, exp.Case))
    for node in nodes:
        sides = [
            (child.this if isinstance(child, exp.If) else child).unnest()
            for child in node.iter_expressions()
        ]
        if any(_bare(side).lower() == column for side in sides):
            texts = (side for side in sides if isinstance(side, exp.Literal) and side.is_string)
            found += [(line_of(text, sql) or 1, text.name) for text in texts]
    return sorted(found)


def given(sql: str, column: str) -> list[tuple[int, str]]:
    """Return each text that a SELECT of ``sql`` gives as ``column``, by line; what is no SQL, none.

    A text is given as it stands, or by a branch of a CASE.
    """
    try:
        statements = _statements(sql)
    except (ParseError, TokenError):
        return []
    found = (
        (line_of(text, sql) or 1, text.name)
        for statement in statements
        if statement
        for alias in statement.find_all(exp.Alias)
        if alias.alias == column
        for text in _outcomes(alias.this)
    )
    return sorted(found)


def _outcomes(node: exp.Expr) -> Iterator[exp.Expr]:
    inner = node.unnest()
    if isinstance(inner, exp.Case):
        for branch in inner.args["ifs"]:
            yield from _outcomes(branch.args["true"])
        if inner.args.get("default"):
            yield from _outcomes(inner.args["default"])
    elif isinstance(inner, exp.Literal) and inner.is_string:
        yield inner


@lru_cache(maxsize=64)
def _statements(sql: str) -> tuple[exp.Expr | None, ...]:
    """Return the statements of ``sql``, which nobody changes: a query is linted more than once."""
    return tuple(sqlglot.parse(sql, dialect="duckdb"))


def _bare(node: exp.Expr) -> str:
    """Return the name of the column that ``node`` is, or is the lower case of; "" for none."""
    inner = node.this.unnest() if isinstance(node, exp.Lower) else node
    return inner.name if isinstance(inner, exp.Column) else ""


def _unparsed(error: ParseError) -> Fault:
    first = error.errors[0]
    what = str(first.get("description")).partition(" but got <")[0]
    return Fault(f"no SQL: {what} near {first.get('highlight')!r}", first.get("line"))


def _messages(node: exp.Expr, tables: set[str], parameters: set[str], other: str) -> Iterator[str]:
    yield from (why for kind, key, why in BANNED if isinstance(node, kind) and node.args.get(key))
    kind = type(node).__name__
    if kind not in ALLOWED:
        name = node.name if isinstance(node, exp.Anonymous) else node.sql(dialect="duckdb")[:40]
        yield f"{kind} is outside the portable subset: {name}"
    elif isinstance(node, exp.Table) and (node.name not in tables or node.db):
        yield f"reads {node.sql()!r}, which is {other}"
    elif isinstance(node, exp.Placeholder) and node.name not in parameters:
        known = ", ".join(f"${name}" for name in sorted(parameters))
        yield f"unknown parameter {node.name!r}; known are {known}"
    elif isinstance(node, exp.Literal) and "\\" in node.name:
        yield "a backslash escapes in some engines only: no LIKE pattern can rely on it"
    elif isinstance(node, exp.Join):
        yield from _join(node)
    elif isinstance(node, exp.Not) and isinstance(node.this.unnest(), exp.In):
        yield "NOT IN is empty where the list holds a NULL: use LEFT JOIN and IS NULL"
    elif isinstance(node, exp.Subquery) and node.find_ancestor(exp.CTE, exp.Select) is not None:
        if not isinstance(node.parent, exp.From | exp.In | exp.Join):
            yield "no subquery in an expression: join a CTE"
    elif isinstance(node, exp.Select) and node.args.get("joins"):
        yield from _joined(node)


def _join(node: exp.Join) -> Iterator[str]:
    if (node.side, node.kind) not in JOINS:
        yield f"no {node.side} {node.kind} JOIN: JOIN and LEFT JOIN mean the same everywhere"
    if node.args.get("using"):
        yield "no USING: write the columns in ON"
    if not node.args.get("on") and node.kind != "CROSS":
        yield "a JOIN needs ON"


def _joined(node: exp.Select) -> Iterator[str]:
    """Yield what is wrong with the columns of a SELECT that joins: engines differ in naming."""
    for projection in node.expressions:
        if projection.is_star:
            yield "no * in a SELECT that joins: name the columns"
        elif not isinstance(projection, exp.Alias):
            yield f"{projection.sql()} needs an alias, since its SELECT joins"
    for column in node.find_all(exp.Column):
        if not column.table and column.find_ancestor(exp.Select) is node:
            yield f"{column.sql()} needs its table's alias, since its SELECT joins"


def line_of(node: exp.Expr, sql: str) -> int | None:
    """Return the line of the first identifier at, below or above ``node``; sqlglot's own drifts."""
    near: exp.Expr | None = node
    while near is not None:
        for part in near.walk():
            start = part.meta.get("start")
            if start is not None:
                return sql.count("\n", 0, int(start)) + 1
        near = near.parent
    return None
