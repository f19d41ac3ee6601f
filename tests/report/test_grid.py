"""Lines that have no room go on below: whole, and never wider than the terminal."""

from unicodedata import east_asian_width

from hypothesis import given
from hypothesis import strategies as st

from mfagap.report import grid

PIECES = st.sampled_from(
    ("a", "bb", "ccc", "管", "漢字", "\u0e31", "👍🏽", "-", "x" * 50, " ", "   ")
)


def columns(text: str) -> int:
    """Return how many columns a terminal may need that joins no two characters."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


@given(
    margin=st.sampled_from((0, 2, 4, 8)),
    pieces=st.lists(PIECES, max_size=60),
    width=st.sampled_from((40, 60, 80, 110)),
)
def test_no_text_is_lost_and_none_is_wider(margin: int, pieces: list[str], width: int) -> None:
    line = (" " * margin + "".join(pieces)).rstrip()
    first, *others = grid.wrapped(line, width)
    assert "".join("".join([first, *others]).split()) == "".join(line.split())
    margin = len(line) - len(line.lstrip())
    has_room = width - margin - grid.GOES_ON >= grid.LEAST
    assert max(map(columns, (first, *others))) <= width or not has_room
    assert len(first) - len(first.lstrip()) == margin
    assert all(other.startswith(" " * (margin + grid.GOES_ON)) for other in others)
