"""The published schema of a finding, and documents checked against it."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "schema" / "finding.schema.json"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
VALIDATOR: Any = Draft202012Validator(SCHEMA)
"""Any, since the stubs leave what a validator takes partly untyped."""


def validated_lines(text: str) -> list[dict[str, Any]]:
    """Return the findings in ``text``, JSON Lines, each valid."""
    assert text == "" or text.endswith("\n")
    return [validated(json.loads(line)) for line in text.splitlines()]


def validated_document(text: str) -> dict[str, Any]:
    """Return the JSON document ``text``, each of its findings valid."""
    whole: dict[str, Any] = json.loads(text)
    assert list(whole) == ["summary", "findings"]
    for found in whole["findings"]:
        validated(found)
    return whole


def validated(found: dict[str, Any]) -> dict[str, Any]:
    """Return ``found`` if it is valid."""
    faults = [f"{list(fault.path)}: {fault.message}" for fault in VALIDATOR.iter_errors(found)]
    assert faults == []
    return found
