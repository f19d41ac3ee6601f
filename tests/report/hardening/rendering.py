"""Each format's text of a document."""

import io
from typing import Any

from mfagap.model.hardening import Hardening
from mfagap.report.hardening import csv, html, json, ocsf, sarif, table

RENDERERS: dict[str, Any] = {
    "table": table.render,
    "json": json.render,
    "csv": csv.render,
    "html": html.render,
    "sarif": sarif.render,
    "ocsf": ocsf.render,
}


def rendered(form: str, found: Hardening, **options: Any) -> str:
    """Return ``found`` in the format ``form``."""
    out = io.StringIO()
    RENDERERS[form](found, out, **options)
    return out.getvalue()
