"""The log on standard error: JSON, or lines to read; harmless in both."""

import argparse
import io
import json
import sys
from pathlib import Path

import pytest
from structlog.typing import FilteringBoundLogger
from tests.cli.command import Run
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import TOKEN, FakeOkta
from tests.notify.receivers import Receiver
from tests.properties.orgs import STORIES, SignIn
from tests.service.test_watch import ms

from mfagap.cli import log
from mfagap.detect.evaluate import rfc3339

NOW_MS = 1_768_564_800_123
HOSTILE = 'a\x1b[2J\x9b\u202e\nb level=error "quoted"'


def opened(*words: str) -> FilteringBoundLogger:
    parser = argparse.ArgumentParser()
    log.add_to(parser)
    return log.opened(parser.parse_args(words), lambda: NOW_MS)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    opened().info("source_read", source=HOSTILE, events=3)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        '{"timestamp": "2026-01-16T12:00:00.123Z", "level": "info", "event": "source_read", '
        '"source": "a\\u001b[2J\\u009b\\u202e\\nb level=error \\"quoted\\"", "events": 3}\n'
    )
    assert json.loads(said.err)["source"] == HOSTILE


def test_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    opened().warning(
        "source_note", source="dropped", note=HOSTILE, empty="", events=0, none=None, alerts={}
    )
    assert capsys.readouterr().err == (
        "2026-01-16T12:00:00.123Z  warning  source_note  source=dropped  "
        'note="a\\u001b[2J\\x9b\\u202e\\nb level=error \\"quoted\\""  empty=""\n'
    )


def test_a_terminal_has_a_bar_for_the_days_that_were_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    opened().info("source_past", source="okta", days=1, of_days=90.0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), ["info", "warning", "error"]),
        (("--log-level", "debug"), ["debug", "info", "warning", "error"]),
        (("--log-level", "error"), ["error"]),
        (("--quiet",), ["warning", "error"]),
        (("-q", "--log-level", "debug"), ["warning", "error"]),
        (("-q", "--log-level", "error"), ["error"]),
    ],
)
def test_levels(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: list[str]
) -> None:
    logger = opened(*words)
    for level in log.LEVELS:
        getattr(logger, level)("x")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["level"] for line in lines] == told


class Full(io.StringIO):
    """A stream whose disk is full."""

    def write(self, text: str) -> int:
        raise OSError(28, f"No space left on device: {text}")


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = opened()
    monkeypatch.setattr(sys, "stderr", Full())
    with pytest.raises(OSError, match="No space"):
        print("x", file=sys.stderr)
    logger.error("x")


CONFIG = """\
[sources.okta]
type = "okta_api"
backfill_days = 1
lateness_s = 0

[routes.soc]
type = "webhook"
url_variable = "SOC_URL"
severity = "low"

[routes.off]
type = "slack"
url_variable = "OFF_URL"

[ping]
url_variable = "PING_URL"
fail = true
"""


@pytest.mark.parametrize("terminal", [False, True])
def test_no_secret_is_logged(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    config = tmp_path / "mfagap.toml"
    config.write_text(CONFIG, encoding="utf-8")
    words = ("run", "--once", "--config", config, "--log-level", "debug", "--now")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with FakeOkta(clock=lambda: ms(9400) / 1000) as okta, Receiver() as receiver:
        okta.add(STORIES["allowed"](SignIn(1, "ada", 9000, "allowed")))
        monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
        monkeypatch.setenv("OKTA_CLIENT_TOKEN", TOKEN)
        monkeypatch.setenv("SOC_URL", f"{receiver.url}/hook-doNotShow")
        monkeypatch.setenv("OFF_URL", "http://example.com/slack-doNotShow")
        monkeypatch.setenv("PING_URL", f"{receiver.url}/ping-doNotShow")
        receiver.statuses.extend([500, 500, 500, 204])
        first = run(*words, rfc3339(ms(9400)))
        okta.faults.append(Fault(status=401, code="E0000011"))
        second = run(*words, rfc3339(ms(9460)))
    asked = [request.path for request in receiver.received]
    assert asked == ["/hook-doNotShow", "/ping-doNotShow/fail"] * 2
    said = first.err + second.err
    assert (first.code, second.code, first.out, second.out) == (1, 1, "", "")
    for event in ("source_failed", "route_failed", "notice_failed", "ping_failed", "ping_sent"):
        assert event in said
    assert "doNotShow" not in said
    assert TOKEN not in said
