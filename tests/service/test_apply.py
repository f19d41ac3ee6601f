"""What an apply leaves beside the org, and what a proof rests on."""

import io
import re
import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from examples.demo_org import RULES, Org
from tests.cli.demo import served
from tests.cli.logs import write
from tests.fake_okta.server import FakeOkta
from tests.harden.planned import ORIGIN

from mfagap.errors import UsageError
from mfagap.harden import plan as plans
from mfagap.harden.apply import Written
from mfagap.harden.fetch import fetch
from mfagap.harden.snapshot import digest, dump
from mfagap.model import Severity
from mfagap.model.hardening import (
    Change,
    CheckOutcome,
    CheckResult,
    Plan,
)
from mfagap.okta.client import OktaClient
from mfagap.service import apply, harden, scan
from mfagap.settings import Settings

AT = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
RULE = RULES["services"].rule_id
FAILED = CheckResult(
    check="session_rule_without_factor",
    outcome=CheckOutcome.FAIL,
    severity=Severity.HIGH,
    reason="used",
    says="",
    subject="rule",
    subject_id=RULE,
    subject_name="Build hosts",
)


def _silent(_change: Change, _what: str) -> None:
    """Tell nobody."""


class Bench:
    """An org, a client of it, and a state folder."""

    def __init__(self, okta: FakeOkta, client: OktaClient, state: Path) -> None:
        self.okta, self.client, self.settings = okta, client, Settings(state=state)

    def plan(self) -> Plan:
        known = fetch(self.client, 0)
        return plans.make(known, digest(known), [FAILED], int(AT.timestamp() * 1000))

    def apply(self, plan: Plan) -> Written:
        return apply.apply(plan, self.client, self.settings, "ada", _silent)

    def verified(
        self, plan: Plan, *paths: Path, file: Path | None = None
    ) -> list[tuple[str, str, str]]:
        """Return outcome, check and reason of each line of the proof."""
        log = scan.Request([str(path) for path in paths], io.BytesIO(), settings=self.settings)
        client = None if file else self.client
        results, _ = apply.verified(plan, harden.Request(log, file, client))
        return [(each.outcome.value, each.check, each.reason) for each in results]

    def since(self, plan: Plan) -> str:
        """Return what is said of who came in since."""
        log = scan.Request([], io.BytesIO(), settings=self.settings)
        results, _ = apply.verified(plan, harden.Request(log, None, self.client))
        (says,) = [each.says for each in results if each.check == "let_in_since"]
        return says


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Bench]:
    with served(monkeypatch, clock=AT.timestamp) as okta, ExitStack() as stack:
        client = harden.client_of(Settings(), stack, lambda _s: None)
        yield Bench(okta, client, tmp_path / "state")


def _log(folder: Path, first: float, last: float, rule: str = "known") -> Path:
    """Write a log from ``first`` to ``last``, hours from the change; its sign-in is after that."""
    org = Org(1)
    org.add("sso", AT + timedelta(hours=first), "ada")
    org.sign_in(AT + timedelta(hours=1), "vint", rule, client__ipAddress="198.51.100.4")
    org.add("sso", AT + timedelta(hours=last), "ada")
    return write(folder / "log.ndjson", org.events)


# --- the org it is for ---


def test_a_plan_of_another_org_is_refused_before_anything_is_written(bench: Bench) -> None:
    plan = replace(bench.plan(), origin="https://other.example.com")
    with pytest.raises(UsageError, match=r"made from https://other\.example\.com, and the cred"):
        bench.apply(plan)
    assert not bench.settings.state.exists()
    assert {request.method for request in bench.okta.requests} == {"GET"}


def test_a_plan_from_files_knows_no_org_and_the_objects_tell(bench: Bench) -> None:
    known = replace(fetch(bench.client, 0), origin="policies")
    plan = plans.make(known, digest(known), [FAILED], int(AT.timestamp() * 1000))
    assert bench.apply(plan).changes == (f"require-factor-{RULE}",)


# --- what it leaves ---


def test_where_nothing_watches_no_state_is_made(bench: Bench) -> None:
    bench.apply(bench.plan())
    assert sorted(path.name for path in bench.settings.state.iterdir()) == ["harden"]


# --- runs ---


def test_runs_that_are_not_there(bench: Bench) -> None:
    journal = apply.journal_of(bench.settings)
    nowhere = (
        f"no run in {bench.settings.state.absolute() / 'harden'}; call it in the folder where "
        "`apply` was called, or give --config FILE"
    )
    with pytest.raises(UsageError, match=f"^{re.escape(nowhere)}$"):
        apply.unfinished(journal)
    with pytest.raises(UsageError, match=f"^{re.escape(nowhere)}$"):
        apply.to_take_back(journal, None)
    written = bench.apply(bench.plan())
    with pytest.raises(UsageError, match=rf"no run 'x'; there are: {written.run} \(applied\)"):
        apply.to_take_back(journal, "x")
    with pytest.raises(UsageError, match="no unfinished run"):
        apply.unfinished(journal)


def test_by_default_the_last_run_that_is_not_taken_back_is_taken_back(bench: Bench) -> None:
    journal = apply.journal_of(bench.settings)
    first = bench.apply(bench.plan()).run
    bench.okta.org.rules[RULES["services"].policy_id][0]["actions"]["signon"] |= {
        "requireFactor": False
    }
    second = bench.apply(bench.plan()).run
    assert apply.to_take_back(journal, None).id == second
    apply.roll_back(second, bench.client, bench.settings, None, _silent)
    assert apply.to_take_back(journal, None).id == first
    with pytest.raises(UsageError) as refused:
        apply.to_take_back(journal, second)
    assert re.fullmatch(
        rf"run {second} was taken back at \d{{4}}-\d\d-\d\d \d\d:\d\d UTC; nothing to do; other "
        rf"runs: {first} \(applied\)",
        str(refused.value),
    )


def test_where_all_is_taken_back_there_is_nothing_to_do(bench: Bench) -> None:
    written = bench.apply(bench.plan())
    apply.roll_back(written.run, bench.client, bench.settings, None, _silent)
    with pytest.raises(
        UsageError, match=rf"run {written.run} was taken back at .*; nothing to do$"
    ):
        apply.to_take_back(apply.journal_of(bench.settings), None)


def test_what_is_no_plan_is_told_with_what_makes_one(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "org.json"
    with pytest.raises(UsageError) as refused:
        apply.plan_in(file)
    assert str(refused.value) == (
        f"{file}: there is no such file; `mfagap harden plan … -o FILE` writes one"
    )
    file.write_text(dump(fetch(bench.client, 1)), encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        apply.plan_in(file)
    assert str(refused.value) == (
        f"{file}: this is a snapshot; make a plan of it: mfagap harden plan LOG --from {file} "
        "-o plan.json"
    )
    plan = bench.plan()
    file.write_text(plans.dump(plan), encoding="utf-8")
    assert apply.plan_in(file).id == plan.id


def test_whoever_is_logged_in_is_who_writes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, told in (("ada", "ada"), (None, "unknown")):

        def user(name: str | None = name) -> str:
            if name is None:
                raise KeyError("no name for this uid")
            return name

        monkeypatch.setattr("getpass.getuser", user)
        journal = apply.journal_of(bench.settings)
        journal.begin(bench.plan(), ORIGIN)
        run = journal.run()
        assert run is not None
        assert run.entries[0].who == told


# --- the proof ---


def test_in_force_and_nobody_came_in(bench: Bench, tmp_path: Path) -> None:
    plan = bench.plan()
    bench.apply(plan)
    assert bench.verified(plan, _log(tmp_path, -1, 2)) == [
        ("pass", "let_in_since", "nobody"),
        ("pass", "plan_in_force", "as_planned"),
    ]
    assert (bench.settings.state / "snapshots").is_dir()


def test_whoever_came_in_all_the_same_is_listed(bench: Bench, tmp_path: Path) -> None:
    plan = bench.plan()
    bench.apply(plan)
    assert bench.verified(plan, _log(tmp_path, -1, 2, "services"))[0] == (
        *("fail", "let_in_since", "let_in"),
    )


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [(0.5, 2, "log_begins_later"), (-3, -2, "log_too_short")],
)
def test_a_log_that_does_not_hold_the_time_since_proves_nothing(
    bench: Bench, tmp_path: Path, first: float, last: float, reason: str
) -> None:
    plan = bench.plan()
    bench.apply(plan)
    org = Org(2)
    for hours in (first, last):
        org.add("sso", AT + timedelta(hours=hours), "ada")
    log = write(tmp_path / "log.ndjson", org.events)
    assert ("unknown", "let_in_since", reason) in bench.verified(plan, log)


def test_without_a_log_and_without_a_journal_it_is_not_known(bench: Bench) -> None:
    plan = bench.plan()
    assert bench.verified(plan) == [
        ("fail", "plan_in_force", "differs"),
        ("unknown", "let_in_since", "no_moment"),
    ]
    bench.apply(plan)
    assert bench.verified(plan) == [
        ("unknown", "let_in_since", "no_log"),
        ("pass", "plan_in_force", "as_planned"),
    ]


def test_a_run_that_was_taken_back_is_no_moment(bench: Bench, tmp_path: Path) -> None:
    plan = bench.plan()
    written = bench.apply(plan)
    apply.roll_back(written.run, bench.client, bench.settings, None, _silent)
    assert ("unknown", "let_in_since", "no_moment") in bench.verified(plan, _log(tmp_path, -1, 2))
    assert re.fullmatch(
        rf"Run {written.run} closed rule Build hosts, and was taken back at \S+ \S+ UTC: it is "
        r"open again\.",
        bench.since(plan),
    )


def test_a_run_that_is_not_at_its_end_is_named(bench: Bench) -> None:
    plan = bench.plan()
    run = apply.journal_of(bench.settings).begin(plan, ORIGIN)
    assert bench.since(plan) == (
        f"Run {run.id} did not come to its end: `mfagap harden resume` goes on with it."
    )


def test_without_a_journal_its_folder_is_named(bench: Bench) -> None:
    assert bench.since(bench.plan()) == (
        f"No journal in {bench.settings.state.absolute() / 'harden'} tells when rule Build hosts "
        "was changed; --config FILE tells where the state is."
    )


def test_a_snapshot_as_a_file_is_enough(bench: Bench, tmp_path: Path) -> None:
    plan = bench.plan()
    bench.apply(plan)
    file = tmp_path / "org.json"
    file.write_text(dump(fetch(bench.client, 1)), encoding="utf-8")
    asked = len(bench.okta.requests)
    assert ("pass", "plan_in_force", "as_planned") in bench.verified(plan, file=file)
    assert len(bench.okta.requests) == asked


def test_without_policies_there_is_nothing_to_look_at(bench: Bench) -> None:
    plan, log = bench.plan(), scan.Request([], io.BytesIO(), settings=bench.settings)
    with pytest.raises(UsageError, match="takes the org's policies: --from or --api"):
        apply.verified(plan, harden.Request(log))


def test_an_exception_that_is_over_fails_by_the_clock_on_the_wall(
    bench: Bench, tmp_path: Path
) -> None:
    """The log ends before that: whoever only reads old logs is told all the same."""
    known = fetch(bench.client, 0)
    now_ms = time.time_ns() // 1_000_000
    keep = plans.Keep("00g1services00000001", "nzo1build00000000001", now_ms + 86_400_000)
    plan = plans.make(known, digest(known), [FAILED], now_ms, keep)
    bench.apply(plan)
    over = replace(
        plan,
        changes=tuple(
            replace(change, expires_ms=now_ms - 1) if change.expires_ms else change
            for change in plan.changes
        ),
    )
    results = bench.verified(over, _log(tmp_path, -1, 2))
    assert [each for each in results if each[1] == "exception_expired"] == [
        ("fail", "exception_expired", "overdue"),
        ("fail", "exception_expired", "overdue"),
    ]


def test_only_all_of_it_passes() -> None:
    good = replace(FAILED, outcome=CheckOutcome.PASSED)
    assert apply.passed([good])
    assert not apply.passed([good, replace(good, outcome=CheckOutcome.UNKNOWN)])
