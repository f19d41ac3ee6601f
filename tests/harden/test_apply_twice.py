"""A plan that is not asked about: written already by a run, or by somebody; and how it is named."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.harden.applied import bench
from tests.harden.planned import KEEP

from mfagap.errors import PlanRefused
from mfagap.harden.apply import apply, named, policy_names


def test_a_plan_that_was_applied_already_is_told_by_the_run_that_did(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        run = work.apply(plan).run
        asked = work.writes()
        with pytest.raises(PlanRefused) as refused:
            work.apply(plan)
        assert str(refused.value) == (
            f"this plan was applied already, as run {run} (2026-01-16 12:00 UTC); nothing was "
            "written; `mfagap harden verify PLAN LOG --api` tells whether it holds"
        )
        with pytest.raises(PlanRefused, match=f"it is so already, by run {run}: make a new plan; "):
            work.apply(replace(plan, id="other"))
        assert work.writes() == asked


def test_nobody_is_asked_before_it_is_known_that_the_plan_fits(tmp_path: Path) -> None:
    asked: list[int] = []
    with bench(tmp_path) as work:
        plan = work.plan()
        for change in plan.changes:
            work.client.put(change.path, change.after)
        with pytest.raises(PlanRefused):
            apply(plan, work.client, work.journal, agreed=lambda: asked.append(1))
        assert asked == []


def test_changes_are_named_as_people_know_them(tmp_path: Path) -> None:
    with bench(tmp_path, page_size=1) as work:
        names = policy_names(work.client)
        policy, own, *others = work.plan(KEEP).changes
        assert named(policy, names) == f'policy "{policy.after["name"]}"'
        assert named(own, names) == f'rule "{own.after["name"]}"'
        assert [named(change, names) for change in others] == [
            'rule "Office" of policy "Staff"',
            'rule "Everybody else" of policy "Staff"',
            'rule "Default Rule" of policy "Default Policy"',
        ]
