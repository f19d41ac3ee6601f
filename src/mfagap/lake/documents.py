"""Finds each JSON value in a text, whatever stands between them, in time linear in its length."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mfagap.lake.shapes import Parser, too_deep

NOT_JSON = "not JSON"
MAX_DOCUMENT = 32 * 1024 * 1024
"""A longer value is rejected, in characters. Okta's own events are a few KiB, but one document may
hold thousands of them."""

TOO_LONG = f"longer than {MAX_DOCUMENT // 1024 // 1024} MiB"

MAX_LINE = 2 * MAX_DOCUMENT
"""The most of one line, in characters, that is taken at a time where no value can be read."""

MOST_READ = 16 * 1024 * 1024
PATIENCE = 64 * 1024 * 1024
"""Characters that may be decoded in vain, beyond as many as were taken, before reading stops at
line ends: thousands of lines that each leave an object open would be nested into one another."""

MOST_BEHIND = 64 * 1024
"""Characters that may lie behind the position: each error of Python's parser counts their lines."""

_SEPARATORS = re.compile("[\\s,\\[\\]\ufeff]*")
_AFTER_VALUE = frozenset(" \t\r\n,]")
_TOKEN = re.compile(r'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"|["{}\n]')


@dataclass(frozen=True, slots=True)
class Value:
    """One JSON value: where it starts, its text, what it holds, or why it holds nothing.

    ``repeated`` tells whether an object in it gave a key twice.
    """

    line: int
    text: str
    parsed: object
    reason: str | None = None
    repeated: bool = False


def documents(text: Iterator[str], parser: Parser) -> Iterator[Value]:
    """Yield each top-level JSON value, and each element of a top-level array.

    Values may be separated by line ends, commas, brackets or nothing at all. What does not parse
    is taken up to its last brace, or else up to the end of its line.
    """
    window = _Window(text)
    while True:
        separators = _SEPARATORS.match(window.text, window.at)
        window.take(separators.end() if separators else window.at)
        if window.held == 0:
            if window.ended:
                return
            window.grow()
        elif window.wasted > PATIENCE + window.taken:
            yield _value_in_line(window, parser)
        else:
            yield _value(window, parser)


class _Window:
    """A sliding window over decoded text that knows the line of its position."""

    def __init__(self, text: Iterator[str]) -> None:
        self._chunks = text
        self.text = ""
        self.at = 0
        self.line = 1
        self.ended = False
        self.taken = 0
        self.wasted = 0

    def grow(self) -> None:
        """Read as much again as is held, within reason, or to the end of the text."""
        self.text = self.text[self.at :]
        self.at = 0
        parts, wanted = [self.text], min(max(len(self.text), 1), MOST_READ)
        while wanted > 0:
            chunk = next(self._chunks, None)
            if chunk is None:
                self.ended = True
                break
            parts.append(chunk)
            wanted -= len(chunk)
        self.text = "".join(parts)

    def take(self, end: int) -> str:
        """Move to ``end`` and return what lies between."""
        taken = self.text[self.at : end]
        self.line += taken.count("\n")
        self.taken += len(taken)
        self.at = end
        if end > MOST_BEHIND:
            self.text, self.at = self.text[end:], 0
        return taken

    @property
    def held(self) -> int:
        """Characters from the position to the end of the window."""
        return len(self.text) - self.at


def _value(window: _Window, parser: Parser) -> Value:
    """Decode the value at the window's position, reading on while it may be incomplete."""
    before: tuple[str, int] | None = None
    while True:
        reach = window.held
        try:
            found, end = parser.decode(window.text, window.at)
        except json.JSONDecodeError as error:
            reach = error.pos - window.at
            settled = (error.msg, reach) == before and not error.msg.startswith("Unterminated")
            before = (error.msg, reach)
        except (ValueError, RecursionError):
            settled = True
        else:
            behind = window.text[end : end + 1]
            ended = window.ended and not behind
            if window.text[end - 1] == "}" or behind in _AFTER_VALUE or ended:
                return _taken(window, end, found, parser)
            settled = bool(behind)
        if settled or window.ended or window.held > MAX_DOCUMENT:
            return _spoiled(window, reach)
        window.grow()


def _value_in_line(window: _Window, parser: Parser) -> Value:
    """Decode the value at the window's position if its line holds all of it."""
    end = _closed(window)
    if end is not None:
        try:
            found, length = parser.decode(window.text[window.at : end], 0)
        except (ValueError, RecursionError):
            pass  # taken below, for what it is
        else:
            return _taken(window, window.at + length, found, parser)
    return _spoiled(window, 0)


def _taken(window: _Window, end: int, found: object, parser: Parser) -> Value:
    """Take the value up to ``end``, and tell what is against it."""
    line = window.line
    text = window.take(end)
    if len(text) > MAX_DOCUMENT:
        return Value(line, text, None, TOO_LONG)
    reason = NOT_JSON if too_deep(text, found) else None
    return Value(line, text, found, reason, repeated=parser.repeated)


def _spoiled(window: _Window, reach: int) -> Value:
    """Take what cannot be read: an object that its line closes, or else the rest of the line.

    At most ``MAX_LINE`` is taken; ``reach`` characters were decoded in vain.
    """
    line, end = window.line, _closed(window)
    if end is not None:
        window.wasted += end - window.at
        return Value(line, window.take(end), None, NOT_JSON)
    window.wasted += reach
    pieces: list[str] = []
    held = 0
    while (end := window.text.find("\n", window.at)) < 0:
        held += window.held
        pieces.append(window.take(len(window.text)))
        if window.ended or held > MAX_LINE:
            break
        window.grow()
    else:
        pieces.append(window.take(end))
    text = "".join(pieces)
    return Value(line, text, None, TOO_LONG if len(text) > MAX_DOCUMENT else NOT_JSON)


def _closed(window: _Window) -> int | None:
    """Return where the object at the window's position ends, if that is in the same line."""
    if window.text[window.at] != "{":
        return None
    while True:
        depth, end = 1, window.at + 1
        while depth:
            token = _TOKEN.search(window.text, end)
            if token is None:
                break
            word, end = token[0], token.end()
            if word in ("\n", '"'):
                return None
            depth += {"{": 1, "}": -1}.get(word, 0)
        else:
            return end if window.text[end : end + 1] in ("", "{", *_AFTER_VALUE) else None
        if window.ended or window.held > MAX_DOCUMENT:
            return None
        window.grow()
