from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from tests.detect.shipped import ID

from mfagap.detect.evaluate import evaluate, parameters, rfc3339
from mfagap.detect.lint import PARAMETERS
from mfagap.detect.load import find
from mfagap.engines.dialects import MEANINGS, RENAMED
from mfagap.errors import AnswerTooLarge, EngineError, QueryTooLarge
from mfagap.model import (
    Confidence,
    ContentList,
    Detection,
    Finding,
    MfaStatus,
    Policy,
    Reference,
    Scalar,
    Severity,
    Slot,
)

Row = dict[str, Scalar]
SHIPPED = find(ID)
SLOT = Slot(1000, 2000, 1500)
ROW: Row = {
    "skip_reason": None,
    "uuid": "start-uuid",
    "event_ms": 1_768_478_400_000,
    "mfa_status": "single_factor",
    "severity": "medium",
    "confidence": "low",
    "confidence_reasons": "no_request_uri;no_policy_event;",
    "mfa_link": "request_trail",
    "mfa_event": "mfa-uuid",
    "explanation": "desktop_sso=start=iwa-uuid",
    "annotations": "radius=request_trail=radius-uuid;later_mfa=root_session_id=late-uuid;",
    "policy_event": "policy-uuid",
    "policy_link": "external_session_id",
    "policy_result": "ALLOW",
    "policy_id": "00p1",
    "policy_name": "Default Policy",
    "rule_id": "0pr1",
    "rule_name": "Default Rule",
    "user_email": "ada@example.com",
    "actor_id": "00u1ada",
    "source_ip": "192.0.2.10",
    "user_agent": "curl/8.5.0",
    "external_session_id": "102A",
    "transaction_id": "trail",
    "request_uri": "/api/v1/authn",
}


class Rows:
    """An engine that answers with the rows it was given, whatever it is asked."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.asked: dict[str, int] = {}
        self._rows = list(rows)

    def run(
        self, sql: str, parameters: Mapping[str, int], lists: Mapping[str, ContentList]
    ) -> list[Row]:
        assert sql == SHIPPED.query
        assert lists == SHIPPED.lists
        self.asked.update(parameters)
        return self._rows


class Refusing:
    """An engine that refuses every question."""

    def __init__(self, error: EngineError) -> None:
        self.asked: list[tuple[int, int]] = []
        self._error = error

    def run(
        self, sql: str, parameters: Mapping[str, int], lists: Mapping[str, ContentList]
    ) -> list[Row]:
        del sql, lists
        self.asked.append((parameters["from"], parameters["to"]))
        raise self._error


def _findings(*rows: Row, detection: Detection = SHIPPED) -> tuple[Finding, ...]:
    return evaluate(detection, Rows(rows), SLOT).findings


def test_lint_and_dialects_know_the_same_parameters() -> None:
    given = parameters(SHIPPED, SLOT)
    assert tuple(given) == PARAMETERS
    assert [RENAMED.get(name, name) for name in given] == list(MEANINGS)


def test_the_query_is_told_the_slot_and_the_windows() -> None:
    engine = Rows([])
    evaluate(SHIPPED, engine, SLOT)
    assert engine.asked == {
        "from": 1000,
        "to": 2000,
        "watermark": 1500,
        "grace_ms": 300_000,
        "chain_ms": 3_600_000,
        "before_ms": 2_592_000_000,
        "after_ms": 3_600_000,
    }


def test_a_row_is_a_finding() -> None:
    (found,) = _findings(ROW)
    assert (found.detection, found.uuid, found.start_ms) == (ID, "start-uuid", 1_768_478_400_000)
    assert found.mfa_status is MfaStatus.SINGLE_FACTOR
    assert (found.severity, found.confidence) == (Severity.MEDIUM, Confidence.LOW)
    assert found.confidence_reasons == ("no_request_uri", "no_policy_event")
    assert found.title == (
        "ada@example.com signed in to Okta through the legacy API without a second factor"
    )
    assert (found.mfa_link, found.mfa_event) == ("request_trail", "mfa-uuid")
    assert found.explanation == Reference("desktop_sso", "start", "iwa-uuid")
    assert found.annotations == (
        Reference("radius", "request_trail", "radius-uuid"),
        Reference("later_mfa", "root_session_id", "late-uuid"),
    )
    assert found.policy == Policy(
        "ALLOW", "00p1", "Default Policy", "0pr1", "Default Rule", "policy-uuid",
        "external_session_id",
    )  # fmt: skip
    assert found.alert_context.session_start_time == "2026-01-15T12:00:00.000Z"


def test_what_the_log_lacks_is_none() -> None:
    needed = {"uuid", "event_ms", "mfa_status", "severity", "confidence"}
    named = needed | {"user_email", "external_session_id"}
    (found,) = _findings({key: value if key in named else None for key, value in ROW.items()})
    assert (found.mfa_link, found.mfa_event, found.explanation) == (None, None, None)
    assert (found.annotations, found.confidence_reasons) == ((), ())
    assert found.policy == Policy()
    assert found.alert_context.source_ip is None


@pytest.mark.parametrize(
    ("key", "actor", "expected"),
    [
        ("actor", "00u1ada", "00u1ada"),
        ("actor", None, "start-uuid"),
        ("external_session_id", "00u1ada", "102A"),
        ("external_session_id", None, "102A"),
    ],
)
def test_the_dedup_key(key: str, actor: str | None, expected: str) -> None:
    detection = replace(SHIPPED, dedup_key=key)
    (found,) = _findings(ROW | {"actor_id": actor}, detection=detection)
    assert found.dedup_key == expected


def test_braces_in_a_name_stay() -> None:
    (found,) = _findings(ROW | {"user_email": "{user_email}{0}%s"})
    assert found.title.startswith("{user_email}{0}%s signed in")


def test_the_worst_comes_first_then_the_newest_then_by_uuid() -> None:
    rows = [
        ROW | {"uuid": "c", "severity": "low", "event_ms": 9},
        ROW | {"uuid": "b", "severity": "high", "event_ms": 1},
        ROW | {"uuid": "e", "severity": "high", "event_ms": 5},
        ROW | {"uuid": "d", "severity": "high", "event_ms": 5},
        ROW | {"uuid": "a", "severity": "critical", "event_ms": 0},
    ]
    expected = ["a", "d", "e", "b", "c"]
    assert [found.uuid for found in _findings(*rows)] == expected
    assert [found.uuid for found in _findings(*reversed(rows))] == expected


def test_starts_that_never_fire_are_counted() -> None:
    skipped = ({"skip_reason": reason} for reason in ("no user", "no session id", "no user"))
    evaluation = evaluate(SHIPPED, Rows([ROW, *(ROW | row for row in skipped)]), SLOT)
    assert [found.uuid for found in evaluation.findings] == ["start-uuid"]
    assert list(evaluation.skipped.items()) == [("no session id", 1), ("no user", 2)]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"mfa_status": "unheard_of"}, "ValueError"),
        ({"mfa_status": None}, "ValueError"),
        ({"severity": "grave"}, "KeyError('GRAVE')"),
        ({"confidence": "sure"}, "ValueError"),
        ({"event_ms": "yesterday"}, "event_ms is 'yesterday', no whole number"),
        ({"event_ms": None}, "event_ms is None, no whole number"),
        ({"annotations": "radius"}, "ValueError"),
        ({"annotations": "radius=link"}, "ValueError"),
        ({"explanation": "why"}, "ValueError"),
    ],
)
def test_a_row_of_another_form(changes: Row, what: str) -> None:
    with pytest.raises(EngineError) as caught:
        _findings(ROW | changes)
    assert str(caught.value).startswith(f"{ID} gave a row of another form: ")
    assert what in str(caught.value)


@pytest.mark.parametrize("column", list(ROW))
def test_a_row_without_a_column(column: str) -> None:
    row = {key: value for key, value in ROW.items() if key != column}
    with pytest.raises(EngineError, match=f"another form: KeyError\\('{column}'\\)"):
        _findings(row)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_768_478_400_001, "2026-01-15T12:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "253402300800000 ms"),
        (-62_135_596_800_001, "-62135596800001 ms"),
        (2**63 - 1, "9223372036854775807 ms"),
    ],
)
def test_rfc3339(ms: int, text: str) -> None:
    assert rfc3339(ms) == text


def test_half_of_a_slot_is_asked_about_down_to_a_millisecond() -> None:
    engine = Refusing(AnswerTooLarge("too much"))
    with pytest.raises(AnswerTooLarge):
        evaluate(SHIPPED, engine, Slot(1000, 1008, 1500))
    assert engine.asked == [(1000, 1008), (1000, 1004), (1000, 1002), (1000, 1001)]


def test_what_has_no_end_is_halved_before_the_watermark() -> None:
    engine = Refusing(AnswerTooLarge("too much"))
    with pytest.raises(AnswerTooLarge):
        evaluate(SHIPPED, engine, Slot(1000, 2**60, 1004))
    assert engine.asked == [(1000, 2**60), (1000, 1002), (1000, 1001)]


def test_a_query_that_lacks_room_is_not_asked_again() -> None:
    engine = Refusing(QueryTooLarge("no memory"))
    with pytest.raises(QueryTooLarge):
        evaluate(SHIPPED, engine, SLOT)
    assert engine.asked == [(1000, 2000)]
