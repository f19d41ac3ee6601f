"""Checks a detection's runbook: each problem names file and line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mfagap.detect.document import Document, Key, read, text_of
from mfagap.detect.durations import seconds
from mfagap.detect.form import form_errors, list_problems
from mfagap.detect.lint_types import covered, undeclared
from mfagap.detect.runbook import FILE, FOLDER, NOW, names
from mfagap.engines.portable import faults
from mfagap.errors import ContentError
from mfagap.model import MfaStatus, VerdictWord

PARAMETERS = ("from", "to", "chain_ms", "cap_ms")
"""What every step's query may name, beside the runbook's own ``parameters``."""

WINDOWS = frozenset({"short_window", "open_window", "whole_window"})
"""What a step of kind ``window`` answers."""

OUTSIDE = frozenset({*(status.value for status in MfaStatus), "unresolved_alert"})
"""Facts that no answer establishes."""

EXCUSES = frozenset({VerdictWord.BENIGN, VerdictWord.FALSE_POSITIVE})
"""Verdicts that a failed step forbids."""


def problems(folder: Path, detection: Document) -> Iterator[ContentError]:
    """Yield each problem of the runbook in ``folder``, if there is one.

    Args:
        folder: A detection's.
        detection: Its metadata, whose form is as it should be.
    """
    file = folder / FILE
    if not file.exists():
        return
    try:
        document = read(file)
    except ContentError as error:
        yield error
        return
    wrong = list(form_errors(document))
    yield from wrong
    if wrong:
        return
    yield from _times(document)
    yield from _names(document)
    yield from _windows(document)
    yield from list_problems(document)
    yield from _verdicts(document)
    yield from _queries(document, folder / FOLDER, set(detection.data["lists"]))
    yield from _types(document, folder / FOLDER, detection.data)


def _times(document: Document) -> Iterator[ContentError]:
    data = document.data
    if seconds(data["cap"]) < seconds(data["enough"]):
        yield document.error("cap is shorter than enough", ("cap",))
    for place, step in enumerate(data["steps"]):
        if step.get("kind") == "window" and step["after"] != NOW:
            yield document.error("a window reaches until now", ("steps", place, "after"))


def _windows(document: Document) -> Iterator[ContentError]:
    for place, step in enumerate(document.data["steps"]):
        missing = sorted(WINDOWS - step["answers"].keys()) if "kind" in step else ()
        for name in missing:
            message = f"a window gives the answer {name}, which is not here"
            yield document.error(message, ("steps", place, "answers"))


def _names(document: Document) -> Iterator[ContentError]:
    """Yield steps and answers whose name is taken: a reason cites them by it."""
    taken: set[str] = set()
    for place, step in enumerate(document.data["steps"]):
        path: Key = ("steps", place)
        for name, where in (
            (step["id"], (*path, "id")),
            *((name, (*path, "answers", name)) for name in step["answers"]),
        ):
            if name in taken:
                yield document.error(f"{name} is a step or an answer already", where)
            taken.add(name)


def _verdicts(document: Document) -> Iterator[ContentError]:
    steps: list[dict[str, Any]] = document.data["steps"]
    ids = {step["id"] for step in steps}
    answers = {name: rule for step in steps for name, rule in step["answers"].items()}
    means = [rule.get("means", {}) for rule in answers.values()]
    facts = {
        fact for meant in means for fact in ([meant] if isinstance(meant, str) else meant.values())
    }
    rules: list[dict[str, Any]] = document.data["verdicts"]
    used = {fact for rule in rules for key in ("when", "unless") for fact in rule.get(key, ())}
    for place, rule in enumerate(rules):
        for key, known in (
            ("when", facts | OUTSIDE),
            ("unless", facts | OUTSIDE),
            ("rests_on", ids),
            ("cites", answers.keys()),
        ):
            for name in rule.get(key, ()):
                if name not in known:
                    there = ", ".join(sorted(known))
                    message = f"{key} names {name!r}, which is none of: {there}"
                    yield document.error(message, ("verdicts", place, key))
        if rule["verdict"] in EXCUSES and ids - set(rule.get("rests_on", ())):
            message = f"{rule['verdict']} must rest on every step: one that failed forbids it"
            yield document.error(message, ("verdicts", place))
    last = rules[-1]
    if last.get("when") or last.get("unless") or last.get("rests_on"):
        message = "the last verdict must hold always: no when, unless or rests_on"
        yield document.error(message, ("verdicts", len(rules) - 1))
    for name, rule in answers.items():
        meant = rule.get("means", {})
        for fact in sorted({meant} if isinstance(meant, str) else set(meant.values())):
            if fact not in used:
                where = next(i for i, step in enumerate(steps) if name in step["answers"])
                message = f"{name} means {fact!r}, which no verdict asks for"
                yield document.error(message, ("steps", where, "answers", name))


def _queries(document: Document, folder: Path, lists: set[str]) -> Iterator[ContentError]:
    data = document.data
    shared: str | None = data.get("shared")
    own: dict[str, Any] = data["lists"]
    for name in sorted(lists & own.keys()):
        yield document.error(f"the detection has a list {name} already", ("lists", name))
    tables = {"events", "sessions", *lists, *own}
    parameters = {*PARAMETERS, *(f"{name}_ms" for name in data["parameters"])}
    files = {step["query"] for step in data["steps"] if "query" in step}
    for file in sorted(files | ({shared} if shared else set[str]())):
        try:
            sql = text_of(folder / file)
        except ContentError as error:
            yield error
            continue
        readable = tables | ({Path(shared).stem} if shared and file != shared else set[str]())
        found = faults(sql, tables=readable, parameters=parameters)
        for fault in found:
            yield ContentError(fault.message, str(folder / file), fault.line)
        if not found and ";" in re.sub(r"--[^\n]*", "", sql):
            message = "no semicolon: a query is one SELECT, and may be put into another"
            yield ContentError(message, str(folder / file))


def _types(
    document: Document, folder: Path, detection: Mapping[str, Any]
) -> Iterator[ContentError]:
    """Yield types of events that a step reads and would not get, and those that nobody keeps."""
    declared: list[str] = detection["event_types"]
    shared: str | None = document.data.get("shared")
    read: dict[tuple[str, str], Sequence[str]] = {}
    for place, step in enumerate(document.data["steps"]):
        own: list[str] | None = step.get("event_types")
        for kind in own or ():
            if not covered(kind, declared):
                message = f"{kind} is not among event_types in detection.yml"
                yield document.error(message, ("steps", place, "event_types"))
        where = f"event_types of the step {step['id']}" if own else "event_types in detection.yml"
        for file in _read_by(step, folder, shared):
            read[file, where] = own or declared
            sql = text_of(folder / file)
            if own and names(sql, "events") and not names(sql, "event_type"):
                message = f"does not look at event_type, as {where} asks for"
                yield ContentError(message, str(folder / file))
            if own and names(sql, "session_uses"):
                yield from _unlisted_uses(detection, own, folder / file, where)
    for (file, where), kinds in sorted(read.items()):
        yield from undeclared(text_of(folder / file), folder / file, kinds, where)


def _unlisted_uses(
    detection: Mapping[str, Any], own: Sequence[str], file: Path, where: str
) -> Iterator[ContentError]:
    """Yield the first type that a query asks for by the list ``session_uses`` and does not get."""
    rows: list[dict[str, Any]] = detection["lists"].get("session_uses", {}).get("rows", [])
    kinds = [str(row["pattern"]) for row in rows if "pattern" in row]
    for kind in [kind for kind in kinds if not covered(kind, own)][:1]:
        message = f"reads {kind} by the list session_uses, which {where} does not list"
        yield ContentError(message, str(file))


def _read_by(step: dict[str, Any], folder: Path, shared: str | None) -> Iterator[str]:
    """Yield the file of each query that a step runs, but for those that cannot be read."""
    with suppress(ContentError):  # it has been told
        if "query" in step:
            sql = text_of(folder / step["query"])
            yield step["query"]
            if shared and names(sql, Path(shared).stem):
                text_of(folder / shared)
                yield shared
