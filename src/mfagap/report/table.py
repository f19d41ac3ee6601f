"""A table for a terminal: what a person needs to decide where to look first."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import IO

from mfagap.model import Finding, Investigation, MfaStatus, ScanResult, Severity
from mfagap.report import document, explain, grid
from mfagap.report.clean import terminal
from mfagap.report.explain import policy, why

_BROWSER = re.compile(r"\b(Edg|OPR|Chrome|Firefox|Version)/(\d+)(?!.*\b(?:Edg|OPR)/)")
_NAMES = {"Edg": "Edge", "OPR": "Opera", "Version": "Safari"}

_LAYOUT = grid.Layout(
    limits={
        "SEVERITY": 20,
        "VERDICT": 30,
        "STATUS": 20,
        "CONF": 10,
        "START (UTC)": 20,
        "USER": 60,
        "ADDRESS": 45,
        "POLICY": 60,
        "WHY": 200,
        "CLIENT": 40,
    },
    long=("POLICY", "WHY", "CLIENT"),
    dropped=("CLIENT", "WHY", "CONF", "POLICY", "STATUS"),  # who and where are kept
    folded=("USER", "ADDRESS"),
    last=("START (UTC)", "SEVERITY"),
)

MOST_AGENT = 1000
"""Characters of a user agent that are looked at: the search takes time by their square."""


def render(
    result: ScanResult,
    statuses: Iterable[MfaStatus],
    out: IO[str],
    *,
    color: bool = False,
    explained: bool = False,
) -> None:
    """Write ``result`` to ``out``; text from the log is cleaned and never read as markup.

    Args:
        result: What a scan found.
        statuses: Whose sessions are shown.
        out: A terminal or a file.
        color: Whether ``out`` is a terminal that takes color.
        explained: Whether the evidence behind each verdict follows the table.
    """
    console = grid.Terminal(out, color=color)
    findings = document.shown(result, statuses)
    if not findings:
        console.say("No session to show.")
        return
    rows = [_cells(found, result.investigation(found)) for found in findings]
    layout, named = _LAYOUT, len(result.detections) > 1
    if named:  # one sign-in may be a finding of each
        rows = [{"DETECTION": f.detection, **row} for f, row in zip(findings, rows, strict=True)]
        limits = {"DETECTION": 60, **layout.limits}
        layout = replace(layout, limits=limits, long=("DETECTION", *layout.long))
    missing = grid.draw(console, layout, rows, [found.severity for found in findings])
    if missing and not explained:
        console.say(f"The terminal is too narrow for {', '.join(missing)}; --explain tells them.")
    if explained:
        for found in findings:
            for line in explain.lines(found, result.investigation(found), named=named):
                console.say(line, most=explain.WIDTH)


def _cells(found: Finding, investigation: Investigation | None) -> dict[str, str]:
    context = found.alert_context
    texts = (
        "info" if found.severity is Severity.INFORMATIONAL else found.severity.word,
        _verdict(investigation),
        found.mfa_status.value,
        found.confidence.value,
        context.session_start_time[:19].replace("T", " "),
        context.user_email,
        context.source_ip or "-",
        policy(found),
        why(found),
        client(context.user_agent or "-"),
    )
    cells = zip(_LAYOUT.limits.items(), texts, strict=True)
    return {name: terminal(text, limit) for (name, limit), text in cells}


def _verdict(investigation: Investigation | None) -> str:
    """Return OCSF's word, with a mark where a second look is due."""
    if investigation is None:
        return "-"
    verdict = investigation.verdict
    return verdict.verdict.value + (" …" if verdict.follow_up_ms is not None else "")


def client(user_agent: str) -> str:
    """Return a browser as name, version and platform; any other client as it calls itself."""
    user_agent = user_agent[:MOST_AGENT]
    platform = re.match(r"Mozilla/5\.0 \(([^;)]*)", user_agent)
    browser = _BROWSER.search(user_agent)
    if platform is None or browser is None:
        return user_agent
    return f"{_NAMES.get(browser[1], browser[1])} {browser[2]}, {platform[1]}"
