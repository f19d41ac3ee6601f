import base64
import hashlib
import io
import re
import unicodedata
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from examples import demo_org
from tests.report.pages import DETECTION, HOSTILE, Page, hostile, many, page
from tests.report.results import (
    CONTEXT,
    EVIDENCE,
    FINDING,
    NOON_MS,
    POLICY,
    evidence,
    investigated,
    result,
    with_context,
)

from mfagap.model import (
    Alert,
    Answer,
    MfaStatus,
    Reason,
    Reference,
    ScanResult,
    Severity,
    Totals,
    VerdictWord,
)
from mfagap.report import document, html
from mfagap.report.clean import html as cleaned
from mfagap.report.clean import html_lines
from mfagap.service.scan import Request, scan

ABUSED = result(
    [FINDING],
    detections=(DETECTION,),
    investigations=investigated(),
    alerts=(Alert(FINDING.detection, "key", NOON_MS, Severity.CRITICAL, (FINDING,)),),
)


def _session(page: Page, number: int = 1) -> str:
    (text,) = page.texts("article", id=f"session-{number}")
    return text


# --- hostile text ---


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_adds_no_element_and_no_attribute(text: str) -> None:
    parsed = _hostile(text)
    assert _shape(parsed) == _shape(_hostile("calm"))
    assert not parsed.all("script")


@cache
def _hostile(text: str) -> Page:
    """Return the page with ``text`` in every place, made once for all that is asked of it."""
    return Page(page(hostile(text)))


def _shape(parsed: Page) -> Counter[tuple[str, ...]]:
    """Count the elements by their attributes; whether a step is cited is for the text to say."""
    shape = Counter((e.tag, *sorted(e.attributes)) for e in parsed.elements)
    del shape["a", "class", "href"]
    return shape


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_leaves_nothing_that_is_not_seen(text: str) -> None:
    parsed = _hostile(text)
    source = parsed.source
    assert source.isascii()
    assert set(re.findall(r"[^ -~]", source)) <= {"\n"}
    for element in parsed.elements:
        for char in set(element.text) - {"\n"}:
            assert unicodedata.category(char)[0] not in "CZ" or char == " "
            assert not unicodedata.combining(char)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_reaches_no_link_and_no_class(text: str) -> None:
    parsed = _hostile(text)
    for element in parsed.elements:
        assert not [name for name in element.attributes if name.startswith("on")]
        assert not element.attributes.keys() & {"style", "src", "srcset", "action", "data"}
        for name in ("href", "class", "id"):
            assert re.fullmatch(r"#?[\w -]*", element.attributes.get(name, ""))
    ids = [e.attributes["id"] for e in parsed.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))


def test_a_megabyte_of_text_is_cut() -> None:
    assert len(page(hostile("x" * 1_000_000))) < 150_000


def test_markup_is_shown_as_it_was_written() -> None:
    parsed = Page(page(hostile("<b>&amp;</b>")))
    assert parsed.texts("h3", id="session-1-title") == ["<b>&amp;</b>"]


def test_templates_in_the_log_are_text() -> None:
    assert "1337" not in page(hostile("{{ 7 * 191 }}"))


def test_an_output_of_any_encoding_can_take_it() -> None:
    source = page(result([with_context(user_email="zoë@example.com 日本")]))
    assert source.isascii()
    assert "zoë@example.com 日本" in _session(Page(source))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("curl/8.5.0", "curl/8.5.0"),
        ("a\x1b\u202e", "a\\x1b\\u202e"),
        ("a\u00a0b\u3000c", "a b c"),
        ("a\U0001d173b\ufffe\ue000", "a\\u1d173b\\ufffe\\ue000"),
        ("<b>", "<b>"),
        ("x" * 400, "x" * 299 + "…"),
        ("\ue000" * 299, "\\ue000" * 49 + "\\ue00…"),
    ],
)
def test_what_is_not_seen_is_spelled_out(text: str, shown: str) -> None:
    assert cleaned(text) == shown


def test_lines_are_kept_where_they_mean_something() -> None:
    assert html_lines("a\n\tb\r\n\u202e") == "a\n    b\\x0d\n\\u202e"
    assert len(html_lines("x\n" * 50_000)) == 20_000


# --- the file ---


def test_the_policy_lets_in_the_style_sheet_and_nothing_else() -> None:
    parsed = Page(page(ABUSED))
    (style,) = parsed.all("style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    (policy,) = [
        e.attributes["content"]
        for e in parsed.all("meta")
        if e.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "</" not in style.text
    assert not re.search(r"@import|url\((?!#)", style.text)


def test_every_link_leads_somewhere_on_the_page() -> None:
    parsed = Page(page(ABUSED))
    ids = {e.attributes["id"] for e in parsed.elements if "id" in e.attributes}
    targets = {e.attributes["href"] for e in parsed.all("a")}
    assert len(targets) > 10
    assert {f"#{name}" for name in ids} >= targets


def test_the_same_result_makes_the_same_bytes() -> None:
    assert page(ABUSED) == page(ABUSED)


def test_tables_have_captions_and_scopes_and_drawings_have_names() -> None:
    parsed = Page(page(ABUSED))
    assert len(parsed.all("table")) == len(parsed.all("caption"))
    assert all(e.attributes.get("scope") in {"col", "row"} for e in parsed.all("th"))
    ids = {e.attributes.get("id"): e.tag for e in parsed.elements}
    drawings = parsed.all("svg", role="img")
    assert len(drawings) == 2
    for drawing in drawings:
        named = drawing.attributes["aria-labelledby"].split()
        assert [ids[name] for name in named] == ["title", "desc"]
    for other in parsed.all("svg", role=None):
        hidden = other.attributes.get("aria-hidden") == "true"
        assert hidden or "svg" in other.inside


def test_headings_come_in_order() -> None:
    levels = [int(e.tag[1]) for e in Page(page(ABUSED)).elements if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


# --- what is in it ---

SECTIONS = [
    "Summary",
    "Legacy sessions by day",
    "Who and what",
    "Sessions",
    "The runbook as it ran",
    "What to harden",
    "Reading this report",
]


@pytest.mark.parametrize("scanned", [ABUSED, result(), result([FINDING])], ids=range(3))
def test_every_section_is_there(scanned: ScanResult) -> None:
    assert Page(page(scanned)).texts("h2") == SECTIONS


def test_counts() -> None:
    findings = [
        *(replace(FINDING, uuid=f"s{n}", start_ms=NOON_MS + n) for n in range(3)),
        replace(FINDING, uuid="c", mfa_status=MfaStatus.CHALLENGED),
        replace(FINDING, uuid="e", mfa_status=MfaStatus.EXPLAINED),
        *(replace(FINDING, uuid=f"m{n}", mfa_status=MfaStatus.MFA) for n in range(1200)),
    ]
    looked_at = (
        investigated(findings[0])
        | investigated(findings[1], verdict=VerdictWord.SUSPICIOUS)
        | investigated(findings[2], verdict=VerdictWord.SUSPICIOUS)
        | investigated(findings[4], verdict=VerdictWord.BENIGN)
    )
    alerts = tuple(Alert("d", f"k{n}", 0, Severity.HIGH, (FINDING,)) for n in range(4))
    parsed = Page(page(result(findings, investigations=looked_at, alerts=alerts)))
    assert parsed.texts("p", class_="lede") == [
        "3 of 1,205 legacy sessions got in with a password alone. 1 shows abuse, 2 are suspicious. "
        "4 alerts."
    ]
    assert [(t.split()[0], t) for t in parsed.texts("span", class_="count")] == [
        (n, n) for n in ("1", "2", "0", "0", "1", "0", "1")
    ]
    assert parsed.texts("span", class_="name") == [
        "true positive",
        "suspicious",
        "security risk",
        "insufficient data",
        "benign",
        "false positive",
        "not investigated",
    ]
    assert [row[:2] for row in parsed.rows("MFA status of all 1,205")] == [
        ["single_factor", "3"],
        ["challenged", "1"],
        ["unsettled", "0"],
        ["step_up", "0"],
        ["explained", "1"],
        ["mfa", "1,200"],
    ]
    assert parsed.rows("Legacy sessions by day") == [
        ["2026-01-15", "3", "1", "0", "0", "1", "1,200"]
    ]


def test_one_of_each_reads_well() -> None:
    text = Page(page(ABUSED)).texts("p", class_="lede")
    assert text == ["1 of 1 legacy session got in with a password alone. 1 shows abuse, 0 are "
                    "suspicious. 1 alert."]  # fmt: skip


def test_what_was_read_and_what_was_not() -> None:
    lost = Reason("not JSON", used=False)
    scanned = result(
        problems={lost: 1200},
        examples={lost: ("a.ndjson:1",)},
        ignored=tuple((f"{n:03}.pipe", "no regular file") for n in range(12)),
        skipped={"no user": 3},
    )
    assert Page(page(scanned)).texts("ul", class_="notes") == [
        "Read 2 events from 1 file, 2026-01-15T11:59:59.000Z to 2026-01-15T12:00:00.000Z. "
        "Could not use: 1,200 1,200 x not JSON (a.ndjson:1, …) Passed over: 12 files "
        + " ".join(f"{n:03}.pipe: no regular file" for n in range(10))
        + " … and 2 more Never fire: 3 with no user."
    ]


def test_very_many_problems_are_not_all_named() -> None:
    reasons = {Reason(f"odd {n:03}", used=True): 1 for n in range(100)}
    scanned = result(problems=reasons, examples=dict.fromkeys(reasons, ("a:1",)))
    (notes,) = Page(page(scanned)).texts("ul", class_="notes")
    assert "odd 059" in notes
    assert "odd 060" not in notes
    assert "… and 40 more" in notes


def test_nothing_at_all() -> None:
    parsed = Page(page(result(totals=Totals())))
    assert parsed.texts("p", class_="lede") == [
        "0 of 0 legacy sessions got in with a password alone. 0 alerts."
    ]
    assert parsed.texts("p", class_="empty") == [
        "No legacy session is in the log.",
        "No session to show.",
        "No session to show.",
        "No detection was run.",
        "No policy rule let a session in that is shown.",
    ]
    assert parsed.texts("p", class_="asof") == ["Judged as of 2026-01-15 12:00:00 UTC"]


def test_not_investigated() -> None:
    parsed = Page(page(result([FINDING], detections=(DETECTION,))))
    assert "The runbook was not run on this session." in _session(parsed)
    assert "not investigated" in _session(parsed)
    assert "It was not run on the sessions shown." in parsed.texts("section", id="runbook")[0]
    assert not parsed.all("figure", class_="timeline")
    assert not parsed.all("details", class_="evidence")


def test_only_the_statuses_that_are_asked_for_are_shown() -> None:
    findings = [FINDING, replace(FINDING, uuid="m", mfa_status=MfaStatus.MFA)]
    parsed = Page(page(result(findings)))
    assert len(parsed.all("article")) == 1
    assert "1 session shown" in parsed.texts("section", id="summary")[0]


# --- many sessions ---


def test_the_worst_are_shown_in_full_and_the_others_listed() -> None:
    findings = many(html.MOST_SESSIONS + 3)
    looked_at = {k: v for f in findings for k, v in investigated(f).items()}
    scanned = result(findings, detections=(DETECTION,), investigations=looked_at)
    parsed = Page(page(scanned))
    assert len(parsed.all("article")) == html.MOST_SESSIONS
    (section,) = parsed.texts("section", id="sessions")
    assert "The 200 worst of 203 sessions are shown in full; the other 3 are listed" in section
    others = parsed.rows("The other 3 sessions")
    assert [row[2] for row in others] == [f"user{n}@example.com" for n in (200, 201, 202)]
    assert [row[1] for row in others] == ["true positive"] * 3
    assert len(parsed.rows("At a glance")) == html.MOST_SESSIONS
    assert parsed.rows("Steps, in the order")[0][2] == "203"
    assert len(parsed.all("pre")) == 4  # each query once


def test_all_are_shown_in_full_where_they_are_few_enough() -> None:
    parsed = Page(page(result(many(html.MOST_SESSIONS))))
    assert len(parsed.all("article")) == html.MOST_SESSIONS
    assert "The other" not in parsed.texts("section", id="sessions")[0]


def test_not_even_a_table_has_room_for_everything() -> None:
    source = page(result(many(html.MOST_SESSIONS + html.MOST_ROWS + 7)))
    assert "7 more are not listed here; the formats json, jsonl and csv have all" in source
    assert len(source) < 10_000_000


def test_a_thousand_hostile_sessions_stay_a_file_that_can_be_mailed() -> None:
    text = '"<\U0001f600日' * 1000
    answers = [Answer(NOON_MS + n, "act", text, f"{n}{text}", n, text) for n in range(100)]
    findings = [
        replace(
            f,
            alert_context=replace(CONTEXT, user_email=text, user_agent=text, source_ip=text),
            annotations=(Reference(text, text, text),) * 100,
            confidence_reasons=(text,) * 100,
            policy=replace(POLICY, rule_name=text, policy_name=text),
        )
        for f in many(1000)
    ]
    items = [evidence(step, *answers) for step in ("client", "factor", "acts", "around", "window")]
    looked_at = {k: v for f in findings for k, v in investigated(f, items, reason=text).items()}
    source = page(result(findings, detections=(DETECTION,), investigations=looked_at))
    assert 5_000_000 < len(source) < 20_000_000
    shown = source.count("<article")
    assert 20 < shown < html.MOST_SESSIONS
    assert f"<caption>The other {1000 - shown} sessions</caption>" in source


def test_a_thousand_usual_sessions_are_small() -> None:
    findings = many(1000)
    looked_at = {k: v for f in findings for k, v in investigated(f, EVIDENCE).items()}
    source = page(result(findings, detections=(DETECTION,), investigations=looked_at))
    assert len(source) < 5_000_000


# --- a real scan ---


def test_the_demo(tmp_path: Path) -> None:
    demo_org.main(str(tmp_path))
    scanned = scan(Request(paths=[str(tmp_path)], stdin=io.BytesIO()))
    parsed = Page(page(scanned))
    assert parsed.texts("h2") == SECTIONS
    shown = document.shown(scanned, document.ALL)
    assert len(parsed.all("article")) == len(shown) > 10
    assert sum(map(int, parsed.texts("span", class_="count"))) == len(shown)
    assert {row[1] for row in parsed.rows("At a glance")} >= {"true positive", "security risk"}
    assert [row[5] for row in parsed.rows("Steps, in the order")] == ["0"] * 5
    assert parsed.all("svg", class_="mark m-abuse")
