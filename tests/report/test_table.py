import io
import re
from dataclasses import replace

import pytest
from tests.report.results import FINDING, NOON_MS, investigated, result, with_context

from mfagap.detect.load import find
from mfagap.model import Finding, MfaStatus, Policy, Reference, Severity, VerdictWord
from mfagap.report import document, grid, table

HEADER = (
    "SEVERITY", "VERDICT", "STATUS", "CONF", "START (UTC)", "USER", "ADDRESS", "POLICY", "WHY",
    "CLIENT"
)  # fmt: skip
HOSTILE = "\x1b[2J\x1b]8;;https://example.com\x07[red]x[/red]\x9b\u202e :smile:"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def _table(*findings: Finding, color: bool = False) -> str:
    out = io.StringIO()
    table.render(result(findings), document.ALL, out, color=color)
    return out.getvalue()


def _line(finding: Finding) -> str:
    """Return the row of ``finding``, its columns parted by single spaces."""
    return " ".join(_table(finding).splitlines()[1].split())


def test_a_row_says_where_to_look() -> None:
    text = _table(FINDING)
    assert tuple(text.splitlines()[0].split("  ")[0:1]) == HEADER[:1]
    for name in HEADER:
        assert name in text.splitlines()[0]
    assert _line(FINDING) == (
        "medium - single_factor high 2026-01-15 12:00:00 ada@example.com 192.0.2.10 "
        "ALLOW: Default Rule - Chrome 131, Macintosh"
    )


def test_where_several_detections_ran_each_row_names_its_own() -> None:
    shipped = find(FINDING.detection)
    both = (shipped, replace(shipped, id="ours"))
    found = [FINDING, replace(FINDING, detection="ours")]
    out = io.StringIO()
    table.render(result(found, detections=both), document.ALL, out)
    header, *rows = out.getvalue().splitlines()
    assert header.split()[:2] == ["DETECTION", "SEVERITY"]
    assert [row.split()[0] for row in rows] == [FINDING.detection, "ours"]
    assert "DETECTION" not in _table(FINDING)
    out = io.StringIO()
    table.render(result(found, detections=both), document.ALL, out, explained=True)
    assert [line for line in out.getvalue().splitlines() if "found by" in line] == [
        f"  found by {FINDING.detection}",
        "  found by ours",
    ]


def test_a_session_is_one_line_where_there_is_no_terminal() -> None:
    long = with_context(user_agent="x" * 300, user_email="y" * 300, source_ip="z" * 300)
    assert len(_table(long, FINDING).splitlines()) == 3


@pytest.mark.parametrize(
    ("width", "dropped"),
    [
        (200, ()),
        (110, ("CLIENT", "WHY")),
        (90, ("CLIENT", "WHY", "CONF", "POLICY")),
        (80, ("CLIENT", "WHY", "CONF", "POLICY", "STATUS")),
        (60, ("CLIENT", "WHY", "CONF", "POLICY", "STATUS", "START (UTC)")),
        (42, ("CLIENT", "WHY", "CONF", "POLICY", "STATUS", "START (UTC)", "SEVERITY")),
    ],
)
def test_a_narrow_terminal_keeps_who_and_where(
    width: int, dropped: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = re.sub(r"\x1b\[[0-9;]*m", "", _table(FINDING, color=True))
    header, row, *_ = text.splitlines()
    assert [name for name in HEADER if name not in header] == [
        name for name in HEADER if name in dropped
    ]
    assert "192.0.2.10" in row
    assert ("--explain tells them" in " ".join(text.split())) is bool(dropped)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("  short", ["  short"]),
        ("  " + "one two " * 6, ["  " + "one two " * 3 + "one two", "        one two one two"]),
        ("x" * 80, ["x" * 34, "      " + "x" * 34, "      " + "x" * 12]),
        # A letter may take two columns: nothing is left over for the next line's margin.
        ("  " + "管" * 30, ["  " + "管" * 16, "        " + "管" * 14]),
        ("  " + "管" * 17 + " no line", ["  " + "管" * 16, "        管 no line"]),
        # Marks that are drawn nowhere, or into the letter before, take one here: a terminal may.
        ("x" * 34 + " \u0e31 \u1161y and", ["x" * 34, "      \u0e31 \u1161y and"]),
        ("  " + "👍🏽" * 10, ["  " + "👍🏽" * 8, "        👍🏽👍🏽"]),
        ("x" * 40 + "  ", ["x" * 40]),
        (" " * 30 + "no room to be set in at all", [" " * 30 + "no room to be set in at all"]),
    ],
)
def test_what_has_no_room_goes_on_below_set_in(line: str, parts: list[str]) -> None:
    assert grid.wrapped(line, 40) == parts


def test_a_terminal_without_color_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = Tty()
    table.render(result([FINDING]), document.ALL, out, explained=True)
    assert "\x1b" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 60


def test_a_terminal_without_color_folds_and_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "a.very.long.name.of.somebody@subsidiary.example.com"
    address = "2001:db8:1234:5678:9abc:def0:1234:5678"
    for width in (60, 80, 100):
        monkeypatch.setenv("COLUMNS", str(width))
        out = Tty()
        table.render(result([with_context(user_email=name, source_ip=address)]), document.ALL, out)
        lines = out.getvalue().splitlines()
        columns = [lines[0].index(word) for word in ("USER", "ADDRESS")]
        users = "".join(line[columns[0] : columns[1]].strip() for line in lines[1:])
        addresses = "".join(line[columns[1] :].split(" ")[0] for line in lines[1:])
        assert users.startswith(name)
        assert addresses.startswith(address)


def test_what_a_narrow_terminal_leaves_out_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "42")
    without = " ".join(_table(FINDING, color=True).split())
    assert "too narrow for SEVERITY, STATUS" in without
    out = io.StringIO()
    table.render(result([FINDING]), document.ALL, out, color=True, explained=True)
    text = " ".join(out.getvalue().split())
    assert "too narrow" not in text
    for told in ("medium, not investigated", "single_factor", "high", "Default Rule", "Chrome/"):
        assert told in text


def test_nothing_to_show() -> None:
    assert _table() == "No session to show.\n"


def test_hostile_text_brings_no_escape_and_no_markup() -> None:
    for found in (
        with_context(user_agent=HOSTILE, user_email=HOSTILE),
        with_context(user_email=HOSTILE),
    ):
        text = _table(found)
        assert "\x1b" not in text
        assert text.replace("\n", "").isprintable()
    assert "[red]x[/red]" in "".join(text.split())


def test_markup_is_printed_as_it_is() -> None:
    assert "[b]x[/b] :smile:" in _line(with_context(user_agent="[b]x[/b] :smile:"))


def test_hostile_text_brings_no_escape_into_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    text = _table(with_context(user_agent="\x1b[2J\x1b]8;;x\x07"), color=True)
    assert "\x1b[2J" not in text
    assert "\x1b]8" not in text
    assert "\\x1b[2J" in text


def test_color_is_by_severity() -> None:
    plain = {"severity": Severity.MEDIUM}
    colors = {_table(replace(FINDING, **(plain | {"severity": s})), color=True) for s in Severity}
    assert all("\x1b[" in text for text in colors)
    assert len(colors) == len(Severity)


def test_no_color_means_no_escape_at_all() -> None:
    assert "\x1b" not in _table(FINDING)


@pytest.mark.parametrize("word", VerdictWord)
@pytest.mark.parametrize(("follow_up_ms", "mark"), [(None, ""), (NOON_MS, " …")])
def test_the_verdict_tells_whether_a_second_look_is_due(
    word: VerdictWord, follow_up_ms: int | None, mark: str
) -> None:
    found = investigated(verdict=word, follow_up_ms=follow_up_ms)
    out = io.StringIO()
    table.render(result([FINDING], investigations=found), document.ALL, out)
    line = " ".join(out.getvalue().splitlines()[1].split())
    assert line.startswith(f"medium {word.value}{mark} single_factor high 2026-01-15 ")


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        (Policy(), "no policy event"),
        (Policy("ALLOW", "p", "policy", "r", "rule", "e", "l"), "ALLOW: rule"),
        (Policy("ALLOW", "p", "policy", "r", None, "e", "l"), "ALLOW: r"),
        (Policy("DENY", "p", "policy", None, None, "e", "l"), "DENY: policy"),
        (Policy("DENY", "p", None, None, None, "e", "l"), "DENY: p"),
        (Policy("CHALLENGE", event="e"), "CHALLENGE: unnamed rule"),
    ],
)
def test_what_let_it_in(policy: Policy, shown: str) -> None:
    assert f"192.0.2.10 {shown} - Chrome" in _line(replace(FINDING, policy=policy))


NOTE = Reference("radius", "start", "e")
MEMORY = Reference("remembered_device", "dt_hash", "e")
WHY = Reference("desktop_sso", "start", "e")


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"annotations": (NOTE,)}, "radius"),
        ({"explanation": WHY, "annotations": (NOTE,)}, "desktop_sso, radius"),
        ({"confidence_reasons": ("no_policy_event",)}, "no_policy_event"),
        (
            {"annotations": (MEMORY,), "confidence_reasons": ("remembered_device",)},
            "remembered_device",
        ),
        ({"mfa_link": "request_trail"}, "-"),
        (
            {"mfa_link": "request_trail", "mfa_status": MfaStatus.STEP_UP, "explanation": WHY},
            "MFA by request_trail, desktop_sso",
        ),
    ],
)
def test_why(changes: dict[str, object], shown: str) -> None:
    rows = [line[96:] for line in _table(replace(FINDING, **changes)).splitlines()]
    column = rows[0].index("WHY"), rows[0].index("CLIENT")
    assert " ".join(row[slice(*column)].strip() for row in rows[1:]).strip() == shown


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        (None, "-"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/59.0", "Firefox 59, X11"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/120.0 Safari/537.36 Edg/121.0", "Edge 121,"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/120.0 Safari/537.36 OPR/106.0", "Opera 106,"),
        ("Mozilla/5.0 (iPhone; U) Version/13.0 Mobile Safari/604.1", "Safari 13, iPhone"),
        ("Mozilla/5.0 (X11) Lynx", "Mozilla/5.0 (X11) Lynx"),
        ("not Mozilla/5.0 (X11) Chrome/1", "not Mozilla/5.0 (X11)"),
    ],
)
def test_a_browser_is_named_by_its_name(agent: str | None, shown: str) -> None:
    assert shown in " ".join(_table(with_context(user_agent=agent)).split())


def test_a_missing_address_is_a_dash() -> None:
    assert "ada@example.com - ALLOW" in _line(with_context(source_ip=None))


def test_of_a_long_user_agent_the_beginning_is_searched() -> None:
    """A search takes time by the square of what it sees: a name further behind is not seen."""
    agent = "Mozilla/5.0 (X11) " + "Chrome/1 " * 1000 + "Edg/1"
    assert _line(with_context(user_agent=agent)).endswith(" Chrome 1, X11")
    assert table.MOST_AGENT <= 1000
