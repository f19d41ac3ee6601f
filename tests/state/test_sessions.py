"""Findings and runs of the runbook: versions are only ever added, and nothing is lost of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.report.results import ACT, EVIDENCE, FINDING, NOON_MS, evidence, investigated

from mfagap.model import (
    Answer,
    Confidence,
    Finding,
    Investigation,
    MfaStatus,
    Reference,
    Severity,
    Verdict,
    VerdictWord,
)
from mfagap.state.alerts import Alerts
from mfagap.state.database import Database
from mfagap.state.sessions import GONE, Session, Sessions

ID = FINDING.detection
SPAN = (NOON_MS, NOON_MS + 900_000)
OTHER = replace(FINDING, uuid="other", start_ms=NOON_MS + 1, dedup_key="bob")
STEP_UP = replace(FINDING, mfa_status=MfaStatus.STEP_UP, mfa_link="session", mfa_event="factor")
MFA = replace(STEP_UP, mfa_status=MfaStatus.MFA)
HOUR_MS = 3_600_000


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return Sessions(database)


def store(
    database: Database, *findings: Finding, now_ms: int = 2, span: tuple[int, int] = SPAN
) -> int:
    with database.change():
        return Sessions(database).store(ID, span, findings, (1, now_ms))


def conclude(database: Database, run: Investigation, now_ms: int = 2) -> None:
    with database.change():
        Sessions(database).conclude(run, now_ms)


def runs(database: Database) -> list[tuple[str, int, int]]:
    rows = database.rows("SELECT * FROM investigations ORDER BY uuid, run")
    return [(row["uuid"], row["run"], row["at_ms"]) for row in rows]


def versions(database: Database) -> list[tuple[int, int]]:
    """Return number and NOW of each version of ``FINDING``."""
    sql = "SELECT version, at_ms FROM versions WHERE uuid = ? ORDER BY version"
    return [(row["version"], row["at_ms"]) for row in database.rows(sql, (FINDING.uuid,))]


def due(database: Database, watermark_ms: int = 0) -> list[str]:
    return [session.finding.uuid for session in Sessions(database).due(ID, watermark_ms)]


def run_of(finding: Finding, **changes: Any) -> Investigation:
    """Return a run on ``finding``, whose verdict has ``changes``."""
    ((_, run),) = investigated(finding, **changes).items()
    return run


def test_a_finding_is_kept_field_by_field(database: Database, sessions: Sessions) -> None:
    whole = replace(
        FINDING,
        mfa_status=MfaStatus.CHALLENGED,
        severity=Severity.CRITICAL,
        confidence=Confidence.LOW,
        confidence_reasons=("remembered_device", "silent_source"),
        title="„Ada“ \u202e signed in\n\x1b[31m",
        mfa_link="request_trail",
        mfa_event="factor",
        explanation=Reference("desktop_sso", "session", "iwa"),
        annotations=(Reference("late_factor", "session", "l"), Reference("radius", "root", "r")),
    )
    empty = replace(
        OTHER,
        policy=replace(FINDING.policy, result=None, policy_id=None, event=None, link=None),
        alert_context=replace(
            FINDING.alert_context, actor_id=None, source_ip=None, user_agent=None, request_uri=None
        ),
    )
    assert store(database, whole, empty) == 2
    assert sessions.of_keys(ID, [whole.dedup_key]) == [
        Session(whole, gone=False, verdict=None, severity=Severity.CRITICAL)
    ]
    assert sessions.of_keys(ID, ["bob"]) == [
        Session(empty, gone=False, verdict=None, severity=Severity.MEDIUM)
    ]
    assert sessions.of_keys(ID, ["nobody"]) == sessions.of_keys("other", ["bob"]) == []


def test_a_finding_that_is_as_it_was_gets_no_version(database: Database) -> None:
    assert [store(database, FINDING), store(database, FINDING)] == [1, 0]
    assert versions(database) == [(1, 2)]


def test_a_change_adds_a_version_and_keeps_the_others(database: Database) -> None:
    worse = replace(FINDING, severity=Severity.HIGH)
    for now_ms, finding in ((2, FINDING), (3, worse), (4, FINDING)):
        assert store(database, finding, now_ms=now_ms) == 1
    assert versions(database) == [(1, 2), (2, 3), (3, 4)]
    rows = database.rows("SELECT finding, watermark_ms FROM versions ORDER BY version")
    assert [row["watermark_ms"] for row in rows] == [1, 1, 1]
    assert rows[0]["finding"] == rows[2]["finding"] != rows[1]["finding"]


def test_what_is_returned_no_more_is_gone_and_can_come_back(
    database: Database, sessions: Sessions
) -> None:
    store(database, FINDING, OTHER)
    assert store(database, OTHER) == 1
    assert store(database, OTHER) == 0, "it is gone already"
    (gone,) = sessions.of_keys(ID, [FINDING.dedup_key])
    assert gone == Session(FINDING, gone=True, verdict=None, severity=Severity.MEDIUM)
    assert store(database, FINDING, OTHER) == 1
    (back,) = sessions.of_keys(ID, [FINDING.dedup_key])
    assert back == replace(gone, gone=False)
    assert versions(database) == [(1, 2), (2, 2), (3, 2)]
    said = "single_factor, high confidence"
    assert sessions.history(ID, FINDING.uuid) == [(2, said), (2, GONE), (2, said)]


def test_what_begins_outside_of_the_span_is_not_gone(database: Database) -> None:
    store(database, FINDING)
    assert store(database, span=(NOON_MS - 900_000, NOON_MS)) == 0
    assert store(database, span=(NOON_MS + 1, NOON_MS + 900_000)) == 0
    with database.change():
        assert Sessions(database).store("other", SPAN, [], (1, 2)) == 0
    assert store(database) == 1


def test_a_second_factor_is_kept_only_of_what_had_none(
    database: Database, sessions: Sessions
) -> None:
    assert store(database, MFA) == 0
    assert sessions.history(ID, FINDING.uuid) == []
    assert store(database, FINDING) == 1
    assert [store(database, MFA), store(database, MFA)] == [1, 0]
    (session,) = sessions.of_keys(ID, [FINDING.dedup_key])
    assert session.finding == MFA


def test_each_change_waits_for_the_runbook(database: Database, sessions: Sessions) -> None:
    store(database, OTHER, FINDING)
    assert due(database) == [FINDING.uuid, OTHER.uuid], "the earliest first"
    with database.change():
        sessions.settle(ID, [FINDING.uuid, OTHER.uuid])
    store(database, OTHER, FINDING)
    assert due(database) == []
    for findings in ([FINDING, replace(OTHER, title="another")], [FINDING]):
        store(database, *findings)
        assert due(database) == [OTHER.uuid]
        with database.change():
            sessions.settle(ID, [OTHER.uuid])


def test_a_run_is_kept_field_by_field(database: Database, sessions: Sessions) -> None:
    strange = evidence(
        "around",
        Answer(NOON_MS, "users", "actor_address", "event", 12, "\u202e<b>"),
        Answer(NOON_MS, "users"),
        parameters={"text": "t", "none": None, "share": 0.5, "whole": 1, "yes": True},
        count=700,
        digest="ab" * 32,
        watermark_ms=5,
        duration_ms=6,
        failure="it ran out of time",
    )
    run = Investigation(
        ID,
        FINDING.uuid,
        NOON_MS,
        Verdict(VerdictWord.SUSPICIOUS, Severity.HIGH, "why [acts: a]", NOON_MS + 7, ("acts",)),
        (*EVIDENCE, strange),
    )
    store(database, FINDING)
    assert sessions.investigation(ID, FINDING.uuid) is None
    conclude(database, run)
    kept = sessions.investigation(ID, FINDING.uuid)
    assert kept == run
    assert kept is not None
    kinds = {key: type(value) for key, value in kept.evidence[-1].parameters.items()}
    assert kinds == {"text": str, "none": type(None), "share": float, "whole": int, "yes": bool}
    (session,) = sessions.of_keys(ID, [FINDING.dedup_key])
    assert session == Session(FINDING, False, VerdictWord.SUSPICIOUS, Severity.HIGH)


SAME: Sequence[dict[str, Any]] = (
    {"items": [replace(item, duration_ms=99) for item in EVIDENCE]},
    {"items": [replace(item, watermark_ms=item.watermark_ms + 1) for item in EVIDENCE]},
    {"reason": "in other words"},
)
ELSE: Sequence[dict[str, Any]] = (
    {"verdict": VerdictWord.SUSPICIOUS},
    {"severity": Severity.HIGH},
    {"follow_up_ms": NOON_MS + HOUR_MS},
    {"items": [replace(item, digest="1" * 64) for item in EVIDENCE]},
    {"items": [replace(item, failure="no room") for item in EVIDENCE]},
    {"items": EVIDENCE[:-1]},
)


def test_a_run_that_came_to_the_same_is_not_added(database: Database) -> None:
    store(database, FINDING)
    for changes in ({}, *SAME):
        conclude(database, run_of(FINDING, **changes))
    assert runs(database) == [(FINDING.uuid, 1, 2)]


def test_a_run_that_came_to_something_else_is_added(database: Database) -> None:
    store(database, FINDING)
    for number, changes in enumerate(ELSE):
        conclude(database, run_of(FINDING), now_ms=2 * number)
        conclude(database, run_of(FINDING, **changes), now_ms=2 * number + 1)
    assert runs(database) == [(FINDING.uuid, n + 1, n) for n in range(2 * len(ELSE))]


def test_a_follow_up_is_due_by_watermark(database: Database) -> None:
    store(database, FINDING, OTHER)
    conclude(database, run_of(FINDING, follow_up_ms=NOON_MS + HOUR_MS))
    conclude(database, run_of(OTHER))
    assert due(database, NOON_MS + HOUR_MS - 1) == []
    assert due(database, NOON_MS + HOUR_MS) == [FINDING.uuid]
    conclude(database, run_of(FINDING))
    assert due(database, 2 * NOON_MS) == [], "a run that is whole books none"


def test_what_is_settled_has_neither_verdict_nor_follow_up(
    database: Database, sessions: Sessions
) -> None:
    store(database, FINDING)
    conclude(database, run_of(FINDING, follow_up_ms=NOON_MS))
    with database.change():
        sessions.settle(ID, [FINDING.uuid])
    assert due(database, NOON_MS) == []
    assert sessions.of_keys(ID, [FINDING.dedup_key]) == [
        Session(FINDING, False, None, Severity.MEDIUM)
    ]
    assert len(runs(database)) == 1, "what was found out stays"


@pytest.fixture
def settled(database: Database) -> Sessions:
    """Two sessions for which nothing is due; both are Ada's, from one address."""
    sessions = Sessions(database)
    store(database, FINDING, OTHER)
    with database.change():
        sessions.settle(ID, [FINDING.uuid, OTHER.uuid])
    return sessions


def test_an_event_of_a_user_makes_the_users_sessions_due(
    database: Database, settled: Sessions
) -> None:
    with database.change():
        settled.touch(["00u-nobody"], 0)
    assert due(database) == []
    with database.change():
        settled.touch([str(FINDING.alert_context.actor_id)], OTHER.start_ms)
    assert due(database) == [OTHER.uuid], "what began before is not watched any more"


def test_an_event_from_an_address_makes_its_sessions_due(
    database: Database, settled: Sessions
) -> None:
    address = str(FINDING.alert_context.source_ip)
    with database.change():
        settled.touch_address("198.51.100.7", (0, 2 * NOON_MS))
        settled.touch_address(address, (NOON_MS - 9, NOON_MS - 1))
        settled.touch_address(address, (NOON_MS + 2, NOON_MS + 9))
    assert due(database) == []
    with database.change():
        settled.touch_address(address, (NOON_MS - 9, NOON_MS))
    assert due(database) == [FINDING.uuid]
    with database.change():
        settled.touch_address(address, (NOON_MS + 1, NOON_MS + 9))
    assert due(database) == [FINDING.uuid, OTHER.uuid]


def test_a_decision_makes_the_sessions_of_its_key_due(
    database: Database, settled: Sessions
) -> None:
    with database.change():
        settled.await_runbook("other", "bob")
        settled.await_runbook(ID, "nobody")
    assert due(database) == []
    with database.change():
        settled.await_runbook(ID, "bob")
    assert due(database) == [OTHER.uuid]


def test_evidence_is_of_its_own_session(database: Database, sessions: Sessions) -> None:
    store(database, FINDING, OTHER)
    own = replace(run_of(OTHER), evidence=(evidence("acts", ACT),))
    conclude(database, run_of(FINDING))
    conclude(database, own)
    assert sessions.investigation(ID, OTHER.uuid) == own
    assert sessions.investigation("another", OTHER.uuid) is None
    assert runs(database) == [(OTHER.uuid, 1, 2), (FINDING.uuid, 1, 2)]


def test_the_history_of_a_session_tells_what_changed(
    database: Database, sessions: Sessions
) -> None:
    worse = replace(FINDING, severity=Severity.HIGH)  # neither a status nor a verdict
    unsettled = replace(FINDING, mfa_status=MfaStatus.UNSETTLED)
    for now_ms, finding in ((2, unsettled), (3, FINDING), (5, worse), (7, unsettled)):
        store(database, finding, OTHER, now_ms=now_ms)
    risk = VerdictWord.SECURITY_RISK
    conclude(database, run_of(FINDING, verdict=risk), now_ms=3)
    conclude(database, run_of(FINDING, verdict=risk, follow_up_ms=9), now_ms=4)
    conclude(database, run_of(FINDING), now_ms=6)
    assert sessions.history(ID, FINDING.uuid) == [
        (2, "unsettled, high confidence"),
        (3, "single_factor, high confidence"),
        (3, "security_risk"),
        (6, "true_positive"),
        (7, "unsettled, high confidence"),
    ]


def test_sessions_by_their_alert(database: Database, sessions: Sessions) -> None:
    store(database, FINDING, OTHER)
    values = {
        "detection": ID,
        "dedup_key": "ada",
        "first_ms": 0,
        "status": "open",
        "resolution": None,
        "severity": 2,
        "verdict": None,
    }
    with database.change():
        for uuids in ([FINDING.uuid, OTHER.uuid], []):
            Alerts(database).enlist(Alerts(database).put(None, values, 0), ID, uuids)
    found = sessions.of_alerts([1, 2, 3])
    assert {alert: [s.finding.uuid for s in held] for alert, held in found.items()} == {
        1: [FINDING.uuid, OTHER.uuid]
    }
    assert sessions.of_alerts([2]) == {}
