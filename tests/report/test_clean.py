import json
from email import message_from_string
from email.policy import default

import pytest

from mfagap.report.clean import cell, json_line, mail, terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("curl/8.5.0", "curl/8.5.0"),
        ("Zoë Ångström 日本語 ✓", "Zoë Ångström 日本語 ✓"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]8;;https://example.com\x1b\\x\x1b]8;;\x07", None),
        ("\x9b31mC1\x85\x90", "\\x9b31mC1\\x85\\x90"),
        ("a\nb\rc\td\0e\x7f", "a\\x0ab\\x0dc\\x09d\\x00e\\x7f"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("\u2066x\u2069\u061c\u200e\u200f", "\\u2066x\\u2069\\u061c\\u200e\\u200f"),
        ("a\u200bb\u200cc\u200dd\u2060e\ufefff", "a\\u200bb\\u200cc\\u200dd\\u2060e\\ufefff"),
        ("a\u00adb\u3164c\ufe0fd", "a\\xadb\\u3164c\\ufe0fd"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("tag\U000e0041", "tag\\ue0041"),
        ("half\ud800", "half\\ud800"),
        ("a\u20dd\u0488\u0489\ua670b", "a\\u20dd\\u0488\\u0489\\ua670b"),
        ("a\U0001d173\U00013430b", "a\\u1d173\\u13430b"),
        ("a\u2800\u17b4\U000e0100b", "a\\u2800\\u17b4\\ue0100b"),
        ("a\ue000\uffffb", "a\\ue000\\uffffb"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("", ""),
    ],
)
def test_what_steers_a_terminal_is_spelled_out(text: str, shown: str | None) -> None:
    clean = terminal(text)
    assert clean.isprintable()
    if shown is not None:
        assert clean == shown


def test_a_composed_accent_stays_and_a_pile_goes() -> None:
    assert terminal("e\u0301") == "é"
    assert terminal("z" + "\u0335\u0321\u0347\u030a" * 20 + "a") == "za"


@pytest.mark.parametrize(
    ("length", "shown"), [(9, "x" * 9), (10, "x" * 10), (11, "x" * 9 + "…"), (5000, "x" * 9 + "…")]
)
def test_a_long_text_is_cut(length: int, shown: str) -> None:
    assert terminal("x" * length, 10) == shown


def test_two_hundred_characters_are_enough() -> None:
    assert len(terminal("x" * 201)) == 200


def test_escapes_count_as_they_are_shown() -> None:
    assert terminal("\x1b" * 10, 10) == "\\x1b\\x1b\\…"


def test_a_cut_shows_even_where_nothing_is_left_to_draw() -> None:
    assert terminal("ada" + "\u0335" * 300 + "@example.net", 200) == "ada…"


@pytest.mark.parametrize("first", ["=", "+", "-", "@"])
@pytest.mark.parametrize("space", ["", " ", "  ", "\u00a0"])
def test_no_cell_is_a_formula(first: str, space: str) -> None:
    assert cell(f"{space}{first}1+1") == f"'{space}{first}1+1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\t=1+1", "\\x09=1+1"),
        ("\r=1+1", "\\x0d=1+1"),
        ("a\nb", "a\\x0ab"),
        ("a=b", "a=b"),
        ("1-1", "1-1"),
        ("x" * 500, "x" * 500),
        ("\x1b[31m\u202e", "\\x1b[31m\\u202e"),
        ("a\u20dd\u2800\U0001d173", "a\\u20dd\\u2800\\u1d173"),
        ("Mozilla/5.0 (X11; Linux; rv:1)", "Mozilla/5.0 (X11; Linux; rv:1)"),
        ("x;=1+1;y", "x;'=1+1;y"),
        ('x; "+1;-1', "x;' \"+1;'-1"),
        ("x;\u00a0\uff1d1", "x;'\u00a0\uff1d1"),
        (";@a", ";'@a"),
        ('"=1', "'\"=1"),
    ],
)
def test_a_cell_is_one_line_and_whole(text: str, shown: str) -> None:
    assert cell(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("curl/8.5.0 (+http://example.com)", "curl/8.5.0 (+http[://]example.com)"),
        ("HTTPS://WWW.example.com", "HTTPS[://]WWW[.]example.com"),
        ("awww.example.com", "awww.example.com"),
        ("a\r\nBcc: b@example.com", "a\\x0d\\x0aBcc: b@example.com"),
        ("=?utf-8?q?a?= =?b", "= ?utf-8?q?a?= = ?b"),
        ("a\u202e\u3000\xa0b", "a\\u202e  b"),
        ("Zoë 日本", "Zoë 日本"),
    ],
)
def test_a_mail_shows_what_is_there(text: str, shown: str) -> None:
    assert mail(text) == shown


def test_no_encoded_word_is_decoded() -> None:
    word = "=?utf-8?b?SSBhbSBzYWZl?="
    assert message_from_string(f"Subject: {word}\n\n", policy=default)["Subject"] == "I am safe"
    safe = mail(word)
    assert message_from_string(f"Subject: {safe}\n\n", policy=default)["Subject"] == safe


def test_a_mail_is_cut() -> None:
    assert mail("x" * 500) == "x" * 500
    assert mail("x" * 501) == "x" * 499 + "…"


def test_a_json_line_is_ascii_on_one_line() -> None:
    value = {"a\n": "\x7f\x1b\u2028é\U0001f511", "b": [1, None, "\ud83d"]}
    line = json_line(value)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert line.isascii()
    assert json.loads(line) == {**value, "b": [1, None, "\ufffd"]}
