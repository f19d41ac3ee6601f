"""The shapes in which people hold Okta's log, told by content: any JSON value to LogEvents.

A shape is unwrapped (event hook, EventBridge, Elastic, Splunk, …), then its keys are brought to
Okta's spelling: ``okta.debug_context.debug_data.request_uri`` (Elastic), ``actor_alternateId_s``
(Sentinel), ``eventtype`` (Panther) and ``debugContext.debugData.requestUri`` all lose case and
punctuation and are found by what is left. Nothing is guessed: an unknown key stays where it is.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from mfagap.lake.fields import DEBUG, DEBUG_KEYS, IDENTITY, OBJECTS, RECEIVED, SCALARS

Json = dict[str, Any]
Path = tuple[str, ...]

MAX_WRAPPERS = 16
"""How deep one shape may sit in another (an Elastic document in a search answer in an array…),
lists included."""

MAX_DEPTH = 200
"""How deep Python nests a value here: what is deeper could exhaust its stack later on."""

WRAPPERS: tuple[Path, ...] = (
    ("detail",),  # EventBridge, log streaming
    ("data", "events"),  # event hook
    ("hits", "hits"),  # an answer of Elastic's search
    ("_source",),  # one hit of it
    ("event", "original"),  # Elastic document: the event as text
    ("event.original",),
    ("okta",),  # Elastic document: parsed, in snake case
    ("result",),  # Splunk's JSON export
    ("_raw",),  # … and its event as text, in CSV exports as well
    ("records",),  # Azure storage and event hubs
    ("value",),  # an answer of Azure's APIs
    ("events",),
    ("message",),  # Logstash and older Beats: the event as text
)

TEXTS: tuple[Path, ...] = (("event", "original"), ("event.original",), ("_raw",))
"""Where a row may hold the whole event as text."""

ALIASES: dict[str, Path] = {
    "timestamp": ("published",),
    "clientip": ("client", "ipAddress"),
    "securitycontextasnumber": ("securityContext", "asNumber"),
    "securitycontextasorganizationname": ("securityContext", "asOrg"),
    "debugcontextdebugdataflattened": ("debugContext", "debugData"),
    "targets": ("target",),
    "eventingested": (RECEIVED,),
}
"""Keys, less case and punctuation, that other products gave a name of their own."""

_DEBUG_DATA: Path = ("debugContext", "debugData")
_SENTINEL_SUFFIX = re.compile(r"_[sdtbg]$")


def squash(key: str) -> str:
    """Return ``key`` less case and punctuation."""
    lowered = key.lower()
    return lowered if lowered.isalnum() else "".join(filter(str.isalnum, lowered))


_KNOWN: dict[str, Path] = (
    {squash("".join(path)): path for path in (*OBJECTS, *(f.path for f in SCALARS), ("target",))}
    | {squash(name): (name,) for name in (*IDENTITY, RECEIVED)}
    | {squash("".join(_DEBUG_DATA + field.path)): _DEBUG_DATA + field.path for field in DEBUG}
    | {squash("debugContextdebugData" + name): (*_DEBUG_DATA, name) for name in DEBUG_KEYS}
    | ALIASES
)
_TARGET_KEYS = {
    squash(name): name
    for name in (
        "id",
        "type",
        "alternateId",
        "displayName",
        "detailEntry",
        "policyType",
        "methodTypeUsed",
    )
}


class Parser:
    """Parses JSON as DuckDB reads it: a key that an object gives twice keeps its first value.

    Attributes:
        repeated: Whether an object gave a key twice, since ``decode`` was called or this was set.
    """

    def __init__(self) -> None:
        """See the class."""
        self.repeated = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_float=_number, strict=False
        )

    def decode(self, text: str, at: int) -> tuple[object, int]:
        """Return the value that begins at ``at`` in ``text``, and where it ends.

        Raises:
            ValueError: There is none, or one with a number too long for Python.
            RecursionError: It is much too deep.
        """
        self.repeated = False
        return cast("tuple[object, int]", self._decoder.raw_decode(text, at))

    def parse(self, text: str) -> object:
        """Return the JSON that ``text`` holds.

        Raises:
            ValueError: It holds none, or one too deep for Python.
            RecursionError: It is much too deep.
        """
        value = cast("object", self._decoder.decode(text))
        if too_deep(text, value):
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        return value

    def inner(self, text: str) -> object:
        """Return the JSON that a text in JSON holds (VARIANT columns, ``_raw``); None for none."""
        if not text.lstrip().startswith(("{", "[")):
            return None
        try:
            return self.parse(text)
        except (ValueError, RecursionError):
            return None

    def _object(self, pairs: list[tuple[str, object]]) -> Json:
        built: Json = dict(pairs)
        if len(built) == len(pairs):
            return built
        self.repeated = True
        return first_wins(pairs)


def _number(text: str) -> float | str:
    """Return the number, or its text where it is beyond all that a float holds, as DuckDB does."""
    number = float(text)
    return text if math.isinf(number) else number


def first_wins(pairs: Iterable[tuple[str, object]]) -> Json:
    """Build an object in which a repeated key keeps its first value."""
    built: Json = {}
    for key, value in pairs:
        built.setdefault(key, value)
    return built


def too_deep(text: str, value: object) -> bool:
    """Tell whether ``value``, which ``text`` holds, is nested deeper than ``MAX_DEPTH``."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return False
    return True


def _inner(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("Json", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def is_event(value: Json) -> bool:
    """Tell whether ``value`` looks like one LogEvent, in whatever spelling."""
    keys = {squash(_plain(key)) for key in value}
    named = len(keys & {"uuid", "published", "eventtype"})
    return named >= 2 or ("eventtype" in keys and bool(keys & {"actor", "outcome", "actorid"}))


def unwrap(value: object, parser: Parser, depth: int = 0) -> Iterator[Json | None]:
    """Yield each LogEvent in ``value``; None for each part that holds none."""
    if isinstance(value, str):
        value = parser.inner(value)
    if not isinstance(value, dict | list) or depth > MAX_WRAPPERS:
        yield None
        return
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from unwrap(item, parser, depth + 1)
        return
    document = cast("Json", value)
    # A row that holds the whole event as text may repeat some of it in columns of its own.
    for path in () if _is_native(document) else TEXTS:
        inner = _inside(document, path, parser)
        if isinstance(inner, dict) and is_event(cast("Json", inner)):
            yield cast("Json", inner)
            return
    if is_event(document):
        yield document
        return
    wrapped = (_inside(document, path, parser) for path in WRAPPERS)
    yield from _each_once(
        [list(unwrap(inner, parser, depth + 1)) for inner in wrapped if inner is not None]
    )


def _each_once(wrapped: list[list[Json | None]]) -> Iterator[Json | None]:
    """Yield what a document's wrappers hold: several may hold the same event in their own ways.

    A wrapper without any event counts only where no other has one.
    """
    holding = [parts for parts in wrapped if any(part is not None for part in parts)]
    if len(holding) < 2:
        yield from (holding or wrapped or [[None]])[0]
        return
    known: set[str] = set()
    for parts in holding:
        told = [(part, "" if part is None else _uuid(part)) for part in parts]
        yield from (part for part, uuid in told if not uuid or uuid not in known)
        known.update(uuid for _, uuid in told)


def _uuid(event: Json) -> str:
    return next((str(inner) for key, inner in event.items() if squash(_plain(key)) == "uuid"), "")


def _is_native(event: Json) -> bool:
    """Tell whether ``event`` is in Okta's own spelling, as the strict reader takes it at once.

    Without an actor and an outcome of its own, the rest may stand under flat keys, or in a text.
    """
    return all(key in event for key in IDENTITY) and (
        event.get("actor") is not None or event.get("outcome") is not None
    )


def _is_mixed(event: Json) -> bool:
    """Tell whether ``event`` lacks an actor or outcome that may stand under a flat key."""
    held = {"actor": "id", "outcome": "result"}
    objects = {key: event.get(key) for key in held}
    if all(
        isinstance(value, str)
        or (isinstance(value, dict) and cast("Json", value).get(held[key]) is not None)
        for key, value in objects.items()
    ):
        return False
    others = (squash(key) for key in event if key not in held)
    return any(name in key for key in others for name in held)


def _inside(document: Json, path: Path, parser: Parser) -> object:
    """Return what ``document`` wraps at ``path``, with what the wrapper knows of it; else None."""
    value = cast("object", document)
    for key in path:
        if not isinstance(value, dict):
            return None
        value = cast("Json", value).get(key)
    if isinstance(value, str):
        value = parser.inner(value)
    if path == ("okta",) and isinstance(value, dict):
        known: Json = {"published": document.get("@timestamp"), RECEIVED: _ingested(document)}
        known.update(cast("Json", value))
        return {key: inner for key, inner in known.items() if inner is not None}
    return cast("object", value) if isinstance(value, dict | list) else None


def _ingested(document: Json) -> object:
    event = document.get("event")
    return cast("Json", event).get("ingested") if isinstance(event, dict) else None


def canonical(event: Json, parser: Parser) -> tuple[Json, list[str]]:
    """Return ``event`` in Okta's spelling, and the paths whose values had the wrong type.

    A wrong value (a text where Okta has an object) is dropped; the rest of the event is kept.
    """
    wrong: list[str] = []
    native = _is_native(event) and not _is_mixed(event)
    result = dict(event) if native else _respelled(event, parser)
    for path in OBJECTS:
        parent = result
        for key in path[:-1]:
            parent = cast("Json", parent.get(key) or {})
        value = parent.get(path[-1])
        if isinstance(value, str):
            value = parser.inner(value)
        if isinstance(value, dict):
            parent[path[-1]] = dict(cast("Json", value))
        elif parent.get(path[-1]) is not None:
            wrong.append(".".join(path))
            parent[path[-1]] = None
    targets = _targets(result.get("target"), wrong, parser)
    result["target"] = targets if native or not targets else [_target(item) for item in targets]
    return result, wrong


def _targets(value: object, wrong: list[str], parser: Parser) -> list[Json] | None:
    """Return the targets; an entry that is no object is dropped and named."""
    inner = parser.inner(value) if isinstance(value, str) else value
    if isinstance(inner, dict):
        return [cast("Json", inner)]
    if not isinstance(inner, list):
        if value is not None:
            wrong.append("target")
        return None
    entries = cast("list[object]", inner)
    if not all(isinstance(entry, dict) for entry in entries):
        wrong.append("target[]")
    return [cast("Json", entry) for entry in entries if isinstance(entry, dict)]


def _target(entry: Json) -> Json:
    """Return ``entry`` with Okta's keys."""
    named = {_TARGET_KEYS.get(squash(key), key): value for key, value in entry.items()}
    detail = named.get("detailEntry")
    if isinstance(detail, dict):
        named["detailEntry"] = {
            _TARGET_KEYS.get(squash(key), key): value for key, value in cast("Json", detail).items()
        }
    elif detail is not None:
        named["detailEntry"] = None
    return named


def _respelled(event: Json, parser: Parser) -> Json:
    """Return ``event`` with every known key at Okta's path, and the unknown ones left alone."""
    result: Json = {}
    for path, value in _leaves(event, (), parser):
        known = _KNOWN.get(squash("".join(path)))
        if known is None and path[: len(path) - 1] == _DEBUG_DATA:
            known = path
        _put(result, known or path, value)
    return result


def _leaves(value: Json, prefix: Path, parser: Parser) -> Iterator[tuple[Path, object]]:
    """Yield (path, value) of all that is no object; a known path comes in Okta's spelling."""
    for key, inner in value.items():
        path = (*prefix, _plain(key))
        known = _KNOWN.get(squash("".join(path)), path)
        below: object = inner
        if isinstance(inner, str) and known in OBJECTS:
            below = parser.inner(inner) or inner
        if isinstance(below, dict):
            yield from _leaves(cast("Json", below), known, parser)
        else:
            yield known, below


def _plain(key: str) -> str:
    """Return ``key`` less Elastic's prefix and Sentinel's type suffix."""
    key = key.removeprefix("okta.")
    return _SENTINEL_SUFFIX.sub("", key)


def _put(target: Json, path: Path, value: object) -> None:
    """Set ``value`` at ``path``; what is there already stays, as does an object in the way."""
    for key in path[:-1]:
        if target.get(key) is None:
            target[key] = {}
        below: object = target[key]
        if not isinstance(below, dict):
            return
        target = cast("Json", below)
    if target.get(path[-1]) is None:
        target[path[-1]] = value
