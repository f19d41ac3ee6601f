"""The part of SARIF 2.1.0 that we write, as JSON Schema: what it requires, and nothing else.

Written from the specification's sections 3.13 (log), 3.14 (run), 3.20 (invocation), 3.27 (result),
3.28 to 3.33 (locations), 3.49 (rule) and 3.58 (notification).
"""

import json
from typing import Any

from jsonschema import Draft202012Validator

TEXT = {"type": "string", "minLength": 1}
BAG = {
    "type": "object",
    "properties": {"tags": {"type": "array", "items": TEXT, "uniqueItems": True}},
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **optional},
    }


def _array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


MESSAGE = _object({"text": TEXT}, markdown=TEXT)
URI = {"type": "string", "pattern": "^[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+$"}
LOCATION = _object(
    {},
    physicalLocation=_object(
        {"artifactLocation": _object({"uri": URI})},
        region=_object({}, startLine={"type": "integer", "minimum": 1}),
    ),
    logicalLocations=_array(
        _object({}, name=TEXT, fullyQualifiedName=TEXT, kind=TEXT), uniqueItems=True
    ),
)
RULE = _object(
    {"id": TEXT},
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=_object({}, level=LEVEL),
    properties=BAG,
)
RESULT: dict[str, Any] = {
    **_object(
        {"message": MESSAGE},
        ruleId=TEXT,
        ruleIndex={"type": "integer", "minimum": 0},
        kind={"enum": ["notApplicable", "pass", "fail", "review", "open", "informational"]},
        level=LEVEL,
        locations=_array(LOCATION),
        partialFingerprints={"type": "object", "additionalProperties": TEXT},
        properties=BAG,
    ),
    # 3.27.10: only what fails has a level.
    "if": {"properties": {"kind": {"not": {"const": "fail"}}}},
    "then": {"properties": {"level": {"const": "none"}}},
}
INVOCATION = _object(
    {"executionSuccessful": {"type": "boolean"}},
    toolConfigurationNotifications=_array(_object({"message": MESSAGE}, level=LEVEL)),
)
DRIVER = _object({"name": TEXT}, version=TEXT, rules=_array(RULE, uniqueItems=True))
RUN = _object(
    {"tool": _object({"driver": DRIVER})},
    automationDetails=_object({}, id=TEXT),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    invocations=_array(INVOCATION),
    results=_array(RESULT),
    properties=BAG,
)
SCHEMA = _object(
    {"version": {"const": "2.1.0"}, "runs": _array(RUN)}, **{"$schema": {"type": "string"}}
)
VALIDATOR: Any = Draft202012Validator(SCHEMA)


def validated(text: str) -> dict[str, Any]:
    """Return the one run in ``text``, a SARIF log, if it is valid and points to its own rules."""
    log: dict[str, Any] = json.loads(text)
    assert [f"{list(f.path)}: {f.message}" for f in VALIDATOR.iter_errors(log)] == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        if "ruleIndex" in result:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return run
