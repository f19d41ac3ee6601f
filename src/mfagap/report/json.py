"""JSON: one object with the summary and the findings. Pure ASCII, so that no text can steer."""

import json
from collections.abc import Iterable
from typing import IO

from mfagap.model import MfaStatus, ScanResult
from mfagap.report import document


def render(result: ScanResult, statuses: Iterable[MfaStatus], out: IO[str]) -> None:
    """Write ``result`` to ``out``."""
    findings = [
        document.finding(found, result.investigation(found))
        for found in document.shown(result, statuses)
    ]
    whole = {"summary": document.summary(result), "findings": findings}
    out.write(json.dumps(whole, indent=2) + "\n")
