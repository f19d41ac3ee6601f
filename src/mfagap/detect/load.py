"""Loads detection folders: ``detection.yml`` and ``query.sql`` to a ``Detection``."""

import os
from pathlib import Path
from typing import Any

from mfagap.detect.document import Document, read, text_of
from mfagap.detect.durations import seconds
from mfagap.detect.form import content, form_errors
from mfagap.detect.runbook import content_list
from mfagap.detect.runbook import load as load_runbook
from mfagap.errors import ContentError, UsageError
from mfagap.model import Detection, Severity, Technique


def folders(own: Path | None = None) -> list[Path]:
    """Return the folder of every detection, sorted by id.

    Args:
        own: A folder of detection folders, beside those that ship with mfagap.

    Raises:
        UsageError: ``own`` holds no detection, or one of an id that ships with mfagap.
    """
    shipped = [path.parent for path in (content() / "detections").glob("*/detection.yml")]
    added = [] if own is None else folders_in(own)
    taken = {folder.name for folder in shipped}
    for folder in added:
        if folder.name in taken:
            raise UsageError(f"{folder}: a detection of this id ships with mfagap; rename yours")
    return sorted([*shipped, *added], key=lambda folder: folder.name)


def folders_in(own: Path) -> list[Path]:
    """Return the detection folders in the folder ``own``, sorted by id.

    Raises:
        UsageError: There is no such folder, or no detection in it.
    """
    if not own.is_dir():
        raise UsageError(f"no such folder: {str(own)!r}")
    found = {
        path.parent for name in ("detection.yml", "query.sql") for path in own.glob(f"*/{name}")
    }
    if not found:
        raise UsageError(f"{own}: holds no detection; expected <id>/detection.yml in it")
    return sorted(found)


def load_all(own: Path | None = None) -> list[Detection]:
    """Return every detection, sorted by id.

    Args:
        own: See ``folders``.

    Raises:
        UsageError: See ``folders``.
        ContentError: A folder is off.
    """
    return [_load(folder, own) for folder in folders(own)]


def find(detection_id: str, own: Path | None = None) -> Detection:
    """Return the detection called ``detection_id``.

    Args:
        detection_id: The name of its folder.
        own: See ``folders``.

    Raises:
        UsageError: There is none; names those that there are. See also ``folders``.
        ContentError: Its folder is off.
    """
    known = folders(own)
    for folder in known:
        if folder.name == detection_id:
            return _load(folder, own)
    names = ", ".join(folder.name for folder in known)
    raise UsageError(f"no detection is called {detection_id!r}; there are: {names}")


def _load(folder: Path, own: Path | None) -> Detection:
    """Return the detection in ``folder``; one that does not ship with mfagap is checked first."""
    if own is not None and folder.parent == own:
        confined(folder)
        document = read(folder / "detection.yml")
        for error in form_errors(document):
            raise error
        if document.data["id"] != folder.name:
            raise document.error(f"id must be the folder's name, {folder.name!r}", ("id",))
        from mfagap.detect import lint_runbook  # it needs sqlglot, which takes a while to import

        for error in lint_runbook.problems(folder, document):
            raise error
    return load(folder)


def confined(folder: Path) -> None:
    """Check that all in ``folder`` is in it: no link leads out of it, and nothing is waited for.

    Raises:
        ContentError: A file is a link that leaves the folder, or is no regular file.
    """
    root = os.path.realpath(folder)
    if folder.is_symlink() and not root.startswith(os.path.realpath(folder.parent) + os.sep):
        raise ContentError("a link that leaves the folder", str(folder))
    for parent, below, files in os.walk(folder):
        for path in (Path(parent, name) for name in sorted([*below, *files])):
            if path.is_symlink() and not os.path.realpath(path).startswith(root + os.sep):
                raise ContentError("a link that leaves the folder", str(path))
            if not (path.is_file() or path.is_dir()):
                raise ContentError("no regular file", str(path))


def load(folder: Path) -> Detection:
    """Return the detection in ``folder``.

    Raises:
        ContentError: A file is missing, or a value has the wrong form (``lint`` tells all of them).
    """
    document = read(folder / "detection.yml")
    query = text_of(folder / "query.sql")
    try:
        return _detection(document, query, folder)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"wrong form ({error}); `mfagap detections lint` says where"
        raise document.error(message) from error


def _detection(document: Document, query: str, folder: Path) -> Detection:
    data: dict[str, Any] = document.data
    return Detection(
        id=data["id"],
        title=data["title"],
        finding_title=data["finding_title"],
        status=data["status"],
        severity=Severity[str(data["severity"]).upper()],
        description=data["description"],
        author=data["author"],
        created=data["created"],
        references=tuple(data["references"]),
        tags=tuple(data["tags"]),
        categories=tuple(data["categories"]),
        data_sources=tuple(data["data_sources"]),
        attack_published=tuple(technique(pair) for pair in data["attack"]["published"]),
        attack_version=data["attack"]["version"],
        attack=tuple(technique(pair) for pair in data["attack"]["current"]),
        schedule_s=seconds(data["schedule"]),
        chain_s=seconds(data["chain"]),
        grace_s=seconds(data["grace"]),
        before_s=seconds(data["before"]),
        after_s=seconds(data["after"]),
        dedup_key=data["dedup"]["key"],
        dedup_window_s=seconds(data["dedup"]["window"]),
        false_positives=tuple(data["false_positives"]),
        blind_spots=tuple(data["blind_spots"]),
        prevention=tuple(data["prevention"]),
        event_types=tuple(data["event_types"]),
        lists={name: content_list(rows) for name, rows in data["lists"].items()},
        query=query,
        runbook=load_runbook(folder),
        folder=str(folder),
    )


def technique(pair: str) -> Technique:
    """Return ``TA0001:T1078.004`` as a ``Technique``.

    Raises:
        ValueError: ``pair`` has another form.
    """
    tactic, _, name = pair.partition(":")
    if not name:
        raise ValueError(f"{pair!r} is no tactic:technique pair")
    return Technique(tactic, name)
