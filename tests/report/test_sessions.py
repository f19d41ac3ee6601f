from dataclasses import replace

import pytest
from tests.report.pages import DETECTION, Page, page
from tests.report.results import ACT, CONTEXT, FINDING, NOON_MS, evidence, investigated, result

from mfagap.model import Answer, Confidence, Policy, Reference

HOUR_MS = 3_600_000
ABUSED = result([FINDING], detections=(DETECTION,), investigations=investigated())


def _session(page: Page, number: int = 1) -> str:
    (text,) = page.texts("article", id=f"session-{number}")
    return text


def test_a_session_says_who_and_how() -> None:
    text = _session(Page(page(ABUSED)))
    for part in (
        "medium true positive single_factor confidence high",
        "ada@example.com",
        "2026-01-15 12:00:00 UTC · from 192.0.2.10 · Mozilla/5.0",
        "ALLOW by Default Rule in Default Policy",
        "Came in by /api/v1/authn",
        "Session id 102A",
        "Start event start-uuid",
    ):
        assert part in text


def test_what_the_log_does_not_have_is_said() -> None:
    context = replace(
        CONTEXT, actor_id=None, source_ip=None, user_agent=None, transaction_id=None,
        request_uri=None,
    )  # fmt: skip
    bare = replace(FINDING, alert_context=context, policy=Policy())
    text = _session(Page(page(result([bare]))))
    for part in (
        "from an address that is not in the log · no user agent",
        "Session policy no event in the log",
        "Came in by not in the log",
        "User id none",
    ):
        assert part in text


def test_a_session_says_what_speaks_for_and_against_it() -> None:
    noted = replace(
        FINDING,
        mfa_link="request_trail",
        mfa_event="mfa-uuid",
        confidence=Confidence.LOW,
        confidence_reasons=("no_policy_event", "remembered_device"),
        explanation=Reference("desktop_sso", "start", "iwa-uuid"),
        annotations=(
            Reference("push_denied", "start", "push-uuid"),
            Reference("radius", "x", "r"),
        ),
    )
    text = _session(Page(page(result([noted]))))
    assert "Second factor mfa-uuid tied by request trail" in text
    assert "Explained by desktop sso, event iwa-uuid" in text
    assert "Notes push denied (push-uuid), radius (r)" in text
    assert "Confidence low, since: no policy event, remembered device" in text


def test_a_reason_links_to_the_evidence_that_it_cites() -> None:
    parsed = Page(page(ABUSED))
    assert parsed.texts("p", class_="reason") == ["It acted. acts An act was seen acts."]
    assert [e.attributes["href"] for e in parsed.all("a", class_="cite")] == ["#session-1-3"] * 2


@pytest.mark.parametrize(
    "reason", ["It did. [nothing]", "It did. [acts: other-uuid]", "It did. [acts, nothing]", "It ["]
)
def test_a_citation_that_does_not_hold_is_no_link(reason: str) -> None:
    scanned = result([FINDING], investigations=investigated(reason=reason))
    parsed = Page(page(scanned))
    assert parsed.texts("p", class_="reason") == [reason]
    assert not parsed.all("a", class_="cite")


def test_a_reason_may_rest_on_several_steps() -> None:
    parsed = Page(page(result([FINDING], investigations=investigated(reason="So. [acts, window]"))))
    assert parsed.texts("a", class_="cite") == ["acts", "window"]


def test_when_to_look_again() -> None:
    scanned = result([FINDING], investigations=investigated(follow_up_ms=NOON_MS + HOUR_MS))
    assert "Look again from 2026-01-15 13:00:00 UTC on" in _session(Page(page(scanned)))
    assert "Look again" not in page(ABUSED)


def test_evidence_is_whole() -> None:
    parsed = Page(page(ABUSED))
    steps = parsed.texts("section", class_="step")
    assert parsed.texts("summary")[1] == "Evidence: 5 steps, 5 answers"
    assert [text.split()[0] for text in steps] == ["client", "factor", "acts", "around", "window"]
    assert steps[2] == (
        "acts What of acts? 1 answer Answer Detail Tied by Event ▲sign of abuse: act "
        "user.mfa.factor.activate (Ada) session 2026-01-15 12:00:40 act-uuid "
        "Looked from 2026-01-15 11:59:00 to 2026-01-15 12:00:00. "
        "Log believed complete to 2026-01-15 13:00:00. Query. "
        f"SHA-256 of the rows: {'0' * 64}"
    )
    assert "users failed before 15" in steps[3]
    assert "Query" not in steps[4]


def test_a_step_that_failed_or_found_nothing_says_so() -> None:
    items = [evidence("acts", failure="timed out after 30 s"), evidence("client", parameters={})]
    scanned = result([FINDING], detections=(DETECTION,), investigations=investigated(items=items))
    parsed = Page(page(scanned))
    failed, empty = parsed.texts("section", class_="step")
    assert "Failed: timed out after 30 s" in failed
    assert "Nothing found." in empty
    assert "Looked from" not in empty
    steps = parsed.rows("Steps, in the order")
    assert [row[0] for row in steps] == ["acts", "client"]
    assert [row[2:] for row in steps] == [
        ["1", "0", "0", "1"],
        ["1", "0", "0", "0"],
    ]


def test_what_weighs_most_is_shown_where_a_step_found_very_much() -> None:
    weak = [Answer(NOON_MS + n, "act", "target", f"weak-{n}", None, "noise") for n in range(60)]
    items = [evidence("acts", *weak, ACT, count=99)]
    scanned = result([FINDING], detections=(DETECTION,), investigations=investigated(items=items))
    parsed = Page(page(scanned))
    (text,) = parsed.texts("section", class_="step")
    assert "99 answers; the 12 that weigh most" in text
    assert "act-uuid" in text
    assert len(parsed.all("li", class_="e-abuse")) == 12
    assert "49 more events are in the evidence." in _session(parsed)


def test_an_answer_that_the_runbook_does_not_know_is_shown_all_the_same() -> None:
    odd = Answer(NOON_MS - 1000, "surprise", None, "odd-uuid", None, "so it says")
    items = [evidence("acts", odd), evidence("custom", replace(odd, detail=None))]
    scanned = result([FINDING], detections=(DETECTION,), investigations=investigated(items=items))
    parsed = Page(page(scanned))
    listed = parsed.texts("ol", class_="events")[0]
    assert "surprise: so it says" in listed
    assert "custom" in parsed.texts("text", class_="lane")
