"""Evaluates a detection over one slot: its query's rows to findings."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from mfagap.errors import AnswerTooLarge, EngineError
from mfagap.model import (
    AlertContext,
    Confidence,
    ContentList,
    Detection,
    Evaluation,
    Finding,
    MfaStatus,
    Policy,
    Reference,
    Scalar,
    Severity,
    Slot,
)

Row = Mapping[str, Scalar]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Engine(Protocol):
    """Runs portable SQL over ``events``; see ``engines``."""

    def run(
        self, sql: str, parameters: Mapping[str, int], lists: Mapping[str, ContentList]
    ) -> list[dict[str, Scalar]]:
        """Return the rows of ``sql``."""
        ...


def evaluate(detection: Detection, engine: Engine, slot: Slot) -> Evaluation:
    """Return what ``detection`` says of every start in ``slot``: the worst first, then the newest.

    The same events give the same evaluation, in whatever order and how often they arrived.

    Raises:
        EngineError: The query failed, or gave a row of another form than ``Finding``.
        AnswerTooLarge: Within one millisecond there are more starts than a query may give.
    """
    rows = over_slot(detection.query, detection.lists, detection, engine, slot)
    try:
        skipped = Counter(str(row["skip_reason"]) for row in rows if row["skip_reason"] is not None)
        findings = [_finding(detection, row) for row in rows if row["skip_reason"] is None]
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError(f"{detection.id} gave a row of another form: {error!r}") from error
    findings.sort(key=lambda f: (-f.severity, -f.start_ms, f.uuid))
    return Evaluation(tuple(findings), dict(sorted(skipped.items())))


def over_slot(
    query: str,
    lists: Mapping[str, ContentList],
    detection: Detection,
    engine: Engine,
    slot: Slot,
) -> list[Row]:
    """Return the rows of ``query`` over ``slot``; of half of it at a time where they are too many.

    So a flood of sign-ins cannot hide any of them.

    Args:
        query: Judges each event of the slot alone, so that a slot can be cut anywhere.
        lists: That it joins.
        detection: Whose windows it is told.
        engine: Holds ``events``.
        slot: What is asked about.

    Raises:
        AnswerTooLarge: Within one millisecond there is more than a query may give.
        EngineError: The query failed.
    """
    halves = _halves(slot)
    try:
        return [*engine.run(query, parameters(detection, slot), lists)]
    except AnswerTooLarge:
        if not halves:
            raise
    return [row for half in halves for row in over_slot(query, lists, detection, engine, half)]


def _halves(slot: Slot) -> tuple[Slot, ...]:
    """Return ``slot`` cut in two; nothing where it is too short."""
    # A slot may be without end; what there is to halve lies before the watermark.
    in_it = slot.from_ms + 1 < slot.watermark_ms < slot.to_ms
    middle = (slot.from_ms + (slot.watermark_ms if in_it else slot.to_ms)) // 2
    if middle <= slot.from_ms:
        return ()
    return replace(slot, to_ms=middle), replace(slot, from_ms=middle)


def parameters(detection: Detection, slot: Slot) -> dict[str, int]:
    """Return the value of each parameter that a query may use, all in milliseconds."""
    return {
        "from": slot.from_ms,
        "to": slot.to_ms,
        "watermark": slot.watermark_ms,
        "grace_ms": detection.grace_s * 1000,
        "chain_ms": detection.chain_s * 1000,
        "before_ms": detection.before_s * 1000,
        "after_ms": detection.after_s * 1000,
    }


def rfc3339(ms: int) -> str:
    """Return UTC epoch milliseconds as RFC 3339 in UTC, to the millisecond."""
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"  # a date that no calendar here holds; better odd than lost
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _finding(detection: Detection, row: Row) -> Finding:
    context = AlertContext(
        user_email=str(row["user_email"]),
        actor_id=_text(row, "actor_id"),
        source_ip=_text(row, "source_ip"),
        user_agent=_text(row, "user_agent"),
        external_session_id=str(row["external_session_id"]),
        transaction_id=_text(row, "transaction_id"),
        request_uri=_text(row, "request_uri"),
        session_start_time=rfc3339(_number(row, "event_ms")),
    )
    uuid = str(row["uuid"])
    return Finding(
        detection=detection.id,
        uuid=uuid,
        start_ms=_number(row, "event_ms"),
        mfa_status=MfaStatus(row["mfa_status"]),
        severity=Severity[str(row["severity"]).upper()],
        confidence=Confidence(row["confidence"]),
        confidence_reasons=_split(row, "confidence_reasons"),
        title=detection.finding_title.replace("{user_email}", context.user_email),
        dedup_key=_dedup_key(detection, context, uuid),
        mfa_link=_text(row, "mfa_link"),
        mfa_event=_text(row, "mfa_event"),
        explanation=next(iter(_references(row, "explanation")), None),
        annotations=_references(row, "annotations"),
        policy=Policy(
            result=_text(row, "policy_result"),
            policy_id=_text(row, "policy_id"),
            policy_name=_text(row, "policy_name"),
            rule_id=_text(row, "rule_id"),
            rule_name=_text(row, "rule_name"),
            event=_text(row, "policy_event"),
            link=_text(row, "policy_link"),
        ),
        alert_context=context,
    )


def _dedup_key(detection: Detection, context: AlertContext, uuid: str) -> str:
    if detection.dedup_key == "external_session_id":
        return context.external_session_id
    return context.actor_id or uuid


def _text(row: Row, column: str) -> str | None:
    value = row[column]
    return None if value is None else str(value)


def _number(row: Row, column: str) -> int:
    value = row[column]
    if not isinstance(value, int):
        raise TypeError(f"{column} is {value!r}, no whole number")
    return value


def _split(row: Row, column: str) -> tuple[str, ...]:
    return tuple(part for part in (_text(row, column) or "").split(";") if part)


def _references(row: Row, column: str) -> tuple[Reference, ...]:
    """Return the ``name=link=uuid;`` items of ``column``."""
    parts = (item.split("=", 2) for item in _split(row, column))
    return tuple(Reference(name, link, event) for name, link, event in parts)
