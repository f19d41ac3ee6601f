"""SIGTERM while the past is read: what was read stays, and the next run goes on with the rest."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.fake_okta.faults import fine, rate_limited
from tests.fake_okta.server import TOKEN, FakeOkta
from tests.service.test_watch import ROOT, waited
from tests.sources.test_okta_api import every

from mfagap import settings
from mfagap.service import run
from mfagap.service.collect import Course
from mfagap.settings import Settings
from mfagap.sources.okta_api import DAY_MS

CONFIG = """\
[sources.okta]
type = "okta_api"
backfill_days = 3
"""


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that name an org."""
    file = tmp_path / "mfagap.toml"
    file.write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", TOKEN)
    return settings.load(file)


@pytest.fixture
def okta(monkeypatch: pytest.MonkeyPatch) -> Generator[FakeOkta]:
    """An org with an event in each of three days, and for the third day a limit that is used up."""
    with FakeOkta() as running:
        monkeypatch.setenv("OKTA_CLIENT_ORGURL", running.url)
        running.add(every(24, 3, round(time.time() * 1000) - DAY_MS // 2))
        running.faults.extend([fine(), fine(), rate_limited(300)])
        yield running


def rest(loaded: Settings, okta: FakeOkta) -> None:
    """Run again, and see that it goes on with the third day."""
    before = len(okta.asked())
    with run.opened(loaded) as workshop:
        assert workshop.lake.holdings().events == 2
        report = run.run_once(workshop, loaded, run.wall_ms())
        assert report.collected.events == {"okta": 1}
        assert workshop.lake.holdings().events == 3
    third, fourth = okta.asked()[before - 1 : before + 1]
    assert third.query == fourth.query


def test_sigterm_while_it_waits_for_the_limit(loaded: Settings, okta: FakeOkta) -> None:
    command = [sys.executable, "-m", "mfagap", "serve", "--config", loaded.file]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            waited(lambda: len(okta.asked()) == 3)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (0, b"")
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events == ["started", "source_past", "source_past", "stopped"]
    rest(loaded, okta)


def test_a_stop_is_asked_for_after_each_page_and_in_each_wait(
    loaded: Settings, okta: FakeOkta
) -> None:
    waits: list[float] = []

    def stop(seconds: float) -> bool:
        waits.append(seconds)
        return seconds > 60

    with run.opened(loaded) as workshop:
        run.serve(1, stop, lambda: run.run_once(workshop, loaded, run.wall_ms(), Course(stop=stop)))
    *before, last = waits
    assert before == [0, 0, 0]
    assert 290 <= last <= 301
    rest(loaded, okta)
