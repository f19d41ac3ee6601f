"""Makes text from the log harmless for one output. Who writes user agents is the attacker."""

import re
import unicodedata

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_FORMULA = ("=", "+", "-", "@", "\uff0b", "\uff0d", "\uff1d", "\uff20")
"""What a spreadsheet calculates, wide forms included."""


def terminal(text: str, limit: int = 200) -> str:
    r"""Return ``text`` on one line, without what steers a terminal or hides from the eye.

    Control characters (C0, C1), bidi controls and invisible ones become ``\x1b`` or ``\u202e``;
    a longer text ends in an ellipsis.
    """
    clean = _HIDDEN.sub(_escaped, text[: limit + 1])
    # A pile of combining marks draws over the lines around it; composed ones are letters.
    composed = unicodedata.normalize("NFC", clean)
    drawn = "".join(char for char in composed if not unicodedata.combining(char))
    cut = max(len(text), len(drawn)) > limit
    return drawn[: limit - 1] + "…" if cut else drawn


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def cell(text: str) -> str:
    """Return ``text`` for a CSV cell: no control characters, and no formula when opened."""
    clean = _HIDDEN.sub(_escaped, text)
    return "'" + clean if clean.lstrip().startswith(_FORMULA) else clean
