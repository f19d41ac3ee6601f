import json
import re
from pathlib import Path

import pytest
from tests.cli.command import Done, Run
from tests.cli.logs import sign_in, write

HOLDS = re.compile(
    r"suppression 1 holds until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z; alerts hidden now: (\d)\n"
)
OWNED = ("--owner", "ana", "--reason", "their \x1b[2Jscript", "--until", "30d")


@pytest.fixture
def add(run: Run, config: Path) -> Run:
    return lambda *words: run("suppress", "add", *OWNED, *words, "--config", config)


def test_what_is_suppressed_is_counted_and_can_be_listed(run: Run, add: Run, config: Path) -> None:
    def listed(*words: object) -> Done:
        return run("alerts", "list", *words, "--config", config)

    before = listed()
    assert listed("--suppressed") == Done(0, "", "no alert is suppressed\n")
    done = add("--user", "bob@example.com")
    matched = HOLDS.fullmatch(done.err)
    assert (done.code, done.out, matched and matched[1]) == (0, "", "1")
    after = listed()
    assert after.err == "suppressed alerts: 1; --suppressed shows them\n"
    hidden = (
        "2   high      suspicious         open    2026-03-02 09:01  1         bob@example.com\n"
    )
    assert after.out == before.out.replace(hidden, "")
    status = "open, suppressed (1)"
    (_, line) = listed("--suppressed").out.splitlines()
    assert line.split("  ")[0] == "2"
    assert status in line
    assert listed("--all").out.count(status) == 1
    assert [len(listed(*words, "--json").out.splitlines()) for words in ((), ("--all",))] == [4, 5]
    (told,) = listed("--suppressed", "--json").out.splitlines()
    assert (json.loads(told)["id"], json.loads(told)["suppressed_by"]) == (2, [1])
    add("--address", "192.0.2.0/24")
    nothing = (
        "no open alert; --all shows closed ones\nsuppressed alerts: 5; --suppressed shows them\n"
    )
    assert listed() == Done(0, "", nothing)


def test_the_life_of_a_suppression(run: Run, add: Run, config: Path) -> None:
    def suppress(*words: object) -> Done:
        return run("suppress", *words, "--config", config)

    assert suppress("list") == Done(0, "", "no suppression holds; --all shows ended ones\n")
    assert suppress("list", "--all") == Done(0, "", "no suppression\n")
    add("--user", "bob@example.com", "--client", "*sync*", "--by", "ben")
    heads, line = suppress("list").out.splitlines()
    assert heads.split() == ["ID", "UNTIL", "(UTC)", "OWNER", "HIDES", "SCOPE", "REASON"]
    scope = "user bob@example.com, client *sync*"
    assert re.fullmatch(
        rf"1   \d{{4}}-\d\d-\d\d \d\d:\d\d  ana    0      {re.escape(scope)}  "
        r"their \\x1b\[2Jscript",
        line,
    )
    assert json.loads(suppress("list", "--json").out)["holds"] is True
    assert "added by ben" in suppress("show", 1).out
    ended = suppress("expire", 1, "--by", "cyd", "--note", "replaced")
    assert ended == Done(0, "", "suppression 1 has ended\n")
    assert suppress("list").out == ""
    assert " (ended)  ana " in suppress("list", "--all").out
    assert "ended by cyd: replaced" in suppress("show", 1).out
    assert suppress("expire", 1, "--by", "cyd").code == 2


@pytest.mark.parametrize("missing", ["--owner", "--reason", "--until"])
def test_owner_reason_and_expiry_are_required(run: Run, config: Path, missing: str) -> None:
    place = OWNED.index(missing)
    words = (*OWNED[:place], *OWNED[place + 2 :], "--user", "bob", "--config", config)
    done = run("suppress", "add", *words)
    assert done.code == 2
    assert f"the following arguments are required: {missing}" in done.err


def test_a_client_alone_is_refused(add: Run) -> None:
    done = add("--client", "curl*")
    assert done.code == 2
    assert done.err.startswith("mfagap: a suppression needs --user, --address or --rule: ")


def test_a_run_counts_what_it_tells_nobody(run: Run, add: Run, config: Path) -> None:
    add("--rule", "0pr1default0000000001")
    write(config.parent / "logs" / "more.ndjson", sign_in("pam", 5))
    done = run("run", "--once", "--now", "2026-03-02T12:01:00Z", "--config", config)
    tick = json.loads(done.err.splitlines()[-1])
    assert (tick["event"], tick["alerts"], tick["suppressed"]) == ("tick_done", {"opened": 1}, 1)
