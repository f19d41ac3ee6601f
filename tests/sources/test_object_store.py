"""What is new in a bucket: once each, whatever the order of keys; nothing is missed in silence."""

import gzip
import json
import re
from collections.abc import Generator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.properties.orgs import BEGIN, END_S, STORIES, SignIn, log_event
from tests.service.workshops import bench, scanned
from tests.sources.stores import Answer, Bucket, Fault, configured, error

from mfagap import settings
from mfagap.cli.main import main
from mfagap.detect.load import load_all
from mfagap.lake.store import Lake
from mfagap.model import Detection, Stretch
from mfagap.service.collect import Collected, Course, Source, collect
from mfagap.service.durable import Workshop
from mfagap.service.run import sources
from mfagap.sources import object_client, object_store
from mfagap.state.database import Database
from mfagap.state.ledger import Ledger

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI"


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def after(**time: float) -> datetime:
    return NINE + timedelta(**time)


def body(*names: str) -> bytes:
    """Return a log whose events have these uuids, and happened at nine."""
    offset_s = (NINE - BEGIN).total_seconds()
    events = [log_event("event", name, offset_s, eventType="user.session.end") for name in names]
    return "".join(json.dumps(event) + "\n" for event in events).encode()


class Feed:
    """A bucket that is read into a state folder."""

    def __init__(self, workshop: Workshop, bucket: Bucket, folder: Path) -> None:
        self.workshop = workshop
        self.bucket = bucket
        self.folder = folder

    def source(self, more: str = "", old: str = "", new: str = "") -> Source:
        file = configured(self.folder, self.bucket, more, old, new)
        (source,) = sources(settings.load(file), ExitStack())
        return source

    def read(self, now: datetime, more: str = "", old: str = "", new: str = "") -> Collected:
        """Read what is new."""
        return collect(self.workshop, [self.source(more, old, new)], ms(now))

    def new(self, now: datetime, more: str = "") -> int:
        """Read what is new, which is to succeed; return how many events came."""
        collected = self.read(now, more)
        assert collected.failures == {}
        assert collected.duplicates == 0
        return collected.events.get("feed", 0)

    def fails(self, now: datetime, more: str = "", old: str = "", new: str = "") -> str:
        """Read, and return why that failed; it is one line, and holds no secret."""
        collected = self.read(now, more, old, new)
        (told,) = collected.failures.values()
        assert "\n" not in told
        assert SECRET not in told
        return told

    @property
    def uuids(self) -> list[str]:
        with self.workshop.lake.read({"uuid"}, [Stretch(["*"], 0, 2**53)]) as connection:
            rows = connection.execute("SELECT uuid FROM events ORDER BY uuid").fetchall()
        return [str(uuid) for (uuid,) in rows]

    @property
    def row(self) -> Any:
        (row,) = self.workshop.ledger.sources()
        return row


@pytest.fixture(scope="module")
def detections() -> list[Detection]:
    return load_all()


@pytest.fixture
def feed(tmp_path: Path, bucket: Bucket, detections: list[Detection]) -> Generator[Feed]:
    with Database(tmp_path / "state") as database:
        workshop = Workshop(Lake(tmp_path / "state" / "lake"), database, detections)
        yield Feed(workshop, bucket, tmp_path)


def test_each_object_is_read_once_and_the_next_listing_begins_late(feed: Feed) -> None:
    feed.bucket.put("okta/2026/03/01/07/a", body("a"), after(hours=-26))
    feed.bucket.put("okta/2026/03/02/08/b", body("b"), after(hours=-1))
    feed.bucket.put("okta/2026/03/02/09/c", body("c", "d"), after(minutes=-5))
    feed.bucket.put("other/2026/03/02/09/e", body("e"), NINE)
    assert feed.new(NINE) == 4
    assert feed.uuids == ["a", "b", "c", "d"]
    assert feed.bucket.asked("list-type") == [f"/{feed.bucket.name}?list-type=2&prefix=okta%2F"]

    feed.bucket.put("okta/2026/03/02/09/f", body("f"), after(minutes=3))
    assert feed.new(after(minutes=5)) == 1
    (listing,) = feed.bucket.asked("")[:1]
    assert listing.endswith("&start-after=okta%2F2026%2F03%2F02%2F08")
    assert feed.new(after(minutes=10)) == 0
    assert len(feed.bucket.asked("")) == 1


def test_what_is_read_again_is_known(feed: Feed) -> None:
    feed.bucket.put("okta/a", body("a"), NINE)
    assert feed.new(NINE) == 1
    with feed.workshop.database.change():
        feed.workshop.ledger.drop_objects("feed", 2**53)
    again = feed.read(after(minutes=5))
    assert (again.failures, again.events, again.duplicates) == ({}, {"feed": 0}, 1)


def test_an_object_that_is_overwritten_is_read_again(feed: Feed) -> None:
    feed.bucket.put("okta/a", body("a"), NINE)
    feed.bucket.put("okta/b", body("b"), NINE)
    assert feed.new(NINE) == 2
    feed.bucket.put("okta/b", body("c"), NINE)  # within the same second, and of the same size
    assert feed.new(after(minutes=5)) == 1
    assert feed.new(after(minutes=10)) == 0


def test_a_late_key_that_sorts_before_what_was_read(feed: Feed) -> None:
    feed.bucket.put("okta/2026/03/01/09/a", body("a"), after(hours=-24))
    feed.bucket.put("okta/2026/03/02/09/m", body("m"), NINE)
    assert feed.new(NINE) == 2
    # a name within the hour, a delivery that was tried for long, and one that nobody waited for
    feed.bucket.put("okta/2026/03/02/09/b", body("b"), after(minutes=1))
    feed.bucket.put("okta/2026/03/01/10/c", body("c"), after(minutes=2))
    feed.bucket.put("okta/2026/02/01/10/d", body("d"), after(minutes=3))
    assert feed.new(after(minutes=5)) == 2
    assert feed.uuids == ["a", "b", "c", "m"]
    assert feed.new(after(hours=23)) == 0
    feed.bucket.asked("")
    collected = feed.read(after(hours=24))
    assert (collected.failures, collected.events) == ({}, {"feed": 1})
    assert collected.notes == [
        "feed: objects whose keys sort before those of late: 1; they were found only by listing "
        "everything: see list_all_hours"
    ]
    assert feed.bucket.asked("start-after") == []


def test_everything_may_be_listed_each_time(feed: Feed) -> None:
    feed.bucket.put("okta/b", body("b"), NINE)
    assert feed.new(NINE, "list_all_hours = 0\n") == 1
    feed.bucket.put("okta/a", body("a"), after(minutes=1))
    collected = feed.read(after(minutes=5), "list_all_hours = 0\n")
    assert collected.events == {"feed": 1}
    assert feed.bucket.asked("start-after") == []


def test_a_feed_that_was_quiet_and_sorts_first_is_found_with_everything(feed: Feed) -> None:
    feed.bucket.put("okta/eu/1", body("a"), after(days=-30))
    feed.bucket.put("okta/us/1", body("b"), NINE)
    assert feed.new(NINE) == 2
    feed.bucket.put("okta/eu/2", body("c"), after(minutes=1))
    assert feed.new(after(minutes=5)) == 0
    assert feed.read(after(hours=25)).events == {"feed": 1}


def test_what_is_remembered_of_objects_is_bounded(feed: Feed) -> None:
    for day in range(6):
        feed.bucket.put(f"okta/{day}", body(f"e{day}"), after(days=day))
        assert feed.new(after(days=day, minutes=1)) == 1
    assert sorted(feed.workshop.ledger.objects("feed")) == ["okta/4", "okta/5"]
    assert feed.new(after(days=7)) == 0


def test_the_first_reading_goes_back_so_many_days_and_says_so(feed: Feed) -> None:
    feed.bucket.put("okta/a", body("a"), after(days=-91))
    feed.bucket.put("okta/b", body("b"), after(days=-89))
    collected = feed.read(NINE)
    assert (collected.failures, collected.events) == ({}, {"feed": 1})
    assert collected.notes == ["feed: objects older than backfill_days, which were passed over: 1"]
    assert feed.uuids == ["b"]
    assert feed.read(after(days=2)).notes == []


def test_a_listing_of_several_pages(feed: Feed) -> None:
    feed.bucket.put("okta/0000", body("a"), NINE)
    for number in range(1, 1002):
        feed.bucket.put(f"okta/{number:04}", b"", NINE)  # which need not be downloaded
    feed.bucket.put("okta/1002", body("b"), NINE)
    assert feed.new(NINE) == 2
    assert len(feed.bucket.asked("list-type")) == 2


def test_so_many_objects_are_on_the_disk_at_a_time(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(body("a"))
    monkeypatch.setattr(object_store, "MOST_OBJECTS", 2)
    monkeypatch.setattr(object_store, "MOST_BYTES", 3 * size)
    for name in "abcde":
        feed.bucket.put(f"okta/{name}", body(name), NINE)
    feed.bucket.put("okta/f", body("f", "g", "h"), NINE)
    feed.bucket.put("okta/i", body("i"), NINE)
    told: list[int] = []
    course = Course(told=lambda _source, events, _past: told.append(events))
    collected = collect(feed.workshop, [feed.source()], ms(NINE), course)
    assert (collected.failures, told) == ({}, [2, 2, 1, 3, 1])


@pytest.mark.parametrize("pack", [gzip.compress, bytes, None], ids=["gz", "plain", "zst"])
def test_the_first_bytes_tell_what_an_object_is(feed: Feed, pack: Any) -> None:
    if pack is None:
        from backports.zstd import compress as pack
    feed.bucket.put("okta/no-name-tells", pack(body("a", "b")), NINE)
    assert feed.new(NINE) == 2


def test_an_object_that_is_no_log_is_counted_and_kept(feed: Feed) -> None:
    feed.bucket.put("okta/a", body("a"), NINE)
    feed.bucket.put("okta/b", b"\x1f\x8b no gzip at all", NINE)
    collected = feed.read(NINE)
    assert (collected.failures, collected.events) == ({}, {"feed": 1})
    letters = (feed.folder / "state" / "lake" / "dead-letter").glob("*")
    lost = [json.loads(line) for file in letters for line in file.read_text().splitlines()]
    assert collected.rejected == len(lost) > 0
    assert {line["file"] for line in lost} == {f"s3://{feed.bucket.name}/okta/b"}
    assert feed.new(after(minutes=5)) == 0


HOSTILE = [
    "okta/%2e%2e/a",
    "okta/a%2Fb%00",
    "okta/\\..\\a",
    "okta/ a b+c ~*?#",
    "okta/ünï/Ω🙂\u202e",
    "okta/<x>&amp;\"'",
    "okta/" + "k" * 1019,
    "okta/" + "é" * 509,
    "okta/...",
]


def test_names_that_are_awkward_are_read_like_others(feed: Feed) -> None:
    for number, key in enumerate(HOSTILE):
        assert len(key.encode()) <= 1024
        feed.bucket.put(key, body(f"e{number}"), NINE)
    assert feed.new(NINE) == len(HOSTILE)
    assert feed.new(after(minutes=5)) == 0
    assert sorted(path.name for path in feed.folder.iterdir()) == ["mfagap.toml", "state"]


def test_what_comes_on_pages_before_such_a_key_is_not_lost(feed: Feed) -> None:
    feed.bucket.put("okta/0000", body("a"), NINE)
    for number in range(1, 1000):
        feed.bucket.put(f"okta/{number:04}", b"", NINE)
    feed.bucket.put("okta/x//y", body("b"), NINE)
    feed.bucket.put("okta/z", body("c"), NINE)
    assert "cannot be listed, nor what comes after it: delete it" in feed.fails(NINE)
    assert feed.uuids == ["a"]
    assert feed.row["watermark_ms"] is None
    feed.bucket.delete("okta/x//y")
    assert feed.new(after(minutes=5)) == 1


@pytest.mark.parametrize("key", ["okta/m/", "okta/n"])
def test_an_object_that_was_listed_and_is_not_there(feed: Feed, key: str) -> None:
    feed.bucket.put("okta/a", body("a"), NINE)
    feed.bucket.put(key, body("m"), NINE)
    if key == "okta/n":  # deleted meanwhile
        feed.bucket.front.faults.append(Fault("okta/n", error(404, "NoSuchKey"), 1))
    told = feed.fails(NINE)
    assert re.match(rf"s3://{feed.bucket.name}: '{key.rstrip('/')}': was listed, and is not", told)
    assert feed.uuids == ["a"]
    feed.bucket.delete(key)
    assert feed.new(after(minutes=5)) == 0


def test_a_bucket_without_an_object_is_no_empty_answer(feed: Feed) -> None:
    told = feed.fails(NINE)
    assert told == (
        f"s3://{feed.bucket.name}/okta: no object is there: are the names in the settings right, "
        "and does anything write to it?"
    )
    feed.bucket.front.faults.append(Fault("", Answer(200, b"<html>sign in first</html>")))
    assert feed.fails(NINE) == told


def test_a_bucket_that_is_emptied_is_looked_at_as_a_whole(feed: Feed) -> None:
    feed.bucket.put("okta/a", body("a"), NINE)
    assert feed.new(NINE) == 1
    feed.bucket.delete("okta/a")
    assert feed.new(after(minutes=5)) == 0
    assert "no object is there" in feed.fails(after(minutes=10))
    feed.bucket.put("okta/b", body("b"), after(minutes=11))
    assert feed.new(after(minutes=15)) == 1


def test_a_bucket_that_is_not_there(feed: Feed) -> None:
    told = feed.fails(NINE, "", "^bucket = .*", 'bucket = "absent"')
    words = "there is no such bucket or container: see the source's settings (NoSuchBucket)"
    assert told == f"s3://absent/okta: {words}"


def test_a_server_that_is_not_there(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_client, "RETRIES", 0)
    told = feed.fails(NINE, "", "^endpoint = .*", 'endpoint = "http://127.0.0.1:1"')
    assert "cannot be reached: does the network lead there, and are `endpoint`" in told


def test_an_object_that_fails_keeps_no_other_back_and_is_tried_again(feed: Feed) -> None:
    for name in "abc":
        feed.bucket.put(f"okta/{name}", body(name), NINE)
    feed.bucket.front.faults.append(Fault("okta/b", Answer(200, body("b")[:50], whole=body("b"))))
    feed.bucket.front.faults.append(Fault("okta/c", error(403, "InvalidObjectState")))
    told = feed.fails(NINE)
    assert told.startswith("2 failures; the next run tries again; the first: s3://")
    assert "'okta/b': cannot be read: " in told
    assert feed.uuids == ["a"]
    # it is not complete, and says so: nothing is judged as if the rest had been read
    assert feed.row["watermark_ms"] is None
    del feed.bucket.front.faults[0]
    assert "'okta/c': is archived" in feed.fails(after(minutes=5))
    assert feed.uuids == ["a", "b"]
    feed.bucket.front.faults.clear()
    assert feed.new(after(minutes=10)) == 1
    assert feed.row["watermark_ms"] == ms(NINE)


def test_after_some_failures_a_reading_stops(feed: Feed) -> None:
    for name in "abcdefgh":
        feed.bucket.put(f"okta/{name}", body(name), NINE)
    feed.bucket.front.faults.append(Fault("/okta/", error(403, "AccessDenied")))
    told = feed.fails(NINE)
    assert told.startswith("5 failures; the next run tries again; the first: s3://")
    assert "s3:GetObject" in told
    assert len(feed.bucket.asked("/okta/")) == 5
    assert feed.uuids == []


def test_what_fails_for_a_moment_is_tried_again_at_once(feed: Feed) -> None:
    feed.bucket.put("okta/a", body("a"), NINE)
    feed.bucket.front.faults.append(Fault("list-type", error(503, "SlowDown"), 1))
    feed.bucket.front.faults.append(Fault("okta/a", error(500, "InternalError"), 1))
    assert feed.new(NINE) == 1


def test_a_download_that_is_cut_goes_on_where_it_was(feed: Feed) -> None:
    text = body("a", "b")
    feed.bucket.put("okta/a", text, NINE)
    cut = Answer(200, text[:500], whole=text)
    feed.bucket.front.faults.append(Fault("okta/a", cut, 1))
    assert feed.new(NINE) == 2
    assert len(feed.bucket.asked("okta/a")) == 2


def test_a_crash_between_lake_and_cursor(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        feed.bucket.put(f"okta/{name}", body(name), NINE)
    monkeypatch.setattr(object_store, "MOST_OBJECTS", 2)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "heard", dies)
        with pytest.raises(KeyboardInterrupt):
            feed.read(NINE)
    assert feed.uuids == ["a", "b"]
    again = feed.read(after(minutes=5))
    assert (again.failures, again.events, again.duplicates) == ({}, {"feed": 1}, 2)
    assert feed.row["watermark_ms"] == ms(NINE)
    assert feed.new(after(minutes=10)) == 0


def test_the_watermark_waits_for_the_whole_and_for_what_may_be_late(feed: Feed) -> None:
    feed.bucket.put("okta/a", body("a"), NINE)
    assert feed.new(NINE, "lateness_s = 60\n") == 1
    assert feed.row["watermark_ms"] == ms(NINE) - 60_000
    assert feed.row["heard_ms"] == ms(NINE)
    assert feed.new(after(minutes=5), "lateness_s = 60\n") == 0
    assert feed.row["heard_ms"] == ms(NINE)


def test_the_cursor_of_another_kind_is_refused(feed: Feed) -> None:
    with feed.workshop.database.change():
        feed.workshop.ledger.heard("feed", '{"mode": "poll"}', None, 0)
    assert feed.fails(NINE) == (
        "the stored cursor is none of an object store: give the source another name"
    )


def test_a_run_on_a_bucket_finds_what_a_scan_of_its_files_finds(
    tmp_path: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    stories = sorted(STORIES)
    for number, story in enumerate(stories, start=1):
        events = STORIES[story](SignIn(number, f"user{number}", number * 600.0, story))
        if number == len(stories):
            events.append(log_event("event", "end", END_S, eventType="user.session.end"))
        text = "".join(json.dumps(event) + "\n" for event in events)
        file = tmp_path / "logs" / f"{number}.ndjson"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        bucket.put(f"okta/2026/01/15/{number:02}/{number}.gz", gzip.compress(text.encode()), BEGIN)
    now = (BEGIN + timedelta(seconds=END_S)).isoformat().replace("+00:00", "Z")
    words = ["run", "--once", "--config", str(configured(tmp_path, bucket)), "--now", now]
    assert main(words) == 0
    findings, alerts = scanned(tmp_path)
    assert len(findings) > 3
    with bench(tmp_path) as work:
        assert (work.findings, work.alerts) == (findings, alerts)
    capsys.readouterr()
    assert main(words) == 0
    tick = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (tick["event"], tick["events"], tick["slots"]) == ("tick_done", 0, 0)
