"""SARIF 2.1.0, for code hosts: one rule for each check, one result for each failure and unknown.

What each property means is the published specification's word. Of results that pass nothing is
told; what is not known is ``open``, whose level can only be ``none`` there.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from mfagap import __version__
from mfagap.detect.evaluate import rfc3339
from mfagap.model import Severity
from mfagap.model.hardening import (
    Check,
    CheckOutcome,
    CheckResult,
    Hardening,
)
from mfagap.report.clean import html, json_line
from mfagap.report.hardening import document

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_LEVELS: Mapping[Severity, str] = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFORMATIONAL: "note",
}
_SCORES: Mapping[Severity, str] = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFORMATIONAL: "0.0",
}
"""``security-severity``, in whose ranges GitHub reads critical (over 9), high, medium and low."""

_MOST_TEXT = 4000


def render(found: Hardening, out: IO[str]) -> None:
    """Write ``found`` to ``out``, as one line."""
    out.write(json_line({"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(found)]}))


def _run(found: Hardening) -> dict[str, Any]:
    places = {check.id: place for place, check in enumerate(found.checks)}
    uri = _artifact(found)
    return {
        "tool": {
            "driver": {
                "name": "mfagap",
                "version": __version__,
                "rules": [_rule(check) for check in found.checks],
            }
        },
        "automationDetails": {"id": "mfagap-harden/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolConfigurationNotifications": [
                    {"level": "warning", "message": _message(line)}
                    for line in document.unknown(found)
                ],
            }
        ],
        "results": [
            _result(each, places.get(each.check), uri)
            for each in found.results
            if each.outcome in document.OPEN
        ],
        "properties": {
            "now": rfc3339(found.now_ms),
            "origin": _text(found.snapshot.origin),
            "snapshot": found.digest,
        },
    }


def _artifact(found: Hardening) -> str | None:
    """Return the URI of what the snapshot was read from; None where there is none."""
    origin = found.snapshot.origin
    if not found.snapshot.parts:
        return None
    encoded = quote(origin.encode("utf-8", "replace"), safe="/:" if "://" in origin else "/")
    return f"file://{encoded}" if Path(origin).is_absolute() else encoded


def _rule(check: Check) -> dict[str, Any]:
    links = "\n".join(f"- <{link}>" for link in check.references)
    return {
        "id": check.id,
        "shortDescription": _message(check.title),
        "fullDescription": _message(check.description),
        "help": {
            "text": _text(f"{check.description} {check.prevention}"),
            "markdown": f"{check.description}\n\n**What to do.** {check.prevention}\n\n{links}",
        },
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {
            "tags": list(dict.fromkeys(("security", *check.tags, *document.controls(check)))),
            "security-severity": _SCORES[check.severity],
        },
    }


def _result(each: CheckResult, place: int | None, uri: str | None) -> dict[str, Any]:
    failed = each.outcome is CheckOutcome.FAIL
    identity = f"{each.check}\n{each.subject}\n{each.subject_id}".encode("utf-8", "replace")
    digest = hashlib.sha256(identity).hexdigest()
    told = document.result(each)
    seen = ("outcome", "severity", "reason", "amount", "first_seen", "last_seen", "evidence")
    return {
        "ruleId": each.check,
        **({} if place is None else {"ruleIndex": place}),
        "kind": "fail" if failed else "open",
        "level": _LEVELS[each.severity] if failed else "none",
        "message": _message(each.says),
        "locations": [_location(each, uri)],
        # The first is what GitHub looks at, the second is ours.
        "partialFingerprints": {"primaryLocationLineHash": digest, "checkAndSubject/v1": digest},
        "properties": {name: told[name] for name in seen}
        | {"detail": None if each.detail is None else _text(each.detail)},
    }


def _location(each: CheckResult, uri: str | None) -> dict[str, Any]:
    path = [part for part in (each.policy_id, each.subject_id) if part]
    name = each.subject_name or each.subject_id or each.subject
    logical = {
        "name": _text(name),
        "kind": each.subject,
        "fullyQualifiedName": _text("/".join(dict.fromkeys(path)) or each.subject),
    }
    # A host that shows results beside a file wants to know which, and a line in it.
    physical = {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}
    return {
        **({} if uri is None else {"physicalLocation": physical}),
        "logicalLocations": [logical],
    }


def _message(text: str) -> dict[str, str]:
    """Return ``text`` as a message: without links and placeholders, which its names may hold."""
    plain = _text(text).replace("](", "] (")
    return {"text": plain.replace("{", "{{").replace("}", "}}")}


def _text(text: str) -> str:
    return html(text, _MOST_TEXT)
