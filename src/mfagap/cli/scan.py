"""``mfagap scan``."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfagap.cli import output, progress
from mfagap.cli.pipes import standard_input
from mfagap.errors import UsageError

LEVELS = ("low", "medium", "high", "critical")
FAIL_ON_EXIT = 10

DESCRIPTION = """\
Read Okta System Log events and show the sessions that skipped MFA.

Every shape is recognized by its content: the API's JSON array, NDJSON, event hooks, EventBridge,
Elastic, Splunk, Sentinel and Panther exports, plain, .gz or .zst, and Parquet, mixed in one folder.
What cannot be read is counted on standard error and, with --rejects, kept whole.
"""

EPILOG = """\
mfa_status:
  single_factor  a password alone was enough (Medium; High for generic HTTP clients, and where the
                 policy asked for a factor and the session was used without one)
  challenged     the policy asked for a factor and nobody answered: somebody knows the password
  unsettled      too near the end of the log to believe that no factor will come
  step_up        in with one factor, a second one asked for later (with --all)
  explained      the log shows why no factor was asked for (with --all)
  mfa            a second factor in time (counted only)

verdict, by the detection's runbook (… after it: the log does not cover the whole window yet):
  true_positive      the session did what keeps or widens access (Critical)
  suspicious         signals of abuse, or such acts that are tied to it less closely
  security_risk      no abuse seen: that a password alone was enough is the risk
  benign             explained, or a known integration's habit
  false_positive     a second factor was passed in time
  insufficient_data  too little log after the start, or a step failed

Data goes to standard output or -o FILE, everything else to standard error.
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "scan",
        allow_abbrev=False,
        help="show the sessions in a folder of logs that skipped MFA",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="file, folder, glob, or - for standard input"
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="judge sign-ins from this time on: ISO 8601, or 7d, 12h before NOW",
    )
    parser.add_argument("--until", metavar="TIME", help="judge sign-ins before this time")
    parser.add_argument(
        "--now", metavar="TIME", help="judge as of this time (default: the newest event in the log)"
    )
    parser.add_argument(
        "--all", action="store_true", help="show step_up and explained sessions too"
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="tell the evidence behind each verdict, step by step (table only)",
    )
    parser.add_argument(
        "--no-investigate",
        action="store_true",
        help="do not run the runbook: no verdicts, and severities as the detection sets them",
    )
    output.add_to(parser)
    parser.add_argument(
        "--rejects", type=Path, metavar="FILE", help="write what could not be read, as NDJSON"
    )
    parser.add_argument(
        "--fail-on",
        choices=LEVELS,
        metavar="LEVEL",
        help="exit 10 where a finding is at least: low, medium, high, critical",
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
        "--quiet", "-q", action="store_true", help="only the counts, and steps that failed"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Scan, render, and return the exit code.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.model import Severity
    from mfagap.report import document, summary
    from mfagap.service.scan import Request, scan

    chosen = output.format_of(arguments)
    if arguments.explain and (chosen != "table" or arguments.no_investigate):
        raise UsageError("--explain is for the table, and for a scan that investigates")
    configured = settings.load(arguments.config)
    request = Request(
        paths=arguments.paths,
        stdin=standard_input(),
        since=arguments.since,
        until=arguments.until,
        now=arguments.now,
        rejects=arguments.rejects,
        outputs=[arguments.output] if arguments.output else [],
        settings=configured,
        detections=arguments.detections,
    )
    if arguments.no_investigate:
        request = replace(request, investigated=None)
    with progress.drawn("reading", quiet=arguments.quiet, in_bytes=True) as told:
        result = scan(request, told)
    statuses = document.ALL if arguments.all else document.DEFAULT
    output.write(
        result,
        statuses,
        arguments,
        no_color=configured.no_color,
        explained=arguments.explain,
    )
    for line in summary.failures(result) if arguments.quiet else summary.notes(result):
        print(line, file=sys.stderr)
    print(summary.counts(result, statuses), file=sys.stderr)
    if arguments.fail_on:
        least = Severity[arguments.fail_on.upper()]
        # Where a step failed, the severity is not known to be less.
        if result.failures or any(alert.severity >= least for alert in result.alerts):
            return FAIL_ON_EXIT
    return 0
