"""Files that are off as a whole: cut, damaged, huge, of other layouts, or no log at all."""

import base64
import gzip
import json
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from examples.log_shapes import PACKINGS, api_array, elastic_okta, ndjson, splunk_csv
from tests.events import start
from tests.lake.reading import read, read_deliveries

from mfagap.cases.templates import Event
from mfagap.model import Delivery

Shape = Callable[[Sequence[Event]], bytes]

DAMAGED = "compressed data is cut off or damaged"
NO_EVENT = "JSON, but no Okta event"
MIB = 1024 * 1024


def events(count: int, hex_digits: int = 64) -> list[Event]:
    """Return events that no compressor makes much smaller."""
    noise = [
        "".join(sha256(f"{n}-{k}".encode()).hexdigest() for k in range(hex_digits // 64))
        for n in range(count)
    ]
    return [start(f"e{n:03}", debugContext__debugData__zz=text) for n, text in enumerate(noise)]


def whole_lines(packed: bytes, unpack: str) -> int:
    """Return how many whole lines the start of a compressed file holds, by its own tool."""
    if unpack == ".gz":
        import zlib

        text = zlib.decompressobj(wbits=31).decompress(packed)
    else:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        text = zstd.ZstdDecompressor().decompress(packed)
    return text.count(b"\n")


@pytest.mark.parametrize("digits", [64, 4096], ids=["small", "beyond-the-first-look"])
@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_what_precedes_the_cut_is_used(packing: str, digits: int, tmp_path: Path) -> None:
    packed = PACKINGS[packing](ndjson(events(300, digits)))
    cut = packed[: len(packed) * 2 // 3]
    found = read(tmp_path, {"cut": cut})
    good = whole_lines(cut, packing)
    assert 100 < good < 300
    assert list(found.rows) == [f"e{n:03}" for n in range(good)]
    assert found.places == [
        ("cut", 0, DAMAGED, False),
        ("cut", good + 1, "not JSON", False),
    ]
    assert found.rejects[1]["text"].startswith('{"actor": {"id": "00u1')
    assert found.totals.foreign == {}


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_packed_table_is_used_up_to_the_cut(packing: str, tmp_path: Path) -> None:
    packed = PACKINGS[packing](splunk_csv(events(300)))
    found = read(tmp_path, {"cut": packed[: len(packed) // 2]})
    good = len(found.rows)
    assert good > 50
    assert found.places == [("cut", 0, DAMAGED, False), ("cut", good + 2, NO_EVENT, False)]


def test_damage_behind_the_last_event_costs_none(tmp_path: Path) -> None:
    lines = ndjson(events(3))
    files = {
        "no-trailer": gzip.compress(lines)[:-8],
        "garbage-gz": gzip.compress(lines) + b"garbage",
        "garbage-zst": PACKINGS[".zst"](lines) + b"garbage",
        "wrong-checksum": gzip.compress(lines)[:-8] + bytes(8),
        "no-data": gzip.compress(lines)[:8],
    }
    found = read(tmp_path, files)
    assert len(found.rows) == 3
    assert sorted(found.places) == sorted((name, 0, DAMAGED, False) for name in files)
    assert found.totals.foreign == {"no-data": "holds no Okta event"}


def test_members_and_frames_follow_one_another(tmp_path: Path) -> None:
    one, two = ndjson(events(2)[:1]), ndjson(events(2)[1:])
    files = {name: pack(one) + pack(two) for name, pack in PACKINGS.items() if name}
    found = read(tmp_path, files)
    assert (list(found.rows), found.totals.deliveries, found.rejects) == (["e000", "e001"], 4, [])


@pytest.mark.parametrize(
    "shape", [api_array, ndjson, elastic_okta], ids=["array", "lines", "elastic"]
)
def test_a_cut_file_is_used_up_to_the_cut(shape: Shape, tmp_path: Path) -> None:
    data = shape(events(5))
    found = read(tmp_path, {"cut": data[:-200]})
    line = 1 if shape is api_array else 5
    assert list(found.rows) == ["e000", "e001", "e002", "e003"]
    assert found.places == [("cut", line, "not JSON", False)]


def test_layouts_that_people_save(tmp_path: Path) -> None:
    a, b = start("a"), start("b")
    one, two = json.dumps(a), json.dumps(b)
    texts = {
        "two-on-a-line": one + two + "\n",
        "two-and-a-blank": f"{one}  {two}",
        "commas-between": f"{one},\n{two},\n",
        "arrays": json.dumps([a]) + json.dumps([b]),
        "arrays-by-line": f"[{one}]\n[{two}]\n",
        "array-and-line": f"[{one}]\n{two}\n",
        "line-and-array": f"{one}\n[{two}]\n",
        "nested-array": f"[[{one}], [[{two}]]]",
        "array-not-closed": f"[{one}, {two}",
        "pretty": json.dumps(a, indent=2) + "\n" + json.dumps(b, indent=4),
        "crlf": f"{one}\r\n{two}\r\n",
        "cr": f"{one}\r{two}\r",
        "blank-lines": f"\n\n  {one}\n \t\n{two}\n\n",
        "bom": f"\ufeff{one}\n{two}\n",
        "bom-array": f"\ufeff[{one}, {two}]",
        "bom-between": f"{one}\n\ufeff{two}\n\ufeff",
        "lines-in-texts": json.dumps(one) + "\n" + json.dumps(two) + "\n",
        "list-in-text": json.dumps(f" [{one}, {two}]"),
    }
    alone = read(tmp_path / "alone", {"a": f"{one}\n{two}\n".encode()})
    for name, text in texts.items():
        found = read(tmp_path / name, {name: text.encode()})
        assert (list(found.rows), found.rejects) == (["a", "b"], []), name
        texts_of = {"debug_data": None, "targets": None}
        for uuid, row in alone.rows.items():
            assert found.rows[uuid] | texts_of == row | texts_of, name
        assert (found.rejects, found.totals.deliveries) == ([], 2), name


def test_scalars_in_an_array_are_counted_one_by_one(tmp_path: Path) -> None:
    data = f'[{json.dumps(start("a"))},\n5, null,\n"x", true,\n{json.dumps(start("b"))}]'
    found = read(tmp_path, {"a": data.encode()})
    assert list(found.rows) == ["a", "b"]
    assert [(r["line"], r["reason"], r["text"]) for r in found.rejects] == [
        (2, NO_EVENT, "5"),
        (2, NO_EVENT, "null"),
        (3, NO_EVENT, '"x"'),
        (3, NO_EVENT, "true"),
    ]


def test_files_without_an_event_are_named(tmp_path: Path) -> None:
    line = json.dumps(start("a"))
    files = {
        "zip": b"PK\x03\x04" + bytes(50),
        "bzip2": b"BZh91AY&SY",
        "xz": b"\xfd7zXZ\x00\x00",
        "utf16-le": line.encode("utf-16"),
        "utf16-be": b"\xfe\xff" + line.encode("utf-16-be"),
        "sqlite": b"SQLite format 3\x00" + bytes(80),
        "pdf": b"%PDF-1.7\n",
        "zip-in-gzip": gzip.compress(b"PK\x03\x04" + bytes(50)),
        "text": b"hello world\n2026-01-15 12:00:00 INFO started\n",
        "json": b'{"a": 1}\n{"a": 2}\n',
        "array": b'[{"a": 1}]',
        "pretty": b'{\n  "a": 1\n}\n',
        "table": b"name,value\na,1\n",
        "scalar": b"5",
        "nul": bytes(100),
    }
    found = read(tmp_path, {**files, "good": line.encode()})
    assert list(found.rows) == ["a"]
    assert found.totals.foreign == {
        "zip": "a zip archive; unpack it first",
        "bzip2": "bzip2; unpack it first",
        "xz": "xz; unpack it first",
        "utf16-le": "UTF-16; save it as UTF-8",
        "utf16-be": "UTF-16; save it as UTF-8",
        "sqlite": "a SQLite database",
        "pdf": "a PDF",
        "zip-in-gzip": "a zip archive; unpack it first",
    } | dict.fromkeys(
        ("text", "json", "array", "pretty", "table", "scalar", "nul"), "holds no Okta event"
    )
    assert sorted(found.places) == sorted(
        [
            ("text", 1, "not JSON", False),
            ("text", 2, "not JSON", False),
            ("json", 1, NO_EVENT, False),
            ("json", 2, NO_EVENT, False),
            ("array", 1, NO_EVENT, False),
            ("pretty", 1, NO_EVENT, False),
            ("table", 1, "not JSON", False),
            ("table", 2, "not JSON", False),
            ("scalar", 1, NO_EVENT, False),
            ("nul", 1, "not JSON", False),
        ]
    )
    assert found.totals.files == len(files) + 1


def test_empty_files_are_no_problem(tmp_path: Path) -> None:
    files = {
        "empty": b"",
        "blank": b" \r\n\t\n",
        "bom": "\ufeff".encode(),
        "array": b"[]",
        "gz": gzip.compress(b""),
        "zst": PACKINGS[".zst"](b"\n"),
    }
    found = read(tmp_path, files)
    assert (found.rows, found.rejects, found.totals.foreign) == ({}, [], {})
    assert (found.totals.files, found.totals.deliveries) == (6, 0)
    assert (found.totals.oldest_ms, found.totals.newest_ms) == (None, None)


def test_a_file_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.write_bytes(ndjson([start("a")]))
    found = read_deliveries(
        tmp_path,
        [Delivery(tmp_path / "gone", "gone"), Delivery(tmp_path, "folder"), Delivery(good, "good")],
    )
    assert list(found.rows) == ["a"]
    assert found.totals.foreign == {
        "gone": "cannot be read: No such file or directory",
        "folder": "cannot be read: Is a directory",
    }


def test_long_lines(tmp_path: Path) -> None:
    """Up to 8 MiB are used, more is a reject, and neither costs its neighbors."""
    fits, large, huge = (
        json.dumps(start(name, zz="x" * (size * MIB)))
        for name, size in (("fits", 7), ("large", 20), ("huge", 50))
    )
    lines = [json.dumps(start("a")), fits, json.dumps(start("b")), large, huge]
    lines.append(json.dumps(start("c")))
    found = read(tmp_path, {"long": "\n".join(lines).encode()})
    assert list(found.rows) == ["a", "b", "c", "fits"]
    assert found.places == [
        ("long", 4, "an event longer than 8 MiB", False),
        ("long", 5, "longer than 32 MiB", False),
    ]
    assert [reject["text"] for reject in found.rejects] == [large, huge]


def test_a_long_line_that_is_no_json_costs_no_neighbor(tmp_path: Path) -> None:
    """However the chunks fall in which a file is read."""
    for size in (MIB // 2, MIB + 300_000, 5 * MIB):
        line = "x" * size
        data = "\n".join([json.dumps(start("a")), line, json.dumps(start("b")), "oops"])
        found = read(tmp_path / str(size), {"long": data.encode()})
        assert list(found.rows) == ["a", "b"], size
        assert found.places == [("long", 2, "not JSON", False), ("long", 4, "not JSON", False)]
        assert found.rejects[0]["text"] == line


def test_a_table_with_rows_that_are_off(tmp_path: Path) -> None:
    lines = splunk_csv([start("a"), start("b")]).decode().splitlines()
    data = "\r\n".join([lines[0], "2026,oops", lines[1], '2026,"{""a"": 1}"', "", lines[2]])
    found = read(tmp_path, {"table": data.encode()})
    assert list(found.rows) == ["a", "b"]
    assert found.places == [("table", 2, NO_EVENT, False), ("table", 4, NO_EVENT, False)]
    assert json.loads(found.rejects[0]["text"]) == {"_time": "2026", "_raw": "oops"}


def test_one_long_line_of_many_events_is_read_whole(tmp_path: Path) -> None:
    """Longer than the first look at a file, so that its layout shows nowhere but in reading."""
    many = events(400)
    files = {
        "hook": json.dumps({"data": {"events": many}}).encode(),
        "array": json.dumps(many).encode(),
        "texts": json.dumps([json.dumps(item) for item in many]).encode(),
    }
    assert all(len(data) > 256 * 1024 for data in files.values())
    found = read(tmp_path, files)
    assert (len(found.rows), found.totals.deliveries, found.rejects) == (400, 1200, [])


def test_names_with_magic_characters_are_names(tmp_path: Path) -> None:
    names = ["[a]*.json", "?", "a'b;c", "{x,y}", "ä ü"]
    ids = [f"event-{place}" for place in range(len(names))]
    pairs = zip(names, ids, strict=True)
    found = read(tmp_path, {name: ndjson([start(uuid)]) for name, uuid in pairs})
    assert (sorted(found.rows), found.rejects) == (ids, [])
    assert (found.totals.files, found.totals.deliveries) == (len(names), len(names))


def test_a_document_of_many_events_is_kept_once(tmp_path: Path) -> None:
    """What is off in one of its events is kept as that event; in the whole of it, once."""
    bad = start("bad", uuid=None)
    hook = {"zz": "@", "data": {"events": [start("a"), bad, start("b", actor="x"), 5, 6]}}
    data = json.dumps(hook).encode().replace(b'"@"', b'"\xff\x01"')
    found = read(tmp_path, {"hook": data})
    assert list(found.rows) == ["a", "b"]
    assert found.of("hook") == [
        (1, "no uuid", False),
        (1, "wrong type of actor", True),
        (1, NO_EVENT, False),
        (1, NO_EVENT, False),
        (1, "invalid UTF-8", True),
        (1, "control characters", True),
    ]
    texts = [reject.get("text") for reject in found.rejects]
    assert [json.loads(str(text)) for text in texts[:2]] == [bad, start("b", actor="x")]
    assert texts[3] == ""
    kept = [base64.b64decode(reject.get("base64", "")) for reject in found.rejects]
    assert kept == [b"", b"", data, b"", data, data]
