"""A table for a terminal: what a person needs to decide where to look first."""

import re
from collections.abc import Iterable
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mfagap.model import Finding, Investigation, MfaStatus, ScanResult, Severity
from mfagap.report import document, explain
from mfagap.report.clean import terminal

_BROWSER = re.compile(r"\b(Edg|OPR|Chrome|Firefox|Version)/(\d+)(?!.*\b(?:Edg|OPR)/)")
_NAMES = {"Edg": "Edge", "OPR": "Opera", "Version": "Safari"}

PLAIN_WIDTH = 184
"""Columns where the output is no terminal, whose width cannot be asked."""

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
    table = Table(box=None, pad_edge=False, header_style="bold" if color else "")
    for name in ("SEVERITY", "VERDICT", "STATUS", "CONF", "START (UTC)", "USER", "ADDRESS"):
        table.add_column(name, no_wrap=name not in ("USER", "ADDRESS"), overflow="fold")
    for name in ("POLICY", "WHY", "CLIENT"):
        table.add_column(name, overflow="fold")
    for found in findings:
        cells = _cells(found, result.investigation(found))
        table.add_row(*cells, style=_STYLES[found.severity] if color else "")
    console.print(table)
    if explained:
        for found in findings:
            for line in explain.lines(found, result.investigation(found)):
                console.print(Text(line))


def _cells(found: Finding, investigation: Investigation | None) -> list[Text]:
    context = found.alert_context
    texts = (
        "info" if found.severity is Severity.INFORMATIONAL else found.severity.word,
        _verdict(investigation),
        found.mfa_status.value,
        found.confidence.value,
        context.session_start_time[:19].replace("T", " "),
        context.user_email,
        context.source_ip or "-",
        _policy(found),
        _why(found),
        _client(context.user_agent or "-"),
    )
    limits = (20, 30, 20, 10, 20, 60, 45, 60, 200, 40)
    return [Text(terminal(text, limit)) for text, limit in zip(texts, limits, strict=True)]


def _verdict(investigation: Investigation | None) -> str:
    """Return OCSF's word, with a mark where a second look is due."""
    if investigation is None:
        return "-"
    verdict = investigation.verdict
    return verdict.verdict.value + (" …" if verdict.follow_up_ms is not None else "")


def _policy(found: Finding) -> str:
    policy = found.policy
    if policy.event is None:
        return "no policy event"
    rule = policy.rule_name or policy.rule_id or policy.policy_name or policy.policy_id
    return f"{policy.result}: {rule or 'unnamed rule'}"


def _client(user_agent: str) -> str:
    """Return a browser as name, version and platform; any other client as it calls itself."""
    user_agent = user_agent[:MOST_AGENT]
    platform = re.match(r"Mozilla/5\.0 \(([^;)]*)", user_agent)
    browser = _BROWSER.search(user_agent)
    if platform is None or browser is None:
        return user_agent
    return f"{_NAMES.get(browser[1], browser[1])} {browser[2]}, {platform[1]}"


def _why(found: Finding) -> str:
    parts = [note.name for note in found.annotations]
    if found.explanation is not None:
        parts.insert(0, found.explanation.name)
    if found.mfa_link is not None and found.mfa_status is not MfaStatus.SINGLE_FACTOR:
        parts.insert(0, f"MFA by {found.mfa_link}")
    parts += [reason for reason in found.confidence_reasons if reason not in parts]
    return ", ".join(parts) or "-"
