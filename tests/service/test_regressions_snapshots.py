"""A snapshot in which a closed rule is open, or overtaken, is an alert."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.harden.planned import (
    KEEP,
    NOW_MS,
    OFFICE_RULE,
    REST_RULE,
    org,
    plan,
    rule,
    snapshot,
)
from tests.service.closed_rules import (
    CLOSED_MS,
    LATER_MS,
    NEXT_DAY_MS,
    ROUTES,
    applied,
    change,
    closed,
    closing,
    looked,
    told,
)
from tests.service.workshops import bench

from mfagap.harden import plan as plans
from mfagap.model.org import Part, Snapshot
from mfagap.service import casebook
from mfagap.service.regressions import look, seen
from mfagap.settings import Settings


def _snapshot(taken_ms: int | None = CLOSED_MS + 1, /, **changes: Any) -> Snapshot:
    """Return a snapshot in which all rules are closed, but for what ``changes`` say of one."""
    held = snapshot(org())
    after = plans.applied(held, plan())
    staff, *others = after.part("OKTA_SIGN_ON").items
    rules = [{**r, **changes} if r["id"] == REST_RULE else r for r in staff["rules"]]
    return Snapshot(taken_ms, "", {"OKTA_SIGN_ON": Part(({**staff, "rules": rules}, *others))})


def signon(**words: Any) -> dict[str, Any]:
    """Return the actions of a rule that asks for a factor."""
    return {"actions": {"signon": {"access": "ALLOW", "requireFactor": True, **words}}}


LONG = "lets a factor that was passed count too long again"
OPEN: dict[str, Any] = {"actions": {"signon": {"access": "ALLOW", "requireFactor": False}}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        (OPEN, "lets a password alone in again"),
        ({"actions": {"signon": {"access": "ALLOW"}}}, "lets a password alone in again"),
        ({"actions": {"signon": {"access": "DENY", "requireFactor": False}}}, None),
        ({"status": "INACTIVE"}, "is not in force any more"),
        ({"id": "0prother"}, "is not there any more"),
        (signon(factorPromptMode="DEVICE"), LONG),
        (signon(factorPromptMode="SESSION", factorLifetime=721), LONG),
        (signon(factorPromptMode="SESSION", factorLifetime=720), None),
        (signon(factorPromptMode="ALWAYS", rememberDeviceByDefault=True), LONG),
    ],
)
def test_a_snapshot_in_which_a_closed_rule_is_open_opens_an_alert(
    tmp_path: Path, changes: dict[str, Any], says: str | None
) -> None:
    with closed(tmp_path) as work:
        assert seen(work.workshop, _snapshot(**changes), LATER_MS) == (says is not None)
        titles = [notice["title"] for notice in told(work)]
        assert titles == [
            f"The policy rule Everybody else, which was closed, {words}"
            for words in [says]
            if words
        ]
        assert seen(work.workshop, _snapshot(**changes), LATER_MS + 1) == 0


NEWER = "2026-01-16T12:00:00.000Z"


def before(**changes: Any) -> Snapshot:
    """Return a snapshot in which an open rule, as ``changes`` say, is the first of all."""
    known = _snapshot()
    staff, *others = known.part("OKTA_SIGN_ON").items
    first = rule("0prnew", "Wide open", 0) | {"lastUpdated": NEWER} | changes
    items = ({**staff, "rules": [first, *staff["rules"]]}, *others)
    return Snapshot(known.taken_ms, "", {"OKTA_SIGN_ON": Part(items)})


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({}, True),
        ({"lastUpdated": None}, True),
        ({"lastUpdated": "2024-05-02T08:00:00.000Z"}, False),
        ({"status": "INACTIVE"}, False),
        ({"priority": 9}, False),
        (signon(), False),
        ({"actions": {"signon": {"access": "DENY"}}}, False),
    ],
)
def test_a_newer_rule_that_is_asked_before_a_closed_one_and_open_opens_an_alert(
    tmp_path: Path, changes: Mapping[str, Any], *, is_told: bool
) -> None:
    with closed(tmp_path) as work:
        closing(work, rule_id=OFFICE_RULE, name="Office", closed_ms=CLOSED_MS + 2)
        assert seen(work.workshop, before(**changes), LATER_MS) == is_told
        assert [(notice["title"], notice["severity"]) for notice in told(work)] == [
            (
                "The policy rule Everybody else, which was closed, is asked after a newer one that "
                "lets a password alone in: Wide open",
                "high",
            )
        ] * is_told
        assert seen(work.workshop, before(**changes), LATER_MS + 1) == 0


def test_an_exception_of_ours_is_no_news_until_somebody_changes_it(tmp_path: Path) -> None:
    """It was made after the rule had been closed, by another run."""
    with applied(tmp_path) as (org_work, work):
        closing(work)
        org_work.apply(org_work.plan(KEEP))
        (kept,) = [
            each for each in org_work.okta.org.rules.values() if each and each[0]["name"] == KEPT
        ]
        shown = replace(org_work.snapshot(), taken_ms=NOW_MS + 1)
        assert seen(work.workshop, shown, NEXT_DAY_MS) == 0
        kept[0]["lastUpdated"] = "2026-01-16T13:00:00.000Z"
        shown = replace(org_work.snapshot(), taken_ms=NOW_MS + 7_200_000)
        assert seen(work.workshop, shown, NEXT_DAY_MS) == 1


KEPT = "mfagap: service accounts until 2026-03-01"


def test_a_policy_that_is_not_active_guards_nobody(tmp_path: Path) -> None:
    known = _snapshot()
    staff, *others = known.part("OKTA_SIGN_ON").items
    items = ({**staff, "status": "INACTIVE"}, *others)
    with closed(tmp_path) as work:
        inactive = Snapshot(known.taken_ms, "", {"OKTA_SIGN_ON": Part(items)})
        assert seen(work.workshop, inactive, LATER_MS) == 1


@pytest.mark.parametrize("taken_ms", [None, CLOSED_MS])
def test_a_snapshot_from_before_tells_nothing(tmp_path: Path, taken_ms: int | None) -> None:
    with closed(tmp_path) as work:
        assert seen(work.workshop, _snapshot(taken_ms, **OPEN), LATER_MS) == 0


def test_an_open_rule_of_a_policy_that_is_not_active_lets_nobody_in(tmp_path: Path) -> None:
    idle = {"id": "00pidle", "name": "Idle", "priority": 0, "status": "INACTIVE"}
    shown = _snapshot().part("OKTA_SIGN_ON").items
    items = ({**idle, "rules": [rule("0prnew", "New", 1) | {"lastUpdated": NEWER}]}, *shown)
    with closed(tmp_path) as work:
        org_now = Snapshot(CLOSED_MS + 1, "", {"OKTA_SIGN_ON": Part(items)})
        assert seen(work.workshop, org_now, LATER_MS) == 0


def test_what_a_snapshot_does_not_know_is_not_gone(tmp_path: Path) -> None:
    unknown = Snapshot(CLOSED_MS + 1, "", {"OKTA_SIGN_ON": Part(missing="403")})
    with closed(tmp_path) as work:
        assert seen(work.workshop, unknown, LATER_MS) == 0


def test_one_open_alert_of_a_rule_is_enough_for_a_snapshot(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        (notice,) = looked(work, change("e1", 3600))
        first = _snapshot(lastUpdated="2026-01-15T09:10:00.000Z", **OPEN)
        assert seen(work.workshop, first, LATER_MS) == 0
        settings = Settings(state=tmp_path / "state")
        person = casebook.Person("ana", None)
        casebook.decide(settings, notice["alert"], "close", person, "fixed")
        assert seen(work.workshop, first, LATER_MS) == 1, "it was not fixed"
        again = told(work)[-1]
        casebook.decide(settings, again["alert"], "close", person, "accepted")
        assert seen(work.workshop, first, LATER_MS) == 0, "it was told of, and is as it was"
        later = _snapshot(lastUpdated="2026-01-15T09:20:00.000Z", **OPEN)
        assert seen(work.workshop, later, LATER_MS) == 1


def test_nothing_on_file_reads_nothing(tmp_path: Path) -> None:
    with bench(tmp_path, ROUTES) as work:
        assert look(work.workshop, LATER_MS) == 0
        assert seen(work.workshop, _snapshot(**OPEN), LATER_MS) == 0
