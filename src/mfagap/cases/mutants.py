"""Changes a query in one place at a time, as a slip of the pen would.

A query is its *pieces*: each CTE, and last what is selected from them. A mutant is one piece with
one change; the other pieces stay as they are. Which changes there are is in ``_KINDS``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from mfagap.engines.portable import line_of

RESULT = "result"
"""The name of the last piece, which is no CTE."""

Swaps = Mapping[type[exp.Expr], type[exp.Expr]]
Change = tuple[str, exp.Expr, exp.Expr]
"""What is changed, in words; the part that tells the line; what stands in the node's place."""

_NAME_LENGTH = 72
_TURNED: Swaps = {
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
}
_EDGE: Swaps = {exp.LT: exp.LTE, exp.LTE: exp.LT, exp.GT: exp.GTE, exp.GTE: exp.GT}
_EXTREME: Swaps = {exp.Min: exp.Max, exp.Max: exp.Min}


@dataclass(frozen=True, slots=True)
class Piece:
    """A CTE, or the SELECT at the end: its name and its SQL, and the names of what it reads."""

    name: str
    sql: str
    reads: frozenset[str]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A query with one change.

    Attributes:
        name: The piece and what was changed; it stays the same while the piece does. Under the
            name of its query, where that is one of the runbook's.
        file: The query's.
        line: Where in it.
        piece: The piece that is changed, as it is now.
    """

    name: str
    file: str
    line: int
    piece: Piece


@dataclass(frozen=True, slots=True)
class Query:
    """A query in pieces, in their order, and all of its mutants."""

    pieces: tuple[Piece, ...]
    mutants: tuple[Mutant, ...]

    def after(self, mutant: Mutant) -> tuple[Piece, ...]:
        """Return the changed piece and all that read it, also by way of others."""
        affected = [mutant.piece]
        for piece in self.pieces:
            if piece.reads & {above.name for above in affected}:
                affected.append(piece)
        return tuple(affected)


def assembled(pieces: Sequence[Piece]) -> str:
    """Return one SELECT out of ``pieces``; the last is what is selected."""
    *ctes, last = pieces
    above = ", ".join(piece.sql for piece in ctes)
    return f"WITH {above} {last.sql}" if above else last.sql


def parse(sql: str, file: str = "", prefix: str = "") -> Query:
    """Return the pieces and the mutants of ``sql``, which is in the portable subset.

    Args:
        sql: One SELECT.
        file: Where it stands.
        prefix: Put before the mutants' names.
    """
    tree = sqlglot.parse_one(sql, dialect="duckdb")
    with_ = tree.find(exp.With)
    ctes: list[exp.CTE] = with_.expressions if with_ else []
    if with_:
        with_.pop()
    roots: list[tuple[str, exp.Expr]] = [(cte.alias, cte) for cte in ctes]
    roots.append((RESULT, exp.Tuple(expressions=[tree])))
    pieces: list[Piece] = []
    mutants: list[Mutant] = []
    for name, root in roots:
        piece = _piece(name, root)
        pieces.append(piece)
        counted: Counter[str] = Counter()
        for node, (what, part, new) in _changes(root):
            counted[what] += 1
            number = f" #{counted[what]}" if counted[what] > 1 else ""
            line = line_of(part, sql) or 1
            node.replace(new)
            known = f"{prefix}{name}: {what}{number}"
            mutants.append(Mutant(known, file, line, _piece(name, root)))
            new.replace(node)
    return Query(tuple(pieces), tuple(mutants))


def _piece(name: str, root: exp.Expr) -> Piece:
    """Return the piece below ``root``, which holds it so that the whole of it can be replaced."""
    held = root if isinstance(root, exp.CTE) else root.expressions[0]
    reads = frozenset(table.name for table in root.find_all(exp.Table))
    return Piece(name, held.sql(dialect="duckdb", copy=False, comments=False), reads)


def _changes(root: exp.Expr) -> Iterator[tuple[exp.Expr, Change]]:
    for node in list(root.walk(bfs=False)):
        for kind, changes in _KINDS:
            if isinstance(node, kind):
                for change in changes(node):
                    yield node, change


def _text(node: exp.Expr) -> str:
    """Return the SQL of ``node``, short enough for a name."""
    text = node.sql(dialect="duckdb", comments=False)
    return text if len(text) <= _NAME_LENGTH else f"{text[:_NAME_LENGTH]}…"


def _to(node: exp.Expr, new: exp.Expr) -> Change:
    return f"{_text(node)} -> {_text(new)}", node, new


def _without(node: exp.Expr, key: str, dropped: exp.Expr) -> exp.Expr:
    """Return a copy of ``node`` that lacks ``dropped`` in its list ``key``."""
    kept = [item.copy() for item in node.args[key] if item is not dropped]
    new = node.copy()
    new.set(key, kept or None)
    return new


def _connective(node: exp.Expr) -> Iterator[Change]:
    if isinstance(node.parent, type(node)):
        return  # seen from the topmost of its chain
    operands = list(node.flatten(unnest=False))
    for dropped in operands:
        first, *others = (operand.copy() for operand in operands if operand is not dropped)
        new = first
        for other in others:
            new = type(node)(this=new, expression=other)
        yield f"without {_text(dropped)}", dropped, new


def _condition(node: exp.Expr) -> Iterator[Change]:
    """Drop a WHERE or HAVING of one predicate; of several each is dropped in its turn."""
    if not isinstance(node.this, exp.And):
        yield f"without {_text(node)}", node, type(node)(this=exp.true())


def _join(node: exp.Expr) -> Iterator[Change]:
    on = node.args.get("on")
    if on and not isinstance(on, exp.And):
        new = node.copy()
        new.set("on", exp.true())
        yield f"{_text(node.this)} without ON {_text(on)}", on, new
    if node.args.get("side") == "LEFT":
        new = node.copy()
        new.set("side", None)
        yield f"LEFT JOIN {_text(node.this)} -> JOIN", node, new


def _case(node: exp.Expr) -> Iterator[Change]:
    branches: list[exp.Expr] = node.args["ifs"]
    default: exp.Expr | None = node.args.get("default")
    for branch in branches:
        rest = default.copy() if default else exp.null()
        new = _without(node, "ifs", branch) if len(branches) > 1 else exp.paren(rest, copy=False)
        yield f"without WHEN {_text(branch.this)}", branch, new
    if default:
        new = node.copy()
        new.set("default", None)
        yield f"without ELSE {_text(default)}", default, new


def _union(node: exp.Expr) -> Iterator[Change]:
    """Drop the right branch; and the left one where it is no UNION, which drops its own."""
    for dropped, kept in ((node.expression, node.this), (node.this, node.expression)):
        if not isinstance(dropped, exp.Union):
            yield f"without {_text(dropped)}", dropped, kept.copy()


def _coalesce(node: exp.Expr) -> Iterator[Change]:
    values = [node.this, *node.expressions]
    for dropped in values:
        first, *others = (value.copy() for value in values if value is not dropped)
        new = exp.Coalesce(this=first, expressions=others) if others else first
        yield f"{_text(node)} without {_text(dropped)}", dropped, new


def _window(node: exp.Expr) -> Iterator[Change]:
    for key in node.args.get("partition_by") or ():
        yield f"without PARTITION BY {_text(key)}", key, _without(node, "partition_by", key)


def _order(node: exp.Expr) -> Iterator[Change]:
    """Drop each key but the last, which leaves the rest to chance; that one is turned."""
    for key in node.expressions[:-1]:
        yield f"without ORDER BY {_text(key.this)}", key, _without(node, "expressions", key)


def _ordered(node: exp.Expr) -> Iterator[Change]:
    new = node.copy()
    new.set("desc", None if node.args.get("desc") else True)
    yield f"ORDER BY {_text(node.this)} turned", node, new


def _not(node: exp.Expr) -> Iterator[Change]:
    yield _to(node, node.this.copy())


def _test(node: exp.Expr) -> Iterator[Change]:
    if node.args.get("negate"):  # how sqlglot reads NOT LIKE
        new = node.copy()
        new.set("negate", None)
        yield _to(node, new)
    elif not isinstance(node.parent, exp.Not):
        yield _to(node, exp.Not(this=node.copy()))


def _swapped(table: Swaps) -> Callable[[exp.Expr], Iterator[Change]]:
    def change(node: exp.Expr) -> Iterator[Change]:
        new = table[type(node)](**{key: arg.copy() for key, arg in node.args.items() if arg})
        yield _to(node, new)

    return change


def _literal(node: exp.Expr) -> Iterator[Change]:
    if node.is_string:
        yield _to(node, exp.Literal.string(f"~{node.name}"))
    else:
        yield _to(node, exp.Literal.number(int(node.name) + 1))


_KINDS: Iterable[tuple[tuple[type[exp.Expr], ...], Callable[[exp.Expr], Iterator[Change]]]] = (
    ((exp.And, exp.Or), _connective),
    ((exp.Where, exp.Having), _condition),
    ((exp.Join,), _join),
    ((exp.Case,), _case),
    ((exp.Union,), _union),
    ((exp.Coalesce,), _coalesce),
    ((exp.Window,), _window),
    ((exp.Order,), _order),
    ((exp.Ordered,), _ordered),
    ((exp.Not,), _not),
    ((exp.Is, exp.Like), _test),
    (tuple(_TURNED), _swapped(_TURNED)),
    (tuple(_EDGE), _swapped(_EDGE)),
    (tuple(_EXTREME), _swapped(_EXTREME)),
    ((exp.Literal,), _literal),
)
