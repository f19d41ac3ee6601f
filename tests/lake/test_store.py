"""The durable lake: what it keeps, what it tells of it, and what it says when it cannot."""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pytest
from examples.log_shapes import elastic_okta, panther
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.events import PUBLISHED_MS, WALL_MS, event, ndjson, start
from tests.lake.reading import Row, read
from tests.lake.storing import END_MS, SLOT_MS, append, delivered, files, rows

from mfagap.cases.templates import Event
from mfagap.engines.sandbox import Sandbox
from mfagap.errors import LakeError
from mfagap.lake import manifest, parquet, store
from mfagap.lake.manifest import Batch
from mfagap.lake.store import GRACE_MS, Lake
from mfagap.model import Delivery, Stretch

DAY_MS = 86_400_000
NEXT_DAY = "2026-01-16T00:00:00Z"


def test_a_batch_tells_what_is_new(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    events = [
        start("a"),
        event("mfa", "b", published="2026-01-15T11:00:00Z"),
        start("late", published="2026-01-15T11:30:00Z"),
        start("far", published="2999-01-01T00:00:00Z"),
        start("a"),
    ]
    batch = append(lake, delivered(tmp_path, events, more=b"oops\n"))
    assert batch == Batch(
        generation=1,
        received_ms=WALL_MS,
        events=4,
        duplicates=1,
        rejects={"not JSON": 1},
        oldest_ms=PUBLISHED_MS - 3_600_000,
        newest_ms=PUBLISHED_MS,
        reaches_ms=PUBLISHED_MS,
        future=1,
        slots=tuple(
            ms // SLOT_MS for ms in (PUBLISHED_MS - 1_800_000, PUBLISHED_MS, 32_472_144_000_000)
        ),
    )
    assert lake.changes(0) == (batch,)
    (reject,) = (lake.folder / "dead-letter" / "1.ndjson").read_text().splitlines()
    assert json.loads(reject)["text"].strip() == "oops"
    held = lake.holdings()
    assert (held.events, held.rejects, held.files) == (4, 1, 2)
    assert held.days == {"2026-01-15": 3, "2026-01-17": 1}  # the future goes under tomorrow


def test_what_says_nothing_new_leaves_the_lake_as_it_was(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    events = [start("a"), event("mfa", "b")]
    append(lake, delivered(tmp_path, events))
    before = (lake.folder / "manifest.json").read_bytes()
    batch = append(lake, delivered(tmp_path, [*events, *events]))
    assert (batch.generation, batch.events, batch.duplicates) == (1, 0, 4)
    assert batch.reaches_ms == PUBLISHED_MS, "how far the log reaches is told by repeats, too"
    assert (lake.folder / "manifest.json").read_bytes() == before
    assert len(files(lake)) == 1


def test_a_copy_that_differs_is_new_and_is_coalesced(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    poor = start("a", actor__alternateId=None)
    append(lake, delivered(tmp_path, [poor, start("other", published=NEXT_DAY)]))
    batch = append(lake, delivered(tmp_path, [start("a", outcome__reason="x")]))
    assert (batch.events, batch.slots) == (1, (PUBLISHED_MS // SLOT_MS,))
    again = append(lake, delivered(tmp_path, [start("a", outcome__reason="y")]))
    assert (again.events, again.mended) == (1, {"deliveries of one uuid disagree": 1})
    row = rows(lake)["a"]
    assert (row["actor_login"], row["outcome_reason"] in ("x", "y")) == ("ada@example.com", True)
    assert append(lake, delivered(tmp_path, [poor])).events == 0


def test_batches_stay_until_they_are_forgotten(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    first, second = (append(lake, delivered(tmp_path, [start(name)])) for name in "ab")
    assert lake.changes(0) == (first, second)
    assert lake.changes(1) == (second,)
    third = append(lake, delivered(tmp_path, [start("c")]), forget_through=2)
    assert lake.changes(0) == (third,)
    assert lake.holdings().forgotten == 2
    append(lake, delivered(tmp_path, [start("d")]), forget_through=1)
    assert lake.holdings().forgotten == 2
    file = lake.folder / "manifest.json"
    text = file.read_text()
    file.write_text(text.replace('"forgotten":2,', ""))  # as an earlier mfagap wrote it
    assert "forgotten" not in file.read_text()
    assert (lake.holdings().forgotten, lake.holdings().events) == (0, 4)


def test_a_window_has_its_times_types_columns_and_moment(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    odd = start("odd", eventType="User.Session.START")
    early = start("early", published="2026-01-15T11:59:59.999Z")
    append(lake, delivered(tmp_path, [start("a"), early, odd, event("mfa", "mfa")]))
    append(lake, delivered(tmp_path, [start("received")]), wall_ms=WALL_MS + 1)
    late = start("told", p_parse_time="2026-01-15T12:00:05Z")
    append(lake, delivered(tmp_path, [late]), wall_ms=WALL_MS + 1)
    kinds = ["user.session.start"]
    window = (kinds, PUBLISHED_MS, PUBLISHED_MS + 1)
    assert list(rows(lake, *window)) == ["a", "odd", "received", "told"]
    assert list(rows(lake, *window, WALL_MS)) == ["a", "odd", "told"]
    assert list(rows(lake, ["user.auth*"])) == ["mfa"]
    assert rows(lake, ["none"]) == rows(lake, to_ms=0) == {}
    with lake.read({"raw"}, [Stretch(kinds, 0, END_MS)]) as connection:
        (row,) = Sandbox(connection).run("SELECT raw FROM events WHERE uuid = 'a'", {}, {})
        assert json.loads(str(row["raw"])) == start("a")
        described = connection.execute("DESCRIBE events").fetchall()
    assert {str(name) for (name, *_) in described} == {
        *("uuid", "event_type", "event_ms", "received_ms", "actor_id", "outcome_result"),
        *("session_id", "request_uri", "raw"),
    }


def test_stretches_have_types_of_their_own(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    days = {name: f"2026-01-1{place}T12:00:00Z" for place, name in enumerate("abc", start=3)}
    starts = [start(f"start-{name}", published=at) for name, at in days.items()]
    factors = [event("mfa", f"mfa-{name}", published=at) for name, at in days.items()]
    append(lake, delivered(tmp_path, [*starts, *factors]))
    second_ms, third_ms = PUBLISHED_MS - DAY_MS, PUBLISHED_MS
    parts = [
        Stretch(["user.session.start"], 0, second_ms),
        Stretch(["user.session.start", "user.authentication.*"], second_ms, third_ms),
        Stretch(["user.authentication.*"], third_ms, END_MS),
    ]
    with lake.read({"uuid"}, parts) as connection:
        found = connection.execute("SELECT uuid FROM events ORDER BY uuid").fetchall()
    assert [uuid for (uuid,) in found] == ["mfa-b", "mfa-c", "start-a", "start-b"]
    with lake.read({"uuid"}, []) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)


def test_a_reader_whose_file_is_gone_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path / "lake", grace_ms=0)
    append(lake, delivered(tmp_path, [start("a")]))
    for name in "bc":
        append(lake, delivered(tmp_path, [start(name, published=NEXT_DAY)]))
    stale = manifest.load(lake.folder)
    assert lake.compact(now_ms=WALL_MS, most=1) == 1
    lake.compact(now_ms=WALL_MS + 1)
    append(lake, delivered(tmp_path, [start("d", published=NEXT_DAY)]), wall_ms=WALL_MS + 1)
    first = iter([stale])

    def load(folder: Path) -> manifest.Manifest:
        return next(first, None) or manifest.load(folder)

    monkeypatch.setattr(store, "load", load)
    next_ms = PUBLISHED_MS + DAY_MS // 2
    parts = [Stretch(["*"], 0, next_ms), Stretch(["*"], next_ms, END_MS)]
    with lake.read({"uuid"}, parts) as connection:
        found = connection.execute("SELECT uuid FROM events ORDER BY uuid").fetchall()
    assert [uuid for (uuid,) in found] == ["a", "b", "c", "d"]
    assert next(first, None) is None


def test_small_files_are_merged_and_stay_for_a_while(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    for number in range(9):
        published = NEXT_DAY if number == 8 else "2026-01-15T12:00:00Z"
        append(lake, delivered(tmp_path, [start(f"e{number}", published=published)]))
    before, small = rows(lake), files(lake)
    assert lake.compact(now_ms=WALL_MS) == 0
    assert lake.compact(now_ms=WALL_MS, most=7) == 7
    assert lake.compact(now_ms=WALL_MS, most=7) == 0
    assert rows(lake) == before
    assert (lake.holdings().files, lake.holdings().events) == (2, 9)
    assert small < files(lake)
    append(lake, delivered(tmp_path, [start("x")]), wall_ms=WALL_MS + GRACE_MS - 1)
    assert small < files(lake)
    append(lake, delivered(tmp_path, [start("y")]), wall_ms=WALL_MS + GRACE_MS)
    assert len(files(lake)) == lake.holdings().files == 4


def test_files_are_cut_at_a_number_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "FILE_ROWS", 4)
    lake = Lake(tmp_path / "lake")
    same = [start(f"same-{n}") for n in range(6)]
    later = [start(f"l{n}", published=f"2026-01-15T12:00:{n + 1:02}Z") for n in range(5)]
    append(lake, delivered(tmp_path, [*later, *same]))
    held = manifest.load(lake.folder).files
    assert [file.rows for file in held] == [8, 3]  # what is of one moment stays together
    assert len(rows(lake)) == 11
    for number in range(3):
        append(lake, delivered(tmp_path, [start(f"n{number}")]))
    assert lake.compact(now_ms=WALL_MS, most=1) == 2
    assert [file.rows for file in manifest.load(lake.folder).files] == [8, 3, 3]
    assert len(rows(lake)) == 14


def test_whole_days_go_after_their_time(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", grace_ms=0)
    events = [start("a"), start("b", published=NEXT_DAY)]
    append(lake, delivered(tmp_path, events, more=b"oops"))
    assert lake.retain(1, WALL_MS) == 0
    assert lake.retain(1, PUBLISHED_MS // DAY_MS * DAY_MS + 2 * DAY_MS) == 1
    assert (list(rows(lake)), lake.holdings().rejects) == (["b"], 1)
    assert lake.retain(0, WALL_MS + DAY_MS) == 1
    assert (files(lake), lake.holdings().days, lake.holdings().rejects) == (set(), {}, 0)
    assert not list(lake.folder.glob("day=*"))


@st.composite
def slicings(draw: st.DrawFn) -> list[list[Event]]:
    """Draw copies of a few events that differ, in any order and cut anywhere."""
    copies = [
        start("a"),
        start("a", outcome__reason="x", actor=None),
        start("a", outcome__reason="y", debugContext__debugData__requestUri="/idp/idx/identify"),
        start("a", published=NEXT_DAY),
        event("mfa", "a"),
        start("b", outcome__result="FAILURE"),
        start("b", target=[{"id": "t", "type": "User"}]),
        start("b", debugContext__debugData={"factor": "A", "new": "B"}),
        event("mfa", "c", published="2019-01-01T00:00:00Z"),
    ]
    order = draw(st.lists(st.sampled_from(copies), min_size=1, max_size=16))
    ends = sorted({*draw(st.lists(st.integers(1, len(order)), max_size=4)), len(order)})
    return [order[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(slices=slicings(), compact=st.booleans())
def test_any_slicing_gives_what_one_reading_gives(
    tmp_path_factory: pytest.TempPathFactory, slices: Sequence[Sequence[Event]], compact: bool
) -> None:
    folder = tmp_path_factory.mktemp("sliced")
    lake = Lake(folder / "lake", grace_ms=0)
    for number, events in enumerate(slices):
        batch = append(lake, delivered(folder, events, f"{number}"))
        assert batch.events + batch.duplicates == len(events)
    if compact:
        lake.compact(now_ms=WALL_MS, most=1)
    whole = read(
        folder, {"all": b"".join((folder / f"{n}").read_bytes() for n in range(len(slices)))}
    )
    assert _unreceived(rows(lake)) == _unreceived(whole.rows)


def _unreceived(found: Mapping[str, Row]) -> dict[str, Row]:
    return {uuid: {**row, "received_ms": None} for uuid, row in found.items()}


def test_other_shapes_of_an_event_are_copies_of_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    append(lake, delivered(tmp_path, [start("a")]))
    for name, shape in (("panther", panther), ("elastic", elastic_okta)):
        path = tmp_path / name
        path.write_bytes(shape([start("a")]))
        append(lake, Delivery(path, name))
    assert list(rows(lake)) == ["a"]


def test_a_file_without_any_event_is_a_reject(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04 and so on")
    batch = append(lake, Delivery(path, "x.zip"))
    assert (batch.generation, batch.events) == (1, 0)
    assert batch.rejects == {"a zip archive; unpack it first": 1}


def damaged(lake: Lake, kind: str) -> Path:
    """Damage the lake's first file."""
    file = lake.folder / manifest.load(lake.folder).files[0].path
    data = file.read_bytes()
    if kind == "gone":
        file.unlink()
    elif kind == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif kind == "footer":
        file.write_bytes(data[:-2000] + bytes(1992) + data[-8:])
    else:
        file.write_bytes(data[:4] + b"\xff" * 400 + data[404:])
    return file


@pytest.mark.parametrize("kind", ["gone", "cut", "footer", "pages"])
def test_a_damaged_file_is_named_until_it_is_set_aside(kind: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", grace_ms=0)
    append(lake, delivered(tmp_path, [start("a"), start("b", published=NEXT_DAY)]))
    file = damaged(lake, kind)
    message = rf"{file}: (missing|damaged).* restore it from a backup, or .*set-aside .* 1 events"
    append(lake, delivered(tmp_path, [start("c", published=NEXT_DAY)]))  # of another day
    with pytest.raises(LakeError, match=message):
        rows(lake)
    with pytest.raises(LakeError, match=message):
        append(lake, delivered(tmp_path, [start("a")]))
    for _ in range(2):
        append(lake, delivered(tmp_path, [start("d", published=f"2026-01-15T12:00:0{_ + 1}Z")]))
    with pytest.raises(LakeError, match=message):
        lake.compact(now_ms=WALL_MS, most=1)
    aside = lake.folder / "set-aside"
    aside.mkdir()
    if file.exists():
        file.rename(aside / file.name)
    else:
        (aside / file.name).touch()
    assert list(rows(lake)) == ["b", "c", "d"]
    assert lake.holdings().set_aside == (file.relative_to(lake.folder).as_posix(),)
    assert lake.compact(now_ms=WALL_MS, most=1) == 2
    assert append(lake, delivered(tmp_path, [start("a")])).events == 1
    assert list(rows(lake)) == ["a", "b", "c", "d"]


def test_a_manifest_that_is_off_is_an_error(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    append(lake, delivered(tmp_path, [start("a")]))
    file = lake.folder / "manifest.json"
    text = file.read_text()
    for damage in ("", text[:50], "[]", "{}", text.replace('"rows"', '"lines"')):
        file.write_text(damage)
        with pytest.raises(LakeError, match=r"manifest\.json: damaged .*restore it from a backup"):
            lake.holdings()
    file.write_text(text.replace('"format":1', '"format":2'))
    with pytest.raises(LakeError, match="has format 2, and this mfagap reads 1"):
        append(lake, delivered(tmp_path, [start("b")]))
    file.unlink()
    with pytest.raises(LakeError, match=r"manifest\.json: missing"):
        append(lake, delivered(tmp_path, [start("b")]))
    assert len(files(lake)) == 1
    file.mkdir()
    with pytest.raises(LakeError, match=r"manifest\.json: cannot be read"):
        lake.changes(0)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_an_error_and_nothing_is_lost(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path / "lake")
    append(lake, delivered(tmp_path, [start("a")]))
    before, there = rows(lake), files(lake)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(LakeError, match=r"cannot be written: .*No space left on device"):
            append(lake, delivered(tmp_path, [start("b")]))
    assert (rows(lake), files(lake)) == (before, there)
    assert append(lake, delivered(tmp_path, [start("b")])).generation == 2


def test_a_disk_that_duckdb_finds_full_is_an_error_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path / "lake")
    append(lake, delivered(tmp_path, [start("a")]))
    there = files(lake)

    def full(connection: duckdb.DuckDBPyConnection, _: str, file: Path, first: str) -> None:
        assert "session" in first
        file.write_bytes(b"PAR1")
        connection.execute("COPY (SELECT 1) TO '/dev/full' (FORMAT csv, USE_TMP_FILE false)")

    with monkeypatch.context() as patched:
        patched.setattr(parquet, "write", full)
        with pytest.raises(LakeError, match=r"cannot be written: .*all that it held"):
            append(lake, delivered(tmp_path, [start("b")]))
    assert files(lake) == there


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LakeError, match="cannot be written"):
        append(Lake(tmp_path / "file" / "lake"), delivered(tmp_path, [start("a")]))
    with pytest.raises(LakeError, match="must have none of"):
        Lake(tmp_path / "a*")


def test_an_empty_lake_answers(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    assert (rows(lake), lake.changes(0), lake.holdings().events) == ({}, (), 0)
    assert not lake.folder.exists()


def test_what_does_not_fit_to_be_sorted_is_written_all_the_same(tmp_path: Path) -> None:
    many = "SELECT i AS event_ms, repeat('x', 50) || i AS event_type FROM range(400_000) AS t(i)"
    with duckdb.connect(config={"temp_directory": "", "memory_limit": "25MB"}) as connection:
        connection.execute("SET threads = 1; SET preserve_insertion_order = false")
        with pytest.raises(duckdb.OutOfMemoryException):
            connection.execute(f"CREATE TABLE sorted AS {many} ORDER BY event_type DESC")
        parquet.write(connection, many, tmp_path / "a.parquet")
        count = f"SELECT count(*) FROM {parquet.rows_of([str(tmp_path / 'a.parquet')])}"
        assert connection.execute(count).fetchall() == [(400_000,)]


def test_long_events_are_stored(tmp_path: Path) -> None:
    """What DuckDB takes at a time of them is more than all the memory that a scan has."""
    line = ndjson([start("@", client__userAgent__rawUserAgent="x" * 190_000)])
    text = b"".join(line.replace(b'"@"', b'"%d"' % n) for n in range(1800))
    batch = append(Lake(tmp_path / "lake"), delivered(tmp_path, [], more=text))
    assert (batch.events, batch.rejects) == (1800, {})
