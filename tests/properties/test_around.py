"""What the runbook counts around a start is what counting one by one comes to.

The query sums what changes from moment to moment, so that thousands of starts that share an
address are not each compared with all others. Here each start is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.orgs import REPEATABLE

from mfagap.detect.load import find
from mfagap.engines.duckdb import DuckDBEngine
from mfagap.investigate.run import SESSIONS
from mfagap.lake.projection import SQL_TYPES, named_in
from mfagap.model import ContentList, Scalar

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
FIRST_MS = 20_000 * DAY_MS
COUNTED = ("own_failures_before", "users_failed_before", "users_of_address", "users_of_client")


@dataclass(frozen=True, slots=True)
class Try:
    """A sign-in: when, whose, whence, with what, and whether it passed, by the legacy door."""

    at_ms: int
    user: str | None
    address: str | None
    client: str | None
    passed: bool
    is_legacy: bool


def at(hour: int, odd: int) -> int:
    """Return a moment; most are whole hours, so that many are the same."""
    return FIRST_MS + hour * HOUR_MS + odd


TRIES = st.builds(
    Try,
    at_ms=st.builds(at, st.integers(0, 80), st.sampled_from((-1, 0, 0, 0, 1))),
    user=st.sampled_from(("ada", "ben", "cyd", "dot", None)),
    address=st.sampled_from(("192.0.2.1", "192.0.2.1", "192.0.2.2", None)),
    client=st.sampled_from(("curl/8", "curl/8", "Mozilla", None)),
    passed=st.booleans(),
    is_legacy=st.booleans(),
)
Amounts = set[tuple[int, str, Scalar]]
"""The place of a start in the log, what is counted, and how many there are."""


@settings(REPEATABLE, max_examples=25)
@given(tries=st.lists(TRIES, min_size=1, max_size=40), until=st.sampled_from((0, HOUR_MS, DAY_MS)))
def test_the_query_counts_what_one_by_one_comes_to(tries: Sequence[Try], until: int) -> None:
    starts = [n for n, t in enumerate(tries) if t.passed and t.is_legacy and t.user]
    expected = {amount for n in starts for amount in one_by_one(tries, n, until)}
    assert by_query(tries, starts, until) == expected


def one_by_one(tries: Sequence[Try], number: int, until: int) -> Amounts:
    """Return what is around the start of ``number``, whose window ends ``until`` later."""
    start = tries[number]
    before = [
        t
        for t in tries
        if t.user
        and t.address == start.address is not None
        and start.at_ms - DAY_MS <= t.at_ms < start.at_ms
    ]
    passed = {t.user for t in before if t.passed}
    failed = [t.user for t in before if t.user not in passed]
    came = [
        t
        for t in tries
        if t.passed
        and t.is_legacy
        and t.user not in (None, start.user)
        and t.at_ms // DAY_MS >= start.at_ms // DAY_MS - 1
        and t.at_ms <= start.at_ms + until
    ]
    counts = (
        failed.count(start.user),
        len({*failed} - {start.user}),
        len({t.user for t in came if t.address == start.address is not None}),
        len({t.user for t in came if t.client == start.client is not None}),
    )
    return {(number, name, n) for name, n in zip(COUNTED, counts, strict=True) if n}


def by_query(tries: Sequence[Try], starts: Sequence[int], until: int) -> Amounts:
    """Return the same, as the step of the runbook answers."""
    runbook = find("okta_legacy_authn_without_mfa").runbook
    assert runbook is not None
    (query,) = (step.query for step in runbook.steps if step.id == "around")
    assert query is not None
    columns = {name: SQL_TYPES[name] for name in sorted(named_in(query))}
    events = ContentList(columns, tuple(row(columns, n, t) for n, t in enumerate(tries)))
    sessions = tuple(
        (str(n), tries[n].at_ms, FIRST_MS - DAY_MS, tries[n].at_ms + until, None) for n in starts
    )
    lists = {"events": events, "sessions": ContentList(SESSIONS, sessions)}
    parameters = {"from": FIRST_MS - DAY_MS, "to": FIRST_MS + 9 * DAY_MS, "spray_ms": DAY_MS}
    with duckdb.connect() as connection:
        answers = DuckDBEngine(connection).run(query, parameters, lists)
    return {
        (int(str(a["start_uuid"])), str(a["answer"]), a["amount"])
        for a in answers
        if a["answer"] in COUNTED
    }


def row(columns: Iterable[str], number: int, tried: Try) -> tuple[Scalar, ...]:
    """Return ``tried`` as a row of ``events``."""
    known: dict[str, Scalar] = {
        "uuid": str(number),
        "event_type": "user.session.start",
        "event_ms": tried.at_ms,
        "event_day": tried.at_ms // DAY_MS,
        "outcome_result": "SUCCESS" if tried.passed else "FAILURE",
        "actor_login": tried.user,
        "client_ip": tried.address,
        "user_agent": tried.client,
        "session_id": f"102{number}" if tried.is_legacy else f"idx{number}",
    }
    return tuple(known.get(name) for name in columns)
