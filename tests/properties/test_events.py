"""What more or other events do to the answer, and what they cannot do."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.orgs import (
    ALERTING,
    CHAIN_S,
    END_S,
    GRACE_S,
    LINKS,
    REPEATABLE,
    Org,
    SignIn,
    factor,
    orgs,
    plain,
    somebody_else,
    without,
)

from mfagap.cases.templates import Event

ANSWERED = ("step up", "answered", "before")
"""Stories with a second factor in time that can be taken away."""


@settings(REPEATABLE, max_examples=12)
@given(org=orgs(others=0), data=st.data())
def test_events_of_other_actors_change_nothing(org: Org, data: st.DataObject) -> None:
    more = replace(org, others=data.draw(somebody_else(len(org.sign_ins), 8)))
    before, after = plain(org.events), plain(more.events)
    own = [line for line in after.findings if not line["uuid"].startswith("other-")]
    assert [without(line) for line in own] == [without(line) for line in before.findings]


@st.composite
def factors(draw: st.DrawFn, sign_in: SignIn) -> Event:
    """Draw a second factor of the sign-in, in time by one of its links."""
    last = min(GRACE_S, END_S - sign_in.at)
    after = draw(st.integers(-CHAIN_S, int(last)))
    return factor(sign_in, "added", after, draw(st.sampled_from(LINKS)))


@settings(REPEATABLE, max_examples=12)
@given(org=orgs(), data=st.data())
def test_a_second_factor_in_time_adds_no_finding(org: Org, data: st.DataObject) -> None:
    sign_in = data.draw(st.sampled_from(org.sign_ins))
    added = data.draw(factors(sign_in))
    before, after = plain(org.events), plain([*org.events, added])
    assert after.statuses(*ALERTING) <= before.statuses(*ALERTING)
    assert f"start-{sign_in.number}" not in after.statuses("challenged")


@settings(REPEATABLE, max_examples=12)
@given(org=orgs(), chosen=st.sampled_from(ANSWERED))
def test_taking_a_second_factor_away_removes_no_finding(org: Org, chosen: str) -> None:
    first = replace(org.sign_ins[0], at=float(CHAIN_S), story=chosen)
    events = replace(org, sign_ins=(first, *org.sign_ins[1:])).events
    fewer = [event for event in events if event["uuid"] != f"mfa-{first.number}"]
    assert len(fewer) == len(events) - 1
    before, after = plain(events), plain(fewer)
    assert before.statuses(*ALERTING) <= after.statuses(*ALERTING)
    start = f"start-{first.number}"
    assert (start in before.statuses(*ALERTING), start in after.statuses(*ALERTING)) == (
        False,
        True,
    )


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _moved(text: str, by: timedelta) -> str:
    moment = datetime.fromisoformat(text) + by
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@settings(REPEATABLE, max_examples=10)
@given(org=orgs(), seconds=st.integers(-10 * 365 * 86_400, 86_400), ms=st.integers(0, 999))
def test_moving_all_times_moves_the_answer(org: Org, seconds: int, ms: int) -> None:
    by = timedelta(seconds=seconds, milliseconds=ms)
    events = org.events
    before = plain(events)
    after = plain([event | {"published": _moved(event["published"], by)} for event in events])
    moved_lines = TIME.sub(lambda time: _moved(time[0], by), before.lines.decode())
    days = ("habit_days", "nothing")  # of the calendar (UTC): a sign-in may have moved into another
    assert [without(line, days) for line in after.findings] == [
        without(json.loads(line), days) for line in moved_lines.splitlines()
    ]
    times = {"now", "oldest_event", "newest_event"}
    moved = {key: _moved(before.summary[key], by) for key in times}
    assert after.summary == before.summary | moved
