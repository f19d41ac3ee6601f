"""Loads check folders: ``check.yml`` and ``query.sql`` to a ``Check``."""

from pathlib import Path
from typing import Any

from mfagap.detect.document import Document, read, text_of
from mfagap.detect.form import content
from mfagap.detect.runbook import content_list
from mfagap.errors import UsageError
from mfagap.model import Severity
from mfagap.model.hardening import (
    Check,
    CheckOutcome,
    ReasonRule,
)

FILE = "check.yml"
LOG = "log"
"""What ``needs`` calls Okta's log, beside the parts of a snapshot."""


def folders() -> list[Path]:
    """Return the folder of every check, sorted by id."""
    return sorted(path.parent for path in (content() / "hardening").glob(f"*/{FILE}"))


def load_all() -> list[Check]:
    """Return every check, sorted by id.

    Raises:
        ContentError: A folder is off.
    """
    return [load(folder) for folder in folders()]


def find(check_id: str) -> Check:
    """Return the check called ``check_id``.

    Raises:
        UsageError: There is none; names those that there are.
        ContentError: Its folder is off.
    """
    known = {folder.name: folder for folder in folders()}
    if check_id not in known:
        names = ", ".join(known)
        raise UsageError(f"no check is called {check_id!r}; there are: {names}")
    return load(known[check_id])


def load(folder: Path) -> Check:
    """Return the check in ``folder``.

    Raises:
        ContentError: A file is missing, or a value has the wrong form (``lint`` tells all of them).
    """
    document = read(folder / FILE)
    query = text_of(folder / "query.sql")
    try:
        return _check(document, query, folder)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"wrong form ({error}); `mfagap detections lint` says where"
        raise document.error(message) from error


def _check(document: Document, query: str, folder: Path) -> Check:
    data: dict[str, Any] = document.data
    return Check(
        id=data["id"],
        title=data["title"],
        severity=_severity(data["severity"]),
        description=data["description"],
        author=data["author"],
        created=data["created"],
        references=tuple(data["references"]),
        tags=tuple(data["tags"]),
        subject=data["subject"],
        needs=tuple(data["needs"]),
        controls={name: tuple(ids) for name, ids in data["controls"].items()},
        prevention=data["prevention"],
        event_types=tuple(data["event_types"]),
        lists={name: content_list(rows) for name, rows in data["lists"].items()},
        reasons={word: _reason(rule) for word, rule in data["results"].items()},
        query=query,
        folder=str(folder),
    )


def _reason(data: dict[str, Any]) -> ReasonRule:
    severity = data.get("severity")
    return ReasonRule(
        outcome=CheckOutcome(data["result"]),
        severity=None if severity is None else _severity(severity),
        says=data["says"],
    )


def _severity(word: str) -> Severity:
    return Severity[word.upper()]
