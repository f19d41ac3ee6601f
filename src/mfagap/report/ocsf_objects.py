"""What all OCSF events of ours are made of (https://schema.ocsf.io, version 1.8.0)."""

from typing import Any

from mfagap import __version__
from mfagap.model import Severity

SCHEMA_VERSION = "1.8.0"
OTHER = 99
CREATE = (1, "Create")


def event_class(
    class_uid: int, name: str, activity: tuple[int, str], now_ms: int
) -> dict[str, Any]:
    """Return what class of finding an event is, and what happened to the finding.

    Args:
        class_uid: Such as 2004.
        name: Such as ``Detection Finding``.
        activity: Id and name; with the id ``OTHER`` the name is ours.
        now_ms: When, UTC epoch milliseconds.
    """
    activity_id, word = activity
    return {
        "class_uid": class_uid,
        "class_name": name,
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": activity_id,
        "activity_name": word,
        "type_uid": class_uid * 100 + activity_id,
        "type_name": f"{name}: {'Other' if activity_id == OTHER else word}",
        "time": now_ms,
        "timezone_offset": 0,
    }


def product(*profiles: str) -> dict[str, Any]:
    """Return who says it, and by which version of the schema."""
    return {
        "version": SCHEMA_VERSION,
        **given(profiles=list(profiles)),
        "product": {"name": "mfagap", "vendor_name": "mfagap", "version": __version__},
    }


def severity(level: Severity) -> dict[str, Any]:
    """Return a severity: id and word."""
    return {"severity_id": level + 1, "severity": level.word.capitalize()}


def account(**named: str | None) -> dict[str, Any]:
    """Return the account of a user who is affected."""
    return resource("Okta user", affected=True, **named)


def rule(**named: str | None) -> dict[str, Any]:
    """Return a policy rule that has to do with it."""
    return resource("Okta policy rule", affected=False, **named)


def resource(kind: str, *, affected: bool, **named: str | None) -> dict[str, Any]:
    """Return something of the org's: affected, or else related."""
    role = {"role_id": 3, "role": "Affected"} if affected else {"role_id": 4, "role": "Related"}
    return {**given(**named), "type": kind, **role}


def given(**values: Any) -> dict[str, Any]:
    """Return what there is of ``values``: OCSF leaves out what is unknown, and has no null."""
    return {name: value for name, value in values.items() if value not in (None, [], {})}
