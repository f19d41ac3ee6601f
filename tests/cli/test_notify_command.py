import json
from pathlib import Path

import pytest
from tests.cli.command import Done, Run

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


def test_a_test_says_that_it_is_one(run: Run, config: Path) -> None:
    told = config.parent / "told.jsonl"
    before = told.read_text(encoding="utf-8")
    done = run("notify", "test", "log", "--config", config)
    assert done == Done(0, "", "log: taken\n")
    notice = json.loads(told.read_text(encoding="utf-8").removeprefix(before))
    assert (notice["kind"], notice["title"]) == ("test", "A test of mfagap")


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
    assert "notices that could not be sent: 1; `mfagap notify list` tells why\n" in done.err
    head, row = run(*listing).out.splitlines()
    assert head.split() == ["NOTICE", "ALERT", "ROUTE", "STATUS", "TRIED", "WHY"]
    assert row.split(maxsplit=5)[1:5] == ["6", "soc", "waiting", "1"]
    assert row.endswith("the environment variable 'NO_SUCH_URL' is not set")
