"""A terminal's view: what fails and what to do, then whom it would cost, and what is not known."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from mfagap.detect.evaluate import rfc3339
from mfagap.model import Severity
from mfagap.model.hardening import (
    Affected,
    Agreement,
    CheckOutcome,
    CheckResult,
    Effect,
    Hardening,
    LegacyClient,
    Plan,
)
from mfagap.report import grid
from mfagap.report.clean import terminal
from mfagap.report.hardening import document
from mfagap.report.table import client

MOST_AFFECTED = 10
MOST_CLIENTS = 10
MOST_DISAGREEMENTS = 5
"""Rows of each part; the other formats have all."""

_ADVICE = "WHAT TO DO"
_RESULTS = grid.Layout(
    limits={
        "RESULT": 14,
        "SEVERITY": 20,
        "CHECK": 60,
        "SUBJECT": 80,
        "SEEN": 9,
        "LAST SEEN (UTC)": 20,
        "WHY": 250,
        _ADVICE: 300,
    },
    long=("SUBJECT", "WHY", _ADVICE),
    dropped=(_ADVICE, "LAST SEEN (UTC)", "WHY", "SEEN"),
    folded=("CHECK",),
)
_AFFECTED = grid.Layout(
    limits={
        "EFFECT": 15,
        "USER": 60,
        "SIGN-INS": 9,
        "LAST SEEN (UTC)": 20,
        "ADDRESS": 45,
        "CLIENT": 60,
        "WHY": 200,
    },
    long=("CLIENT", "WHY"),
    dropped=("CLIENT", "WHY", "ADDRESS", "LAST SEEN (UTC)"),
    folded=("USER", "ADDRESS"),
)
_CLIENTS = grid.Layout(
    limits={
        "USER": 60,
        "USES": 9,
        "TREND": 9,
        "LAST SEEN (UTC)": 20,
        "PATH": 20,
        "ADDRESS": 45,
        "RULE": 60,
        "CLIENT": 60,
        "MOVE TO": 200,
    },
    long=("RULE", "CLIENT", "MOVE TO"),
    dropped=("RULE", "MOVE TO", "ADDRESS", "PATH", "LAST SEEN (UTC)"),
    folded=("USER", "ADDRESS"),
)
_HIGHLIGHT = {
    Effect.LOCKED_OUT: Severity.HIGH,
    Effect.BREAKS: Severity.HIGH,
    Effect.UNKNOWN: Severity.MEDIUM,
}


def render(
    found: Hardening, out: IO[str], *, color: bool = False, everything: bool = False
) -> None:
    """Write ``found`` to ``out``; text from the log or the org is cleaned and never markup.

    Args:
        found: What is told.
        out: A terminal or a file.
        color: Whether ``out`` is a terminal that takes color.
        everything: Whether results that pass or do not apply are listed too.
    """
    console = grid.Terminal(out, color=color)
    _results(console, found, everything=everything)
    for line in _said(found):
        console.say(terminal(line, 400))
    _affected(console, found.affected)
    _inventory(console, found.inventory)
    not_known = document.unknown(found)
    if not_known:
        console.say()
        console.say("What is not known:", "bold")
        for line in not_known:
            console.say(f"  {terminal(line, 400)}")


def _results(console: grid.Terminal, found: Hardening, *, everything: bool) -> None:
    shown = [each for each in found.results if everything or each.outcome in document.OPEN]
    prevention = {check.id: check.prevention for check in found.checks}
    if shown:
        rows = [_cells(_RESULTS, _result(each, prevention.get(each.check, ""))) for each in shown]
        styles = [
            each.severity if each.outcome in document.OPEN else Severity.INFORMATIONAL
            for each in shown
        ]
        missing = grid.draw(console, _RESULTS, rows, styles)
        _hint(console, [name for name in missing if name != _ADVICE])
        if _ADVICE in missing:
            _advise(console, shown, prevention)
    else:
        console.say("No check failed, and none is unknown." if found.results else "No check ran.")
    if not everything:
        for outcome in (CheckOutcome.PASSED, CheckOutcome.NOT_APPLICABLE):
            names = sorted({each.check for each in found.results if each.outcome is outcome})
            if names:
                console.say(f"{outcome.value}: {terminal(', '.join(names), 600)}")
    console.say()


def _advise(
    console: grid.Terminal, shown: Sequence[CheckResult], prevention: Mapping[str, str]
) -> None:
    """Print what to do, once for each check, where the column had no room."""
    console.say()
    console.say("What to do:", "bold")
    for check in dict.fromkeys(r.check for r in shown if r.outcome is CheckOutcome.FAIL):
        console.say(f"  {terminal(check)}: {terminal(prevention.get(check, '-'), 600)}")


def _hint(console: grid.Terminal, missing: Sequence[str]) -> None:
    if missing:
        names = ", ".join(missing)
        console.say(f"The terminal is too narrow for {names}; --format html or json tells them.")


def _cells(layout: grid.Layout, texts: Sequence[str]) -> dict[str, str]:
    cells = zip(layout.limits.items(), texts, strict=True)
    return {name: terminal(text, limit) for (name, limit), text in cells}


def _result(each: CheckResult, prevention: str) -> tuple[str, ...]:
    return (
        each.outcome.value,
        _severity(each.severity),
        each.check,
        _subject(each),
        f"{each.amount:,}" if each.amount else "-",
        _moment(each.last_ms),
        each.says,
        prevention if each.outcome is CheckOutcome.FAIL else "-",
    )


def _severity(severity: Severity) -> str:
    return "info" if severity is Severity.INFORMATIONAL else severity.word


def _subject(each: CheckResult) -> str:
    if not each.subject_id:
        return each.subject_name or each.subject
    return f"{each.subject_name} ({each.subject_id})" if each.subject_name else each.subject_id


def _moment(ms: int | None) -> str:
    return "-" if ms is None else rfc3339(ms)[:19].replace("T", " ")


def _said(found: Hardening) -> Iterator[str]:
    """Yield the lines between the tables."""
    if document.has_log(found):
        since = _moment(found.from_ms)
        yield (
            f"Legacy sessions that got in on one factor since {since} UTC: {found.sessions:,}"
            f"{document.on_one_factor(found)}."
        )
    else:
        yield "Legacy sessions that got in on one factor: not known, since no log was read."
    if found.agreement is not None:
        yield from _agreed(found.agreement)
    if found.plan is not None:
        yield from _planned(found.plan)
    if found.affected:
        counts = ", ".join(
            f"{document.effect_word(effect)} {users:,} ({sign_ins:,})"
            for effect, users, sign_ins in document.tally(found.affected)
        )
        yield f"Impact of the plan, in users (and all their sign-ins): {counts}."


def _agreed(agreement: Agreement) -> Iterator[str]:
    share = document.percent(agreement.agreed, agreement.counted)
    yield (
        f"Agreement: today's policies decide {agreement.agreed:,} of {agreement.counted:,} logged "
        f"sign-ins as Okta recorded ({share} %).{document.not_counted(agreement)}"
    )
    for each in agreement.disagreements[:MOST_DISAGREEMENTS]:
        decided = "not decided" if each.decision.access is None else each.decision.access.value
        unseen = f"; could not see {', '.join(each.decision.unseen)}" * bool(each.decision.unseen)
        yield (
            f"  {_moment(each.sign_in.event_ms)} {each.sign_in.login}: recorded "
            f"{each.sign_in.result}, {decided} here{unseen}"
        )
    left = len(agreement.disagreements[MOST_DISAGREEMENTS:]) + agreement.left_out
    if left:
        yield f"  … and {left:,} more"


def _planned(plan: Plan) -> Iterator[str]:
    if not plan.changes:
        yield "Plan: nothing to change."
        return
    safe = sum(change.safe for change in plan.changes)
    yield f"Plan {plan.id}: changes: {len(plan.changes):,}, of which safe: {safe:,}."
    for change in plan.changes:
        word = "safe" if change.safe else "unsafe"
        yield f"  {change.method} {change.path} ({word}): {change.why}"


def _affected(console: grid.Terminal, affected: Sequence[Affected]) -> None:
    rows = [row for row in document.worst_first(affected) if row.effect is not Effect.UNAFFECTED]
    if not rows:
        return
    console.say()
    console.say("Whom the plan affects:", "bold")
    first = rows[:MOST_AFFECTED]
    cells = [
        _cells(
            _AFFECTED,
            (
                document.effect_word(row.effect),
                row.login,
                f"{row.sign_ins:,}",
                _moment(row.last_ms),
                row.address or "-",
                client(row.user_agent or "-"),
                row.reason,
            ),
        )
        for row in first
    ]
    _hint(console, grid.draw(console, _AFFECTED, cells, [_HIGHLIGHT.get(r.effect) for r in first]))
    _more(console, len(rows) - len(first))


def _inventory(console: grid.Terminal, clients: Sequence[LegacyClient]) -> None:
    if not clients:
        return
    console.say()
    console.say(f"Who uses the legacy API ({len(clients):,}):", "bold")
    first = clients[:MOST_CLIENTS]
    cells = [
        _cells(
            _CLIENTS,
            (
                each.login,
                f"{each.uses:,}",
                each.trend,
                _moment(each.last_ms),
                each.path,
                each.address or "-",
                each.rule_name or each.rule_id or "-",
                client(each.user_agent or "-"),
                each.move_to,
            ),
        )
        for each in first
    ]
    _hint(console, grid.draw(console, _CLIENTS, cells, [None] * len(first)))
    _more(console, len(clients) - len(first))


def _more(console: grid.Terminal, left: int) -> None:
    if left:
        console.say(f"… and {left:,} more; --format html or json has them.")
