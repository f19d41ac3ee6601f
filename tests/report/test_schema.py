import json
from dataclasses import replace
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator, ValidationError
from tests.report.results import FINDING, NOON_MS, investigated
from tests.report.schema import SCHEMA, VALIDATOR, validated

from mfagap.model import Reference
from mfagap.report import document

FULL = document.finding(
    replace(
        FINDING,
        mfa_link="request_trail",
        mfa_event="mfa-uuid",
        explanation=Reference("desktop_sso", "root_session_id", "iwa-uuid"),
        annotations=(Reference("remembered_device", "dt_hash", "old-uuid"),),
        confidence_reasons=("remembered_device",),
    ),
    next(iter(investigated(follow_up_ms=NOON_MS).values())),
)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_full_finding_is_valid() -> None:
    assert validated(FULL) == FULL


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every object in ``value``."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, list):
        inner = list(enumerate(cast("list[Any]", value)))
    elif isinstance(value, dict):
        inner = list(cast("dict[str, Any]", value).items())
    below = [found for key, item in inner for found in _paths(item, (*path, key))]
    return [path, *below] if isinstance(value, dict) else below


def _inside(path: tuple[Any, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a copy of a full finding, and the object at ``path`` of the copy."""
    whole = json.loads(json.dumps(FULL))
    inner = whole
    for key in path:
        inner = inner[key]
    return whole, inner


@pytest.mark.parametrize("path", _paths(FULL), ids=str)
def test_no_object_takes_an_unknown_key(path: tuple[Any, ...]) -> None:
    whole, inner = _inside(path)
    inner["surprise"] = 1
    with pytest.raises(ValidationError):
        VALIDATOR.validate(whole)


@pytest.mark.parametrize("path", _paths(FULL), ids=str)
def test_every_key_is_required(path: tuple[Any, ...]) -> None:
    for key in list(_inside(path)[1]):
        whole, inner = _inside(path)
        del inner[key]
        with pytest.raises(ValidationError):
            VALIDATOR.validate(whole)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("mfa_status",), "none"),
        (("severity",), "Medium"),
        (("confidence",), "critical"),
        (("confidence_reasons",), ["mood"]),
        (("mfa_link",), "dt_hash"),
        (("explanation", "name"), "later_mfa"),
        (("annotations", 0, "name"), "desktop_sso"),
        (("annotations", 0, "link"), "mood"),
        (("alert_context", "session_start_time"), "2026-01-15 12:00:00Z"),
        (("alert_context", "session_start_time"), "2026-01-15T12:00:00Z"),
        (("alert_context", "session_start_time"), "2026-01-15T12:00:00.000+01:00"),
        (("alert_context", "session_start_time"), "2026-13-15T12:00:00.000Z"),
        (("alert_context", "user_email"), None),
    ],
)
def test_another_word_is_refused(path: tuple[Any, ...], value: object) -> None:
    whole, inner = _inside(path[:-1])
    inner[path[-1]] = value
    with pytest.raises(ValidationError):
        VALIDATOR.validate(whole)
