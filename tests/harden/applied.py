"""A fake org, a client that may write to it, a plan for it and a journal: to be written to."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fake_okta.server import MANAGE_SCOPES, FakeOkta
from tests.harden.planned import FAILED, NOW_MS, org
from tests.okta.orgs import Clock, client

from mfagap.harden import plan as plans
from mfagap.harden.apply import Written, apply, named, resume, roll_back
from mfagap.harden.fetch import fetch
from mfagap.harden.journal import Journal, Run
from mfagap.harden.plan import Keep
from mfagap.harden.snapshot import digest, settable
from mfagap.model.hardening import Change, Plan
from mfagap.model.org import Snapshot
from mfagap.okta.client import OktaClient


@dataclass(frozen=True, slots=True)
class Bench:
    """What an apply needs, and what was told."""

    okta: FakeOkta
    client: OktaClient
    journal: Journal
    told: list[str] = field(default_factory=list[str])

    def snapshot(self) -> Snapshot:
        """Return the org as its API tells it."""
        return fetch(self.client, NOW_MS)

    def plan(self, keep: Keep | None = None) -> Plan:
        """Return the plan that closes all rules."""
        known = self.snapshot()
        return plans.make(known, digest(known), FAILED, NOW_MS, keep)

    def apply(self, plan: Plan) -> Written:
        return apply(plan, self.client, self.journal, self.tell)

    def resume(self) -> Written:
        return resume(self.journal, self.client, self.tell)

    def roll_back(self, run_id: str | None = None) -> Written:
        return roll_back(self.journal, self.client, self.tell, run_id)

    def tell(self, change: Change, what: str) -> None:
        self.told.append(f"{named(change)}: {what}")

    def last(self) -> Run:
        """Return the last run."""
        run = self.journal.run()
        assert run is not None
        return run

    def rule(self, policy_id: str, rule_id: str) -> dict[str, Any]:
        """Return a rule as the org holds it."""
        (found,) = [each for each in self.okta.org.rules[policy_id] if each["id"] == rule_id]
        return found

    def holds(self) -> dict[str, Any]:
        """Return the policies and rules that the org holds, without what Okta sets itself."""
        policies = {each["id"]: settable(each) for each in self.okta.org.policies}
        rules = {
            each["id"]: settable(each)
            for policy_id in policies
            for each in self.okta.org.rules.get(policy_id, ())
        }
        return {**policies, **rules}

    def writes(self) -> list[tuple[str, str]]:
        """Return method and path of every request that changes something."""
        asked = self.okta.requests
        return [(request.method, request.path) for request in asked if request.method != "GET"]


@contextmanager
def bench(folder: Path, *, classic: bool = False, **options: Any) -> Generator[Bench]:
    """Open a fake org and a client of it, whose journal is in ``folder``."""
    clock = Clock()
    held: dict[str, Any] = {"scopes": MANAGE_SCOPES, "clock": clock}
    held |= org(classic=classic) | options
    with FakeOkta(**held) as okta, client(okta, clock) as opened:
        journal = Journal(folder / "hardening", "ana", lambda: int(clock() * 1000))
        yield Bench(okta, opened, journal)
