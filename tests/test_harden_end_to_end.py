"""From a log and an org's policies to a gap that is closed, and back: on the demo, over HTTP."""

import json
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from examples import demo_policies
from examples.demo_org import RULES, Org
from tests.cli.demo import served, written
from tests.cli.logs import write
from tests.fake_okta.server import FakeOkta
from tests.report.hardening.schema import validated

from mfagap.cli.main import main
from mfagap.harden.snapshot import canonical
from mfagap.model.hardening import Effect

CLOSED_AT = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
CLOSED = ("default", "vpn", "low_risk", "services")
"""What lets a password alone in, but for ``partners``: whether their own org asks for a factor
nobody here can know, and so nothing is planned for it."""
CLOSED_IDS = {RULES[name].rule_id for name in CLOSED}


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with the demo's log, and its org."""

    folder: Path
    okta: FakeOkta
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: object, code: int = 0) -> str:
        """Run ``mfagap harden``; return what it wrote to standard output."""
        self.capsys.readouterr()
        assert main(["harden", *map(str, words)]) == code
        return self.capsys.readouterr().out

    def holds(self) -> bytes:
        """Return the org's policies and rules, but when each was last written."""
        rules = [rule for rules in self.okta.org.rules.values() for rule in rules]
        items = [*self.okta.org.policies, *rules]
        return canonical([{k: v for k, v in item.items() if k != "lastUpdated"} for item in items])

    def rule(self, rule_id: str) -> dict[str, Any]:
        return next(
            rule
            for rules in self.okta.org.rules.values()
            for rule in rules
            if rule["id"] == rule_id
        )


@pytest.fixture
def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Bench]:
    monkeypatch.delenv("MFAGAP_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    written(tmp_path)
    with served(monkeypatch, clock=CLOSED_AT.timestamp) as okta:
        yield Bench(tmp_path, okta, capsys)


def test_the_gap_is_named_closed_proven_and_can_be_opened_again(bench: Bench) -> None:
    before = bench.holds()
    told = validated(bench.run("report", "logs", "--api", "--format", "json"))
    _names_the_rules(told)
    _knows_what_it_costs(told)

    bench.run("plan", "logs", "--api", "-o", "plan.json")
    plan = json.loads((bench.folder / "plan.json").read_text(encoding="utf-8"))
    assert {change["path"].split("/")[-1] for change in plan["changes"]} == CLOSED_IDS
    assert bench.holds() == before
    bench.run("apply", "plan.json", "--yes", "--by", "ada")
    for rule_id in CLOSED_IDS:
        assert bench.rule(rule_id)["actions"]["signon"]["requireFactor"] is True

    _later(bench, "asked", "CHALLENGE")
    results = _verified(bench)
    assert {outcome for outcome, _, _ in results} == {"pass"}
    assert len(results) == 2 * len(CLOSED)

    uuid = _later(bench, "let in", "ALLOW")
    failed = [each for each in _verified(bench, code=1) if each[0] == "fail"]
    assert failed == [("fail", RULES["services"].rule_id, [uuid])]
    text = bench.run("verify", "plan.json", "logs", "--api", code=1)
    assert f"\nBuild hosts ({RULES['services'].rule_id}): {uuid}\n" in text

    bench.run("rollback", "--yes", "--by", "ada")
    assert bench.holds() == before
    lines = (bench.folder / "mfagap-state/harden/audit.jsonl").read_text().splitlines()
    audit = [json.loads(line) for line in lines]
    assert [entry["event"] for entry in audit].count("done") == len(CLOSED)
    assert [entry["event"] for entry in audit].count("undone") == len(CLOSED)
    assert {entry["who"] for entry in audit} == {"ada"}


def _names_the_rules(told: dict[str, Any]) -> None:
    failed = {
        each["subject_id"]: each["amount"]
        for each in told["results"]
        if each["outcome"] == "fail" and each["subject"] == "rule" and each["amount"]
    }
    assert failed == {
        RULES["services"].rule_id: 8,
        RULES["default"].rule_id: 3,
        RULES["low_risk"].rule_id: 3,
        RULES["vpn"].rule_id: 1,
    }
    assert told["summary"]["sessions"] == 15


def _knows_what_it_costs(told: dict[str, Any]) -> None:
    agreement = told["agreement"]
    assert agreement["sign_ins"] == agreement["agreed"] > 100
    assert agreement["disagreements"] == []
    worst: dict[str, Effect] = {}
    for row in told["impact"]:  # the worst come first
        worst.setdefault(row["login"].removesuffix("@example.com"), Effect(row["effect"]))
    assert worst == demo_policies.truth(CLOSED)
    suspected = {row["login"] for row in told["impact"] if row["verdict"] == "true_positive"}
    assert suspected == {"grace@example.com", "noor@example.com"}


def _later(bench: Bench, name: str, result: str) -> str:
    """Log a sign-in after the change, by the build hosts' rule; return its ``uuid``."""
    org = Org(len(name))
    at = CLOSED_AT + timedelta(hours=len(name))
    org.add("mfa", at - timedelta(hours=1), "ada")  # the log reaches over the change
    org.sign_in(at, "vint", "services", client__ipAddress="198.51.100.4")
    start, policy = org.events[-2:]
    policy["outcome"]["result"] = result
    if result == "CHALLENGE":
        trail = start["transaction"]["id"]
        org.add(
            "mfa",
            at + timedelta(seconds=20),
            "vint",
            debugContext__debugData__authnRequestId=trail,
        )
    org.add("sso", at + timedelta(hours=2), "ada")
    write(bench.folder / "logs" / f"{name}.ndjson", org.events)
    return str(start["uuid"])


def _verified(bench: Bench, code: int = 0) -> list[tuple[str, str, list[str]]]:
    """Return outcome, rule and events of each line that ``verify`` prints."""
    text = bench.run("verify", "plan.json", "logs", "--api", "--json", code=code)
    lines = [json.loads(line) for line in text.splitlines()]
    return [(each["outcome"], each["subject_id"], each["evidence"]) for each in lines]
