"""HTML: one file to forward, without script and without network; ``page`` cleans what it shows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from jinja2 import Environment

from mfagap.model import Finding, Investigation, MfaStatus, ScanResult, VerdictWord
from mfagap.report import document, overview, page, sessions, summary

MOST_SESSIONS = 200
"""Sessions in full: the worst. A page with more is slow to open and nobody reads it."""

MOST_BYTES = 12_000_000
"""Bytes for sessions in full: with fewer than ``MOST_SESSIONS``, should their texts be long."""

MOST_ROWS = 2000
"""Sessions in the table of the others."""

MOST_NOTES = 60
MOST_HARDEN = 50

STATUSES: Mapping[MfaStatus, str] = {
    MfaStatus.SINGLE_FACTOR: "A password alone was enough.",
    MfaStatus.CHALLENGED: "The policy asked for a factor and nobody answered: somebody knows the "
    "password.",
    MfaStatus.UNSETTLED: "Too near the end of the log to believe that no factor will come.",
    MfaStatus.STEP_UP: "In with one factor; a second one was asked for later.",
    MfaStatus.EXPLAINED: "The log shows why no factor was asked for.",
    MfaStatus.MFA: "A second factor in time.",
}
VERDICTS: Mapping[VerdictWord, str] = {
    VerdictWord.TRUE_POSITIVE: "Abuse: the session did what keeps or widens access.",
    VerdictWord.SUSPICIOUS: "Signals of abuse, and no proof.",
    VerdictWord.SECURITY_RISK: "One factor and no abuse seen: the gap itself is the risk.",
    VerdictWord.INSUFFICIENT_DATA: "The log does not say enough yet.",
    VerdictWord.BENIGN: "Explained, or a known integration's habit.",
    VerdictWord.FALSE_POSITIVE: "There was a second factor after all.",
}
"""In the order in which a reader should look at them."""


def render(result: ScanResult, statuses: Iterable[MfaStatus], out: IO[str]) -> None:
    """Write ``result`` to ``out``."""
    environment = page.environment()
    findings = document.shown(result, statuses)
    page.write(environment, "scan.html", _view(environment, result, findings), out)


def _view(
    environment: Environment, result: ScanResult, findings: Sequence[Finding]
) -> dict[str, Any]:
    """Return all that the template names."""
    investigations = [found for found in map(result.investigation, findings) if found is not None]
    known = sessions.queries(investigations)
    full = list(_in_full(environment, result, findings[:MOST_SESSIONS], known))
    others = findings[len(full) :]
    return {
        "result": result,
        "findings": findings,
        "all_legacy": sum(result.counts.values()),
        "verdicts": _verdicts(findings, investigations),
        "statuses": [
            (status.value, text, result.counts[status]) for status, text in STATUSES.items()
        ],
        "notes": _notes(result),
        "chart": overview.chart(result.findings),
        "chart_order": [status.value for status in overview.ORDER],
        "people": _people(findings),
        "full": full,
        "others": [(found, _verdict(result, found)) for found in others[:MOST_ROWS]],
        "others_left_out": max(0, len(others) - MOST_ROWS),
        "others_count": len(others),
        "runbooks": [
            (detection, sessions.ran(detection, investigations, known))
            for detection in result.detections
        ],
        "let_in": overview.rules(_let_in(findings), MOST_HARDEN),
    }


def _in_full(
    environment: Environment,
    result: ScanResult,
    findings: Sequence[Finding],
    known: sessions.Queries,
) -> Iterator[tuple[sessions.Session, str]]:
    """Yield sessions as they are drawn, as long as there is room for them."""
    template = environment.get_template("session.html")
    room = MOST_BYTES
    for place, found in enumerate(findings, 1):
        session = sessions.session(place, found, result, known)
        drawn = template.render(session=session)
        room -= len(page.ascii_of(drawn))
        if room < 0:
            return
        yield session, drawn


def _verdict(result: ScanResult, found: Finding) -> str | None:
    investigated = result.investigation(found)
    return None if investigated is None else investigated.verdict.verdict.value


def _verdicts(
    findings: Sequence[Finding], investigations: Sequence[Investigation]
) -> list[tuple[str, str, int]]:
    """Return each verdict, what it means, and how many of the sessions shown have it."""
    counted = Counter(investigated.verdict.verdict for investigated in investigations)
    rows = [(word.value, text, counted[word]) for word, text in VERDICTS.items()]
    left = len(findings) - len(investigations)
    return [*rows, ("not_investigated", "The runbook was not run.", left)] if left else rows


def _notes(result: ScanResult) -> list[tuple[str, list[str]]]:
    """Return what was read and what was not: each line with those that belong to it."""
    notes: list[tuple[str, list[str]]] = []
    for line in summary.notes(result):
        if notes and line.startswith(" "):
            notes[-1][1].append(line.strip())
        else:
            notes.append((line.strip(), []))
    if result.skipped:
        never = (f"{count:,} with {reason}" for reason, count in result.skipped.items())
        notes.append((f"Never fire: {', '.join(never)}.", []))
    return [(line, _first(inner)) for line, inner in notes]


def _first(lines: list[str]) -> list[str]:
    left = len(lines) - MOST_NOTES
    return lines if left <= 0 else [*lines[:MOST_NOTES], f"… and {left:,} more"]


def _people(
    findings: Sequence[Finding],
) -> Iterator[tuple[str, str, str, overview.Ranking]]:
    """Yield the small tables: title, what a row is, what else it counts, and the rows."""
    yield "Who came in", "User", "Addresses", overview.users(findings)
    yield "From where", "Address", "Users", overview.addresses(findings)
    yield "With which client", "User agent", "Users", overview.clients(findings)
    yield "Through which rule", "Session policy", "Users", overview.rules(findings)


def _let_in(findings: Sequence[Finding]) -> list[Finding]:
    """Return the sessions that a rule let in; one that asked for a factor did what it should."""
    return [found for found in findings if found.policy.result != "CHALLENGE"]
