"""Which rules are closed the journals tell, and which writes were our own."""

from pathlib import Path
from typing import Any

import pytest
from tests.fake_okta import faults
from tests.harden.applied import Bench as OrgBench
from tests.harden.planned import (
    DEFAULT,
    DEFAULT_RULE,
    KEEP,
    NOW_MS,
    OFFICE_RULE,
    ORIGIN,
    REST_RULE,
    STAFF,
    plan,
)
from tests.service.closed_rules import (
    AFTER_S,
    CLOSED_MS,
    LATER_MS,
    NEXT_DAY_MS,
    applied,
    change,
    closed,
    keys,
    target,
    told,
)
from tests.service.workshops import Bench

from mfagap.alerts import Deed
from mfagap.errors import AccessRefused, PlanRefused
from mfagap.harden.journal import DONE, FOLDER, INTENT, UNDONE, Journal
from mfagap.service.regressions import look
from mfagap.state.closed import Closed


def logged(org_work: OrgBench, **more: Any) -> list[Any]:
    """Return the event of each write to the org, as Okta logs it: with the id of its request."""
    events: list[Any] = []
    for number, request in enumerate(org_work.okta.requests, 1):
        if request.method != "GET":
            policy_id, _, rule_id = (*request.path.split("/")[4:], None, None, None)[:3]
            policy, changed = (
                target("PolicyEntity", policy_id or "00pnew"),
                target("PolicyRule", rule_id or "0prnew"),
            )
            event = change(
                f"w{number}",
                AFTER_S + number,
                targets=(policy, changed),
                transaction__id=f"req{number}",
                **more,
            )
            events.append(event)
    return events


def watched(work: Bench) -> list[str]:
    """Return the rules on file once a tick has looked."""
    look(work.workshop, NEXT_DAY_MS)
    return [row["rule_id"] for row in Closed(work.workshop.database).list()]


ALL = [DEFAULT_RULE, OFFICE_RULE, REST_RULE]


def test_the_journals_tell_what_is_closed_and_which_writes_are_ours(tmp_path: Path) -> None:
    """Also where a crash left no more than the journal, or nothing watched at that time."""
    with applied(tmp_path) as (org_work, work):
        org_work.apply(org_work.plan(KEEP))
        assert watched(work) == ALL
        (row, *_) = Closed(work.workshop.database).list()
        assert (row["policy_id"], row["name"], row["run"], row["closed_ms"]) == (
            *(DEFAULT, "Default Rule", org_work.last().id),
            NOW_MS,
        )
        org_work.roll_back()
        work.drop("events.ndjson", logged(org_work))
        assert work.tick(NEXT_DAY_MS).deeds == ()
        assert watched(work) == []


def test_nobody_is_us_for_a_name_a_client_or_a_moment(tmp_path: Path) -> None:
    us: dict[str, Any] = {"client__userAgent__rawUserAgent": "mfagap/0.1.0", "actor__id": "0oaOurs"}
    with applied(tmp_path) as (org_work, work):
        org_work.apply(org_work.plan())
        own = logged(org_work, **us)
        by_debug = change("debug", AFTER_S + 1, debugContext__debugData__requestId="req1", **us)
        assert len(own) == 3
        other = [
            change("at-once", AFTER_S + 0.001, **us),
            change("of-a-read", AFTER_S + 1, transaction__id="req1", **us),
            by_debug,
        ]
        work.drop("events.ndjson", [*own, *other])
        work.tick(NEXT_DAY_MS)
        assert keys(work) == {event["uuid"] for event in other}


def test_what_could_not_be_taken_back_stays_watched(tmp_path: Path) -> None:
    with applied(tmp_path) as (org_work, work):
        org_work.apply(org_work.plan())
        org_work.rule(STAFF, REST_RULE)["name"] = "Renamed"
        with pytest.raises(PlanRefused):
            org_work.roll_back()
        writes = logged(org_work)
        assert len(writes) == 5
        work.drop("events.ndjson", writes)
        assert work.tick(NEXT_DAY_MS).deeds == (), "all of them were ours"
        assert watched(work) == [REST_RULE]


def test_a_rollback_that_is_refused_takes_nothing_from_file(tmp_path: Path) -> None:
    with applied(tmp_path) as (org_work, work):
        org_work.apply(org_work.plan())
        org_work.okta.when("/api/v1/policies/*", faults.forbidden(), method="PUT")
        with pytest.raises(AccessRefused):
            org_work.roll_back()
        assert watched(work) == ALL


def test_what_a_run_closed_before_it_was_refused_is_watched(tmp_path: Path) -> None:
    with applied(tmp_path) as (org_work, work):
        path = f"/api/v1/policies/{DEFAULT}/*"
        org_work.okta.when(path, faults.forbidden(), method="PUT")
        with pytest.raises(AccessRefused):
            org_work.apply(org_work.plan())
        assert watched(work) == [OFFICE_RULE, REST_RULE]


def test_a_rule_that_is_closed_anew_is_on_file_anew_and_one_without_a_journal_stays(
    tmp_path: Path,
) -> None:
    with closed(tmp_path) as work:
        journal = Journal(tmp_path / "state" / FOLDER, "ana", lambda: CLOSED_MS + 5)
        run = journal.begin(plan(), ORIGIN)
        (office,) = [each for each in plan().changes if OFFICE_RULE in each.id]
        journal.note(run, INTENT, office, before=office.before, after=office.after)
        journal.note(run, DONE, office, after={"lastUpdated": "of no form"})
        work.drop("events.ndjson", [change("e1", 3600)])
        work.tick(LATER_MS)
        rows = Closed(work.workshop.database).list()
        assert [(row["rule_id"], row["run"], row["closed_ms"]) for row in rows] == [
            (OFFICE_RULE, run.id, CLOSED_MS + 5),
            (REST_RULE, "0001-x", CLOSED_MS),
        ]
        again = journal.begin(plan(), ORIGIN)
        journal.note(again, DONE, office, after={"lastUpdated": "2026-01-15T12:00:00.000Z"})
        assert watched(work) == [OFFICE_RULE, REST_RULE]
        assert Closed(work.workshop.database).list()[0]["run"] == again.id
        journal.note(again, UNDONE, office)
        journal.note(run, UNDONE, office)
        assert watched(work) == [REST_RULE]


def test_a_journal_that_is_damaged_is_told_of_once_and_stops_no_tick(tmp_path: Path) -> None:
    with closed(tmp_path) as work:
        runs = tmp_path / "state" / FOLDER / "runs"
        runs.mkdir(parents=True)
        (runs / "0001-x.jsonl").write_bytes(b"{}\n")
        work.drop("events.ndjson", [change("e1", 3600)])
        assert work.tick(LATER_MS).deeds == (Deed.OPENED,) * 2
        assert work.tick(LATER_MS + 60_000).deeds == ()
        said = [notice["title"] for notice in told(work)]
        assert said[0].startswith(
            "Rules that were closed may not be watched, since a journal is off: "
        )
        assert len(said) == 2
