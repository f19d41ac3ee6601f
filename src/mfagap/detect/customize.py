"""What the settings change in a detection: the dedup key, and rows added to its lists."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from mfagap.errors import SettingsError
from mfagap.model import ContentList, Detection
from mfagap.settings import Settings

_TYPES = {"VARCHAR": str, "BIGINT": int, "BOOLEAN": bool}
DEDUP_KEYS = ("actor", "external_session_id")


def customized(detections: Sequence[Detection], settings: Settings) -> list[Detection]:
    """Return ``detections`` as ``settings`` change them.

    Raises:
        SettingsError: They name a detection that there is not, or one's table is off.
    """
    known = {detection.id for detection in detections}
    for name, table in settings.detections.items():
        if name not in known:
            there = ", ".join(sorted(known))
            raise SettingsError(f"{table.where}: no detection {name!r}; there are: {there}")
    return [
        customize(d, table.values, table.where)
        if (table := settings.detections.get(d.id)) is not None
        else d
        for d in detections
    ]


def customize(detection: Detection, settings: Mapping[str, Any], file: str) -> Detection:
    """Return ``detection`` with ``settings`` (a ``[detections.<id>]`` table) applied.

    Args:
        detection: As shipped.
        settings: ``dedup_key``, and ``lists`` of rows to add, as column → value.
        file: Where the settings stand, for errors.

    Raises:
        SettingsError: A key, a list, a column or a value is unknown or of the wrong type.
    """
    where = f"{file}: detections.{detection.id}"
    for key in settings:
        if key not in ("dedup_key", "lists"):
            raise SettingsError(f"{where}: unknown key {key!r}; known are: dedup_key, lists")
    dedup_key = settings.get("dedup_key", detection.dedup_key)
    if dedup_key not in DEDUP_KEYS:
        known = ", ".join(DEDUP_KEYS)
        raise SettingsError(f"{where}.dedup_key: {dedup_key!r} is none of: {known}")
    lists = dict(detection.lists)
    added: Any = settings.get("lists", {})
    if not isinstance(added, dict):
        raise SettingsError(f"{where}.lists: must be a table of lists")
    for name, rows in cast("dict[str, Any]", added).items():
        if name not in lists:
            known = ", ".join(lists)
            raise SettingsError(f"{where}.lists: no list {name!r}; there are: {known}")
        lists[name] = _longer(lists[name], rows, f"{where}.lists.{name}")
    return replace(detection, dedup_key=dedup_key, lists=lists)


def _longer(shipped: ContentList, rows: Any, where: str) -> ContentList:
    added: list[tuple[Any, ...]] = []
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) for row in cast("list[Any]", rows)
    ):
        raise SettingsError(f"{where}: must be a list of tables")
    for row in cast("list[dict[str, Any]]", rows):
        if row.keys() != shipped.columns.keys():
            columns = ", ".join(shipped.columns)
            raise SettingsError(f"{where}: each row needs exactly: {columns}")
        for column, kind in shipped.columns.items():
            expected = _TYPES[kind]
            if type(row[column]) is not expected:
                raise SettingsError(f"{where}.{column}: {row[column]!r} is no {expected.__name__}")
        added.append(tuple(row[column] for column in shipped.columns))
    return ContentList(shipped.columns, (*shipped.rows, *added))
