"""Loads ``survivors.yml``: the mutants that no case kills, and why that is right.

::

    - reason: An id is never empty, so another default compares the same.
      owner: the mfagap maintainers
      mutants:
        - "spelled: '' -> '~'"

A detection without the file has no such mutant.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from mfagap.detect.document import Document, Key, read

FILE = "survivors.yml"
_KEYS = ("reason", "owner", "mutants")


def load(folder: Path) -> Mapping[str, int]:
    """Return the name of each mutant that is written down in ``folder``, and its line.

    Raises:
        ContentError: The file is off; names file and line.
    """
    if not (folder / FILE).exists():
        return {}
    document = read(folder / FILE)
    if not isinstance(document.data, list):
        raise document.error("must be a list")
    lines: dict[str, int] = {}
    for place, entry in enumerate(cast("list[Any]", document.data)):
        for number, name in enumerate(_mutants(document, (place,), entry)):
            path = (place, "mutants", number)
            if name in lines:
                raise document.error(f"{name!r} is given twice", path)
            lines[name] = document.line(path)
    return lines


def _mutants(document: Document, path: Key, entry: Any) -> list[str]:
    """Return the mutants of one entry, which has all the keys and no other."""
    if not isinstance(entry, dict):
        raise document.error("must be a mapping", path)
    data = cast("dict[str, Any]", entry)
    for key in data:
        if key not in _KEYS:
            known = ", ".join(_KEYS)
            raise document.error(f"unknown key {key!r}; known are: {known}", (*path, key))
    for key in ("reason", "owner"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise document.error(f"{key!r} is missing or no text", (*path, key))
    mutants = data.get("mutants")
    if not isinstance(mutants, list) or not mutants:
        raise document.error("'mutants' is missing or no list of names", (*path, "mutants"))
    for number, name in enumerate(cast("list[Any]", mutants)):
        if not isinstance(name, str):
            raise document.error("must be a text: put it in quotes", (*path, "mutants", number))
    return cast("list[str]", mutants)
