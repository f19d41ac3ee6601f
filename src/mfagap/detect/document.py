"""YAML documents that know the line of each value, read by YAML 1.2's core rules.

``no`` and ``on`` are texts, a date is a text, and a key given twice is an error. So is an alias,
since ten lines of them stand for billions of values.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mfagap.errors import ContentError

Key = tuple[str | int, ...]
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser, ten times as fast; PyYAML may be built without it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document's value, and the line of every value in it by path."""

    data: Any
    lines: dict[Key, int]
    file: str

    def line(self, path: Key) -> int:
        """Return the 1-based line of the value at ``path``, or of the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def error(self, message: str, path: Key = ()) -> ContentError:
        """Return an error that names the file and the line of ``path``."""
        return ContentError(message, self.file, self.line(path))


def text_of(path: Path) -> str:
    """Return the text of the file ``path``.

    Raises:
        ContentError: The file cannot be read, is no UTF-8, or is longer than 1 MiB.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ContentError("is longer than 1 MiB", str(path))
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"cannot be read: {error}", str(path)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read(path: Path) -> Document:
    """Read the YAML file ``path``.

    Raises:
        ContentError: The file cannot be read, is no YAML, gives a key twice, or uses an alias.
    """
    text = text_of(path)
    lines: dict[Key, int] = {}
    try:
        events = yaml.parse(text, Loader=_LOADER)
        data = _document(events, lines, str(path))
    except ValueError as error:  # int takes no more than 4300 digits
        raise ContentError(f"holds a number that is too long: {error}", str(path)) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ContentError(f"no YAML: {error.problem}", str(path), line) from error
    except yaml.YAMLError as error:
        raise ContentError(f"no YAML: {error}", str(path)) from error
    return Document(data, lines, str(path))


def _document(events: Iterator[Any], lines: dict[Key, int], file: str) -> Any:
    """Return the value of the only document in ``events``; None where there is none."""
    data: Any = None
    seen = False
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if seen:
                raise ContentError("no YAML: holds another document", file, _line(event))
            data, seen = _value(next(events), events, (), lines, file), True
    return data


def _value(event: Any, events: Iterator[Any], path: Key, lines: dict[Key, int], file: str) -> Any:
    """Return the value that begins with ``event``, and note the lines of it and of all in it."""
    lines[path] = _line(event)
    if len(path) > MAX_DEPTH:
        raise ContentError("is nested too deeply", file, _line(event))
    if isinstance(event, yaml.MappingStartEvent):
        result: dict[str, Any] = {}
        while not isinstance(key_event := next(events), yaml.MappingEndEvent):
            if not isinstance(key_event, yaml.ScalarEvent):
                raise ContentError("no YAML: a key must be a text", file, _line(key_event))
            key, line = str(key_event.value), _line(key_event)
            if key in result:
                raise ContentError(f"key {key!r} is given twice", file, line)
            result[key] = _value(next(events), events, (*path, key), lines, file)
            lines[(*path, key)] = line
        return result
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(_value(item, events, (*path, len(items)), lines, file))
        return items
    if isinstance(event, yaml.AliasEvent):
        problem = "no YAML: an alias, which is not taken here; write the value out"
        raise ContentError(problem, file, _line(event))
    return event.value if event.style else _plain(event.value)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _plain(text: str) -> Any:
    """Return what the scalar ``text`` is where it has no quotes."""
    if text in ("null", "Null", "NULL", "~", ""):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text
