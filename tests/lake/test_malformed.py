"""Input that is off: each thing is counted, placed and kept, and what can be used is used.

Every line stands between two good events, once in a file of its own, which may be read at full
speed, and once in one file with all the others, which never is: both must tell the same.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.events import ndjson, start
from tests.lake.reading import CUT, Reading, Row, cut, read

from mfagap.lake.fields import OBJECTS
from mfagap.lake.shapes import first_wins

DEEP = "[" * 100_000 + "]" * 100_000
LONG = "9" * 5_000

NOT_JSON = ("not JSON", False)
NOT_STRICT = ("no strict JSON", True)
NO_EVENT = ("JSON, but no Okta event", False)
CONTROL = ("control characters", True)
UTF8 = ("invalid UTF-8", True)
NO_TIME = ("published is no time", False)
TWICE = ("a key is given twice", True)


@dataclass(frozen=True, slots=True)
class Line:
    """A line, what it is called in the rejects, and the columns of the row it gives (or None)."""

    name: str
    data: bytes
    problems: tuple[tuple[str, bool], ...] = ()
    row: Row | None = None
    slow_problems: tuple[tuple[str, bool], ...] = ()


def spliced(name: str, old: str, new: str, /, **overrides: object) -> bytes:
    """Return a start's JSON with ``old`` replaced, for what no JSON library would write."""
    text = json.dumps(start(name, **overrides))
    assert text.count(old) == 1
    return text.replace(old, new).encode("utf-8", "surrogateescape")


def used(name: str, /, *problems: str, row: Row | None = None, **overrides: object) -> Line:
    found = tuple((problem, True) for problem in problems)
    return Line(name, json.dumps(start(name, **overrides)).encode(), found, row or {})


def lost(name: str, reason: str, /, **overrides: object) -> Line:
    return Line(name, json.dumps(start(name, **overrides)).encode(), ((reason, False),))


def off(name: str, old: str, new: str, *problems: tuple[str, bool], **row: object) -> Line:
    return Line(name, spliced(name, old, new), problems, row)


def lenient(name: str, old: str, new: str, **row: object) -> Line:
    """DuckDB takes it at once; on the way through Python it is counted, and used all the same."""
    return Line(name, spliced(name, old, new), (), row, (NOT_STRICT,))


def doubled(name: str, old: str, new: str, **row: object) -> Line:
    """The same, of a key given twice where DuckDB keeps the first and says nothing."""
    return Line(name, spliced(name, old, new), (), row, (TWICE,))


def at(path: tuple[str, ...], kind: str, value: object, *problems: str) -> Line:
    name = "-".join((kind, *path))
    data = json.dumps(start(name, **{"__".join(path): value})).encode()
    return Line(name, data, tuple((problem, True) for problem in problems), {})


REASON = '"reason": null'
DEBUG = '"debugData": {'
TARGET = '"target": null'
ACTOR = '{"actor"'

LINES = (
    Line("no-json", b"oops", (NOT_JSON,)),
    Line("no-json-object", b'{"uuid": oops}', (NOT_JSON,)),
    Line("cut", json.dumps(start("cut")).encode()[:-40], (NOT_JSON,)),
    Line("number", b"5", (NO_EVENT,)),
    Line("null", b"null", (NO_EVENT,)),
    Line("text", b'"text"', (NO_EVENT,)),
    Line("other-json", b'{"a": 1}', (NO_EVENT,)),
    Line("empty-object", b"{}", (NO_EVENT,)),
    lost("uuid-null", "no uuid", uuid=None),
    lost("uuid-empty", "no uuid", uuid=""),
    lost("uuid-blank", "no uuid", uuid=" \t\u00a0"),
    lost("uuid-object", "no uuid", uuid={"id": "x"}),
    lost("uuid-list", "no uuid", uuid=["x"]),
    lost("uuid-brace", "no uuid", uuid="{x}"),
    Line("uuid-left-out", spliced("x", '"uuid": "x", ', ""), (("no uuid", False),)),
    lost("uuid-sentence", "uuid is no id", uuid="not an id"),
    lost("uuid-markup", "uuid is no id", uuid="<b>"),
    lost("uuid-101-long", "uuid is no id", uuid="x" * 101),
    lost("uuid-nul", "uuid is no id", uuid="a\0b"),
    lost("uuid-tab", "uuid is no id", uuid="\tid"),
    lost("uuid-line-end", "uuid is no id", uuid="id\n"),
    used("uuid-100-long", uuid="x" * 100, row={"uuid": "x" * 100}),
    used("uuid-padded", uuid="  p.a:d_d-1  ", row={"uuid": "p.a:d_d-1"}),
    used("uuid-padded-otherwise", uuid="\u00a0nbsp\u2003", row={"uuid": "nbsp"}),
    lost("type-null", "no eventType", eventType=None),
    lost("type-object", "no eventType", eventType={}),
    lost("time-null", "no published", published=None),
    lost("time-list", "no published", published=[]),
    lost("time-number", NO_TIME[0], published=1_768_478_400_000),
    lost("time-garbage", NO_TIME[0], published="yesterday"),
    lost("time-month-13", NO_TIME[0], published="2021-13-45"),
    lost("time-month-13-whole", NO_TIME[0], published="2021-13-45T00:00:00.000Z"),
    lost("time-infinity", NO_TIME[0], published="infinity"),
    lost("time-true", NO_TIME[0], published=True),
    used("received-garbage", p_parse_time="soon", row={"received_ms": None}),
    used("number-as-uuid", uuid=12, row={"uuid": "12"}),
    off("bad-utf8", REASON, '"reason": "a\udcffb"', UTF8, outcome_reason="a\ufffdb"),
    off("bad-utf8-unknown-key", ACTOR, '{"zz": "\udcff", "actor"', UTF8),
    off(
        "surrogate-bytes",
        REASON,
        '"reason": "\udced\udca0\udc80"',
        UTF8,
        outcome_reason="\ufffd" * 3,
    ),
    off(
        "lone-surrogate",
        REASON,
        '"reason": "a\\ud800b"',
        ("lone surrogate", True),
        outcome_reason="a\ufffdb",
    ),
    off("pair", REASON, '"reason": "\\ud83d\\ude00"', outcome_reason="\U0001f600"),
    off("nul-escape", REASON, '"reason": "a\\u0000b"', outcome_reason="a\0b"),
    off("nul", REASON, '"reason": "a\0b"', CONTROL, outcome_reason="a\0b"),
    off("escape", REASON, '"reason": "a\x1b[31mb"', CONTROL, outcome_reason="a\x1b[31mb"),
    off("nul-in-debug", DEBUG, DEBUG + '"factor": "a\0b", ', CONTROL, factor="a\0b"),
    off("tab", REASON, '"reason": "a\tb"', outcome_reason="a\tb"),
    off("bom", ACTOR, "\ufeff" + ACTOR),
    off("padded", ACTOR, "  \t" + ACTOR),
    off(
        "duplicate",
        ACTOR,
        '{"outcome": {"result": "FIRST"}, "actor"',
        TWICE,
        outcome_result="FIRST",
    ),
    off("duplicate-id", ACTOR, '{"uuid": "first", "actor"', TWICE, uuid="first"),
    off(
        "duplicate-nested",
        '"result": "SUCCESS"',
        '"result": "FIRST", "result": "SECOND"',
        TWICE,
        outcome_result="FIRST",
    ),
    off("duplicate-debug", DEBUG, DEBUG + '"factor": "A", "factor": "B", ', TWICE, factor="A"),
    off("duplicate-unknown", ACTOR, '{"zz": 1, "zz": {}, "actor"', TWICE),
    doubled("duplicate-target", TARGET, '"target": [{"id": "a", "id": "b"}]', target_id="a"),
    off("duplicate-targets", TARGET, '"target": [{"id": "a"}], "target": []', TWICE, target_id="a"),
    off("escaped-duplicate", ACTOR, '{"\\u0075uid": "escaped", "actor"', TWICE, uuid="escaped"),
    off("escaped-key", '"uuid"', '"\\u0075uid"'),
    off("escaped-nested", '"result"', '"r\\u0065sult"', outcome_result="SUCCESS"),
    off("escaped-debug", '"requestUri"', '"r\\u0065questUri"', request_uri="/api/v1/authn"),
    off("other-case", '"outcome"', '"Outcome"', outcome_result="SUCCESS"),
    off("nan", REASON, '"reason": NaN', outcome_reason="NaN"),
    off("nan-number", '"asNumber": 64500', '"asNumber": NaN', as_number=None),
    off("nan-in-debug", DEBUG, DEBUG + '"factor": NaN, ', factor="NaN"),
    off("number-beyond-all", REASON, '"reason": 1e400', outcome_reason="1e400"),
    off("number-as-text", REASON, '"reason": -1.10E0', outcome_reason="-1.1"),
    off("infinity", '"asNumber": 64500', '"asNumber": -Infinity', as_number=None),
    off("beyond-bigint", '"asNumber": 64500', f'"asNumber": {10**20}', as_number=None),
    lenient("deep", ACTOR, f'{{"zz": {DEEP}, "actor"'),
    lenient("deep-200", ACTOR, f'{{"zz": {"[" * 250}{"]" * 250}, "actor"', actor_type="User"),
    lenient("deep-beside-detail", ACTOR, f'{{"detail": "x", "zz": {DEEP}, "actor"'),
    lenient("deep-in-debug", DEBUG, f'{DEBUG}"zz": {DEEP}, ', request_uri="/api/v1/authn"),
    lenient("deep-in-target", TARGET, f'"target": [{{"id": "a", "zz": {DEEP}}}]', target_id="a"),
    lenient("deep-in-reason", REASON, f'"reason": {DEEP}', outcome_reason=cut(DEEP)),
    lenient("long-number", ACTOR, f'{{"zz": {LONG}, "actor"'),
    lenient("long-in-debug", DEBUG, f'{DEBUG}"zz": {LONG}, "factor": "A", ', factor="A"),
    lenient("long-as-number", '"asNumber": 64500', f'"asNumber": {LONG}', as_number=None),
    lenient("trailing-comma", TARGET, f"{TARGET}, ", client_ip="192.0.2.10"),
    Line("bad-utf8-and-comma", spliced("x", TARGET, f'"zz": "\udcff", {TARGET},'), (NOT_JSON,)),
    used(
        "deep-in-text",
        "wrong type of debugContext.debugData",
        debugContext__debugData=f'{{"zz": {"[" * 300}{"]" * 300}}}',
    ),
    used("debug-text", "wrong type of debugContext.debugData", debugContext__debugData=""),
    used("debug-json-text", debugContext__debugData='{"factor": "A"}', row={"factor": "A"}),
    used("target-object", target={"type": "User", "id": "a"}, row={"target_id": "a"}),
    used("target-json-text", target='[{"id": "a"}]', row={"target_id": "a"}),
    used("target-text", "wrong type of target", target="a", row={"target_id": None}),
    used("target-false", "wrong type of target", target=False, row={"target_id": None}),
    used("target-entry", "wrong type of target[]", target=[5, {"id": "a"}], row={"target_id": "a"}),
    used("target-null-entry", "wrong type of target[]", target=[{"id": "a"}, None]),
    used("target-detail-text", target=[{"id": "a", "detailEntry": "x"}], row={"target_id": "a"}),
    used("target-other-case", target=[{"ID": "a"}], row={"target_id": None}),
    used("value-object", outcome__result={"a": [1]}, row={"outcome_result": '{"a":[1]}'}),
    used("debug-value-list", debugContext__debugData__factor=["a"], row={"factor": '["a"]'}),
    used("new-enum", outcome__result="PERHAPS", row={"outcome_result": "PERHAPS"}),
    used("new-keys", zz={"a": [None]}, actor__zz=None, debugContext__debugData__zz={"a": 1}),
    used("new-type", eventType="brand.new.Type", row={"event_type": "brand.new.Type"}),
    Line("json-text", json.dumps(json.dumps(start("json-text"))).encode(), (), {}),
    Line("json-text-bad", json.dumps('{"uuid": 1').encode(), (NO_EVENT,)),
    *(at(path, "null", None) for path in OBJECTS),
    *(at(path, "list", ["a"], f"wrong type of {'.'.join(path)}") for path in OBJECTS),
    *(at(path, "string", "a", f"wrong type of {'.'.join(path)}") for path in OBJECTS),
    *(at(path, "json", json.dumps({"id": "00uX"})) for path in OBJECTS),
)


def _framed(line: Line) -> bytes:
    before, after = start(f"{line.name}-before"), start(f"{line.name}-after")
    return ndjson([before]) + line.data + b"\n" + ndjson([after])


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """Each line in a file of its own: what the strict reader takes is read by it alone."""
    return read(tmp_path_factory.mktemp("fast"), {line.name: _framed(line) for line in LINES})


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """All lines in one file, which no strict reader takes."""
    return read(tmp_path_factory.mktemp("slow"), {"all": b"".join(map(_framed, LINES))})


def _uuid(line: Line) -> str:
    return str((line.row or {}).get("uuid", line.name))


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_a_line_is_used_or_counted(line: Line, fast: Reading) -> None:
    assert fast.of(line.name) == [(2, *problem) for problem in line.problems]
    assert {f"{line.name}-before", f"{line.name}-after"} <= fast.rows.keys()
    row = fast.rows.get(_uuid(line))
    if line.row is None:
        assert row is None
    else:
        assert row is not None
        assert {name: row[name] for name in line.row} == line.row


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_both_ways_give_the_same_row(line: Line, fast: Reading, slow: Reading) -> None:
    place = 3 * LINES.index(line) + 2
    found = [(reason, used) for number, reason, used in slow.of("all") if number == place]
    assert found == list(line.slow_problems or line.problems)
    one, other = fast.rows.get(_uuid(line)), slow.rows.get(_uuid(line))
    if one is None or other is None:
        assert one is other
        return
    assert {**one, **TEXTS} == {**other, **TEXTS}
    if not line.slow_problems:
        assert [_told(one[name]) for name in TEXTS] == [_told(other[name]) for name in TEXTS]


TEXTS = {"debug_data": None, "targets": None}
"""Columns of JSON text: spaced and escaped in another way, and where a value had to be left to
DuckDB, without what nobody reads. They hold the same values all the same."""


def _told(text: str | None) -> str:
    return repr(json.loads(text or "null", object_pairs_hook=first_wins))


def test_totals_count_what_is_used(fast: Reading, slow: Reading) -> None:
    good = 2 * len(LINES) + sum(line.row is not None for line in LINES)
    for reading, files in ((fast, len(LINES)), (slow, 1)):
        assert len(reading.rows) == good
        assert (reading.totals.files, reading.totals.deliveries) == (files, good)
        assert (reading.totals.duplicates, reading.totals.foreign) == (0, {})


def test_each_reject_is_kept_whole(fast: Reading) -> None:
    lines = {line.name: line.data for line in LINES}
    *rejects, last = fast.rejects
    assert (last["reason"], last["used"]) == CUT
    assert json.loads(last["text"]) == {"uuid": "deep-in-reason", "cut": ["outcome_reason"]}
    assert len(rejects) == sum(len(line.problems) for line in LINES)
    for reject in rejects:
        whole = lines[reject["file"]].lstrip()
        if b"\xff" in whole or reject["reason"] == UTF8[0]:
            assert base64.b64decode(reject["base64"]) == whole
            assert reject.keys() == {"file", "line", "reason", "used", "base64"}
        else:
            assert reject["text"].encode() == whole
            assert reject.keys() == {"file", "line", "reason", "used", "text"}


@pytest.mark.parametrize("change", [str.lower, str.upper], ids=["lower", "upper"])
def test_wrong_types_are_told_in_any_spelling(change: Callable[[str], str], tmp_path: Path) -> None:
    event = start(
        "spelled",
        actor="a",
        target=[1, {"ID": "t", "DetailEntry": {"POLICYTYPE": "x"}}, {"DETAILENTRY": "x"}],
    )
    found = read(tmp_path, {"a": ndjson([{change(key): value for key, value in event.items()}])})
    assert found.of("a") == [(1, "wrong type of actor", True), (1, "wrong type of target[]", True)]
    row = found.rows["spelled"]
    assert (row["actor_id"], row["target_id"], row["session_id"]) == (
        None,
        "t",
        "102A-start-session",
    )
