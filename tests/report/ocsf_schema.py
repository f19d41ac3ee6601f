"""OCSF's published schema of its classes of findings, and events checked against it.

``ocsf-json-schema`` carries the schema as https://schema.ocsf.io exports it; nothing is fetched.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, cast

from jsonschema import Draft202012Validator

from mfagap.report.ocsf import PROFILE
from mfagap.report.ocsf_objects import SCHEMA_VERSION

_LIBRARY: Any = import_module("ocsf_json_schema")
"""By name, since it has no types that a checker could be told."""

SCHEMA: dict[str, Any] = _LIBRARY.get_ocsf_schema(SCHEMA_VERSION)


def class_schema(name: str, profiles: Sequence[str]) -> dict[str, Any]:
    """Return the JSON Schema of a class of events with ``profiles``."""
    return _LIBRARY.OcsfJsonSchemaEmbedded(SCHEMA).get_class_schema(name, list(profiles))


CLASS_SCHEMA = class_schema("detection_finding", [PROFILE])
VALIDATOR: Any = Draft202012Validator(CLASS_SCHEMA)


def validated_events(text: str) -> list[dict[str, Any]]:
    """Return the events in ``text``, JSON Lines, each valid."""
    assert text == "" or text.endswith("\n")
    events: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    for event in events:
        assert faults(event) == []
    return events


def faults(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with ``event``, a Detection Finding."""
    return class_faults(event, "detection_finding", VALIDATOR)


def class_faults(event: Mapping[str, Any], name: str, validator: Any) -> list[str]:
    """Return what is wrong with ``event``, which is of the class ``name``."""
    found = [f"{list(fault.path)}: {fault.message}" for fault in validator.iter_errors(event)]
    return found or list(_other_words(event, SCHEMA["classes"][name]["attributes"]))


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
