"""CSV: one result of a check a row. No cell opens as a formula."""

import csv
from typing import IO, cast

from mfagap.model.hardening import Hardening
from mfagap.report.clean import cell
from mfagap.report.hardening import document

COLUMNS = (
    *("outcome", "severity", "check", "title", "reason", "says"),
    *("subject", "subject_id", "subject_name", "policy_id"),
    *("amount", "first_seen", "last_seen", "evidence", "detail", "controls", "prevention"),
)


def render(found: Hardening, out: IO[str]) -> None:
    """Write the results of ``found`` to ``out``."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    about = {
        check.id: {
            "title": check.title,
            "controls": document.controls(check),
            "prevention": check.prevention,
        }
        for check in found.checks
    }
    for each in found.results:
        values = document.result(each) | about.get(each.check, {})
        writer.writerow([cell(_text(values.get(column))) for column in COLUMNS])


def _text(value: object) -> str:
    """Return a cell's text: nothing for None, a list joined by spaces."""
    if value is None:
        return ""
    return " ".join(cast("list[str]", value)) if isinstance(value, list) else str(value)
