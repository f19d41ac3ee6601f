"""The evidence behind a verdict, in lines for a terminal."""

import io
from dataclasses import replace
from typing import Any

import pytest
from tests.report.results import (
    ACT,
    EVIDENCE,
    FINDING,
    NOON_MS,
    evidence,
    investigated,
    result,
    with_context,
)

from mfagap.model import Answer, Evidence, Finding, Investigation
from mfagap.report import document, explain, grid, table

HOSTILE = "\x1b[2J\x1b]8;;https://example.com\x07[red]x[/red]\x9b\u202e\n{tier}"
CLIENT = (
    "  with Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)",
    "        Chrome/131.0.0.0 Safari/537.36",
)
BEFORE_STEPS = 7
"""Lines about a session before those about the runbook's steps."""
SHOWN = "\\x1b[2J\\x1b]8;;https://example.com\\x07[red]x[/red]\\x9b\\u202e\\x0a{tier}"


def told(*items: Evidence, found: Finding = FINDING, **changes: Any) -> list[str]:
    """Return the lines about ``found``, whose verdict has ``changes``."""
    (investigation,) = investigated(found, items, **changes).values()
    return drawn(found, investigation)


def drawn(found: Finding, investigation: Investigation | None) -> list[str]:
    """Return the lines as they are printed."""
    lines = explain.lines(found, investigation)
    return [part for line in lines for part in grid.wrapped(line, explain.WIDTH)]


def step(item: Evidence) -> list[str]:
    """Return the lines about one step."""
    return told(item)[BEFORE_STEPS:]


def test_a_whole_explanation() -> None:
    assert told(*EVIDENCE, follow_up_ms=NOON_MS + 1_800_000) == [
        "",
        "2026-01-15T12:00:00.000Z  ada@example.com from 192.0.2.10, session 102A",
        *CLIENT,
        "  single_factor, confidence high, noted: -; policy: ALLOW: Default Rule",
        "  true_positive, critical",
        "  It acted. [acts] An act was seen [acts: act-uuid].",
        "  Look again at 2026-01-15T12:30:00.000Z.",
        "  client: What of client?",
        "    new_device  at 2026-01-15T12:00:00.000Z, event start-uuid",
        "  factor: What of factor?",
        "    policy  ALLOW by Default Rule  by session  at 2026-01-15T12:00:00.053Z, event "
        "policy-uuid",
        "  acts: What of acts?",
        "    act  user.mfa.factor.activate (Ada)  by session  at 2026-01-15T12:00:40.000Z, event "
        "act-uuid",
        "  around: What of around?",
        "    users_failed_before  15",
        "  window: What of window?",
        "    whole_window  60m",
    ]


def test_without_an_investigation() -> None:
    assert drawn(with_context(source_ip=None), None) == [
        "",
        "2026-01-15T12:00:00.000Z  ada@example.com from -, session 102A",
        *CLIENT,
        "  single_factor, confidence high, noted: -; policy: ALLOW: Default Rule",
        "  medium, not investigated",
    ]


@pytest.mark.parametrize(
    ("item", "lines"),
    [
        (evidence("acts"), ["    nothing"]),
        (evidence("acts", failure="no memory"), ["    failed: no memory"]),
        (evidence("acts", Answer(NOON_MS, "x", amount=12345)), ["    x  12,345"]),
        (
            evidence("acts", Answer(NOON_MS, "x"), count=1235),
            ["    x", "    … and 1,234 more, not kept"],
        ),
    ],
)
def test_what_a_step_answered(item: Evidence, lines: list[str]) -> None:
    assert step(item) == ["  acts: What of acts?", *lines]


def test_long_lines_are_broken_between_words() -> None:
    lines = told(reason="word " * 300)[BEFORE_STEPS - 1 :]
    assert all(len(line) <= explain.WIDTH for line in lines)
    assert " ".join(" ".join(lines).split()) == " ".join(["word"] * 300)
    assert lines[0].startswith("  word")
    assert lines[1].startswith("        word")


@pytest.mark.parametrize(
    "lines",
    [
        told(found=with_context(user_email=HOSTILE)),
        told(found=with_context(source_ip=HOSTILE)),
        told(found=with_context(external_session_id=HOSTILE)),
        told(reason=HOSTILE),
        step(evidence("acts", replace(ACT, detail=HOSTILE))),
        step(evidence("acts", replace(ACT, event=HOSTILE))),
        step(evidence("acts", failure=HOSTILE)),
    ],
)
def test_hostile_text_is_shown_and_does_nothing(lines: list[str]) -> None:
    assert all(line.isprintable() for line in lines)
    assert SHOWN in "".join(lines)


def test_hostile_text_is_bounded() -> None:
    long = "x" * 100_000
    context = {"user_email": long, "source_ip": long, "external_session_id": long}
    acted = replace(ACT, detail=long, event=long)
    lines = told(
        evidence("acts", acted),
        evidence("window", failure=long),
        found=with_context(**context),
        reason=long,
    )
    assert sum(map(len, lines)) < 20_000


def test_it_follows_the_table_in_its_order() -> None:
    findings = [with_context(user_email=f"{name}@example.com") for name in ("bob", "ada")]
    findings = [replace(found, uuid=str(n)) for n, found in enumerate(findings)]
    runs = {key: run for found in findings for key, run in investigated(found).items()}
    scanned = result(findings, investigations=runs)
    plain, whole = io.StringIO(), io.StringIO()
    table.render(scanned, document.ALL, plain)
    table.render(scanned, document.ALL, whole, explained=True)
    expected = [line for f in findings for line in drawn(f, scanned.investigation(f))]
    assert whole.getvalue() == plain.getvalue() + "".join(line + "\n" for line in expected)


def test_nothing_is_explained_where_nothing_is_shown() -> None:
    out = io.StringIO()
    table.render(result(), document.ALL, out, explained=True)
    assert out.getvalue() == "No session to show.\n"
