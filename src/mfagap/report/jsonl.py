"""JSON Lines: one finding a line. Pure ASCII, so that no text can steer."""

import json
from collections.abc import Iterable
from typing import IO

from mfagap.model import MfaStatus, ScanResult
from mfagap.report import document


def render(result: ScanResult, statuses: Iterable[MfaStatus], out: IO[str]) -> None:
    """Write ``result`` to ``out``."""
    for found in document.shown(result, statuses):
        out.write(json.dumps(document.finding(found, result.investigation(found))) + "\n")
