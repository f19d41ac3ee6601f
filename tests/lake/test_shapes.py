"""Every shape, in every packing, under any name: the same rows."""

import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples.log_shapes import PACKINGS, SHAPES, ndjson, parquet, sentinel_csv, splunk_csv
from tests.events import event, start
from tests.lake.reading import Reading, Row, read

from mfagap.cases.templates import Event
from mfagap.lake.streams import kind_of

Shape = Callable[[Sequence[Event]], bytes]

EVENTS: tuple[Event, ...] = (
    start("shape-start", p_parse_time="2026-01-15T12:00:07.250Z", outcome__reason="Ünïcode ☃ 😀"),
    event("session_policy", "shape-policy", debugContext__debugData__promptingPolicyTypes="[A, B]"),
    event("mfa", "shape-mfa", debugContext__debugData__factorIntent="LOGIN"),
    event("idp_assertion", "shape-idp", debugContext__debugData__amrList='["pwd", "mfa"]'),
    event("token_create", "shape-token", transaction__detail__requestApiTokenId="00T1"),
    event("sso", "shape-sso", securityContext__isProxy=True, client__geographicalContext=None),
    event("radius", "shape-radius", client__userAgent__rawUserAgent='a, "b"; {c}\n[d]'),
)
PACKED = [
    pytest.param(shape, packing, id=f"{shape.__name__}{packing}")
    for shape in SHAPES
    for packing in PACKINGS
    if not (shape is parquet and packing)
]
"""Parquet packs itself: nobody gzips it, and DuckDB reads it as it is."""

TEXT_FORMS = ("debug_data", "targets")
"""JSON texts: a shape may have spelled the unknown keys below them, or spaced them, otherwise."""


def comparable(row: Row) -> Row:
    """Return ``row`` with its JSON texts replaced by whether there is anything in them.

    Their content is compared column by column: what detections read of them are columns.
    Sentinel's table leaves out columns without a value, where other shapes have null.
    """
    return row | {name: bool(json.loads(row[name] or "null")) for name in TEXT_FORMS}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return read(tmp_path_factory.mktemp("plain"), {"plain.ndjson": ndjson(EVENTS)})


def test_plain_lines_are_read_whole(plain: Reading) -> None:
    rows = plain.rows
    assert sorted(rows) == sorted(item["uuid"] for item in EVENTS)
    assert rows["shape-start"]["received_ms"] == 1_768_478_407_250
    assert rows["shape-start"]["outcome_reason"] == "Ünïcode ☃ 😀"
    assert rows["shape-policy"]["policy_kind"] == "session"
    assert rows["shape-policy"]["rule_id"] == "0pr1default0000000001"
    assert rows["shape-mfa"]["authn_request_id"] == "trail-start"
    assert rows["shape-idp"]["idp_id"] == "0oa1partneridp000001"
    assert rows["shape-idp"]["amr_list"] == "pwd mfa"
    assert rows["shape-token"]["api_token_id"] == "00T1"
    assert rows["shape-sso"]["is_proxy"] is True
    assert rows["shape-radius"]["user_agent"] == 'a, "b"; {c}\n[d]'
    assert (plain.rejects, plain.totals.deliveries, plain.totals.foreign) == ([], 7, {})


@pytest.mark.parametrize(("shape", "packing"), PACKED)
def test_every_shape_gives_the_same_rows(
    shape: Shape, packing: str, plain: Reading, tmp_path: Path
) -> None:
    found = read(tmp_path, {"a": PACKINGS[packing](shape(EVENTS))})
    assert found.rejects == []
    assert [comparable(row) for row in found.rows.values()] == [
        comparable(row) for row in plain.rows.values()
    ]
    assert found.totals == plain.totals


def test_all_shapes_in_one_folder_give_one_row_an_event(plain: Reading, tmp_path: Path) -> None:
    """The names lie about shape and packing: only the content is believed."""
    names = itertools.cycle(("a.gz", "b.zst", "c.json", "d.csv", "e.parquet", "f", "g.txt"))
    packed = [(_shape(param.values[0]), str(param.values[1])) for param in PACKED]
    packed += [(shape, "") for shape in SHAPES]  # all once more
    files = {
        f"{place:02}-{next(names)}": PACKINGS[packing](shape(EVENTS))
        for place, (shape, packing) in enumerate(packed)
    }
    found = read(tmp_path, files)
    assert found.rejects == []
    assert [comparable(row) for row in found.rows.values()] == [
        comparable(row) for row in plain.rows.values()
    ]
    deliveries = len(files) * len(EVENTS)
    assert found.totals == replace(
        plain.totals,
        files=len(files),
        deliveries=deliveries,
        duplicates=deliveries - len(EVENTS),
    )


def _shape(value: Any) -> Shape:
    return next(shape for shape in SHAPES if shape is value)


def test_layout_and_packing_are_told_by_content(tmp_path: Path) -> None:
    layouts = {
        "ndjson": "lines",
        "panther": "lines",
        "panther_lower": "lines",
        "api_array": "array",
        "pretty_array": "array",
        "eventbridge": "eventbridge",
        "splunk_csv": "csv",
        "sentinel_csv": "csv",
        "parquet": "parquet",
    }
    packings = {"": "uncompressed", ".gz": "gzip", ".zst": "zstd"}
    for param in PACKED:
        shape, packing = _shape(param.values[0]), str(param.values[1])
        path = tmp_path / "misleading.csv.gz"
        path.write_bytes(PACKINGS[packing](shape(EVENTS)))
        kind = kind_of(path)
        expected = (packings[packing], layouts.get(shape.__name__, "mixed"), "")
        assert (kind.compression, kind.layout, kind.remark) == expected, param.id


def test_shapes_follow_one_another_in_one_file(plain: Reading, tmp_path: Path) -> None:
    texts = [shape(EVENTS) for shape in SHAPES if shape not in (parquet, splunk_csv, sentinel_csv)]
    found = read(tmp_path, {"all": b"\n".join(texts)})
    assert found.rejects == []
    assert [comparable(row) for row in found.rows.values()] == [
        comparable(row) for row in plain.rows.values()
    ]
    assert found.totals.deliveries == len(texts) * len(EVENTS)


def test_wrappers_may_nest_up_to_a_depth(tmp_path: Path) -> None:
    def wrapped(depth: int) -> bytes:
        value: object = start(f"wrapped-{depth}")
        for _ in range(depth):
            value = {"records": [value]}
        return json.dumps(value).encode() + b"\n"

    found = read(tmp_path, {"a": wrapped(8) + wrapped(9)})
    assert list(found.rows) == ["wrapped-8"]
    assert found.of("a") == [(2, "JSON, but no Okta event", False)]


def test_other_wrappers(tmp_path: Path) -> None:
    texts = {
        "records": {"records": [start("by-records")]},
        "value": {"value": [start("by-value")]},
        "events": {"events": [start("by-events")]},
        "message": {"@timestamp": "2026", "message": json.dumps(start("by-message"))},
        "flat": {"event.original": json.dumps(start("by-flat"))},
        "raw": {"_raw": json.dumps(start("by-raw"))},
        "source": {"_source": {"event": {"original": json.dumps(start("by-source"))}}},
        "text": {"data": json.dumps({"events": [start("by-text")]})},
    }
    found = read(tmp_path, {name: json.dumps(value).encode() for name, value in texts.items()})
    assert sorted(found.rows) == sorted(f"by-{name}" for name in texts if name != "text")
    assert found.places == [("text", 1, "JSON, but no Okta event", False)]
    assert found.totals.foreign == {"text": "holds no Okta event"}


def test_an_elastic_document_tells_when_it_was_ingested(tmp_path: Path) -> None:
    document = {
        "@timestamp": "2026-01-15T12:00:00Z",
        "event": {"ingested": "2026-01-15T12:00:09Z"},
        "okta": {"uuid": "ingested", "event_type": "user.session.start", "actor": {"id": "00u1"}},
    }
    found = read(tmp_path, {"a": json.dumps(document).encode()})
    row = found.rows["ingested"]
    assert (row["event_ms"], row["received_ms"]) == (1_768_478_400_000, 1_768_478_409_000)
    assert row["actor_id"] == "00u1"


FLAT = {
    "uuid": "flat",
    "published": "2026-05-01T10:00:00Z",
    "eventType": "user.session.start",
    "outcome.result": "SUCCESS",
    "actor.id": "00u1ada",
    "actor.alternateId": "ada@example.com",
    "authenticationContext.externalSessionId": "102flat",
    "transaction.id": "trail",
}


def _flat_columns(found: Reading) -> tuple[object, ...]:
    row = found.rows["flat"]
    return tuple(row[name] for name in ("outcome_result", "actor_id", "session_id"))


def test_flat_keys_beside_okta_s_own_identity(tmp_path: Path) -> None:
    found = read(tmp_path, {"flat": json.dumps(FLAT).encode() + b"\n"})
    assert _flat_columns(found) == ("SUCCESS", "00u1ada", "102flat")
    header, row = ",".join(FLAT), ",".join(FLAT.values())
    found = read(tmp_path / "csv", {"flat.csv": f"{header}\n{row}\n".encode()})
    assert _flat_columns(found) == ("SUCCESS", "00u1ada", "102flat")
    assert found.rejects == []


def test_the_event_s_text_beats_its_row_s_columns(tmp_path: Path) -> None:
    text = json.dumps(FLAT).replace('"', '""')
    row = f'flat,2026-05-01T10:00:00Z,user.session.start,"{text}"'
    found = read(tmp_path, {"x.csv": f"uuid,published,eventType,_raw\n{row}\n".encode()})
    assert _flat_columns(found) == ("SUCCESS", "00u1ada", "102flat")


def test_one_row_of_a_table_that_is_off_costs_no_other(tmp_path: Path) -> None:
    header, row = ",".join(FLAT), ",".join(FLAT.values())
    lines = [header, row + ",too,many", row.replace("ada@example.com", "a\rda@example.com"), ""]
    found = read(tmp_path, {"x.csv": "\n".join(lines).encode()})
    assert found.rows["flat"]["actor_login"] == "a da@example.com"
    assert found.places == [("x.csv", 2, "more cells than the header has", False)]


def test_a_name_that_is_no_utf8_costs_nothing(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff.json")
    found = read(tmp_path, {name: json.dumps(FLAT).encode() + b"\n"})
    assert list(found.rows) == ["flat"]


def test_millions_of_levels_cost_one_event(tmp_path: Path) -> None:
    levels = "[" * 3_000_000 + "]" * 3_000_000
    deep = json.dumps({**FLAT, "debugContext": {"debugData": {"x": 0}}}).replace("0}", levels + "}")
    good = json.dumps({**FLAT, "uuid": "good"})
    found = read(tmp_path, {"deep": f"{deep}\n".encode(), "good": f"{good}\n".encode()})
    assert "good" in found.rows
    assert found.totals.files == 2
