import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.command import Run
from tests.cli.watched import SETTINGS
from tests.detect.shipped import ID
from tests.fake_okta.server import TOKEN, FakeOkta

from mfagap.detect.load import load_all
from mfagap.service import doctor
from mfagap.state.database import Database

OKTA = '[sources.okta]\ntype = "okta_api"\n'


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("OKTA_CLIENT_ORGURL", "OKTA_CLIENT_TOKEN", "OKTA_ORG_NAME", "OKTA_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def _checks(out: str) -> dict[str, tuple[str, str]]:
    found = re.findall(r"^(\w+) +([^:]+): (.+)$", out, re.MULTILINE)
    return {subject: (outcome, words) for outcome, subject, words in found}


def test_after_a_run_long_ago(run: Run, config: Path) -> None:
    done = run("doctor", "--config", config)
    checks = _checks(done.out)
    assert {subject: outcome for subject, (outcome, _) in checks.items()} == {
        "settings": "ok",
        "detections": "ok",
        "keep_days": "ok",
        "sources.dropped": "ok",
        "routes.log": "ok",
        "metrics": "ok",
        "ping": "ok",
        "disk": "ok",
        "schedule": "ok",
        "lake": "ok",
        f"columns of {ID}": "ok",
        "state": "ok",
        "last run": "fail",
        f"ledger of {ID}": "ok",
        "dropped is fed": "fail",
    }
    assert checks["lake"][1].startswith("26 events, 2026-03-02T09:00:00.000Z to ")
    assert checks["metrics"][1].startswith("off: [metrics] in the settings ")
    assert checks["ping"][1].startswith("off: nobody is told where mfagap itself stops; ")
    assert checks["dropped is fed"][1].startswith("nothing new since 2026-03-02T12:00:00.000Z: ")
    assert checks["last run"][1].startswith("as of 2026-03-02T12:00:00.000Z: does the timer, ")
    assert (done.code, done.err) == (1, "2 failed, 0 could not be checked\n")


def test_before_the_first_run_much_is_unknown(run: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    file = tmp_path / "mfagap.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    done = run("doctor", "--config", file)
    unknown = [name for name, (outcome, _) in _checks(done.out).items() if outcome == "unknown"]
    assert unknown == ["lake", "state"]
    assert (done.code, done.err) == (0, "0 failed, 2 could not be checked\n")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("old", "new", "subject", "words"),
    [
        ("^", "keep_days = 30\n", "keep_days", "30 is too few: "),
        ('"logs"', '"absent"', "sources.dropped", "no such file or folder: '/.*/absent'"),
        ("^path", "paht", "sources.dropped", ".*paht: unknown; known is"),
        ('"folder"', '"tape"', "sources.dropped", ".*none of: folder, okta_api, azure, gcs, s3"),
        ('"file"', '"fax"', "routes.log", ".*no kind 'fax'"),
        ('"file"', '"notice"', "routes.log", ".*no kind 'notice'"),
        ('"file"', '".file"', "routes.log", ".*no kind '.file'"),
        ('"file"', '"syslog"', "routes.log", ".*path: unknown; known is: .*, host"),
        ('"low"', '"loud"', "routes.log", ".*'loud' is none of"),
        (".dropped", ".other", "dropped is fed", "read until .*not in the"),
        ("^path", "lateness_s = 601\npath", "schedule", f"{ID} is meant to judge every 0:15:00, "),
        (r"\Z", "\n[detections.x]\ndedup_key = 'actor'\n", "detections", ".*no detection"),
        (r"\Z", "\n[metrics]\nport = 1\n", "metrics", ".*port: unknown; known is"),
        (r"\Z", "\n[metrics]\nlisten = '9464'\n", "metrics", ".*'9464' is no address such as"),
        (r"\Z", "\n[ping]\nurl_variable = 'UNSET'\n", "ping", ".*'UNSET' is not set"),
        (r"(?s)\A.*", "", "settings", ".*no source: `mfagap init`"),
    ],
)
def test_what_is_off(run: Run, config: Path, old: str, new: str, subject: str, words: str) -> None:
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub(old, new, text, count=1, flags=re.MULTILINE), encoding="utf-8")
    done = run("doctor", "--config", config)
    outcome, said = _checks(done.out)[subject]
    assert (done.code, outcome) == (1, "fail")
    assert re.match(words, said), said


def test_what_watches_mfagap(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PING_URL", "https://example.com/doNotShow")
    with config.open("a", encoding="utf-8") as out:
        out.write('[ping]\nurl_variable = "PING_URL"\n')
        out.write('[metrics]\nlisten = "127.0.0.1:9464"\nfile = "m.prom"\n')
    checks = _checks(run("doctor", "--config", config).out)
    places = f"served at 127.0.0.1:9464; written to {config.parent / 'm.prom'}"
    assert checks["metrics"] == ("ok", places)
    assert checks["ping"] == ("ok", "its settings are whole; each good run pings")


def test_settings_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "absent.toml"
    done = run("doctor", "--config", file)
    assert done.out == f"fail     settings: {file}: cannot be read: No such file or directory\n"
    assert (done.code, done.err) == (1, "")


def test_a_state_of_a_newer_mfagap(run: Run, config: Path) -> None:
    with Database(config.parent / "state") as database, database.change():
        database.run("PRAGMA user_version = 99")
    outcome, said = _checks(run("doctor", "--config", config).out)["state"]
    assert outcome == "fail"
    assert "was written by a newer mfagap" in said


def test_columns_that_the_last_day_has_none_of(run: Run, config: Path) -> None:
    event = {
        "uuid": "bare",
        "published": "2026-03-12T12:00:00Z",
        "eventType": "user.session.start",
        "outcome": {"result": "SUCCESS"},
        "actor": {"id": "00uada"},
        "client": {"ipAddress": "192.0.2.10"},
    }
    (config.parent / "logs" / "bare.ndjson").write_text(json.dumps(event), encoding="utf-8")
    assert run("run", "--once", "--config", config, "--now", "2026-03-12T12:00:00Z").code == 0
    outcome, said = _checks(run("doctor", "--config", config).out)[f"columns of {ID}"]
    absent = "request_uri, session_id, transaction_id, user_agent:"
    assert (outcome, said[: len(absent)]) == ("fail", absent)


def test_a_query_that_names_no_column(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = load_all()[0]
    assert shipped.runbook is not None
    first, *others = [step for step in shipped.runbook.steps if step.query is not None]
    odd = replace(first, query=str(first.query).replace("client_ip", "client_pi"))
    runbook = replace(shipped.runbook, steps=(odd, *others))
    for changed in (
        replace(shipped, query=shipped.query.replace("client_ip", "client_pi")),
        replace(shipped, runbook=runbook),
    ):
        monkeypatch.setattr(doctor, "load_all", lambda changed=changed: [changed])
        outcome, said = _checks(run("doctor", "--config", config).out)[f"columns of {ID}"]
        assert outcome == "fail"
        assert "client_pi" in said


def test_gaps_in_the_ledger(run: Run, config: Path) -> None:
    with Database(config.parent / "state") as database, database.change():
        database.run("DELETE FROM slots WHERE from_ms = (SELECT min(from_ms) + 900000 FROM slots)")
    outcome, said = _checks(run("doctor", "--config", config).out)[f"ledger of {ID}"]
    assert (outcome, said[:43]) == ("fail", "slots never judged, between others: 1; the ")


def test_a_lake_that_is_older_than_the_state(run: Run, config: Path) -> None:
    with Database(config.parent / "state") as database, database.change():
        database.run("UPDATE facts SET value = 99 WHERE name = 'generation'")
    outcome, said = _checks(run("doctor", "--config", config).out)["state"]
    assert outcome == "fail"
    assert "the lake is older than the state (write 1, and the state knows 99)" in said


def _okta(run: Run, tmp_path: Path) -> dict[str, tuple[str, str]]:
    file = tmp_path / "mfagap.toml"
    file.write_text(OKTA, encoding="utf-8")
    return _checks(run("doctor", "--config", file).out)


def test_without_credentials(run: Run, tmp_path: Path) -> None:
    outcome, said = _okta(run, tmp_path)["sources.okta"]
    assert (outcome, said[:20]) == ("fail", "no Okta credentials:")


@pytest.mark.parametrize(("hours", "outcome"), [(0, "ok"), (2, "fail")])
def test_an_org_is_asked_for_one_event(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, outcome: str
) -> None:
    import time

    with FakeOkta(clock=lambda: time.time() - hours * 3600) as org:
        monkeypatch.setenv("OKTA_CLIENT_ORGURL", org.url)
        monkeypatch.setenv("OKTA_CLIENT_TOKEN", TOKEN)
        checks = _okta(run, tmp_path)
        assert [request.query for request in org.asked()] == [{"limit": "1"}]
    assert checks["sources.okta"][0] == "ok"
    assert checks["clock"][0] == outcome


def test_a_scope_that_is_missing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOkta(scopes=frozenset()) as org:
        monkeypatch.setenv("OKTA_CLIENT_ORGURL", org.url)
        monkeypatch.setenv("OKTA_CLIENT_TOKEN", TOKEN)
        outcome, said = _okta(run, tmp_path)["sources.okta"]
    assert outcome == "fail"
    assert "okta.logs.read" in said
    assert TOKEN not in said
