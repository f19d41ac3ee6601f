"""JSON: one object, the whole document. Pure ASCII, so that no text can steer."""

from typing import IO

from mfagap.model.hardening import Hardening
from mfagap.report.clean import json_text
from mfagap.report.hardening.document import document


def render(found: Hardening, out: IO[str]) -> None:
    """Write ``found`` to ``out``."""
    out.write(json_text(document(found)) + "\n")
