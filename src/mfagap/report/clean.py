"""Makes text from the log harmless for one output. Who writes user agents is the attacker."""

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from itertools import filterfalse
from typing import Any

_STEERING = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me"))
"""Unicode's categories of what is not drawn, steers what is, or encloses what stands before it."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What is a letter, mark or symbol to Unicode, and shows nothing all the same."""
_FORMULA = re.compile(r"(^|;)(?=[\s\"]*[=+\-@\uff0b\uff0d\uff1d\uff20])")
"""Where a spreadsheet would begin to calculate, wide forms included. In half of Europe a cell ends
at a semicolon, whatever quotes stand around it."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_PRINTABLE_ASCII = re.compile("[^ -~\n]+")
_LINK = re.compile(r"://|\bwww\.", re.IGNORECASE)


def terminal(text: str, limit: int = 200) -> str:
    r"""Return ``text`` on one line, without what steers a terminal or hides from the eye.

    Control characters (C0, C1), bidi controls and invisible ones become ``\x1b`` or ``\u202e``;
    a longer text ends in an ellipsis.
    """
    clean = _shown(text[: limit + 1])
    drawn = clean if clean.isascii() else _without_piles(clean)
    cut = max(len(text), len(drawn)) > limit
    return drawn[: limit - 1] + "…" if cut else drawn


def _without_piles(text: str) -> str:
    """Return ``text`` without the marks that draw over the lines around; composed are letters."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(filterfalse(unicodedata.combining, composed))


def _shown(text: str) -> str:
    """Return ``text`` with what hides or steers spelled out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown_char, text))


@lru_cache(maxsize=4096)
def _shown_char(char: str) -> str:
    """Return ``char`` as it is shown; a text is long, and has few that differ."""
    return _escaped(char) if _is_hidden(char) else char


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _STEERING or _INVISIBLE.match(char) is not None


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def cell(text: str) -> str:
    """Return ``text`` for a CSV cell: no control characters, and no formula when opened."""
    return _FORMULA.sub(r"\1'", _shown(text))


def html(text: str, limit: int = 300) -> str:
    """Return ``text`` on one line for a page: what ``terminal`` does, and nothing unseen at all.

    The markup in it is the template's to escape.
    """
    shown = terminal(text, limit)
    if shown.isprintable():
        return shown
    seen = "".join(char if char.isprintable() else _seen(char) for char in shown)
    return seen if len(seen) <= limit else seen[: limit - 1] + "…"


def html_lines(text: str, limit: int = 20_000) -> str:
    """Return ``text`` for a page, its lines kept."""
    return "\n".join(html(line, limit) for line in text[:limit].expandtabs(4).split("\n"))


def _seen(char: str) -> str:
    """Return a wide or narrow space as a plain one; what has no picture as its number."""
    return " " if unicodedata.category(char) == "Zs" else f"\\u{ord(char):04x}"


def mail(text: str, limit: int = 500) -> str:
    """Return ``text`` on one line for a mail: what ``html`` does, and few links.

    Mail programs make links of what looks like one: ``https://`` becomes ``https[://]``. An encoded
    word (``=?utf-8?...?=``), in which a subject could hide anything, is taken apart.
    """
    plain = html(text, limit).replace("=?", "= ?")
    return _LINK.sub(lambda match: f"{match[0][:-1]}[.]" if match[0] != "://" else "[://]", plain)


def json_line(value: Mapping[str, Any]) -> str:
    """Return ``value`` as one line of printable ASCII, which any JSON parser takes.

    Half a surrogate pair becomes U+FFFD: strict parsers refuse the whole line for it, and so a user
    agent could hide its finding from them.
    """
    return json_text(value, None) + "\n"


def json_text(value: object, indent: int | None = 2, *, sort_keys: bool = False) -> str:
    """Return ``value`` as ``json_line`` does, by default on many lines."""
    # Line ends inside of a text are escaped by then: what is left of them parts the lines.
    written = json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=sort_keys)
    text = _LONE_SURROGATE.sub("\ufffd", written)
    return _NOT_PRINTABLE_ASCII.sub(_units, text)


def _units(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
