"""Runs checks over a snapshot and a log. What is not known is never a pass.

A check's query gives a row for each thing that it looked at, with the reason for what it says of
it. Here, and not in the query, ignorance becomes ``unknown``: see ``judge``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mfagap.detect.evaluate import Engine, Row
from mfagap.errors import EngineError
from mfagap.harden.checks import FILE, LOG
from mfagap.model import ContentList, Scalar, Severity
from mfagap.model.hardening import (
    MOST_EVIDENCE,
    Check,
    CheckOutcome,
    CheckResult,
)
from mfagap.model.org import PART_NAMES, UNREAD, Snapshot

PARAMETERS = ("from", "to", "watermark", "taken")
"""What a query may name: the span of the log, and when the snapshot was taken (0: not known)."""

COLUMNS = (
    *("subject_id", "subject_name", "policy_id", "reason"),
    *("amount", "first_ms", "last_ms", "evidence", "detail"),
)
"""What a query gives."""

UNKNOWN_PART = "unknown_part"
NO_SUBJECT = "no_subject"
QUERY_FAILED = "query_failed"

Span = tuple[int, int, int]
"""``from_ms``, ``to_ms`` and ``watermark_ms`` of the log; empty where no log was read."""

_ORDER = tuple(CheckOutcome)
_RESTS_ON_ALL = (CheckOutcome.PASSED, CheckOutcome.NOT_APPLICABLE)
_ORG = "org"


def judge(
    check: Check,
    engine: Engine,
    tables: Mapping[str, ContentList],
    snapshot: Snapshot,
    span: Span,
) -> tuple[CheckResult, ...]:
    """Return what ``check`` says: one result or more, the worst first, always in the same order.

    Where a part that the check needs is not known, what would pass or not apply is unknown and a
    failure stays a failure. With no row at all the check is unknown, or where all that it needs is
    known not applicable.

    Args:
        check: What to ask.
        engine: Holds ``events``.
        tables: The snapshot's, and ``legacy_sessions``.
        snapshot: What the tables were made from.
        span: See ``Span``.

    Raises:
        EngineError: The query failed, or gave a row of another form or a reason that
            ``check.yml`` does not have; names the check.
    """
    try:
        rows = engine.run(check.query, parameters(snapshot, span), lists(check, tables))
    except EngineError as error:
        raise type(error)(f"check {check.id}: {error}") from error
    missing = tuple(_missing(check, snapshot, span))
    names = _names(tables["legacy_sessions"], "policy_name") | _names(tables["policies"], "name")
    try:
        found = [_result(check, row, evidence, missing, names) for row, evidence in _gathered(rows)]
    except (KeyError, TypeError) as error:
        raise EngineError(f"check {check.id} gave a row of another form: {error!r}") from error
    return ranked(found or [_about_nothing(check, missing)])


def failed(check: Check, error: EngineError) -> CheckResult:
    """Return the result of a check whose query failed: unknown, for the reason ``error`` tells."""
    result = replace(_about_nothing(check, ()), reason=QUERY_FAILED, severity=check.severity)
    return replace(result, outcome=CheckOutcome.UNKNOWN, says=f"It could not be asked: {error}.")


def parameters(snapshot: Snapshot, span: Span) -> dict[str, int]:
    """Return the value of each parameter that a query may use, all in milliseconds."""
    from_ms, to_ms, watermark_ms = span
    return {
        "from": from_ms,
        "to": to_ms,
        "watermark": watermark_ms,
        "taken": snapshot.taken_ms or 0,
    }


def lists(check: Check, tables: Mapping[str, ContentList]) -> dict[str, ContentList]:
    """Return the tables that the query of ``check`` names, and its own lists."""
    read = {name: table for name, table in tables.items() if re.search(rf"\b{name}\b", check.query)}
    return {**read, **check.lists}


def ranked(results: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Return ``results`` the worst first: by outcome, severity, how often, how lately."""
    return tuple(
        sorted(
            results,
            key=lambda r: (
                *(_ORDER.index(r.outcome), -r.severity, -r.amount, -(r.last_ms or 0)),
                *(r.check, r.subject_name, r.subject_id, r.reason, r.detail or ""),
            ),
        )
    )


def _missing(check: Check, snapshot: Snapshot, span: Span) -> Iterator[str]:
    """Yield each need that is not known, and why."""
    from_ms, to_ms, _ = span
    for need in check.needs:
        if need == LOG:
            if to_ms <= from_ms:
                yield "the log, which was not read"
        elif (part := snapshot.part(need)) == UNREAD:
            yield f"{PART_NAMES[need]} (not read; give --from or --api)"
        elif not part.known:
            yield f"{PART_NAMES[need]} ({part.missing})"


def _names(table: ContentList, column: str) -> dict[str, str]:
    """Return the name of each policy in ``table``, by its id."""
    places = list(table.columns)
    policy_id, name = places.index("policy_id"), places.index(column)
    return {str(row[policy_id]): str(row[name]) for row in table.rows if row[name]}


def _gathered(rows: Sequence[Row]) -> Iterator[tuple[Row, tuple[str, ...]]]:
    """Yield each row once, with the evidence of all rows that differ in nothing else."""
    alike: dict[tuple[Scalar, ...], tuple[Row, dict[str, None]]] = {}
    for row in rows:
        key = tuple(row[column] for column in COLUMNS if column != "evidence")
        _, evidence = alike.setdefault(key, (row, {}))
        evidence |= dict.fromkeys(filter(None, str(row["evidence"] or "").split(";")))
    for row, evidence in alike.values():
        yield row, tuple(evidence)[:MOST_EVIDENCE]


def _result(
    check: Check,
    row: Row,
    evidence: tuple[str, ...],
    missing: tuple[str, ...],
    policies: Mapping[str, str],
) -> CheckResult:
    reason = str(row["reason"])
    if reason not in check.reasons:
        message = f"gave the reason {reason!r}, which its {FILE} does not have"
        raise EngineError(f"check {check.id} {message}")
    rule = check.reasons[reason]
    policy_id, subject_id = _text(row["policy_id"]), _text(row["subject_id"]) or ""
    result = CheckResult(
        check=check.id,
        outcome=rule.outcome,
        severity=rule.severity or check.severity,
        reason=reason,
        says="",
        subject=check.subject,
        subject_id=subject_id,
        subject_name=_text(row["subject_name"]) or subject_id,
        policy_id=policy_id,
        amount=_number(row["amount"]) or 0,
        first_ms=_number(row["first_ms"]),
        last_ms=_number(row["last_ms"]),
        evidence=evidence,
        detail=_text(row["detail"]),
    )
    if rule.outcome in _RESTS_ON_ALL:
        if missing:
            return _unknown(check, result, missing)
        result = replace(result, severity=Severity.INFORMATIONAL)
    return replace(result, says=_filled(rule.says, result, policies.get(policy_id or "")))


def _unknown(check: Check, result: CheckResult, missing: tuple[str, ...]) -> CheckResult:
    says = f"Cannot be told without {' and '.join(missing)}."
    return replace(
        result,
        outcome=CheckOutcome.UNKNOWN,
        severity=check.severity,
        reason=UNKNOWN_PART,
        says=says,
    )


def _about_nothing(check: Check, missing: tuple[str, ...]) -> CheckResult:
    result = CheckResult(
        check=check.id,
        outcome=CheckOutcome.NOT_APPLICABLE,
        severity=Severity.INFORMATIONAL,
        reason=NO_SUBJECT,
        says="There is nothing that the check is about.",
        subject=_ORG,
        subject_id="",
        subject_name="",
    )
    return _unknown(check, result, missing) if missing else result


def _filled(says: str, result: CheckResult, policy: str | None) -> str:
    """Return the sentence ``says`` with what it names. What is put in is not looked at again."""
    words = {
        "name": result.subject_name,
        "policy": policy or result.policy_id or "a policy that is not known",
        "amount": f"{result.amount:,}",
        "detail": result.detail or "",
    }
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), says)


def _text(value: Scalar) -> str | None:
    return None if value is None else str(value)


def _number(value: Scalar) -> int | None:
    if value is None or type(value) is int:
        return value
    raise TypeError(f"{value!r} is no whole number")
