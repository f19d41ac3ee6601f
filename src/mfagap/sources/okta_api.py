"""Okta's System Log API as a source: the past first, then whatever is new, page by page.

Two ways of asking are used (docs/okta.md). A query with an end is sorted by when events happened,
and ends: the past is read by it, a day at a time. A query without an end is sorted by when Okta
stored them, and its ``next`` link never ends: that link is the cursor from then on.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from mfagap.errors import CursorRefused, SourceError
from mfagap.lake.pages import look
from mfagap.model import Delivery
from mfagap.okta.client import OktaClient
from mfagap.okta.transport import Answer

LOGS = "/api/v1/logs"
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Past:
    """How much of the past was read: so many ``days`` of the ``whole``."""

    days: float
    whole: float


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the log.

    Attributes:
        delivery: A file with a JSON array of events, as Okta sent it.
        cursor: Goes on right after this page; to be stored once the page itself is.
        complete_until_ms: Events before this are believed to have come; None where it is not known.
        note: What a person should know of how it was read.
        past: How far the reading of the past has come by it; None where it is over.
    """

    delivery: Delivery
    cursor: str
    complete_until_ms: int | None
    note: str | None = None
    past: Past | None = None


@dataclass(frozen=True, slots=True)
class _Position:
    """Where to go on; as JSON it is the cursor.

    Attributes:
        mode: ``backfill`` or ``poll``.
        url: To ask next.
        seen_ms: What Okta stored before this has been asked for, and so where to begin by time.
        from_ms: Where the slice of a backfill begins.
        until_ms: Where it ends.
        end_ms: Where the backfill does.
    """

    mode: str
    url: str
    seen_ms: int
    from_ms: int = 0
    until_ms: int = 0
    end_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """How many events a page has, as far as it matters, and when the newest happened, or 0."""

    events: int
    newest_ms: int


class OktaApi:
    """Reads an org's System Log.

    Args:
        client: Of the org.
        backfill_days: How much of the past the first run reads; Okta keeps 90 days.
        overlap_s: How much is read again where only a time tells where to go on.
        lateness_s: How late Okta may store an event.
        limit: Events per page, at most 1000.
    """

    def __init__(
        self,
        client: OktaClient,
        *,
        backfill_days: float = 90,
        overlap_s: int = 600,
        lateness_s: int = 300,
        limit: int = 1000,
    ) -> None:
        self._client = client
        self._backfill_ms = int(backfill_days * DAY_MS)
        self._overlap_ms = overlap_s * 1000
        self._lateness_ms = lateness_s * 1000
        self._limit = limit

    def fetch(
        self, cursor: str | None, now_ms: int, folder: Path, limit_pages: int
    ) -> Iterator[Page]:
        """Yield pages until there is nothing new, or ``limit_pages`` were read.

        A page may come again after a crash, and some events come twice: their ``uuid`` tells.

        Args:
            cursor: Of the last page that was stored; None for the first run.
            now_ms: The time, in UTC epoch milliseconds.
            folder: Where the pages' files are written; the caller removes them.
            limit_pages: How many pages to read at most.

        Raises:
            SourceError: Okta could not be read, or the cursor is none of ours.
        """
        position = self._first(now_ms) if cursor is None else _from_text(cursor)
        for _ in range(limit_pages):
            answer, position, note = self._ask(position)
            delivery = _write(answer, folder)
            found = _look(answer, delivery.path, self._limit)
            caught_up = position.mode == "poll" and found.events < self._limit
            asked = position
            position, complete_until_ms = self._after(asked, answer, found, now_ms)
            if caught_up:
                complete_until_ms = now_ms - self._lateness_ms
            past = self._past(asked, position, found)
            yield Page(delivery, json.dumps(asdict(position)), complete_until_ms, note, past)
            if caught_up:
                return

    def limits(self) -> tuple[int | None, int]:
        """Return what is left of the rate limit, and how many answers were a 429."""
        return self._client.limits(LOGS)

    def _past(self, asked: _Position, after: _Position, found: _Found) -> Past | None:
        """Return how far the past was read by a page; in a slice, events come by their time."""
        if asked.mode != "backfill":
            return None
        reached_ms = asked.until_ms
        if (after.mode, after.from_ms) == ("backfill", asked.from_ms):
            reached_ms = min(max(found.newest_ms, asked.from_ms), asked.until_ms)
        # Settings may have changed since the backfill began.
        done_ms = self._backfill_ms - min(asked.end_ms - reached_ms, self._backfill_ms)
        return Past(done_ms / DAY_MS, self._backfill_ms / DAY_MS)

    def _first(self, now_ms: int) -> _Position:
        if self._backfill_ms <= 0:
            return self._poll_from(now_ms)
        return self._slice(now_ms - self._backfill_ms, now_ms)

    def _slice(self, from_ms: int, end_ms: int) -> _Position:
        until_ms = min(from_ms + DAY_MS, end_ms)
        # `since` leaves its own instant out, and `until` perhaps too.
        url = self._url(since=_iso(from_ms - 1), until=_iso(until_ms))
        return _Position("backfill", url, end_ms, from_ms, until_ms, end_ms)

    def _poll_from(self, seen_ms: int) -> _Position:
        return _Position("poll", self._url(since=_iso(seen_ms - self._overlap_ms)), seen_ms)

    def _url(self, **bounds: str) -> str:
        query = {**bounds, "sortOrder": "ASCENDING", "limit": str(self._limit)}
        return f"{LOGS}?{urlencode(query)}"

    def _ask(self, position: _Position) -> tuple[Answer, _Position, str | None]:
        """Return the answer, and where and how it was got: by time, where the link is refused."""
        try:
            return self._client.get(position.url), position, None
        except CursorRefused as refused:
            reason = str(refused)
        if position.mode == "backfill":
            start = _iso(position.from_ms)
            position = self._slice(position.from_ms, position.end_ms)
            note = f"cursor refused: reading again from {start}, the beginning of a day's slice"
        else:
            start = _iso(position.seen_ms - self._overlap_ms)
            position = self._poll_from(position.seen_ms)
            minutes = f"{self._overlap_ms / 60_000:g}"
            note = (
                f"cursor refused: reading again from {start} with an overlap of {minutes} minutes"
            )
        return self._client.get(position.url), position, f"{note} ({reason})"

    def _after(
        self, position: _Position, answer: Answer, found: _Found, now_ms: int
    ) -> tuple[_Position, int | None]:
        """Return where to go on after a page, and until when all is known by then."""
        url = answer.links.get("next")
        if position.mode == "poll":
            if url is None and found.events:
                raise SourceError(
                    "Okta's answer has no link to what comes next: does a proxy remove it?"
                )
            seen_ms = max(position.seen_ms, min(found.newest_ms, now_ms))
            return replace(position, url=url or position.url, seen_ms=seen_ms), None
        if url is not None and url != answer.url:
            return replace(position, url=url), None
        known_ms = min(position.until_ms, now_ms - self._lateness_ms)
        if position.until_ms < position.end_ms:
            return self._slice(position.until_ms, position.end_ms), known_ms
        return self._poll_from(position.end_ms), known_ms


def _from_text(cursor: str) -> _Position:
    try:
        position = _Position(**cast("dict[str, Any]", json.loads(cursor)))
        mode, url, *times = astuple(position)
    except (ValueError, TypeError):
        mode, url, times, position = "", "", [], None
    known = mode in ("backfill", "poll") and isinstance(url, str)
    if position is None or not known or not all(isinstance(time, int) for time in times):
        raise SourceError("the stored cursor is none of Okta's log")
    return position


def _look(answer: Answer, file: Path, full: int) -> _Found:
    try:
        seen = look(file, answer.body, full)
    except ValueError as error:
        raise SourceError("Okta's answer is no JSON") from error
    if seen is None:
        raise SourceError("Okta's answer is no list of events")
    events, newest = seen
    try:
        return _Found(events, int(datetime.fromisoformat(newest).timestamp() * 1000))
    except (ValueError, OverflowError):
        return _Found(events, 0)


def _iso(ms: int) -> str:
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _write(answer: Answer, folder: Path) -> Delivery:
    handle, path = tempfile.mkstemp(".json", "okta-", folder)
    with os.fdopen(handle, "wb") as out:
        out.write(answer.body)
    parts = urlsplit(answer.url)
    return Delivery(Path(path), f"okta:{parts.path}?{parts.query}")
