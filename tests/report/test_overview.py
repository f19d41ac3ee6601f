from dataclasses import replace

import pytest
from tests.report.pages import DETECTION, Page, page
from tests.report.results import CONTEXT, FINDING, NOON_MS, POLICY, investigated, result

from mfagap.model import MfaStatus, Policy
from mfagap.report import overview

DAY_MS = 86_400_000


def _days(*statuses_by_day: tuple[int, MfaStatus]) -> overview.Chart:
    drawn = overview.chart(
        [
            replace(FINDING, uuid=str(n), start_ms=NOON_MS + day * DAY_MS, mfa_status=status)
            for n, (day, status) in enumerate(statuses_by_day)
        ]
    )
    assert drawn is not None
    return drawn


def test_a_bar_for_every_day_between_the_first_and_the_last() -> None:
    drawn = _days((0, MfaStatus.SINGLE_FACTOR), (0, MfaStatus.CHALLENGED), (3, MfaStatus.MFA))
    assert [bar.day for bar in drawn.bars] == [f"2026-01-{day}" for day in (15, 16, 17, 18)]
    assert [bar.total for bar in drawn.bars] == [2, 0, 0, 0]
    assert [bar.mfa.count for bar in drawn.bars] == [0, 0, 0, 1]
    assert (drawn.highest, drawn.highest_mfa, drawn.days) == (2, 1, 1)
    first = drawn.bars[0]
    assert [part.status for part in first.parts] == ["single_factor", "challenged"]
    assert first.parts[0].y + first.parts[0].height == overview.PLOT_PX
    assert first.parts[1].y + first.parts[1].height == pytest.approx(first.parts[0].y)
    assert all(bar.x >= 0 and bar.x + bar.width <= 100 for bar in drawn.bars)
    assert drawn.bars[1].top == overview.PLOT_PX


def test_one_among_thousands_is_still_seen() -> None:
    drawn = _days(*[(0, MfaStatus.SINGLE_FACTOR)] * 5000, (1, MfaStatus.CHALLENGED))
    assert drawn.bars[1].parts[0].height == 3


def test_a_long_time_is_drawn_in_longer_bars() -> None:
    drawn = _days((0, MfaStatus.SINGLE_FACTOR), (364, MfaStatus.SINGLE_FACTOR))
    assert drawn.days == 7
    assert len(drawn.bars) == 53
    assert sum(bar.labelled for bar in drawn.bars) <= 8
    source = page(result([FINDING, replace(FINDING, uuid="x", start_ms=NOON_MS + 364 * DAY_MS)]))
    assert "Legacy sessions by 7 days, each named by its first, and MFA status" in source


def test_a_date_that_no_calendar_has_breaks_nothing() -> None:
    findings = [replace(FINDING, start_ms=10**17), replace(FINDING, uuid="x", start_ms=-(10**17))]
    looked_at = investigated(findings[0]) | investigated(findings[1])
    parsed = Page(page(result(findings, investigations=looked_at)))
    assert len(parsed.texts("h2")) == 7


def test_who_from_where_with_what_and_through_what() -> None:
    mail = [*["eve@example.com"] * 3, *(f"u{n}@example.com" for n in range(6))]
    findings = [
        replace(
            FINDING,
            uuid=str(n),
            alert_context=replace(CONTEXT, user_email=user, source_ip=None if n else "192.0.2.1"),
            policy=Policy() if n == 1 else POLICY,
        )
        for n, user in enumerate(mail)
    ]
    parsed = Page(page(result(findings)))
    assert parsed.rows("Who came in") == [
        ["eve@example.com", "3", "1"],
        *([f"u{n}@example.com", "1", "0"] for n in range(4)),
    ]
    assert "and 2 more" in parsed.texts("section", id="who")[0]
    assert parsed.rows("From where") == [["none in the log", "8", "7"], ["192.0.2.1", "1", "1"]]
    assert parsed.rows("Through which rule") == [
        ["ALLOW by Default Rule Default Policy (00p1, 0pr1)", "8", "7"],
        ["No policy event in the log", "1", "1"],
    ]


def test_what_to_harden_names_the_rules_that_let_sessions_in() -> None:
    unnamed = Policy("ALLOW", "p", None, "r", None, "e", "l")
    findings = [
        FINDING,
        replace(FINDING, uuid="2"),
        replace(FINDING, uuid="3", policy=replace(POLICY, result="CHALLENGE")),
        replace(FINDING, uuid="4", policy=unnamed),
        replace(FINDING, uuid="5", policy=Policy("ALLOW", policy_name="Only", event="e")),
        replace(FINDING, uuid="6", policy=Policy("ALLOW", event="e")),
    ]
    parsed = Page(page(result(findings, detections=(DETECTION,))))
    assert parsed.rows("Rules that let sessions in") == [
        ["ALLOW by Default Rule Default Policy (00p1, 0pr1)", "2", "1"],
        ["ALLOW by an unnamed rule", "1", "1"],
        ["ALLOW by an unnamed rule Only", "1", "1"],
        ["ALLOW by r p, r", "1", "1"],
    ]
    (section,) = parsed.texts("section", id="harden")
    assert all(text in section for text in DETECTION.prevention)


def test_the_runbook_as_it_ran() -> None:
    parsed = Page(page(result([FINDING], detections=(DETECTION,), investigations=investigated())))
    (section,) = parsed.texts("section", id="runbook")
    assert DETECTION.title in section
    assert parsed.rows("Steps, in the order in which they ran, over the 1 ") == [
        [step, f"What of {step}?", "1", "1", "1", "0"]
        for step in ("client", "factor", "acts", "around", "window")
    ]
    assert [e.text for e in parsed.all("pre")] == [
        f"SELECT '{step}'\nFROM events" for step in ("client", "factor", "acts", "around")
    ]
