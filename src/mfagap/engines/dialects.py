"""A detection's queries in the SQL of a warehouse, with the lists inside and the parameters bound.

sqlglot translates; what it leaves to the engine's defaults is settled here. A translation reads the
table ``events``, and a runbook's step also ``sessions``: docs/dialects.md tells how to run one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from mfagap.errors import EngineError, UsageError
from mfagap.model import ContentList, Detection, Step

RENAMED = {"from": "from_ms", "to": "to_ms"}
"""Parameters whose names are reserved words, which not every engine takes after its mark."""

MEANINGS = {
    "from_ms": "starts from this time on are judged",
    "to_ms": "starts before this time are judged",
    "watermark": "events before this time are believed complete",
    "grace_ms": "how long after a start its second factor may happen",
    "chain_ms": "how long before a start its chain may begin",
    "before_ms": "how far back devices and identity providers are remembered",
    "after_ms": "how long after a start a later second factor is still noted",
}
"""Every parameter of a detection's query, in words."""

STEP_MEANINGS = {
    "from_ms": "the log from this time on is looked at",
    "to_ms": "the log up to this time is looked at",
    "chain_ms": MEANINGS["chain_ms"],
    "cap_ms": "how long after a start an act belongs to it",
}
"""The parameters of every runbook's steps, in words; those of its own stand in runbook.yml."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One engine's SQL.

    Attributes:
        title: The engine's own name.
        driver: The Python driver whose parameters ``mark`` follows.
        mark: How a parameter is written, with ``{name}`` for its name.
        doubled: Whether the driver wants each ``%`` of the query twice.
    """

    title: str
    driver: str
    mark: str
    doubled: bool = False

    @property
    def by_place(self) -> bool:
        """Whether parameters have no names, and are told by their place."""
        return "{name}" not in self.mark


DIALECTS = {
    "bigquery": Dialect("BigQuery", "google-cloud-bigquery", "@{name}"),
    "clickhouse": Dialect("ClickHouse", "clickhouse-connect", "{{{name}: Int64}}"),
    "databricks": Dialect("Databricks", "databricks-sql-connector", ":{name}"),
    "duckdb": Dialect("DuckDB", "duckdb", "${name}"),
    "postgres": Dialect("PostgreSQL", "psycopg", "%({name})s", doubled=True),
    "snowflake": Dialect("Snowflake", "snowflake-connector-python", "%({name})s", doubled=True),
    "spark": Dialect("Spark", "pyspark", ":{name}"),
    "trino": Dialect("Trino", "trino", "?"),
}
"""What can be translated to, under sqlglot's names."""

_MARK = "\0"  # around a parameter's name until the rest of the text is final


@dataclass(frozen=True, slots=True)
class Translation:
    """A query in one dialect.

    Attributes:
        sql: The query, as the driver takes it.
        parameters: Names in the order of ``sql``: one for each ``?`` where they are told by
            place, else each once.
    """

    sql: str
    parameters: tuple[str, ...]


def translate(sql: str, lists: Mapping[str, ContentList], dialect: str) -> Translation:
    """Return ``sql`` in ``dialect``, with the lists that it reads as its first CTEs.

    Args:
        sql: One SELECT in the portable subset.
        lists: Small tables that ``sql`` may join.
        dialect: A name in ``DIALECTS``.

    Raises:
        EngineError: sqlglot cannot translate it, or a list has text that engines read differently.
    """
    if _MARK in sql:
        raise EngineError("a query holds no NUL")
    try:
        query = sqlglot.parse_one(sql, dialect="duckdb", into=exp.Select)
        _settle(query)
        tables = {table.name for table in query.find_all(exp.Table)}
        used = [_cte(name, rows) for name, rows in lists.items() if name in tables]
        with_ = query.args.get("with_") or exp.With()
        with_.set("expressions", [*used, *with_.expressions])
        query.set("with_", with_ if with_.expressions else None)
        if dialect == "snowflake":
            _name_columns(query)
        elif dialect == "clickhouse":
            _for_clickhouse(query)
        elif dialect == "bigquery":
            _for_bigquery(query)
        text = query.sql(
            dialect=dialect, pretty=True, comments=False, unsupported_level=ErrorLevel.RAISE
        )
    except SqlglotError as error:
        raise EngineError(f"cannot be written for {DIALECTS[dialect].title}: {error}") from error
    return _marked(text, DIALECTS[dialect])


def document(detection: Detection, dialect: str, step: str | None = None) -> str:
    """Return ``detection``'s query in ``dialect``, under a comment that tells its parameters.

    Args:
        detection: Whose.
        dialect: A name in ``DIALECTS``.
        step: The step of its runbook whose query it is; None for the detection's own.

    Raises:
        UsageError: The runbook has no such step, or the step no query.
        EngineError: See ``translate``.
    """
    if step is None:
        title, made, sql, lists = detection.id, "", detection.query, dict(detection.lists)
        meanings = MEANINGS
    else:
        title, made, sql = (
            f"{detection.id}, {step}",
            f" --step {step}",
            _step_query(detection, step),
        )
        lists, meanings = dict(detection.lists), STEP_MEANINGS
        if detection.runbook is not None:
            lists |= detection.runbook.lists
            own = {
                name: f"{ms} by runbook.yml" for name, ms in detection.runbook.parameters.items()
            }
            meanings = {**STEP_MEANINGS, **own}
    engine = DIALECTS[dialect]
    translation = translate(sql, lists, dialect)
    width = max(map(len, meanings))
    lines = [
        f"{title} for {engine.title}",
        f"Made by `mfagap detections sql {detection.id}{made} --dialect {dialect}`.",
        f"Parameters ({engine.driver}), BIGINT, times in UTC epoch milliseconds:",
        *(
            f"  {name:{width}}  {meaning}"
            for name, meaning in meanings.items()
            if name in translation.parameters
        ),
    ]
    if engine.by_place:
        lines += ["in this order:", *(f"  {name}" for name in translation.parameters)]
    return "".join(f"-- {line}\n" for line in lines) + translation.sql + "\n"


def asking(detection: Detection) -> list[Step]:
    """Return the steps of ``detection``'s runbook that have a query."""
    steps = detection.runbook.steps if detection.runbook else ()
    return [step for step in steps if step.query is not None]


def _step_query(detection: Detection, name: str) -> str:
    steps = asking(detection)
    for step in steps:
        if step.id == name and step.query is not None:
            return step.query
    there = ", ".join(step.id for step in steps) or "none"
    raise UsageError(f"{detection.id} has no step {name!r} with a query; there are: {there}")


def _settle(query: exp.Select) -> None:
    """Change what every dialect should have otherwise than sqlglot has it."""
    for parameter in tuple(query.find_all(exp.Placeholder)):
        name = RENAMED.get(parameter.name, parameter.name)
        parameter.replace(exp.var(f"{_MARK}{name}{_MARK}"))
    for joined in query.find_all(exp.DPipe):
        joined.set("safe", False)  # all texts already: Trino needs no casts around them
    for negation in tuple(query.find_all(exp.Not)):
        test = negation.this
        if isinstance(test, exp.Is):  # x IS NOT NULL reads better than NOT x IS NULL
            negation.replace(exp.Is(this=test.this, expression=exp.Not(this=test.expression)))


def _cte(name: str, rows: ContentList) -> exp.CTE:
    """Return a list as constant rows; the first gives the columns their names and types."""
    for value in (value for row in rows.rows for value in row):
        if isinstance(value, str) and ("\\" in value or _MARK in value):
            raise EngineError(f"list {name}: engines read {value!r} differently")
    typed = rows.rows[0] if rows.rows else (None,) * len(rows.columns)
    select: exp.Query = exp.select(
        *(
            exp.alias_(exp.cast(exp.convert(value), kind, dialect="duckdb"), column)
            for value, (column, kind) in zip(typed, rows.columns.items(), strict=True)
        )
    )
    if not rows.rows:
        # Some engines want a FROM where there is a WHERE.
        select = select.from_("events").where("1 = 0")
    for row in rows.rows[1:]:
        select = exp.union(select, exp.select(*map(exp.convert, row)), distinct=False, copy=False)
    return exp.CTE(this=select, alias=exp.TableAlias(this=exp.to_identifier(name)))


def _name_columns(query: exp.Select) -> None:
    """Quote the names of the result, which Snowflake would give in upper case."""
    for projection in query.expressions:
        if isinstance(projection, exp.Alias):
            projection.set("alias", exp.to_identifier(projection.alias, quoted=True))


def _for_clickhouse(query: exp.Select) -> None:
    """Set what ClickHouse does otherwise than others, in the query itself.

    A LEFT JOIN fills what it does not find with '' and 0, where others have NULL. A CTE is run at
    each reference, and those of CTEs over CTEs multiply.
    """
    for cte in query.ctes:
        cte.set("materialized", True)
    names = ("join_use_nulls", "enable_materialized_cte")
    settings = [exp.EQ(this=exp.var(name), expression=exp.convert(1)) for name in names]
    query.set("settings", settings)


def _for_bigquery(query: exp.Select) -> None:
    """Put NULLs last by a key of its own where a sum or the like is over a sorted window.

    BigQuery has them first, and takes no NULLS LAST there.
    """
    for window in query.find_all(exp.Window):
        order = window.args.get("order")
        if order is None or not isinstance(window.this, exp.AggFunc):
            continue
        keys: list[exp.Expr] = []
        for key in order.expressions:
            absent = exp.Is(this=key.this.copy(), expression=exp.Null())
            keys.append(exp.Ordered(this=exp.case().when(absent, "1").else_("0"), nulls_first=True))
            key.set("nulls_first", True)  # as it has them: nothing is written
            keys.append(key)
        order.set("expressions", keys)


def _marked(text: str, dialect: Dialect) -> Translation:
    """Return ``text`` with each parameter as the driver takes it."""
    parts = text.split(_MARK)  # SQL and names in turn
    names = parts[1::2]
    parts[1::2] = [dialect.mark.format(name=name) for name in names]
    if dialect.doubled:
        parts[::2] = [part.replace("%", "%%") for part in parts[::2]]
    return Translation("".join(parts), tuple(names if dialect.by_place else dict.fromkeys(names)))
