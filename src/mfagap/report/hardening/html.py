"""HTML: one file to forward, without script and without network; ``page`` cleans what it shows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from mfagap.harden import values
from mfagap.harden.terraform import hcl
from mfagap.model import Severity
from mfagap.model.hardening import (
    Affected,
    Change,
    Check,
    CheckOutcome,
    CheckResult,
    Effect,
    Hardening,
    LegacyClient,
)
from mfagap.model.org import PARTS
from mfagap.report import page
from mfagap.report.hardening import difference, document
from mfagap.report.table import client

MOST_RESULTS = 200
"""Results of one check, the worst."""

MOST_ROWS = 500
"""Rows of each table of people and clients."""

MOST_CHANGES = 200
MOST_DISAGREEMENTS = 100

WHOLE = 19_000
"""Characters of JSON or Terraform that are shown; a longer text would be cut, and then be wrong."""

LONGEST_LINE = 290

OUTCOMES: Mapping[CheckOutcome, str] = {
    CheckOutcome.FAIL: "Something to mend.",
    CheckOutcome.UNKNOWN: "Not enough is known to say: no all-clear.",
    CheckOutcome.PASSED: "Looked at, and in order.",
    CheckOutcome.NOT_APPLICABLE: "The org has nothing that the check is about.",
}
EFFECTS: Mapping[Effect, str] = {
    Effect.LOCKED_OUT: "Must pass a factor, and has none.",
    Effect.BREAKS: "Came in by a program or channel that never passed a factor.",
    Effect.UNKNOWN: "It cannot be told what becomes of them.",
    Effect.PROMPTED: "Must pass a factor, and can.",
    Effect.UNAFFECTED: "Signs in as before.",
}


@dataclass(frozen=True, slots=True)
class Door:
    """A rule that let sessions in without a factor, and which checks say so."""

    rule_id: str
    name: str
    policy: str | None
    sessions: int
    last_ms: int | None
    checks: Sequence[str]


@dataclass(frozen=True, slots=True)
class CheckView:
    """A check and what it says, the worst first; ``left_out`` counts what has no room.

    ``severity`` is of its worst failure, or its own where nothing fails. ``calm`` are the results
    that pass or do not apply.
    """

    check: Check
    severity: Severity
    counts: Mapping[str, int]
    results: Sequence[CheckResult]
    calm: Sequence[CheckResult]
    left_out: int


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change as it is shown; a text that is too long is None."""

    number: int
    name: str
    change: Change
    difference: str | None
    json: str | None


def render(found: Hardening, out: IO[str]) -> None:
    """Write ``found`` to ``out``."""
    page.write(page.environment(), "hardening.html", _view(found), out)


def _view(found: Hardening) -> dict[str, Any]:
    """Return all that the template names."""
    affected = [
        row for row in document.worst_first(found.affected) if row.effect is not Effect.UNAFFECTED
    ]
    changes = () if found.plan is None else found.plan.changes
    agreement = found.agreement
    return {
        "found": found,
        "has_log": document.has_log(found),
        "outcomes": [
            (outcome.value, OUTCOMES[outcome], count)
            for outcome, count in zip(
                CheckOutcome, document.outcomes(found.results).values(), strict=True
            )
        ],
        "doors": list(_doors(found)),
        "checks": list(_checks(found)),
        "changes": [_change(n, change) for n, change in enumerate(changes[:MOST_CHANGES], 1)],
        "changes_left_out": max(0, len(changes) - MOST_CHANGES),
        "terraform": None if found.plan is None else _whole(hcl(found.plan)),
        "effects": [
            (effect, EFFECTS[effect], users, sign_ins)
            for effect, users, sign_ins in document.tally(found.affected)
        ],
        "affected": affected[:MOST_ROWS],
        "affected_left_out": max(0, len(affected) - MOST_ROWS),
        "agreed_percent": agreement and document.percent(agreement.agreed, agreement.counted),
        "not_counted": document.not_counted(agreement) if agreement else "",
        "on_one_factor": document.on_one_factor(found),
        "safe_changes": sum(change.safe for change in changes),
        "effect_word": document.effect_word,
        "disagreements": agreement.disagreements[:MOST_DISAGREEMENTS] if agreement else (),
        "disagreements_left_out": (
            len(agreement.disagreements[MOST_DISAGREEMENTS:]) + agreement.left_out
            if agreement
            else 0
        ),
        "inventory": _by_advice(found.inventory[:MOST_ROWS]),
        "inventory_left_out": max(0, len(found.inventory) - MOST_ROWS),
        "names": document.names(found.snapshot),
        "parts_read": [
            (name, part, document.known(name, part))
            for name in PARTS
            for part in (found.snapshot.part(name),)
        ],
        "people": _people(affected),
        "client": client,
    }


def _by_advice(clients: Iterable[LegacyClient]) -> list[tuple[str, list[LegacyClient]]]:
    """Return ``clients`` by what they should move to."""
    groups: dict[str, list[LegacyClient]] = {}
    for each in clients:
        groups.setdefault(each.move_to, []).append(each)
    return list(groups.items())


def _people(affected: Sequence[Affected]) -> int:
    return len({row.actor_id for row in affected})


def _doors(found: Hardening) -> Iterator[Door]:
    """Yield the rules that the log shows letting sessions in, the most used first."""
    used: dict[str, list[CheckResult]] = {}
    for each in found.results:
        if each.subject == "rule" and each.amount and each.outcome in document.OPEN:
            used.setdefault(each.subject_id, []).append(each)
    names = document.names(found.snapshot)
    for rule_id, results in sorted(
        used.items(), key=lambda item: (-max(each.amount for each in item[1]), item[0])
    ):
        policy_id = results[0].policy_id
        yield Door(
            rule_id=rule_id,
            name=results[0].subject_name,
            policy=None if policy_id is None else names.get(policy_id, policy_id),
            sessions=max(each.amount for each in results),
            last_ms=max((each.last_ms for each in results if each.last_ms), default=None),
            checks=list(dict.fromkeys(each.check for each in results)),
        )


def _checks(found: Hardening) -> Iterator[CheckView]:
    """Yield each check, in the order of its worst result."""
    checks = {check.id: check for check in found.checks}
    results: dict[str, list[CheckResult]] = {}
    for each in found.results:
        results.setdefault(each.check, []).append(each)
    for name in dict.fromkeys((*results, *checks)):
        own = results.get(name, [])
        bad = [each for each in own if each.outcome in document.OPEN]
        calm = [each for each in own if each.outcome not in document.OPEN]
        worst = document.worst_failure(own)
        yield CheckView(
            check=checks[name],
            severity=checks[name].severity if worst is None else worst,
            counts={word: n for word, n in document.outcomes(own).items() if n},
            results=bad[:MOST_RESULTS],
            calm=calm[:MOST_RESULTS],
            left_out=sum(max(0, len(some) - MOST_RESULTS) for some in (bad, calm)),
        )


def _change(number: int, change: Change) -> ChangeView:
    lines = "\n".join(difference.lines(change.before, change.after))
    name = values.text(change.after.get("name")) or change.id
    return ChangeView(number, name, change, _whole(lines), _whole(difference.pretty(change.after)))


def _whole(text: str) -> str | None:
    """Return ``text`` where the page shows all of it."""
    longest = max(map(len, text.splitlines()), default=0)
    return text if len(text) <= WHOLE and longest <= LONGEST_LINE else None
