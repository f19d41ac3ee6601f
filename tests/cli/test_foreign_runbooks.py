"""Runbooks of somebody's own, and what they may not do: ``--detections DIR``."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Run
from tests.cli.logs import event, mfa, sign_in, write
from tests.detect.shipped import ID, broken, copied, without_runbook
from tests.report.schema import validated_lines

from mfagap.engines.sandbox import Sandbox
from mfagap.service import scan as service

OWN = "ours"
HOSTILE = "\\e[2J\\e]0;x\\a\\u202e"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A copy of what ships, with its runbook, under another id."""
    folder = copied(tmp_path / "copies").rename(_made(tmp_path / "own") / OWN)
    broken(folder / "detection.yml", f"id: {ID}", f"id: {OWN}")
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log in which Ada's session enrolls a factor."""
    act: dict[str, Any] = {"target": None}
    acted = event("factor_activate", "ada", "act", 3, **act)
    return write(tmp_path / "x.ndjson", [*sign_in("ada", 0), acted, *sign_in("joy", 300)])


def _verdicts(run: Run, log: Path, own: Path) -> dict[str, Any]:
    """Return what each detection says of Ada's session, by its id."""
    done = run("scan", "--detections", own.parent, log, "--format", "jsonl")
    assert done.code == 0, done.err
    lines = validated_lines(done.out)
    return {line["detection"]: line for line in lines if line["uuid"] == "ada-start"}


def test_both_are_run(run: Run, log: Path, own: Path) -> None:
    broken(own / "runbook.yml", "severity: critical", "severity: high")
    found = _verdicts(run, log, own)
    assert {name: line["verdict"] for name, line in found.items()} == dict.fromkeys(
        (ID, OWN), "true_positive"
    )
    assert (found[ID]["severity"], found[OWN]["severity"]) == ("critical", "high")


def test_without_a_runbook_there_is_no_verdict(run: Run, log: Path, own: Path) -> None:
    without_runbook(own)
    line = _verdicts(run, log, own)[OWN]
    keys = ("verdict", "verdict_reason", "follow_up_at", "evidence", "severity")
    assert [line[key] for key in keys] == [None, None, None, [], "medium"]
    done = run("investigate", "102ada", "--logs", log, "--detections", own.parent)
    assert done.code == 0
    assert "\n  medium, not investigated\n" in done.out


def test_without_a_runbook_no_run_is_written_down(
    run: Run, log: Path, own: Path, tmp_path: Path
) -> None:
    without_runbook(own)
    file = tmp_path / "runs.ndjson"
    words = ("--logs", log, "--detections", own.parent, "--history", file)
    assert run("investigate", "102ada", *words).code == 0
    (line,) = file.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["detection"] == ID


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("runbook.yml", ("cap: 4h #", "cap: 1m #"), "cap is shorter than enough"),
        ("runbook.yml", ("keep: 100", "keep: 0"), "keep: 0 is less than the minimum of 1"),
        ("runbook.yml", ("kind: window", "kind: run"), "steps.4.kind: 'run' is not one of "),
        (
            "runbook.yml",
            ("query: acts.sql", "query: ../../x.sql"),
            "steps.2.query: '../../x.sql' does not match ",
        ),
        (
            "runbook/acts.sql",
            ("JOIN factors AS f", "JOIN read_text('/etc/passwd') AS f"),
            "Anonymous is outside the portable subset: read_text",
        ),
        (
            "runbook/acts.sql",
            ("JOIN factors AS f", "JOIN secrets AS f"),
            "reads 'secrets AS f', which is neither events nor a list of detection.yml",
        ),
    ],
)
def test_a_broken_one_is_refused_at_load(
    run: Run, log: Path, own: Path, name: str, change: tuple[str, str], message: str
) -> None:
    line = broken(own / name, *change)
    for words in (("scan", log), ("investigate", "x", "--logs", log), ("detections", "list")):
        done = run(*words, "--detections", own.parent)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"mfagap: {own / name}:{line}: {message}")
        assert len(done.err.splitlines()) == 1


def test_a_query_that_is_missing(run: Run, log: Path, own: Path) -> None:
    (own / "runbook" / "acts.sql").unlink()
    done = run("scan", log, "--detections", own.parent)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"mfagap: {own / 'runbook' / 'acts.sql'}: cannot be read: ")


@pytest.mark.parametrize("name", ["runbook", "runbook.yml", "runbook/acts.sql"])
def test_links_that_leave_are_not_followed(
    run: Run, log: Path, own: Path, tmp_path: Path, name: str
) -> None:
    link = own / name
    link.rename(tmp_path / "away")
    link.symlink_to(tmp_path / "away")
    done = run("scan", log, "--detections", own.parent)
    message = f"mfagap: {link}: a link that leaves the folder\n"
    assert (done.code, done.out, done.err) == (1, "", message)


def test_a_step_that_fails_is_told_and_ends_nothing(run: Run, log: Path, own: Path) -> None:
    broken(own / "runbook" / "client.sql", "NULL AS amount", "'many' AS amount")
    line = _verdicts(run, log, own)[OWN]
    assert line["verdict"] == "true_positive"
    failed = "the step client failed: client gave a row of another form: "
    assert failed in line["verdict_reason"]
    (entry,) = (entry for entry in line["evidence"] if entry["step"] == "client")
    assert (entry["answer"], entry["count"]) == ("failed", 0)
    assert entry["detail"].startswith("client gave a row of another form: TypeError(")


def test_a_step_that_fails_is_told_to_who_wants_quiet_and_of_a_case(
    run: Run, log: Path, own: Path
) -> None:
    broken(own / "runbook" / "factor.sql", "'policy' AS answer", "'rule' AS answer")
    failure = "failed for 2 sessions: factor gave an answer that it does not know: 'rule'"
    done = run("scan", "--detections", own.parent, log, "--quiet")
    assert done.err.splitlines()[0] == f"The step factor {failure}"
    broken(own / "runbook" / "factor.sql", "'no_policy_event' AS answer", "'none' AS answer")
    tried = run("test", "--detections", own.parent, OWN)
    assert (tried.code, tried.out.count("the step factor failed: factor gave an answer")) == (1, 1)


def test_a_step_that_fails_forbids_any_excuse(run: Run, log: Path, own: Path) -> None:
    broken(own / "runbook" / "acts.sql", "r.event_ms AS event_ms", "'noon' AS event_ms")
    line = _verdicts(run, log, own)[OWN]
    assert line["verdict"] == "insufficient_data"
    assert line["severity"] == "medium"


def test_where_a_step_fails_nothing_is_known_to_be_less(
    run: Run, own: Path, tmp_path: Path
) -> None:
    after = event("factor_activate", "eve", "act", 3)
    events = [*sign_in("eve", 0), mfa("eve", 0.5), after, *sign_in("joy", 300)]
    quiet = write(tmp_path / "quiet.ndjson", events)
    words = ("scan", "--detections", own.parent, quiet, "--fail-on", "critical")
    assert run(*words).code == 0
    broken(own / "runbook" / "acts.sql", "r.event_ms AS event_ms", "'noon' AS event_ms")
    done = run(*words)
    assert done.code == 10
    assert "\nThe step acts failed for 2 sessions: acts gave a row of another form: " in done.err


def test_a_step_without_end_is_a_failed_step(
    run: Run, log: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joins = "\n".join(f"CROSS JOIN events AS e{n}" for n in range(30))
    sql = (
        "SELECT s.start_uuid AS start_uuid, 'act' AS answer, NULL AS tier, NULL AS event_uuid, "
        "MAX(e0.event_ms + e29.event_ms) AS event_ms, NULL AS amount, NULL AS detail\n"
        f"FROM sessions AS s\n{joins}\nGROUP BY s.start_uuid"
    )
    (own / "runbook" / "acts.sql").write_text(sql, encoding="utf-8")
    monkeypatch.setattr(service, "Sandbox", partial(Sandbox, timeout_s=3))
    found = _verdicts(run, log, own)
    assert found[ID]["verdict"] == "true_positive"
    assert found[OWN]["verdict"] == "insufficient_data"
    told = "The step acts failed: the query ran for more than 3 s and was stopped [acts]."
    assert found[OWN]["verdict_reason"].endswith(told)


def test_what_a_reason_says_is_harmless(run: Run, log: Path, own: Path) -> None:
    broken(
        own / "runbook.yml",
        "says: A session without a second factor did what keeps or widens access.",
        f'says: "{HOSTILE} {{tier}}"',
    )
    done = run("investigate", "102ada", "--logs", log, "--detections", own.parent)
    assert done.code == 0
    assert "  \\x1b[2J\\x1b]0;x\\x07\\u202e {tier} [acts] There was " in done.out
    assert [char for char in "\x1b\x07\u202e" if char in done.out + done.err] == []


def test_its_questions_are_shown(run: Run, own: Path) -> None:
    broken(own / "runbook.yml", "question: Is there enough log", f'question: "{HOSTILE}" #')
    done = run("detections", "show", OWN, "--detections", own.parent)
    assert done.code == 0
    assert "\nRunbook:\n  1. client: Who signed in, with which client, " in done.out
    assert "\n  5. window: \\x1b[2J\\x1b]0;x\\x07\\u202e\n" in done.out
    assert "\x1b" not in done.out
