import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.report.hardening import schema
from tests.report.hardening.rendering import rendered
from tests.report.hardening.results import (
    AGREEMENT,
    CHANGE,
    CHECK,
    CLIENT,
    EMPTY,
    FAILED,
    FOUND,
    LOCKED_OUT,
    NOON_MS,
    PASSED,
    PLAN,
    SKIPPED,
    UNKNOWN,
    ZONES,
    many,
    with_results,
)
from tests.report.pages import Page

from mfagap.model import Severity
from mfagap.model.hardening import (
    Access,
    Decision,
    Disagreement,
    Effect,
    Hardening,
)
from mfagap.report.hardening import html

SECTIONS = [
    "Summary",
    "Rules that let sessions in without a factor",
    "Checks",
    "The plan",
    "Whom the plan affects",
    "Can the impact be believed?",
    "Who still uses the legacy API",
    "What is known, and what is not",
    "Reading this report",
]


def _page(found: Hardening) -> Page:
    return Page(rendered("html", found))


PAGE = _page(FOUND)


def _section(page: Page, name: str) -> str:
    (text,) = page.texts("section", id=name)
    return text


@pytest.mark.parametrize("found", [FOUND, EMPTY, many(3)], ids=range(3))
def test_every_section_is_there(found: Hardening) -> None:
    page = _page(found)
    assert page.texts("h2") == SECTIONS
    links = {e.attributes["href"] for e in page.all("a")}
    ids = {e.attributes["id"] for e in page.elements if "id" in e.attributes}
    assert {link.removeprefix("#") for link in links} <= ids
    assert len(page.all("nav")[0].text.split("\n")) >= len(SECTIONS)


def test_the_policy_lets_in_the_style_sheet_and_nothing_else() -> None:
    (style,) = PAGE.all("style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    (policy,) = [e.attributes["content"] for e in PAGE.all("meta") if "http-equiv" in e.attributes]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not PAGE.all("script")


def test_tables_have_captions_and_scopes() -> None:
    assert len(PAGE.all("table")) == len(PAGE.all("caption"))
    assert all(e.attributes.get("scope") in {"col", "row"} for e in PAGE.all("th"))


def test_headings_come_in_order() -> None:
    levels = [int(e.tag[1]) for e in PAGE.elements if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_summary() -> None:
    assert PAGE.texts("p", class_="asof") == [
        "Sign-ins from 2025-12-16 12:00:00 UTC to 2026-01-15 12:00:00 UTC · policies of "
        "https://example.okta.com · read 2026-01-15 11:00:00 UTC"
    ]
    assert PAGE.texts("p", class_="lede")[0] == (
        "41 legacy sessions got in on one factor (38 on it alone, 3 that passed a second one "
        "later). The plan has 1 change: it may cost somebody access."
    )
    assert "4 results of 2 checks" in PAGE.texts("h3")
    assert PAGE.texts("span", class_="count") == ["1", "1", "1", "1", "1", "0", "0", "0", "1"]
    assert PAGE.texts("span", class_="name") == [
        *("fail", "unknown", "pass", "not applicable"),
        *("locked out", "loses a program", "unknown", "prompted", "unaffected"),
    ]


def test_rules_that_let_sessions_in() -> None:
    assert PAGE.rows("As the log shows them used") == [
        [
            "Scripts 0pr1legacy000000001",
            "Service accounts",
            "41",
            "2026-01-15 11:59:00",
            "session_rule_without_factor",
        ]
    ]


def test_a_rule_that_several_checks_name_is_one_row_and_the_most_used_comes_first() -> None:
    results = (
        replace(FAILED, check="other", amount=2, last_ms=NOON_MS),
        FAILED,
        replace(FAILED, subject_id="0pr5", subject_name="", policy_id="00p9", amount=99),
        replace(FAILED, subject_id="0pr6", subject_name="No policy", policy_id=None, amount=1),
        replace(FAILED, subject_id="0pr7", amount=0),
        PASSED,
        replace(FAILED, subject="user", subject_id="00u1"),
    )
    checks = (CHECK, replace(CHECK, id="other"))
    rows = _page(with_results(*results, checks=checks)).rows("As the log shows them used")
    assert rows == [
        ["0pr5 0pr5", "00p9", "99", "2026-01-15 11:59:00", "session_rule_without_factor"],
        [
            "Scripts 0pr1legacy000000001",
            "Service accounts",
            "41",
            "2026-01-15 12:00:00",
            "other, session_rule_without_factor",
        ],
        ["No policy 0pr6", "not known", "1", "2026-01-15 11:59:00", "session_rule_without_factor"],
    ]


def test_checks_with_their_results() -> None:
    first, second = PAGE.texts("article", class_="session check")
    assert first == (
        "critical fail 1 pass 1 not applicable 1 A session rule lets people in without a factor "
        "session_rule_without_factor · STIG V-273186 · CIS 6.3, 6.5 The legacy API obeys session "
        "rules alone. What fails or is unknown Result Subject Why Seen Last (UTC) fail critical "
        "Scripts 0pr1legacy000000001 Scripts let 41 sessions in without a factor. 2 events "
        "start-1, start-2 41 2026-01-15 11:59:00 What to do: Let the rule ask for a factor at "
        "every sign-in. What passes or does not apply What passes or does not apply Result Subject "
        "Why Seen Last (UTC) pass Default Rule 0pr2default00000002 Default Rule asks for a factor. "
        "not applicable org The org has no such rule."
    )
    assert "unknown medium org zones is not known" in second
    assert "What to do" not in second


def test_the_head_of_a_check_shows_the_worst_of_what_fails_or_its_own() -> None:
    low, medium = (replace(FAILED, severity=each) for each in (Severity.LOW, Severity.MEDIUM))
    unknown = replace(UNKNOWN, check=CHECK.id, severity=Severity.CRITICAL)
    for results, word in (((low, medium, unknown), "medium"), ((unknown,), "high")):
        page = _page(with_results(*results, checks=(CHECK,)))
        assert page.texts("article", id="check-1")[0].startswith(f"{word} ")


@pytest.mark.parametrize(
    ("safe", "says"),
    [
        ((), "0 changes."),
        ((True,), "1 change: 1 costs nobody access, as far as is known."),
        ((True, True, False), "3 changes: 2 cost nobody access, as far as is known."),
        ((False, False), "2 changes: each may cost somebody access."),
    ],
)
def test_how_many_changes_cost_nobody_access(safe: tuple[bool, ...], says: str) -> None:
    changes = tuple(replace(CHANGE, safe=each) for each in safe)
    page = _page(replace(FOUND, plan=replace(PLAN, changes=changes)))
    assert page.texts("p", class_="lede")[0].endswith(f"The plan has {says}")


def test_what_is_older_than_a_change_is_told_and_does_not_count() -> None:
    page = _page(replace(FOUND, agreement=replace(AGREEMENT, changed=1)))
    assert page.texts("p", class_="lede")[1] == (
        "Today's policies decide 1,199 of 1,199 logged sign-ins as Okta recorded: 100 %. Not "
        "counted, since what decides them was changed later: 1."
    )


def test_a_person_does_not_break() -> None:
    page = _page(replace(FOUND, affected=[replace(LOCKED_OUT, effect=Effect.BREAKS)]))
    assert "Came in by a program or channel that never passed a factor." in _section(page, "impact")
    assert "breaks" not in _section(page, "impact")


def test_every_trend_is_explained() -> None:
    (reading,) = PAGE.texts("section", id="reading")
    trends = schema.SCHEMA["$defs"]["client"]["properties"]["trend"]["enum"]
    assert [trend for trend in trends if f"{trend} " not in reading] == []
    assert "got in on one factor" in reading


def test_checks_come_in_the_order_of_their_worst_result() -> None:
    page = _page(with_results(UNKNOWN, PASSED, checks=(CHECK, replace(CHECK, id="idle"), ZONES)))
    ids = [text.split(" · ")[0] for text in page.texts("p", class_="sub")[:3]]
    assert ids == ["wide_network_zone", "session_rule_without_factor", "idle"]
    assert "It gave no result." in page.texts("article", id="check-3")[0]


def test_the_plan_shows_each_change_and_its_json() -> None:
    (change,) = PAGE.texts("article", id="change-1")
    assert change.startswith(
        "unsafe 1. Replace Scripts "
        "PUT /api/v1/policies/00p1service00000001/rules/0pr1legacy000000001 · "
        "close-0pr1legacy000000001 Closes Scripts. bob@example.com has no factor. "
        "Closes session_rule_without_factor:0pr1legacy000000001 What it changes --- before"
    )
    (difference,) = PAGE.all("pre", id="difference-1")
    assert difference.text.splitlines()[2:] == [
        "@@ -2,7 +2,8 @@",
        '   "actions": {',
        '     "signon": {',
        '       "access": "ALLOW",',
        '-      "requireFactor": false',
        '+      "factorPromptMode": "ALWAYS",',
        '+      "requireFactor": true',
        "     }",
        "   },",
        '   "conditions": {',
    ]
    (json,) = PAGE.all("pre", id="json-1")
    assert '"requireFactor": true' in json.text
    (terraform,) = PAGE.all("pre", id="terraform")
    assert "okta_policy_rule_signon" in terraform.text
    assert "Disable the rule." in _section(PAGE, "plan")


def test_what_is_created_and_until_when() -> None:
    made = replace(
        CHANGE, id="keep", method="POST", before=None, safe=True, expires_ms=NOON_MS, closes=()
    )
    page = _page(replace(FOUND, plan=replace(PLAN, changes=(made,), alternatives=())))
    (change,) = page.texts("article", id="change-1")
    assert change.startswith("safe until 2026-01-15 12:00:00 UTC 1. Create Scripts POST ")
    assert "Closes session" not in change
    assert "beside or instead" not in _section(page, "plan")


def test_a_change_without_a_name_is_known_by_its_id() -> None:
    nameless = replace(CHANGE, after={"name": 7})
    page = _page(replace(FOUND, plan=replace(PLAN, changes=(nameless,))))
    assert page.texts("h3", id="change-1-title") == ["1. Replace close-0pr1legacy000000001"]


def test_json_that_would_be_cut_is_not_shown_at_all() -> None:
    for after in ({"name": "x" * 400}, {"list": ["x" * 100] * 300}):
        page = _page(replace(FOUND, plan=replace(PLAN, changes=(replace(CHANGE, after=after),))))
        assert "It is too long for this page; mfagap harden plan -o FILE writes it." in (
            _section(page, "plan")
        )
        assert not page.all("pre", id="json-1")


def test_terraform_that_would_be_cut_is_not_shown_at_all() -> None:
    changes = [replace(CHANGE, id=f"c{n}") for n in range(html.MOST_CHANGES + 3)]
    page = _page(replace(FOUND, plan=replace(PLAN, changes=changes)))
    plan = _section(page, "plan")
    assert "It is too long for this page; mfagap harden plan --terraform FILE writes it." in plan
    assert "3 more changes are in the format json." in plan
    assert not page.all("pre", id="terraform")


def test_whom_it_affects() -> None:
    assert PAGE.rows("1 user is affected") == [
        [
            "locked out",
            "bob@example.com",
            "Mozilla/5.0",
            "192.0.2.11",
            "3",
            "2026-01-15 11:00:00",
            "Must pass a factor and has enrolled none.",
        ]
    ]
    two = [replace(LOCKED_OUT, actor_id=f"00u{n}", user_agent=None) for n in range(2)]
    rows = _page(replace(FOUND, affected=two)).rows("2 users are affected")
    assert [row[2] for row in rows] == ["none", "none"]


def test_agreement() -> None:
    assert PAGE.texts("p", class_="lede")[1] == (
        "Today's policies decide 1,199 of 1,200 logged sign-ins as Okta recorded: 99.9 %."
    )
    assert PAGE.rows("By the rule that Okta recorded") == [["Scripts", "1,199", "1", "0"]]
    assert PAGE.rows("Sign-ins that are decided otherwise") == [
        [
            "ada@example.com",
            "2026-01-15 11:58:00",
            "ALLOW by Scripts",
            "not decided",
            "0pr1legacy000000001: zone",
        ]
    ]


def test_a_sign_in_that_is_decided_otherwise() -> None:
    (each,) = AGREEMENT.disagreements
    others = [
        Disagreement(replace(each.sign_in, rule_id=None), Decision(Access.DENY, "0pr9", "00p9")),
        Disagreement(each.sign_in, Decision(Access.CHALLENGE, None, None)),
    ]
    agreement = replace(AGREEMENT, disagreements=tuple(others))
    rows = _page(replace(FOUND, agreement=agreement)).rows("Sign-ins that are decided otherwise")
    assert [row[2:4] for row in rows] == [
        ["ALLOW by no rule", "DENY by 0pr9"],
        ["ALLOW by Scripts", "CHALLENGE by one of several rules"],
    ]


def test_clients_stand_under_what_they_should_move_to() -> None:
    other = replace(
        CLIENT,
        login="cyd@example.com",
        client_kind=None,
        rule_name=None,
        api_token_id="00T1",
        address=None,
        move_to="A service app.",
        days=1,
    )
    page = _page(replace(FOUND, inventory=(CLIENT, other)))
    assert page.rows("An OAuth 2 client of its own.") == [
        [
            "ada@example.com",
            "curl/8.5.0 library",
            "/api/v1/authn 192.0.2.10",
            "Scripts",
            "41",
            "2026-01-13 to 2026-01-15, on 3 days: steady",
        ]
    ]
    assert page.rows("A service app.") == [
        [
            "cyd@example.com",
            "curl/8.5.0",
            "/api/v1/authn no address",
            "0pr1legacy000000001 token 00T1",
            "41",
            "2026-01-13 to 2026-01-15, on 1 day: steady",
        ]
    ]


def test_what_is_known_and_what_is_not() -> None:
    rows = PAGE.rows("Parts of the org")
    assert rows[0] == ["OKTA_SIGN_ON", "1", "wholly"]
    assert rows[4] == ["zones", "0", "403: the scope okta.networkZones.read is missing"]
    assert PAGE.texts("ul", class_="notes single") == ["The log begins 2026-01-13."]


def test_nothing_at_all() -> None:
    page = _page(EMPTY)
    assert page.texts("p", class_="lede") == [
        "0 legacy sessions got in on one factor. Without the org's session policies there is no "
        "plan."
    ]
    assert page.texts("p", class_="empty") == [
        "The log shows none. What is not known stands below.",
        "No check was run.",
        "There is none: the session policies are not known.",
        "It cannot be told: that takes the session policies and a log.",
        "Without the session policies and a log no sign-in can be decided again.",
        "The log shows nobody.",
        "None.",
    ]


def test_without_a_log_nothing_seen_is_not_nothing_there() -> None:
    page = _page(replace(EMPTY, from_ms=NOON_MS))
    assert page.texts("p", class_="asof")[0].startswith("No log was read")
    assert page.texts("p", class_="lede")[0].startswith(
        "How many sessions got in on one factor is not known: no log was read."
    )
    empty = page.texts("p", class_="empty")
    assert empty[0] == "Not known: no log was read. What is not known stands below."
    assert empty[5] == "Not known: no log was read."


def test_a_plan_without_changes_and_without_an_impact() -> None:
    nothing = replace(PLAN, changes=(), alternatives=())
    page = _page(replace(FOUND, plan=nothing, affected=()))
    assert "Nothing is to be changed." in _section(page, "plan")
    assert "Nobody signed in that it could affect." in _section(page, "impact")
    unaffected = _page(replace(FOUND, affected=[replace(LOCKED_OUT, effect=Effect.UNAFFECTED)]))
    assert "affected:" not in _section(unaffected, "impact")


def test_thousands_of_rows_stay_a_page() -> None:
    source = rendered("html", many(3000))
    assert len(source) < 3_000_000
    page = Page(source)
    assert "5,600 more are in the formats json and csv." in _section(page, "checks")
    assert "2,800 more changes" in _section(page, "plan")
    assert "2,500 more rows" in _section(page, "impact")
    assert "and 2,900 more." in _section(page, "agreement")
    assert "2,500 more are" in _section(page, "inventory")


def test_the_same_document_makes_the_same_bytes() -> None:
    assert rendered("html", FOUND) == rendered("html", FOUND)


def test_what_does_not_apply_stands_apart() -> None:
    page = _page(with_results(SKIPPED))
    assert "What fails or is unknown" not in _section(page, "checks")
    assert "The org has no such rule." in _section(page, "checks")
