"""Every check's cases pass, notice every slip of its query, and pass nothing that is not known."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from tests.detect.shipped import broken
from tests.harden.shipped_check import ID, copied

from mfagap.cases import hardening, hardening_run
from mfagap.cases.hardening import HardeningCase, Makers
from mfagap.cases.hardening_mutation import mutate
from mfagap.cli.main import main
from mfagap.detect.evaluate import Engine
from mfagap.errors import ContentError, EngineError
from mfagap.harden import checks
from mfagap.harden.judge import judge
from mfagap.harden.tables import COLUMNS, tables
from mfagap.lake.rejects import Rejects
from mfagap.model.hardening import Check, CheckOutcome
from mfagap.model.org import (
    NOTHING,
    PARTS,
    UNREAD,
    Part,
    Snapshot,
)

GOOD = (CheckOutcome.PASSED, CheckOutcome.NOT_APPLICABLE)


@cache
def _makers() -> Makers:
    return Makers.shipped()


def _loaded(check: Check) -> list[HardeningCase]:
    return hardening.load(Path(check.folder), _makers())


every_check = pytest.mark.parametrize("check", checks.load_all(), ids=lambda check: check.id)


@every_check
def test_cases(check: Check) -> None:
    """What the declared event types give is enough; for mutants, all of the log is there."""
    outcomes = list(hardening_run.run(check, _loaded(check)))
    assert outcomes
    assert {o.case.name: o.differences for o in outcomes if not o.passed} == {}


@every_check
def test_cases_notice_every_change_of_what_ships(check: Check) -> None:
    report = mutate(check, _loaded(check))
    assert [f"{mutant.line}: {mutant.name}" for mutant in report.unexplained] == []
    assert [str(problem) for problem in report.stale] == []


@every_check
def test_every_reason_has_a_case(check: Check) -> None:
    seen = {entry["reason"] for case in _loaded(check) for entry in case.expect}
    assert check.reasons.keys() - seen == set()
    assert "unknown_part" in seen


def _without(case: HardeningCase, snapshot: Snapshot) -> HardeningCase:
    sessions = {"legacy_sessions": case.tables["legacy_sessions"]}
    return replace(case, snapshot=snapshot, tables=tables(snapshot) | sessions)


def _poorer(case: HardeningCase) -> Iterator[tuple[frozenset[str], HardeningCase]]:
    """Yield the names of what is no longer known, and the case without it.

    Of each part all is gone, or what is known of it is no longer the whole.
    """
    for name in PARTS:
        part = case.snapshot.part(name)
        cut = [Part(part.items, "is cut")] if part.items else []
        for poorer in (UNREAD, *cut):
            parts = {**case.snapshot.parts, name: poorer}
            yield frozenset({name}), _without(case, replace(case.snapshot, parts=parts))
    yield frozenset(PARTS), _without(case, NOTHING)
    end = case.span[2]
    yield frozenset({checks.LOG}), replace(case, span=(end, end, end), events=())


def _good(check: Check, case: HardeningCase, engine: Engine) -> set[tuple[str, CheckOutcome]]:
    """Return what passes, and what the check does not apply to."""
    results = judge(check, engine, case.tables, case.snapshot, case.span)
    return {(result.subject_id, result.outcome) for result in results if result.outcome in GOOD}


@every_check
def test_who_knows_less_passes_nothing_more(check: Check, tmp_path: Path) -> None:
    """Without what the check needs nothing passes; without anything else, nothing that did not."""
    judged = 0
    for case in _loaded(check):
        file = tmp_path / "events.ndjson"
        with Rejects() as rejects, hardening_run.engine(check, case, file, rejects) as engine:
            whole = _good(check, case, engine)
            for gone, poorer in _poorer(case):
                found = _good(check, poorer, engine)
                if gone & set(check.needs):
                    assert found == set(), (case.name, gone)
                elif checks.LOG not in gone:
                    assert found <= whole, (case.name, gone)
                judged += 1
    assert judged >= 2 * len(PARTS)


CASE = """\
summary: A rule that is used, and a snapshot of which a part is missing.
clock: 2026-01-15T12:00:00Z
now: +1h
from: -2d
snapshot:
  taken: -1h
  unknown: { zones: lacks a scope }
  OKTA_SIGN_ON:
    - from: session_policy
      id: 00pA
      name: Ours
      set: { priority: 7 }
      rules:
        - { from: session_rule, id: 0prA, name: Office, set: { actions.signon.access: DENY } }
    - { from: session_policy, id: 00pB }
  zones:
    - { from: zone, id: nzoA }
sessions:
  - { id: one, at: -1d, rule_id: 0prA, verdict: benign, user_email: ben@example.com }
events:
  - { id: change, from: rule_update, at: -1.5s, set: { outcome.result: FAILURE } }
expect:
  results:
    - subject_id: 0prA
      result: pass
      reason: denies
      amount: 1
      first: -1d
      last: -1d
      evidence: [one]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A case that passes, to be broken."""
    path = tmp_path / "cases" / "a_case.yml"
    path.parent.mkdir()
    path.write_text(CASE, encoding="utf-8")
    return path


def _case(file: Path) -> HardeningCase:
    (case,) = hardening.load(file.parent.parent, _makers())
    return case


def test_what_a_case_holds(file: Path) -> None:
    case, noon = _case(file), 1768478400000
    assert (case.name, case.file, case.clock_ms) == ("a_case", str(file), noon)
    now = noon + 3_600_000
    assert case.span == (now - 172_800_000, now + 1, now)
    assert case.snapshot.taken_ms == noon - 3_600_000
    policy, unread = case.snapshot.part("OKTA_SIGN_ON").items
    assert (policy["id"], policy["name"], policy["priority"]) == ("00pA", "Ours", 7)
    assert policy["rules"][0]["id"] == "0prA"
    assert policy["rules"][0]["actions"]["signon"]["access"] == "DENY"
    assert "rules" not in unread
    assert case.snapshot.part("OKTA_SIGN_ON").known
    assert case.snapshot.part("api_tokens") == Part()
    zones = case.snapshot.part("zones")
    assert (zones.missing, zones.items[0]["id"]) == ("lacks a scope", "nzoA")
    assert [row[0] for row in case.tables["zones"].rows] == ["nzoA"]
    (session,) = case.tables["legacy_sessions"].rows
    columns = dict(zip(case.tables["legacy_sessions"].columns, session, strict=True))
    assert (columns["uuid"], columns["start_ms"]) == ("one", noon - 86_400_000)
    assert (columns["rule_id"], columns["verdict"]) == ("0prA", "benign")
    assert (columns["user_email"], columns["policy_result"]) == ("ben@example.com", "ALLOW")
    (event,) = case.events
    assert (event["uuid"], event["published"]) == ("change", "2026-01-15T11:59:58.500Z")
    assert event["outcome"]["result"] == "FAILURE"


def test_what_a_case_may_leave_out(file: Path) -> None:
    head, _, tail = CASE.partition("now: +1h")
    file.write_text(head + "log: false\nexpect:" + tail.partition("expect:")[2], encoding="utf-8")
    case = _case(file)
    assert case.snapshot is NOTHING
    assert case.span == (case.clock_ms, case.clock_ms, case.clock_ms)
    assert (case.events, case.tables["legacy_sessions"].rows) == ((), ())
    file.write_text(head + "snapshot: { taken: null }\nexpect: { results: [] }", encoding="utf-8")
    case = _case(file)
    assert case.snapshot.taken_ms is None
    assert all(case.snapshot.part(name).known for name in PARTS)
    assert case.span[0] == case.clock_ms - 30 * 86_400_000


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("now: +1h", "then: +1h", "unknown key 'then'; known are: clock, events, expect, from, "),
        ("clock: 2026", "clock: the year 2026", "Invalid isoformat string: "),
        ("taken: -1h", "taken: 1", "'int' object has no attribute 'startswith'"),
        ("{ zones: lacks", "{ zone: lacks", "unknown key 'zone'; known are: ACCESS_POLICY, "),
        ("      name: Ours", "      named: Ours", "unknown key 'named'; known are: from, id, "),
        ("from: session_rule,", "from: rule,", "no template is called 'rule'; there are: "),
        ("{ from: session_rule,", "{ by: x,", "unknown key 'by'; known are: from, id, name, set"),
        ("{ from: zone,", "{ from: zone, rules: [],", "unknown key 'rules'; known are: from, "),
        ("verdict: benign", "mfa_status: none", "'none' is not a valid MfaStatus"),
        ("verdict: benign", "severity: grave", "GRAVE"),
        ("verdict: benign", "color: red", "unknown key 'color'; known are: actor_id, at, id, "),
        ("{ id: one, at: -1d,", "{ id: one,", "key 'at' is missing"),
        ("from: rule_update", "from: nothing", "no template is called 'nothing'; there are: "),
        ("{ id: change, from", "{ from", "key 'id' is missing"),
    ],
)
def test_a_case_that_is_off_names_its_line(file: Path, old: str, new: str, message: str) -> None:
    line = broken(file, old, new)
    with pytest.raises(ContentError) as caught:
        _case(file)
    assert str(caught.value).startswith(f"{file}:{line}: {message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("      result: pass", "      result: good", "'good' is not a valid CheckOutcome"),
        ("      first: -1d", "      first: -1", "'int' object has no attribute 'startswith'"),
        ("      reason: denies\n", "", "key 'reason' is missing"),
    ],
)
def test_a_result_that_is_off_names_its_line(file: Path, old: str, new: str, message: str) -> None:
    broken(file, old, new)
    with pytest.raises(ContentError) as caught:
        _case(file)
    line = CASE[: CASE.index("- subject_id: 0prA")].count("\n") + 1
    assert str(caught.value) == f"{file}:{line}: {message}"


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("sessions", "  - { id: one"),
        ("events", "  - { id: change"),
        ("  zones", "    - { from: zone"),
        ("      rules", "        - { from: session_rule"),
    ],
)
def test_what_must_be_a_list(file: Path, name: str, below: str) -> None:
    (entry,) = (line for line in CASE.splitlines() if line.startswith(below))
    line = broken(file, f"{name}:\n{entry}\n", f"{name}: {{}}\n")
    with pytest.raises(ContentError) as caught:
        _case(file)
    assert str(caught.value) == f"{file}:{line}: must be a list"


def _differences(file: Path) -> tuple[str, ...]:
    (outcome,) = hardening_run.run(checks.find("session_rule_without_factor"), [_case(file)])
    assert outcome.passed is (outcome.differences == ())
    return outcome.differences


def test_a_case_that_passes(file: Path) -> None:
    assert _differences(file) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("result: pass", "result: unknown", 'result: expected "unknown", found "pass"'),
        ("amount: 1", "amount: 2", "amount: expected 2, found 1"),
        ("first: -1d", "first: -2d", "first: expected -172800, found -86400.0"),
        ("      last: -1d\n", "", "last: expected null, found -86400.0"),
        ("[one]", "[two]", 'evidence: expected ["two"], found ["one"]'),
        ("amount: 1", "detail: x", 'detail: expected "x", found null'),
        ("amount: 1", "severity: low", 'severity: expected "low", found "informational"'),
        ("amount: 1", "subject_name: HQ", 'subject_name: expected "HQ", found "Office"'),
        ("amount: 1", "policy_id: 00pB", 'policy_id: expected "00pB", found "00pA"'),
        (
            "amount: 1",
            "says: No.",
            'says: expected "No.", found "Rule Office of Ours lets nobody in."',
        ),
    ],
)
def test_each_thing_that_differs_is_told(file: Path, old: str, new: str, said: str) -> None:
    broken(file, old, new)
    assert f"0prA/denies.{said}" in _differences(file)


def test_results_that_are_missing_or_too_many(file: Path) -> None:
    broken(file, "reason: denies", "reason: open")
    assert _differences(file) == (
        "0prA/denies: expected 0 such results, found 1",
        "0prA/open: expected 1 such results, found 0",
    )


def test_events_that_are_off_are_told(file: Path) -> None:
    broken(file, "{ outcome.result: FAILURE }", "{ outcome: none }")
    assert _differences(file) == ("the case's own events are off: wrong type of outcome",)


QUERY = """\
SELECT
  NULL AS subject_id, 'ThreatInsight' AS subject_name, NULL AS policy_id,
  CASE t.action WHEN 'block' THEN 'blocks' WHEN 'audit' THEN 'only_logs' WHEN 'none' THEN 'is_off'
                ELSE 'not_said' END AS reason,
  0 AS amount, NULL AS first_ms, NULL AS last_ms, NULL AS evidence, t.action AS detail
FROM threat_insight AS t
"""
"""Few changes can be made to it."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A check with one case, which notices few changes, in place of what ships."""
    content = tmp_path / "content"
    folder = copied(content / "hardening")
    (folder / "query.sql").write_text(QUERY, encoding="utf-8")
    monkeypatch.setattr(checks, "content", lambda: content)
    return folder


WEAK = [
    "result: without WHEN 'block'",
    "result: without WHEN 'audit'",
    "result: without ELSE 'not_said'",
    "result: 'block' -> '~block'",
    "result: 'blocks' -> '~blocks'",
    "result: 'audit' -> '~audit'",
    "result: 'only_logs' -> '~only_logs'",
    "result: 'not_said' -> '~not_said'",
    "result: 'ThreatInsight' -> '~ThreatInsight'",
]


def test_a_weak_case_lets_changes_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken(folder / "cases" / "off.yml", "subject_name: ThreatInsight, ", "")
    assert main(["test", "--mutate", f"hardening/{ID}"]) == 1
    said = capsys.readouterr()
    told = [line.split(": no case notices: ") for line in said.out.splitlines()]
    assert sorted(name for _, name in told) == sorted(WEAK)
    assert all(place.startswith(f"FAIL {folder / 'query.sql'}:") for place, _ in told)
    assert said.err == (
        f"hardening/{ID}: 13 mutants, 4 killed, 9 survived, 0 of them explained\n"
        "4 passed, 9 failed\n"
    )


def test_what_is_written_down_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken(folder / "cases" / "off.yml", "subject_name: ThreatInsight, ", "")
    names = "".join(f'    - "{name}"\n' for name in [*WEAK, "result: 7 -> 8"])
    reason = "- reason: So it is.\n  owner: the tests\n  mutants:\n"
    (folder / "survivors.yml").write_text(reason + names, encoding="utf-8")
    assert main(["test", "--mutate", "--quiet", f"hardening/{ID}"]) == 1
    said = capsys.readouterr()
    file = folder / "survivors.yml"
    message = "a case kills it, or there is no such mutant: result: 7 -> 8"
    assert said.out == f"FAIL {file}:13: {message}\n"


def test_the_command_runs_cases(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"hardening/{ID}"
    assert main(["test", name]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"ok   {name}/off\n", "1 passed, 0 failed\n")
    shutil.copy(folder / "cases" / "off.yml", folder / "cases" / "on.yml")
    broken(folder / "cases" / "on.yml", "reason: is_off", "reason: blocks")
    assert main(["test", "--quiet", name]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"FAIL {name}/on",
        "     org/blocks: expected 1 such results, found 0",
        "     org/is_off: expected 0 such results, found 1",
    ]
    assert said.err == "1 passed, 1 failed\n"


def test_a_check_without_cases_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cases" / "off.yml").unlink()
    assert main(["test", f"hardening/{ID}"]) == 1
    said = capsys.readouterr()
    assert said.err == f"hardening/{ID}: has no case\n0 passed, 1 failed\n"


def test_a_check_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del folder
    assert main(["test", "hardening/nothing"]) == 2
    said = capsys.readouterr()
    assert said.err == f"mfagap: no check is called 'nothing'; there are: {ID}\n"


def test_a_case_that_fails_anyway_is_named(folder: Path) -> None:
    file = folder / "cases" / "off.yml"
    broken(file, "reason: is_off", "reason: blocks")
    with pytest.raises(ContentError) as caught:
        mutate(checks.load(folder), hardening.load(folder, _makers()))
    assert str(caught.value) == f"{file}: fails as the query stands; see `mfagap test`"


def test_a_query_that_fails_anyway_is_no_killed_mutant(folder: Path) -> None:
    check = replace(checks.load(folder), query="SELECT t.act AS reason FROM threat_insight AS t")
    with pytest.raises(EngineError, match='"act"'):
        mutate(check, hardening.load(folder, _makers()))


def test_progress_is_told(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    cases = hardening.load(folder, _makers())
    mutate(checks.load(folder), cases, lambda done, whole: told.append((done, whole)))
    assert told == [(1, 13)] * 13


def test_every_table_and_check_is_documented() -> None:
    page = (Path(__file__).parents[1] / "docs" / "hardening-checks.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, flags=re.MULTILINE))
    for name, columns in COLUMNS.items():
        for column in columns.split():
            word, _, kind = column.partition(":")
            assert f"`{word}` {kind}".strip() in rows[name], (name, column)
    assert [check.id for check in checks.load_all() if check.id not in rows] == []
