"""Each format's text of a document."""

import io
from importlib import import_module
from typing import Any

from mfagap.cli.harden import FORMATS
from mfagap.model.hardening import Hardening

RENDERERS: dict[str, Any] = {
    name: import_module(f"mfagap.report.hardening.{name}").render for name in FORMATS
}


def rendered(form: str, found: Hardening, **options: Any) -> str:
    """Return ``found`` in the format ``form``."""
    out = io.StringIO()
    RENDERERS[form](found, out, **options)
    return out.getvalue()
