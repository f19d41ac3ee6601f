"""A real database with a few events, and an engine that counts what it is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
from tests.investigate.books import MINUTE_MS, WHOLE_MS, finding
from tests.report.results import NOON_MS

from mfagap.detect.evaluate import Engine
from mfagap.detect.form import content
from mfagap.detect.load import load
from mfagap.engines.sandbox import Sandbox
from mfagap.investigate.run import Inquiry
from mfagap.model import ContentList, Finding, Runbook, Scalar

DETECTION = load(content() / "detections" / "okta_legacy_authn_without_mfa")

ROWS = """
SELECT {start} AS start_uuid, {answer} AS answer, {tier} AS tier, e.uuid AS event_uuid,
  e.event_ms AS event_ms, {amount} AS amount, {detail} AS detail
FROM sessions AS s JOIN events AS e ON e.event_ms >= s.from_ms AND e.event_ms <= s.to_ms
WHERE {where}
"""


def rows(**parts: str) -> str:
    """Return a query that gives an answer for each event in the range of each session."""
    plain = {
        "start": "s.start_uuid",
        "answer": "'seen'",
        "tier": "NULL",
        "amount": "NULL",
        "detail": "NULL",
        "where": "TRUE",
    }
    return ROWS.format(**plain | parts)


def database(minutes: Sequence[float]) -> duckdb.DuckDBPyConnection:
    """Return a database whose events are at ``minutes`` after noon, called ``e0``, ``e1``, …."""
    connection = duckdb.connect()
    connection.execute("CREATE TABLE events (uuid VARCHAR, event_ms BIGINT)")
    for number, minute in enumerate(minutes):
        event = (f"e{number}", NOON_MS + round(minute * MINUTE_MS))
        connection.execute("INSERT INTO events VALUES (?, ?)", event)
    return connection


@dataclass(slots=True)
class Counting:
    """Passes each query on to ``engine``, and keeps what it was given."""

    engine: Engine
    asked: list[tuple[str, Mapping[str, int], Mapping[str, ContentList]]] = field(
        default_factory=list[Any]
    )

    def run(
        self, sql: str, parameters: Mapping[str, int], lists: Mapping[str, ContentList]
    ) -> list[dict[str, Scalar]]:
        """Return the rows of ``sql``."""
        self.asked.append((sql, parameters, lists))
        return self.engine.run(sql, parameters, lists)


def counting(*minutes: float, timeout_s: float = 60) -> Counting:
    """Return an engine over events at ``minutes`` after noon."""
    return Counting(Sandbox(database(minutes), timeout_s=timeout_s))


def inquiry(book: Runbook, *findings: Finding, watermark_ms: int = WHOLE_MS) -> Inquiry:
    """Return what is asked about ``findings``; about one sign-in at noon if there is none."""
    return Inquiry(DETECTION, book, findings or (finding(),), watermark_ms)


def tick() -> float:
    """Return a time that never passes."""
    return 0.0
