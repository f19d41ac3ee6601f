"""Which alerts an exception hides, and what is told of them all the same."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.report.results import FINDING, NOON_MS, POLICY, with_context

from mfagap.alerts import Cover, Deed, Suppression, cover, withheld
from mfagap.model import Finding, VerdictWord

RISK = VerdictWord.SECURITY_RISK
UNTIL_MS = NOON_MS + 1000


def held(number: int = 1, until_ms: int = UNTIL_MS, **scope: Any) -> Suppression:
    return Suppression(number, until_ms, **scope)


@pytest.mark.parametrize(
    "scope",
    [
        {"user": "ada@example.com"},
        {"user": "ADA@Example.com"},
        {"user": "00u1ada0000000000001"},
        {"address": "192.0.2.10"},
        {"address": "192.0.2.0/24"},
        {"rule": "0pr1"},
        {"user": "ada@example.com", "client": "mozilla/5.0 *chrome/131.*safari/537.36"},
        {"detection": FINDING.detection, "user": "ada@example.com", "address": "192.0.2.10"},
    ],
)
def test_what_meets_every_condition_is_covered(scope: dict[str, Any]) -> None:
    assert held(**scope).covers(FINDING)


@pytest.mark.parametrize(
    "scope",
    [
        {"user": "bob@example.com"},
        {"user": "ada"},
        {"user": "00U1ADA0000000000001"},
        {"address": "192.0.2.11"},
        {"address": "198.51.100.0/24"},
        {"address": "2001:db8::/32"},
        {"rule": "Default Rule"},
        {"detection": "another", "user": "ada@example.com"},
        {"user": "ada@example.com", "address": "192.0.2.11"},
        {"user": "ada@example.com", "rule": "0pr2"},
        {"user": "ada@example.com", "client": "curl*"},
    ],
)
def test_what_misses_one_condition_is_not(scope: dict[str, Any]) -> None:
    assert not held(**scope).covers(FINDING)


def test_what_the_log_does_not_say_meets_no_condition() -> None:
    bare = replace(
        with_context(user_email="", actor_id=None, source_ip=None, user_agent=None),
        policy=replace(POLICY, rule_id=None),
    )
    conditions: Sequence[dict[str, Any]] = (
        {"user": "ada"},
        {"address": "0.0.0.0/0"},
        {"rule": "None"},
        {"client": "*"},
    )
    for condition in conditions:
        assert not held(**condition).covers(bare)
    assert not held(address="192.0.2.0/24").covers(with_context(source_ip="no address"))


@pytest.mark.parametrize(
    ("client", "like"),
    [
        ("sync/2.1", True),
        ("sync/2", False),
        ("sync/*", True),
        ("*2.1", True),
        ("*", True),
        ("s*n*2*1", True),
        ("SYNC/2.1", True),
        ("sync/2.1*2.1", False),
        ("*/*/*", False),
        ("ync*", False),
        ("*2.", False),
        ("sync?2.1", False),
    ],
)
def test_a_client_is_as_its_pattern(client: str, *, like: bool) -> None:
    assert held(client=client).covers(with_context(user_agent="Sync/2.1")) is like


def test_what_begins_at_its_end_or_later_is_not_covered() -> None:
    assert held(until_ms=NOON_MS + 1, rule="0pr1").covers(FINDING)
    assert not held(until_ms=NOON_MS, rule="0pr1").covers(FINDING)


OTHER = replace(with_context(user_email="bob@example.com"), uuid="other")
ADAS, BOBS = held(1, user="ada@example.com"), held(2, UNTIL_MS + 5, user="bob@example.com")


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([FINDING], Cover((1,), UNTIL_MS)),
        ([OTHER], Cover((2,), UNTIL_MS + 5)),
        ([FINDING, OTHER], Cover((1, 2), UNTIL_MS)),
        ([FINDING, replace(OTHER, start_ms=UNTIL_MS + 5)], None),
        ([], None),
    ],
)
def test_all_sessions_of_an_alert_must_be_covered(
    findings: list[Finding], expected: Cover | None
) -> None:
    assert cover([ADAS, BOBS], findings, RISK) == expected
    assert cover([ADAS, BOBS], findings, None) == expected
    assert cover([], findings, RISK) is None


def test_the_suppression_that_lasts_longest_counts() -> None:
    longer, same = replace(ADAS, id=8, until_ms=UNTIL_MS + 1), replace(ADAS, id=9)
    assert cover([ADAS, longer], [FINDING], RISK) == Cover((8,), UNTIL_MS + 1)
    assert cover([same, ADAS], [FINDING], RISK) == Cover((1,), UNTIL_MS)


@pytest.mark.parametrize("verdict", VerdictWord)
def test_known_abuse_is_never_hidden(verdict: VerdictWord) -> None:
    hidden = cover([ADAS], [FINDING], verdict) is not None
    assert hidden is (verdict is not VerdictWord.TRUE_POSITIVE)


@pytest.mark.parametrize("deed", Deed)
def test_what_is_kept_from_people_until_the_end_and_after(deed: Deed) -> None:
    covered = Cover((1,), UNTIL_MS)
    assert withheld(covered, deed, UNTIL_MS - 1)
    assert withheld(covered, deed, UNTIL_MS) is (deed not in {Deed.WORSENED, Deed.RETRACTED})
