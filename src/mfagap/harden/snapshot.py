"""A snapshot as one JSON file, its digest, and objects made ready to be compared."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from mfagap.detect.evaluate import rfc3339
from mfagap.errors import SourceError
from mfagap.harden import values
from mfagap.model.org import (
    PARTS,
    Json,
    Part,
    Snapshot,
)

FORMAT: Final = 1
"""Of the file that ``dump`` writes."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one file with JSON; an org's policies are a few hundred kilobytes."""
KEY: Final = "mfagap_snapshot"
"""By which the file is known."""
_SET_BY_OKTA: Final = frozenset({"_links", "_link", "_embedded", "created", "lastUpdated"})
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""How gzip and zstd begin."""
_HELD: Final = ("rules", "factors")
"""Lists that a part's items have been given, of objects of their own."""


def canonical(value: object) -> bytes:
    """Return ``value`` as JSON with sorted keys and no blanks, in UTF-8: one text for one value."""
    written = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return written.encode("utf-8", "surrogatepass")  # a half pair of an odd name


def digest(snapshot: Snapshot) -> str:
    """Return the SHA-256 in hexadecimal of what the snapshot says, not of when and where."""
    parts = {
        name: {"items": _without_links(list(part.items)), "missing": part.missing}
        for name, part in snapshot.parts.items()
    }
    return hashlib.sha256(canonical(parts)).hexdigest()


def settable(value: Json) -> Json:
    """Return an object, and the rules or factors in it, without what Okta sets itself."""
    kept = {key: item for key, item in value.items() if key not in _SET_BY_OKTA}
    for key in _HELD:
        if values.is_list(kept.get(key)):
            kept[key] = [
                settable(cast("Json", item)) if isinstance(item, Mapping) else item
                for item in values.items(kept[key])
            ]
    return kept


def dump(snapshot: Snapshot) -> str:
    """Return the snapshot as the text of a JSON file; ``load`` reads it."""
    parts = {
        name: {"items": list(part.items), "missing": part.missing}
        for name, part in snapshot.parts.items()
    }
    taken_at = None if snapshot.taken_ms is None else rfc3339(snapshot.taken_ms)
    whole = {KEY: FORMAT, "taken_at": taken_at, "origin": snapshot.origin, "parts": parts}
    return json.dumps(whole, indent=2) + "\n"


def load(path: Path) -> Snapshot:
    """Return the snapshot in a file that ``dump`` wrote.

    Raises:
        SourceError: It cannot be read or is no such file; names it.
    """
    return undumped(read_json(path), path)


def undumped(data: object, path: Path) -> Snapshot:
    """Return the snapshot that ``data``, the JSON of the file ``path``, is.

    Raises:
        SourceError: It is none; names the file.
    """
    if values.number(values.at(data, KEY)) != FORMAT:
        raise SourceError(f"{path}: no snapshot of mfagap's that this version reads")
    taken_at, origin, parts = (values.at(data, key) for key in ("taken_at", "origin", "parts"))
    taken_ms = values.moment(taken_at)
    if (taken_ms is None) != (taken_at is None) or not isinstance(origin, str):
        raise SourceError(f"{path}: taken_at or origin is off")
    if not isinstance(parts, dict) or not cast("Json", parts).keys() <= set(PARTS):
        raise SourceError(f"{path}: parts may be: {', '.join(PARTS)}")
    named = cast("dict[str, Any]", parts).items()
    return Snapshot(taken_ms, origin, {name: _part(name, part, path) for name, part in named})


def read_json(path: Path) -> Any:
    """Return the JSON in a file.

    Raises:
        SourceError: It cannot be read, has over ``MOST_BYTES``, is compressed or no JSON; names it.
    """
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise SourceError(f"{path}: over {MOST_BYTES:,} bytes")
        if body.startswith(_COMPRESSED):
            raise SourceError(
                f"{path}: is compressed; --from takes policies as plain JSON, the log goes before "
                "it: mfagap harden report LOG --from POLICIES"
            )
        return values.parsed(body)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # also where it is no text
        raise SourceError(f"{path}: no JSON: {error}") from error


def _part(name: str, data: object, path: Path) -> Part:
    items, missing = values.at(data, "items"), values.at(data, "missing")
    objects = values.objects(items)
    whole = isinstance(items, list) and len(objects) == len(cast("list[Any]", items))
    if not whole or not isinstance(missing, str | None):
        raise SourceError(f"{path}: {name} needs items, a list of objects, and missing")
    return Part(objects, missing)


def _without_links(value: object) -> Any:
    if isinstance(value, Mapping):
        held = cast("Json", value).items()
        return {key: _without_links(item) for key, item in held if key != "_links"}
    if isinstance(value, list | tuple):
        return [_without_links(item) for item in cast("list[Any]", value)]
    return value
