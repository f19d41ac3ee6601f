import json
import socket
from pathlib import Path

import pytest
from tests.cli.command import Done, Run
from tests.notify.mail_server import MailServer
from tests.notify.receivers import Receiver
from tests.notify.syslog_receivers import datagrams
from tests.report.ocsf_schema import validated_events

from mfagap.state.database import Database

BROKEN = '\n[routes.soc]\ntype = "webhook"\nurl_variable = "NO_SUCH_URL"\nseverity = "high"\n'


def test_preview(run: Run, config: Path) -> None:
    done = run("notify", "preview", 2, "--config", config)
    assert (done.code, done.err) == (0, "")
    notice = json.loads(done.out)
    assert (notice["alert"], notice["users"], notice["severity"], notice["verdict"]) == (
        2,
        ["bob@example.com"],
        "high",
        "suspicious",
    )


ROUTES = """
[routes.mail]
type = "email"
host = "localhost"
from = "mfagap@example.com"
to = "soc@example.com"

[routes.siem]
type = "syslog"
host = "localhost"
format = "ocsf"

[routes.own]
type = "tests.notify.own_route"
"""


def test_preview_as_a_route_sends_it(run: Run, config: Path) -> None:
    with config.open("a", encoding="utf-8") as out:
        out.write(ROUTES)
    log = run("notify", "preview", 2, "--route", "log", "--config", config)
    told = json.loads(log.out)
    assert (log.code, log.err, told["key"], told["alert"]) == (0, "", "2-preview-log", 2)
    mail = run("notify", "preview", 2, "--route", "mail", "--config", config).out.splitlines()
    assert mail[0] == f"Subject: [mfagap] high, opened: {told['title']}"
    assert mail[-2:] == ["mfagap alerts show 2", "key: 2-preview-mail"]
    head, _, event = run(
        "notify", "preview", 2, "--route", "siem", "--config", config
    ).out.partition(" - {")
    assert head.split()[3:] == ["mfagap", "-", "2-preview-siem"]
    assert validated_events("{" + event)[0]["message"] == told["title"]
    own = run("notify", "preview", 2, "--route", "own", "--config", config)
    assert own == Done(
        2, "", f"mfagap: {config}: route 'own' has no `render`, which a preview needs\n"
    )


def test_a_test_says_that_it_is_one(run: Run, config: Path) -> None:
    told = config.parent / "told.jsonl"
    before = told.read_text(encoding="utf-8")
    done = run("notify", "test", "log", "--config", config)
    assert done == Done(0, "", "log: taken\n")
    notice = json.loads(told.read_text(encoding="utf-8").removeprefix(before))
    assert (notice["kind"], notice["title"]) == ("test", "A test of mfagap")


SENT = """
[routes.mail]
type = "email"
host = "localhost"
port = {mail}
security = "none"
from = "mfagap@example.com"
to = "soc@example.com"

[routes.siem]
type = "syslog"
transport = "udp"
host = "127.0.0.1"
port = {syslog}

[routes.phone]
type = "apprise"
url_variable = "APPRISE_URL"
"""


# Of what apprise loads; see tests/notify/test_apprise.py.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_test_by_each_route(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        MailServer() as mails,
        datagrams(socket.AF_INET, ("127.0.0.1", 0)) as log,
        Receiver() as phone,
    ):
        monkeypatch.setenv("APPRISE_URL", phone.url.replace("http:", "json:"))
        with config.open("a", encoding="utf-8") as out:
            out.write(SENT.format(mail=mails.port, syslog=log.getsockname()[1]))
        for route in ("mail", "siem", "phone"):
            done = run("notify", "test", route, "--config", config)
            assert done == Done(0, "", f"{route}: taken\n")
        mails.answers["RCPT"].append("550 5.1.1 nobody")
        done = run("notify", "test", "mail", "--config", config)
        assert done == Done(1, "", "mfagap: refused soc@example.com: 550 5.1.1 nobody\n")
        assert b'"title": "A test of mfagap"' in log.recv(65536)
    assert b"\r\nA test of mfagap\r\n" in mails.mails[0][2]
    assert b"\r\nkind: test\r\n" in mails.mails[0][2]
    assert json.loads(phone.received[0].body)["title"] == "mfagap: alert 0 test"


def test_a_route_that_is_not_there(run: Run, config: Path) -> None:
    done = run("notify", "test", "pager", "--config", config)
    assert done == Done(2, "", f"mfagap: {config}: no route 'pager'; there are: log\n")


def test_what_waits(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_URL", raising=False)
    listing = ("notify", "list", "--config", config)
    assert run(*listing) == Done(0, "", "no notice waits\n")
    with config.open("a", encoding="utf-8") as out:
        out.write(BROKEN)
    assert (
        run("alerts", "close", 2, "--by", "a", "--resolution", "benign", "--config", config).code
        == 0
    )
    from tests.cli.logs import SCRIPT, sign_in, write

    write(config.parent / "logs" / "later.ndjson", sign_in("zed", 4.7, **SCRIPT))
    done = run("run", "--once", "--config", config, "--now", "2026-03-02T12:00:00Z")
    assert done.code == 1
    told = [json.loads(line) for line in done.err.splitlines()]
    (failed,) = [line for line in told if line["event"] == "notice_failed"]
    assert (failed["route"], failed["alert"], failed["attempts"]) == ("soc", 6, 1)
    assert failed["error"].endswith("the environment variable 'NO_SUCH_URL' is not set")
    head, row = run(*listing).out.splitlines()
    assert head.split() == ["NOTICE", "ALERT", "ROUTE", "STATUS", "TRIED", "WHY"]
    assert row.split(maxsplit=5)[1:5] == ["6", "soc", "waiting", "1"]
    assert row.endswith("the environment variable 'NO_SUCH_URL' is not set")
    with Database(config.parent / "state") as database, database.change():
        database.run("UPDATE outbox SET status = 'parked', attempts = 12 WHERE route = 'soc'")
    assert "given up: 1; " in run("doctor", "--config", config).out
    for words, count in (((), 1), (("--route", "log"), 0)):
        done = run("notify", "retry", *words, "--config", config)
        assert done == Done(0, "", f"notices that the next run sends: {count}\n")
    _, row = run(*listing).out.splitlines()
    assert row.split(maxsplit=5)[3:5] == ["waiting", "0"]
    assert run("notify", "retry", "--route", "absent", "--config", config).code == 2
