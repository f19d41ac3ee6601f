"""What is evaluated again, and when; times are minutes unless the name says otherwise."""

from collections.abc import Generator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.orgs import REPEATABLE

from mfagap.state.database import Database
from mfagap.state.ledger import SLOT_MS, Ledger, Reach, floor

MINUTE_MS = 60_000
REACH = Reach(60 * MINUTE_MS, 30 * MINUTE_MS, 5 * MINUTE_MS)
ID = "okta"
DAY = 24 * 60

Ranges = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Book:
    """A ledger in minutes; each change is a transaction."""

    database: Database

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.database)

    def done(self, begin: int, end: int, watermark: float) -> None:
        span = (begin * MINUTE_MS, end * MINUTE_MS)
        counts = dict.fromkeys(range(*span, SLOT_MS), (7, 2))
        with self.database.change():
            self.ledger.done(ID, span, (round(watermark * MINUTE_MS), DAY * MINUTE_MS), counts)

    def due(self, begin: float, end: float, watermark: float) -> Ranges:
        span = (round(begin * MINUTE_MS), round(end * MINUTE_MS))
        ranges = self.ledger.due(ID, REACH, span, round(watermark * MINUTE_MS))
        return [(from_ms / MINUTE_MS, to_ms / MINUTE_MS) for from_ms, to_ms in ranges]

    def spoil(self, *touched: int, detection: str = ID) -> list[int]:
        """Spoil; return the beginnings of the slots that are dirty."""
        with self.database.change():
            self.ledger.spoil(detection, REACH, [minute * MINUTE_MS for minute in touched])
        rows = self.database.rows("SELECT from_ms FROM slots WHERE dirty = 1 ORDER BY from_ms")
        return [row["from_ms"] // MINUTE_MS for row in rows]

    def heard(
        self, source: str, watermark: int | None, now: int, cursor: str | None = None
    ) -> None:
        mark = None if watermark is None else watermark * MINUTE_MS
        with self.database.change():
            self.ledger.heard(source, cursor, mark, now * MINUTE_MS)

    def source(self, name: str) -> tuple[str | None, float | None, float]:
        (row,) = [row for row in self.ledger.sources() if row["name"] == name]
        mark = None if row["watermark_ms"] is None else row["watermark_ms"] / MINUTE_MS
        return row["cursor"], mark, row["heard_ms"] / MINUTE_MS


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


def test_a_slot_begins_at_each_quarter_of_an_hour() -> None:
    assert SLOT_MS == 15 * MINUTE_MS
    assert [floor(ms) for ms in (0, SLOT_MS - 1, SLOT_MS, SLOT_MS + 1)] == [0, 0, SLOT_MS, SLOT_MS]


def test_what_was_never_evaluated_is_due(book: Book) -> None:
    assert book.due(7, 31, 31) == [(0, 45)]
    assert book.due(7, 30, 31) == [(0, 45)], "the last moment is covered, too"
    assert book.due(7, 29.99, 31) == [(0, 30)]


def test_what_is_settled_is_not_due_again(book: Book) -> None:
    book.done(0, 60, 65)
    assert book.due(0, 59, 500) == []
    assert book.due(0, 60, 500) == [(60, 75)]


def test_a_gap_is_due(book: Book) -> None:
    book.done(0, 30, DAY)
    book.done(60, 75, DAY)
    assert book.due(0, 89, DAY) == [(30, 60), (75, 90)]


def test_what_the_watermark_could_not_settle_is_due_once_it_has_moved(book: Book) -> None:
    book.done(0, 30, 34.99)  # the first slot is settled from minute 20 on, the second from 35
    assert book.due(0, 29, 34.99) == []
    assert book.due(0, 29, 35) == [(15, 30)]
    assert book.due(0, 29, 35.5) == [(15, 30)]
    book.done(15, 30, 35)
    assert book.due(0, 29, DAY) == []


def test_each_detection_has_slots_of_its_own(book: Book) -> None:
    book.done(0, 30, DAY)
    assert book.ledger.due("other", REACH, (0, SLOT_MS), DAY * MINUTE_MS) == [(0, 2 * SLOT_MS)]
    assert book.spoil(0, detection="other") == []


def test_a_touched_slot_spoils_all_that_look_at_it(book: Book) -> None:
    book.done(0, 240, DAY)
    # [120, 135) is looked at by slots that begin before 135 + 60, and end after 120 - 30
    assert book.spoil(120) == list(range(90, 195, 15))
    assert book.due(0, 239, DAY) == [(90, 195)]


def test_what_was_evaluated_again_is_clean(book: Book) -> None:
    book.done(0, 240, DAY)
    book.spoil(120)
    book.done(90, 180, DAY)
    assert book.due(0, 239, DAY) == [(180, 195)]


def test_what_is_dirty_is_due_at_the_same_watermark(book: Book) -> None:
    book.done(0, 15, 7)
    assert book.due(0, 14, 7) == []
    book.spoil(0)
    assert book.due(0, 14, 7) == [(0, 15)]


def test_what_is_to_be_evaluated_again_is_forgotten(book: Book) -> None:
    book.done(0, 90, DAY)
    with book.database.change():
        book.ledger.forget(ID, (30 * MINUTE_MS, 45 * MINUTE_MS + 1))
        book.ledger.forget("other", (0, DAY * MINUTE_MS))
    assert book.due(0, 89, DAY) == [(30, 60)]


def test_a_slot_keeps_what_it_was_evaluated_on(book: Book) -> None:
    book.done(0, 30, 40)
    with book.database.change():
        book.ledger.done(ID, (30 * MINUTE_MS, 45 * MINUTE_MS), (50 * MINUTE_MS, 1), {})
    slots = book.ledger.slots([ID, "other"], (14 * MINUTE_MS, 31 * MINUTE_MS))
    assert [dict(slot) for slot in slots] == [
        {
            "detection": ID,
            "from_ms": begin * MINUTE_MS,
            "to_ms": (begin + 15) * MINUTE_MS,
            "watermark_ms": watermark * MINUTE_MS,
            "evaluated_ms": now_ms,
            "events": events,
            "starts": starts,
            "dirty": 0,
        }
        for begin, watermark, now_ms, events, starts in (
            (0, 40, DAY * MINUTE_MS, 7, 2),
            (15, 40, DAY * MINUTE_MS, 7, 2),
            (30, 50, 1, 0, 0),
        )
    ]
    assert [slot["from_ms"] for slot in book.ledger.slots([ID], (15 * MINUTE_MS, 900_001))] == [
        15 * MINUTE_MS
    ], "the end of a range is not in it"


def test_slots_are_counted(book: Book) -> None:
    assert book.ledger.tally(ID, REACH.grace_ms) == (0, 0)
    book.done(0, 60, 200)
    book.done(90, 120, 124)
    assert book.ledger.tally(ID, REACH.grace_ms) == (1, 2), "105 to 120 is not settled"
    assert book.spoil(0) == [0, 15, 30, 45]
    assert book.ledger.tally(ID, REACH.grace_ms) == (5, 2)
    assert book.ledger.tally("other", REACH.grace_ms) == (0, 0)


def test_facts(book: Book) -> None:
    assert book.ledger.fact("watermark") is None
    for value in (3, 2):
        with book.database.change():
            book.ledger.note("watermark", value)
        assert book.ledger.fact("watermark") == value
    with book.database.change():
        book.ledger.note("count a b", 5)
    assert book.ledger.facts("count ") == {"a b": 5}


def test_a_watermark_never_goes_back(book: Book) -> None:
    book.heard("okta", 100, 105, "a")
    assert book.source("okta") == ("a", 100, 105)
    book.heard("okta", 90, 110, "b")
    assert book.source("okta") == ("b", 100, 105), "the cursor moves, the watermark does not"
    book.heard("okta", 101, 120, "c")
    assert book.source("okta") == ("c", 101, 120)
    assert book.ledger.cursor("okta") == "c"


def test_a_source_that_says_nothing_new_is_not_heard(book: Book) -> None:
    book.heard("okta", 100, 105)
    for mark in (100, None):
        book.heard("okta", mark, 110)
        assert book.source("okta") == (None, 100, 105)


def test_a_source_that_was_never_complete(book: Book) -> None:
    assert book.ledger.cursor("okta") is None
    book.heard("okta", None, 50, "a")
    book.heard("okta", None, 60, "b")
    assert book.source("okta") == ("b", None, 50)
    book.heard("okta", 40, 70, "c")
    assert book.source("okta") == ("c", 40, 70)


def test_sources_are_apart_and_in_order(book: Book) -> None:
    book.heard("two", 2, 2)
    book.heard("one", 1, 1)
    assert [row["name"] for row in book.ledger.sources()] == ["one", "two"]


def test_objects_that_were_read_lately(book: Book) -> None:
    with book.database.change():
        book.ledger.took("s3", [("a", "1", 10), ("b", "1", 20), ("c", "1", 30)])
        book.ledger.took("s3", [("a", "2", 40)])
        book.ledger.took("gcs", [("b", "9", 5)])
    assert book.ledger.objects("s3") == {"a": "2", "b": "1", "c": "1"}
    with book.database.change():
        book.ledger.drop_objects("s3", 30)
    assert book.ledger.objects("s3") == {"a": "2", "c": "1"}
    assert book.ledger.objects("gcs") == {"b": "9"}


def test_files_that_were_read(book: Book) -> None:
    with book.database.change():
        book.ledger.was_read("one", {"a": (1, 2), "b": (3, 4)})
        book.ledger.was_read("two", {"a": (9, 9)})
        book.ledger.was_read("one", {"b": (5, 6)})
    assert book.ledger.read("one") == {"a": (1, 2), "b": (5, 6)}
    assert book.ledger.read("two") == {"a": (9, 9)}
    assert book.ledger.read("three") == {}


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Generator[Book]:
    """A ledger of 30 slots that were evaluated."""
    with Database(tmp_path_factory.mktemp("long")) as opened:
        book = Book(opened)
        book.done(0, 30 * 15, DAY)
        yield book


@settings(REPEATABLE, max_examples=100)
@given(
    touched=st.sets(st.integers(0, 30), max_size=5),
    before=st.integers(0, 4 * SLOT_MS) | st.sampled_from([0, SLOT_MS, 4 * SLOT_MS]),
    after=st.integers(0, 4 * SLOT_MS) | st.sampled_from([0, SLOT_MS, 4 * SLOT_MS]),
)
def test_what_is_spoiled_is_what_can_hold_an_event_of_a_touched_slot(
    long: Book, touched: set[int], before: int, after: int
) -> None:
    database = long.database
    with database.change():
        database.run("UPDATE slots SET dirty = 0")
        reach = Reach(before, after, 0)
        long.ledger.spoil(ID, reach, [number * SLOT_MS for number in touched])
        dirty = database.rows("SELECT from_ms FROM slots WHERE dirty = 1")
    expected = {
        slot * SLOT_MS
        for slot in range(30)
        for other in touched
        # the first and the last moment of the touched slot: one of them is nearest
        if slot * SLOT_MS - before <= (other + 1) * SLOT_MS - 1
        and other * SLOT_MS < (slot + 1) * SLOT_MS + after
    }
    assert {row["from_ms"] for row in dirty} == expected
