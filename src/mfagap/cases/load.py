"""Loads cases: one YAML file each.

::

    summary: what it shows, in a sentence
    clock: 2026-01-15T12:00:00Z      # the moment that offsets count from
    now: +2h                         # when it is judged (default); what arrives later is unseen
    until: +1h                       # starts before this are judged; left out, all up to now
    settings:                        # as under [detections.<id>] in a settings file
      lists: {trusted_api_tokens: [{api_token_id: 00T1}]}
    events:
      - {id: start, from: session_start, at: 0s}
      - {from: mfa, at: +12s, arrives: +40m, times: 2, set: {outcome.result: FAILURE}}
    expect:
      findings:
        - {start: start, mfa_status: single_factor, verdict: true_positive, raised: critical,
           follow_up: +4h, evidence: [{answer: act, tier: session, event: token}, …], …}
      alerts: [{key: 00u1ada…, severity: medium, findings: [start]}]
      skipped: {no user: 1}

What is left out of a finding is expected to be absent: ``confidence`` high for no reason, no
``mfa``, no ``explanation``, no ``annotations``, no ``policy``; the verdict leaves the severity, and
books no ``follow_up`` (counted from the start). ``evidence`` is every answer of the runbook, where
a case is about it. Without ``alerts``, each finding that alerts is expected to be an alert of its
own.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from mfagap.cases.templates import Event, Templates, put
from mfagap.detect.document import Document, read
from mfagap.detect.durations import seconds
from mfagap.detect.evaluate import rfc3339
from mfagap.model import Slot

_KEYS = {"summary", "clock", "now", "until", "settings", "events", "expect"}
_EVENT_KEYS = {"id", "from", "at", "arrives", "times", "set"}
_EXPECT_KEYS = {"findings", "alerts", "skipped"}
_FINDING_KEYS = {
    *("start", "mfa_status", "severity", "confidence", "confidence_reasons"),
    *("mfa", "explanation", "annotations", "policy"),
    *("verdict", "raised", "follow_up", "evidence"),
}
_ALERT_KEYS = {"key", "severity", "findings"}
_REACH_MS = 3 * 24 * 60 * 60 * 1000
_NAMESPACE = uuid.UUID("6f7f4f9e-1f0a-5d0c-9d55-2b1f6b3c0d11")


@dataclass(frozen=True, slots=True)
class Case:
    """One case: events in the order of delivery, the time they are judged at, what is expected."""

    name: str
    summary: str
    file: str
    now_ms: int
    until_ms: int
    settings: Mapping[str, Any]
    events: tuple[Event, ...]
    ids: Mapping[str, str]
    expect: Mapping[str, Any]

    @property
    def slot(self) -> Slot:
        """The starts that are judged: of three days, reckoned from ``now``.

        So cases whose times are shifted to one ``now`` share a slot; see ``together``.
        """
        return Slot(self.now_ms - _REACH_MS, self.until_ms, self.now_ms)


def load(folder: Path, templates: Templates) -> list[Case]:
    """Return the cases in ``folder/cases``, sorted by name.

    Raises:
        ContentError: A case is off; names file and line.
    """
    return [_case(read(path), templates) for path in sorted((folder / "cases").glob("*.yml"))]


def _case(document: Document, templates: Templates) -> Case:
    data = document.data
    check_keys(document, (), data, _KEYS, required={"summary", "clock", "events", "expect"})
    check_keys(document, ("expect",), data["expect"], _EXPECT_KEYS, required={"findings"})
    _check_entries(document, "findings", _FINDING_KEYS, required={"start", "mfa_status"})
    _check_entries(document, "alerts", _ALERT_KEYS, required={"severity", "findings"})
    name = Path(document.file).stem
    try:
        clock = moment(data["clock"])
        now = clock + timedelta(seconds=offset(data.get("now", "+2h")))
        until = clock + timedelta(seconds=offset(data["until"])) if "until" in data else None
    except (TypeError, ValueError) as error:
        raise document.error(str(error), ("clock",)) from error
    _check_follow_ups(document)
    ids: dict[str, str] = {}
    events: list[Event] = []
    if not isinstance(data["events"], list):
        raise document.error("events must be a list", ("events",))
    for place, entry in enumerate(cast("list[Any]", data["events"])):
        path = ("events", place)
        check_keys(document, path, entry, _EVENT_KEYS, required={"from", "at"})
        label = str(entry.get("id", f"event{place + 1}"))
        ids[label] = str(uuid.uuid5(_NAMESPACE, f"{name}/{label}"))
        try:
            event = event_at(entry, clock, ids[label], templates)
            events += [event] * int(entry.get("times", 1))
        except (AttributeError, KeyError, ValueError, TypeError, IndexError) as error:
            raise document.error(str(error.args[0]), path) from error
    return Case(
        name=name,
        summary=data["summary"],
        file=document.file,
        now_ms=ms_of(now),
        until_ms=ms_of(now) + 1 if until is None else ms_of(until),
        settings=data.get("settings") or {},
        events=tuple(events),
        ids=ids,
        expect=data["expect"],
    )


def event_at(
    entry: Mapping[str, Any], clock: datetime, event_id: str, templates: Templates
) -> Event:
    """Return the event that an entry of ``events`` describes.

    Raises:
        KeyError: There is no such template.
        ValueError: A time is off.
    """
    event = templates.event(entry["from"], {})
    happened = clock + timedelta(seconds=offset(entry["at"]))
    arrived = clock + timedelta(seconds=offset(entry.get("arrives", entry["at"])))
    event |= {
        "uuid": event_id,
        "published": rfc3339(ms_of(happened)),
        "p_parse_time": rfc3339(ms_of(arrived)),
    }
    overrides: dict[str, Any] = entry.get("set") or {}
    for path, value in overrides.items():
        put(event, path, value)
    return event


def moment(text: str) -> datetime:
    """Return the time in ``text``, such as ``2026-01-15T12:00:00Z``.

    Raises:
        ValueError: It is no time, or has no offset.
    """
    clock = datetime.fromisoformat(text)
    if clock.tzinfo is None:
        raise ValueError(f"{text!r} needs an offset, such as Z")
    return clock


def offset(text: str) -> float:
    """Return the seconds in ``+36.8s``, ``-2m`` or ``0s``."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    whole, point, fraction = rest.partition(".")
    if not point:
        return sign * seconds(rest)
    return sign * (seconds(f"{whole}s") + float(f"0.{fraction.removesuffix('s')}"))


def ms_of(time: datetime) -> int:
    """Return ``time`` in UTC epoch milliseconds."""
    return round(time.timestamp() * 1000)


def _check_entries(document: Document, name: str, known: set[str], required: set[str]) -> None:
    entries: Any = document.data["expect"].get(name, [])
    if not isinstance(entries, list):
        raise document.error(f"{name} must be a list", ("expect", name))
    for place, entry in enumerate(cast("list[Any]", entries)):
        check_keys(document, ("expect", name, place), entry, known, required)


def _check_follow_ups(document: Document) -> None:
    for place, finding in enumerate(cast("list[Any]", document.data["expect"]["findings"])):
        text = finding.get("follow_up")
        try:
            offset("0s" if text is None else text)
        except (AttributeError, TypeError, ValueError) as error:
            path = ("expect", "findings", place, "follow_up")
            message = f"follow_up: {text!r} is no time after the start; write it as +30m"
            raise document.error(message, path) from error


def check_keys(
    document: Document, path: tuple[str | int, ...], value: Any, known: set[str], required: set[str]
) -> None:
    """Check that ``value``, at ``path``, is a mapping with these keys.

    Raises:
        ContentError: It is none, has a key that is not known, or lacks one that is required.
    """
    if not isinstance(value, dict):
        raise document.error("must be a mapping", path)
    keys = set(cast("dict[str, object]", value))
    for key in sorted(keys - known):
        message = f"unknown key {key!r}; known are: {', '.join(sorted(known))}"
        raise document.error(message, (*path, key))
    missing = sorted(required - keys)
    if missing:
        raise document.error(f"key {missing[0]!r} is missing", path)
