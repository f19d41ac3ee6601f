"""A check's rows to results: what is not known is never a pass."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from mfagap.detect.evaluate import Engine
from mfagap.engines import sandbox
from mfagap.engines.sandbox import Sandbox
from mfagap.errors import EngineError, QueryTooLarge
from mfagap.harden.judge import COLUMNS, judge, ranked
from mfagap.harden.tables import sessions, tables
from mfagap.lake.memory import MemoryLake
from mfagap.lake.rejects import Rejects
from mfagap.model import ContentList, Severity
from mfagap.model.hardening import (
    MOST_EVIDENCE,
    Check,
    CheckOutcome,
    CheckResult,
    ReasonRule,
)
from mfagap.model.org import (
    NOTHING,
    Json,
    Part,
    Snapshot,
)

TYPES = {"amount": "BIGINT", "first_ms": "BIGINT", "last_ms": "BIGINT"}
ROW: Mapping[str, Any] = dict.fromkeys(COLUMNS) | {"subject_id": "0prA", "reason": "fine"}
LOG = (1000, 2000, 1999)
NO_LOG = (2000, 2000, 2000)
POLICY: Json = {"id": "00pA", "name": "Staff", "rules": []}
KNOWN = Snapshot(1500, "an org", {"OKTA_SIGN_ON": Part((POLICY,)), "zones": Part()})
REASONS = {
    "fine": ReasonRule(CheckOutcome.PASSED, None, "{name} is fine."),
    "idle": ReasonRule(CheckOutcome.NOT_APPLICABLE, None, "{name} is idle."),
    "bad": ReasonRule(CheckOutcome.FAIL, None, "{name} of {policy}: {amount}, {detail}."),
    "worse": ReasonRule(CheckOutcome.FAIL, Severity.CRITICAL, "{name} is worse."),
    "odd": ReasonRule(CheckOutcome.UNKNOWN, Severity.LOW, "{name} is odd."),
}


def _check(*rows: Mapping[str, Any], **changed: Any) -> Check:
    """Return a check whose query gives ``rows``, which stand in a list of its."""
    columns = {name: TYPES.get(name, "VARCHAR") for name in COLUMNS}
    given = tuple(tuple({**ROW, **row}[name] for name in columns) for row in rows)
    check = Check(
        id="a_check",
        title="",
        severity=Severity.MEDIUM,
        description="",
        author="",
        created="",
        references=(),
        tags=(),
        subject="rule",
        needs=("OKTA_SIGN_ON",),
        controls={},
        prevention="",
        event_types=(),
        lists={"given": ContentList(columns, given)},
        reasons=REASONS,
        query="SELECT * FROM given",
        folder="",
    )
    return replace(check, **changed)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Rejects() as rejects, MemoryLake(rejects, 0) as lake:
        yield Sandbox(lake.connection)


def _judged(
    engine: Engine, check: Check, snapshot: Snapshot = KNOWN, span: tuple[int, int, int] = LOG
) -> tuple[CheckResult, ...]:
    asked = {**tables(snapshot), "legacy_sessions": sessions((), {})}
    return judge(check, engine, asked, snapshot, span)


def test_a_row_becomes_a_result(engine: Engine) -> None:
    row = {
        "subject_name": "Office",
        "policy_id": "00pA",
        "reason": "bad",
        "amount": 1234,
        "first_ms": 1,
        "last_ms": 2,
        "evidence": "a;b",
        "detail": "a zone",
    }
    assert _judged(engine, _check(row)) == (
        CheckResult(
            check="a_check",
            outcome=CheckOutcome.FAIL,
            severity=Severity.MEDIUM,
            reason="bad",
            says="Office of Staff: 1,234, a zone.",
            subject="rule",
            subject_id="0prA",
            subject_name="Office",
            policy_id="00pA",
            amount=1234,
            first_ms=1,
            last_ms=2,
            evidence=("a", "b"),
            detail="a zone",
        ),
    )


def test_what_a_row_leaves_out(engine: Engine) -> None:
    (result,) = _judged(engine, _check({"reason": "bad", "policy_id": "00pB"}))
    assert (result.subject_name, result.amount, result.evidence) == ("0prA", 0, ())
    assert result.says == "0prA of 00pB: 0, ."
    (result,) = _judged(engine, _check({"reason": "bad", "subject_id": None}))
    assert (result.subject_id, result.subject_name) == ("", "")
    assert result.says == " of a policy that is not known: 0, ."


def test_words_of_the_org_are_not_looked_at_again(engine: Engine) -> None:
    row = {"reason": "bad", "subject_name": r"{detail}\g<0>", "detail": "{amount} {0} {x!r}"}
    (result,) = _judged(engine, _check(row))
    assert result.says == r"{detail}\g<0> of a policy that is not known: 0, {amount} {0} {x!r}."


@pytest.mark.parametrize(
    ("reason", "outcome", "severity"),
    [
        ("fine", CheckOutcome.PASSED, Severity.INFORMATIONAL),
        ("idle", CheckOutcome.NOT_APPLICABLE, Severity.INFORMATIONAL),
        ("bad", CheckOutcome.FAIL, Severity.MEDIUM),
        ("worse", CheckOutcome.FAIL, Severity.CRITICAL),
        ("odd", CheckOutcome.UNKNOWN, Severity.LOW),
    ],
)
def test_a_reason_sets_outcome_and_severity(
    engine: Engine, reason: str, outcome: CheckOutcome, severity: Severity
) -> None:
    (result,) = _judged(engine, _check({"reason": reason}))
    assert (result.outcome, result.severity, result.reason) == (outcome, severity, reason)


def test_rows_that_differ_in_their_evidence_are_one_result(engine: Engine) -> None:
    seen = [{"reason": "bad", "evidence": name} for name in ("c", "a", "b;a", None, "")]
    other = {"reason": "bad", "evidence": "z", "detail": "another"}
    first, second = _judged(engine, _check(*seen, other))
    assert (first.evidence, first.detail) == (("c", "a", "b"), None)
    assert (second.evidence, second.detail) == (("z",), "another")


def test_evidence_has_an_end(engine: Engine) -> None:
    names = [f"event{number}" for number in range(MOST_EVIDENCE + 1)]
    (result,) = _judged(engine, _check(*({"evidence": name} for name in names)))
    assert result.evidence == tuple(names[:MOST_EVIDENCE])


UNKNOWN = Snapshot(1500, "an org", {"OKTA_SIGN_ON": Part((POLICY,), "the list is cut")})
WHY = "Cannot be told without the session policies (the list is cut)."


@pytest.mark.parametrize("reason", ["fine", "idle"])
def test_without_a_part_that_it_needs_nothing_passes(engine: Engine, reason: str) -> None:
    (result,) = _judged(engine, _check({"reason": reason, "amount": 3}), UNKNOWN)
    assert (result.outcome, result.severity) == (CheckOutcome.UNKNOWN, Severity.MEDIUM)
    assert (result.reason, result.says) == ("unknown_part", WHY)
    assert (result.subject_id, result.amount) == ("0prA", 3)


@pytest.mark.parametrize("reason", ["bad", "worse", "odd"])
def test_without_it_a_failure_stays_one(engine: Engine, reason: str) -> None:
    check = _check({"reason": reason})
    assert _judged(engine, check, UNKNOWN) == _judged(engine, check)


def test_each_part_that_is_missing_is_named(engine: Engine) -> None:
    check = _check({}, needs=("zones", "OKTA_SIGN_ON", "log"))
    (result,) = _judged(engine, check, UNKNOWN, NO_LOG)
    assert result.says == (
        "Cannot be told without the network zones (not read; give --from or --api) and the session "
        "policies (the list is cut) and the log, which was not read."
    )


def test_a_part_that_it_does_not_need_may_be_missing(engine: Engine) -> None:
    (result,) = _judged(engine, _check({}, needs=("zones",)), replace(KNOWN), NO_LOG)
    assert result.outcome is CheckOutcome.PASSED


def test_no_row_and_all_known_does_not_apply(engine: Engine) -> None:
    (result,) = _judged(engine, _check())
    assert result == CheckResult(
        check="a_check",
        outcome=CheckOutcome.NOT_APPLICABLE,
        severity=Severity.INFORMATIONAL,
        reason="no_subject",
        says="There is nothing that the check is about.",
        subject="org",
        subject_id="",
        subject_name="",
    )


@pytest.mark.parametrize(
    ("snapshot", "why"),
    [
        (UNKNOWN, WHY),
        (NOTHING, "Cannot be told without the session policies (not read; give --from or --api)."),
    ],
)
def test_no_row_and_a_part_missing_is_unknown(engine: Engine, snapshot: Snapshot, why: str) -> None:
    (result,) = _judged(engine, _check(), snapshot)
    assert (result.outcome, result.severity) == (CheckOutcome.UNKNOWN, Severity.MEDIUM)
    assert (result.reason, result.says) == ("unknown_part", why)
    assert (result.subject, result.subject_id) == ("org", "")


def test_the_worst_comes_first_whatever_the_order_of_the_rows(engine: Engine) -> None:
    rows = [
        {"subject_id": "a", "reason": "worse"},
        {"subject_id": "b", "reason": "bad", "amount": 9},
        {"subject_id": "c", "reason": "bad", "amount": 2, "last_ms": 7},
        {"subject_id": "d", "reason": "bad", "amount": 2, "last_ms": 6},
        {"subject_id": "e", "reason": "bad", "amount": 2, "last_ms": 6},
        {"subject_id": "f", "reason": "odd"},
        {"subject_id": "g", "reason": "fine"},
        {"subject_id": "h", "reason": "idle"},
    ]
    forward = _judged(engine, _check(*rows))
    assert [result.subject_id for result in forward] == list("abcdefgh")
    assert _judged(engine, _check(*reversed(rows))) == forward
    assert ranked(reversed(forward)) == forward


def test_parameters_are_the_span_and_the_snapshot_s_time(engine: Engine) -> None:
    query = """
SELECT g.* REPLACE ($from || ' ' || $to || ' ' || $watermark || ' ' || $taken AS detail)
FROM given AS g"""
    check = _check({}, query=query)
    (result,) = _judged(engine, check)
    assert result.detail == "1000 2000 1999 1500"
    (result,) = _judged(engine, check, NOTHING)
    assert result.detail == "1000 2000 1999 0"


def test_a_reason_that_the_check_does_not_have(engine: Engine) -> None:
    with pytest.raises(EngineError) as caught:
        _judged(engine, _check({"reason": "new"}))
    message = "check a_check gave the reason 'new', which its check.yml does not have"
    assert str(caught.value) == message


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_is_missing(engine: Engine, column: str) -> None:
    kept = ", ".join(name for name in COLUMNS if name != column)
    with pytest.raises(EngineError) as caught:
        _judged(engine, _check({}, query=f"SELECT {kept} FROM given"))
    message = f"check a_check gave a row of another form: KeyError('{column}')"
    assert str(caught.value) == message


@pytest.mark.parametrize("column", ["amount", "first_ms", "last_ms"])
def test_a_number_that_is_none(engine: Engine, column: str) -> None:
    query = f"SELECT * REPLACE ('many' AS {column}) FROM given"
    with pytest.raises(EngineError, match=r"another form: TypeError..'many' is no whole number"):
        _judged(engine, _check({}, query=query))


def test_a_query_that_fails_names_its_check(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"^check a_check: the query reads 'secrets', which is "):
        _judged(engine, _check(query="SELECT * FROM secrets"))


def test_a_query_that_gives_too_much_is_told_as_such(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MAX_ROWS", 10)
    query = "SELECT 1 AS subject_id FROM range(11)"
    with pytest.raises(QueryTooLarge, match=r"^check a_check: the query gives more than "):
        _judged(engine, _check(query=query))
