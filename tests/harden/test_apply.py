"""A plan written to the fake org: in order, whole or refused, and taken back to what it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fake_okta.faults import Fault, internal_error, next_link
from tests.fake_okta.server import READ_SCOPES, Recorded
from tests.harden.applied import Bench, bench
from tests.harden.planned import (
    DEFAULT,
    DEFAULT_RULE,
    FAILED,
    KEEP,
    NOW_MS,
    OFFICE_RULE,
    REST_RULE,
    STAFF,
)

from mfagap.errors import (
    AccessRefused,
    AnswerLost,
    PlanRefused,
    SourceError,
    StateBusy,
    UsageError,
)
from mfagap.harden import plan as plans
from mfagap.harden import policies
from mfagap.harden.plan import COVER
from mfagap.harden.snapshot import canonical, settable
from mfagap.state.database import held

RULES = [
    ("PUT", f"/api/v1/policies/{STAFF}/rules/{OFFICE_RULE}"),
    ("PUT", f"/api/v1/policies/{STAFF}/rules/{REST_RULE}"),
    ("PUT", f"/api/v1/policies/{DEFAULT}/rules/{DEFAULT_RULE}"),
]
IDS = tuple(f"require-factor-{id_}" for id_ in (OFFICE_RULE, REST_RULE, DEFAULT_RULE))
NAMES = tuple(f'rule "{name}"' for name in ("Office", "Everybody else", "Default Rule"))
KEPT = (f"keep-policy-{KEEP.group_id}", f"keep-rule-{KEEP.group_id}")
POLICY, RULE = "00pmade0000000000001", "0prmade0000000000002"


def test_all_changes_are_written_in_order_and_the_door_is_closed(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        written = work.apply(plan)
        assert (written.changes, written.unlike) == ((*KEPT, *IDS), ())
        assert work.writes() == [
            ("POST", "/api/v1/policies"),
            ("POST", f"/api/v1/policies/{POLICY}/rules"),
            *RULES,
        ]
        exception = plan.changes[0].after["name"]
        made = (f'policy "{exception}"', f'rule "{exception}"', *NAMES)
        assert work.told == [f"{name}: written" for name in made]
        own, *others = policies.read(work.snapshot(), "OKTA_SIGN_ON")
        assert (own.id, own.priority, own.groups.include) == (POLICY, 1, (KEEP.group_id,))
        exceptions = [(r.id, r.requires_factor, r.zones.include) for r in own.rules or ()]
        assert exceptions == [(RULE, False, (KEEP.zone_id,))]
        closed = [rule for policy in others for rule in policy.rules or ()]
        assert [rule.requires_factor for rule in closed] == [True] * 3
        assert plans.make(work.snapshot(), "d", FAILED, NOW_MS).changes == ()
        assert work.last().stands


def test_rolled_back_every_object_is_as_it_was(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        before = work.holds()
        work.apply(work.plan(KEEP))
        assert work.holds() != before
        work.told.clear()
        taken_back = work.roll_back()
        assert taken_back.changes == (*reversed(IDS), *reversed(KEPT))
        assert canonical(work.holds()) == canonical(before), "to the byte"
        assert work.told[:3] == [f"{name}: as it was before" for name in reversed(NAMES)]
        assert len(work.told) == 5
        asked = len(work.okta.requests)
        assert work.roll_back().changes == ()
        assert len(work.okta.requests) == asked, "taken back twice, nothing is asked"
        assert work.apply(work.plan()).changes == IDS


def test_classic_engine_gets_a_rule_before_its_default_rule(tmp_path: Path) -> None:
    with bench(tmp_path, classic=True) as work:
        before = work.holds()
        plan = work.plan()
        assert work.apply(plan).changes == IDS
        (policy,) = [p for p in policies.read(work.snapshot(), "OKTA_SIGN_ON") if p.system]
        assert [(r.name, r.requires_factor) for r in policy.rules or ()] == [
            (COVER, True),
            ("Default Rule", False),
        ]
        closed = [(rule.policy_id, rule.rule_id) for rule in work.last().closed]
        assert closed == [
            (STAFF, OFFICE_RULE),
            (STAFF, REST_RULE),
            (DEFAULT, "0prmade0000000000001"),
        ]
        work.roll_back()
        assert work.holds() == before


def test_nothing_is_written_where_one_rule_was_changed(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        work.rule(DEFAULT, DEFAULT_RULE)["actions"]["signon"]["session"] = {}
        with pytest.raises(PlanRefused) as refused:
            work.apply(plan)
        assert str(refused.value) == (
            f"{NAMES[2]} ({IDS[2]}): it was changed since the plan was made, in "
            "actions.signon.session.maxSessionIdleMinutes, "
            "actions.signon.session.maxSessionLifetimeMinutes, "
            "actions.signon.session.usePersistentCookie; make a new plan from the org as it is; "
            "nothing was written"
        )
        assert (work.writes(), work.journal.run()) == ([], None)


def test_what_okta_itself_sets_is_no_change(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan()
        work.rule(STAFF, REST_RULE)["lastUpdated"] = "2026-01-17T00:00:00.000Z"
        assert work.apply(plan).changes == IDS


def _remove(work: Bench) -> None:
    work.okta.org.rules[STAFF].remove(work.rule(STAFF, REST_RULE))


def _close(work: Bench) -> None:
    made = work.plan()
    for change in made.changes:
        work.client.put(change.path, change.after)


def _make_one_of_that_name(work: Bench) -> None:
    first = work.plan(KEEP).changes[0]
    work.client.post(first.path, first.after)


@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [
        (_remove, "is not there any more"),
        (
            _close,
            r"(?:it is so already, though no run here wrote it: make a new plan; .*){3}",
        ),
        (_make_one_of_that_name, "there is one of that name already"),
    ],
)
def test_what_the_plan_does_not_fit_any_more_is_refused(
    tmp_path: Path, meanwhile: Any, words: str
) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        meanwhile(work)
        asked = work.writes()
        with pytest.raises(PlanRefused, match=words):
            work.apply(plan)
        assert work.writes() == asked


def test_a_plan_for_another_org_is_refused(tmp_path: Path) -> None:
    with bench(tmp_path / "one") as one, bench(tmp_path / "other") as other:
        with pytest.raises(PlanRefused, match=f"is for {one.okta.url}, and not for"):
            other.apply(one.plan())
        assert other.okta.requests == []


class Meddler:
    """Changes a rule right before it is looked at for the second time."""

    def __init__(self, work: Bench) -> None:
        self.work = work
        self.seen = 0

    def __call__(self, request: Recorded) -> None:
        self.seen += (request.method, request.path) == ("GET", RULES[1][1])
        if self.seen == 2:
            self.work.rule(STAFF, REST_RULE)["name"] = "Mine"


def test_a_rule_that_is_changed_between_two_writes_stops_the_run(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan()
        before = work.holds()
        work.okta.meddle = Meddler(work)
        with pytest.raises(PlanRefused) as refused:
            work.apply(plan)
        run = work.last()
        assert str(refused.value) == (
            f"{NAMES[1]} ({IDS[1]}): it was changed since the plan was made, in name; "
            "make a new plan from the org as it is; "
            f"1 of 3 changes of run {run.id} are made: go on with it once that is mended, or take "
            "it back"
        )
        work.okta.meddle = None
        assert work.writes() == RULES[:1]
        with pytest.raises(PlanRefused, match="in name"):
            work.resume()
        with pytest.raises(PlanRefused, match=f"run {run.id}, begun 2026-01-16T12:00:00.000Z by"):
            work.apply(plan)
        assert work.roll_back().changes == IDS[:1]
        work.rule(STAFF, REST_RULE)["name"] = "Everybody else"
        assert work.holds() == before
        assert work.apply(plan).changes == IDS


def test_a_run_that_was_stopped_can_be_gone_on_with(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        work.okta.meddle = Meddler(work)
        with pytest.raises(PlanRefused):
            work.apply(plan)
        work.okta.meddle = None
        work.rule(STAFF, REST_RULE)["name"] = "Everybody else"
        assert work.resume().changes == IDS[1:]
        assert work.last().stands
        with pytest.raises(UsageError, match="no unfinished run"):
            work.resume()


def test_a_write_that_arrived_though_its_answer_was_cut_is_made_once(tmp_path: Path) -> None:
    """Of a POST its unique name tells; a PUT is sent again, which comes to the same."""
    with bench(tmp_path) as work:
        before = work.holds()
        work.okta.when("/api/v1/policies*", Fault(lost=True), method="POST", times=2)
        work.okta.when(RULES[0][1], Fault(lost=True), method="PUT", times=1)
        assert work.apply(work.plan(KEEP)).changes == (*KEPT, *IDS)
        assert [method for method, _ in work.writes()] == ["POST"] * 2 + ["PUT"] * 4
        assert len(work.okta.org.policies) == 4
        assert [entry.after["id"] for entry in work.last().of("done").values() if entry.after] == [
            *(POLICY, RULE),
            *(OFFICE_RULE, REST_RULE, DEFAULT_RULE),
        ]
        work.okta.when("/api/v1/policies/*", Fault(lost=True), method="DELETE", times=1)
        work.roll_back()
        assert work.holds() == before


def test_a_post_that_never_arrived_is_not_sent_twice_but_gone_on_with(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.okta.when("/api/v1/policies", internal_error(503), method="POST", times=1)
        with pytest.raises(AnswerLost, match="may have been done; 0 of 5 changes of run 0001-"):
            work.apply(work.plan(KEEP))
        assert work.writes() == [("POST", "/api/v1/policies")]
        assert work.resume().changes == (*KEPT, *IDS)
        assert len(work.okta.org.policies) == 4


def test_a_put_that_is_never_answered_leaves_a_run_to_go_on_with(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        before = work.holds()
        work.okta.when(RULES[1][1], Fault(lost=True), method="PUT", times=6)
        with pytest.raises(SourceError, match="given up after 6 tries; 1 of 3 changes of run"):
            work.apply(work.plan())
        assert work.rule(STAFF, REST_RULE)["actions"]["signon"]["requireFactor"], "it did arrive"
        asked = len(work.writes())
        assert work.resume().changes == IDS[1:]
        assert work.writes()[asked:] == RULES[2:], "what had arrived is not sent again"
        work.roll_back()
        assert work.holds() == before


def test_without_the_scope_nothing_is_written_and_nothing_is_left_to_go_on_with(
    tmp_path: Path,
) -> None:
    with bench(tmp_path, scopes=READ_SCOPES) as work:
        before = work.holds()
        plan = work.plan(KEEP)
        with pytest.raises(AccessRefused, match=r"okta\.policies\.manage.*nothing was written"):
            work.apply(plan)
        assert work.holds() == before
        assert work.last().finished
        assert not work.last().stands
        assert work.roll_back().changes == ()
        with pytest.raises(AccessRefused, match="nothing was written"):
            work.apply(plan)


def test_without_the_right_to_read_nothing_is_looked_at(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan()
        work.okta.when("/api/v1/policies/*", Fault(403, "E0000006"))
        with pytest.raises(AccessRefused, match=r"okta\.policies\.read"):
            work.apply(plan)
        assert (work.writes(), work.journal.run()) == ([], None)


def test_a_refusal_after_a_write_tells_how_far_it_came(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.okta.when(RULES[1][1], Fault(400, "E0000001"), method="PUT", times=1)
        with pytest.raises(SourceError, match=r"400 E0000001.*1 of 3 changes of run 0001-"):
            work.apply(work.plan())
        assert work.resume().changes == IDS[1:]


@pytest.mark.parametrize("body", [b"[]", b"nonsense}"])
def test_an_answer_that_is_nonsense_leaves_a_run_to_go_on_with(tmp_path: Path, body: bytes) -> None:
    with bench(tmp_path) as work:
        work.okta.when(RULES[0][1], Fault(body=body), method="PUT", times=1)
        with pytest.raises(SourceError, match=r"Okta's answer is no .*0 of 3 changes of run"):
            work.apply(work.plan())
        assert work.resume().changes == IDS


def test_what_okta_has_otherwise_is_told(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan()
        kept = json.dumps({**plan.changes[0].after, "name": "Other"}).encode()
        work.okta.when(RULES[0][1], Fault(body=kept), method="PUT", times=1)
        (told,) = work.apply(plan).unlike
        assert told == f"{NAMES[0]} ({IDS[0]}): Okta took it, and has otherwise: name"


def test_a_rule_that_somebody_changed_since_is_left_and_the_exception_with_it(
    tmp_path: Path,
) -> None:
    with bench(tmp_path) as work:
        before = work.holds()
        plan = work.plan(KEEP)
        work.apply(plan)
        exception = plan.changes[0].after["name"]
        work.rule(STAFF, REST_RULE)["actions"]["signon"]["access"] = "DENY"
        with pytest.raises(PlanRefused) as refused:
            work.roll_back()
        assert str(refused.value) == (
            f"run {work.last().id}: 2 changes were taken back, and these were not: "
            f"{NAMES[1]} ({IDS[1]}): was changed since by somebody else, in "
            "actions.signon.access, and is left so; "
            f'rule "{exception}" ({KEPT[1]}): stays as long as what it is for; '
            f'policy "{exception}" ({KEPT[0]}): stays as long as what it is for'
        )
        now = work.holds()
        assert (now[OFFICE_RULE], now[DEFAULT_RULE]) == (before[OFFICE_RULE], before[DEFAULT_RULE])
        assert POLICY in now
        assert work.last().finished
        work.rule(STAFF, REST_RULE)["actions"]["signon"]["access"] = "ALLOW"
        assert work.roll_back().changes == (IDS[1], *reversed(KEPT))
        assert work.holds() == before


def test_what_somebody_removed_since_is_told(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan())
        _remove(work)
        with pytest.raises(PlanRefused, match=rf"{REST_RULE}\): is not there any more"):
            work.roll_back()


def test_a_policy_in_which_somebody_made_a_rule_is_left(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        work.apply(plan)
        work.client.post(f"/api/v1/policies/{POLICY}/rules", plan.changes[2].after)
        with pytest.raises(
            PlanRefused, match=rf"{KEPT[0]}\): holds a rule that was not made with it"
        ):
            work.roll_back()


def test_what_was_made_and_is_gone_needs_no_taking_back(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan(KEEP))
        work.client.delete(f"/api/v1/policies/{POLICY}")
        assert work.roll_back().changes == (*reversed(IDS), *reversed(KEPT))


def test_other_policies_may_come_and_go_between(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan(KEEP))
        work.okta.org.policies[-1]["priority"] = 7
        assert work.roll_back().changes == (*reversed(IDS), *reversed(KEPT))


def test_what_cannot_be_put_back_as_it_was_is_told_once(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan())
        work.okta.when(RULES[2][1], Fault(undone=True), method="PUT", times=1)
        with pytest.raises(
            PlanRefused, match=r"Okta has otherwise than before: actions\.signon\.factorLifetime"
        ):
            work.roll_back()
        assert work.roll_back().changes == ()


def test_an_earlier_run_can_be_taken_back_by_its_name(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        first = work.apply(work.plan()).run
        work.roll_back()
        second = work.apply(work.plan()).run
        assert work.roll_back(first).changes == ()
        assert work.roll_back(second).changes == tuple(reversed(IDS))
        with pytest.raises(UsageError, match="no such run"):
            work.roll_back("0009-x")


def test_a_rollback_that_stopped_is_not_gone_on_with_forwards(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan()
        work.apply(plan)
        work.okta.when(RULES[1][1], Fault(400, "E0000001"), method="PUT", times=1)
        with pytest.raises(SourceError, match="400"):
            work.roll_back()
        with pytest.raises(UsageError, match="take back the rest of it"):
            work.resume()
        with pytest.raises(PlanRefused, match="take it back"):
            work.apply(plan)
        assert work.roll_back().changes == (IDS[1], IDS[0])


def test_what_somebody_put_back_already_is_as_it_was(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan()
        work.apply(plan)
        work.client.put(plan.changes[0].path, settable(plan.changes[0].before or {}))
        asked = len(work.writes())
        assert work.roll_back().changes == tuple(reversed(IDS))
        assert work.writes()[asked:] == [RULES[2], RULES[1]]


def test_a_list_that_cannot_be_read_stops_before_anything_is_written(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        url = f"{work.okta.url}/api/v1/policies?type=OKTA_SIGN_ON"
        work.okta.when("/api/v1/policies", next_link(url))
        with pytest.raises(SourceError, match="lead in a circle"):
            work.apply(plan)
        assert (work.writes(), work.journal.run()) == ([], None)


def test_a_list_that_may_not_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan(KEEP)
        work.okta.when("/api/v1/policies", Fault(403, "E0000006"))
        with pytest.raises(AccessRefused, match=r"okta\.policies\.read"):
            work.apply(plan)
        assert work.writes() == []


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        plan = work.plan()
        with held(work.journal.folder), pytest.raises(StateBusy):
            work.apply(plan)
        assert work.writes() == []


def test_there_is_nothing_to_take_back_or_to_go_on_with(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        with pytest.raises(UsageError, match="no such run"):
            work.roll_back()
        with pytest.raises(UsageError, match="no unfinished run"):
            work.resume()


def test_policies_on_many_pages_are_all_looked_through(tmp_path: Path) -> None:
    with bench(tmp_path, page_size=1) as work:
        work.okta.when("/api/v1/policies", Fault(lost=True), method="POST", times=1)
        assert work.apply(work.plan(KEEP)).changes == (*KEPT, *IDS)
