"""A snapshot's file and digest: what it says is kept, and nothing else counts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fake_okta.whole_org import whole_org

from mfagap.errors import SourceError
from mfagap.harden.snapshot import canonical, digest, dump, load, settable
from mfagap.model.org import (
    NOTHING,
    Part,
    Snapshot,
)

NOW_MS = 1_768_564_800_123
WHOLE = Snapshot(
    NOW_MS,
    "https://example.okta.com",
    {
        "OKTA_SIGN_ON": Part(tuple(whole_org()["policies"][:2]), "the list is short"),
        "zones": Part(({"id": "nzo", "name": "\ud800\u202eé\x00", "big": 2**70, "x": 0.5},)),
        "api_tokens": Part(missing="Okta refuses"),
    },
)


def stored(into: Path, text: str) -> Path:
    file = into / "snapshot.json"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("snapshot", [WHOLE, NOTHING, replace(WHOLE, taken_ms=None)])
def test_what_is_written_is_read(snapshot: Snapshot, tmp_path: Path) -> None:
    text = dump(snapshot)
    assert text.isascii()
    read = load(stored(tmp_path, text))
    assert read == snapshot
    assert digest(read) == digest(snapshot)


def test_the_form_of_the_file() -> None:
    part: dict[str, Any] = {"items": [{"id": "a"}], "missing": None}
    snapshot = Snapshot(NOW_MS, "x", {"zones": Part(({"id": "a"},))})
    assert json.loads(dump(snapshot)) == {
        "mfagap_snapshot": 1,
        "taken_at": "2026-01-16T12:00:00.123Z",
        "origin": "x",
        "parts": {"zones": part},
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mfagap_snapshot": 2}, "no snapshot of mfagap's that this version reads"),
        ({"mfagap_snapshot": True}, "no snapshot of mfagap's"),
        ({"mfagap_snapshot": None}, "no snapshot of mfagap's"),
        ({"taken_at": "yesterday"}, "taken_at or origin is off"),
        ({"taken_at": "2026-01-16T12:00:00"}, "taken_at or origin is off"),
        ({"taken_at": 5}, "taken_at or origin is off"),
        ({"origin": None}, "taken_at or origin is off"),
        ({"parts": []}, "parts may be: OKTA_SIGN_ON, MFA_ENROLL, "),
        ({"parts": {"apps": {"items": [], "missing": None}}}, "parts may be: "),
        ({"parts": {"zones": []}}, "zones needs items, a list of objects, and missing"),
        ({"parts": {"zones": {"items": [1], "missing": None}}}, "zones needs items"),
        ({"parts": {"zones": {"items": [], "missing": 1}}}, "zones needs items"),
    ],
)
def test_a_file_that_is_off_is_named(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    file = stored(tmp_path, json.dumps({**json.loads(dump(WHOLE)), **changes}))
    with pytest.raises(SourceError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: {said}")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none: cannot be read: No such file"):
        load(tmp_path / "none")
    with pytest.raises(SourceError, match=r"no snapshot of mfagap's"):
        load(stored(tmp_path, "[]"))
    with pytest.raises(SourceError, match=r"snapshot\.json: no JSON"):
        load(stored(tmp_path, "{"))


def zones(*items: dict[str, Any], missing: str | None = None, at_ms: int | None = None) -> str:
    return digest(Snapshot(at_ms, str(at_ms), {"zones": Part(items, missing)}))


def test_the_digest_is_of_what_is_said() -> None:
    one = zones({"id": "a", "name": "b", "_links": {"self": 1}, "deep": [{"_links": 2, "x": 1}]})
    assert one == zones({"deep": [{"x": 1}], "name": "b", "id": "a"}, at_ms=5)
    assert len(one) == 64
    others = [
        zones({"id": "a", "name": "c", "deep": [{"x": 1}]}),
        zones({"id": "a", "name": "b", "deep": [{"x": True}]}),
        zones({"id": "a", "name": "b", "deep": [{"x": 1}]}, missing="short"),
        zones({"id": "a", "name": "b", "deep": [{"x": 1}], "lastUpdated": "now"}),
        digest(NOTHING),
    ]
    assert len({one, *others}) == 6


def test_canonical_json() -> None:
    value = {"b": [1, None, True, "é\ud800"], "a": {"d": 1.5, "c": "x"}}
    expected = '{"a":{"c":"x","d":1.5},"b":[1,null,true,"é\ud800"]}'
    assert canonical(value) == expected.encode("utf-8", "surrogatepass")


def test_settable_is_what_an_administrator_sets() -> None:
    set_by_okta = dict.fromkeys(("_links", "_link", "_embedded", "created", "lastUpdated"), 1)
    own: dict[str, Any] = {"id": "a", "system": False, "conditions": {"created": 1}}
    rules = [{**own, **set_by_okta}, "odd"]
    assert settable({**own, **set_by_okta, "rules": rules}) == {**own, "rules": [own, "odd"]}
    assert settable({"userId": "a", "factors": [set_by_okta]}) == {"userId": "a", "factors": [{}]}
    assert settable({"rules": {"created": 1}}) == {"rules": {"created": 1}}
