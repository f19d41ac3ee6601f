"""When a rule, policy, zone or a user's groups were last changed, as the log tells."""

from pathlib import Path
from typing import Any

from tests.events import PUBLISHED_MS, event
from tests.harden.logs import DETECTION, asked

from mfagap.cases.templates import Event
from mfagap.detect.evaluate import rfc3339
from mfagap.harden import sign_ins


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
