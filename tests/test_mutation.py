"""Every slip in a detection's query is noticed by a case, or written down with a reason."""

import io
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.detect.shipped import FOLDER, ID, broken
from tests.small import SMALL, small

from mfagap.cases import survivors, together
from mfagap.cases.load import load
from mfagap.cases.mutants import Piece, assembled, parse
from mfagap.cases.mutation import Report, mutate
from mfagap.cases.templates import Templates
from mfagap.cli.main import main
from mfagap.detect import load as detections
from mfagap.detect.load import folders
from mfagap.errors import ContentError, EngineError
from mfagap.harden import checks
from mfagap.lake.memory import MemoryLake
from mfagap.lake.rejects import Rejects


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_cases_notice_every_change_of_what_ships(folder: Path) -> None:
    report = mutate(detections.load(folder), load(folder, Templates()))
    assert [f"{mutant.line}: {mutant.name}" for mutant in report.unexplained] == []
    assert [str(problem) for problem in report.stale] == []


def _changes(sql: str) -> list[tuple[str, str]]:
    """Return the name of each mutant of ``sql``, and its SQL."""
    return [
        (mutant.name.removeprefix("result: "), mutant.piece.sql) for mutant in parse(sql).mutants
    ]


@pytest.mark.parametrize(
    ("sql", "changes"),
    [
        (
            "SELECT a FROM t WHERE b AND (c OR d) AND e",
            [
                ("without b", "SELECT a FROM t WHERE (c OR d) AND e"),
                ("without (c OR d)", "SELECT a FROM t WHERE b AND e"),
                ("without e", "SELECT a FROM t WHERE b AND (c OR d)"),
                ("without c", "SELECT a FROM t WHERE b AND (d) AND e"),
                ("without d", "SELECT a FROM t WHERE b AND (c) AND e"),
            ],
        ),
        (
            "SELECT a FROM t WHERE b GROUP BY a HAVING c",
            [
                ("without WHERE b", "SELECT a FROM t WHERE TRUE GROUP BY a HAVING c"),
                ("without HAVING c", "SELECT a FROM t WHERE b GROUP BY a HAVING TRUE"),
            ],
        ),
        (
            "SELECT a FROM t LEFT JOIN u ON b CROSS JOIN v",
            [
                ("u without ON b", "SELECT a FROM t LEFT JOIN u ON TRUE CROSS JOIN v"),
                ("LEFT JOIN u -> JOIN", "SELECT a FROM t JOIN u ON b CROSS JOIN v"),
            ],
        ),
        (
            "SELECT a FROM t JOIN u ON b AND c",
            [
                ("without b", "SELECT a FROM t JOIN u ON c"),
                ("without c", "SELECT a FROM t JOIN u ON b"),
            ],
        ),
        (
            "SELECT CASE WHEN a THEN b WHEN c THEN d ELSE e END FROM t",
            [
                ("without WHEN a", "SELECT CASE WHEN c THEN d ELSE e END FROM t"),
                ("without WHEN c", "SELECT CASE WHEN a THEN b ELSE e END FROM t"),
                ("without ELSE e", "SELECT CASE WHEN a THEN b WHEN c THEN d END FROM t"),
            ],
        ),
        ("SELECT CASE WHEN a THEN b END FROM t", [("without WHEN a", "SELECT (NULL) FROM t")]),
        (
            "SELECT CASE a WHEN b THEN c ELSE d END FROM t",
            [
                ("without WHEN b", "SELECT (d) FROM t"),
                ("without ELSE d", "SELECT CASE a WHEN b THEN c END FROM t"),
            ],
        ),
        (
            "SELECT a FROM t UNION ALL SELECT b FROM u UNION ALL SELECT c FROM v",
            [
                ("without SELECT c FROM v", "SELECT a FROM t UNION ALL SELECT b FROM u"),
                ("without SELECT b FROM u", "SELECT a FROM t UNION ALL SELECT c FROM v"),
                ("without SELECT a FROM t", "SELECT b FROM u UNION ALL SELECT c FROM v"),
            ],
        ),
        (
            "SELECT COALESCE(a, b, c) FROM t",
            [
                ("COALESCE(a, b, c) without a", "SELECT COALESCE(b, c) FROM t"),
                ("COALESCE(a, b, c) without b", "SELECT COALESCE(a, c) FROM t"),
                ("COALESCE(a, b, c) without c", "SELECT COALESCE(a, b) FROM t"),
            ],
        ),
        (
            "SELECT COALESCE(a, b) FROM t",
            [
                ("COALESCE(a, b) without a", "SELECT b FROM t"),
                ("COALESCE(a, b) without b", "SELECT a FROM t"),
            ],
        ),
        (
            "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC, c) FROM t",
            [
                (
                    "without PARTITION BY a",
                    "SELECT ROW_NUMBER() OVER (ORDER BY b DESC, c) FROM t",
                ),
                (
                    "without ORDER BY b",
                    "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY c) FROM t",
                ),
                (
                    "ORDER BY b turned",
                    "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b, c) FROM t",
                ),
                (
                    "ORDER BY c turned",
                    "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC, c DESC) FROM t",
                ),
            ],
        ),
        (
            "SELECT a FROM t WHERE NOT b",
            [
                ("without WHERE NOT b", "SELECT a FROM t WHERE TRUE"),
                ("NOT b -> b", "SELECT a FROM t WHERE b"),
            ],
        ),
        (
            "SELECT a IS NULL, b IS NOT NULL FROM t",
            [
                ("a IS NULL -> NOT a IS NULL", "SELECT NOT a IS NULL, NOT b IS NULL FROM t"),
                ("NOT b IS NULL -> b IS NULL", "SELECT a IS NULL, b IS NULL FROM t"),
            ],
        ),
        (
            "SELECT a LIKE b, c NOT LIKE d FROM t",
            [
                ("a LIKE b -> NOT a LIKE b", "SELECT NOT a LIKE b, c NOT LIKE d FROM t"),
                ("c NOT LIKE d -> c LIKE d", "SELECT a LIKE b, c LIKE d FROM t"),
            ],
        ),
        (
            "SELECT a < b, c >= d FROM t",
            [
                ("a < b -> a > b", "SELECT a > b, c >= d FROM t"),
                ("a < b -> a <= b", "SELECT a <= b, c >= d FROM t"),
                ("c >= d -> c <= d", "SELECT a < b, c <= d FROM t"),
                ("c >= d -> c > d", "SELECT a < b, c > d FROM t"),
            ],
        ),
        (
            "SELECT a > b, c <= d FROM t",
            [
                ("a > b -> a < b", "SELECT a < b, c <= d FROM t"),
                ("a > b -> a >= b", "SELECT a >= b, c <= d FROM t"),
                ("c <= d -> c >= d", "SELECT a > b, c >= d FROM t"),
                ("c <= d -> c < d", "SELECT a > b, c < d FROM t"),
            ],
        ),
        (
            "SELECT a = b, c <> d FROM t",
            [
                ("a = b -> a <> b", "SELECT a <> b, c <> d FROM t"),
                ("c <> d -> c = d", "SELECT a = b, c = d FROM t"),
            ],
        ),
        (
            "SELECT MIN(a), MAX(b) FROM t",
            [
                ("MIN(a) -> MAX(a)", "SELECT MAX(a), MAX(b) FROM t"),
                ("MAX(b) -> MIN(b)", "SELECT MIN(a), MIN(b) FROM t"),
            ],
        ),
        (
            "SELECT 'a', 1, 'a' FROM t",
            [
                ("'a' -> '~a'", "SELECT '~a', 1, 'a' FROM t"),
                ("1 -> 2", "SELECT 'a', 2, 'a' FROM t"),
                ("'a' -> '~a' #2", "SELECT 'a', 1, '~a' FROM t"),
            ],
        ),
        ("SELECT a, SUM(b) + c FROM t GROUP BY a", []),
    ],
)
def test_each_kind_of_change(sql: str, changes: list[tuple[str, str]]) -> None:
    assert _changes(sql) == changes


def test_no_mutant_is_the_query() -> None:
    query = parse((FOLDER / "query.sql").read_text(encoding="utf-8"))
    as_it_is = {piece.name: piece.sql for piece in query.pieces}
    assert [m.name for m in query.mutants if m.piece.sql == as_it_is[m.piece.name]] == []
    assert len({mutant.name for mutant in query.mutants}) == len(query.mutants) > 800


TWO = """\
WITH a AS (
  SELECT x FROM t
  WHERE x = 'one'  -- a word
    AND y = 2
),
b AS (SELECT x FROM a),
c AS (SELECT 3 AS x FROM t)
SELECT b.x AS x FROM b JOIN c ON c.x = b.x
"""


def test_a_mutant_tells_its_place() -> None:
    assert [(mutant.line, mutant.name) for mutant in parse(TWO).mutants] == [
        (3, "a: without x = 'one'"),
        (4, "a: without y = 2"),
        (3, "a: x = 'one' -> x <> 'one'"),
        (3, "a: 'one' -> '~one'"),
        (4, "a: y = 2 -> y <> 2"),
        (4, "a: 2 -> 3"),
        (7, "c: 3 -> 4"),
        (8, "result: c without ON c.x = b.x"),
        (8, "result: c.x = b.x -> c.x <> b.x"),
    ]


def test_a_name_stays_while_its_piece_does() -> None:
    changed = parse(TWO.replace("x = 'one'  -- a word\n    AND ", ""))
    assert [mutant.name for mutant in changed.mutants] == [
        "a: without WHERE y = 2",
        "a: y = 2 -> y <> 2",
        "a: 2 -> 3",
        *(mutant.name for mutant in parse(TWO).mutants if not mutant.name.startswith("a: ")),
    ]


def test_what_is_judged_is_the_changed_piece_and_its_readers() -> None:
    query = parse(TWO)
    first, last = query.mutants[0], query.mutants[-1]
    assert assembled(query.after(first)) == (
        "WITH a AS (SELECT x FROM t WHERE y = 2), b AS (SELECT x FROM a) "
        "SELECT b.x AS x FROM b JOIN c ON c.x = b.x"
    )
    assert assembled(query.after(last)) == "SELECT b.x AS x FROM b JOIN c ON c.x <> b.x"


CASE = """\
summary: A sign-in that failed is none.
clock: 2026-01-15T12:00:00Z
until: +1h
events:
  - { id: start, from: session_start, at: +30m, times: 2 }
  - { from: session_start, at: +1h }
  - { from: session_start, at: -252000.001s }
  - { from: mfa, at: +31m }
expect:
  findings:
    - { start: start, mfa_status: step_up, severity: low }
"""
SURVIVOR = "starts: without e.outcome_result = 'SUCCESS'"
EDGES = """\
- reason: No case starts in the first millisecond.
  owner: the tests
  mutants:
    - "starts: e.event_ms >= $from -> e.event_ms > $from"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small detection whose one case has no start that failed, in place of what ships."""
    content = tmp_path / "content"
    folder = small(content)
    (folder / "survivors.yml").write_text(EDGES, encoding="utf-8")
    (folder / "cases" / "weak.yml").write_text(CASE, encoding="utf-8")
    monkeypatch.setattr(detections, "content", lambda: content)
    monkeypatch.setattr(checks, "content", lambda: content)
    return folder


def _report(folder: Path) -> Report:
    return mutate(detections.load(folder), load(folder, Templates()))


def test_a_weak_case_lets_a_change_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = folder / "query.sql"
    code = main(["test", "--mutate"])
    said = capsys.readouterr()
    assert (code, said.out.splitlines()) == (
        1,
        [
            f"FAIL {query}:4: no case notices: {SURVIVOR}",
            f"ok   {query}:5: no case notices: starts: e.event_ms >= $from -> e.event_ms > $from",
        ],
    )
    assert said.err == (
        f"{ID}: 15 mutants, 13 killed, 2 survived, 1 of them explained\n14 passed, 1 failed\n"
    )
    assert main(["test", "--mutate", "--quiet", ID]) == 1
    assert capsys.readouterr().out == f"FAIL {query}:4: no case notices: {SURVIVOR}\n"


def test_a_stronger_case_notices_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = "  - { from: session_start, at: +35m, set: { outcome.result: FAILURE } }\nexpect:"
    broken(folder / "cases" / "weak.yml", "expect:", failed)
    assert main(["test", "--mutate", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_what_is_written_down_passes(folder: Path) -> None:
    explained = f'    - "{SURVIVOR}"\n'
    (folder / "survivors.yml").write_text(EDGES + explained, encoding="utf-8")
    report = _report(folder)
    assert SURVIVOR in [mutant.name for mutant in report.survivors]
    assert (report.unexplained, report.stale) == ((), ())


@pytest.mark.parametrize("name", ["starts: 'SUCCESS' -> '~SUCCESS'", "ends: 1 -> 2"])
def test_what_is_written_down_and_no_survivor_fails(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "survivors.yml"
    file.write_text(f'{EDGES}    - "{SURVIVOR}"\n    - "{name}"\n', encoding="utf-8")
    assert main(["test", "--mutate", "--quiet"]) == 1
    said = capsys.readouterr()
    assert said.out == f"FAIL {file}:6: a case kills it, or there is no such mutant: {name}\n"
    assert said.err.endswith("\n15 passed, 1 failed\n")


def test_a_case_that_fails_anyway_is_named(folder: Path) -> None:
    case = folder / "cases" / "weak.yml"
    broken(case, "severity: low", "severity: high")
    with pytest.raises(ContentError) as caught:
        _report(folder)
    assert str(caught.value) == f"{case}: fails as the query stands; see `mfagap test`"


def test_of_cases_that_all_fail_one_is_named(folder: Path) -> None:
    case = folder / "cases" / "weak.yml"
    broken(case, "severity: low", "severity: high")
    shutil.copy(case, folder / "cases" / "weaker.yml")
    with pytest.raises(ContentError, match=r"weak\.yml: fails as the query stands"):
        _report(folder)


def test_a_query_whose_rows_name_no_event_is_refused(folder: Path) -> None:
    detection = replace(detections.load(folder), query=SMALL.replace("s.uuid AS", "'?' AS"))
    with pytest.raises(EngineError, match=f"{ID} gave a row whose uuid is no event's"):
        mutate(detection, load(folder, Templates()))


def test_a_query_that_fails_anyway_is_no_killed_mutant(folder: Path) -> None:
    detection = replace(detections.load(folder), query=SMALL.replace("client_ip", "client_id"))
    with pytest.raises(EngineError, match="client_id"):
        mutate(detection, load(folder, Templates()))


def test_progress_is_told(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    mutate(
        detections.load(folder),
        load(folder, Templates()),
        lambda done, whole: told.append((done, whole)),
    )
    assert told == [(1, 15)] * 15


def test_progress_is_drawn_on_a_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert main(["test", "--mutate", folder.name]) == 1
    assert "15/15" in terminal.getvalue()


def test_a_query_that_never_ends_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "LIMIT_S", 0.2)
    detection, cases = detections.load(folder), load(folder, Templates())
    with Rejects() as rejects, MemoryLake(rejects, together.latest(cases)) as lake:
        together.load(lake, detection, cases)
        (group,) = together.groups(lake, detection, cases, parse(SMALL).pieces)
        bench = together.Bench(lake, group)
        everything = " CROSS JOIN ".join(f"events AS e{number}" for number in range(40))
        endless = f"SELECT COUNT(*) AS uuid FROM {everything}"
        with pytest.raises(EngineError, match=r"(?i)interrupt"):
            list(bench.failing(endless))
        assert not bench.passes(endless)
        assert not bench.unchanged(Piece("starts", f"starts AS ({endless})", frozenset()))


@pytest.mark.parametrize(
    ("changed", "passes"),
    [
        ("SELECT * FROM ({sql}) ORDER BY uuid", True),
        ("SELECT * FROM ({sql}) ORDER BY uuid DESC", True),
        ("SELECT * FROM ({sql}) UNION ALL SELECT * FROM ({sql})", False),
        ("SELECT * FROM ({sql}) LIMIT 1", False),
        ("SELECT * FROM ({sql}) LIMIT 0", False),
        ("SELECT * REPLACE (CAST(event_ms AS VARCHAR) AS event_ms) FROM ({sql})", False),
        ("SELECT * REPLACE ('high' AS severity) FROM ({sql})", False),
        ("SELECT * REPLACE ('?' AS uuid) FROM ({sql})", False),
        ("SELECT * EXCLUDE (user_agent) FROM ({sql})", False),
    ],
)
def test_what_passes_has_the_rows_that_are_expected_in_any_order(
    folder: Path, changed: str, *, passes: bool
) -> None:
    shutil.copy(folder / "cases" / "weak.yml", folder / "cases" / "weaker.yml")
    detection, cases = detections.load(folder), load(folder, Templates())
    with Rejects() as rejects, MemoryLake(rejects, together.latest(cases)) as lake:
        together.load(lake, detection, cases)
        (group,) = together.groups(lake, detection, cases, parse(SMALL).pieces)
        bench = together.Bench(lake, group)
        bench.expect(SMALL)
        assert bench.passes(changed.format(sql=SMALL)) is passes


def test_cases_that_change_what_is_said_of_others_are_judged_apart() -> None:
    """An identity provider that changed concerns every start that names none."""
    detection = detections.load(FOLDER)
    names = ("idp_unnamed_while_one_changed", "idp_unnamed_and_none_changed", "trusted_api_token")
    cases = [case for case in load(FOLDER, Templates()) if case.name in (*names, "no_actor_id")]
    with Rejects() as rejects, MemoryLake(rejects, together.latest(cases)) as lake:
        together.load(lake, detection, cases)
        found = list(together.groups(lake, detection, cases, parse(detection.query).pieces))
    assert [[case.name for _, case in group.members.values()] for group in found] == [
        ["idp_unnamed_while_one_changed", "no_actor_id"],
        ["idp_unnamed_and_none_changed"],
        ["trusted_api_token"],
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "- reason",
            "- color: red\n  reason",
            1,
            "unknown key 'color'; known are: reason, owner, mutants",
        ),
        ("  owner: the tests\n", "", 1, "'owner' is missing or no text"),
        ("owner: the tests", "owner: 7", 2, "'owner' is missing or no text"),
        ("No case starts in the first millisecond.", '" "', 1, "'reason' is missing or no text"),
        ("  mutants:\n    - ", "  mutants: ", 3, "'mutants' is missing or no list of names"),
        ('    - "starts: ', "    - starts: ", 4, "must be a text: put it in quotes"),
        ("- reason", "reason", 2, "no YAML: "),
        (EDGES, "- a\n", 1, "must be a mapping"),
        (EDGES, "a: b\n", 1, "must be a list"),
        (EDGES, EDGES + EDGES[EDGES.index("    - ") :], 5, "'starts: e.event_ms >= $from -> "),
    ],
)
def test_survivors_that_are_off(folder: Path, old: str, new: str, line: int, message: str) -> None:
    file = folder / "survivors.yml"
    broken(file, old, new)
    with pytest.raises(ContentError) as caught:
        survivors.load(folder)
    assert str(caught.value).startswith(f"{file}:{line}: {message}")


def test_without_the_file_nothing_is_written_down(tmp_path: Path) -> None:
    assert survivors.load(tmp_path) == {}


@pytest.mark.parametrize("name", ["starts: 'a' -> '~a'", "b: without c"])
def test_what_is_written_down(tmp_path: Path, name: str) -> None:
    text = f'{EDGES}- {{ reason: yes, owner: me, mutants: ["{name}"] }}\n'
    (tmp_path / "survivors.yml").write_text(text, encoding="utf-8")
    edge = "starts: e.event_ms >= $from -> e.event_ms > $from"
    assert survivors.load(tmp_path) == {edge: 4, name: 5}
