"""A page of an API is judged alike, whether DuckDB takes it or Python's parser has to."""

from pathlib import Path

import pytest

from mfagap.lake.pages import look

NEW = b'{"published": "2026-01-16T12:00:00Z", "target": [{"published": "2999-01-01"}]}'
OLD = b'{"published": "2026-01-15T12:00:00Z"}'
LONE = rb'{"published": "2026-01-14T12:00:00Z", "displayMessage": "\ud800"}'


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"[" + b",".join([OLD, NEW, OLD]) + b"]", (3, "2026-01-16T12:00:00Z")),
        (b"[" + b",".join([OLD, LONE, NEW]) + b"]\n", (3, "2026-01-16T12:00:00Z")),
        (b"[" + LONE + b"]", (1, "2026-01-14T12:00:00Z")),
        (b'[1, {"uuid": "a"}, []]', (3, "")),
        (rb'[1, {"published": 5, "a": "\ud800"}, []]', (3, "")),
        (b" []", (0, "")),
        (b"\xef\xbb\xbf[]", (0, "")),
        (b'{"published": "2026-01-16T12:00:00Z"}', None),
        (b"5", None),
    ],
)
def test_what_a_page_holds(body: bytes, seen: tuple[int, str] | None, tmp_path: Path) -> None:
    for name in ("page.json", "page[1].json"):  # the second is a pattern to DuckDB
        file = tmp_path / name
        file.write_bytes(body)
        assert look(file, body, 1000) == seen


@pytest.mark.parametrize(("full", "seen"), [(1, 1), (2, 4), (4, 4)])
def test_a_page_that_is_full_is_not_counted_on(full: int, seen: int, tmp_path: Path) -> None:
    file = tmp_path / "page.json"
    file.write_bytes(b"[1, 2, " + OLD + b", 3]")
    assert look(file, file.read_bytes(), full) == (seen, "2026-01-15T12:00:00Z")


@pytest.mark.parametrize("body", [b"", b"[}", b"[" + OLD, b"[" + OLD + b"] []", b'["\xff"]'])
def test_what_is_no_json_is_an_error(body: bytes, tmp_path: Path) -> None:
    file = tmp_path / "page.json"
    file.write_bytes(body)
    with pytest.raises(ValueError, match=r"."):
        look(file, body, 1000)
