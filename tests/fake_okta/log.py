"""The System Log as Okta keeps it: each event with when it happened and when it was stored."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

SEVEN_DAYS_MS = 7 * 86_400_000


class Refused(Exception):
    """A parameter that Okta answers with 400."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a request, read."""

    since_ms: int
    until_ms: int | None
    limit: int
    after: str | None
    descending: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A page's events, each as JSON, and the cursor of the next; None where it was the last."""

    events: list[bytes]
    after: str | None


def milliseconds(text: str) -> int:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError as error:
        raise Refused(f"the date {text!r} is not recognized") from error


def asked(query: Mapping[str, str], now_ms: int) -> Asked:
    until_ms = milliseconds(query["until"]) if "until" in query else None
    since = query.get("since")
    since_ms = (
        milliseconds(since)
        if since is not None
        else (now_ms if until_ms is None else until_ms) - SEVEN_DAYS_MS
    )
    limit = query.get("limit", "100")
    if not limit.isdigit() or int(limit) > 1000:
        raise Refused("limit: must be from 0 to 1000")
    order = query.get("sortOrder", "ASCENDING")
    return Asked(since_ms, until_ms, int(limit), query.get("after"), order == "DESCENDING")


class Log:
    """Events are made JSON once, when they are added, so that pages are fast."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stored: list[int] = []
        self._bodies: list[bytes] = []
        self._by_published: list[tuple[int, int]] = []
        self._generation = 0

    def __len__(self) -> int:
        return len(self._bodies)

    def add(self, events: Iterable[Mapping[str, Any]], stored_ms: int | None = None) -> None:
        """Store ``events`` in this order.

        Args:
            events: Each with ``published``.
            stored_ms: When they are stored; else when they happened, but never before an earlier
                one, so that an old event is a late one.
        """
        with self._lock:
            for event in events:
                published_ms = milliseconds(event["published"])
                at = published_ms if stored_ms is None else stored_ms
                insort(self._by_published, (published_ms, len(self._bodies)))
                self._stored.append(max(at, self._stored[-1] if self._stored else at))
                self._bodies.append(json.dumps(event).encode())

    def expire_cursors(self) -> None:
        """No longer accept any cursor that was given out so far."""
        self._generation += 1

    def page(self, asked: Asked) -> Found:
        with self._lock:
            return self._polled(asked) if asked.until_ms is None else self._bounded(asked)

    def _polled(self, asked: Asked) -> Found:
        if asked.after is None:
            start = bisect_right(self._stored, asked.since_ms)
        else:
            (start,) = self._read(asked.after, "p", 1)
        end = min(start + asked.limit, len(self._bodies))
        return Found(self._bodies[start:end], self._cursor("p", end))

    def _bounded(self, asked: Asked) -> Found:
        keys = self._by_published
        first = bisect_right(keys, (asked.since_ms, len(self._bodies)))
        last = bisect_left(keys, (asked.until_ms or 0, 0))
        if asked.after is not None:
            published_ms, number = self._read(asked.after, "b", 2)
            if asked.descending:
                last = bisect_left(keys, (published_ms, number))
            else:
                first = bisect_right(keys, (published_ms, number))
        count = min(max(last - first, 0), asked.limit)
        page = keys[last - count : last][::-1] if asked.descending else keys[first : first + count]
        more = last - first > count and page
        after = self._cursor("b", *page[-1]) if more else None
        return Found([self._bodies[number] for _, number in page], after)

    def _cursor(self, *parts: object) -> str:
        text = ":".join(str(part) for part in (self._generation, *parts))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _read(self, cursor: str, kind: str, count: int) -> list[int]:
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            generation, found, *numbers = urlsafe_b64decode(padded).decode().split(":")
            values = [int(number) for number in numbers]
        except ValueError as error:
            raise Refused("after: invalid cursor") from error
        if (generation, found, len(values)) != (str(self._generation), kind, count):
            raise Refused("after: invalid cursor")
        return values
