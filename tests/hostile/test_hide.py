"""Tricks that would hide a sign-in: each is read the same in every shape, or is counted.

Every trick is played in all shapes at once, each with a sign-in of its own, and where a shape may
be read at full speed also in a file that is not.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest
from examples import log_shapes
from tests.properties.orgs import END_S, STORIES, SignIn, Told, log_event, told, without

from mfagap.cases.templates import Event, put

Shape = Callable[[Sequence[Event]], bytes]


def ndjson_read_slowly(events: Sequence[Event]) -> bytes:
    """A line that is no event sends the file the long way."""
    return b"{}\n" + log_shapes.ndjson(events)


def hooks_of_one(events: Sequence[Event]) -> bytes:
    return b"".join(log_shapes.event_hook([event]) for event in events)


SHAPES: tuple[Shape, ...] = (*log_shapes.SHAPES, ndjson_read_slowly, hooks_of_one)
NAMES = tuple(shape.__name__ for shape in SHAPES)
FILLER = {"JSON, but no Okta event": 1}
"""What every scan here counts: the line that sends a file the long way."""


@dataclass(frozen=True, slots=True)
class Trick:
    """Changes to events, or to the bytes of a file; and what is counted, by reason."""

    name: str
    events: Callable[[Event], Event] = lambda event: event
    data: Callable[[bytes], bytes] = lambda data: data
    without: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()


NONE = Trick("none")


def scanned(trick: Trick) -> Told:
    """Scan a sign-in in each shape, with the trick played on it."""
    files = {"end": log_shapes.ndjson([log_event("event", "end", END_S, eventType="x.y")])}
    for number, shape in enumerate(SHAPES):
        events = STORIES["allowed"](SignIn(number, f"u{number}", 3600, "allowed"))
        if shape.__name__ in trick.without:
            files[shape.__name__] = shape(events)
        else:
            changed = [trick.events(json.loads(json.dumps(event))) for event in events]
            if shape is log_shapes.parquet:  # no text, but texts in it
                lines = trick.data(log_shapes.ndjson(changed))
                files[shape.__name__] = log_shapes.parquet_of(lines, changed[0])
            else:
                files[shape.__name__] = trick.data(shape(changed))
            assert files[shape.__name__] != shape(events) or trick == NONE, shape.__name__
    return told(files)


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """The finding of the sign-in in each shape, without any trick."""
    return by_shape(scanned(NONE))


def by_shape(scan: Told) -> dict[str, Any]:
    lines = {line["uuid"]: line for line in scan.findings}
    return {name: lines.pop(f"start-{number}", None) for number, name in enumerate(NAMES)}


def setting(**fields: object) -> Callable[[Event], Event]:
    """Return a change that sets fields; ``__`` stands for a dot."""

    def change(event: Event) -> Event:
        for path, value in fields.items():
            put(event, path.replace("__", "."), value)
        return event

    return change


def on_every(path: str, change: Callable[[Any], object]) -> Callable[[Event], Event]:
    def changed(event: Event) -> Event:
        inside: Any = event
        *above, last = path.split(".")
        for key in above:
            inside = inside[key]
        inside[last] = change(inside[last])
        return event

    return changed


def each(*changes: Callable[[Event], Event]) -> Callable[[Event], Event]:
    def changed(event: Event) -> Event:
        for change in changes:
            event = change(event)
        return event

    return changed


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def alternating(text: str) -> str:
    return "".join(char.upper() if place % 2 else char for place, char in enumerate(text))


def told_in_words(value: object) -> object:
    """Return numbers and truths as texts, as some exporters write them."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, dict):
        return {key: told_in_words(inner) for key, inner in cast("Event", value).items()}
    if isinstance(value, list):
        return [told_in_words(item) for item in cast("list[object]", value)]
    return value


def told_in_words_of(event: Event) -> Event:
    return {key: told_in_words(value) for key, value in event.items()}


TABLES = frozenset({"sentinel_csv"})
"""Where a key is a column, and a text is no JSON."""

QUOTED = r'(?P<q>\\*"|"")'


def in_json(pattern: str, change: Callable[[re.Match[str]], str]) -> Callable[[bytes], bytes]:
    """Change what matches in JSON, however often its quotes are escaped (``q`` is one)."""
    compiled = re.compile(pattern.replace("@", QUOTED, 1).replace("@", "(?P=q)"))
    return lambda data: compiled.sub(change, data.decode()).encode()


def unicode_escaped(match: re.Match[str]) -> str:
    """Write the third letter as an escape, which is itself escaped in a text within a text."""
    quote, word = match["q"], match["word"]
    slashes = quote.count("\\") + 1
    return f"{quote}{word[:2]}{chr(92) * slashes}u{ord(word[2]):04x}{word[3:]}{quote}"


def doubled(first: str, second: str) -> Callable[[re.Match[str]], str]:
    def change(match: re.Match[str]) -> str:
        text = match[0]
        return f"{text.replace('SUCCESS', first)}, {text.replace('SUCCESS', second)}"

    return change


def crlf(data: bytes) -> bytes:
    return (data + b"\n").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


IN_BYTES = frozenset({"parquet"})
"""Parquet is no text: what is played on a text's lines cannot be played on it."""

TRICKS = (
    Trick("upper-case types", on_every("eventType", str.upper)),
    Trick("mixed-case types", on_every("eventType", alternating)),
    Trick("types between blanks", on_every("eventType", lambda text: f" {text}\u00a0")),
    *(
        Trick(
            f"{name} between what shows nothing",
            each(
                on_every("eventType", lambda text, pad=pad: f"{pad}{text}{pad}"),
                on_every("outcome.result", lambda text, pad=pad: f"{pad}{text}{pad}"),
                on_every("actor.id", lambda text, pad=pad: f"{pad}{text}{pad}"),
                on_every(
                    "authenticationContext.externalSessionId",
                    lambda text, pad=pad: f"{pad}{text}{pad}",
                ),
                on_every(
                    "debugContext.debugData.requestUri", lambda text, pad=pad: f"{pad}{text}{pad}"
                ),
            ),
            without=frozenset({"parquet", "sentinel_csv"}) if pad == "\0" else frozenset(),
        )
        for name, pad in (
            ("tab", "\t"),
            ("line feed", "\n"),
            ("zero width", "\u200b"),
            ("line separator", "\u2028"),
            ("byte-order mark", "\ufeff"),
            ("NUL", "\0"),
        )
    ),
    Trick(
        "ids between blanks",
        each(
            on_every("uuid", lambda text: f"  {text} "),
            on_every("actor.id", lambda text: f" {text}\u2003"),
            on_every("authenticationContext.externalSessionId", lambda text: f"\u00a0{text} "),
            on_every("transaction.id", lambda text: f" {text} "),
            on_every("debugContext.debugData.requestId", lambda text: f"{text} "),
        ),
    ),
    Trick("numbers as texts", told_in_words_of, without=TABLES),
    Trick(
        "an offset",
        on_every("published", lambda text: text.replace("T09:", "T14:").replace("Z", "+05:00")),
    ),
    Trick("a time between blanks", on_every("published", lambda text: f"  {text}\u00a0")),
    Trick("deep nesting", setting(zz=nested(150), debugContext__debugData__zz=nested(150))),
    Trick(
        "lone surrogates",
        setting(displayMessage="\ud800", client__geographicalContext__city="a\udc00b"),
        without=frozenset({"parquet"}),
        counted=frozenset({"lone surrogate"}),
    ),
    Trick("NUL in texts", setting(displayMessage="\0", client__geographicalContext__city="a\0b")),
    Trick("a byte-order mark", data=lambda data: b"\xef\xbb\xbf" + data, without=IN_BYTES),
    Trick(
        "a byte-order mark on each line",
        data=lambda data: b"\xef\xbb\xbf" + data.replace(b"\n{", b"\n\xef\xbb\xbf{"),
        without=IN_BYTES,
    ),
    Trick("carriage returns", data=crlf, without=IN_BYTES),
    Trick(
        "NUL at the end, as a crash leaves it",
        data=lambda data: data + bytes(512),
        without=IN_BYTES,
        counted=frozenset({"not JSON"}),
    ),
    Trick(
        "escapes in keys",
        data=in_json("@(?P<word>eventType|event_type|actor|outcome|uuid)@", unicode_escaped),
        without=TABLES | IN_BYTES,
    ),
    Trick(
        "escapes in values",
        data=in_json("@(?P<word>user.session.start|SUCCESS|/api/v1/authn)@", unicode_escaped),
        without=TABLES | IN_BYTES,
    ),
    Trick(
        "a key twice, the true one first",
        data=in_json("@result@: @SUCCESS@", doubled("SUCCESS", "FAILURE")),
        without=TABLES,
        counted=frozenset({"a key is given twice"}),
    ),
)


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
def test_a_sign_in_is_found_all_the_same(trick: Trick, plain: dict[str, Any]) -> None:
    scan = scanned(trick)
    found = by_shape(scan)
    for name in NAMES:
        assert found[name] == plain[name], name
    counted = {problem["reason"] for problem in scan.summary["problems"]}
    assert counted == {*FILLER, *trick.counted}


def test_every_shape_finds_the_sign_in_without_a_trick(plain: dict[str, Any]) -> None:
    assert {line["mfa_status"] for line in plain.values()} == {"single_factor"}


def test_a_key_twice_with_the_false_one_first_is_counted() -> None:
    """DuckDB keeps the first, as do many; that there was another is told."""
    trick = Trick(
        "",
        data=in_json("@result@: @SUCCESS@", doubled("FAILURE", "SUCCESS")),
        without=TABLES,
    )
    scan = scanned(trick)
    found = by_shape(scan)
    assert {name for name in NAMES if found[name]} == TABLES
    counted = {problem["reason"]: problem["count"] for problem in scan.summary["problems"]}
    assert counted["a key is given twice"] >= len(NAMES) - 1


@pytest.mark.parametrize("year", ["2099", "1970"])
def test_a_date_out_of_all_bounds_hides_nothing(year: str, plain: dict[str, Any]) -> None:
    """Neither that sign-in itself nor any other, whose judgment hangs on NOW."""
    trick = Trick(year, on_every("published", lambda text: year + text[4:]))
    scan = scanned(trick)
    status = {"2099": "unsettled", "1970": "single_factor"}[year]
    for name, line in by_shape(scan).items():
        assert (line["mfa_status"], line["alert_context"]["session_start_time"][:4]) == (
            status,
            year,
        ), name
    events = 2 * len(SHAPES)
    assert scan.summary["future_events"] == (events if year == "2099" else 0)
    mixed = scanned(Trick("half", trick.events, without=frozenset(NAMES[::2])))
    assert [without(by_shape(mixed)[name]) for name in NAMES[::2]] == [
        without(plain[name]) for name in NAMES[::2]
    ]
