"""What a change changes, line by line, as a person reads it before saying yes; and snapshots."""

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

from mfagap.harden.diff import Difference
from mfagap.harden.snapshot import settable
from mfagap.model.org import Json
from mfagap.report.clean import json_text


def lines(before: Json | None, after: Json | None) -> list[str]:
    """Return a unified difference of two objects, without what Okta sets itself; printable ASCII.

    Args:
        before: None of what is created.
        after: None of what is deleted.
    """
    return list(unified_diff(_pretty(before), _pretty(after), "before", "after", lineterm=""))


def _pretty(value: Json | None) -> list[str]:
    return [] if value is None else pretty(settable(value)).splitlines()


def pretty(value: Mapping[str, Any]) -> str:
    """Return ``value`` as JSON on many lines, its keys in order, so that two can be compared."""
    return json_text(value, sort_keys=True)


def document(each: Difference) -> dict[str, Any]:
    """Return what differs between two snapshots as JSON-ready values."""
    return {
        "part": each.part,
        "id": each.id or None,
        "name": each.name,
        "what": each.what.value,
        "changes": [
            {"path": change.path, "old": change.old, "new": change.new} for change in each.changes
        ],
    }


def told(each: Difference) -> Iterator[str]:
    """Yield what differs between two snapshots as lines; their texts are not cleaned."""
    own = f" ({each.id})" if each.id not in ("", each.name) else ""
    whole = each.name or each.part
    yield f"{each.what.value}: {f'{each.part} {each.name}{own}' if each.id else whole}"
    for change in each.changes:
        yield f"  {change.path}: {json_text(change.old, None)} -> {json_text(change.new, None)}"
