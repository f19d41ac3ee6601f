"""What a runbook reads: far back only what some steps ask for, and all that they need.

``cases.run`` runs each case on no more than that, so that the cases prove what a step declares.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.investigate.books import DAY_MS, HOUR_MS, WHOLE_MS, finding, line, runbook, step
from tests.investigate.lakes import DETECTION, inquiry
from tests.report.results import NOON_MS

from mfagap.cases.load import Case, load
from mfagap.cases.run import run
from mfagap.cases.templates import Templates
from mfagap.investigate.run import stretches
from mfagap.model import Step, Stretch, VerdictWord

NO_VERDICT = line(VerdictWord.SUSPICIOUS)


@pytest.fixture(scope="module")
def cases() -> Sequence[Case]:
    """Cases of a habit, which is long."""
    every = load(Path(DETECTION.folder), Templates())
    return [case for case in every if case.name.startswith("runbook_habit")]


def _looking(name: str, before_s: int, kinds: Sequence[str] | None) -> Step:
    listed = None if kinds is None else tuple(kinds)
    return step(name, {}, query="SELECT 1", before_s=before_s, event_types=listed)


def test_what_ships_reads_sign_ins_alone_from_far_back() -> None:
    book = DETECTION.runbook
    assert book is not None
    asked = inquiry(book, finding(60), finding(0))
    far_ms, near_ms = NOON_MS - 30 * DAY_MS, NOON_MS - HOUR_MS
    signs = ["policy.evaluate_sign_on", "user.authentication.auth_via_mfa", "user.session.start"]
    assert stretches(asked) == [
        Stretch(signs, far_ms, near_ms),
        Stretch(sorted(set(signs) | set(DETECTION.event_types)), near_ms, WHOLE_MS + 1),
    ]


def test_each_stretch_has_what_any_step_reads_then() -> None:
    steps = [
        _looking("days", 3 * 86400, ["b", "a"]),
        _looking("minutes", 60, ["d"]),  # its chain may begin an hour before
        _looking("day", 86400, ["b", "c"]),
        step("window", {}, kind="window", before_s=9 * 86400),
    ]
    assert stretches(inquiry(runbook(steps, NO_VERDICT))) == [
        Stretch(["a", "b"], NOON_MS - 3 * DAY_MS, NOON_MS - DAY_MS),
        Stretch(["a", "b", "c"], NOON_MS - DAY_MS, NOON_MS - HOUR_MS),
        Stretch(["a", "b", "c", "d"], NOON_MS - HOUR_MS, WHOLE_MS + 1),
    ]


def test_a_step_that_lists_no_types_reads_all_of_the_detection() -> None:
    steps = [_looking("day", 86400, None), _looking("days", 2 * 86400, ["user.session.start"])]
    assert stretches(inquiry(runbook(steps, NO_VERDICT))) == [
        Stretch(["user.session.start"], NOON_MS - 2 * DAY_MS, NOON_MS - DAY_MS),
        Stretch(sorted(DETECTION.event_types), NOON_MS - DAY_MS, WHOLE_MS + 1),
    ]


def test_where_nothing_is_asked_of_the_log_nothing_is_read() -> None:
    assert stretches(inquiry(runbook([step("window", {}, kind="window")], NO_VERDICT))) == []


def _less(step: Step, kind: str) -> Step:
    """Return ``step`` as if it did not read ``kind``."""
    kinds = tuple(other for other in step.event_types or () if other != kind)
    return replace(step, event_types=kinds) if step.event_types else step


@pytest.mark.parametrize(
    "kind", ["policy.evaluate_sign_on", "user.authentication.auth_via_mfa", "user.session.start"]
)
def test_cases_notice_a_type_that_is_not_read(kind: str, cases: Sequence[Case]) -> None:
    book = DETECTION.runbook
    assert book is not None
    steps = tuple(_less(each, kind) for each in book.steps)
    without = replace(DETECTION, runbook=replace(book, steps=steps))
    assert all(outcome.passed for outcome in run(DETECTION, cases))
    assert not all(outcome.passed for outcome in run(without, cases))
