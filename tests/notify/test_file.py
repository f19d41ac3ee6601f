"""Notices to a file: one line each, whatever broke off before."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.notify.receivers import NOTICE, table
from tests.report.ocsf_schema import validated_events

from mfagap.errors import NotifyError, SettingsError
from mfagap.notify import file as kind
from mfagap.notify.file import TAIL, File


def lines(path: Path) -> list[Any]:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.jsonl"


def test_a_line_each(path: Path) -> None:
    out = File(path)
    out.send("1", NOTICE, 5)
    out.send("2", {**NOTICE, "title": "„Ada“\n\u2028{"}, 6)
    assert lines(path) == [
        {**NOTICE, "key": "1", "at_ms": 5},
        {**NOTICE, "key": "2", "at_ms": 6, "title": "„Ada“\n\u2028{"},
    ]
    assert path.read_bytes().isascii()


def test_the_same_key_is_written_once(path: Path) -> None:
    File(path).send("1-1-log", NOTICE, 5)
    File(path).send("1-1-log", {**NOTICE, "title": "another"}, 6)
    File(path).send("11-1-log", NOTICE, 7)
    File(path).send("1-1-lo", NOTICE, 8)
    File(path).send('1-1-"log', NOTICE, 9)
    File(path).send('1-1-"log', NOTICE, 10)
    assert [(line["key"], line["at_ms"]) for line in lines(path)] == [
        ("1-1-log", 5),
        ("11-1-log", 7),
        ("1-1-lo", 8),
        ('1-1-"log', 9),
    ]


def test_text_that_looks_like_a_key_is_none(path: Path) -> None:
    File(path).send("1", {**NOTICE, "users": ['"key": "2",', '{"key": "2", "kind": "x"}']}, 5)
    File(path).send("2", NOTICE, 6)
    assert [line["key"] for line in lines(path)] == ["1", "2"]


def test_detection_findings(path: Path) -> None:
    out = kind.build(table(type="file", path=str(path), format="ocsf"))
    for key, moment_ms in (("7-12-log", 5), ("7-13-log", 6), ("7-12-log", 7)):
        out.send(key, {**NOTICE, "session_ids": ["7-13-log", '"key": "7-13-log"']}, moment_ms)
    events = validated_events(path.read_text(encoding="utf-8"))
    assert [(event["unmapped"]["key"], event["time"]) for event in events] == [
        ("7-12-log", 5),
        ("7-13-log", 6),
    ]
    assert path.read_bytes().isascii()


@pytest.mark.parametrize("name", ["Größe", "\x7f", "\u2028", '"', "\\"])
@pytest.mark.parametrize("form", ["json", "ocsf"])
def test_the_same_key_is_known_however_it_is_written(path: Path, name: str, form: str) -> None:
    for _ in range(2):
        File(path, form).send(f"7-12-{name}", NOTICE, 5)
    assert len(lines(path)) == 1


@pytest.mark.parametrize("cut", [1, 2, 100, -1])
def test_a_line_that_broke_off_is_written_again(path: Path, cut: int) -> None:
    File(path).send("1", NOTICE, 5)
    whole = path.read_bytes()
    File(path).send("2", NOTICE, 6)
    torn = path.read_bytes()[: len(whole) + cut] if cut > 0 else path.read_bytes()[:-1]
    path.write_bytes(torn)
    File(path).send("2", NOTICE, 7)
    assert [(line["key"], line["at_ms"]) for line in lines(path)] == [("1", 5), ("2", 7)]


def test_a_key_is_looked_for_at_the_end_of_a_long_file(path: Path) -> None:
    path.write_text('{"key": "0", "kind": "opened"}\n' * (2 * TAIL // 31), encoding="utf-8")
    before = len(lines(path))
    File(path).send("1", NOTICE, 5)
    File(path).send("1", NOTICE, 6)
    assert lines(path)[before:] == [{**NOTICE, "key": "1", "at_ms": 5}]


@pytest.mark.parametrize(
    ("place", "why"),
    [(".", "Is a directory"), ("no/file", "No such file or directory"), ("f/f", "Not a directory")],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, place: str, why: str) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(NotifyError) as caught:
        File(tmp_path / place).send("1", NOTICE, 5)
    assert str(caught.value) == f"{tmp_path / place}: {why}"


def test_the_settings_name_it(path: Path) -> None:
    kind.build(table(type="file", path=str(path), severity="low")).send("1", NOTICE, 5)
    assert lines(path) == [{**NOTICE, "key": "1", "at_ms": 5}]
    with pytest.raises(SettingsError) as caught:
        kind.build(table(type="file"))
    assert str(caught.value) == "mfagap.toml:3: routes.soc.path: is missing; it is a text"
    with pytest.raises(SettingsError) as caught:
        kind.build(table(type="file", path="x", rotate=1))
    told = "routes.soc.rotate: unknown; known is: type, severity, path, format"
    assert str(caught.value) == f"mfagap.toml:3: {told}"
