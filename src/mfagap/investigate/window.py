"""The built-in step ``window``: how much log there is after each start, by the watermark."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mfagap.detect.durations import words
from mfagap.detect.evaluate import Row

if TYPE_CHECKING:
    from mfagap.investigate.run import Inquiry


def rows(inquiry: "Inquiry") -> Iterator[Row]:
    """Yield one answer for each finding: ``short_window``, ``open_window``, ``whole_window``.

    A window that is not there is never "no abuse": with less than ``enough`` of log after the start
    it is short, and up to ``cap`` it is open.
    """
    for finding in inquiry.findings:
        seen_ms = inquiry.watermark_ms - finding.start_ms
        if seen_ms < inquiry.runbook.enough_s * 1000:
            answer = "short_window"
        elif seen_ms < inquiry.runbook.cap_s * 1000:
            answer = "open_window"
        else:
            answer = "whole_window"
        yield {
            "start_uuid": finding.uuid,
            "answer": answer,
            "tier": None,
            "event_uuid": None,
            "event_ms": finding.start_ms,
            "amount": None,
            "detail": rough(seen_ms),
        }


def rough(duration_ms: int) -> str:
    """Return a duration in words that a person reads at a glance: to the minute, hour or day."""
    duration_s = max(0, duration_ms // 1000)
    unit_s = next(u for u, most in _UNITS if duration_s < most)
    return words(duration_s // unit_s * unit_s)


_UNITS = ((1, 120), (60, 2 * 3600), (3600, 2 * 86400), (86400, float("inf")))
"""A unit in seconds, and the duration up to which it is used."""
