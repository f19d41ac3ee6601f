"""From an empty folder: `init`, then `serve` beside a running org, and a factor that came late."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.fake_okta.server import TOKEN, FakeOkta
from tests.notify.receivers import Receiver
from tests.properties.orgs import BEGIN, STORIES, SignIn, factor
from tests.service.test_watch import SECRET, lines, waited

from mfagap.cli.main import main

LATENESS_S = 300
"""Of the source that `init` writes: so far behind now is the watermark."""
ENOUGH_S = 30 * 60
"""Of log after the start, which a verdict needs."""
ROUTE = """
[routes.soc]
type = "webhook"
url_variable = "SOC_URL"
secret_variable = "SOC_SECRET"
"""


def test_serve_raises_investigates_follows_up_retracts_and_notifies(
    tmp_path: Path, receiver: Receiver
) -> None:
    config, told, err = (
        tmp_path / name for name in ("mfagap.toml", "mfagap-alerts.jsonl", "stderr")
    )
    assert main(["init", str(config)]) == 0
    with config.open("a", encoding="utf-8") as file:
        file.write(ROUTE)
    # The sign-in was half an hour before the watermark, less some seconds: a second look is due.
    began = datetime.now(UTC).timestamp() - BEGIN.timestamp() - LATENESS_S - ENOUGH_S + 15
    ada = SignIn(1, "ada", began, "allowed")
    with FakeOkta() as okta:
        okta.add(STORIES["allowed"](ada))
        environment = {
            "OKTA_CLIENT_ORGURL": okta.url,
            "OKTA_CLIENT_TOKEN": TOKEN,
            "SOC_URL": receiver.url,
            "SOC_SECRET": SECRET,
            "HOME": str(tmp_path),
        }
        command = [sys.executable, "-m", "mfagap", "serve", "--every", "1", "--config", str(config)]
        with (
            err.open("wb") as stderr,
            subprocess.Popen(command, env=environment, stderr=stderr) as process,
        ):
            try:
                waited(lambda: told.exists() and lines(told))
                waited(lambda: '"alert_eased"' in err.read_text(encoding="utf-8"), 60)
                okta.add([factor(ada, "mfa", 20)], stored_ms=round(time.time() * 1000))
                waited(lambda: len(lines(told)) == 2)
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=60) == 0
    errors = err.read_bytes()
    assert [(n["kind"], n["verdict"], n["users"]) for n in lines(told)] == [
        ("opened", "insufficient_data", ["ada@example.com"]),
        ("retracted", "security_risk", ["ada@example.com"]),
    ]
    posted = [(r.headers["webhook-id"], json.loads(r.body)["kind"]) for r in receiver.received]
    assert [kind for _, kind in posted] == ["opened", "retracted"]
    words = [json.loads(line)["event"] for line in errors.splitlines()]
    deeds = [word for word in words if word.startswith("alert_")]
    assert deeds == ["alert_opened", "alert_eased", "alert_retracted"]
    assert (words[0], words[-1]) == ("started", "stopped")
    assert TOKEN.encode() not in errors
    assert SECRET.encode() not in errors
