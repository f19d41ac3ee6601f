"""Steps asked of all sessions at once, and the evidence that they leave."""

from collections.abc import Sequence
from dataclasses import FrozenInstanceError, replace
from itertools import count, permutations
from typing import Any

import pytest
from tests.investigate.books import (
    ACTS,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    WHOLE_MS,
    answer,
    finding,
    line,
    means,
    noted,
    runbook,
    step,
)
from tests.investigate.lakes import DETECTION, Counting, counting, inquiry, rows, tick
from tests.report.results import NOON_MS

from mfagap.engines import sandbox
from mfagap.investigate.run import Run, conclude, investigate, parameters, raised, sessions
from mfagap.model import (
    Answer,
    ContentList,
    Evaluation,
    Evidence,
    Finding,
    Investigation,
    MfaStatus,
    Runbook,
    Severity,
    VerdictWord,
)

LOOK = step("look", {"seen": noted("seen"), "found": means("signal")}, query=rows())
BOOK = runbook([LOOK], line(VerdictWord.SUSPICIOUS, "signal", cites=("found",)))


def looked(sql: str, engine: Counting, **changes: Any) -> Evidence:
    """Return the evidence of a step that runs ``sql``, of one sign-in at noon."""
    book = replace(BOOK, steps=(replace(LOOK, query=sql, **changes),))
    (found,) = investigate(inquiry(book), engine, clock=tick).values()
    (item,) = found.evidence
    return item


def concluded(answers: Sequence[Answer], book: Runbook = BOOK) -> Investigation:
    """Return what ``answers`` of the only step of ``book`` come to."""
    run = Run(book.steps[0], {finding().uuid: answers}, 0)
    return conclude(inquiry(book), [run])[finding().uuid]


# --- one query for all --------------------------------------------------------------------------


@pytest.mark.parametrize("many", [0, 1, 3, 200])
def test_a_step_asks_once_however_many_sessions_there_are(many: int) -> None:
    book = replace(BOOK, steps=(LOOK, replace(LOOK, id="again")))
    engine = counting(5)
    findings = tuple(finding(n / 100, uuid=f"start-{n}") for n in range(many))
    asked = replace(inquiry(book), findings=findings)
    investigations = investigate(asked, engine, clock=tick)
    assert [sql for sql, _, _ in engine.asked] == [LOOK.query, LOOK.query]
    assert list(investigations) == [f"start-{n}" for n in range(many)]
    assert {len(found.evidence[0].answers) for found in investigations.values()} <= {1}


def test_what_is_too_much_together_is_asked_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that one user's flood does not fail the step for everybody."""
    monkeypatch.setattr(sandbox, "MAX_ROWS", 10)
    findings = tuple(finding(n / 100, uuid=f"start-{n}") for n in range(7))
    engine = counting(5, 6, 7, 8)
    found = investigate(inquiry(BOOK, *findings), engine, clock=tick)
    assert [len(lists["sessions"].rows) for _, _, lists in engine.asked] == [7, 3, 1, 2, 4, 2, 2]
    assert {name: len(one.evidence[0].answers) for name, one in found.items()} == {
        f"start-{n}": 4 for n in range(7)
    }


def test_what_is_too_much_for_one_session_is_a_failed_step_for_it_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sandbox, "MAX_ROWS", 3)
    item = looked(rows(), counting(5, 6, 7, 8))
    assert item.failure == "the query gives more than 3 rows or 512 MiB of text"
    assert item.answers == ()


def test_each_session_has_its_own_answers() -> None:
    early, late = finding(0, uuid="early"), finding(60, uuid="late")
    asked = inquiry(replace(BOOK, steps=(replace(LOOK, after_s=600),)), late, early)
    found = investigate(asked, counting(5, 59, 61, 70, 71), clock=tick)
    assert [a.event for a in found["early"].evidence[0].answers] == ["e0"]
    assert [a.event for a in found["late"].evidence[0].answers] == ["e2", "e3"]


def test_an_investigation_names_its_finding() -> None:
    (found,) = investigate(inquiry(BOOK), counting(), clock=tick).values()
    assert (found.detection, found.uuid, found.start_ms) == (DETECTION.id, "start-uuid", NOON_MS)


def test_a_query_is_given_the_lists_of_both_and_its_parameters() -> None:
    own = ContentList({"name": "VARCHAR"}, (("x",),))
    book = replace(BOOK, lists={"own": own}, parameters={"spray_ms": DAY_MS})
    engine = counting()
    investigate(inquiry(book), engine, clock=tick)
    ((_, given, lists),) = engine.asked
    assert lists == {**DETECTION.lists, "own": own, "sessions": sessions(LOOK, inquiry(book))}
    assert given == {
        "spray_ms": DAY_MS,
        "cap_ms": 4 * HOUR_MS,
        "chain_ms": HOUR_MS,
        "from": NOON_MS - HOUR_MS,
        "to": WHOLE_MS,
    }


@pytest.mark.parametrize(
    ("before_s", "after_s", "from_ms", "to_ms"),
    [
        (0, 0, NOON_MS - HOUR_MS, NOON_MS + 2 * HOUR_MS),
        (0, 3600, NOON_MS - HOUR_MS, NOON_MS + 3 * HOUR_MS),
        (86400, 86400, NOON_MS - DAY_MS, WHOLE_MS),
        (0, None, NOON_MS - HOUR_MS, WHOLE_MS),
    ],
)
def test_the_range_of_all_together(
    before_s: int, after_s: int | None, from_ms: int, to_ms: int
) -> None:
    """A chain may begin before a start, whatever a step looks at."""
    asked = inquiry(BOOK, finding(120, uuid="late"), finding(0, uuid="early"))
    given = parameters(replace(LOOK, before_s=before_s, after_s=after_s), asked)
    assert (given["from"], given["to"]) == (from_ms, to_ms)


@pytest.mark.parametrize(
    ("after_s", "watermark_ms", "to_ms"),
    [
        (None, WHOLE_MS, WHOLE_MS),
        (600, WHOLE_MS, NOON_MS + 10 * MINUTE_MS),
        (600, NOON_MS + 5 * MINUTE_MS, NOON_MS + 5 * MINUTE_MS),
        (600, NOON_MS - HOUR_MS, NOON_MS),
        (None, NOON_MS - HOUR_MS, NOON_MS),
    ],
)
def test_the_range_of_a_session(after_s: int | None, watermark_ms: int, to_ms: int) -> None:
    asked = inquiry(BOOK, watermark_ms=watermark_ms)
    listed = sessions(replace(LOOK, before_s=60, after_s=after_s), asked)
    assert listed.rows == (("start-uuid", NOON_MS, NOON_MS - MINUTE_MS, to_ms, None),)
    assert list(listed.columns) == ["start_uuid", "start_ms", "from_ms", "to_ms", "mfa_event"]


@pytest.mark.parametrize("status", MfaStatus)
def test_a_factor_counts_only_where_it_is_the_session_s_own(status: MfaStatus) -> None:
    asked = inquiry(BOOK, finding(mfa_status=status, mfa_event="mfa-uuid"))
    own = status in (MfaStatus.MFA, MfaStatus.STEP_UP)
    assert sessions(LOOK, asked).rows[0][-1] == ("mfa-uuid" if own else None)


# --- a step that failed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "failure"),
    [
        (rows(detail="nothing"), "the query failed: Binder Error: "),
        ("SELECT FROM", "the query failed: Parser Error: "),
        ("SELECT * FROM read_text('x')", "the query reads read_text(); "),
        (rows(amount="1.5::DOUBLE"), "look gave a row of another form: TypeError("),
        (rows(amount="'15'"), "look gave a row of another form: TypeError("),
        (rows(amount="TRUE"), "look gave a row of another form: TypeError("),
        (rows().replace("e.event_ms AS", "'noon' AS"), "look gave a row of another form: TypeE"),
        (rows().replace("e.event_ms AS", "NULL AS"), "look gave a row of another form: TypeError("),
        (rows(answer="'mood'"), "look gave an answer that it does not know: 'mood'"),
        (rows(answer="NULL"), "look gave an answer that it does not know: 'None'"),
        (rows(start="NULL"), "look gave a row whose start_uuid is NULL"),
        (rows(detail="now()"), "the query gives 'detail' as TIMESTAMP WITH TIME ZONE; "),
    ],
)
def test_a_failure_is_no_empty_answer(sql: str, failure: str) -> None:
    item = looked(sql, counting(5))
    assert item.failure is not None
    assert item.failure.startswith(failure)
    assert (item.answers, item.count) == ((), 0)


@pytest.mark.parametrize(
    "column", ["start_uuid", "answer", "tier", "event_uuid", "event_ms", "amount", "detail"]
)
def test_a_missing_column_is_a_failure(column: str) -> None:
    item = looked(rows().replace(f"AS {column}", f"AS {column}_"), counting(5))
    assert item.failure == f"look gave a row of another form: KeyError('{column}')"
    assert item.answers == ()


def test_a_query_that_takes_too_long_is_a_failure() -> None:
    endless = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r"
    item = looked(endless, counting(5, timeout_s=0.1))
    assert item.failure == "the query ran for more than 0.1 s and was stopped"


def test_one_answer_that_is_off_fails_the_step_for_all() -> None:
    """What else the query said cannot be believed either."""
    sql = rows(answer="CASE WHEN s.start_uuid = 'odd' THEN 'mood' ELSE 'found' END")
    book = replace(BOOK, steps=(replace(LOOK, query=sql),))
    asked = inquiry(book, finding(uuid="odd"), finding(uuid="even"))
    for found in investigate(asked, counting(5), clock=tick).values():
        assert found.verdict.verdict is VerdictWord.INSUFFICIENT_DATA
        assert found.evidence[0].failure == "look gave an answer that it does not know: 'mood'"
        assert found.evidence[0].answers == ()


def test_the_steps_after_a_failure_are_run() -> None:
    other = replace(LOOK, id="other", query=rows(answer="'found'"))
    book = replace(BOOK, steps=(replace(LOOK, query="SELECT FROM"), other))
    (found,) = investigate(inquiry(book), counting(5), clock=tick).values()
    assert [item.failure is None for item in found.evidence] == [False, True]
    assert found.verdict.verdict is VerdictWord.SUSPICIOUS
    assert "the step look failed: the query failed: Parser Error" in found.verdict.reason


def test_no_rows_are_an_answer() -> None:
    item = looked(rows(where="FALSE"), counting(5))
    assert (item.answers, item.count, item.failure) == ((), 0, None)


def test_an_answer_for_another_start_is_nobody_s() -> None:
    item = looked(rows(start="'other'"), counting(5))
    assert (item.answers, item.count, item.failure) == ((), 0, None)


# --- evidence -----------------------------------------------------------------------------------


def test_evidence_is_enough_to_ask_again() -> None:
    item = looked(rows(detail="'x'", amount="7", tier="'session'"), counting(5), before_s=60)
    assert item == Evidence(
        step="look",
        question="What of look?",
        query=rows(detail="'x'", amount="7", tier="'session'"),
        parameters={
            "cap_ms": BOOK.cap_s * 1000,
            "chain_ms": inquiry(BOOK).detection.chain_s * 1000,
            "start_uuid": "start-uuid",
            "from_ms": NOON_MS - MINUTE_MS,
            "to_ms": WHOLE_MS,
        },
        answers=(Answer(NOON_MS + 5 * MINUTE_MS, "seen", "session", "e0", 7, "x"),),
        count=1,
        digest=item.digest,
        watermark_ms=WHOLE_MS,
        duration_ms=0,
    )
    assert len(item.digest) == 64


def test_how_long_a_step_took() -> None:
    clock = count(0, 0.25)
    (found,) = investigate(inquiry(BOOK), counting(), clock=lambda: next(clock)).values()
    assert found.evidence[0].duration_ms == 250


def test_evidence_cannot_be_changed() -> None:
    item = looked(rows(), counting(5))
    assert isinstance(item.answers, tuple)
    for thing, names in ((item, "answers digest count failure query"), (item.answers[0], "name")):
        for name in names.split():
            with pytest.raises(FrozenInstanceError):
                setattr(thing, name, None)


SAME = (
    answer("seen", 1),
    answer("seen", 1, tier=""),
    answer("seen", 1, event="a"),
    answer("seen", 1, amount=0),
    answer("seen", 1, amount=10),
    answer("seen", 1, detail="x"),
    answer("found", 1),
)


def test_the_digest_tells_any_two_apart() -> None:
    digests = [concluded(answers).evidence[0].digest for answers in [(), *((a,) for a in SAME)]]
    assert len(set(digests)) == len(SAME) + 1
    again = [concluded(answers).evidence[0].digest for answers in [(), *((a,) for a in SAME)]]
    assert again == digests


def test_the_digest_is_of_the_rows_and_not_of_their_order() -> None:
    events = "(VALUES (1, 'a'), (1, 'b'), (2, 'a')) AS v (amount, detail)"
    sql = rows(amount="v.amount", detail="v.detail").replace("WHERE", f"CROSS JOIN {events} WHERE")
    engine = counting(5)
    orders = permutations(("v.amount", "v.detail", "v.amount DESC"), 2)
    items = [looked(f"{sql} ORDER BY {', '.join(order)}", engine) for order in orders]
    assert {item.count for item in items} == {3}
    assert len({item.digest for item in items}) == 1
    assert len({item.answers for item in items}) == 1


def test_the_digest_changes_with_a_row_that_is_not_kept() -> None:
    book = replace(BOOK, keep=1)
    one, two = ([answer("seen", 0), answer("seen", 5, detail=d)] for d in "ab")
    (first,), (second,) = concluded(one, book).evidence, concluded(two, book).evidence
    assert first.answers == second.answers
    assert first.digest != second.digest


# --- what is kept -------------------------------------------------------------------------------

STRONG = answer("act", 200, tier="session", event="strong-uuid", detail="the act")
CHAFF = [answer("act", n, tier="actor", event=f"weak-{n}", detail="chaff") for n in range(150)]
ABUSE = runbook(
    [ACTS],
    line(VerdictWord.TRUE_POSITIVE, "strong", cites=("act",)),
    line(VerdictWord.SUSPICIOUS, "weak"),
)


@pytest.mark.parametrize("keep", [1, 2, 100, 150, 151, 10_000])
def test_answers_are_bounded_and_their_count_is_true(keep: int) -> None:
    (item,) = concluded([*CHAFF, STRONG], replace(ABUSE, keep=keep)).evidence
    assert len(item.answers) == min(keep, 151)
    assert item.count == 151
    assert list(item.answers) == sorted(item.answers, key=lambda a: a.event_ms)


@pytest.mark.parametrize("keep", [1, 100])
def test_no_act_hides_behind_others(keep: int) -> None:
    found = concluded([*CHAFF, STRONG], replace(ABUSE, keep=keep))
    assert found.verdict.verdict is VerdictWord.TRUE_POSITIVE
    assert found.verdict.reason == ("It is true_positive. There was the act [acts: strong-uuid].")
    assert found.evidence[0].answers[-1] == STRONG
    assert found.evidence[0].answers[:-1] == tuple(CHAFF[: keep - 1])


def test_what_is_only_noted_is_kept_last() -> None:
    noted_only = [answer("act", n, tier="target", event=f"t-{n}") for n in range(5)]
    (item,) = concluded([*noted_only, *CHAFF[10:13]], replace(ABUSE, keep=4)).evidence
    assert [a.event for a in item.answers] == ["t-0", "weak-10", "weak-11", "weak-12"]


# --- sessions of one dedup key ------------------------------------------------------------------

OPEN = runbook([LOOK], line(VerdictWord.BENIGN, "unresolved_alert", says="There is one."))
TOLD = replace(OPEN, verdicts=(OPEN.verdicts[0], line(VerdictWord.SUSPICIOUS, says="None.")))


def told(book: Runbook, *findings: Finding, unresolved: Sequence[str] = ()) -> dict[str, str]:
    """Return the reason of each verdict by its start, in the order of the starts."""
    found = conclude(inquiry(book, *findings), [Run(LOOK, {}, 0)], unresolved)
    return {uuid: investigation.verdict.reason for uuid, investigation in found.items()}


def test_an_alert_is_unresolved_for_the_sessions_after_it() -> None:
    findings = [finding(n, uuid=f"start-{n}", dedup_key="ada") for n in (2, 0, 1)]
    assert told(TOLD, *findings) == {
        "start-0": "None.",
        "start-1": "There is one.",
        "start-2": "There is one.",
    }


def test_at_one_moment_the_uuid_decides_which_is_first() -> None:
    findings = [finding(uuid=uuid, dedup_key="ada") for uuid in ("b", "a")]
    assert told(TOLD, *findings) == {"a": "None.", "b": "There is one."}


def test_an_alert_of_another_key_is_none_of_it() -> None:
    findings = [finding(n, uuid=key, dedup_key=key) for n, key in enumerate(("ada", "bob"))]
    assert told(TOLD, *findings) == {"ada": "None.", "bob": "None."}


@pytest.mark.parametrize("word", VerdictWord)
def test_only_abuse_and_suspicion_leave_an_alert_unresolved(word: VerdictWord) -> None:
    book = replace(OPEN, verdicts=(OPEN.verdicts[0], line(word, says="None.")))
    findings = [finding(n, uuid=str(n), dedup_key="ada") for n in range(2)]
    unresolved = word in (VerdictWord.TRUE_POSITIVE, VerdictWord.SUSPICIOUS)
    assert told(book, *findings)["1"] == ("There is one." if unresolved else "None.")


def test_alerts_from_before_count_and_are_left_alone() -> None:
    before = ["ada"]
    findings = [finding(n, uuid=key, dedup_key=key) for n, key in enumerate(("ada", "bob"))]
    assert told(TOLD, *findings, unresolved=before) == {"ada": "There is one.", "bob": "None."}
    assert before == ["ada"]


def test_severities_follow_the_verdicts() -> None:
    book = replace(OPEN, verdicts=(line(VerdictWord.SUSPICIOUS, severity=Severity.HIGH),))
    looked_at, left = finding(uuid="a"), finding(uuid="b")
    evaluation = Evaluation((looked_at, left), {"no user": 1})
    found = conclude(inquiry(book, looked_at), [Run(LOOK, {}, 0)])
    assert raised(evaluation, found) == Evaluation(
        (replace(looked_at, severity=Severity.HIGH), left), {"no user": 1}
    )


def test_a_step_of_another_kind_runs_no_query() -> None:
    window = step("window", {"whole_window": noted("all of it")}, kind="window")
    excuse = line(VerdictWord.BENIGN, rests_on=("window",), cites=("whole_window",))
    engine, book = counting(5), runbook([window], excuse)
    (found,) = investigate(inquiry(book), engine, clock=tick).values()
    assert engine.asked == []
    assert found.evidence[0].query is None
    assert found.verdict.reason == "It is benign. [window] All of it [window]."
    unknown = replace(book, steps=(replace(window, answers={"short_window": noted("short")}),))
    (found,) = investigate(inquiry(unknown), engine, clock=tick).values()
    assert found.evidence[0].failure == (
        "window gave an answer that it does not know: 'whole_window'"
    )
    assert found.verdict.verdict is VerdictWord.INSUFFICIENT_DATA
