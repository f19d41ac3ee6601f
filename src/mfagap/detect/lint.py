"""Checks a detection folder: each problem names file and line."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mfagap.detect import lint_runbook
from mfagap.detect.attack import Attack
from mfagap.detect.document import Document, read, text_of
from mfagap.detect.durations import seconds
from mfagap.detect.form import form_errors, list_problems
from mfagap.detect.lint_types import covered, undeclared
from mfagap.detect.load import technique
from mfagap.engines.portable import faults
from mfagap.errors import ContentError

ADS = (
    "Goal",
    "Categorization",
    "Strategy",
    "Technical context",
    "Blind spots",
    "False positives",
    "Validation",
    "Priority",
    "Response",
)
"""Headings of a detection's README: Palantir's Alerting and Detection Strategy framework."""

PARAMETERS = ("from", "to", "watermark", "grace_ms", "chain_ms", "before_ms", "after_ms")


def problems(folder: Path) -> Iterator[ContentError]:
    """Yield each problem of the detection in ``folder``."""
    try:
        document = read(folder / "detection.yml")
    except ContentError as error:
        yield error
        return
    wrong = list(form_errors(document))
    yield from wrong
    if not wrong:
        yield from _times(document)
        yield from _attack(document)
        yield from list_problems(document)
        yield from _query(document, folder / "query.sql")
        yield from lint_runbook.problems(folder, document)
        if document.data["id"] != folder.name:
            yield document.error(f"id must be the folder's name, {folder.name!r}", ("id",))
    yield from headings(folder / "README.md", ADS)


def _times(document: Document) -> Iterator[ContentError]:
    data = document.data
    if seconds(data["schedule"]) < seconds(data["grace"]):
        message = "schedule is shorter than grace: every slot would be judged before it is settled"
        yield document.error(message, ("schedule",))
    if seconds(data["before"]) < seconds(data["chain"]):
        yield document.error("before is shorter than chain: a chain would be cut", ("before",))
    if seconds(data["after"]) < seconds(data["grace"]):
        yield document.error("after is shorter than grace: a factor would be missed", ("after",))


def _attack(document: Document) -> Iterator[ContentError]:
    attack = Attack.pinned()
    declared = document.data["attack"]
    if declared["version"] != attack.version:
        message = f"ATT&CK {declared['version']} is not the pinned version, {attack.version}"
        yield document.error(message, ("attack", "version"))
    for place, pair in enumerate(declared["current"]):
        fault = attack.fault(technique(pair))
        if fault:
            yield document.error(fault, ("attack", "current", place))


def _query(document: Document, path: Path) -> Iterator[ContentError]:
    try:
        sql = text_of(path)
    except ContentError as error:
        yield error
        return
    lists = document.data["lists"]
    for fault in faults(sql, tables={"events", *lists}, parameters=set(PARAMETERS)):
        yield ContentError(fault.message, str(path), fault.line)
    declared: list[str] = document.data["event_types"]
    yield from undeclared(sql, path, declared, "event_types in detection.yml")
    for place, row in enumerate(lists.get("session_uses", {}).get("rows", [])):
        kind = str(row.get("pattern"))
        if not covered(kind, declared):
            message = f"{kind} is not among event_types"
            yield document.error(message, ("lists", "session_uses", "rows", place))


def headings(path: Path, wanted: Iterable[str]) -> Iterator[ContentError]:
    """Yield each of the headings ``wanted`` that the README at ``path`` lacks."""
    try:
        text = text_of(path)
    except ContentError as error:
        yield error
        return
    found = re.findall(r"^##\s+(.+?)\s*$", text, flags=re.MULTILINE)
    for heading in wanted:
        if heading not in found:
            yield ContentError(f"has no section '## {heading}'", str(path))
