import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.hardening.rendering import rendered
from tests.report.hardening.results import (
    AGREEMENT,
    EMPTY,
    FAILED,
    FOUND,
    LOCKED_OUT,
    NOON_MS,
    PASSED,
    PLAN,
    UNKNOWN,
    many,
    with_results,
)

from mfagap.model import Severity
from mfagap.model.hardening import (
    Access,
    Decision,
    Disagreement,
    Effect,
)
from mfagap.report.grid import PLAIN_WIDTH


def _lines(text: str) -> list[str]:
    """Return the lines of ``text``, columns parted by single spaces."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_all_of_it() -> None:
    assert _lines(rendered("table", FOUND)) == [
        "RESULT SEVERITY CHECK SUBJECT SEEN LAST SEEN (UTC) WHY WHAT TO DO",
        "fail critical session_rule_without_factor Scripts (0pr1legacy000000001) 41 "
        "2026-01-15 11:59:00 Scripts let 41 sessions in without a factor. "
        "Let the rule ask for a factor at every sign-in.",
        "unknown medium wide_network_zone org - - zones is not known: the scope "
        "okta.networkZones.read is missing. -",
        "pass: session_rule_without_factor",
        "not_applicable: session_rule_without_factor",
        "",
        "Legacy sessions that got in on one factor since 2025-12-16 12:00:00 UTC: 41 "
        "(38 on it alone, 3 that passed a second one later).",
        "Agreement: today's policies decide 1,199 of 1,200 logged sign-ins as Okta recorded "
        "(99.9 %).",
        "2026-01-15 11:58:00 ada@example.com: recorded ALLOW, not decided here; could not see "
        "0pr1legacy000000001: zone",
        "Plan plan-1: changes: 1, of which safe: 0.",
        "PUT /api/v1/policies/00p1service00000001/rules/0pr1legacy000000001 (unsafe): Closes "
        "Scripts. bob@example.com has no factor.",
        "Impact of the plan, in users (and all their sign-ins): locked out 1 (3), loses a program "
        "0 (0), unknown 0 (0), prompted 0 (0), unaffected 1 (1,000).",
        "",
        "Whom the plan affects:",
        "EFFECT USER SIGN-INS LAST SEEN (UTC) ADDRESS CLIENT WHY",
        "locked out bob@example.com 3 2026-01-15 11:00:00 192.0.2.11 Mozilla/5.0 Must pass a "
        "factor and has enrolled none.",
        "",
        "Who uses the legacy API (1):",
        "USER USES TREND LAST SEEN (UTC) PATH ADDRESS RULE CLIENT MOVE TO",
        "ada@example.com 41 steady 2026-01-15 11:59:00 /api/v1/authn 192.0.2.10 Scripts "
        "curl/8.5.0 An OAuth 2 client of its own.",
        "",
        "What is not known:",
        "the network zones: 403: the scope okta.networkZones.read is missing",
        "The log begins 2026-01-13.",
    ]


def test_nothing_at_all() -> None:
    lines = rendered("table", EMPTY).splitlines()
    assert lines[0] == "No check ran."
    assert lines[2:] == [
        "Legacy sessions that got in on one factor since 2025-12-16 12:00:00 UTC: 0.",
        "",
        "What is not known:",
        "  the session policies, the enrollment policies, the app policies, the password policies, "
        "the network zones, the authenticators, the ThreatInsight setting, the API tokens, "
        "the groups, the users' factors: not read",
    ]


def test_what_is_older_than_a_change_is_told_and_does_not_count() -> None:
    text = rendered("table", replace(FOUND, agreement=replace(AGREEMENT, changed=1)))
    assert (
        "Agreement: today's policies decide 1,199 of 1,199 logged sign-ins as Okta recorded "
        "(100 %). Not counted, since what decides them was changed later: 1.\n"
    ) in text


def test_nobody_breaks_but_a_program() -> None:
    text = rendered("table", replace(FOUND, affected=[replace(LOCKED_OUT, effect=Effect.BREAKS)]))
    assert "loses a program 1 (3)," in text
    assert "loses a program  bob@example.com" in text
    assert "breaks" not in text


def test_without_a_log_nothing_seen_is_not_nothing_there() -> None:
    text = rendered("table", replace(FOUND, from_ms=NOON_MS))
    assert "got in on one factor: not known, since no log was read." in text


def test_all_in_order() -> None:
    text = rendered("table", with_results(PASSED))
    assert text.startswith("No check failed, and none is unknown.\npass: session_rule")


def test_what_passes_is_listed_where_it_is_asked_for() -> None:
    text = rendered("table", FOUND, everything=True)
    assert [line.split()[:2] for line in text.splitlines()[1:5]] == [
        ["fail", "critical"],
        ["unknown", "medium"],
        ["pass", "info"],
        ["not_applicable", "info"],
    ]
    assert "pass: " not in text


def test_plans_and_agreements_of_other_kinds() -> None:
    safe = replace(PLAN, changes=(replace(PLAN.changes[0], safe=True),))
    assert "(safe): Closes" in rendered("table", replace(FOUND, plan=safe))
    text = rendered("table", replace(FOUND, plan=replace(PLAN, changes=())))
    assert "Plan: nothing to change." in text
    other = Disagreement(AGREEMENT.disagreements[0].sign_in, Decision(Access.DENY, "0pr9", "00p9"))
    text = rendered("table", replace(FOUND, agreement=replace(AGREEMENT, disagreements=(other,))))
    assert "recorded ALLOW, DENY here\n" in text
    nobody = [replace(LOCKED_OUT, effect=Effect.UNAFFECTED)]
    assert "Whom the plan affects" not in rendered("table", replace(FOUND, affected=nobody))


def test_thousands_of_rows() -> None:
    text = rendered("table", many(3000))
    lines = text.splitlines()
    assert len([line for line in lines if line.startswith("fail ")]) == 3000
    assert lines.count("… and 2,990 more; --format html or json has them.") == 2
    assert "  … and 2,995 more" in lines
    assert max(map(len, lines)) <= PLAIN_WIDTH


def test_a_result_is_one_line_where_there_is_no_terminal() -> None:
    long = replace(FAILED, says="x" * 5000, subject_name="y" * 5000, check="z" * 5000)
    lines = rendered("table", with_results(long, UNKNOWN)).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["RESULT", "fail", "unknown"]


def test_without_color_there_is_no_escape() -> None:
    assert "\x1b" not in rendered("table", FOUND)


def test_color_is_by_severity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    texts = {
        rendered("table", with_results(replace(FAILED, severity=severity)), color=True).replace(
            severity.word, ""
        )
        for severity in Severity
    }
    assert len(texts) == len(Severity)


@pytest.mark.parametrize(
    ("width", "dropped"),
    [
        (240, []),
        (120, ["WHAT TO DO"]),
        (100, ["LAST SEEN (UTC)", "WHAT TO DO"]),
        (85, ["LAST SEEN (UTC)", "WHY", "WHAT TO DO"]),
    ],
)
def test_a_narrow_terminal_keeps_what_fails_and_what_to_do(
    width: int, dropped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = re.sub(r"\x1b\[[0-9;]*m", "", rendered("table", FOUND, color=True))
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    heads = ("RESULT", "SEVERITY", "CHECK", "SUBJECT", "SEEN", "LAST SEEN (UTC)", "WHY")
    assert [name for name in (*heads, "WHAT TO DO") if name not in lines[0]] == dropped
    assert "Let the rule ask for a factor" in " ".join(text.split())
    advice = "session_rule_without_factor: Let the rule ask for a factor at every sign-in."
    assert (advice in " ".join(text.split())) is ("WHAT TO DO" in dropped)
    hint = "is too narrow for " + ", ".join(name for name in dropped if name != "WHAT TO DO")
    assert (hint in " ".join(text.split())) is (len(dropped) > 1)


def test_a_browser_is_told_by_its_name() -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36"
    text = rendered("table", replace(FOUND, affected=[replace(LOCKED_OUT, user_agent=agent)]))
    assert "Chrome 131, X11" in text


def test_it_is_written_to_any_file(tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    file.write_text(rendered("table", FOUND), encoding="utf-8")
    assert file.read_text(encoding="utf-8").endswith("The log begins 2026-01-13.\n")
