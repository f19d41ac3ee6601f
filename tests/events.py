"""Whole events from the templates, and lines of them, for every test that reads a log."""

import json
from collections.abc import Iterable

from mfagap.cases.templates import Event, Templates

PUBLISHED = "2026-01-15T12:00:00.000Z"
PUBLISHED_MS = 1_768_478_400_000
WALL_MS = PUBLISHED_MS + 24 * 60 * 60 * 1000
"""A wall clock a day after the events."""

TEMPLATES = Templates()


def event(template: str, name: str, /, **overrides: object) -> Event:
    """Return an event with the uuid ``name``; in ``overrides``, ``__`` stands for a dot."""
    paths = {name.replace("__", "."): value for name, value in overrides.items()}
    return TEMPLATES.event(template, {"uuid": name, "published": PUBLISHED} | paths)


def start(name: str, /, **overrides: object) -> Event:
    return event("session_start", name, **overrides)


def ndjson(events: Iterable[Event]) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in events).encode()
