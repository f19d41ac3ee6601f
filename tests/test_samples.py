"""Events that others wrote, where they lie beside the repository: none is lost without a word."""

import io
from pathlib import Path

import pytest

from mfagap.service.scan import Request, scan

SAMPLES = Path(__file__).resolve().parent.parent.parent / "shared" / "samples"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.ndjson")) or [None])
def test_every_line_is_used_or_counted(path: Path | None) -> None:
    if path is None:
        pytest.skip(
            "the public samples, which are not ours to ship, do not lie beside the repository"
        )
    result = scan(Request([str(path)], io.BytesIO()))
    lines = len(path.read_text(encoding="utf-8").splitlines())
    lost = {reason.reason: n for reason, n in result.problems.items() if not reason.used}
    # A delivery that could be read, and then turned out to share its uuid with another event.
    lost.pop("uuid of another event", 0)
    assert result.totals.deliveries > 0
    assert result.totals.deliveries + sum(lost.values()) == lines
