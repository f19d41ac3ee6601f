"""Loads detection folders: ``detection.yml`` and ``query.sql`` to a ``Detection``."""

from importlib import resources
from pathlib import Path
from typing import Any

from mfagap.detect.document import Document, read
from mfagap.detect.durations import seconds
from mfagap.errors import ContentError, UsageError
from mfagap.model import ContentList, Detection, Severity, Technique


def content() -> Path:
    """Return the folder of the content that ships with mfagap."""
    return Path(str(resources.files("mfagap"))) / "content"


def folders() -> list[Path]:
    """Return the folder of every detection, sorted by id."""
    return sorted(path.parent for path in (content() / "detections").glob("*/detection.yml"))


def load_all() -> list[Detection]:
    """Return every detection, sorted by id.

    Raises:
        ContentError: A folder is off.
    """
    return [load(folder) for folder in folders()]


def find(detection_id: str) -> Detection:
    """Return the detection called ``detection_id``.

    Raises:
        UsageError: There is none; names those that there are.
        ContentError: Its folder is off.
    """
    for folder in folders():
        if folder.name == detection_id:
            return load(folder)
    known = ", ".join(folder.name for folder in folders())
    raise UsageError(f"no detection is called {detection_id!r}; there are: {known}")


def load(folder: Path) -> Detection:
    """Return the detection in ``folder``.

    Raises:
        ContentError: A file is missing, or a value has the wrong form (``lint`` tells all of them).
    """
    document = read(folder / "detection.yml")
    try:
        query = (folder / "query.sql").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"cannot be read: {error}", str(folder / "query.sql")) from error
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
        runbook=tuple(data["runbook"]),
        event_types=tuple(data["event_types"]),
        lists={name: _list(rows) for name, rows in data["lists"].items()},
        query=query,
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


def _list(data: dict[str, Any]) -> ContentList:
    columns: dict[str, str] = data["columns"]
    rows = tuple(tuple(row[column] for column in columns) for row in data["rows"])
    return ContentList(columns, rows)
