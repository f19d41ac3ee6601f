from pathlib import Path

import pytest

from mfagap.detect.document import MAX_BYTES, Key, read
from mfagap.errors import ContentError

TEXT = """\
# a comment
title: x
list:
  - one
  - {name: two,
     more: [a, b]}
map:
  inner:
    deep: 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yml"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2),
        (("title",), 2),
        (("list",), 3),
        (("list", 0), 4),
        (("list", 1), 5),
        (("list", 1, "more"), 6),
        (("list", 1, "more", 1), 6),
        (("map", "inner", "deep"), 9),
        (("map", "inner", "absent"), 8),
        (("list", 7), 3),
        (("absent", "below"), 2),
    ],
)
def test_every_value_has_a_line(file: Path, path: Key, line: int) -> None:
    file.write_text(TEXT, encoding="utf-8")
    document = read(file)
    assert document.line(path) == line
    error = document.error("off", path)
    assert (str(error), error.file, error.line) == (f"{file}:{line}: off", str(file), line)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("2026-01-15", "2026-01-15"),
        ("2026-01-15T12:00:00Z", "2026-01-15T12:00:00Z"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("infinity", "infinity"),
        ("0x1F", "0x1F"),
        ("٣", "٣"),
        ("1.2.3", "1.2.3"),
        ("'7'", "7"),
        ('"true"', "true"),
        ("'~'", "~"),
        ("''", ""),
        ("plain words", "plain words"),
        ("|\n  7\n", "7\n"),
    ],
)
def test_scalars_follow_the_core_rules(file: Path, text: str, value: object) -> None:
    file.write_text(f"key: {text}", encoding="utf-8")
    (found,) = read(file).data.values()
    assert found == value
    assert type(found) is type(value)


def test_an_empty_file_is_null(file: Path) -> None:
    file.write_text("", encoding="utf-8")
    document = read(file)
    assert (document.data, document.line(())) == (None, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "3: key 'a' is given twice"),
        ("a:\n  - {b: 1, b: 2}\n", "2: key 'b' is given twice"),
        ("a: 1\nb: [1, 2\n", "3: no YAML: did not find expected ',' or ']'"),
        ("a: 1\n b: 2\n", "2: no YAML: mapping values are not allowed in this context"),
        ("a: 1\n---\nb: 2\n", "2: no YAML: holds another document"),
        ("? [a]\n: 1\n", "1: no YAML: a key must be a text"),
        ("a: *b\n", "1: no YAML: an alias, which is not taken here; write the value out"),
        (
            "a: &b 1\nc: [*b]\n",
            "2: no YAML: an alias, which is not taken here; write the value out",
        ),
    ],
)
def test_what_is_off_has_a_line(file: Path, text: str, message: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        read(file)
    assert str(caught.value) == f"{file}:{message}"


def test_a_control_character_is_no_yaml(file: Path) -> None:
    file.write_bytes(b"a: \x07")
    with pytest.raises(ContentError, match="no YAML: unacceptable character"):
        read(file)


def test_no_utf_8(file: Path) -> None:
    file.write_bytes(b"a: \xff")
    with pytest.raises(ContentError, match="cannot be read: 'utf-8' codec"):
        read(file)


def test_no_file(file: Path) -> None:
    with pytest.raises(ContentError, match=r"x\.yml: cannot be read: .*No such file") as caught:
        read(file)
    assert caught.value.line is None


def test_aliases_do_not_multiply(file: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ContentError, match=r"x\.yml:2: no YAML: an alias"):
        read(file)


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "[" * 5000 + "]" * 5000, "- " * 5000])
def test_deep_nesting(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match=r"x\.yml:1: is nested too deeply"):
        read(file)


def test_a_number_without_end(file: Path) -> None:
    file.write_text("a: " + "9" * 5000, encoding="utf-8")
    with pytest.raises(ContentError, match=r"x\.yml: holds a number that is too long"):
        read(file)


def test_the_longest_file(file: Path) -> None:
    file.write_text("a: " + "é" * (MAX_BYTES // 2 - 2) + "x", encoding="utf-8")
    assert file.stat().st_size == MAX_BYTES
    assert len(read(file).data["a"]) == MAX_BYTES // 2 - 1
    file.write_text("a: " + "é" * (MAX_BYTES // 2 - 1), encoding="utf-8")
    with pytest.raises(ContentError, match=r"x\.yml: is longer than 1 MiB"):
        read(file)


def test_line_ends_of_every_kind(file: Path) -> None:
    file.write_bytes(b"a: |\r\n  one\r\n  two\rb: 2\n")
    assert read(file).data == {"a": "one\ntwo\n", "b": 2}
