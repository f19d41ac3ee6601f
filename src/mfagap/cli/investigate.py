"""``mfagap investigate``."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfagap.cli import output, progress
from mfagap.cli.pipes import show, standard_input
from mfagap.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mfagap.model import Finding, ScanResult

DESCRIPTION = """\
Run the runbook on one legacy sign-in, whatever its status: found, explained, or with MFA.

Prints the verdict with its reason and, step by step, the evidence behind it. With --history each
run is added to a file, and what changed since the last run on the same sign-in is told.
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "investigate",
        allow_abbrev=False,
        help="run the runbook on one session",
        usage="mfagap investigate SESSION_ID|EVENT_UUID --logs PATH [PATH ...] [options]",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "session",
        metavar="SESSION_ID|EVENT_UUID",
        help="an externalSessionId of the session, its first or a later one, or the uuid of an "
        "event of it",
    )
    parser.add_argument(
        "--logs",
        nargs="+",
        required=True,
        metavar="PATH",
        help="file, folder, glob, or - for standard input",
    )
    parser.add_argument(
        "--now", metavar="TIME", help="judge as of this time (default: the newest event in the log)"
    )
    output.add_to(parser)
    parser.add_argument(
        "--history",
        type=Path,
        metavar="FILE",
        help="add the run to this file (NDJSON), and tell what changed since the last",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )
    parser.add_argument(
        "--detections",
        type=Path,
        metavar="DIR",
        help="run the detections in this folder too; see `mfagap detections lint`",
    )
    parser.add_argument(
        "--quiet",
        "-q",
        action="store_true",
        help="no progress, no notes on the input but for steps that failed",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Investigate, render, and return the exit code.

    Raises:
        UsageError: No legacy sign-in is meant, or the history is none.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.model import MfaStatus
    from mfagap.report import summary
    from mfagap.service.scan import Request, scan

    output.format_of(arguments)  # what is off is told before anything is read
    configured = settings.load(arguments.config)
    request = Request(
        paths=arguments.logs,
        stdin=standard_input(),
        now=arguments.now,
        outputs=[path for path in (arguments.output, arguments.history) if path],
        settings=configured,
        detections=arguments.detections,
        session=arguments.session,
        investigated=lambda _finding: True,  # an earlier session may be an unresolved alert
    )
    with progress.drawn("reading", quiet=arguments.quiet, in_bytes=True) as told:
        result = scan(request, told)
    name = arguments.session
    meant = [finding for finding in result.findings if _is_named(finding, name)]
    meant = meant or [finding for finding in result.findings if finding.uuid in result.meant]
    if not meant:
        raise UsageError(_nothing(name, result))
    alone = _alone(result, meant)
    output.write(alone, MfaStatus, arguments, no_color=configured.no_color, explained=True)
    for line in summary.failures(alone) if arguments.quiet else summary.notes(result):
        print(line, file=sys.stderr)
    if arguments.history:
        _remember(alone, arguments.history)
    return 0


def _alone(result: "ScanResult", meant: "Sequence[Finding]") -> "ScanResult":
    """Return ``result`` as if ``meant`` were all, so that no output counts others with them."""
    from mfagap.model import MfaStatus

    uuids = {finding.uuid for finding in meant}
    return replace(
        result,
        findings=tuple(meant),
        investigations={key: run for key, run in result.investigations.items() if key[1] in uuids},
        alerts=tuple(
            alert for alert in result.alerts if uuids & {found.uuid for found in alert.findings}
        ),
        counts={status: sum(found.mfa_status is status for found in meant) for status in MfaStatus},
    )


def _is_named(finding: "Finding", name: str) -> bool:
    """Return whether ``name`` is the session's first id, or an event that the finding names."""
    return name in (
        finding.alert_context.external_session_id,
        finding.uuid,
        finding.mfa_event,
        finding.policy.event,
    )


def _nothing(name: str, result: "ScanResult") -> str:
    """Return why no sign-in can be investigated."""
    if result.meant:
        return (
            f"{name!r} leads to a sign-in that did not come in through the legacy API, or that "
            "names no user or session: there is nothing to investigate"
        )
    return (
        f"{name!r} is the session id or event of none of the {len(result.findings):,} legacy "
        "sign-ins in the log; `mfagap scan --explain --all` tells the id of each"
    )


def _remember(result: "ScanResult", file: Path) -> None:
    """Add each investigation to ``file``, and tell what changed since the last one of its start."""
    from mfagap.investigate import history

    for finding in result.findings:
        investigation = result.investigation(finding)
        if investigation is None:
            continue
        before = history.last(file, investigation)
        history.append(file, investigation)
        if before is not None:
            told = list(history.changes(before, history.entry(investigation)))
            since = f"since the last run on {finding.uuid}"
            show(f"Changed {since}:" if told else f"Nothing changed {since}.", err=True)
            for line in told:
                show(f"  {line}", err=True)
