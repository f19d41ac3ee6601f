"""The demo's policies decide its log as it is, and what closing them does is what the demo says."""

import io
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from examples import demo_org, demo_policies
from tests.harden.logs import DETECTION

from mfagap.engines.sandbox import Sandbox
from mfagap.harden import folder, inventory, plan, policies, replay, sign_ins
from mfagap.harden.evaluator import Org
from mfagap.harden.snapshot import digest
from mfagap.lake.memory import MemoryLake
from mfagap.lake.projection import named_in
from mfagap.lake.rejects import Rejects
from mfagap.model import Severity
from mfagap.model.hardening import (
    Affected,
    CheckOutcome,
    CheckResult,
    Effect,
    LegacyClient,
    SignIn,
)
from mfagap.model.org import (
    POLICY_TYPES,
    Part,
    Snapshot,
)
from mfagap.sources.files import discover

FOREVER_MS = 2**63 // 1000 + 1
ATTACKER = "203.0.113.66"


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo's log and policies say."""

    snapshot: Snapshot
    sign_ins: tuple[SignIn, ...]
    changed: int
    clients: tuple[LegacyClient, ...]
    now_ms: int


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Generator[Demo]:
    logs, org = (tmp_path_factory.mktemp(name) for name in ("logs", "org"))
    demo_org.main(str(logs))
    demo_policies.main(str(org))
    snapshot = folder.read(org)
    types = sorted({*sign_ins.EVENT_TYPES, *inventory.EVENT_TYPES})
    columns = named_in(*sign_ins.QUERIES, *inventory.QUERIES)
    with Rejects() as rejects, MemoryLake(rejects, FOREVER_MS, columns) as lake:
        found = discover([str(logs)], io.BytesIO(), tmp_path_factory.mktemp("scratch"), [])
        lake.load(found.deliveries, types)
        oldest_ms, newest_ms = lake.totals.oldest_ms, lake.totals.newest_ms
        assert oldest_ms is not None
        assert newest_ms is not None
        engine, span = Sandbox(lake.connection), (oldest_ms, FOREVER_MS, newest_ms)
        yield Demo(
            snapshot,
            sign_ins.read(engine, span, DETECTION, snapshot),
            len(sign_ins.changes(engine, span, DETECTION)),
            inventory.read(engine, span, DETECTION),
            newest_ms,
        )


def failures(rules: Iterable[str]) -> list[CheckResult]:
    """Return that a check of each of the rules failed, by their names in ``demo_org.RULES``."""
    return [
        CheckResult(
            check="session_rule_without_factor",
            outcome=CheckOutcome.FAIL,
            severity=Severity.HIGH,
            reason="open",
            says="",
            subject="rule",
            subject_id=demo_org.RULES[name].rule_id,
            subject_name=name,
        )
        for name in rules
    ]


def impact(demo: Demo, rules: Iterable[str], keep: plan.Keep | None = None) -> tuple[Affected, ...]:
    """Return what a plan that asks for a factor in the rules does."""
    snapshot = demo.snapshot
    made = plan.make(snapshot, digest(snapshot), failures(rules), demo.now_ms, keep)
    before, after = (
        policies.read(some, "OKTA_SIGN_ON") for some in (snapshot, plan.applied(snapshot, made))
    )
    return replay.impact(before, after, demo.sign_ins, Org.of(demo.snapshot))


def person(login: str) -> str:
    return login.removesuffix("@example.com")


def worst(affected: tuple[Affected, ...]) -> dict[str, Effect]:
    """Return the worst effect on each person."""
    found: dict[str, Effect] = {}
    for who in affected:  # the worst come first
        found.setdefault(person(who.login), who.effect)
    return found


def test_the_same_bytes_each_time_wherever(tmp_path: Path) -> None:
    written: list[dict[str, bytes]] = []
    for name in ("a", "b"):
        demo_policies.main(str(tmp_path / name))
        files = (tmp_path / name).rglob("*.json")
        written.append({str(f.relative_to(tmp_path / name)): f.read_bytes() for f in files})
    assert written[0] == written[1]
    assert len(written[0]) == len(demo_policies.files()) == 60


def test_the_folder_is_the_whole_org(demo: Demo) -> None:
    parts = demo_policies.parts()
    assert demo.snapshot.parts.keys() == parts.keys()
    for name, part in demo.snapshot.parts.items():
        assert part.missing is None
        assert len(part.items) == len(parts[name])
    told = Snapshot(None, "", {name: Part(tuple(items)) for name, items in parts.items()})
    for kind in POLICY_TYPES:
        assert policies.read(demo.snapshot, kind) == policies.read(told, kind)
    assert Org.of(demo.snapshot) == Org.of(told)


def test_each_rule_is_as_the_log_says(demo: Demo) -> None:
    rules = {rule.id: rule for rule in policies.rules(demo.snapshot, "OKTA_SIGN_ON")}
    names = {policy.id: policy.name for policy in policies.read(demo.snapshot, "OKTA_SIGN_ON")}
    assert rules.keys() == {decided.rule_id for decided in demo_org.RULES.values()}
    for name, decided in demo_org.RULES.items():
        rule = rules[decided.rule_id]
        assert (rule.name, rule.policy_id) == (decided.rule, decided.policy_id)
        assert names[rule.policy_id] == decided.policy
        assert (rule.requires_factor is False) == (name in demo_policies.WITHOUT_FACTOR)


def test_the_evaluator_agrees_with_all_of_the_log(demo: Demo) -> None:
    asked = policies.read(demo.snapshot, "OKTA_SIGN_ON")
    found = replay.agreement(asked, demo.sign_ins, Org.of(demo.snapshot))
    assert {rule.rule_name: rule.agreed for rule in found.rules} == {
        "Known networks": 3 * 38 + 1,
        "Always asked": 3 * 2 + 2,
        "Build hosts": 8,
        "Default Rule": 4,
        "Low risk": 4,
        "Partners": 1,
        "VPN": 1,
    }
    assert found.sign_ins == found.agreed == len(demo.sign_ins) == 141
    assert found.disagreements == ()
    assert demo.changed == 0


def test_closing_all_does_what_the_demo_says(demo: Demo) -> None:
    found = impact(demo, demo_policies.WITHOUT_FACTOR)
    assert worst(found) == demo_policies.truth()
    assert sum(who.sign_ins for who in found) == len(demo.sign_ins)
    programs = {
        (person(who.login), who.address, who.sign_ins): who.rule_id
        for who in found
        if who.effect is Effect.BREAKS
    }
    rules = demo_org.RULES
    assert programs == {
        ("vint", demo_org.BUILD_HOST, 8): rules["services"].rule_id,
        ("olga", demo_org.KNOWN.format(33), 4): rules["vpn"].rule_id,
        ("grace", ATTACKER, 1): rules["default"].rule_id,
        ("sofia", ATTACKER, 1): rules["default"].rule_id,
    }


@pytest.mark.parametrize(
    ("rules", "affected"),
    [
        (("default",), {"grace", "sofia", "ida", "noor"}),
        (("vpn",), {"olga"}),
        (("partners",), {"zoe"}),
        (("low_risk",), {"radia", "tim", "wei", "yuki"}),
        (("services",), {"vint"}),
        (("default", "vpn"), {"grace", "sofia", "ida", "noor", "olga"}),
    ],
)
def test_closing_some(demo: Demo, rules: tuple[str, ...], affected: set[str]) -> None:
    truth = demo_policies.truth()
    expected = {
        user: truth[user] if user in affected else Effect.UNAFFECTED for user in demo_org.PEOPLE
    }
    assert worst(impact(demo, rules)) == expected


def test_service_accounts_that_are_kept_alive(demo: Demo) -> None:
    until_ms = demo.now_ms + 30 * 24 * 3600 * 1000
    keep = plan.Keep(demo_policies.SERVICES, demo_policies.BUILD_ZONE, until_ms)
    found = worst(impact(demo, demo_org.RULES, keep))
    assert found == demo_policies.truth() | {"vint": Effect.UNAFFECTED}


def test_the_inventory_of_the_demo(demo: Demo) -> None:
    uses = {(person(c.login), c.move_to): c for c in demo.clients}
    helper = uses["vint", inventory.HELPER]
    assert (helper.uses, helper.days, helper.trend) == (8, 8, "rising")
    assert (helper.address, helper.rule_name) == (demo_org.BUILD_HOST, "Build hosts")
    assert uses["grace", inventory.LIBRARY].rule_name == "Default Rule"
    assert uses["olga", inventory.RADIUS].rule_name == "VPN"
    assert {user for user, move_to in uses if move_to == inventory.BROWSER} == {*demo_org.PEOPLE}
    assert len(demo.clients) == 48
