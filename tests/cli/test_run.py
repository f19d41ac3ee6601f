import json
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.command import PROGRAM, Done, Run
from tests.cli.logs import sign_in, write
from tests.cli.watched import NOW, prepared

from mfagap.settings import load
from mfagap.state.database import held

LATE = "2026-09-01T00:00:00Z"
"""When all that the log holds is older than ``keep_days``."""


def _verdicts(run: Run, config: Path) -> dict[int, tuple[str, str]]:
    done = run("alerts", "list", "--json", "--config", config)
    rows = map(json.loads, done.out.splitlines())
    return {row["id"]: (row["severity"], row["verdict"]) for row in rows}


def test_one_run_and_a_second_one(run: Run, tmp_path: Path) -> None:
    words = ("run", "--once", "--config", prepared(tmp_path), "--now", NOW)
    done = run(*words)
    counts = (
        "24 new events, 13 slots, 7 findings changed, 7 investigated, 4 alerts opened, "
        "4 notices sent\n"
    )
    assert done == Done(0, "", counts)
    assert len((tmp_path / "told.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    assert run(*words) == Done(0, "", "nothing new\n")
    assert run(*words, "--quiet") == Done(0, "", "")


def test_without_a_source_nothing_is_run(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mfagap.toml"
    file.write_text("", encoding="utf-8")
    for words in (("run", "--once"), ("serve",)):
        done = run(*words, "--config", file)
        assert done.code == 2
        assert done.err.startswith(f"mfagap: {file}: no source to read; `mfagap init` writes ")
    assert list(tmp_path.iterdir()) == [file]


def test_a_source_that_leads_nowhere(run: Run, config: Path) -> None:
    text = config.read_text(encoding="utf-8").replace('"logs"', '"absent"')
    config.write_text(text, encoding="utf-8")
    done = run("run", "--once", "--config", config, "--now", NOW)
    assert done.code == 1
    where = config.parent / "absent"
    assert done.err == f"mfagap: dropped: no such file or folder: '{where}'\n"


def test_a_second_one_at_once(run: Run, config: Path) -> None:
    state = load(config).state
    with held(state):
        done = run("run", "--once", "--config", config)
    said = f"mfagap: {state}: another mfagap is at work there; wait for it, or stop it\n"
    assert done == Done(4, "", said)


def test_what_was_dropped_changes_no_verdict(run: Run, config: Path) -> None:
    words = ("run", "--once", "--config", config, "--now", LATE)
    assert "26 old events dropped" in run(*words).err
    before = _verdicts(run, config)
    assert before[2] == ("high", "suspicious")
    by = ("--by", "ana", "--config", config)
    for alert in before:
        assert run("alerts", "close", alert, "--resolution", "benign", *by).code == 0
        assert run("alerts", "reopen", alert, *by).code == 0
    assert run(*words).code == 0
    assert _verdicts(run, config) == before


def test_a_new_session_is_told_once(run: Run, config: Path) -> None:
    write(config.parent / "logs" / "later.ndjson", sign_in("zed", 4.7))
    words = ("run", "--once", "--config", config, "--now", NOW)
    assert "1 alerts opened, 1 notices sent\n" in run(*words).err
    assert run(*words).err == "nothing new\n"


def test_backfill(run: Run, config: Path) -> None:
    words = ("backfill", "--config", config, "--from", "2026-03-02", "--to")
    done = run(*words, "2026-03-02T09:20")
    assert done.code == 0
    assert done.err.startswith("slots evaluated: ")
    refused = run(*words, "2026-03-02T08:00")
    assert refused.err == (
        "mfagap: the lake holds no event before 2026-03-02T09:00:00.000Z: none of that time was "
        "read, or it is older than keep_days\n"
    )
    backward = run(*words, "2026-03-01")
    assert backward == Done(2, "", "mfagap: --to 2026-03-01 is not after --from 2026-03-02\n")


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf"])
def test_a_pace_that_is_none(run: Run, config: Path, every: str) -> None:
    done = run("serve", "--every", every, "--config", config)
    assert done == Done(2, "", f"mfagap: --every {every}: from 1 to 86400 seconds\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_tells_in_json_and_ends_when_asked(config: Path, number: signal.Signals) -> None:
    words = [PROGRAM, "serve", "--every", "86400", "--config", str(config)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"")
    assert list(line) == [
        "time",
        "watermark",
        "events",
        "repeats",
        "rejected",
        "slots",
        "findings_changed",
        "investigated",
        "alerts",
        "notices_sent",
        "notices_failed",
        "events_dropped",
        "failures",
        "notes",
        "silent",
    ]
    assert (line["failures"], line["notices_failed"]) == ({}, 0)
