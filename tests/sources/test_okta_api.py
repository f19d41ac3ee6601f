"""Okta's log as a source: nothing is lost, whatever the page size, the crash or the fault."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fake_okta import faults
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import TOKEN, FakeOkta
from tests.okta.orgs import NOW_MS, Clock, client

from mfagap.errors import SourceError
from mfagap.okta.client import OktaClient
from mfagap.sources.okta_api import DAY_MS, OktaApi, Page

HOUR_MS = 3_600_000
LATENESS_MS = 300_000


def at(ms: int, name: str) -> dict[str, Any]:
    """Return the least that an event is."""
    time = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {"uuid": name, "published": time.replace("+00:00", "Z"), "eventType": "x"}


def every(hours: float, count: int, until_ms: int = NOW_MS) -> list[dict[str, Any]]:
    """Return ``count`` events, so many hours apart, the last at ``until_ms``."""
    first = until_ms - int((count - 1) * hours * HOUR_MS)
    return [at(first + int(n * hours * HOUR_MS), f"e{n}") for n in range(count)]


def uuids(*pages: Page) -> list[str]:
    return [e["uuid"] for page in pages for e in json.loads(page.delivery.path.read_bytes())]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def okta(clock: Clock) -> Iterator[FakeOkta]:
    with FakeOkta(clock=clock) as running:
        yield running


@pytest.fixture
def org(okta: FakeOkta, clock: Clock) -> Iterator[OktaClient]:
    with client(okta, clock) as opened:
        yield opened


def test_the_first_run_reads_the_past_by_days_and_then_polls(
    okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    okta.add(every(6, 17))  # four days
    pages = list(OktaApi(org, backfill_days=3, limit=3).fetch(None, NOW_MS, tmp_path, 100))
    assert uuids(*pages) == [f"e{n}" for n in (*range(4, 16), 16)]
    queries = [request.query for request in okta.requests]
    assert [query.get("until", "")[:13] for query in queries] == [
        *["2026-01-14T12"] * 2,
        *["2026-01-15T12"] * 2,
        *["2026-01-16T12"] * 2,
        "",
    ]
    assert queries[0]["since"] == "2026-01-13T11:59:59.999Z"
    assert queries[-1] == {
        "since": "2026-01-16T11:50:00.000Z",
        "sortOrder": "ASCENDING",
        "limit": "3",
    }
    days = [NOW_MS - 2 * DAY_MS, NOW_MS - DAY_MS, NOW_MS - LATENESS_MS]
    known = [page.complete_until_ms for page in pages]
    assert known == [None, days[0], None, days[1], None, days[2], days[2]]
    assert {page.note for page in pages} == {None}
    past = [None if page.past is None else page.past.days for page in pages]
    assert past == [0.5, 1, 1.5, 2, 2.5, 3, None]
    assert {page.past.whole for page in pages if page.past} == {3}
    assert org.limits("/api/v1/logs") == (593, 0)


def test_a_page_is_what_okta_sent_under_a_name_without_secrets(
    okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    okta.add(every(0, 2))
    (page,) = OktaApi(org, backfill_days=0).fetch(None, NOW_MS, tmp_path, 9)
    assert page.delivery.path.parent == tmp_path
    assert page.delivery.path.suffix == ".json"
    assert page.delivery.name == (
        "okta:/api/v1/logs?since=2026-01-16T11%3A50%3A00.000Z&sortOrder=ASCENDING&limit=1000"
    )
    assert TOKEN not in page.delivery.name + page.cursor
    assert uuids(page) == ["e0", "e1"]


def test_polling_goes_on_from_the_link_even_of_an_empty_page(
    okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    api = OktaApi(org, backfill_days=0, limit=2)
    (page,) = api.fetch(None, NOW_MS, tmp_path, 9)
    assert (uuids(page), page.complete_until_ms) == ([], NOW_MS - LATENESS_MS)
    later_ms = NOW_MS + 60_000
    okta.add(every(0, 5, later_ms))
    pages = list(api.fetch(page.cursor, later_ms, tmp_path, 9))
    assert [uuids(page) for page in pages] == [["e0", "e1"], ["e2", "e3"], ["e4"]]
    known = [page.complete_until_ms for page in pages]
    assert known == [None, None, later_ms - LATENESS_MS]
    assert [uuids(page) for page in api.fetch(pages[0].cursor, later_ms, tmp_path, 1)] == [
        ["e2", "e3"]
    ]
    (page,) = api.fetch(pages[-1].cursor, later_ms, tmp_path, 9)
    assert uuids(page) == []
    assert all("after" in request.query for request in okta.requests[1:])


def test_late_and_repeated_events_come_with_polling(
    okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    api = OktaApi(org, backfill_days=1, limit=10)
    okta.add([at(NOW_MS - HOUR_MS, "early")])
    *_, page = api.fetch(None, NOW_MS, tmp_path, 9)
    okta.add([at(NOW_MS - 20 * HOUR_MS, "late")], NOW_MS + 1)
    okta.faults.append(faults.repeated())
    (page,) = api.fetch(page.cursor, NOW_MS + 1, tmp_path, 9)
    assert uuids(page) == ["late", "late"]


def test_a_refused_link_is_replaced_by_time_with_an_overlap(
    okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    api = OktaApi(org, backfill_days=0, overlap_s=600, limit=2)
    okta.add([at(NOW_MS - minutes * 60_000, f"m{minutes}") for minutes in (5, 4, 3, 2, 1)])
    page, *_ = api.fetch(None, NOW_MS, tmp_path, 9)
    assert uuids(page) == ["m5", "m4"]
    okta.log.expire_cursors()
    first, *rest = api.fetch(page.cursor, NOW_MS, tmp_path, 9)
    assert first.note is not None
    assert first.note.startswith(
        "cursor refused: reading again from 2026-01-16T11:50:00.000Z with an overlap of 10 minutes"
        " (Okta refuses /api/v1/logs: 400 E0000001"
    )
    assert [page.note for page in rest] == [None, None]
    assert uuids(first, *rest) == ["m5", "m4", "m3", "m2", "m1"]


def test_the_overlap_counts_from_the_newest_event_seen(
    okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    api = OktaApi(org, backfill_days=0, limit=10)
    okta.add([at(NOW_MS + HOUR_MS, "seen"), {**at(NOW_MS, ""), "published": "2999-01-01"}])
    (page,) = api.fetch(None, NOW_MS + HOUR_MS, tmp_path, 9)
    okta.log.expire_cursors()
    (page,) = api.fetch(page.cursor, NOW_MS + 9 * HOUR_MS, tmp_path, 9)
    assert "from 2026-01-16T12:50:00.000Z" in str(page.note)


def test_a_refused_link_of_the_past_begins_its_day_again(
    okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    api = OktaApi(org, backfill_days=2, limit=3)
    okta.add(every(6, 9))
    pages = list(api.fetch(None, NOW_MS, tmp_path, 3))
    okta.log.expire_cursors()
    first, *rest = api.fetch(pages[2].cursor, NOW_MS, tmp_path, 9)
    assert first.note is not None
    assert "reading again from 2026-01-15T12:00:00.000Z, the beginning of a day" in first.note
    assert uuids(*pages) == ["e0", "e1", "e2", "e3", "e4", "e5", "e6"]
    assert uuids(first, *rest) == ["e4", "e5", "e6", "e7", "e8"]


def test_refused_by_time_too_is_an_error(okta: FakeOkta, org: OktaClient, tmp_path: Path) -> None:
    api = OktaApi(org, backfill_days=0)
    (page,) = api.fetch(None, NOW_MS, tmp_path, 9)
    okta.faults.extend([faults.invalid_cursor(), Fault(400, "E0000001")])
    with pytest.raises(SourceError, match="Okta refuses /api/v1/logs: 400"):
        list(api.fetch(page.cursor, NOW_MS, tmp_path, 9))


@pytest.mark.parametrize(
    "cursor",
    ["", "{}", "[]", "1", '{"mode": "poll"}', '{"mode": "poll", "url": 1, "seen_ms": 1}',
     '{"mode": "x", "url": "/", "seen_ms": 1}', '{"mode": "poll", "url": "/", "seen_ms": "1"}'],
)  # fmt: skip
def test_a_cursor_that_is_not_ours(cursor: str, org: OktaClient, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the stored cursor is none of Okta's log"):
        list(OktaApi(org).fetch(cursor, NOW_MS, tmp_path, 1))


def test_a_cursor_of_another_org_does_not_get_the_token(
    okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    api = OktaApi(org, backfill_days=0)
    okta.faults.append(faults.next_link("https://evil.example/api/v1/logs?after=1"))
    (page,) = api.fetch(None, NOW_MS, tmp_path, 1)
    with pytest.raises(SourceError, match=r"leads to evil\.example"):
        list(api.fetch(page.cursor, NOW_MS, tmp_path, 1))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.next_link(""), "no link to what comes next"),
        (Fault(body=b"{}"), "no list of events"),
        (Fault(body=b"[}"), "no JSON"),
    ],
)
def test_an_answer_of_no_use(
    fault: Fault, said: str, okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    okta.add(every(0, 1))
    okta.faults.append(fault)
    with pytest.raises(SourceError, match=said):
        list(OktaApi(org, backfill_days=0).fetch(None, NOW_MS, tmp_path, 1))


def test_an_empty_page_without_a_link_is_asked_again(
    okta: FakeOkta, org: OktaClient, tmp_path: Path
) -> None:
    api = OktaApi(org, backfill_days=0)
    okta.faults.append(faults.next_link(""))
    (page,) = api.fetch(None, NOW_MS, tmp_path, 9)
    okta.add([*every(0, 1), {"uuid": "no time", "published": "2026-01-16T12:00:00Z"}])
    okta.faults.append(Fault(body=b'[1, {"uuid": "a"}, {"published": "soon"}]'))
    list(api.fetch(page.cursor, NOW_MS, tmp_path, 9))
    assert okta.requests[0].query == okta.requests[1].query


FAULTS = [
    faults.fine(),
    faults.internal_error(),
    faults.cut(),
    faults.rate_limited(30),
    faults.concurrency_limited(),
    faults.invalid_cursor(),
    faults.repeated(),
]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_is_lost(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Reader and org take turns; the reader dies between any two pages, before or after storing."""
    clock, folder = Clock(), tmp_path_factory.mktemp("pages")
    limit = data.draw(st.integers(1, 7))
    with FakeOkta(clock=clock) as okta, client(okta, clock) as org:
        api = OktaApi(org, backfill_days=2, limit=limit)
        added, got, cursor = 0, set[str](), None
        for turn in range(data.draw(st.integers(1, 6))):
            now_ms = int(clock() * 1000)
            ages = data.draw(st.lists(st.integers(0, 2 * DAY_MS - HOUR_MS), max_size=12))
            okta.add([at(now_ms - age, f"e{added + n}") for n, age in enumerate(ages)],
                     now_ms - 1 if turn else None)  # fmt: skip
            added += len(ages)
            scripted = data.draw(st.lists(st.sampled_from(FAULTS), max_size=3))
            okta.faults.extend(scripted)
            if data.draw(st.booleans()):
                okta.log.expire_cursors()
            for page in api.fetch(cursor, now_ms, folder, data.draw(st.integers(1, 9))):
                if data.draw(st.integers(0, 4)) == 0:
                    break  # died before the page was stored
                got.update(uuids(page))
                cursor = page.cursor
            clock.sleep(60)
        okta.faults.clear()
        got.update(uuids(*api.fetch(cursor, int(clock() * 1000), folder, 1000)))
    assert got == {f"e{n}" for n in range(added)}
