"""OCSF's published schema of a Detection Finding, and events checked against it.

``ocsf-json-schema`` carries the schema as https://schema.ocsf.io exports it; nothing is fetched.
"""

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from jsonschema import Draft202012Validator

from mfagap.report.ocsf import PROFILE, SCHEMA_VERSION

_LIBRARY: Any = import_module("ocsf_json_schema")
"""By name, since it has no types that a checker could be told."""

SCHEMA: dict[str, Any] = _LIBRARY.get_ocsf_schema(SCHEMA_VERSION)
CLASS: dict[str, Any] = SCHEMA["classes"]["detection_finding"]["attributes"]
CLASS_SCHEMA: dict[str, Any] = _LIBRARY.OcsfJsonSchemaEmbedded(SCHEMA).get_class_schema(
    "detection_finding", [PROFILE]
)
VALIDATOR: Any = Draft202012Validator(CLASS_SCHEMA)


def validated_events(text: str) -> list[dict[str, Any]]:
    """Return the events in ``text``, JSON Lines, each valid."""
    assert text == "" or text.endswith("\n")
    events: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    for event in events:
        assert faults(event) == []
    return events


def faults(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with ``event``."""
    found = [f"{list(fault.path)}: {fault.message}" for fault in VALIDATOR.iter_errors(event)]
    return found or list(_other_words(event, CLASS))


def _other_words(value: Mapping[str, Any], attributes: Mapping[str, Any]) -> Iterator[str]:
    """Yield each id whose name is not the schema's: no JSON Schema says so, yet OCSF does.

    Of 99, Other, the name is the source's own.
    """
    for name, inner in value.items():
        attribute = attributes.get(name, {})
        told = value.get(attribute.get("sibling"))
        words = attribute.get("enum", {})
        if told is not None and inner != 99 and words.get(str(inner), {}).get("caption") != told:
            yield f"{name} {inner} is not {told}"
        if "object_type" in attribute:
            below = SCHEMA["objects"][attribute["object_type"]]["attributes"]
            for item in cast("list[Any]", inner) if isinstance(inner, list) else [inner]:
                yield from _other_words(cast("Mapping[str, Any]", item), below)
