"""Random input for the readers: whole LogEvents by the fields that are read, then spoiled.

All is drawn from one ``random.Random``, so that a seed gives the same bytes again.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from examples.log_shapes import PACKINGS, SHAPES, parquet
from tests.events import start

from mfagap.cases.templates import Event
from mfagap.lake.fields import DEBUG, DEBUG_DATA, DEBUG_KEYS, OBJECTS, RECEIVED, SCALARS
from mfagap.lake.shapes import WRAPPERS

HOSTILE = (
    "", " ", "-", "unknown", "null", "\0", "a\0b", "\ufeff", "\u202eabc", "\x1b[2J", "\x85",
    "\ud800", "\udc00\ud800", "\U0001f600", "e\u0301", "\u00a0x\u2003", "'\"\\", "{}", "[]", "{",
    "]",
    '{"a": 1}', '["a"]', '[{"id": "a"}]', '{"a": 1, "a": 2}', "[[[[", "=1+1", "a\nb", "a\r\nb",
    "1e400", "-0", "NaN", "true", "%s%n", "x" * 3000,
)  # fmt: skip
TIMES = (
    "2026-01-15T12:00:00.000Z", "2026-01-15T14:00:00+02:00", "2026-01-15 12:00:00", "2026-01-15",
    "2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z",
    "infinity", "24:00", "1768478400", "2026-01-15T24:00:00Z", "2026-01-15T12:00:60Z",
    " 2026-01-15T12:00:00Z ", "2026-01-15T12:00:00.123456789Z", "294247-01-10T04:00:54Z",
)  # fmt: skip
NUMBERS = ("0", "1.5", "-1", "1e400", "-0.0", "1.10", "1E3", "64500", "9" * 30, "9" * 5000)
PATHS = (
    *OBJECTS,
    *(field.path for field in SCALARS),
    *((*DEBUG_DATA, *field.path) for field in DEBUG if len(field.path) > 1),
    *((*DEBUG_DATA, name) for name in (*DEBUG_KEYS, "zz")),
    ("uuid",), ("published",), ("eventType",), (RECEIVED,), ("target",), ("zz",),
    *(path for path in WRAPPERS if len(path) == 1),
)  # fmt: skip
BYTES = (
    b"\xff",
    b"\0",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\x1b",
    b"\xed\xa0\x80",
    b"",
)


class Dice(random.Random):
    """Decides; no secret hangs on it."""


class Raw(str):
    """JSON text that stands for itself."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Input:
    """Lines that each hold one value, and files that hold anything.

    Attributes:
        lines: No line end is inside one. The first holds an event that is read at full speed.
        whole: Whether each line is JSON as it was built, and so one event or one problem.
        files: Bytes that no promise is made of.
    """

    lines: tuple[bytes, ...]
    whole: bool
    files: tuple[bytes, ...]


def drawn(seed: str) -> Input:
    """Return the input that ``seed`` stands for."""
    rng = Dice(seed)
    whole = rng.random() < 0.5
    lines = [json.dumps(start(f"good-{seed}")).encode()]
    for number in range(rng.randint(1, 12)):
        line = _line(rng, f"e{number}" if rng.random() < 0.9 else "e0")
        lines.append(line if whole else _spoiled(rng, line).replace(b"\n", b" "))
    return Input(tuple(lines), whole, tuple(_file(rng) for _ in range(rng.randint(0, 2))))


def _line(rng: random.Random, uuid: str) -> bytes:
    event = _event(rng, uuid)
    text = _wrapped(rng, _text(rng, event)) if rng.random() < 0.25 else _text(rng, event)
    return text.encode("utf-8", "replace" if "\udc00" in text else "strict")


def _event(rng: random.Random, uuid: str) -> Event:
    """Return a start in which a few fields are anything."""
    event = start(uuid, published=rng.choice(TIMES) if rng.random() < 0.3 else TIMES[0])
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 6))):
        path = rng.choice(PATHS)
        inside: Any = event
        for key in path[:-1]:
            if not isinstance(inside.get(key), dict):
                inside[key] = {}
            inside = inside[key]
        if rng.random() < 0.15:
            inside.pop(path[-1], None)
        else:
            inside[path[-1]] = _value(rng, 3)
    return event


def _value(rng: random.Random, depth: int) -> object:
    """Return any value; ``Raw`` text where no Python value is written so."""
    makers: tuple[Callable[[], object], ...] = (
        lambda: rng.choice(HOSTILE),
        lambda: rng.choice(HOSTILE) + rng.choice(HOSTILE),
        lambda: rng.choice(TIMES),
        lambda: Raw(rng.choice(NUMBERS if depth == 3 else NUMBERS[:2])),
        lambda: rng.choice((None, True, False)),
        lambda: [_value(rng, depth - 1) for _ in range(rng.randint(0, 3))] if depth else None,
        lambda: {rng.choice(HOSTILE): _value(rng, depth - 1)} if depth else None,
        lambda: (
            {rng.choice(("id", "type", "detailEntry", "displayName", "a")): _value(rng, depth - 1)}
            if depth
            else None
        ),
        lambda: json.dumps({"id": "x", "factor": rng.choice(HOSTILE)}),
        lambda: Raw("[" * 300 + "]" * 300),
    )
    return rng.choice(makers)()


def _text(rng: random.Random, value: object) -> str:
    """Return JSON of ``value``, in which keys may come twice, be escaped or misspelled."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        parts: list[str] = []
        for key, inner in cast("Event", value).items():
            parts.append(f"{_key(rng, key)}: {_text(rng, inner)}")
            if rng.random() < 0.004:
                parts.append(f"{_key(rng, key)}: {_text(rng, _value(rng, 1))}")
        return "{" + rng.choice((", ", ",", " ,\t")).join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(rng, item) for item in cast("list[object]", value)) + "]"
    text = json.dumps(value, ensure_ascii=rng.random() < 0.9)
    return json.dumps(value) if any("\ud800" <= char < "\ue000" for char in text) else text


def _key(rng: random.Random, key: str) -> str:
    if rng.random() < 0.002:
        key = rng.choice((key.lower(), key.upper(), key + " ", "okta." + key))
    if rng.random() < 0.002 and key.isascii() and key:
        return '"' + "".join(f"\\u{ord(char):04x}" for char in key) + '"'
    return json.dumps(key)


def _wrapped(rng: random.Random, text: str) -> str:
    path = rng.choice(WRAPPERS)
    for key in reversed(path):
        if rng.random() < 0.2:
            text = json.dumps(text)
        text = f"{{{json.dumps(key)}: {text}}}"
    return f"[{text}]" if rng.random() < 0.1 else text


def _spoiled(rng: random.Random, data: bytes) -> bytes:
    """Return ``data`` with a few bytes replaced or its end cut off."""
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        place = rng.randrange(len(data) + 1)
        data = data[:place] + rng.choice(BYTES) + data[place + rng.randint(0, 1) :]
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.15 else data


def _file(rng: random.Random) -> bytes:
    """Return a file in some shape and packing, cut or damaged at times."""
    if rng.random() < 0.6:
        data = _shaped(rng, [start(f"f{number}") for number in range(rng.randint(1, 4))])
    else:
        lines = [_line(rng, f"g{number}") for number in range(rng.randint(0, 5))]
        data = rng.choice((b"\n", b"\r\n", b",", b"")).join(lines)
    if rng.random() < 0.4:
        data = _spoiled(rng, data)
    packed = PACKINGS[rng.choice(sorted(PACKINGS))](data)
    return _spoiled(rng, packed) if rng.random() < 0.3 else packed


def _shaped(rng: random.Random, events: Sequence[Event]) -> bytes:
    shape = rng.choice(SHAPES)
    if shape is not parquet and rng.random() < 0.5:
        for event in events:
            event["outcome"]["reason"] = rng.choice(HOSTILE[:16])
    return shape(events)
