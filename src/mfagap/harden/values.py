"""Reads values out of JSON that others wrote: what is not of the type that it should have is None.

Nothing here raises for an odd value, except for ``parsed``, which refuses what is no JSON.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from mfagap.model.org import Json

MOST_LEVELS: Final = 64
"""Okta's objects have fewer than ten levels; more would exhaust the stack of who walks them."""
_MOST: Final = 2**63 - 1
"""What a BIGINT holds."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def parsed(body: bytes | str) -> Any:
    """Return what ``body`` is as JSON.

    Raises:
        ValueError: It is no JSON, holds a number that is none (``NaN``, ``1e999``), or has more
            than ``MOST_LEVELS`` levels.
    """
    too_many = f"it has more than {MOST_LEVELS} levels"
    try:
        value: Any = json.loads(body, parse_constant=_finite, parse_float=_finite)
    except RecursionError as error:
        raise ValueError(too_many) from error
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [item for nested in level for item in _within(nested)]
        if not level:
            return value
    raise ValueError(too_many)


def at(value: object, *path: str) -> Any:
    """Return what stands under the keys ``path`` in ``value``; None where nothing does."""
    for key in path:
        value = cast("Json", value).get(key) if isinstance(value, Mapping) else None
    return value


def text(value: object) -> str | None:
    """Return a text that any encoding takes: half a surrogate pair becomes U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else None


def number(value: object) -> int | None:
    """Return a whole number that a BIGINT holds."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return cast("int", value) if whole and abs(cast("int", value)) <= _MOST else None


def flag(value: object) -> bool | None:
    """Return a truth value."""
    return value if isinstance(value, bool) else None


def moment(value: object) -> int | None:
    """Return an RFC 3339 time as UTC epoch milliseconds."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        # Without an offset it would be read as of this machine's zone.
        return round(read.timestamp() * 1000) if read and read.tzinfo else None
    except ValueError:
        return None


def objects(value: object) -> tuple[Json, ...]:
    """Return the objects in a list."""
    return tuple(cast("Json", item) for item in items(value) if isinstance(item, Mapping))


def texts(value: object) -> tuple[str, ...]:
    """Return the texts in a list, each as ``text`` gives it."""
    return tuple(found for item in items(value) if (found := text(item)) is not None)


def items(value: object) -> tuple[Any, ...]:
    """Return what is in a list; nothing where it is none."""
    return tuple(cast("list[Any]", value)) if isinstance(value, list | tuple) else ()


def is_list(value: object) -> bool:
    """Tell whether ``value`` is a list."""
    return isinstance(value, list | tuple)


def is_empty(value: object) -> bool:
    """Tell whether a condition asks for nothing: null, or an object or list of such."""
    return value is None or value == "" or (_is_nest(value) and all(map(is_empty, _within(value))))


def _is_nest(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _within(value: object) -> tuple[Any, ...]:
    return tuple(cast("Json", value).values()) if isinstance(value, Mapping) else items(value)


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"{word[:20]} is no number")
    return value
