"""Made-up investigations, and the OCSF events of a scan, each valid."""

import io
from collections.abc import Iterable
from typing import Any

from tests.report.ocsf_schema import validated_events
from tests.report.results import NOON_MS, result

from mfagap.model import (
    Answer,
    Evidence,
    Finding,
    Investigation,
    MfaStatus,
    ScanResult,
    Severity,
    Verdict,
    VerdictWord,
)
from mfagap.report import ocsf

HOUR_LATER_MS = NOON_MS + 3_600_000

VERDICT = Verdict(
    verdict=VerdictWord.TRUE_POSITIVE,
    severity=Severity.CRITICAL,
    reason="It did what keeps access [acts: act-uuid].",
    follow_up_ms=NOON_MS + 1000,
    rests_on=("acts",),
)


def _evidence(step: str, *answers: Answer, failure: str | None = None) -> Evidence:
    return Evidence(
        step=step,
        question=f"{step}?",
        query="SELECT 1",
        parameters={},
        answers=answers,
        count=len(answers),
        digest="0" * 64,
        watermark_ms=NOON_MS,
        duration_ms=1,
        failure=failure,
    )


EVIDENCE = (
    _evidence(
        "acts",
        Answer(NOON_MS + 60_000, "act", "session", "act-uuid", None, "user.lifecycle.create"),
        Answer(NOON_MS + 90_000, "act", "session", "later-uuid", None, "user.lifecycle.create"),
    ),
    _evidence("factor", Answer(NOON_MS - 5000, "policy", "session", "policy-uuid")),
    _evidence("around", Answer(NOON_MS + 900_000, "users_failed_before", amount=7)),
    _evidence("client"),
    _evidence("window", failure="out of time"),
)


def investigated(found: Finding, verdict: Verdict = VERDICT) -> ScanResult:
    """Return what a scan an hour later gives that found and investigated ``found`` alone."""
    ran = Investigation(found.detection, found.uuid, found.start_ms, verdict, EVIDENCE)
    key = (found.detection, found.uuid)
    return result([found], investigations={key: ran}, now_ms=HOUR_LATER_MS)


def rendered(scanned: ScanResult, statuses: Iterable[MfaStatus] = frozenset(MfaStatus)) -> str:
    """Return ``scanned`` as OCSF."""
    out = io.StringIO()
    ocsf.render(scanned, statuses, out)
    return out.getvalue()


def event_of(scanned: ScanResult) -> dict[str, Any]:
    """Return the one event of ``scanned``."""
    (event,) = validated_events(rendered(scanned))
    return event


def lacking(event: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return ``event`` without ``names``."""
    return {name: value for name, value in event.items() if name not in names}
