"""A table for a terminal: what a person needs to decide where to look first."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import IO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mfagap.model import Finding, Investigation, MfaStatus, ScanResult, Severity
from mfagap.report import document, explain
from mfagap.report.clean import terminal
from mfagap.report.explain import policy, why

_BROWSER = re.compile(r"\b(Edg|OPR|Chrome|Firefox|Version)/(\d+)(?!.*\b(?:Edg|OPR)/)")
_NAMES = {"Edg": "Edge", "OPR": "Opera", "Version": "Safari"}

PLAIN_WIDTH = 1000
"""Columns where the output is no terminal: a session is one line there, for grep and wc."""

_LIMITS = {
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
}
"""The columns, and how much of a value each shows."""
_FOLDED = ("POLICY", "WHY", "CLIENT")
_LEAST = 16
"""The width down to which a column that may be folded is folded."""
_DROPPED = ("CLIENT", "WHY", "CONF", "POLICY", "STATUS")
"""What a terminal that is too narrow does without, the first first: who and where are kept."""

MOST_AGENT = 1000
"""Characters of a user agent that are looked at: the search takes time by their square."""

_STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFORMATIONAL: "dim",
}


class _Console(Console):
    """Rich's own ends the process with exit code 1 where the reader of a pipe is gone."""

    def on_broken_pipe(self) -> None:
        """Leave it to the caller."""
        raise BrokenPipeError


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
    console = _Console(
        file=out,
        width=None if color else PLAIN_WIDTH,
        no_color=not color,
        force_terminal=color,
        highlight=False,
        emoji=False,
        markup=False,
    )
    findings = document.shown(result, statuses)
    if not findings:
        console.print(Text("No session to show."))
        return
    rows = [_cells(found, result.investigation(found)) for found in findings]
    names = _fitting(rows, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold" if color else "")
    for name in names:
        folded = color and name in (*_FOLDED, "USER", "ADDRESS")
        table.add_column(name, no_wrap=not folded, overflow="fold")
    for found, row in zip(findings, rows, strict=True):
        style = _STYLES[found.severity] if color else ""
        table.add_row(*(Text(row[name]) for name in names), style=style)
    console.print(table)
    if len(names) < len(_LIMITS):
        dropped = ", ".join(name for name in _LIMITS if name not in names)
        console.print(Text(f"The terminal is too narrow for {dropped}; --explain tells them."))
    if explained:
        for found in findings:
            for line in explain.lines(found, result.investigation(found)):
                console.print(Text(line))


def _fitting(rows: Sequence[Mapping[str, str]], width: int) -> list[str]:
    """Return the columns that ``width`` has room for."""
    names = list(_LIMITS)
    for name in _DROPPED:
        if sum(_width(rows, kept) for kept in names) + 2 * (len(names) - 1) <= width:
            break
        names.remove(name)
    return names


def _width(rows: Sequence[Mapping[str, str]], name: str) -> int:
    """Return how wide the column ``name`` has to be."""
    widest = max(cell_len(text) for text in (name, *(row[name] for row in rows)))
    return min(widest, _LEAST) if name in _FOLDED else widest


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
        _client(context.user_agent or "-"),
    )
    cells = zip(_LIMITS.items(), texts, strict=True)
    return {name: terminal(text, limit) for (name, limit), text in cells}


def _verdict(investigation: Investigation | None) -> str:
    """Return OCSF's word, with a mark where a second look is due."""
    if investigation is None:
        return "-"
    verdict = investigation.verdict
    return verdict.verdict.value + (" …" if verdict.follow_up_ms is not None else "")


def _client(user_agent: str) -> str:
    """Return a browser as name, version and platform; any other client as it calls itself."""
    user_agent = user_agent[:MOST_AGENT]
    platform = re.match(r"Mozilla/5\.0 \(([^;)]*)", user_agent)
    browser = _BROWSER.search(user_agent)
    if platform is None or browser is None:
        return user_agent
    return f"{_NAMES.get(browser[1], browser[1])} {browser[2]}, {platform[1]}"
