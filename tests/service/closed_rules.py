"""Workshops in which policy rules were closed, and events that may open them again."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.harden.applied import Bench as OrgBench
from tests.harden.applied import bench as org_bench
from tests.harden.planned import (
    NOW_MS,
    REST_RULE,
    STAFF,
)
from tests.properties.orgs import BEGIN, log_event
from tests.service.workshops import DROP, Bench, bench

from mfagap.harden.journal import FOLDER, Journal
from mfagap.service.collect import Folder, collect
from mfagap.service.regressions import GAP, look
from mfagap.state.closed import Closed

BEGIN_MS = round(BEGIN.timestamp() * 1000)
CLOSED_S = 600
CLOSED_MS = BEGIN_MS + CLOSED_S * 1000
LATER_MS = BEGIN_MS + 24 * 3_600_000
ROUTES = (("log", 1),)

AFTER_S = (NOW_MS - CLOSED_MS) / 1000
NEXT_DAY_MS = NOW_MS + 24 * 3_600_000


def target(kind: str, id_: str) -> dict[str, str]:
    """Return a target of an event."""
    return {"id": id_, "type": kind, "displayName": id_, "alternateId": "unknown"}


RULE = (target("PolicyEntity", STAFF), target("PolicyRule", REST_RULE))
OTHER_RULE = (target("PolicyEntity", STAFF), target("PolicyRule", "0prother"))
POLICY = (target("PolicyEntity", STAFF),)


def change(
    name: str, after_s: float, kind: str = "rule.update", targets: Sequence[Any] = RULE, **more: Any
) -> Any:
    """Return an event that changes a policy, so many seconds after the rule was closed."""
    fields: dict[str, object] = {
        "eventType": f"policy.{kind}",
        "target": list(targets),
        "actor__id": "00umallory",
        "actor__alternateId": "mallory@example.com",
        "client__userAgent__rawUserAgent": "Mozilla/5.0",
        **more,
    }
    return log_event("event", name, CLOSED_S + after_s, **fields)


def closing(work: Bench, **changes: Any) -> None:
    """Put on file that a rule was closed."""
    row = {
        "rule_id": REST_RULE,
        "policy_id": STAFF,
        "name": "Everybody else",
        "run": "0001-x",
        "closed_ms": CLOSED_MS,
    }
    with work.workshop.database.change():
        Closed(work.workshop.database).put(row | changes)


@contextmanager
def closed(folder: Path) -> Generator[Bench]:
    """Open a workshop in which a rule was closed."""
    with bench(folder, ROUTES) as work:
        closing(work)
        yield work


def told(work: Bench) -> list[dict[str, Any]]:
    """Return the notices, the silence of sources aside."""
    bodies = [json.loads(row["body"]) for row in work.workshop.outbox.waiting(10**15)]
    return [body for body in bodies if body["detection"] == GAP]


def looked(work: Bench, *events: Any) -> list[dict[str, Any]]:
    """Let ``events`` come, look as a tick does, and return all notices."""
    work.drop("events.ndjson", events)
    source = Folder(DROP, str(work.folder / "logs"), 0)
    assert collect(work.workshop, [source], LATER_MS).failures == {}
    opened = look(work.workshop, LATER_MS)
    assert opened == len(told(work))
    return told(work)


def keys(work: Bench) -> set[str]:
    """Return the dedup keys of the alerts, less the rule that stands before each."""
    rows = work.workshop.alerts.listed(everything=True)
    return {
        row["dedup_key"].removeprefix(f"{REST_RULE} ") for row in rows if row["detection"] == GAP
    }


@contextmanager
def applied(folder: Path) -> Generator[tuple[OrgBench, Bench]]:
    """Open an org whose journal is in the state folder of a workshop."""
    with org_bench(folder) as org_work, bench(folder, ROUTES) as work:
        own = Journal(folder / "state" / FOLDER, "ana", lambda: NOW_MS)
        yield replace(org_work, journal=own), work
