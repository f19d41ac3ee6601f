"""``mfagap harden`` as people type it: what goes where, what is asked, and how it ends."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from examples import demo_policies
from examples.demo_org import RULES
from tests.cli.command import Done, Run
from tests.cli.demo import served
from tests.cli.logs import sign_in, write
from tests.fake_okta.server import READ_SCOPES, FakeOkta
from tests.hostile.strikes import hidden
from tests.report.hardening.results import PLAN, many
from tests.report.hardening.sarif_schema import validated as validated_sarif
from tests.report.hardening.schema import validated
from tests.report.hardening.test_ocsf import validated as validated_ocsf
from tests.report.pages import Page

from mfagap.cli import harden_apply
from mfagap.harden.checks import load_all

COUNTS = "Checks: 11. Results: 9 fail, 1 unknown, 15 pass, 5 not_applicable.\n"


# --- report ---


def _table(text: str, _: Done) -> None:
    first, *rows = [" ".join(line.split()) for line in text.splitlines()]
    assert first == "RESULT SEVERITY CHECK SUBJECT SEEN LAST SEEN (UTC) WHY WHAT TO DO"
    assert [row.split()[0] for row in rows[:11]] == ["fail"] * 9 + ["unknown", "pass:"]
    agreed = next(row for row in rows if row.startswith("Agreement: "))
    assert re.fullmatch(
        r"Agreement: today's policies decide (\d+) of \1 logged sign-ins as Okta recorded "
        r"\(100 %\)\.",
        agreed,
    )


def _json(text: str, _: Done) -> None:
    assert validated(text)["summary"]["outcomes"]["fail"] == 9


def _csv(text: str, _: Done) -> None:
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 30
    assert rows[0]["subject_id"] == RULES["services"].rule_id


def _html(text: str, _: Done) -> None:
    assert Page(text).rows("As the log shows them used")[0][0].startswith("Build hosts")


def _sarif(text: str, _: Done) -> None:
    assert len(validated_sarif(text)["results"]) == 10


def _ocsf(text: str, _: Done) -> None:
    assert len(validated_ocsf(text)) == 30


FORMATS: dict[str, Callable[[str, Done], None]] = {
    "txt": _table,
    "json": _json,
    "csv": _csv,
    "html": _html,
    "sarif": _sarif,
    "ocsf": _ocsf,
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_each_format_by_its_suffix(
    suffix: str, harden: Run, demo: tuple[Path, Path], tmp_path: Path
) -> None:
    logs, policies = demo
    words = ["--format", "ocsf"] if suffix == "ocsf" else []
    done = harden("report", logs, "--from", policies, "-o", f"out.{suffix}", *words)
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("Read 968 events from 3 files, ")
    assert done.err.endswith(COUNTS)
    FORMATS[suffix]((tmp_path / f"out.{suffix}").read_text(encoding="utf-8"), done)


def test_data_goes_to_standard_output_and_all_else_to_the_other(
    harden: Run, demo: tuple[Path, Path]
) -> None:
    done = harden("report", demo[0], "--from", demo[1], "--format", "json", "--quiet")
    assert validated(done.out)
    assert done.err == COUNTS


def test_the_log_alone(harden: Run, demo: tuple[Path, Path]) -> None:
    done = harden("report", demo[0], "-q")
    assert done.code == 0
    failed = [line.split() for line in done.out.splitlines() if line.startswith("fail")]
    assert [words[2] for words in failed] == ["session_rule_without_factor"] * 4
    assert "  No policies were read: what the rules say today" in done.out
    assert " 0 pass" not in done.err


def test_what_passes_is_listed_where_it_is_asked_for(harden: Run, demo: tuple[Path, Path]) -> None:
    done = harden("report", "--from", demo[1], "--all", "-q")
    words = {line.split()[0] for line in done.out.splitlines() if line}
    assert {"fail", "unknown", "pass", "not_applicable"} <= words
    assert "not known, since no log was read" in done.out


@pytest.mark.parametrize(
    ("level", "code"), [("low", 10), ("medium", 10), ("high", 10), ("critical", 0)]
)
def test_fail_on(level: str, code: int, harden: Run, demo: tuple[Path, Path]) -> None:
    assert harden("report", "--from", demo[1], "-q", "--fail-on", level).code == code


def test_fail_on_what_is_not_known(harden: Run, tmp_path: Path) -> None:
    """Nothing fails in this log; whether the org is in order nobody knows."""
    log = write(tmp_path / "log.ndjson", sign_in("ada", 0, "CHALLENGE"))
    done = harden("report", log, "-q", "--fail-on", "high")
    assert " 0 fail, " in done.err.splitlines()[-1]
    assert done.code == 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to read: give a log, --from PATH or --api"),
        (["--from", "nowhere"], "nowhere: no such file or folder"),
        (["logs.ndjson"], "no such file or folder: 'logs.ndjson'"),
        (["-o", "out.pdf"], "out.pdf: no format has this suffix"),
        (["--all", "--format", "csv"], "--all is for the table"),
        (["--from", "x", "--api"], "not allowed with argument"),
        (["--fail-on", "dire"], "invalid choice: 'dire'"),
        (["--api"], "no Okta credentials"),
        (["--from", "x", "--keep-group", "00g1"], "belong together"),
        (["--config", "nowhere.toml"], "nowhere.toml: cannot be read"),
    ],
)
def test_calls_that_are_off(
    words: list[str], said: str, harden: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(Path.cwd()))
    for name in ("OKTA_CLIENT_ORGURL", "OKTA_CLIENT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    done = harden("report", *words)
    assert (done.out, done.code) == ("", 2)
    assert said in done.err


def test_nothing_is_asked_of_the_network_unless_told(
    harden: Run, demo: tuple[Path, Path], okta: FakeOkta, planned: Path
) -> None:
    harden("report", "--from", demo[1], "-q")
    harden("plan", "--from", demo[1], "-q")
    harden("verify", planned, "--from", demo[1], "-q")
    harden("checks", "list")
    harden("diff", demo[1], demo[1])
    assert okta.requests == []


def test_hostile_names_are_harmless_on_the_way(harden: Run, tmp_path: Path) -> None:
    text = "\x1b[2J\u202e<b>=1+1"
    parts = demo_policies.parts()
    parts["OKTA_SIGN_ON"][-1]["rules"][-1]["name"] = text
    items = {name: {"items": part, "missing": None} for name, part in parts.items()}
    file = tmp_path / "org.json"
    whole = {"mfagap_snapshot": 1, "taken_at": None, "origin": text, "parts": items}
    file.write_text(json.dumps(whole), encoding="utf-8")
    log = write(tmp_path / "log.ndjson", sign_in("ada", 0))
    for words in (
        ("report", log, "--from", file),
        ("plan", log, "--from", file, "-o", "plan.json", "--terraform", "gap.tf"),
        ("verify", "plan.json", log, "--from", file),
        ("diff", file, file),
    ):
        done = harden(*words)
        assert hidden(done.out) == hidden(done.err) == []
    assert hidden((tmp_path / "gap.tf").read_text(encoding="utf-8")) == []
    assert hidden((tmp_path / "plan.json").read_text(encoding="utf-8")) == []


# --- snapshot, diff ---


def test_a_snapshot_tells_what_it_knows(harden: Run, okta: FakeOkta, tmp_path: Path) -> None:
    done = harden("snapshot", "-o", "org.json")
    assert (done.code, done.out) == (0, "")
    *parts, kept = done.err.splitlines()
    assert [line.split()[0] for line in parts][:2] == ["OKTA_SIGN_ON", "MFA_ENROLL"]
    assert parts[0].split()[1:] == ["5", "wholly"]
    assert parts[-1].split()[1:] == ["0", "of", "these", "users", "alone"]
    path = tmp_path / kept.removeprefix("kept as ")
    assert path.read_text(encoding="utf-8") == (tmp_path / "org.json").read_text(encoding="utf-8")


def test_a_snapshot_goes_to_standard_output_without_a_word(harden: Run, okta: FakeOkta) -> None:
    done = harden("snapshot", "--quiet")
    assert (done.err, json.loads(done.out)["mfagap_snapshot"]) == ("", 1)


def test_a_snapshot_names_the_scope_that_is_missing(
    harden: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(monkeypatch, scopes=READ_SCOPES - {"okta.apiTokens.read"}):
        done = harden("snapshot", "-o", "org.json")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if line.startswith("api_tokens")]
    assert "unknown: " in line
    assert "okta.apiTokens.read" in line


def test_a_snapshot_with_a_log_reads_the_factors_of_who_came_in(
    harden: Run, okta: FakeOkta, demo: tuple[Path, Path]
) -> None:
    done = harden("snapshot", demo[0], "-q")
    users = json.loads(done.out)["parts"]["user_factors"]["items"]
    assert 5 < len(users) < 40


def test_differences(harden: Run, okta: FakeOkta, demo: tuple[Path, Path]) -> None:
    harden("snapshot", "-o", "old.json", "-q")
    okta.org.rules[RULES["vpn"].policy_id][0]["name"] = "VPN\x1b[2J"
    okta.org.zones.pop()
    harden("snapshot", "-o", "new.json", "-q")
    done = harden("diff", "old.json", "new.json")
    assert (done.code, done.err) == (0, "differences: 2\n")
    lines = done.out.splitlines()
    assert [line.split(":")[0] for line in lines if line[0] != " "] == ["changed", "removed"]
    assert any(line.startswith("  name: ") and '"VPN\\u001b[2J"' in line for line in lines)
    told = [
        json.loads(line)
        for line in harden("diff", "old.json", "new.json", "--json").out.splitlines()
    ]
    assert [(each["part"], each["what"]) for each in told] == [
        ("OKTA_SIGN_ON", "changed"),
        ("zones", "removed"),
    ]
    assert harden("diff", "old.json", "nowhere").code == 2


# --- plan ---


def test_a_plan_is_shown_with_whom_it_costs_and_changes_nothing(
    harden: Run, demo: tuple[Path, Path], tmp_path: Path
) -> None:
    logs, policies = demo
    done = harden("plan", logs, "--from", policies, "--terraform", "gap.tf")
    plan = json.loads(done.out)
    assert len(plan["changes"]) == 4
    assert 'resource "okta_policy_rule_signon"' in (tmp_path / "gap.tf").read_text()
    text = done.err
    assert text.count('+      "requireFactor": true,') == 4
    assert (
        '\n1. Rule "Build hosts" of policy "Service accounts": require a second factor\n'
        "   PUT /api/v1/policies/00p1services000000001/rules/"
    ) in text
    assert text.endswith("\ngap.tf is written\n")
    quiet = harden("plan", logs, "--from", policies, "-q").err.splitlines()
    assert [line.split(" ")[0] for line in quiet[:5]] == ["1.", "2.", "3.", "4.", ""]
    assert "\nlocked out       users: 1, sign-ins: 4\n" in text
    assert "  locked out: tim@example.com from 192.0.2.42 with Chrome 131, Macintosh: " in text


def test_what_may_be_done_instead_is_told() -> None:
    assert list(harden_apply.alternatives(PLAN)) == ["", "Beside or instead: Disable the rule."]


def test_of_many_that_are_hit_the_first_are_named() -> None:
    lines = list(harden_apply.impact(many(12)))
    assert len([line for line in lines if line.startswith("  locked out: user")]) == 10
    assert lines[-1] == "  … and 2 more; `mfagap harden report` has them."


def test_a_plan_without_a_log_knows_nobody(harden: Run, demo: tuple[Path, Path]) -> None:
    done = harden("plan", "--from", demo[1], "-q")
    assert "Whom it affects is not known: that takes a log and all session policies." in done.err


def test_a_plan_keeps_service_accounts_alive(harden: Run, demo: tuple[Path, Path]) -> None:
    keep = ("--keep-group", demo_policies.SERVICES, "--keep-zone", demo_policies.BUILD_ZONE)
    done = harden("plan", "--from", demo[1], *keep, "--keep-until", "30d")
    first, second, *_ = json.loads(done.out)["changes"]
    assert (first["method"], second["method"]) == ("POST", "POST")
    assert re.search(
        r'1\. Policy "mfagap: service accounts until [-\d]+": let service accounts in\n'
        r"   POST /api/v1/policies \(\w+, until \d{4}-",
        done.err,
    )
    assert harden("plan", "--from", demo[1], *keep[:2], "--keep-until", "30d").code == 2


def test_a_plan_takes_policies(harden: Run, demo: tuple[Path, Path], tmp_path: Path) -> None:
    done = harden("plan", demo[0])
    assert (done.code, done.err) == (
        2,
        "mfagap: a plan needs the org's policies: give --from PATH or --api\n",
    )
    file = tmp_path / "org.json"
    file.write_text('{"mfagap_snapshot": 1, "taken_at": null, "origin": "x", "parts": {}}')
    done = harden("plan", demo[0], "--from", file, "-q")
    assert (done.code, done.err) == (
        2,
        "mfagap: the session policies are not known: not read\n",
    )


def test_nothing_to_change(harden: Run, okta: FakeOkta, tmp_path: Path) -> None:
    for rules in okta.org.rules.values():
        for rule in rules:
            if "signon" in rule["actions"]:
                rule["actions"]["signon"] |= {
                    "requireFactor": True,
                    "factorPromptMode": "ALWAYS",
                    "factorLifetime": 15,
                }
    done = harden("plan", "--api", "-o", "plan.json", "-q")
    assert done.err.startswith("Nothing is to be changed.\n")
    done = harden("apply", "plan.json", "--yes")
    assert (done.code, done.err) == (0, "nothing is to be changed\n")


# --- checks ---


def test_checks_are_listed_and_shown(harden: Run) -> None:
    done = harden("checks", "list")
    heads, *lines = done.out.splitlines()
    assert heads.split() == ["ID", "SEVERITY", "ABOUT", "TITLE"]
    assert [line.split()[0] for line in lines] == [check.id for check in load_all()]
    for check in load_all():
        shown = harden("checks", "show", check.id).out
        assert shown.startswith(f"{check.title}\n{'=' * len(check.title)}\n")
        for text in (f"needs:      {', '.join(check.needs) or '-'}", *check.reasons):
            assert text in shown
        assert " ".join(check.prevention.split()) in " ".join(shown.split())
    done = harden("checks", "show", "nothing")
    assert (done.code, done.out) == (2, "")
    assert "no check is called 'nothing'; there are: " in done.err
