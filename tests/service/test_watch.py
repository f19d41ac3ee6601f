"""From Okta's log to people: `run --once` and `serve`, over real HTTP and real processes."""

import json
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.detect.shipped import ID
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import TOKEN, FakeOkta
from tests.notify.receivers import Receiver
from tests.properties.orgs import BEGIN, STORIES, SignIn, factor

from mfagap import settings
from mfagap.alerts import Deed
from mfagap.errors import SettingsError, StateBusy
from mfagap.service import run
from mfagap.service.run import Delivered, Report

ROOT = Path(__file__).resolve().parents[2]
BEGIN_MS = round(BEGIN.timestamp() * 1000)
SECRET = "whsec_" + b64encode(b"a secret of thirty-two bytes....").decode()
CONFIG = """\
state = "state"

[sources.okta]
type = "okta_api"
lateness_s = 0
backfill_days = 1

[routes.soc]
type = "webhook"
url_variable = "SOC_URL"
secret_variable = "SOC_SECRET"

[routes.log]
type = "file"
path = "{out}"
severity = "low"
"""
ADA = SignIn(1, "ada", 9000, "allowed")


def ms(at: float) -> int:
    return BEGIN_MS + round(at * 1000)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_sign_in_from_okta_to_people_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    out, config = tmp_path / "alerts.jsonl", tmp_path / "mfagap.toml"
    config.write_text(CONFIG.format(out=out), encoding="utf-8")
    loaded = settings.load(config)
    with FakeOkta(clock=lambda: ms(9400) / 1000) as okta:
        monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
        monkeypatch.setenv("OKTA_CLIENT_TOKEN", TOKEN)
        monkeypatch.setenv("SOC_URL", receiver.url)
        monkeypatch.setenv("SOC_SECRET", SECRET)

        def once(at: float) -> Report:
            with run.opened(loaded) as workshop:
                with pytest.raises(StateBusy), run.opened(loaded):
                    pass
                return run.run_once(workshop, loaded, ms(at))

        okta.add(STORIES["allowed"](ADA))
        receiver.statuses.append(503)
        report = once(9400)
        assert report.collected.events == {"okta": 2}
        assert (report.ticked.watermark_ms, report.ticked.deeds) == (ms(9400), (Deed.OPENED,))
        assert report.delivered == Delivered(sent=1, failed=1, parked=0)

        # the window of the verdict is long enough now: the follow-up; the webhook takes its notice
        okta.faults.append(Fault(status=401, code="E0000011"))
        report = once(10_800)
        assert report.collected.failures.keys() == {"okta"}
        assert TOKEN not in report.collected.failures["okta"]
        assert report.delivered == Delivered(sent=1)
        assert once(10_860).ticked.deeds == (Deed.EASED,)

        okta.add([factor(ADA, "mfa", 20)], stored_ms=ms(10_900))
        report = once(10_920)
        assert report.collected.events == {"okta": 1}
        assert report.ticked.deeds == (Deed.RETRACTED,)
        assert report.delivered == Delivered(sent=2)
        assert once(10_980).delivered == Delivered()
    told = [(line["key"], line["kind"], line["verdict"], line["why"]) for line in lines(out)]
    assert told == [
        ("1-1-log", "opened", "insufficient_data", None),
        ("1-3-log", "retracted", "security_risk", "a second factor came to light [mfa-1]"),
    ]
    posted = [(r.headers["webhook-id"], json.loads(r.body)["kind"]) for r in receiver.received]
    assert posted == [("1-1-soc", "opened"), ("1-1-soc", "opened"), ("1-3-soc", "retracted")]
    signatures = {request.headers["webhook-signature"] for request in receiver.received}
    assert len(signatures) == 3
    kept = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*.sqlite*"))
    assert TOKEN.encode() not in kept
    assert SECRET.encode() not in kept


def waited(what: Callable[[], Any], seconds: float = 30) -> Any:
    """Return what ``what`` returns, once it is something."""
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)
    return found


def test_serve_runs_until_it_is_stopped_and_alone(tmp_path: Path) -> None:
    out, err = tmp_path / "alerts.jsonl", tmp_path / "stderr"
    config = tmp_path / "mfagap.toml"
    (tmp_path / "logs").mkdir()
    config.write_text(
        f'[sources.dropped]\ntype = "folder"\npath = "{tmp_path / "logs"}"\n'
        f'[routes.log]\ntype = "file"\npath = "{out}"\nseverity = "low"\n',
        encoding="utf-8",
    )
    hours_ago = datetime.now(UTC).timestamp() - BEGIN.timestamp() - 2 * 3600
    events = STORIES["allowed"](SignIn(1, "ada", hours_ago, "allowed"))
    events += STORIES["allowed"](SignIn(2, "bob", hours_ago + 3600, "allowed"))
    command = [sys.executable, "-m", "mfagap"]
    serve = [*command, "serve", "--every", "1", "--config", str(config)]
    with err.open("wb") as stderr, subprocess.Popen(serve, cwd=ROOT, stderr=stderr) as process:
        try:
            waited(lambda: '"tick_done", "events": 0' in err.read_text(encoding="utf-8"))
            other = [*command, "run", "--once", "--config", str(config)]
            second = subprocess.run(
                other, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
            )
            part = tmp_path / "part"
            part.write_text("".join(json.dumps(event) + "\n" for event in events))
            part.rename(tmp_path / "logs" / "1.ndjson")
            waited(lambda: out.exists() and lines(out))
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
    busy = f"{tmp_path / 'mfagap-state'}: another mfagap is at work there; wait for it, or stop it"
    assert (second.returncode, second.stdout) == (4, "")
    assert busy in second.stderr
    assert [(line["kind"], line["users"]) for line in lines(out)] == [
        ("opened", ["ada@example.com"])
    ]
    told = [json.loads(line) for line in err.read_text(encoding="utf-8").splitlines()]
    ticks = [line for line in told if line["event"] == "tick_done"]
    assert {"opened": 1} in [line["alerts"] for line in ticks]
    assert sum(line["notices_sent"] for line in ticks) == 1
    assert [line["event"] for line in (told[0], told[-1])] == ["started", "stopped"]


def test_a_notice_that_is_not_taken_waits_longer_each_time_and_is_parked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    config = tmp_path / "mfagap.toml"
    config.write_text('[routes.soc]\ntype = "webhook"\nurl_variable = "SOC_URL"\n')
    monkeypatch.setenv("SOC_URL", receiver.url)
    loaded = settings.load(config)
    receiver.statuses.extend([500] * run.ATTEMPTS)
    waits: list[int] = []
    with run.opened(loaded) as workshop:
        values = dict.fromkeys(("resolution", "verdict"), None) | {
            "detection": "d",
            "dedup_key": "k",
            "first_ms": 0,
            "status": "open",
            "severity": 2,
        }
        with workshop.database.change():
            workshop.alerts.put(None, values, 0)
            workshop.outbox.put("1-1-soc", 1, "soc", {"title": "t"}, 0)
            workshop.outbox.put("1-1-gone", 1, "gone", {"title": "t"}, 2**60)
        (row, _) = workshop.outbox.unsent()
        now_ms = 0
        for attempt in range(run.ATTEMPTS):
            assert run.deliver(workshop, loaded, now_ms - 1) == Delivered()
            last = attempt + 1 == run.ATTEMPTS
            assert run.deliver(workshop, loaded, now_ms) == Delivered(0, 1, int(last))
            (row, _) = workshop.outbox.unsent()
            waits.append(row["next_ms"] - now_ms)
            now_ms = row["next_ms"]
        assert (row["status"], row["failure"]) == ("parked", "answered 500")
        assert waits == [15_000 * 2**n for n in range(9)] + [7_200_000, 7_200_000, 0]
        assert run.deliver(workshop, loaded, 2**59) == Delivered()
        # a route that the settings no longer have is no reason to stop
        assert run.deliver(workshop, loaded, 2**60).failed == 1
        assert workshop.outbox.unsent()[1]["failure"] == f"{config}: no route 'gone'"
    assert {request.headers["webhook-id"] for request in receiver.received} == {"1-1-soc"}


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (
            '[sources.a]\ntype = "folder"\npath = "x"\nglob = "y"\n',
            4,
            "sources.a.glob: unknown; known is: type, path, lateness_s",
        ),
        ('[sources.a]\ntype = "folder"\n', 1, "sources.a.path: is missing; it is a text"),
        (
            '[sources.a]\ntype = "folder"\npath = "x"\nlateness_s = -1\n',
            4,
            "sources.a.lateness_s: -1 is negative",
        ),
        (
            '[sources.a]\ntype = "folder"\npath = "x"\nlateness_s = true\n',
            4,
            "sources.a.lateness_s: True is not a whole number",
        ),
        (
            '\n[sources.b]\ntype = "ftp"\n',
            3,
            "sources.b.type: 'ftp' is none of: folder, okta_api, azure, gcs, s3",
        ),
        ("[sources.a]\n", 1, "sources.a.type: is missing; it is a text"),
        (
            '[sources.o]\ntype = "okta_api"\ntoken = "x"\n',
            3,
            "sources.o.token: unknown; known is: type, lateness_s, backfill_days, share_percent",
        ),
        ("\n[detections.x]\n", 2, f"no detection 'x'; there are: {ID}"),
        (
            '[routes.r]\ntype = "file"\nseverity = "loud"\n',
            3,
            "routes.r.severity: 'loud' is none of: informational, low, medium, high, critical",
        ),
    ],
)
def test_settings_that_are_off_stop_a_run_before_it_reads_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int, told: str
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    config = tmp_path / "mfagap.toml"
    config.write_text(text, encoding="utf-8")
    loaded = settings.load(config)
    with pytest.raises(SettingsError) as caught, run.opened(loaded) as workshop:
        run.run_once(workshop, loaded, 1)
    assert str(caught.value) == f"{config}:{line}: {told}"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('[routes.r]\ntype = "pigeon"\n', 2, "routes.r.type: no kind 'pigeon'"),
        ('[routes.r]\ntype = "no.such"\n', 2, "routes.r.type: no kind 'no.such'"),
        (
            '\n\n[routes.r]\ntype = "file"\npath = "x"\nmode = 1\n',
            6,
            "routes.r.mode: unknown; known is: type, severity, path, format",
        ),
        (
            '[routes.r]\ntype = "slack"\nurl = "https://example.com"\n',
            3,
            "routes.r.url: unknown; known is: type, severity, url_variable",
        ),
        (
            '[routes.r]\ntype = "webhook"\nurl_variable = "NOT_SET"\n',
            3,
            "routes.r.url_variable: the environment variable 'NOT_SET' is not set",
        ),
    ],
)
def test_a_route_that_is_off_is_told_of_and_keeps_nobody_from_watching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int, told: str
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    config = tmp_path / "mfagap.toml"
    config.write_text(text, encoding="utf-8")
    loaded = settings.load(config)
    with run.opened(loaded) as workshop:
        report = run.run_once(workshop, loaded, 1)
    assert report.collected.failures == {"routes.r": f"{config}:{line}: {told}"}
