"""YAML documents that know the line of each value, read by YAML 1.2's core rules.

``no`` and ``on`` are texts, a date is a text, and a key given twice is an error. So is an alias,
since ten lines of them stand for billions of values.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from mfagap.errors import ContentError

Key = tuple[str | int, ...]
MAX_BYTES = 1024 * 1024


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


class _Loader(yaml.SafeLoader):
    """Stops at an alias."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """See the class."""
        if self.check_event(yaml.AliasEvent):
            event: Any = cast("Any", self).peek_event()  # its stub leaves this untyped
            problem = "an alias, which is not taken here; write the value out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


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
        node = yaml.compose(text, Loader=_Loader)
        data = None if node is None else _value(node, (), lines, str(path))
    except RecursionError as error:
        raise ContentError("is nested too deeply", str(path)) from error
    except ValueError as error:  # int takes no more than 4300 digits
        raise ContentError(f"holds a number that is too long: {error}", str(path)) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ContentError(f"no YAML: {error.problem}", str(path), line) from error
    except yaml.YAMLError as error:
        raise ContentError(f"no YAML: {error}", str(path)) from error
    return Document(data, lines, str(path))


def _value(node: yaml.Node, path: Key, lines: dict[Key, int], file: str) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in result:
                raise ContentError(
                    f"key {key!r} is given twice", file, key_node.start_mark.line + 1
                )
            result[key] = _value(value_node, (*path, key), lines, file)
            lines[(*path, key)] = key_node.start_mark.line + 1
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, i), lines, file) for i, item in enumerate(node.value)]
    return _scalar(cast("yaml.ScalarNode", node))


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:
        return text
    if text in ("null", "Null", "NULL", "~", ""):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text
