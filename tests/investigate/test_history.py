"""Runs on file: only ever added to, and told apart."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.investigate.books import HOUR_MS, MINUTE_MS
from tests.report.results import (
    ACT,
    EVIDENCE,
    FAILED_BEFORE,
    FINDING,
    NOON_MS,
    POLICY_SAID,
    evidence,
    investigated,
)

from mfagap.errors import OutputError, UsageError
from mfagap.investigate import history
from mfagap.model import Evidence, Finding, Investigation, Severity, VerdictWord


def run(*items: Evidence, found: Finding = FINDING, **changes: Any) -> Investigation:
    """Return an investigation of ``found``, whose verdict has ``changes``."""
    (investigation,) = investigated(found, items or EVIDENCE, **changes).values()
    return investigation


def told(before: Investigation, after: Investigation) -> list[str]:
    """Return what changed between two runs, the first as it is read from a file."""
    written = json.loads(json.dumps(history.entry(before)))
    return list(history.changes(written, history.entry(after)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs.ndjson"


def test_a_line_holds_all_of_a_run(file: Path) -> None:
    history.append(file, run())
    (line,) = file.read_text(encoding="utf-8").splitlines()
    whole = json.loads(line)
    assert list(whole) == ["detection", "uuid", "start_ms", "verdict", "evidence"]
    assert whole["verdict"] == {
        "verdict": "true_positive",
        "severity": "critical",
        "reason": "It acted. [acts] An act was seen [acts: act-uuid].",
        "follow_up_ms": None,
        "rests_on": ["acts"],
    }
    assert [item["step"] for item in whole["evidence"]] == [item.step for item in EVIDENCE]
    assert whole["evidence"][2] == {
        "step": "acts",
        "question": "What of acts?",
        "query": "SELECT 'acts'\nFROM events",
        "parameters": {"start_uuid": "start-uuid", "from_ms": NOON_MS - 60_000, "to_ms": NOON_MS},
        "answers": [
            {
                "event_ms": NOON_MS + 40_000,
                "name": "act",
                "tier": "session",
                "event": "act-uuid",
                "amount": None,
                "detail": "user.mfa.factor.activate (Ada)",
            }
        ],
        "count": 1,
        "digest": "0" * 64,
        "watermark_ms": NOON_MS + HOUR_MS,
        "duration_ms": 7,
        "failure": None,
    }


def test_what_is_there_stays(file: Path) -> None:
    history.append(file, run())
    first = file.read_bytes()
    history.append(file, run(follow_up_ms=1))
    assert file.read_bytes().startswith(first)
    assert len(file.read_bytes().splitlines()) == 2


def test_a_line_that_an_editor_left_open_is_ended_first(file: Path) -> None:
    history.append(file, run())
    file.write_bytes(file.read_bytes().removesuffix(b"\n"))
    history.append(file, run(follow_up_ms=1))
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["verdict"]["follow_up_ms"] for line in lines] == [None, 1]


def test_a_line_is_one_line_whatever_the_log_says(file: Path) -> None:
    hostile = "a\nb\r\u2028\x85\x1b[2J\ud800"
    history.append(file, run(evidence("acts", replace(ACT, detail=hostile)), reason=hostile))
    assert file.read_bytes().isascii()
    found = history.last(file, run())
    assert found is not None
    assert found["verdict"]["reason"] == found["evidence"][0]["answers"][0]["detail"] == hostile


def test_the_last_run_on_a_start_is_found(file: Path) -> None:
    other = run(found=replace(FINDING, uuid="other"))
    elsewhere = run(found=replace(FINDING, detection="elsewhere"))
    assert history.last(file, run()) is None
    for one in (other, elsewhere):
        history.append(file, one)
    assert history.last(file, run()) is None
    for one in (run(), run(follow_up_ms=5), other, elsewhere):
        history.append(file, one)
    found = history.last(file, run())
    assert found is not None
    assert (found["uuid"], found["verdict"]["follow_up_ms"]) == ("start-uuid", 5)


def _line(**changes: Any) -> dict[str, Any]:
    return json.loads(json.dumps(history.entry(run()))) | changes


VERDICT, STEP = _line()["verdict"], _line()["evidence"][0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "7",
        "[]",
        "null",
        '"detection uuid verdict evidence"',
        "{}",
        '{"detection": "x"',
        "[" * 100_000,
        json.dumps({"detection": FINDING.detection, "uuid": "start-uuid"}),
        json.dumps({"detection": FINDING.detection, "uuid": "other"}),
        json.dumps(_line(verdict="benign")),
        json.dumps(_line(verdict={})),
        json.dumps(_line(verdict=VERDICT | {"follow_up_ms": "soon"})),
        json.dumps(_line(evidence=None)),
        json.dumps(_line(evidence=["x"])),
        json.dumps(_line(evidence=[{"step": "client"}])),
        json.dumps(_line(evidence=[STEP | {"digest": "1", "answers": 7}])),
        json.dumps(_line(evidence=[STEP | {"digest": "1", "answers": [7]}])),
        json.dumps(_line(evidence=[STEP | {"digest": "1", "answers": [{}]}])),
        json.dumps(_line(evidence=[STEP | {"step": ["client"]}])),
    ],
)
def test_a_line_that_is_no_run_is_named(file: Path, text: str) -> None:
    history.append(file, run(found=replace(FINDING, uuid="other")))
    with file.open("a", encoding="utf-8") as out:
        out.write(text + "\n")
    history.append(file, run())
    written = file.read_bytes()
    with pytest.raises(UsageError) as caught:
        history.last(file, run())
    assert str(caught.value) == f"{file}:2: no run of a runbook; name another file"
    assert file.read_bytes() == written


def test_a_file_that_is_no_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"runs\.ndjson: cannot be read: 'utf-8' codec"):
        history.last(file, run())


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read: .*Is a directory"):
        history.last(tmp_path, run())
    with pytest.raises(OutputError) as caught:
        history.append(tmp_path, run())
    assert str(caught.value) == f"{tmp_path}: cannot be written: Is a directory"


def test_nothing_changed() -> None:
    again = [replace(item, duration_ms=99, watermark_ms=NOON_MS) for item in EVIDENCE]
    assert told(run(), run(*again, reason="In other words.")) == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (
            {"verdict": VerdictWord.SUSPICIOUS},
            {},
            "verdict: suspicious, now true_positive",
        ),
        ({"severity": Severity.LOW}, {"severity": Severity.HIGH}, "severity: low, now high"),
        (
            {"follow_up_ms": NOON_MS + 30 * MINUTE_MS},
            {},
            "follow_up: 2026-01-15T12:30:00.000Z, now none",
        ),
        (
            {},
            {"follow_up_ms": NOON_MS},
            "follow_up: none, now 2026-01-15T12:00:00.000Z",
        ),
    ],
)
def test_what_changed_in_a_verdict(
    before: dict[str, Any], after: dict[str, Any], line: str
) -> None:
    assert told(run(**before), run(**after)) == [line]


ONE = evidence("acts", POLICY_SAID, digest="1")
TWO = evidence("acts", POLICY_SAID, ACT, digest="2")
NEW = "user.mfa.factor.activate (Ada) act-uuid"


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (ONE, TWO, [f"acts: new: act {NEW}", "acts: 1 answers, now 2"]),
        (TWO, ONE, [f"acts: no longer: act {NEW}", "acts: 2 answers, now 1"]),
        (
            evidence("around", FAILED_BEFORE, digest="1"),
            evidence("around", replace(FAILED_BEFORE, amount=16), digest="2"),
            ["around: no longer: users_failed_before 15", "around: new: users_failed_before 16"],
        ),
        (
            replace(ONE, count=200, digest="3"),
            replace(ONE, count=201, digest="4"),
            ["acts: 200 answers, now 201"],
        ),
        (
            evidence("acts", failure="no memory"),
            evidence("acts"),
            ["acts: failed (no memory), now answered"],
        ),
        (
            evidence("acts"),
            evidence("acts", failure="no memory"),
            ["acts: answered, now failed (no memory)"],
        ),
        (
            evidence("acts", failure="no memory"),
            evidence("acts", failure="no disk"),
            ["acts: failed (no memory), now failed (no disk)"],
        ),
        (evidence("acts"), evidence("deeds"), ["acts: no longer asked", "deeds: new"]),
    ],
)
def test_what_changed_in_the_evidence(before: Evidence, after: Evidence, lines: list[str]) -> None:
    assert told(run(before), run(after)) == lines
