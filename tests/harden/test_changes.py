"""When a rule, policy, zone or a user's groups were last changed, as the log tells."""

from pathlib import Path
from typing import Any

import pytest
from tests.events import PUBLISHED_MS, event
from tests.harden.deciding import NOON_MS, default, org, policy, rule, sign_in, zone
from tests.harden.deciding import asked as policies_of
from tests.harden.logs import DETECTION, asked

from mfagap.cases.templates import Event
from mfagap.detect.evaluate import rfc3339
from mfagap.harden import replay, sign_ins
from mfagap.harden.evaluator import Org
from mfagap.model.hardening import Effect, RuleAgreement
from mfagap.model.org import Json

UPDATED = {"lastUpdated": "2026-01-15T12:00:01Z"}
"""A second after ``NOON_MS``."""
CHALLENGES = rule("0prdefault", "CHALLENGE", system=True)


def test_changes(tmp_path: Path) -> None:
    root = {"actor__id": "00u9root"}

    def change(name: str, kind: str, ms: int, target: list[dict[str, str]], **more: Any) -> Event:
        own = {"eventType": kind, "published": rfc3339(PUBLISHED_MS + ms), "target": target}
        return event("act", name, **(own | root | more))

    rule_targets = [{"id": "00p1", "type": "PolicyEntity"}, {"id": "0pr1", "type": "PolicyRule"}]
    policy_targets = [{"id": "00g2", "type": "UserGroup"}, {"id": "00p2", "type": "PolicyEntity"}]
    user = [{"id": "00uada", "type": "User"}, {"id": "00g1", "type": "UserGroup"}]
    events = [
        change("a", "policy.rule.update", 1, rule_targets),
        change("b", "policy.rule.deactivate", 2, rule_targets),
        change("c", "policy.rule.update", 3, rule_targets, outcome__result="FAILURE"),
        change("d", "policy.lifecycle.update", 4, policy_targets),
        change("e", "zone.update", 5, [{"id": "nzo1", "type": "NetworkZone"}]),
        change("f", "group.user_membership.add", 6, user),
        change("g", "policy.rule.update", -1, [{"id": "0pr9", "type": "PolicyRule"}]),
        change("h", "zone.update", 7, []),
        change("k", "zone.update", 0, [{"id": "nzo0", "type": "NetworkZone"}]),
        change("l", "user.authentication.sso", 8, user),
        # After the end of the span, and before NOW.
        change("i", "zone.create", 60, [{"id": "nzo2", "type": "NetworkZone"}]),
        change("j", "zone.create", 61, [{"id": "nzo3", "type": "NetworkZone"}]),
    ]
    with asked(tmp_path, events) as engine:
        span = (PUBLISHED_MS, PUBLISHED_MS + 50, PUBLISHED_MS + 60)
        assert sign_ins.changes(engine, span, DETECTION) == {
            "0pr1": PUBLISHED_MS + 2,
            "00p2": PUBLISHED_MS + 4,
            "nzo0": PUBLISHED_MS,
            "nzo1": PUBLISHED_MS + 5,
            "00uada": PUBLISHED_MS + 6,
            "nzo2": PUBLISHED_MS + 60,
        }


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (default({**CHALLENGES, **UPDATED}), "0prdefault"),
        ({**default(CHALLENGES), **UPDATED}, "00pdefault"),
    ],
)
def test_what_a_rule_or_policy_says_of_its_last_change_counts(held: Json, named: str) -> None:
    """Then the log need not tell of it."""
    snapshot = org([held])
    policies, known = policies_of(snapshot), Org.of(snapshot)
    before, after = sign_in(), sign_in("after", event_ms=NOON_MS + 1000)
    found = replay.agreement(policies, [before, after], known)
    assert found.rules == (RuleAgreement("0prdefault", "0prdefault", 0, 1, 1),)
    assert (found.changed, found.sign_ins, found.counted) == (1, 2, 1)
    unseen = (f"{named}: changed at 2026-01-15T12:00:01.000Z",)
    assert [item.decision.unseen for item in found.disagreements] == [(), unseen]
    # The later of what the log tells and what it says itself.
    later = replay.agreement(policies, [after], known, {named: NOON_MS + 1001})
    assert (later.changed, later.counted) == (1, 0)


def test_what_a_plan_does_to_who_came_in_before_a_change_is_told_by_the_rule_of_today() -> None:
    elsewhere = {**rule("0pr1", **zone("nzoelsewhere")), **UPDATED}
    before, after = (org([policy("00p1", rules), default()]) for rules in ([elsewhere], []))

    def effect(ms: int) -> Effect:
        asks = [sign_in(rule_id="0pr1", event_ms=ms)]
        (found,) = replay.impact(policies_of(before), policies_of(after), asks, Org.of(before))
        return found.effect

    assert effect(NOON_MS) is Effect.UNAFFECTED
    assert effect(NOON_MS + 1000) is Effect.UNKNOWN
