"""Checks a check's folder: each problem names file and line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mfagap.detect.document import Document, read, text_of
from mfagap.detect.form import form_errors, list_problems
from mfagap.detect.lint import headings
from mfagap.detect.lint_types import undeclared
from mfagap.engines.portable import faults, given
from mfagap.errors import ContentError
from mfagap.harden.checks import FILE
from mfagap.harden.judge import PARAMETERS
from mfagap.harden.tables import COLUMNS as TABLES

SECTIONS = (
    "Goal",
    "What is checked",
    "Blind spots",
    "False positives",
    "Prevention",
    "Validation",
)
"""Headings of a check's README."""

WORDS = ("name", "policy", "amount", "detail")
"""What ``says`` may name in braces."""


def problems(folder: Path) -> Iterator[ContentError]:
    """Yield each problem of the check in ``folder``."""
    try:
        document = read(folder / FILE)
    except ContentError as error:
        yield error
        return
    wrong = list(form_errors(document))
    yield from wrong
    if not wrong:
        yield from list_problems(document)
        yield from _says(document)
        yield from _query(document, folder / "query.sql")
        if document.data["id"] != folder.name:
            yield document.error(f"id must be the folder's name, {folder.name!r}", ("id",))
    yield from headings(folder / "README.md", SECTIONS)


def _says(document: Document) -> Iterator[ContentError]:
    rules: dict[str, Any] = document.data["results"]
    for word, rule in rules.items():
        for name in re.findall(r"\{(.*?)\}", rule["says"]):
            if name not in WORDS:
                known = ", ".join(f"{{{known}}}" for known in WORDS)
                message = f"says names {{{name}}}; known are: {known}"
                yield document.error(message, ("results", word, "says"))


def _query(document: Document, path: Path) -> Iterator[ContentError]:
    try:
        sql = text_of(path)
    except ContentError as error:
        yield error
        return
    tables = {"events", *TABLES, *document.data["lists"]}
    other = f"neither a table of checks nor a list of {FILE}"
    for fault in faults(sql, tables, set(PARAMETERS), other):
        yield ContentError(fault.message, str(path), fault.line)
    yield from undeclared(sql, path, document.data["event_types"], f"event_types in {FILE}")
    reasons = given(sql, "reason")
    meant: dict[str, Any] = document.data["results"]
    for line, word in reasons:
        if word not in meant:
            message = f"gives the reason {word!r}, which results in {FILE} does not have"
            yield ContentError(message, str(path), line)
    for word in sorted(meant.keys() - {word for _, word in reasons}):
        yield document.error(f"{word} is a reason that the query never gives", ("results", word))
