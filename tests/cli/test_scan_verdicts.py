"""Verdicts in ``mfagap scan``: where they show, what explains them, and how to leave them out."""

from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Run
from tests.cli.logs import SHOWN, SHOWN_WITH_ALL, event, sign_in, write
from tests.report.schema import validated_document, validated_lines

RAW: dict[str, Any] = {
    "verdict": None,
    "verdict_reason": None,
    "follow_up_at": None,
    "evidence": [],
}


@pytest.fixture
def abused(tmp_path: Path) -> Path:
    """A log in which Ada's session enrolls a factor, and Joy's only starts."""
    act: dict[str, Any] = {"target": None}
    events = [
        *sign_in("ada", 0),
        event("factor_activate", "ada", "act", 3, **act),
        *sign_in("joy", 300),
    ]
    return write(tmp_path / "abused.ndjson", events)


def _lines(run: Run, *words: object) -> dict[str, dict[str, Any]]:
    done = run("scan", *words, "--format", "jsonl")
    assert done.code == 0, done.err
    return {line["uuid"]: line for line in validated_lines(done.out)}


def test_each_session_has_a_verdict(run: Run, log: Path) -> None:
    found = {uuid: line["verdict"] for uuid, line in _lines(run, log, "--all").items()}
    assert found == {
        "bob-start": "suspicious",
        "dee-start": "suspicious",
        "ada-start": "insufficient_data",
        "cyd-start": "insufficient_data",
        "joy-start": "insufficient_data",
        "fay-start": "insufficient_data",
        "eve-start": "insufficient_data",
    }


def test_json_counts_the_verdicts(run: Run, log: Path) -> None:
    """A session with a second factor is counted by its status alone."""
    whole = validated_document(run("scan", log, "--format", "json").out)
    assert whole["summary"]["verdicts"] == {"insufficient_data": 5, "suspicious": 2}
    whole = validated_document(run("scan", log, "--format", "json", "--no-investigate").out)
    assert whole["summary"]["verdicts"] == {}


def test_a_verdict_raises_the_severity_and_the_alert(run: Run, abused: Path) -> None:
    done = run("scan", abused, "--fail-on", "critical")
    assert done.code == 10
    assert done.out.splitlines()[1].startswith("critical  true_positive        single_factor  ")
    assert "Alerts: 1. Verdicts on 2 of them: 1 true_positive, 1 insufficient_data.\n" in done.err
    assert _lines(run, abused)["ada-start"]["severity"] == "critical"


def test_without_a_runbook_severities_are_the_detection_s(run: Run, abused: Path) -> None:
    done = run("scan", abused, "--no-investigate", "--fail-on", "high")
    assert done.code == 0
    assert " ".join(done.out.splitlines()[1].split()).startswith("medium - single_factor high ")
    assert done.err.endswith("Alerts: 1.\n")
    found = _lines(run, abused, "--no-investigate")
    assert found["ada-start"]["severity"] == "medium"


def test_without_a_runbook_nothing_else_changes(run: Run, log: Path) -> None:
    plain, raw = _lines(run, log, "--all"), _lines(run, log, "--all", "--no-investigate")
    assert list(plain) == list(raw) == SHOWN_WITH_ALL
    assert raw == {uuid: line | RAW for uuid, line in plain.items()}


@pytest.mark.parametrize(
    ("words", "starts"), [([], SHOWN), (["--all"], SHOWN_WITH_ALL), (["--since", "1m"], SHOWN[-1:])]
)
def test_what_is_shown_is_explained(
    run: Run, log: Path, words: list[str], starts: list[str]
) -> None:
    plain = run("scan", log, *words)
    done = run("scan", log, *words, "--explain")
    assert (done.code, done.err) == (0, plain.err)
    assert done.out.startswith(plain.out)
    lines = done.out.removeprefix(plain.out).splitlines()
    users = [start.removesuffix("-start") for start in starts]
    heads = [line.rpartition(", session 102")[2] for line in lines if ", session 102" in line]
    assert heads == users
    questions = [line for line in lines if line.startswith("  acts: What did it do")]
    assert len(questions) == len(users)


def test_an_explanation_goes_to_a_file_that_is_a_table(run: Run, log: Path, tmp_path: Path) -> None:
    done = run("scan", log, "--explain", "-o", tmp_path / "x.txt")
    assert (done.code, done.out) == (0, "")
    text = (tmp_path / "x.txt").read_text(encoding="utf-8")
    assert text == run("scan", log, "--explain").out


@pytest.mark.parametrize(
    "words",
    [
        ["--format", "json"],
        ["--format", "jsonl"],
        ["--format", "csv"],
        ["--format", "html"],
        ["--format", "ocsf"],
        ["-o", "x.json"],
        ["--no-investigate"],
    ],
)
def test_an_explanation_is_for_the_table(
    run: Run, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("scan", log, "--explain", *words)
    message = "mfagap: --explain is for the table, and for a scan that investigates\n"
    assert (done.code, done.out, done.err) == (2, "", message)
    assert not (tmp_path / "x.json").exists()
