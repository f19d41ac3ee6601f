import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from tests.cli.command import PROGRAM, Done, Run
from tests.cli.watched import NOW, prepared

LISTED = """\
ID  SEVERITY  VERDICT            STATUS  FIRST (UTC)       SESSIONS  USER
2   high      suspicious         open    2026-03-02 09:01  1         bob@example.com
5   medium    insufficient_data  open    2026-03-02 09:04  1         eli@example.com
4   medium    suspicious         open    2026-03-02 09:03  1         dee@example.com
1   medium    insufficient_data  open    2026-03-02 09:00  1         ada@example.com
3   low       insufficient_data  open    2026-03-02 09:02  1         cyd@example.com
"""
SHOWN = """alert 5: okta_legacy_authn_without_mfa
  medium · insufficient_data · open
  2026-03-02T09:04:30.000Z  eli@example.com  192.0.2.10  single_factor
    session 102eli, event eli-start
    client curl\\x1b[2J\\u202eneve
    policy rule Default Rule, 0pr1default0000000001
    insufficient_data: Too little log follows the start to say what the session did. \
[window] Only 15m of log follow the start [window]; the session policy said ALLOW by Default Rule \
[factor: eli-policy].
    looked at again from 2026-03-02T09:34:30.000Z on
  2026-03-02T12:00:00.000Z  opened
"""
BY_ANA = ("--by", "ana")


def test_list(run: Run, config: Path) -> None:
    assert run("alerts", "list", "--config", config) == Done(0, LISTED, "")


def test_list_as_json(run: Run, config: Path) -> None:
    done = run("alerts", "list", "--json", "--config", config)
    first, *others = map(json.loads, done.out.splitlines())
    assert len(others) == 4
    assert {key: first[key] for key in ("id", "severity", "users", "findings")} == {
        "id": 2,
        "severity": "high",
        "users": ["bob@example.com"],
        "findings": 1,
    }


def test_what_the_alert_of_a_rule_counts_is_left_out(run: Run, tmp_path: Path) -> None:
    config = prepared(tmp_path)
    config.write_text(f"flood_limit = 1\n{config.read_text('utf-8')}", encoding="utf-8")
    assert run("run", "--once", "-q", "--config", config, "--now", NOW).code == 0
    done = run("alerts", "list", "--config", config)
    whose = [line.split("  ")[-1].strip() for line in done.out.splitlines()[1:]]
    rule = (
        "rule 0pr1default0000000001: ada@example.com, bob@example.com, cyd@example.com and 1 more"
    )
    assert whose == ["bob@example.com", "dee@example.com", rule]
    assert done.err == "alerts that a policy rule's alert counts: 2; --all shows them\n"
    everything = run("alerts", "list", "--all", "--config", config)
    assert (len(everything.out.splitlines()), everything.err) == (6, "")


def test_show_cleans_what_the_log_says(run: Run, config: Path) -> None:
    assert run("alerts", "show", 5, "--config", config) == Done(0, SHOWN, "")


def test_show_is_folded_on_a_terminal(config: Path) -> None:
    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    words = [PROGRAM, "alerts", "show", "5", "--config", str(config)]
    subprocess.run(words, stdout=terminal, env=environment, check=True)
    said = os.read(main_end, 65536).decode()
    os.close(terminal)
    os.close(main_end)
    lines = said.splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(said.split()) == " ".join(SHOWN.split())


def test_the_life_of_an_alert(run: Run, config: Path) -> None:
    def deed(*words: object) -> Done:
        return run("alerts", *words, *BY_ANA, "--config", config)

    assert deed("ack", 1) == Done(0, "", "alert 1 is acknowledged\n")
    assert deed("ack", 1) == Done(2, "", "mfagap: alert 1 is acknowledged already\n")
    closing = ("close", 1, "--resolution", "benign", "--note", "her \x1b[2Jown")
    assert deed(*closing) == Done(0, "", "alert 1 is closed\n")
    refused = "alert 1 is closed, and so cannot be acknowledged; `mfagap alerts reopen 1` opens it"
    assert deed("ack", 1) == Done(2, "", f"mfagap: {refused}\n")
    assert "\n1 " not in run("alerts", "list", "--config", config).out
    assert " closed (benign) " in run("alerts", "list", "--all", "--config", config).out
    assert deed("reopen", 1) == Done(0, "", "alert 1 is open\n")
    assert deed("reopen", 1) == Done(2, "", "mfagap: alert 1 is open already\n")
    told = re.findall(r"^  \S+Z  (\w+.*)$", run("alerts", "show", 1, "--config", config).out, re.M)
    assert told[1:] == [
        "opened",
        "acknowledged by ana",
        r"closed by ana: her \x1b[2Jown",
        "reopened by ana",
    ]


def test_an_alert_that_is_not_there(run: Run, config: Path) -> None:
    done = run("alerts", "ack", 99, *BY_ANA, "--config", config)
    said = "mfagap: no alert 99; `mfagap alerts list --all` tells the numbers\n"
    assert done == Done(2, "", said)


@pytest.mark.parametrize("words", [("alerts", "list"), ("ledger",), ("notify", "list")])
def test_no_state_is_no_all_clear(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "mfagap.toml"
    file.write_text("", encoding="utf-8")
    said = (
        f"mfagap: {tmp_path / 'mfagap-state'}: no state there yet; `mfagap run --once` makes it, "
        "and --config FILE or MFAGAP_CONFIG tells where it is\n"
    )
    assert run(*words, "--config", file) == Done(2, "", said)
    assert list(tmp_path.iterdir()) == [file]


def test_ledger(run: Run, config: Path) -> None:
    done = run("ledger", "--config", config)
    assert done.out == (
        "okta_legacy_authn_without_mfa\n"
        "  2026-03-02T09:00:00.000Z to 2026-03-02T12:15:00.000Z  13 slots  26 events  9 starts  "
        "watermark 2026-03-02T09:20:00.060Z\n"
        "dropped: complete until 2026-03-02T09:20:00.060Z, heard 2026-03-02T12:00:00.000Z\n"
    )
