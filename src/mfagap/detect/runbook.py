"""Loads a detection's runbook: ``runbook.yml`` and the queries in ``runbook/``."""

import re
from pathlib import Path
from typing import Any

from mfagap.detect.document import Document, read, text_of
from mfagap.detect.durations import seconds
from mfagap.model import (
    AnswerRule,
    ContentList,
    Runbook,
    Severity,
    Source,
    Step,
    VerdictRule,
    VerdictWord,
)

FILE = "runbook.yml"
FOLDER = "runbook"
NOW = "now"
"""Where a step looks until now."""

_HEAD = re.compile(r"\A(?:[ \t]*(?:--[^\n]*)?\n)*[ \t]*WITH\b", re.IGNORECASE)


def load(folder: Path) -> Runbook | None:
    """Return the runbook in the detection folder ``folder``; None where it has none.

    Raises:
        ContentError: A file is missing, or a value has the wrong form (``lint`` tells all of them).
    """
    file = folder / FILE
    if not file.exists():
        return None
    document = read(file)
    try:
        return _runbook(document, folder / FOLDER)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"wrong form ({error}); `mfagap detections lint` says where"
        raise document.error(message) from error


def _runbook(document: Document, queries: Path) -> Runbook:
    data: dict[str, Any] = document.data
    durations: dict[str, str] = data["parameters"]
    shared = _source(queries, data["shared"]) if "shared" in data else None
    return Runbook(
        enough_s=seconds(data["enough"]),
        cap_s=seconds(data["cap"]),
        keep=data["keep"],
        parameters={f"{name}_ms": seconds(text) * 1000 for name, text in durations.items()},
        lists={name: content_list(rows) for name, rows in data["lists"].items()},
        shared=shared,
        steps=tuple(_step(step, queries, shared) for step in data["steps"]),
        verdicts=tuple(_verdict(rule) for rule in data["verdicts"]),
    )


def _source(queries: Path, name: str) -> Source:
    file = queries / name
    return Source(file.stem, text_of(file), str(file))


def _step(data: dict[str, Any], queries: Path, shared: Source | None) -> Step:
    source = _source(queries, data["query"]) if "query" in data else None
    return Step(
        id=data["id"],
        question=data["question"],
        kind=data.get("kind", "query"),
        source=source,
        query=None if source is None else with_shared(source.sql, shared),
        before_s=seconds(data["before"]),
        after_s=None if data["after"] == NOW else seconds(data["after"]),
        event_types=tuple(data["event_types"]) if "event_types" in data else None,
        answers={name: _answer(rule) for name, rule in data["answers"].items()},
    )


def content_list(data: dict[str, Any]) -> ContentList:
    """Return a ``lists`` entry, whose form was checked, as a ``ContentList``."""
    columns: dict[str, str] = data["columns"]
    rows = tuple(tuple(row[column] for column in columns) for row in data["rows"])
    return ContentList(columns, rows)


def with_shared(sql: str, shared: Source | None) -> str:
    """Return ``sql`` with the query ``shared`` as its first CTE, where it reads that."""
    if shared is None or not names(sql, shared.name):
        return sql
    cte = f"WITH\n{shared.name} AS (\n{shared.sql}\n)"
    head = _HEAD.match(sql)
    return f"{cte}\n{sql}" if head is None else f"{cte},{sql[head.end() :]}"


def names(sql: str, table: str) -> bool:
    """Return whether ``sql`` names ``table``, comments apart."""
    return re.search(rf"\b{table}\b", re.sub(r"--[^\n]*", "", sql)) is not None


def _answer(data: dict[str, Any]) -> AnswerRule:
    means: str | dict[str, str] = data.get("means", {})
    return AnswerRule(
        says=data["says"],
        means={"": means} if isinstance(means, str) else means,
        at_least=data.get("at_least", 0),
    )


def _verdict(data: dict[str, Any]) -> VerdictRule:
    severity: str | None = data.get("severity")
    return VerdictRule(
        verdict=VerdictWord(data["verdict"]),
        severity=None if severity is None else Severity[severity.upper()],
        when=frozenset(data.get("when", ())),
        unless=frozenset(data.get("unless", ())),
        rests_on=tuple(data.get("rests_on", ())),
        says=data["says"],
        cites=tuple(data.get("cites", ())),
        final=data.get("final", False),
    )
