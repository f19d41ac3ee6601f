"""What an attacker found that slips past the reader, or takes it all: each is read or counted."""

import gzip
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from examples.log_shapes import zstd
from tests.events import ndjson, start
from tests.lake.reading import CUT, cut, read

from mfagap.cases.templates import Event
from mfagap.lake import memory, tables
from mfagap.lake.normalize import BATCH
from mfagap.lake.streams import HEAD_BYTES

DISAGREE = ("deliveries of one uuid disagree", True)
LEGACY = "/api/v1/authn"
IDX = "/idp/idx/identify"
URI = "debugContext__debugData__requestUri"
SESSION = "authenticationContext__externalSessionId"
SKIPPED = bytes((0x53, 0x2A, 0x4D, 0x18)) + (8).to_bytes(4, "little") + b"12345678"

# --- whole files --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 2 * HEAD_BYTES])
@pytest.mark.parametrize("blank", [b" ", b"\n", b"\r\n\t"], ids=["blank", "line-end", "mixed"])
def test_blanks_before_a_log_hide_nothing(blank: bytes, size: int, tmp_path: Path) -> None:
    data = (blank * size)[:size] + ndjson([start("a")])
    found = read(tmp_path, {"plain": data, "gzip": gzip.compress(data + ndjson([start("b")]))})
    assert (sorted(found.rows), found.rejects) == (["a", "b"], [])


def test_blanks_alone_are_no_loss(tmp_path: Path) -> None:
    found = read(tmp_path, {"some": b"\n" * 10, "many": b"\n" * 2 * HEAD_BYTES})
    assert (found.rows, found.rejects, found.totals.foreign) == ({}, [], {})


def test_a_skipped_frame_first_is_zstd_all_the_same(tmp_path: Path) -> None:
    data = SKIPPED + zstd.compress(ndjson([start("a")])) + SKIPPED
    found = read(tmp_path, {"x": data + zstd.compress(ndjson([start("b")]))})
    assert (sorted(found.rows), found.rejects) == (["a", "b"], [])


def test_an_odd_time_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    is_time = memory.MemoryLake.is_time

    def counting(lake: memory.MemoryLake, text: str) -> bool:
        asked.append(text)
        return is_time(lake, text)

    monkeypatch.setattr(memory.MemoryLake, "is_time", counting)
    times = ["soon", "2026-01-15T24:00:00Z"] * 20
    events = [start(str(n), published=text) for n, text in enumerate(times)]
    found = read(tmp_path, {"x": b"{}\n" + ndjson(events)})
    assert (len(found.rows), asked) == (20, times[:2])


# --- copies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "real", "forged"),
    [
        (URI, LEGACY, IDX),
        (URI, "/login/login.htm", IDX),
        (URI, None, IDX),
        (SESSION, "102real", "idxforged"),
        (SESSION, "trsreal", "idxforged"),
    ],
)
def test_no_copy_puts_a_sign_in_out_of_sight(
    field: str, real: str | None, forged: str, tmp_path: Path
) -> None:
    for salt in range(6):
        one = start("a", **{field: real})
        copy = start("a", **{field: forged, "outcome__reason": str(salt)})
        pair = [one, copy] if salt % 2 else [copy, one]
        found = read(tmp_path / str(salt), {"x": ndjson(pair)})
        column = "request_uri" if field == URI else "session_id"
        assert found.rows["a"][column] == real
        assert found.counts == {DISAGREE: 1}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("actor__type", "SystemPrincipal"),
        ("actor__alternateId", "eve@example.com"),
        ("target", [{"id": "00ueve", "type": "User"}]),
        ("authenticationContext__credentialType", "ASSERTION"),
        ("authenticationContext__authenticationProvider", "FEDERATION"),
        ("transaction__id", "other"),
        ("securityContext__asNumber", 1),
        ("securityContext__isProxy", True),
    ],
)
def test_copies_that_disagree_are_counted(path: str, value: object, tmp_path: Path) -> None:
    given = {
        "target": [{"id": "00uada", "type": "User"}],
        "authenticationContext__credentialType": "PASSWORD",
        "authenticationContext__authenticationProvider": "FACTOR_PROVIDER",
    }
    one, copy = start("a", **given), start("a", **given | {path: value})
    assert read(tmp_path, {"x": ndjson([one, copy])}).counts == {DISAGREE: 1}


def test_a_copy_that_lacks_something_agrees(tmp_path: Path) -> None:
    copy = start("a", actor__alternateId=None, debugContext__debugData={}, outcome__reason=None)
    found = read(tmp_path, {"x": ndjson([start("a"), copy])})
    assert (found.counts, found.rows["a"]["request_uri"]) == ({}, LEGACY)


# --- mixed spelling -----------------------------------------------------------------------------


def flat(name: str, key: str, flat_key: str, **left: object) -> Event:
    event = start(name)
    value = event.pop(key)
    return {**left, **event, flat_key: value["result" if key == "outcome" else "id"]}


MIXED: tuple[Event, ...] = (
    flat("a", "outcome", "outcome_result"),
    flat("a", "outcome", "Outcome.Result"),
    flat("a", "outcome", "outcome_result", outcome=None),
    flat("a", "outcome", "o_utcome_result_s", outcome={"result": None}),
    flat("a", "actor", "actor_id"),
    flat("a", "actor", "okta.actor.id", actor=None),
)


@pytest.mark.parametrize("event", MIXED, ids=lambda event: "-".join(map(str, event))[-40:])
@pytest.mark.parametrize("first", [b"", b"{}\n"], ids=["fast", "slow"])
def test_an_event_in_two_spellings_loses_nothing(
    first: bytes, event: Event, tmp_path: Path
) -> None:
    row = read(tmp_path, {"x": first + ndjson([event])}).rows["a"]
    whole = read(tmp_path / "whole", {"x": ndjson([start("a")])}).rows["a"]
    assert (row["outcome_result"], row["actor_id"], row["session_id"]) == (
        whole["outcome_result"],
        whole["actor_id"],
        whole["session_id"],
    )


@pytest.mark.parametrize("first", [b"", b"{}\n"], ids=["fast", "slow"])
def test_an_event_may_lack_its_outcome(
    first: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At full speed, too: the file does not go the long way."""
    if not first:
        monkeypatch.delattr(memory.MemoryLake, "_read_slowly")
    events = [start("a", outcome=None), start("b", outcome={}), start("c", actor__id=None)]
    del events[0]["outcome"]
    rows = read(tmp_path, {"x": first + ndjson(events)}).rows
    assert [(r["outcome_result"], r["actor_id"] is None) for r in rows.values()] == [
        (None, False),
        (None, False),
        ("SUCCESS", True),
    ]


# --- long values --------------------------------------------------------------------------------


def test_long_values_are_cut_and_counted(tmp_path: Path) -> None:
    events = [
        start("fits", client__userAgent__rawUserAgent="é" * 1000),
        start("long", client__userAgent__rawUserAgent="é" * 1001, outcome__reason="x" * 5000),
    ]
    found = read(tmp_path, {"x": ndjson(events)})
    assert found.rows["fits"]["user_agent"] == "é" * 1000
    agent = found.rows["long"]["user_agent"]
    assert (len(agent), agent) == (1000, cut("é" * 1001))
    assert found.counts == {CUT: 1}
    assert json.loads(found.rejects[0]["text"]) == {
        "uuid": "long",
        "cut": ["outcome_reason", "user_agent"],
    }


def test_long_ids_stay_different_and_equal(tmp_path: Path) -> None:
    ids = ["102" + "x" * 5000, "102" + "x" * 5000 + "y", " 102" + "x" * 5000]
    events = [start(str(n), **{SESSION: text}) for n, text in enumerate(ids)]
    found = read(tmp_path, {"x": ndjson(events)})
    one, other, padded = (row["session_id"] for row in found.rows.values())
    assert (one != other, one == padded, len(one), one[:3]) == (True, True, 1000, "102")


def test_long_values_do_not_fill_the_memory(tmp_path: Path) -> None:
    """In a file that is read at full speed, where thousands of events are looked at together."""
    line = ndjson([start("@", client__userAgent__rawUserAgent="x" * 190_000)])
    data = b"".join(line.replace(b'"@"', b'"%d"' % n) for n in range(1800))
    found = read(tmp_path, {"x": ndjson([start("first")]) + data})
    assert len(found.rows) == 1801
    assert found.counts == {CUT: 1800}


# --- time ---------------------------------------------------------------------------------------

NAMED = '{"uuid":"%s","published":"2026-01-15","eventType":"x.y"%s}\n'


def seconds(folder: Path, data: bytes) -> float:
    before = time.process_time()
    read(folder, {"x": data})
    return time.process_time() - before


@pytest.mark.parametrize(
    "line",
    [
        '{"a":}\n',
        NAMED % ("a", ",:"),
        '{"\\u0061":}\n',
        '{"uuid":"a","published":"x","eventType":"b"}\n',
    ],
    ids=["no-event", "named", "escaped", "time"],
)
def test_broken_lines_cost_little(line: str, tmp_path: Path) -> None:
    """They took five milliseconds each: the SQL to look at one was planned every time."""
    assert seconds(tmp_path, ndjson([start("first")]) + line.encode() * 4000) < 6


def test_broken_lines_are_told_from_events_one_by_one(tmp_path: Path) -> None:
    """In as many batches as it takes, each line keeps its place."""
    lines = [
        NAMED % (n, ",:" if n % 3 == 0 else "," if n % 3 == 1 else "") for n in range(2 * BATCH)
    ]
    found = read(tmp_path, {"x": "".join(lines).encode()})
    assert sorted(map(int, found.rows)) == [n for n in range(2 * BATCH) if n % 3]
    assert [place[1:] for place in found.places] == [
        (n + 1, *(("not JSON", False) if n % 3 == 0 else ("no strict JSON", True)))
        for n in range(2 * BATCH)
        if n % 3 < 2
    ]


def rows_in_a_quote(lines: Sequence[str]) -> bytes:
    return ('uuid,published,eventType\n"' + "".join(line + "\n" for line in lines)).encode()


def test_lines_in_a_quote_cost_little(tmp_path: Path) -> None:
    assert seconds(tmp_path, rows_in_a_quote(["ab"] * 400_000)) < 4


def test_rows_in_a_quote_are_counted_beyond_those_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_LOOKED", 10)
    lines = ["x", *(f"id-{n},2026-01-15,user.session.start" for n in range(30)), "y"]
    found = read(tmp_path, {"x": rows_in_a_quote(lines)})
    swallowed = [line for line, reason, _ in found.of("x") if reason == tables.QUOTED_ROW]
    assert swallowed == [n + 3 for n in range(30)]
