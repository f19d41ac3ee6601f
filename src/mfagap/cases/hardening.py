"""Loads cases of hardening checks, one YAML file each: an org and its log in, exact results out.

::

    summary: what it shows, in a sentence
    clock: 2026-01-15T12:00:00Z      # the moment that offsets count from
    now: +0s                         # when it is judged (default): the end of the log
    from: -30d                       # the beginning of the log (default)
    log: false                       # no log was read
    snapshot:                        # left out: nobody has read the org's policies
      taken: -1h                     # when; by default at `now`; null where nobody knows
      unknown: {zones: lacks okta.networkZones.read}
      OKTA_SIGN_ON:                  # parts; one that is left out is known, and empty
        - from: session_policy       # a template of content/hardening/templates.yml
          set: {name: Contractors}
          rules:                     # left out: they could not be read
            - {from: session_rule, id: 0prA, name: Office, set: {actions.signon.access: DENY}}
    sessions:                        # rows of legacy_sessions
      - {id: one, at: -2d, rule_id: 0prA}
    events:
      - {id: change, from: rule_update, at: -1d, set: {outcome.result: FAILURE}}
    expect:
      results:
        - {subject_id: 0prA, result: fail, reason: used, severity: high, amount: 1,
           first: -2d, last: -2d, evidence: [one]}

``id`` and ``name`` of an object are short for the same under ``set``; ``id`` of a session or an
event is its ``uuid``. Every result is expected. What is left out of one is expected to be absent:
``subject_id``, ``first``, ``last``, ``detail``, ``evidence``; ``amount`` is 0; ``severity`` is the
check's where it fails or is unknown, else informational. ``subject_name``, ``policy_id`` and
``says`` are compared where they are given.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from mfagap.cases.load import check_keys, event_at, moment, ms_of, offset
from mfagap.cases.templates import Event, Templates
from mfagap.detect.document import Document, Key, read
from mfagap.detect.form import content
from mfagap.harden.judge import Span
from mfagap.harden.tables import sessions, tables
from mfagap.model import (
    AlertContext,
    Confidence,
    ContentList,
    Finding,
    MfaStatus,
    Policy,
    Severity,
)
from mfagap.model.hardening import CheckOutcome
from mfagap.model.org import (
    NOTHING,
    PARTS,
    POLICY_TYPES,
    Part,
    Snapshot,
)

_KEYS = {"summary", "clock", "now", "from", "log", "snapshot", "sessions", "events", "expect"}
_SNAPSHOT_KEYS = {"taken", "unknown", *PARTS}
_OBJECT_KEYS = {"from", "id", "name", "set"}
_EVENT_KEYS = {"id", "from", "at", "set"}
_SESSION: Mapping[str, Any] = {
    "mfa_status": "single_factor",
    "severity": "medium",
    "actor_id": "00u1ada0000000000001",
    "user_email": "ada@example.com",
    "source_ip": "192.0.2.10",
    "user_agent": "python-requests/2.32.3",
    "rule_id": "0pr1staff00000000001",
    "rule_name": "Staff sign-in",
    "policy_id": "00p1staff00000000001",
    "policy_name": "Staff",
    "policy_result": "ALLOW",
    "verdict": "security_risk",
}
"""A session of which a case tells nothing else."""

_RESULT_KEYS = {
    *("subject_id", "result", "reason", "severity", "amount", "first", "last", "evidence"),
    *("detail", "subject_name", "policy_id", "says"),
}


@dataclass(frozen=True, slots=True)
class HardeningCase:
    """One case: an org, its log, and what is expected.

    Attributes:
        name: The file's.
        summary: What it shows.
        file: Where it stands.
        clock_ms: What offsets count from.
        span: Of the log.
        snapshot: Of the org.
        tables: Made of the snapshot and of the sessions.
        events: Of the log, up to its end.
        expect: As the case writes it.
    """

    name: str
    summary: str
    file: str
    clock_ms: int
    span: Span
    snapshot: Snapshot
    tables: Mapping[str, ContentList]
    events: tuple[Event, ...]
    expect: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Makers:
    """Templates of what cases are made of: of events, and of the API's objects."""

    events: Templates
    objects: Templates

    @classmethod
    def shipped(cls) -> "Makers":
        """Return those that ship with mfagap.

        Raises:
            ContentError: A file is off.
        """
        return cls(Templates(), Templates(content() / "hardening" / "templates.yml"))


def load(folder: Path, makers: Makers) -> list[HardeningCase]:
    """Return the cases in ``folder/cases``, sorted by name.

    Raises:
        ContentError: A case is off; names file and line.
    """
    return [_case(read(path), makers) for path in sorted((folder / "cases").glob("*.yml"))]


def _case(document: Document, makers: Makers) -> HardeningCase:
    data = document.data
    check_keys(document, (), data, _KEYS, required={"summary", "clock", "expect"})
    check_keys(document, ("expect",), data["expect"], {"results"}, required={"results"})
    expected: Any = data["expect"]["results"]
    for path, entry in _entries(document, ("expect", "results"), expected):
        check_keys(document, path, entry, _RESULT_KEYS, required={"result", "reason"})
        with _off(document, path):
            CheckOutcome(entry["result"])
            offset(entry.get("first", "0s"))
            offset(entry.get("last", "0s"))
    with _off(document, ("clock",)):
        clock = moment(data["clock"])
        now_ms = ms_of(clock + timedelta(seconds=offset(data.get("now", "+0s"))))
        from_ms = now_ms + round(offset(data.get("from", "-30d")) * 1000)
    snapshot = _snapshot(document, makers, now_ms, clock)
    found = [_session(document, path, entry, clock) for path, entry in _sessions(document)]
    verdicts = {finding.uuid: verdict for finding, verdict in found}
    return HardeningCase(
        name=Path(document.file).stem,
        summary=data["summary"],
        file=document.file,
        clock_ms=ms_of(clock),
        span=(from_ms, now_ms + 1, now_ms) if data.get("log", True) else (now_ms, now_ms, now_ms),
        snapshot=snapshot,
        tables=tables(snapshot)
        | {"legacy_sessions": sessions((finding for finding, _ in found), verdicts)},
        events=tuple(_events(document, makers, clock)),
        expect=expected,
    )


@contextmanager
def _off(document: Document, path: Key) -> Generator[None]:
    """Turn what is wrong with a value into an error that names its line."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise document.error(str(error.args[0]), path) from error


def _entries(document: Document, path: Key, entries: Any) -> Iterator[tuple[Key, Any]]:
    """Yield each of ``entries``, which stand at ``path``, and where it stands."""
    if not isinstance(entries, list):
        raise document.error("must be a list", path)
    for place, entry in enumerate(cast("list[Any]", entries)):
        yield (*path, place), entry


def _snapshot(document: Document, makers: Makers, now_ms: int, clock: datetime) -> Snapshot:
    if "snapshot" not in document.data:
        return NOTHING
    data: Any = document.data["snapshot"]
    check_keys(document, ("snapshot",), data, _SNAPSHOT_KEYS, required=set())
    taken_ms: int | None = now_ms
    if "taken" in data:
        with _off(document, ("snapshot", "taken")):
            text = data["taken"]
            taken = None if text is None else clock + timedelta(seconds=offset(text))
            taken_ms = None if taken is None else ms_of(taken)
    unknown: Any = data.get("unknown", {})
    check_keys(document, ("snapshot", "unknown"), unknown, set(PARTS), required=set())
    parts = {
        name: Part(
            tuple(
                _object(document, path, entry, makers, with_rules=name in POLICY_TYPES)
                for path, entry in _entries(document, ("snapshot", name), data.get(name, []))
            ),
            unknown.get(name),
        )
        for name in PARTS
    }
    return Snapshot(taken_ms, "a case", parts)


def _object(
    document: Document, path: Key, entry: Any, makers: Makers, *, with_rules: bool = False
) -> dict[str, Any]:
    """Return an object as the API returns it, and below it the policy's rules."""
    known = _OBJECT_KEYS | ({"rules"} if with_rules else set[str]())
    check_keys(document, path, entry, known, required={"from"})
    short = {key: entry[key] for key in ("id", "name") if key in entry}
    with _off(document, path):
        made = makers.objects.event(entry["from"], short | (entry.get("set") or {}))
    if "rules" in entry:
        made["rules"] = [
            _object(document, where, rule, makers)
            for where, rule in _entries(document, (*path, "rules"), entry["rules"])
        ]
    return made


def _sessions(document: Document) -> Iterator[tuple[Key, Any]]:
    known = {"id", "at", *_SESSION}
    for path, entry in _entries(document, ("sessions",), document.data.get("sessions", [])):
        check_keys(document, path, entry, known, required={"id", "at"})
        yield path, entry


def _session(
    document: Document, path: Key, entry: Mapping[str, Any], clock: datetime
) -> tuple[Finding, str]:
    """Return a session's finding and verdict."""
    row = {**_SESSION, **entry}
    with _off(document, path):
        start = clock + timedelta(seconds=offset(row["at"]))
        finding = Finding(
            detection="a case",
            uuid=row["id"],
            start_ms=ms_of(start),
            mfa_status=MfaStatus(row["mfa_status"]),
            severity=Severity[row["severity"].upper()],
            confidence=Confidence.HIGH,
            confidence_reasons=(),
            title="",
            dedup_key=row["id"],
            mfa_link=None,
            mfa_event=None,
            explanation=None,
            annotations=(),
            policy=Policy(
                result=row["policy_result"],
                policy_id=row["policy_id"],
                policy_name=row["policy_name"],
                rule_id=row["rule_id"],
                rule_name=row["rule_name"],
            ),
            alert_context=AlertContext(
                user_email=row["user_email"],
                actor_id=row["actor_id"],
                source_ip=row["source_ip"],
                user_agent=row["user_agent"],
                external_session_id=f"102-{row['id']}",
                transaction_id=None,
                request_uri="/api/v1/authn",
                session_start_time=start.isoformat(),
            ),
        )
    return finding, row["verdict"]


def _events(document: Document, makers: Makers, clock: datetime) -> Iterator[Event]:
    for path, entry in _entries(document, ("events",), document.data.get("events", [])):
        check_keys(document, path, entry, _EVENT_KEYS, required={"id", "from", "at"})
        with _off(document, path):
            yield event_at(entry, clock, entry["id"], makers.events)
