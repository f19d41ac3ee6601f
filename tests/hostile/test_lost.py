"""What could swallow events without a word: each loss is counted, and costs no neighbor."""

import base64
import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from examples.log_shapes import PACKINGS, api_array, event_hook, splunk_csv
from tests.events import ndjson, start
from tests.lake.reading import CUT, Reading, read

from mfagap.lake import documents
from mfagap.lake.rejects import PIECE, Problem, Rejects
from mfagap.lake.shapes import Parser

SWALLOWED = ("a quote spans lines that look like rows", False)
TWICE = ("a key is given twice", True)
NOT_JSON = ("not JSON", False)
NO_EVENT = ("JSON, but no Okta event", False)

HEADER = ("uuid", "published", "eventType", "actor.id", "client.userAgent.rawUserAgent")


def rows_of(*rows: Sequence[str]) -> str:
    """Return CSV as a careless exporter writes it: no cell is quoted."""
    return "".join(",".join(row) + "\n" for row in (HEADER, *rows))


def row(uuid: str, agent: str = "curl/8.5.0") -> tuple[str, ...]:
    return (uuid, "2026-01-15T12:00:00Z", "user.session.start", "00u1", agent)


def problems(found: Reading) -> list[tuple[int, str, bool]]:
    return [(line, reason, used) for _, line, reason, used in found.places]


# --- tables -------------------------------------------------------------------------------------


def test_rows_behind_a_stray_quote_are_counted_one_by_one(tmp_path: Path) -> None:
    """A client that calls itself ``"`` swallows the rows below, up to the next quote."""
    text = rows_of(row("a"), row("b", '"'), row("c"), row("d"), row("e", '"x"'), row("f"))
    found = read(tmp_path, {"table": text.encode()})
    assert sorted(found.rows) == ["a", "b", "f"]
    assert problems(found) == [(line, *SWALLOWED) for line in (4, 5, 6)]
    assert found.rejects[0]["text"] == ",".join(row("c")) + "\n"


def test_rows_behind_a_quote_that_never_closes_are_counted(tmp_path: Path) -> None:
    text = rows_of(row("a", '"'), *(row(f"row-{number}") for number in range(50)))
    found = read(tmp_path, {"table": text.encode()})
    assert list(found.rows) == ["a"]
    assert problems(found) == [(3 + number, *SWALLOWED) for number in range(50)] + [(0, *CUT)]


def test_a_quote_in_a_table_of_texts_is_counted(tmp_path: Path) -> None:
    lines = splunk_csv([start("a"), start("b"), start("c")]).decode().splitlines()
    lines[2] = lines[2].replace("2026", '"2026', 1)
    found = read(tmp_path, {"table": "\n".join(lines).encode()})
    assert "a" in found.rows
    lost = {"a", "b", "c"} - set(found.rows)
    assert lost
    assert sum(not used for _, _, used in problems(found)) >= len(lost)


def test_a_quoted_cell_forges_no_row(tmp_path: Path) -> None:
    """What a client wrote is not read as an event, however much it looks like one."""
    agent = "x\n" + ",".join(row("forged")) + "\ny"
    out = io.StringIO()
    csv.writer(out).writerows((HEADER, row("a", agent), row("b")))
    found = read(tmp_path, {"table": out.getvalue().encode()})
    assert sorted(found.rows) == ["a", "b"]
    assert found.rows["a"]["user_agent"] == agent
    assert problems(found) == [(3, *SWALLOWED)]


def test_line_ends_in_cells_are_no_loss(tmp_path: Path) -> None:
    out = io.StringIO()
    csv.writer(out).writerows((HEADER, row("a", 'x\r\n"y",\n,,,,\n'), row("b", "\n")))
    found = read(tmp_path, {"table": out.getvalue().encode()})
    assert (sorted(found.rows), found.rejects) == (["a", "b"], [])


def test_a_cell_beyond_reason_costs_its_own_row(tmp_path: Path) -> None:
    text = rows_of(row("a"), row("b", "x" * 33 * 1024 * 1024), row("c"))
    found = read(tmp_path, {"table": text.encode()})
    assert sorted(found.rows) == ["a", "c"]
    assert problems(found) == [(3, "longer than 32 MiB", False)]
    assert found.rejects[0]["text"].startswith("b,2026")


def test_a_column_that_is_there_twice_is_counted(tmp_path: Path) -> None:
    text = "uuid,published,eventType,uuid\na,2026-01-15,x.y,b\nc,2026-01-15,x.y,\n"
    found = read(tmp_path, {"table": text.encode()})
    assert sorted(found.rows) == ["a", "c"]
    assert problems(found) == [(2, *TWICE)]


@pytest.mark.parametrize("first", ["name\rother,uuid,eventType", "x" * 200_000], ids=["cr", "long"])
def test_a_first_line_that_is_no_header_stops_nothing(first: str, tmp_path: Path) -> None:
    data = f"{first}\nmore\n".encode()
    found = read(tmp_path, {"odd": data, "good": ndjson([start("a")])})
    assert (list(found.rows), list(found.totals.foreign)) == (["a"], ["odd"])


# --- documents ----------------------------------------------------------------------------------


def test_every_wrapper_of_a_document_is_opened(tmp_path: Path) -> None:
    a, b, c = start("a"), start("b"), start("c")
    document = {"x": 1, "data": {"events": [a, a]}, "detail": b, "records": [c], "value": {}}
    found = read(tmp_path, {"x": b"{}\n" + json.dumps(document).encode()})
    assert sorted(found.rows) == ["a", "b", "c"]
    assert found.totals.deliveries == 4
    assert problems(found) == [(1, *NO_EVENT)]


def test_one_event_in_two_wrappers_is_one_delivery(tmp_path: Path) -> None:
    a = start("a")
    document = {"okta": {"uuid": "a", "eventType": "user.session.start"}, "message": json.dumps(a)}
    found = read(tmp_path, {"x": json.dumps({"@timestamp": "2026-01-15", **document}).encode()})
    assert (list(found.rows), found.totals.deliveries, found.rejects) == (["a"], 1, [])


def test_wrappers_without_an_event_are_one_loss(tmp_path: Path) -> None:
    document = json.dumps({"detail": {"a": 1}, "data": {"events": [1, 2]}, "records": []}).encode()
    found = read(tmp_path, {"x": document})
    assert problems(found) == [(1, *NO_EVENT)]


@pytest.mark.parametrize(
    "text",
    [
        '{"x": 1, "detail": $A, "detail": $B}',
        '{"x": 1, "data": {"events": [$A], "events": [$B]}}',
        '{"x": 1, "data": {"events": [$A]}, "data": {"events": [$B]}}',
        '{"_raw": $TEXT-A, "_raw": $TEXT-B}',
        '{"records": [{"_raw": $TEXT-A, "_raw": $TEXT-B}]}',
    ],
)
def test_a_wrapper_given_twice_is_counted(text: str, tmp_path: Path) -> None:
    for name in "AB":
        event = json.dumps(start(name.lower()))
        text = text.replace(f"$TEXT-{name}", json.dumps(event)).replace(f"${name}", event)
    found = read(tmp_path, {"x": text.encode()})
    assert (list(found.rows), problems(found)) == (["a"], [(1, *TWICE)])


@pytest.mark.parametrize(
    ("line", "uuids"),
    [
        ('{"version": "0", "detail": $A, "data": {"events": [$B]}}', ["a", "b", "z"]),
        ('{"version": "0", "detail": $IRRELEVANT, "data": {"events": [$B]}}', ["b", "z"]),
    ],
)
def test_what_stands_beside_a_detail_is_read(line: str, uuids: list[str], tmp_path: Path) -> None:
    """In a file that looks like EventBridge, whose lines are read at full speed."""
    events = {"A": start("a"), "B": start("b"), "IRRELEVANT": start("i", eventType="zone.make")}
    for name, event in events.items():
        line = line.replace(f"${name}", json.dumps(event))
    first = json.dumps({"version": "0", "detail": start("z")})
    found = read(tmp_path, {"x": f"{first}\n{line}\n".encode()}, event_types=["user.*"])
    assert (list(found.rows), problems(found)) == (uuids, [])


def test_an_event_is_read_before_a_text_beside_it(tmp_path: Path) -> None:
    """Fast or slowly: a whole event's unknown keys are nobody's business."""
    event = {**start("own"), "_raw": json.dumps(start("in-text"))}
    fast = read(tmp_path / "fast", {"x": ndjson([event])})
    slow = read(tmp_path / "slow", {"x": b"{}\n" + ndjson([event])})
    assert list(fast.rows) == list(slow.rows) == ["own"]


@pytest.mark.parametrize(
    "bad",
    [
        '{"uuid": oops}',
        '{"a": 1,, "b": 2}',
        '{"zz": ' + "[" * 5000 + "1," + "]" * 5000 + "}",
        '{"a": "}{", "b": ]}',
    ],
    ids=["word", "comma", "deep", "bracket"],
)
def test_a_refused_element_of_a_one_line_array_costs_itself(bad: str, tmp_path: Path) -> None:
    a, b = json.dumps(start("a")), json.dumps(start("b"))
    found = read(tmp_path, {"x": f"[{a}, {bad}, {b}]".encode()})
    assert sorted(found.rows) == ["a", "b"]
    assert problems(found) == [(1, *NOT_JSON)]
    assert found.rejects[0]["text"] == bad


def test_an_event_that_only_duckdb_reads_costs_no_neighbor(tmp_path: Path) -> None:
    deep = json.dumps(start("deep"))[:-1] + ', "zz": ' + "[" * 5000 + "]" * 5000 + "}"
    a, b = json.dumps(start("a")), json.dumps(start("b"))
    found = read(tmp_path, {"x": f'{{"x": 1}}\n[{a}, {deep}, {b}]'.encode()})
    assert sorted(found.rows) == ["a", "b", "deep"]
    assert problems(found) == [(1, *NO_EVENT), (2, "no strict JSON", True)]


@pytest.mark.parametrize("shape", [event_hook, api_array], ids=["hook", "array"])
@pytest.mark.parametrize("packing", sorted(PACKINGS))
def test_half_a_letter_can_be_kept(shape: object, packing: str, tmp_path: Path) -> None:
    """A lone surrogate is no UTF-8; in the rejects it stands as the escape that it was."""
    write = event_hook if shape is event_hook else api_array
    data = write([start("a", outcome__reason="\ud800"), start("b", outcome__reason="\udcff")])
    spoiled = data + b'\n{"zz": "\xff", "records": [' + json.dumps(start("c")).encode() + b", "
    spoiled += json.dumps(start("d", outcome__reason="\ud800")).encode() + b"]}\n"
    found = read(tmp_path, {"x": PACKINGS[packing](spoiled)})
    assert sorted(found.rows) == ["a", "b", "c", "d"]
    assert [row["outcome_reason"] for row in found.rows.values()] == [
        "\ufffd",
        "\ufffd",
        None,
        "\ufffd",
    ]


@pytest.mark.parametrize("spoiled", [False, True], ids=["text", "base64"])
def test_a_long_reject_is_kept_whole(spoiled: bool, tmp_path: Path) -> None:
    """It is written in pieces, at whose edges nothing may be lost."""
    text = ('\U0001f600"\n\x1b' + "x" * 1000) * (2 * PIECE // 1000) + "\udcff" * spoiled
    with Rejects(tmp_path / "rejects") as rejects:
        rejects.add(Problem("why", "a", 1, used=False, text=text))
    kept = json.loads((tmp_path / "rejects").read_text(encoding="ascii"))
    if spoiled:
        assert base64.b64decode(kept["base64"]) == text.encode("utf-8", "surrogateescape")
    else:
        assert kept["text"] == text


class Counting(Parser):
    """Counts the characters that lie before it."""

    seen = 0

    def decode(self, text: str, at: int) -> tuple[object, int]:
        self.seen += len(text) - at
        return super().decode(text, at)


def chunks(text: str) -> Iterator[str]:
    size = 64 * 1024
    return (text[at : at + size] for at in range(0, len(text), size))


def test_objects_left_open_take_no_time_by_their_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these lines would nest the ones below it into itself."""
    monkeypatch.setattr(documents, "PATIENCE", 1024 * 1024)
    line = '{"b": [' + "0," * 500 + '0], "a":'
    lines = [line] * 2000
    lines += [json.dumps(start(f"e{number}")) for number in range(3)]
    parser = Counting()
    values = list(documents.documents(chunks("\n".join(lines)), parser))
    assert [value.reason for value in values] == ["not JSON"] * 2000 + [None] * 3
    assert [value.line for value in values] == list(range(1, 2004))
    assert parser.seen < 10 * len("\n".join(lines))


def test_a_long_line_without_end_is_taken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT", 100_000)
    monkeypatch.setattr(documents, "MAX_LINE", 200_000)
    text = '{"a": "' + "\U0001f600" * 1_000_000 + '"}\n{"b": 1}'
    values = list(documents.documents(chunks(text), Parser()))
    assert "".join(value.text for value in values[:-1]) == text[: text.index("\n")]
    assert max(len(value.text) for value in values) < 300_000
    assert {value.reason for value in values[:-1]} == {documents.TOO_LONG}
    assert (values[-1].line, values[-1].parsed) == (2, {"b": 1})
