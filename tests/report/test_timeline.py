from dataclasses import replace

from tests.report.pages import DETECTION, Page, page
from tests.report.results import (
    ACT,
    EVIDENCE,
    FINDING,
    NOON_MS,
    POLICY_SAID,
    evidence,
    investigated,
    result,
)

from mfagap.model import Answer

HOUR_MS = 3_600_000


def test_a_timeline_is_drawn_and_told() -> None:
    early = Answer(NOON_MS - HOUR_MS, "push_denied", "transaction", "push-uuid", None, None)
    items = [evidence("factor", early, POLICY_SAID), *EVIDENCE[2:]]
    scanned = result([FINDING], detections=(DETECTION,), investigations=investigated(items=items))
    parsed = Page(page(scanned))
    said = [" ".join(e.text.split()) for e in parsed.all("li") if "ol" in e.inside][:4]
    assert said[0].startswith("1\N{MINUS SIGN}60m 2026-01-15 11:00:00 a push was denied")
    assert said[1].startswith("▸start 2026-01-15 12:00:00 the session starts")
    assert said[2].startswith("2+0s 2026-01-15 12:00:00 the session policy said ALLOW")
    assert said[3].startswith("3+40s 2026-01-15 12:00:40 ")
    assert "user.mfa.factor.activate (Ada) 40s after the start, tied by session" in said[3]
    assert parsed.texts("text", class_="lane") == ["sign-in", "policy", "factor", "acts"]
    assert parsed.texts("text", class_="gap-label") == ["60m", "59m"]
    assert parsed.texts("text", class_="tick")[1:] == ["\N{MINUS SIGN}60m", "start", "+40s", "+60m"]
    assert len(parsed.all("svg", class_="mark m-abuse")) == 2


def test_marks_of_one_moment_stand_apart_or_above_each_other() -> None:
    acts = [replace(ACT, event=f"act-{n}", event_ms=NOON_MS) for n in range(2)]
    items = [evidence("factor", POLICY_SAID), evidence("acts", *acts)]
    scanned = result([FINDING], detections=(DETECTION,), investigations=investigated(items=items))
    marks = Page(page(scanned)).all("svg", class_="mark m-abuse")
    places = [(mark.attributes["x"], mark.attributes["y"]) for mark in marks]
    assert len(set(places)) == 2
