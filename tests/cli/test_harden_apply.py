"""``mfagap harden apply`` and what follows: nothing without a yes, and always a way back."""

import json
import os
import pty
import re
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from examples.demo_org import RULES
from tests.cli.command import Done, Run
from tests.cli.demo import served
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import READ_SCOPES, FakeOkta

# --- apply, resume, rollback ---


def _live(okta: FakeOkta) -> list[bool]:
    """Return whether each rule of the plan asks for a factor now."""
    names = ("services", "low_risk", "vpn", "default")
    return [
        rule["actions"]["signon"]["requireFactor"]
        for name in names
        for rule in okta.org.rules[RULES[name].policy_id]
        if rule["id"] == RULES[name].rule_id
    ]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[str], None]]:
    """Has a text typed on a terminal."""
    with ExitStack() as stack:

        def typing(text: str) -> None:
            own, other = pty.openpty()
            stack.callback(os.close, own)
            os.write(own, text.encode())
            keyboard = stack.enter_context(os.fdopen(other, encoding="utf-8"))
            monkeypatch.setattr(sys, "stdin", keyboard)

        yield typing


def test_nothing_is_written_without_a_yes(
    harden: Run, okta: FakeOkta, planned: Path, typed: Callable[[str], None]
) -> None:
    done = harden("apply", planned)
    assert done.code == 2
    assert done.err.endswith(
        "nothing was written: there is no terminal to ask on; --yes says yes\n"
    )
    typed("y\n")
    done = harden("apply", planned)
    assert (done.code, done.out) == (2, "")
    question = f"\nWrite this to {okta.url}? Type yes: mfagap: nothing was written: "
    assert done.err.endswith(f"{question}the answer was not yes\n")
    assert '+      "requireFactor": true,' in done.err
    assert {request.method for request in okta.requests} <= {"GET"}
    assert _live(okta) == [False] * 4


def test_a_yes_writes_and_says_how_to_go_back(
    harden: Run, okta: FakeOkta, planned: Path, typed: Callable[[str], None], tmp_path: Path
) -> None:
    typed("Yes\n")
    done = harden("apply", planned, "--by", "ada")
    assert (done.code, done.out) == (0, "")
    assert _live(okta) == [True] * 4
    *_, first, _, _, last, end = done.err.splitlines()
    assert first.endswith('rule "Build hosts" of policy "Service accounts": written')
    assert last == 'rule "Default Rule" of policy "Default Policy": written'
    assert f"\nto {okta.url} (the plan names no org)\n" in done.err
    assert '\n1. Rule "Build hosts" of policy "Service accounts": require a second factor\n' in (
        f"\n{done.err}"
    )
    assert re.fullmatch(
        r"run \S+: changes written: 4; `mfagap harden verify` tells whether they hold, "
        r"`mfagap harden rollback` takes them back; the journal: "
        rf"{re.escape(str(tmp_path))}/mfagap-state/harden/runs/0001-\w+\.jsonl",
        end,
    )
    audit = (tmp_path / "mfagap-state" / "harden" / "audit.jsonl").read_text(encoding="utf-8")
    assert {json.loads(line)["who"] for line in audit.splitlines()} == {"ada"}
    typed("yes\n")
    done = harden("rollback")
    assert done.code == 0
    assert '-      "requireFactor": true,' in done.err
    assert '\nrule "Default Rule" of policy "Default Policy": as before\n   /api/v1/' in done.err
    assert '\nrule "Build hosts" of policy "Service accounts": as it was before\n' in done.err
    assert done.err.endswith(": changes taken back: 4\n")
    assert _live(okta) == [False] * 4


def test_a_rule_that_was_changed_since_is_refused(
    harden: Run, okta: FakeOkta, planned: Path
) -> None:
    okta.org.rules[RULES["vpn"].policy_id][0]["actions"]["signon"]["access"] = "DENY"
    done = harden("apply", planned, "--yes")
    assert done.code == 1
    assert ": it was changed since the plan was made, in " in done.err
    assert "@@" not in done.err
    assert {request.method for request in okta.requests} == {"GET"}


def test_without_the_scope_to_manage_nothing_is_written(
    harden: Run, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(monkeypatch, scopes=READ_SCOPES) as okta:
        done = harden("apply", planned, "--yes")
        assert done.code == 1
        assert "okta.policies.manage" in done.err
        assert _live(okta) == [False] * 4


def test_a_run_that_was_cut_in_the_middle_is_gone_on_with(
    harden: Run, okta: FakeOkta, planned: Path, typed: Callable[[str], None]
) -> None:
    rule = RULES["vpn"]
    okta.when(
        f"/api/v1/policies/{rule.policy_id}/rules/{rule.rule_id}",
        Fault(status=400, code="E0000001"),
        method="PUT",
        times=1,
    )
    done = harden("apply", planned, "--yes")
    assert done.code == 1
    assert "2 of 4 changes" in done.err
    assert _live(okta) == [True, True, False, False]
    refused = harden("apply", planned, "--yes")
    assert (refused.code, "did not come to its end" in refused.err) == (1, True)
    assert harden("resume").code == 2
    typed("yes\n")
    done = harden("resume")
    assert done.code == 0
    assert '\nNoted as made: rule "Build hosts" of policy "Service accounts", ' in done.err
    assert "changes written: 2;" in done.err
    assert _live(okta) == [True] * 4
    assert harden("resume", "--yes").code == 2


def test_a_run_that_was_cut_in_the_middle_is_taken_back(
    harden: Run, okta: FakeOkta, planned: Path
) -> None:
    rule = RULES["vpn"]
    okta.when(
        f"/api/v1/policies/{rule.policy_id}/rules/{rule.rule_id}",
        Fault(status=400, code="E0000001"),
        method="PUT",
        times=1,
    )
    harden("apply", planned, "--yes")
    done = harden("rollback", "--yes")
    assert done.code == 0
    assert _live(okta) == [False] * 4
    assert "Default Rule" not in done.err  # was never sent


def test_what_somebody_else_changed_since_is_left_and_named(
    harden: Run, okta: FakeOkta, planned: Path
) -> None:
    harden("apply", planned, "--yes")
    okta.org.rules[RULES["vpn"].policy_id][0]["actions"]["signon"]["access"] = "DENY"
    done = harden("rollback", "--yes")
    assert done.code == 1
    assert "was changed since by somebody else" in done.err
    assert _live(okta) == [False, False, True, False]


def test_what_okta_takes_otherwise_is_told(harden: Run, okta: FakeOkta, planned: Path) -> None:
    rule = RULES["vpn"]
    answer = json.dumps({"id": rule.rule_id, "name": "VPN"}).encode()
    path = f"/api/v1/policies/{rule.policy_id}/rules/{rule.rule_id}"
    okta.when(path, Fault(body=answer), method="PUT")
    done = harden("apply", planned, "--yes")
    assert done.code == 1
    assert f"require-factor-{rule.rule_id}): Okta took it, and has otherwise: " in done.err


def test_nothing_to_take_back(harden: Run, okta: FakeOkta, tmp_path: Path) -> None:
    nothing = (
        f"mfagap: no run in {tmp_path}/mfagap-state/harden; call it in the folder where `apply` "
        "was called, or give --config FILE\n"
    )
    assert harden("rollback", "--yes") == Done(2, "", nothing)
    assert harden("resume", "--yes") == Done(2, "", nothing)


def test_what_was_done_already_is_told_without_what_it_would_do(
    harden: Run, okta: FakeOkta, planned: Path
) -> None:
    harden("apply", planned, "--yes")
    again = harden("apply", planned, "--yes")
    assert (again.code, "this plan was applied already, as run 0001-" in again.err) == (1, True)
    assert harden("rollback", "--yes").code == 0
    run = again.err.split("as run ")[1].split()[0]
    for words in ((), (run,)):
        done = harden("rollback", "--yes", *words)
        assert (done.code, done.err.startswith(f"mfagap: run {run} was taken back at ")) == (
            *(2, True),
        )


def test_a_plan_that_names_its_org_goes_there(harden: Run, okta: FakeOkta, tmp_path: Path) -> None:
    done = harden("plan", "--api", "-o", "own.json", "--terraform", "gap.tf", "-q")
    *_, last = done.err.splitlines()
    assert last == "own.json and gap.tf are written; next: mfagap harden apply own.json"
    assert "@@" not in done.err
    done = harden("apply", "own.json", "--yes")
    assert (done.code, f"\nto {okta.url}\n" in done.err) == (0, True)


@pytest.mark.parametrize("action", ["apply", "verify"])
def test_a_plan_that_is_not_there(harden: Run, action: str) -> None:
    assert harden(action, "nope.json") == Done(
        2,
        "",
        "mfagap: nope.json: there is no such file; `mfagap harden plan … -o FILE` writes one\n",
    )


def test_a_plan_that_was_edited_is_refused(harden: Run, planned: Path, tmp_path: Path) -> None:
    text = planned.read_text(encoding="utf-8").replace('"requireFactor": true', '"x": 1')
    (tmp_path / "edited.json").write_text(text, encoding="utf-8")
    done = harden("apply", "edited.json", "--yes")
    assert (done.code, "was edited since it was made" in done.err) == (1, True)


def test_where_standard_input_is_closed(
    harden: Run, okta: FakeOkta, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    done = harden("apply", planned)
    assert (done.code, "no terminal to ask on" in done.err) == (2, True)


# --- verify ---


def test_verify_tells_line_by_line(
    harden: Run, okta: FakeOkta, planned: Path, demo: tuple[Path, Path]
) -> None:
    done = harden("verify", planned, "--api")
    assert done.code == 1
    heads, *lines = done.out.splitlines()
    assert heads.split() == ["RESULT", "SUBJECT", "SAYS"]
    assert [line.split()[0] for line in lines] == ["fail"] * 4 + ["unknown"] * 4
    assert "is not as planned, in actions.signon." in lines[0]
    assert any(f"  Build hosts ({RULES['services'].rule_id})  " in line for line in lines)
    harden("apply", planned, "--yes")
    done = harden("verify", planned, "--api", "--json")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert [(each["check"], each["reason"]) for each in told] == [
        *[("let_in_since", "no_log")] * 4,
        *[("plan_in_force", "as_planned")] * 4,
    ]
    assert done.code == 1
    assert harden("verify", planned).code == 2
    read = harden("verify", planned, demo[0], "--api")
    assert read.err.startswith("Read 968 events from 3 files, ")
