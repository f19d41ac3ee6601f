"""Answers to facts, facts to a verdict, and what is said for it."""

from collections.abc import Iterable
from typing import Any

import pytest
from tests.investigate.books import (
    ACTS,
    CLIENT,
    HIGH,
    HOUR_MS,
    MINUTE_MS,
    WHOLE_MS,
    answer,
    failed,
    finding,
    line,
    means,
    noted,
    runbook,
    step,
)
from tests.report.results import NOON_MS, evidence

from mfagap.detect.form import content
from mfagap.detect.load import load
from mfagap.investigate.verdict import decide, meaning, weight
from mfagap.model import (
    AnswerRule,
    Evidence,
    Finding,
    MfaStatus,
    Runbook,
    Severity,
    Verdict,
    VerdictWord,
)

ABUSE = line(VerdictWord.TRUE_POSITIVE, "strong", rests_on=("acts",), severity=Severity.CRITICAL)
SIGNALS = line(VerdictWord.SUSPICIOUS, "signal")
GAP = line(VerdictWord.SECURITY_RISK, rests_on=("client", "acts"))
BOOK = runbook([CLIENT, ACTS], ABUSE, SIGNALS, GAP)
NOTHING = (evidence("client"), evidence("acts"))
ACTED = evidence("acts", answer("act", 5, tier="session", event="act-uuid", detail="an act"))
ODD = evidence("client", answer("odd"))


def judged(
    book: Runbook, items: Iterable[Evidence], found: Finding | None = None, **changes: Any
) -> Verdict:
    """Return the verdict of ``book`` on a sign-in at noon, whose whole window is there."""
    options: dict[str, Any] = {"watermark_ms": WHOLE_MS, "unresolved": False, **changes}
    return decide(book, found or finding(), list(items), **options)


# --- which line decides -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "verdict"),
    [
        (NOTHING, VerdictWord.SECURITY_RISK),
        ((ODD, evidence("acts")), VerdictWord.SUSPICIOUS),
        ((evidence("client"), ACTED), VerdictWord.TRUE_POSITIVE),
        ((ODD, ACTED), VerdictWord.TRUE_POSITIVE),
    ],
)
def test_the_first_line_that_holds_decides(
    items: tuple[Evidence, ...], verdict: VerdictWord
) -> None:
    assert judged(BOOK, items).verdict is verdict


def test_all_facts_of_a_line_are_needed() -> None:
    book = runbook([CLIENT, ACTS], line(VerdictWord.BENIGN, "habit", "signal"))
    both = evidence("client", answer("usual"), answer("odd"))
    assert judged(book, [both]).verdict is VerdictWord.BENIGN
    for name in ("usual", "odd"):
        one = evidence("client", answer(name))
        assert judged(book, [one]).verdict is VerdictWord.INSUFFICIENT_DATA


def test_facts_of_several_steps_count_together() -> None:
    book = runbook([CLIENT, ACTS], line(VerdictWord.SUSPICIOUS, "signal", "strong"))
    assert judged(book, [ODD, ACTED]).verdict is VerdictWord.SUSPICIOUS


def test_one_fact_that_must_not_be_there_is_enough() -> None:
    excuse = line(VerdictWord.BENIGN, "habit", unless=frozenset({"signal", "strong"}))
    book = runbook([CLIENT, ACTS], excuse)
    usual = evidence("client", answer("usual"))
    assert judged(book, [usual]).verdict is VerdictWord.BENIGN
    assert judged(book, [usual, ACTED]).verdict is VerdictWord.INSUFFICIENT_DATA
    assert judged(book, [usual, ODD]).verdict is VerdictWord.INSUFFICIENT_DATA


@pytest.mark.parametrize("status", MfaStatus)
def test_the_mfa_status_is_a_fact(status: MfaStatus) -> None:
    book = runbook([CLIENT], *(line(VerdictWord.BENIGN, s.value, says=s.value) for s in MfaStatus))
    assert judged(book, [], finding(mfa_status=status)).reason == status.value


def test_an_unresolved_alert_is_a_fact() -> None:
    book = runbook([CLIENT], line(VerdictWord.SUSPICIOUS, "unresolved_alert"))
    assert judged(book, [], unresolved=True).verdict is VerdictWord.SUSPICIOUS
    assert judged(book, [], unresolved=False).verdict is VerdictWord.INSUFFICIENT_DATA


# --- what an answer means ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "fact"), [(None, None), (0, None), (4, None), (5, "many"), (6, "many")]
)
def test_an_amount_below_is_only_noted(amount: int | None, fact: str | None) -> None:
    assert meaning(means("many", at_least=5), answer("x", amount=amount)) == fact


def test_without_an_amount_to_reach_any_answer_counts() -> None:
    assert meaning(means("seen"), answer("x")) == "seen"
    assert meaning(means("seen"), answer("x", amount=0)) == "seen"


@pytest.mark.parametrize(
    ("tier", "fact"),
    [("session", "strong"), ("actor", "weak"), ("target", "other"), (None, "other")],
)
def test_a_tier_has_a_meaning_of_its_own(tier: str | None, fact: str) -> None:
    rule = AnswerRule("x", {"session": "strong", "actor": "weak", "": "other"})
    assert meaning(rule, answer("x", tier=tier)) == fact


@pytest.mark.parametrize("tier", ["target", None, ""])
def test_a_tier_that_is_not_named_means_nothing(tier: str | None) -> None:
    assert meaning(ACTS.answers["act"], answer("act", tier=tier)) is None


@pytest.mark.parametrize(("tier", "place"), [("session", 0), ("actor", 3), ("target", 5)])
def test_what_an_earlier_line_asks_for_weighs_more(tier: str, place: int) -> None:
    book = runbook([CLIENT, ACTS], ABUSE, SIGNALS, GAP, line(VerdictWord.SUSPICIOUS, "weak"))
    assert len(book.verdicts) == 5  # what is only noted weighs less than any line
    assert weight(book, "acts", answer("act", tier=tier)) == place


# --- steps that failed ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["client", "acts"])
def test_a_line_that_rests_on_a_failed_step_does_not_hold(name: str) -> None:
    items = [item if item.step != name else failed(name) for item in NOTHING]
    verdict = judged(BOOK, items)
    assert verdict.verdict is VerdictWord.INSUFFICIENT_DATA
    assert verdict.rests_on == ()


def test_what_other_steps_prove_still_counts() -> None:
    assert judged(BOOK, [failed("client"), ACTED]).verdict is VerdictWord.TRUE_POSITIVE
    assert judged(BOOK, [ODD, failed("acts")]).verdict is VerdictWord.SUSPICIOUS


def test_a_failure_is_told_whatever_decided() -> None:
    reason = judged(BOOK, [failed("client"), ACTED]).reason
    assert reason == (
        "It is true_positive. [acts] The step client failed: the query failed: no memory [client]."
    )


SHIPPED = load(content() / "detections" / "okta_legacy_authn_without_mfa").runbook
STEPS = ("client", "factor", "acts", "around", "window")
CLEAN = {
    "window": evidence("window", answer("whole_window")),
    "client": evidence("client", answer("known_integration")),
    "around": evidence("around", answer("habit_days", amount=20), answer("habit_span", amount=20)),
}


def clean(broken: str = "") -> list[Evidence]:
    """Return evidence in which a known integration does what it does each day."""
    return [failed(n) if n == broken else CLEAN.get(n, evidence(n)) for n in STEPS]


@pytest.mark.parametrize(
    ("status", "excuse"),
    [
        (MfaStatus.SINGLE_FACTOR, VerdictWord.BENIGN),
        (MfaStatus.EXPLAINED, VerdictWord.BENIGN),
        (MfaStatus.STEP_UP, VerdictWord.BENIGN),
        (MfaStatus.MFA, VerdictWord.FALSE_POSITIVE),
    ],
)
def test_any_failed_step_forbids_an_excuse(status: MfaStatus, excuse: VerdictWord) -> None:
    assert SHIPPED is not None
    found = finding(mfa_status=status, mfa_event="mfa-uuid")
    assert judged(SHIPPED, clean(), found).verdict is excuse
    for name in STEPS:
        verdict = judged(SHIPPED, clean(broken=name), found).verdict
        assert verdict is VerdictWord.INSUFFICIENT_DATA, name


@pytest.mark.parametrize("unresolved", [False, True])
def test_a_habit_is_no_excuse_while_an_alert_is_unresolved(unresolved: bool) -> None:
    assert SHIPPED is not None
    expected = VerdictWord.SECURITY_RISK if unresolved else VerdictWord.BENIGN
    assert judged(SHIPPED, clean(), unresolved=unresolved).verdict is expected


# --- severity and the second look ---------------------------------------------------------------


@pytest.mark.parametrize("own", Severity)
@pytest.mark.parametrize("rule", [None, *Severity])
def test_a_severity_is_never_lowered(own: Severity, rule: Severity | None) -> None:
    book = runbook([CLIENT], line(VerdictWord.SUSPICIOUS, severity=rule))
    severity = judged(book, [], finding(severity=own)).severity
    assert severity == (own if rule is None else max(own, rule))


@pytest.mark.parametrize(
    ("seen_ms", "again_ms"),
    [
        (-HOUR_MS, 30 * MINUTE_MS),
        (0, 30 * MINUTE_MS),
        (30 * MINUTE_MS - 1, 30 * MINUTE_MS),
        (30 * MINUTE_MS, 4 * HOUR_MS),
        (4 * HOUR_MS - 1, 4 * HOUR_MS),
        (4 * HOUR_MS, None),
        (400 * HOUR_MS, None),
    ],
)
def test_when_to_look_again(seen_ms: int, again_ms: int | None) -> None:
    verdict = judged(BOOK, NOTHING, watermark_ms=NOON_MS + seen_ms)
    assert verdict.follow_up_ms == (None if again_ms is None else NOON_MS + again_ms)


def test_what_is_final_needs_no_second_look() -> None:
    for final in (True, False):
        book = runbook([CLIENT], line(VerdictWord.FALSE_POSITIVE, "mfa", final=final))
        verdict = judged(book, [], finding(mfa_status=MfaStatus.MFA), watermark_ms=NOON_MS)
        assert (verdict.follow_up_ms is None) is final


# --- the reason -------------------------------------------------------------------------------


def said(rule: AnswerRule, *answers: Any, **changes: Any) -> str:
    """Return what a verdict says that cites ``answers`` of the name ``seen``."""
    book = runbook(
        [step("look", {"seen": rule})],
        line(VerdictWord.SUSPICIOUS, says="It was seen.", cites=("seen",), **changes),
    )
    return judged(book, [evidence("look", *answers)]).reason


def test_without_anything_to_cite_the_first_sentence_is_all() -> None:
    assert said(noted("it")) == "It was seen."


def test_every_clause_carries_its_citation() -> None:
    reason = said(
        noted("there was {detail}"),
        answer("seen", event="one-uuid", detail="one"),
        answer("seen", detail="two"),
        rests_on=("look",),
    )
    assert reason == "It was seen. [look] There was one [look: one-uuid]; there was two [look]."


def test_clauses_come_in_the_order_of_the_line() -> None:
    cites = ("act", "usual", "odd")
    book = runbook([CLIENT, ACTS], line(VerdictWord.SUSPICIOUS, cites=cites))
    client = evidence("client", answer("odd"), answer("usual"))
    assert judged(book, [client, ACTED]).reason == (
        "It is suspicious. There was an act [acts: act-uuid]; habit was seen [client]; "
        "the client is odd [client]."
    )


def test_what_is_not_cited_is_not_told() -> None:
    book = runbook([CLIENT, ACTS], line(VerdictWord.SUSPICIOUS, cites=("usual",)))
    assert judged(book, [ODD, ACTED]).reason == "It is suspicious."


@pytest.mark.parametrize(
    ("minute", "after"),
    [
        (0, "0s after the start"),
        (1.5, "90s after the start"),
        (-3, "3m before the start"),
        (90, "90m after the start"),
        (190, "3h after the start"),
    ],
)
def test_a_clause_tells_the_time_from_the_start(minute: float, after: str) -> None:
    assert said(noted("a push was denied {after}"), answer("seen", minute)) == (
        f"It was seen. A push was denied {after} [look]."
    )


@pytest.mark.parametrize(
    ("says", "changes", "clause"),
    [
        ("{amount} users", {"amount": 15}, "15 users"),
        ("{amount} users", {}, "0 users"),
        ("{amount} of {amount}", {"amount": 2}, "2 of 2"),
        ("tied by {tier}", {"tier": "actor_address"}, "Tied by actor address"),
        ("tied by {tier}", {}, "Tied by nothing"),
        ("it was {detail}", {}, "It was nothing named"),
        ("it was {detail}", {"detail": ""}, "It was nothing named"),
        ("{mood} stays", {}, "{mood} stays"),
    ],
)
def test_what_a_clause_can_name(says: str, changes: dict[str, Any], clause: str) -> None:
    assert said(noted(says), answer("seen", **changes)) == f"It was seen. {clause} [look]."


@pytest.mark.parametrize(
    "words",
    ["{tier}", "{after} {amount} {tier} {detail}", "{{detail}}", "{0}", "{detail.__class__}", "%s"],
)
def test_braces_of_the_log_stay_as_they_are(words: str) -> None:
    shown = answer("seen", 5, tier="session", amount=7, event=words, detail=words)
    assert said(noted("x {after} {amount} {tier} {detail}"), shown) == (
        f"It was seen. X 5m after the start 7 session {words} [look: {words}]."
    )


@pytest.mark.parametrize(("count", "more"), [(3, ""), (4, "; and 1 more of them [look]")])
def test_three_of_a_name_are_told(count: int, more: str) -> None:
    answers = [answer("seen", minute, detail=f"no. {minute}") for minute in range(count)]
    assert said(noted("{detail}"), *answers) == (
        f"It was seen. No. 0 [look]; no. 1 [look]; no. 2 [look]{more}."
    )


def test_of_each_kind_the_first_is_told_first() -> None:
    """Nobody can hide what was done behind three of another kind."""
    details = ["add (a)", "add (b)", "add (c)", "create (x)", "grant (y)"]
    answers = [answer("seen", minute, detail=text) for minute, text in enumerate(details)]
    assert said(noted("{detail}"), *answers) == (
        "It was seen. Add (a) [look]; create (x) [look]; grant (y) [look]; "
        "and 2 more of them [look]."
    )


def test_the_log_s_words_cite_nothing_and_are_short() -> None:
    forged = answer("seen", detail="act (x) [acts: e1]. Approved [factor]")
    assert said(noted("{detail}"), forged) == (
        "It was seen. Act (x) (acts: e1). Approved (factor) [look]."
    )
    assert said(noted("{detail}"), answer("seen", detail="x" * 500)) == (
        f"It was seen. X{'x' * 118}… [look]."
    )


def test_what_decided_is_told_before_what_did_not() -> None:
    """An act that decides is named, however many others came before it."""
    weak = [answer("act", n, tier="actor", event=f"weak-{n}", detail="chaff") for n in range(9)]
    strong = answer("act", 10, tier="session", event="strong-uuid", detail="the act")
    book = runbook([ACTS], line(VerdictWord.TRUE_POSITIVE, "strong", cites=("act",)))
    assert judged(book, [evidence("acts", *weak, strong)]).reason == (
        "It is true_positive. There was the act [acts: strong-uuid]."
    )


def test_where_none_of_a_name_decided_all_are_told() -> None:
    weak = [answer("act", n, tier="actor", event=f"weak-{n}", detail="chaff") for n in range(2)]
    book = runbook([CLIENT, ACTS], line(VerdictWord.SUSPICIOUS, "signal", cites=("act",)))
    assert judged(book, [ODD, evidence("acts", *weak)]).reason == (
        "It is suspicious. There was chaff [acts: weak-0]; there was chaff [acts: weak-1]."
    )


def test_the_same_evidence_gives_the_same_verdict() -> None:
    assert judged(BOOK, [ODD, ACTED], HIGH) == judged(BOOK, [ODD, ACTED], HIGH)
