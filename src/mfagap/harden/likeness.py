"""Whether an object of the API is as it was read, or as it was to be."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from mfagap.harden.snapshot import canonical, settable
from mfagap.model.org import Json


def same(one: Json, other: Json) -> bool:
    """Tell whether two objects are the same but for what Okta sets itself."""
    return canonical(settable(one)) == canonical(settable(other))


def lacks(live: Json, wanted: Json) -> list[str]:
    """Return the paths of what is in ``wanted`` and not so in ``live``; more may be in ``live``.

    Okta fills in what an object was written without.
    """
    return list(_lacking(live, wanted, ""))


def differs(one: Json, other: Json) -> list[str]:
    """Return the paths in which two objects differ, but for what Okta sets itself, sorted."""
    first, second = settable(one), settable(other)
    return sorted({*_lacking(first, second, ""), *_lacking(second, first, "")})


def _lacking(live: object, wanted: object, path: str) -> Iterator[str]:
    if not isinstance(live, Mapping) or not isinstance(wanted, Mapping):
        if canonical(cast("Any", live)) != canonical(cast("Any", wanted)):
            yield path
        return
    held = cast("Json", live)
    for key, value in cast("Json", wanted).items():
        below = f"{path}.{key}" if path else key
        if key not in held:
            yield below
        else:
            yield from _lacking(held[key], value, below)
