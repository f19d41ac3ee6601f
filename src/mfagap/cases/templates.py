"""Whole events from named templates, overridden field by field."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfagap.detect.document import read
from mfagap.detect.form import content

Event = dict[str, Any]


class Templates:
    """The named templates in one file; see ``content/templates.yml``.

    Raises:
        ContentError: The file is off.
    """

    def __init__(self, path: Path | None = None) -> None:
        """See the class."""
        self._document = read(path or content() / "templates.yml")

    def event(self, name: str, overrides: Mapping[str, Any]) -> Event:
        """Return the event that ``name`` describes, with ``overrides`` (dotted path → value).

        Raises:
            KeyError: No template is called ``name``; names those that there are.
        """
        templates: dict[str, Any] = self._document.data
        if name not in templates:
            raise KeyError(f"no template is called {name!r}; there are: {', '.join(templates)}")
        template: dict[str, Any] = templates[name]
        parent = template.get("parent")
        event = self.event(parent, {}) if parent else {}
        for path, value in {**template["set"], **overrides}.items():
            put(event, path, value)
        return event


def put(event: Event, path: str, value: object) -> None:
    """Set ``value`` at the dotted ``path`` of ``event``; a number is a place in a list."""
    *above, last = path.split(".")
    inside: Any = event
    for key in above:
        place = _place(inside, key)
        if isinstance(place, str) and not isinstance(inside.get(place), dict | list):
            inside[place] = {}
        inside = inside[place]
    inside[_place(inside, last)] = copy.deepcopy(value)


def _place(inside: object, key: str) -> str | int:
    return int(key) if isinstance(inside, list) else key
