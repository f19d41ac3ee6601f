import json
import re
import signal
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.cli.command import PROGRAM, Done, Run
from tests.cli.logs import sign_in, write
from tests.cli.watched import NOW, prepared
from tests.detect.shipped import ID

from mfagap.service import doctor
from mfagap.service import run as run_module
from mfagap.settings import load
from mfagap.state.database import held

LATE = "2026-09-01T00:00:00Z"
"""When all that the log holds is older than ``keep_days``."""


_LINE = {"level": "info"}


def _events(done: Done) -> list[dict[str, Any]]:
    """Return what was logged, as JSON, without what the clock tells."""
    lines = [json.loads(line) for line in done.err.splitlines()]
    for line in lines:
        assert next(iter(line)) == "timestamp"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
        for key in [key for key in line if key.endswith("_s")]:
            del line[key]
    return lines


def _verdicts(run: Run, config: Path) -> dict[int, tuple[str, str]]:
    done = run("alerts", "list", "--json", "--config", config)
    rows = map(json.loads, done.out.splitlines())
    return {row["id"]: (row["severity"], row["verdict"]) for row in rows}


def test_one_run_and_a_second_one(run: Run, tmp_path: Path) -> None:
    words = ("run", "--once", "--config", prepared(tmp_path), "--now", NOW)
    done = run(*words)
    assert (done.code, done.out) == (0, "")
    told = _events(done)
    assert [line["event"] for line in told] == [
        "source_read",
        *["alert_opened"] * 4,
        *["notice_sent"] * 4,
        "tick_done",
    ]
    assert told[0] == {**_LINE, "event": "source_read", "source": "dropped", "events": 24}
    assert told[2] == {
        **_LINE,
        "event": "alert_opened",
        "alert": 2,
        "detection": ID,
        "severity": "high",
        "verdict": "suspicious",
        "status": "open",
        "by": None,
    }
    notice = {"key": "2-2-log", "route": "log", "alert": 2, "attempts": 1}
    assert told[6] == {**_LINE, "event": "notice_sent", **notice}
    assert told[-1] == {
        **_LINE,
        "event": "tick_done",
        "events": 24,
        "repeats": 0,
        "rejected": 0,
        "slots": 13,
        "findings_changed": 7,
        "investigated": 7,
        "alerts": {"opened": 4},
        "suppressed": 0,
        "notices_sent": 4,
        "notices_failed": 0,
        "notices_parked": 0,
        "events_dropped": 0,
        "failures": 0,
        "watermark": "2026-03-02T09:20:00.060Z",
    }
    assert len((tmp_path / "told.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    done = run(*words)
    (line,) = _events(done)
    assert (done.code, line["event"], line["events"], line["alerts"]) == (0, "tick_done", 0, {})
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
    failed, tick = _events(done)
    why = f"no such file or folder: '{where}'"
    error = {**_LINE, "level": "error", "event": "source_failed"}
    assert failed == {**error, "source": "dropped", "error": why}
    assert (tick["event"], tick["failures"]) == ("tick_done", 1)


def test_a_second_one_at_once(run: Run, config: Path) -> None:
    state = load(config).state
    with held(state):
        done = run("run", "--once", "--config", config)
    said = f"mfagap: {state}: another mfagap is at work there; wait for it, or stop it\n"
    assert done == Done(4, "", said)


def _set_clock(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    ms = round(datetime.fromisoformat(text).timestamp() * 1000)
    for module in (run_module, doctor):
        monkeypatch.setattr(module, "wall_ms", lambda: ms)


def test_a_clock_that_was_set_back(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By less than an hour, time stands still; else it is an error. What was found stays."""
    before = _verdicts(run, config)
    _set_clock(monkeypatch, "2026-03-02T11:00:01Z")
    done = run("run", "--once", "--config", config)
    behind, tick = _events(done)
    assert behind == {**_LINE, "level": "warning", "event": "clock_behind", "seconds": 3_599}
    assert (done.code, tick["event"], tick["alerts"]) == (0, "tick_done", {})
    assert run("doctor", "--config", config).out.count("fail     clock and state: behind the ") == 1
    _set_clock(monkeypatch, "2026-03-02T11:00:00Z")
    ways = (("run", "--once"), ("backfill", "--from", "2026-03-02", "--to", "2026-03-03"))
    for words in ways:
        done = run(*words, "--config", config)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(
            "mfagap: the clock says 2026-03-02T11:00:00.000Z, and the last run was as of "
            "2026-03-02T12:00:00.000Z: let NTP set the clock; "
        )
    assert _verdicts(run, config) == before


def test_a_time_before_the_last_run_is_refused(run: Run, config: Path) -> None:
    done = run("run", "--once", "--config", config, "--now", "2026-03-02T11:59:59.999Z")
    told = (
        "mfagap: --now 2026-03-02T11:59:59.999Z is before the last run, which was as of "
        "2026-03-02T12:00:00.000Z: give a later one, or replay in another state folder\n"
    )
    assert done == Done(2, "", told)


def test_what_was_dropped_changes_no_verdict(run: Run, config: Path) -> None:
    words = ("run", "--once", "--config", config, "--now", LATE)
    assert _events(run(*words))[-1]["events_dropped"] == 26
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
    tick = _events(run(*words))[-1]
    assert (tick["alerts"], tick["notices_sent"]) == ({"opened": 1}, 1)
    tick = _events(run(*words))[-1]
    assert (tick["events"], tick["alerts"], tick["notices_sent"]) == (0, {}, 0)


def test_an_address_that_is_none_stops_a_serve(run: Run, config: Path) -> None:
    done = run("serve", "--metrics", "9464", "--config", config)
    told = "mfagap: metrics: '9464' is no address such as 127.0.0.1:9464\n"
    assert done == Done(2, "", told)


def test_metrics_in_a_file(run: Run, config: Path) -> None:
    file = config.parent / "m.prom"
    words = ("run", "--once", "--config", config, "--now", NOW, "--metrics-file", file)
    for ticks in (1, 2):
        assert run(*words).code == 0
        assert f"\nmfagap_tick_duration_seconds_count {ticks}.0\n" in file.read_text("utf-8")


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
    words += ["--metrics", "127.0.0.1:0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr is not None
        told: list[Any] = []
        while not told or told[-1]["event"] != "tick_done":
            told.append(json.loads(process.stderr.readline()))
        url = told[0]["url"]
        assert 'mfagap_events_collected_total{source="dropped"} 0.0\n' in httpx2.get(url).text
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"")
    assert [line["event"] for line in told[:2]] == ["metrics_served", "started"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", url)
    assert json.loads(err)["event"] == "stopped"
