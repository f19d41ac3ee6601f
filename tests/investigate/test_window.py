"""How much log there is after a start, and that too little is never "no abuse"."""

import pytest
from tests.investigate.books import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    finding,
    line,
    means,
    noted,
    runbook,
    step,
)
from tests.investigate.lakes import counting, inquiry, tick
from tests.report.results import NOON_MS

from mfagap.investigate import window
from mfagap.investigate.run import investigate
from mfagap.model import VerdictWord

STEP = step(
    "window",
    {
        "short_window": means("short", "only {detail} of log follow the start"),
        "open_window": noted("{detail} of log follow the start"),
        "whole_window": noted("the log covers the whole window"),
    },
    kind="window",
)
BOOK = runbook(
    [STEP],
    line(VerdictWord.INSUFFICIENT_DATA, "short", rests_on=("window",), cites=("short_window",)),
    line(VerdictWord.SECURITY_RISK, rests_on=("window",), cites=("open_window", "whole_window")),
)


@pytest.mark.parametrize(
    ("seen_ms", "answer", "detail"),
    [
        (-HOUR_MS, "short_window", "0s"),
        (0, "short_window", "0s"),
        (30 * MINUTE_MS - 1, "short_window", "29m"),
        (30 * MINUTE_MS, "open_window", "30m"),
        (4 * HOUR_MS - 1, "open_window", "3h"),
        (4 * HOUR_MS, "whole_window", "4h"),
        (90 * DAY_MS, "whole_window", "90d"),
    ],
)
def test_one_answer_for_each_start(seen_ms: int, answer: str, detail: str) -> None:
    assert list(window.rows(inquiry(BOOK, watermark_ms=NOON_MS + seen_ms))) == [
        {
            "start_uuid": "start-uuid",
            "answer": answer,
            "tier": None,
            "event_uuid": None,
            "event_ms": NOON_MS,
            "amount": None,
            "detail": detail,
        }
    ]


def test_each_start_has_a_window_of_its_own() -> None:
    findings = [finding(minute, uuid=str(minute)) for minute in (0, 220, 500)]
    asked = inquiry(BOOK, *findings, watermark_ms=NOON_MS + 4 * HOUR_MS)
    assert [row["answer"] for row in window.rows(asked)] == [
        "whole_window",
        "short_window",
        "short_window",
    ]


@pytest.mark.parametrize(
    ("minutes", "verdict", "reason", "again"),
    [
        (
            29,
            VerdictWord.INSUFFICIENT_DATA,
            "It is insufficient_data. [window] Only 29m of log follow the start [window].",
            30 * MINUTE_MS,
        ),
        (
            30,
            VerdictWord.SECURITY_RISK,
            "It is security_risk. [window] 30m of log follow the start [window].",
            4 * HOUR_MS,
        ),
        (
            240,
            VerdictWord.SECURITY_RISK,
            "It is security_risk. [window] The log covers the whole window [window].",
            None,
        ),
    ],
)
def test_what_a_window_comes_to(
    minutes: int, verdict: VerdictWord, reason: str, again: int | None
) -> None:
    asked = inquiry(BOOK, watermark_ms=NOON_MS + minutes * MINUTE_MS)
    (found,) = investigate(asked, counting(), clock=tick).values()
    assert (found.verdict.verdict, found.verdict.reason) == (verdict, reason)
    assert found.verdict.follow_up_ms == (None if again is None else NOON_MS + again)


@pytest.mark.parametrize(
    ("duration_ms", "words"),
    [
        (-5000, "0s"),
        (0, "0s"),
        (999, "0s"),
        (1000, "1s"),
        (119_999, "119s"),
        (120_000, "2m"),
        (179_999, "2m"),
        (HOUR_MS, "1h"),
        (HOUR_MS + MINUTE_MS, "61m"),
        (2 * HOUR_MS - 1, "119m"),
        (2 * HOUR_MS, "2h"),
        (DAY_MS, "1d"),
        (DAY_MS + HOUR_MS, "25h"),
        (2 * DAY_MS - 1, "47h"),
        (2 * DAY_MS, "2d"),
        (1000 * DAY_MS + HOUR_MS, "1000d"),
    ],
)
def test_a_duration_at_a_glance(duration_ms: int, words: str) -> None:
    assert window.rough(duration_ms) == words
