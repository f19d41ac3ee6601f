"""Tables for a terminal: wide where there is none, and narrow ones drop what matters least."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO
from unicodedata import east_asian_width

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mfagap.model import Severity

PLAIN_WIDTH = 1000
"""Columns where the output is no terminal: a row is one line there, for grep and wc."""

LEAST = 16
"""The width down to which a long column is folded."""
LEAST_OF_OTHERS = 12
"""The width down to which another that may be folded is, before ``Layout.last`` are dropped."""

GOES_ON = 6
"""Columns by which a line is set in that goes on with the one above."""

STYLES: Mapping[Severity, str] = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFORMATIONAL: "dim",
}


class Terminal(Console):
    """A console that never reads text as markup.

    Rich's own ends the process with exit code 1 where the reader of a pipe is gone.

    Args:
        out: A terminal or a file.
        color: Whether ``out`` is a terminal that takes color.
    """

    def __init__(self, out: IO[str], *, color: bool) -> None:
        super().__init__(
            file=out,
            width=None if color or out.isatty() else PLAIN_WIDTH,
            no_color=not color,
            force_terminal=color,
            highlight=False,
            emoji=False,
            markup=False,
        )
        self.color = color

    def on_broken_pipe(self) -> None:
        """Leave it to the caller."""
        raise BrokenPipeError

    def say(self, line: str = "", style: str = "", most: int = PLAIN_WIDTH) -> None:
        """Print ``line``, which is clean, in ``most`` columns; what has no room goes on below."""
        for part in wrapped(line, min(self.width, most)):
            self.print(Text(part, style=style if self.color else ""))


def wrapped(line: str, width: int) -> list[str]:
    """Return ``line``, which is clean, as lines of ``width`` columns at most.

    What goes on below is set in deeper than any line of its own is: text from the log cannot look
    like another one. In a terminal that is too narrow for that the line stays whole.
    """
    line = line.rstrip()
    margin = len(line) - len(line.lstrip())
    room = width - margin - GOES_ON
    if _columns(line) <= width or room < LEAST:
        return [line]
    parts: list[str] = []
    part = ""
    for word in re.findall(r"\s*\S+", line[margin:]):
        if part and _columns(part + word) > room:
            parts.append(part)
            part = ""
        *whole, part = _cut(part + word if part else word.lstrip(), room)
        parts += whole
    first, *others = [*parts, part]
    return [" " * margin + first, *(" " * (margin + GOES_ON) + other for other in others)]


def _columns(text: str) -> int:
    """Return how many columns ``text`` takes at most: terminals differ on what joins letters."""
    return len(text) + sum(east_asian_width(char) in "WF" for char in text if char > "\x7f")


def _cut(text: str, room: int) -> list[str]:
    """Return ``text``, which is not empty, in pieces of ``room`` columns at most."""
    pieces = [""]
    taken = 0
    for char in text:
        taken += _columns(char)
        if taken > room:
            pieces.append("")
            taken = _columns(char)
        pieces[-1] += char
    return pieces


@dataclass(frozen=True, slots=True)
class Layout:
    """What a table shows.

    Attributes:
        limits: Its columns, and how much of a value each shows.
        long: Columns that are folded down to ``LEAST``.
        dropped: What a terminal that is too narrow does without, the first first.
        folded: Other columns that may be folded, where nothing more is dropped.
        last: What is dropped where those would be folded too much, the first first.
    """

    limits: Mapping[str, int]
    long: Sequence[str]
    dropped: Sequence[str]
    folded: Sequence[str] = ()
    last: Sequence[str] = ()


Row = Mapping[str, str]


def draw(
    console: Terminal, layout: Layout, rows: Sequence[Row], styles: Sequence[Severity | None]
) -> list[str]:
    """Print ``rows``, whose texts are clean, and return the columns that had no room."""
    names = _fitting(layout, rows, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold" if console.color else "")
    for name in names:
        folded = console.width < PLAIN_WIDTH and name in (*layout.long, *layout.folded)
        table.add_column(name, no_wrap=not folded, overflow="fold")
    for row, severity in zip(rows, styles, strict=True):
        style = STYLES[severity] if console.color and severity is not None else ""
        table.add_row(*(Text(row[name]) for name in names), style=style)
    console.print(table)
    return [name for name in layout.limits if name not in names]


def _fitting(layout: Layout, rows: Sequence[Row], width: int) -> list[str]:
    """Return the columns that ``width`` has room for."""
    names = list(layout.limits)
    least = dict.fromkeys(layout.long, LEAST)
    for dropped in (layout.dropped, layout.last):
        for name in dropped:
            if sum(_width(rows, kept, least) for kept in names) + 2 * (len(names) - 1) <= width:
                break
            names.remove(name)
        least |= dict.fromkeys(layout.folded, LEAST_OF_OTHERS)  # for what is dropped last
    return names


def _width(rows: Sequence[Row], name: str, least: Mapping[str, int]) -> int:
    """Return how wide the column ``name`` has to be."""
    widest = max(cell_len(text) for text in (name, *(row[name] for row in rows)))
    return min(widest, least.get(name, widest))
