"""CSV: one finding a row, nested values under dotted names. No cell opens as a formula."""

import csv
from collections.abc import Iterable
from typing import IO, Any, cast

from mfagap.model import MfaStatus, ScanResult
from mfagap.report import document
from mfagap.report.clean import cell

COLUMNS = (
    "severity",
    "verdict",
    "mfa_status",
    "confidence",
    "confidence_reasons",
    "alert_context.session_start_time",
    "alert_context.user_email",
    "alert_context.actor_id",
    "alert_context.source_ip",
    "alert_context.user_agent",
    "alert_context.request_uri",
    "alert_context.external_session_id",
    "alert_context.transaction_id",
    "policy.result",
    "policy.policy_id",
    "policy.policy_name",
    "policy.rule_id",
    "policy.rule_name",
    "mfa_link",
    "mfa_event",
    "explanation",
    "annotations",
    "dedup_key",
    "detection",
    "uuid",
    "title",
    "verdict_reason",
    "follow_up_at",
)


def render(result: ScanResult, statuses: Iterable[MfaStatus], out: IO[str]) -> None:
    """Write ``result`` to ``out``."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for found in document.shown(result, statuses):
        values = document.finding(found, result.investigation(found))
        writer.writerow([cell(_text(_at(values, column))) for column in COLUMNS])


def _at(values: dict[str, Any], column: str) -> object:
    value: object = values
    for key in column.split("."):
        value = cast("dict[str, object]", value)[key]
    return value


def _text(value: object) -> str:
    """Return a cell's text: a reference as ``name=event``, a list joined by spaces."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(_text(item) for item in cast("list[object]", value))
    if isinstance(value, dict):
        named = cast("dict[str, str]", value)
        return f"{named['name']}={named['event']}"
    return str(value)
