"""Runs of a runbook on file: one JSON line each, only ever added to; what changed between two.

A line holds all of an ``Investigation``: the verdict, and of each step the question, the query,
what it was given, its answers, their true count and the digest of all of them.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from mfagap.detect.evaluate import rfc3339
from mfagap.errors import OutputError, UsageError
from mfagap.model import Investigation

Entry = Mapping[str, Any]


def entry(investigation: Investigation) -> Entry:
    """Return ``investigation`` as JSON-ready values; the severity by its word."""
    values = asdict(investigation)
    values["verdict"]["severity"] = investigation.verdict.severity.word
    return values


def last(file: Path, investigation: Investigation) -> Entry | None:
    """Return the last run in ``file`` on the start of ``investigation``; None where there is none.

    Raises:
        UsageError: ``file`` cannot be read, or a line of it is no run; names the line.
    """
    found: Entry | None = None
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from error
    after = entry(investigation)
    for number, line in enumerate(lines, start=1):
        try:
            run = cast("dict[str, Any]", json.loads(line))
            for _ in changes(run, after):
                pass  # what cannot be told from a run is none
            if (run["detection"], run["uuid"]) == (investigation.detection, investigation.uuid):
                found = run
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(f"{file}:{number}: no run of a runbook; name another file") from error
    return found


def append(file: Path, investigation: Investigation) -> None:
    """Add a run to ``file``; what is there stays.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        with file.open("a+b") as out:
            if out.seek(0, os.SEEK_END):
                out.seek(-1, os.SEEK_END)
                if out.read() != b"\n":
                    out.write(b"\n")  # somebody's editor left it out
            out.write(json.dumps(entry(investigation)).encode() + b"\n")
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}") from error


def changes(before: Entry, after: Entry) -> Iterator[str]:
    """Yield what differs between two runs on one start, in words."""
    old, new = before["verdict"], after["verdict"]
    for key in ("verdict", "severity", "follow_up_ms"):
        if old[key] != new[key]:
            yield f"{key.removesuffix('_ms')}: {_told(key, old[key])}, now {_told(key, new[key])}"
    old_steps = {item["step"]: item for item in before["evidence"]}
    new_steps = {item["step"]: item for item in after["evidence"]}
    for step in dict.fromkeys((*old_steps, *new_steps)):
        if step not in old_steps or step not in new_steps:
            yield f"{step}: {'new' if step in new_steps else 'no longer asked'}"
        else:
            yield from _step(step, old_steps[step], new_steps[step])


def _step(step: str, old: Entry, new: Entry) -> Iterator[str]:
    if old["failure"] != new["failure"]:
        yield f"{step}: {_failure(old['failure'])}, now {_failure(new['failure'])}"
    if old["digest"] == new["digest"]:
        return
    was, now = ([json.dumps(a, sort_keys=True) for a in item["answers"]] for item in (old, new))
    for mark, answers, others in (("no longer", was, now), ("new", now, was)):
        for text in answers:
            if text not in others:
                answer = json.loads(text)
                told = (answer["name"], answer["amount"], answer["detail"], answer["event"])
                yield f"{step}: {mark}: " + " ".join(str(t) for t in told if t is not None)
    if old["count"] != new["count"]:
        yield f"{step}: {old['count']} answers, now {new['count']}"


def _failure(text: str | None) -> str:
    return "answered" if text is None else f"failed ({text})"


def _told(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if key == "follow_up_ms":
        return rfc3339(int(value))
    return str(value)
