"""The published schema of the hardening document, and documents checked against it."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA_FILE = Path(__file__).parents[3] / "docs" / "schema" / "hardening.schema.json"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
VALIDATOR: Any = Draft202012Validator(SCHEMA)
"""Any, since the stubs leave what a validator takes partly untyped."""


def validated(text: str) -> dict[str, Any]:
    """Return the JSON document ``text`` if it is valid."""
    whole: dict[str, Any] = json.loads(text)
    faults = [f"{list(fault.path)}: {fault.message}" for fault in VALIDATOR.iter_errors(whole)]
    assert faults == []
    return whole
