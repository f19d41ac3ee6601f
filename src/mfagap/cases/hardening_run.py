"""Runs cases of hardening checks as ``harden`` runs checks, and tells what differed."""

import json
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfagap.cases.hardening import HardeningCase
from mfagap.cases.load import offset
from mfagap.engines.sandbox import Sandbox
from mfagap.harden.judge import judge
from mfagap.lake.memory import MemoryLake
from mfagap.lake.projection import named_in
from mfagap.lake.rejects import Rejects
from mfagap.model import Delivery, Severity
from mfagap.model.hardening import (
    Check,
    CheckOutcome,
    CheckResult,
)

_ALIKE = ("result", "severity", "amount", "first", "last", "evidence", "detail")
"""What tells results of one subject and reason from each other."""


@dataclass(frozen=True, slots=True)
class HardeningOutcome:
    """A case, and each difference between what was expected and what was found."""

    case: HardeningCase
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing differed."""
        return not self.differences


def run(check: Check, cases: Iterable[HardeningCase]) -> Iterator[HardeningOutcome]:
    """Run ``cases`` of ``check`` in turn.

    Raises:
        EngineError: The query failed.
    """
    with tempfile.TemporaryDirectory(prefix="mfagap-cases-") as folder:
        for case in cases:
            file = Path(folder) / "events.ndjson"
            with Rejects() as rejects, engine(check, case, file, rejects) as read:
                results = judge(check, read, case.tables, case.snapshot, case.span)
                off = [f"the case's own events are off: {why.reason}" for why in rejects.counts]
            yield HardeningOutcome(case, (*off, *differences(check, case, results)))


@contextmanager
def engine(check: Check, case: HardeningCase, file: Path, rejects: Rejects) -> Generator[Sandbox]:
    """Yield an engine that holds the events of ``case``, of the types that ``check`` reads.

    Args:
        check: Whose case it is.
        case: Its events are read.
        file: Where they are written on the way.
        rejects: Where problems of theirs are counted.
    """
    file.write_text("".join(json.dumps(event) + "\n" for event in case.events), encoding="utf-8")
    with MemoryLake(rejects, case.span[2], named_in(check.query)) as lake:
        lake.connection.execute("SET threads = 1")  # a case is too small to share
        lake.load([Delivery(file, case.name)], check.event_types or ("none",))
        yield Sandbox(lake.connection)


def differences(
    check: Check, case: HardeningCase, results: Iterable[CheckResult]
) -> tuple[str, ...]:
    """Return each difference between what ``case`` expects and ``results``, in words."""
    found = [_found(result, case.clock_ms) for result in results]
    return tuple(_differences([_expected(check, entry) for entry in case.expect], found))


def _differences(
    expected: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    wanted, got = _named(expected), _named(found)
    for name in sorted(wanted.keys() | got.keys()):
        missing, extra = wanted.get(name, []), got.get(name, [])
        if len(missing) != len(extra):
            yield f"{name}: expected {len(missing)} such results, found {len(extra)}"
            continue
        for entry, result in zip(missing, extra, strict=True):
            for key, value in entry.items():
                if value != result[key]:
                    yield f"{name}.{key}: expected {_show(value)}, found {_show(result[key])}"


def _named(entries: Sequence[Mapping[str, Any]]) -> Mapping[str, list[Mapping[str, Any]]]:
    """Return results by subject and reason, those alike in both in an order of their own."""
    named: dict[str, list[Mapping[str, Any]]] = {}
    for entry in sorted(entries, key=lambda e: _show([e[key] for key in _ALIKE])):
        named.setdefault(f"{entry['subject_id'] or 'org'}/{entry['reason']}", []).append(entry)
    return named


def _expected(check: Check, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a case expects, with what it leaves out; times in seconds from its clock."""
    worst = CheckOutcome(entry["result"]) in (CheckOutcome.FAIL, CheckOutcome.UNKNOWN)
    whole: dict[str, Any] = {
        "subject_id": "",
        "severity": (check.severity if worst else Severity.INFORMATIONAL).word,
        "amount": 0,
        "first": None,
        "last": None,
        "evidence": [],
        "detail": None,
    }
    times = {key: offset(entry[key]) for key in ("first", "last") if key in entry}
    return whole | dict(entry) | times


def _found(result: CheckResult, clock_ms: int) -> dict[str, Any]:
    first_ms, last_ms = result.first_ms, result.last_ms
    return {
        "subject_id": result.subject_id,
        "result": result.outcome.value,
        "reason": result.reason,
        "severity": result.severity.word,
        "amount": result.amount,
        "first": None if first_ms is None else (first_ms - clock_ms) / 1000,
        "last": None if last_ms is None else (last_ms - clock_ms) / 1000,
        "evidence": list(result.evidence),
        "detail": result.detail,
        "subject_name": result.subject_name,
        "policy_id": result.policy_id,
        "says": result.says,
    }


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
