"""``mfagap investigate``: one sign-in, the verdict on it and the evidence behind it."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Run, installed
from tests.cli.logs import event, mfa, sign_in, write
from tests.report.schema import validated_document, validated_lines

from mfagap.cases.templates import Event

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e[red]x{tier}"
SHOWN = "\\x1b[2J\\x1b]0;owned\\x07\\u202e[red]x{tier}"
READ = "Read 11 events from 1 file, 2026-03-02T09:00:00.000Z to 2026-03-02T14:00:00.060Z.\n"
REASON = (
    "A session without a second factor did what keeps or widens access. [acts] There was "
    "user.mfa.factor.activate 3m after the start, tied by session [acts: ada-act]; the session "
    "policy said ALLOW by Default Rule [factor: ada-policy]."
)


def five() -> list[Event]:
    """Return an abused session, one that steps up, one with MFA, and one that only starts."""
    act: dict[str, Any] = {"target": None}
    return [
        *sign_in("ada", 0),
        event("factor_activate", "ada", "act", 3, **act),
        *sign_in("eve", 4),
        mfa("eve", 4.5),
        *sign_in("gus", 6, "CHALLENGE"),
        mfa("gus", 6.5),
        *sign_in("joy", 300),
    ]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(tmp_path / "logs" / "okta.ndjson", five())


def _found(run: Run, name: str, log: Path, *words: object) -> list[dict[str, Any]]:
    done = run("investigate", name, "--logs", log, *words, "--format", "jsonl")
    assert done.code == 0, done.err
    return validated_lines(done.out)


@pytest.mark.parametrize(
    ("name", "start", "status", "verdict"),
    [
        ("102ada", "ada-start", "single_factor", "true_positive"),
        ("ada-start", "ada-start", "single_factor", "true_positive"),
        ("ada-policy", "ada-start", "single_factor", "true_positive"),
        ("ada-act", "ada-start", "single_factor", "true_positive"),
        ("102eveB", "eve-start", "step_up", "security_risk"),
        ("102eve", "eve-start", "step_up", "security_risk"),
        ("eve-mfa", "eve-start", "step_up", "security_risk"),
        ("102gus", "gus-start", "mfa", "false_positive"),
        ("gus-mfa", "gus-start", "mfa", "false_positive"),
        ("gus-policy", "gus-start", "mfa", "false_positive"),
        ("102joy", "joy-start", "unsettled", "insufficient_data"),
    ],
)
def test_a_sign_in_is_found_by_what_names_it(
    run: Run, log: Path, name: str, start: str, status: str, verdict: str
) -> None:
    (line,) = _found(run, name, log)
    assert (line["uuid"], line["mfa_status"], line["verdict"]) == (start, status, verdict)


@pytest.mark.parametrize("name", ["nope", "", "ada", "102ADA", "%", "None"])
def test_a_name_of_nothing_is_a_usage_error(run: Run, log: Path, name: str) -> None:
    done = run("investigate", name, "--logs", log)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"mfagap: {name!r} is the session id or event of none of the 4 legacy sign-ins in the log; "
        "`mfagap scan --explain --all` tells the id of each\n"
    )


@pytest.mark.parametrize("name", ["idx-start", "102idx"])
def test_a_sign_in_through_another_door_is_said_to_be_one(
    run: Run, tmp_path: Path, name: str
) -> None:
    other = event(
        "session_start", "idx", "start", 2, debugContext__debugData__requestUri="/idp/idx/x"
    )
    log = write(tmp_path / "x.ndjson", [*five(), other])
    done = run("investigate", name, "--logs", log)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"mfagap: {name!r} leads to a sign-in that did not come in through the legacy API, or that "
        "names no user or session: there is nothing to investigate\n"
    )


def test_sign_ins_of_one_session_are_all_told(run: Run, tmp_path: Path) -> None:
    again = event("session_start", "ada", "again", 60)
    log = write(tmp_path / "x.ndjson", [*five(), again])
    assert {line["uuid"] for line in _found(run, "102ada", log)} == {"ada-start", "ada-again"}
    assert [line["uuid"] for line in _found(run, "ada-again", log)] == ["ada-again"]


def test_what_it_prints(run: Run, log: Path) -> None:
    done = run("investigate", "102ada", "--logs", log)
    assert (done.code, done.err) == (0, READ)
    table, _, explained = done.out.partition("\n\n")
    assert len(table.splitlines()) == 2
    assert table.splitlines()[1].startswith("critical  true_positive  single_factor  high  2026-")
    assert " ".join(explained.split()).startswith(
        "2026-03-02T09:00:00.000Z ada@example.com from 192.0.2.10, session 102ada "
        "with Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like "
        "Gecko) Chrome/131.0.0.0 Safari/537.36 "
        "single_factor, confidence high, noted: factor_enrolled; policy: ALLOW: Default Rule "
        f"true_positive, critical {REASON} client: Who signed in, with which client, "
    )
    assert "  acts: What did it do, from the start to now, that keeps or widens access?\n" in (
        explained
    )
    assert explained.endswith("\n    whole_window  5h\n")
    assert explained in run("scan", log, "--explain").out


def test_quiet(run: Run, log: Path) -> None:
    done = run("investigate", "102ada", "--logs", log, "--quiet")
    assert done.err == ""
    assert done.out == run("investigate", "102ada", "--logs", log).out


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.csv", "x.html", "x.txt"])
def test_every_format_tells_the_verdict(run: Run, log: Path, tmp_path: Path, name: str) -> None:
    done = run("investigate", "ada-start", "--logs", log, "-o", tmp_path / name)
    assert (done.code, done.out) == (0, "")
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert "true_positive" in text
    assert "joy@example.com" not in text


def test_only_the_session_is_counted(run: Run, log: Path) -> None:
    done = run("investigate", "102gus", "--logs", log, "--format", "json")
    document = json.loads(done.out)
    told = document["summary"]
    assert {word: n for word, n in told["mfa_status"].items() if n} == {"mfa": 1}
    assert (told["alerts"], told["verdicts"]) == (0, {"false_positive": 1})
    assert [line["uuid"] for line in document["findings"]] == ["gus-start"]


def test_json_holds_the_evidence(run: Run, log: Path) -> None:
    done = run("investigate", "102ada", "--logs", log, "--format", "json")
    (found,) = validated_document(done.out)["findings"]
    assert (found["severity"], found["verdict_reason"]) == ("critical", REASON)
    assert found["follow_up_at"] is None
    answers = {(item["step"], item["answer"]): item for item in found["evidence"]}
    assert answers["acts", "act"] == {
        "step": "acts",
        "question": "What did it do, from the start to now, that keeps or widens access?",
        "answer": "act",
        "tier": "session",
        "amount": None,
        "detail": "user.mfa.factor.activate",
        "count": 1,
        "events": ["ada-act"],
    }
    assert answers["window", "whole_window"]["detail"] == "5h"
    assert {step for step, _ in answers} == {"client", "factor", "acts", "around", "window"}


def test_csv(run: Run, log: Path) -> None:
    done = run("investigate", "102ada", "--logs", log, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(done.out))
    assert (row["uuid"], row["verdict"], row["verdict_reason"]) == (
        "ada-start",
        "true_positive",
        REASON,
    )


def test_an_earlier_now(run: Run, log: Path) -> None:
    """Before the act, too little log follows the start; the next look is then due."""
    (line,) = _found(run, "102ada", log, "--now", "2026-03-02T09:02:59Z")
    assert (line["mfa_status"], line["verdict"]) == ("unsettled", "insufficient_data")
    assert line["follow_up_at"] == "2026-03-02T09:30:00.000Z"
    (line,) = _found(run, "102ada", log, "--now", "2026-03-02T09:30:00Z")
    assert (line["verdict"], line["follow_up_at"]) == ("true_positive", "2026-03-02T13:00:00.000Z")
    assert line["severity"] == "critical"


def test_a_log_from_standard_input(log: Path) -> None:
    done = installed(
        "investigate", "102ada", "--logs", "-", "--format", "jsonl", stdin=log.read_bytes()
    )
    assert done.code == 0, done.err
    assert [line["verdict"] for line in validated_lines(done.out)] == ["true_positive"]


def test_an_earlier_session_s_alert_is_seen(run: Run, tmp_path: Path) -> None:
    """A habit is no excuse for a user whose earlier session is not cleared up."""
    agent = "gimme-aws-creds 2.8.2"
    start: dict[str, Any] = {"client__userAgent__rawUserAgent": agent}
    days = [
        event(
            "session_start",
            "svc",
            f"day-{day}",
            -1440 * day,
            authenticationContext__externalSessionId=f"102day{day}",
            transaction__id=f"day-{day}",
            debugContext__debugData__requestId=f"day-{day}",
            **start,
        )
        for day in (20, 16, 12, 8, 4, 0)
    ]
    later = sign_in("joy", 300)
    file = write(tmp_path / "habit.ndjson", [*days, *later])
    (line,) = _found(run, "svc-day-0", file)
    assert line["verdict"] == "benign"
    tied = {"authenticationContext__externalSessionId": "102day4", "target": None}
    act = event("factor_activate", "svc", "act", -1440 * 4 + 5, **tied)
    file = write(tmp_path / "abused.ndjson", [*days, act, *later])
    (line,) = _found(run, "svc-day-4", file)
    assert line["verdict"] == "true_positive"
    (line,) = _found(run, "svc-day-0", file)
    assert line["verdict"] == "security_risk"


# --- --history ----------------------------------------------------------------------------------


def test_a_run_is_added_and_what_changed_is_told(run: Run, log: Path, tmp_path: Path) -> None:
    file = tmp_path / "runs.ndjson"
    words = ("investigate", "102ada", "--logs", log, "--quiet", "--history", file)
    assert run(*words, "--now", "2026-03-02T09:02:00Z").err == ""
    first = file.read_bytes()
    done = run(*words, "--now", "2026-03-02T10:00:00Z")
    assert done.code == 0
    assert done.err.splitlines() == [
        "Changed since the last run on ada-start:",
        "  verdict: insufficient_data, now true_positive",
        "  severity: informational, now critical",
        "  follow_up: 2026-03-02T09:30:00.000Z, now 2026-03-02T13:00:00.000Z",
        "  acts: new: act user.mfa.factor.activate ada-act",
        "  acts: 0 answers, now 1",
        "  around: new: users_of_address 2",
        "  around: new: users_of_client 2",
        "  around: 0 answers, now 2",
        "  window: no longer: short_window 2m",
        "  window: new: open_window 1h",
    ]
    assert file.read_bytes().startswith(first)
    done = run(*words, "--now", "2026-03-02T10:00:00Z")
    assert done.err == "Nothing changed since the last run on ada-start.\n"
    runs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [one["verdict"]["verdict"] for one in runs] == [
        "insufficient_data",
        "true_positive",
        "true_positive",
    ]
    assert {one["uuid"] for one in runs} == {"ada-start"}


def test_runs_on_others_are_no_run_on_this(run: Run, log: Path, tmp_path: Path) -> None:
    file = tmp_path / "runs.ndjson"
    for name in ("102ada", "102joy", "gus-mfa"):
        done = run("investigate", name, "--logs", log, "-q", "--history", file)
        assert (done.code, done.err) == (0, "")
    uuids = [json.loads(line)["uuid"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert uuids == ["ada-start", "joy-start", "gus-start"]


@pytest.mark.parametrize("text", ["{", "[]", '{"detection": "x", "uuid": "y"}', "no JSON", ""])
def test_a_damaged_line_is_named_and_nothing_is_added(
    run: Run, log: Path, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "runs.ndjson"
    words = ("investigate", "102ada", "--logs", log, "-q", "--history", file)
    assert run(*words).code == 0
    with file.open("a", encoding="utf-8") as out:
        out.write(text + "\n")
    written = file.read_bytes()
    done = run(*words)
    message = f"mfagap: {file}:2: no run of a runbook; name another file\n"
    assert (done.code, done.err) == (2, message)
    assert file.read_bytes() == written


def test_a_history_that_cannot_be_written(run: Run, log: Path, tmp_path: Path) -> None:
    file = tmp_path / "absent" / "runs.ndjson"
    done = run("investigate", "102ada", "--logs", log, "-q", "--history", file)
    message = f"mfagap: {file}: cannot be written: No such file or directory\n"
    assert (done.code, done.err) == (1, message)


def test_a_history_among_the_logs_is_no_input(run: Run, log: Path) -> None:
    file = log.with_name("runs.ndjson")
    words = ("investigate", "102ada", "--logs", log.parent, "--history", file)
    for _ in range(2):
        assert run(*words).err.startswith(READ)


# --- what the log says ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["table", "csv", "json", "jsonl"])
def test_hostile_text_does_nothing(run: Run, tmp_path: Path, kind: str) -> None:
    hostile: dict[str, Any] = {
        "client__userAgent__rawUserAgent": HOSTILE,
        "authenticationContext__externalSessionId": f"102{HOSTILE}",
    }
    target = [{"id": "x", "type": "User", "alternateId": HOSTILE, "displayName": HOSTILE}]
    act: dict[str, Any] = {**hostile, "target": target}
    events = [*sign_in("ada", 0, **hostile), event("factor_activate", "ada", "act", 3, **act)]
    log = write(tmp_path / "x.ndjson", [*events, *sign_in("joy", 300)])
    history = tmp_path / "runs.ndjson"
    words = ("--logs", log, "--format", kind, "--history", history)
    for now in ("2026-03-02T09:02:00Z", "2026-03-02T10:00:00Z"):
        done = run("investigate", f"102{HOSTILE}", *words, "--now", now)
        assert done.code == 0, done.err
        for text in (done.out, done.err):
            assert [char for char in "\x1b\x07\u202e" if char in text] == []
    assert f"acts: new: act user.mfa.factor.activate ({SHOWN}) ada-act\n" in done.err
    if kind == "table":
        told = SHOWN.replace("[", "(").replace("]", ")")  # those of a citation
        assert f"user.mfa.factor.activate ({told}) 3m after the start" in (
            " ".join(done.out.split())
        )


def test_a_hostile_name_of_nothing(run: Run, log: Path) -> None:
    done = run("investigate", HOSTILE, "--logs", log)
    assert (done.code, done.out) == (2, "")
    assert [char for char in "\x1b\x07\u202e" if char in done.err] == []
    assert "is the session id or event of none of the 4 legacy sign-ins" in done.err


# --- wrong words ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "the following arguments are required: SESSION_ID|EVENT_UUID, --logs"),
        (["102ada"], 2, "the following arguments are required: --logs"),
        (["102ada", "--logs"], 2, "argument --logs: expected at least one argument"),
        (["102ada", "--logs", "absent.ndjson"], 2, "no such file or folder: 'absent.ndjson'"),
        (["102ada", "--logs", ".", "--now", "soon"], 2, "--now: 'soon' is no time; "),
        (["102ada", "--logs", ".", "-o", "x.pdf"], 2, "x.pdf: no format has this suffix"),
        (["102ada", "--logs", ".", "--format", "pdf"], 2, "--format: invalid choice: 'pdf'"),
        (["102ada", "--logs", ".", "--config", "absent"], 2, "absent: cannot be read: "),
    ],
)
def test_wrong_words(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("investigate", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_nothing_readable(run: Run, tmp_path: Path) -> None:
    done = run("investigate", "102ada", "--logs", tmp_path)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("mfagap: no Okta event in 0 files: ")
