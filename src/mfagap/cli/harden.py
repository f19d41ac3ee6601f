"""``mfagap harden``: which rule let them in, what to change, whom it would cost, and the proof."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfagap.cli import harden_apply, harden_checks, harden_reading, output, progress
from mfagap.cli.pipes import show
from mfagap.errors import UsageError

if TYPE_CHECKING:
    from mfagap.model.hardening import Hardening, Plan
    from mfagap.model.org import Snapshot
    from mfagap.service.harden import Keeping, Outcome
    from mfagap.settings import Settings

FORMATS = ("table", "json", "csv", "html", "sarif", "ocsf")
SUFFIXES = {
    ".txt": "table",
    ".json": "json",
    ".csv": "csv",
    ".html": "html",
    ".sarif": "sarif",
}
LEVELS = ("low", "medium", "high", "critical")
FAIL_ON_EXIT = 10

DESCRIPTION = """\
Close the legacy door: from the log and the org's policies to a change that one dares to make.

The log tells which rules let sessions in; the policies tell what those rules say today. Policies
come from files (--from: a snapshot, or a folder of JSON as the API returned it) or from the org
(--api).
Nothing is written to the org but by `apply`, `resume` and `rollback`, and only after a yes.
"""

EPILOG = """\
in this order:
  mfagap harden snapshot -o org.json logs/          the policies as they are now
  mfagap harden report logs/ --from org.json        what is open, and since when
  mfagap harden plan logs/ --from org.json -o plan.json --terraform gap.tf
  mfagap harden apply plan.json                     shows each change, asks, keeps what was there
  mfagap harden verify plan.json logs/ --api        is it closed, and did nobody get through since?
  mfagap harden rollback                            takes back what the last apply did

The service app needs okta.policies.read for the policies, and okta.policies.manage to change them;
docs/hardening.md tells the other scopes, and what stays unknown without each.
"""

REPORT = """\
Run every check over the log and the policies, decide the logged sign-ins once more under today's
policies and under a plan, and list who still uses the legacy API.

What is not known is never a pass: where a part of the org could not be read, a check says unknown.
Without --from and --api the log alone tells which rules let sessions in.
"""

PLAN = """\
Write the changes that mend what fails: the exact objects for Okta's Policy API, as a plan that
`mfagap harden apply` takes, and as Terraform. Each change is shown on standard error, with whom it
may cost; nothing is written to the org.

--keep-group with --keep-zone and --keep-until puts a rule of their own before the change, so that
service accounts stay alive while everyone else must use a factor.
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "harden",
        allow_abbrev=False,
        help="which rule let them in, what to change, whom it would cost",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_snapshot(actions)
    _add_diff(actions)
    _add_report(actions)
    _add_plan(actions)
    harden_apply.add_to(actions)
    harden_checks.add_to(actions)


def _add_snapshot(actions: Any) -> None:
    taking: argparse.ArgumentParser = actions.add_parser(
        "snapshot",
        allow_abbrev=False,
        help="read the org's policies from the API into one file",
        description="Read policies, rules, zones, authenticators, ThreatInsight, API tokens and "
        "what they name from the org; with a log also the factors of those who used none. "
        "What a scope or role does not show is named, and stays unknown.",
    )
    harden_reading.add_paths(
        taking, "log: whose sign-ins tell whose factors are read (default: nobody's)"
    )
    taking.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write there, not to standard output"
    )
    harden_reading.add_span(taking)
    taking.set_defaults(run=run_snapshot)


def _add_diff(actions: Any) -> None:
    comparing: argparse.ArgumentParser = actions.add_parser(
        "diff",
        allow_abbrev=False,
        help="what differs between two snapshots",
        description="Print what was added, removed and changed between two snapshots, or folders "
        "of JSON as the API returned it; and what became known or unknown.",
    )
    comparing.add_argument("old", type=Path, metavar="OLD", help="a snapshot, or a folder")
    comparing.add_argument("new", type=Path, metavar="NEW", help="a snapshot, or a folder")
    comparing.add_argument("--json", action="store_true", help="one JSON object a line")
    comparing.set_defaults(run=run_diff)


def _add_report(actions: Any) -> None:
    reporting: argparse.ArgumentParser = actions.add_parser(
        "report",
        allow_abbrev=False,
        help="what is open, what to do, and whom it would cost",
        description=REPORT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    harden_reading.add_to(reporting)
    output.add_to(reporting, FORMATS)
    reporting.add_argument(
        "--all", action="store_true", help="list what passes or does not apply too (table only)"
    )
    reporting.add_argument(
        "--fail-on",
        choices=LEVELS,
        metavar="LEVEL",
        help="exit 10 where a check of at least this severity fails or is unknown: low, medium, "
        "high, critical",
    )
    _keeping(reporting)
    reporting.set_defaults(run=run_report)


def _add_plan(actions: Any) -> None:
    planning: argparse.ArgumentParser = actions.add_parser(
        "plan",
        allow_abbrev=False,
        help="write what to change, for `apply` and for Terraform",
        description=PLAN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    harden_reading.add_to(planning)
    planning.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write there, not to standard output"
    )
    planning.add_argument(
        "--terraform", type=Path, metavar="FILE", help="write the same as Terraform"
    )
    _keeping(planning)
    planning.set_defaults(run=run_plan)


def _keeping(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-group", metavar="GROUP_ID", help="service accounts: the group that holds them"
    )
    parser.add_argument(
        "--keep-zone", metavar="ZONE_ID", help="the network zone that they come from"
    )
    parser.add_argument(
        "--keep-until", metavar="TIME", help="when that ends: ISO 8601, or 90d from now"
    )


def run_snapshot(arguments: argparse.Namespace) -> int:
    """Read the org's policies, and return 0.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.harden.snapshot import dump
    from mfagap.service import harden

    configured = settings.load(arguments.config)
    with ExitStack() as stack:
        request = harden_reading.request(arguments, configured, stack, api=True)
        with progress.drawn("reading", quiet=arguments.quiet, in_bytes=True) as told:
            read, kept = harden.taken(request, told)
    output.save(arguments.output, lambda out: out.write(dump(read)))
    if not arguments.quiet:
        _show_parts(read)
        show(f"kept as {kept}", err=True)
    return 0


def _show_parts(read: "Snapshot") -> None:
    from mfagap.model.org import PARTS
    from mfagap.report.hardening import document

    width = max(map(len, PARTS))
    for name in PARTS:
        part = read.part(name)
        known = document.known(name, part) or f"unknown: {part.missing}"
        show(f"{name:{width}}  {len(part.items):6,}  {known}", err=True)


def run_diff(arguments: argparse.Namespace) -> int:
    """Print what differs between two snapshots, and return 0.

    Raises:
        SourceError: One cannot be read.
    """
    from mfagap.harden import diff, folder
    from mfagap.report.clean import json_line
    from mfagap.report.hardening import difference

    found = diff.differences(folder.read(arguments.old), folder.read(arguments.new))
    for each in found:
        if arguments.json:
            sys.stdout.write(json_line(difference.document(each)))
        else:
            for line in difference.told(each):
                show(line)
    if not arguments.json:
        show(f"differences: {len(found):,}", err=True)
    return 0


def run_report(arguments: argparse.Namespace) -> int:
    """Harden, render, and return the exit code.

    Raises:
        MfagapError: See ``errors``.
    """
    from importlib import import_module

    from mfagap import settings

    chosen = output.format_of(arguments, SUFFIXES)
    if arguments.all and chosen != "table":
        raise UsageError("--all is for the table; the other formats have all results")
    configured = settings.load(arguments.config)
    done = hardened(arguments, configured)
    options: dict[str, Any] = {}
    if chosen == "table":
        color = output.colored(arguments, no_color=configured.no_color)
        options = {"color": color, "everything": arguments.all}
    renderer = import_module(f"mfagap.report.hardening.{chosen}")
    output.save(arguments.output, lambda out: renderer.render(done.found, out, **options))
    _notes(arguments, done)
    show(_counts(done.found), err=True)
    return FAIL_ON_EXIT if arguments.fail_on and _fails(done.found, arguments.fail_on) else 0


def _fails(found: "Hardening", level: str) -> bool:
    """Tell whether a check fails, or cannot tell, at ``level`` or above."""
    from mfagap.model import Severity
    from mfagap.report.hardening.document import OPEN

    least = Severity[level.upper()]
    return any(each.outcome in OPEN and each.severity >= least for each in found.results)


def _counts(found: "Hardening") -> str:
    from mfagap.report.hardening import document

    counts = document.outcomes(found.results)
    told = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    return f"Checks: {len(found.checks):,}. Results: {told}."


def run_plan(arguments: argparse.Namespace) -> int:
    """Plan, show what would change and whom it would cost, and return 0.

    Raises:
        UsageError: The session policies are not known, so that nothing can be planned.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.harden import plan as planning
    from mfagap.harden.terraform import hcl

    if arguments.snapshot is None and not arguments.api:
        raise UsageError("a plan needs the org's policies: give --from PATH or --api")
    done = hardened(arguments, settings.load(arguments.config))
    plan = done.found.plan
    if plan is None:
        missing = done.found.snapshot.part("OKTA_SIGN_ON").missing
        raise UsageError(f"the session policies are not known: {missing}")
    output.save(arguments.output, lambda out: out.write(planning.dump(plan)))
    if arguments.terraform is not None:
        output.save(arguments.terraform, lambda out: out.write(hcl(plan)))
    _notes(arguments, done)
    policies = done.found.snapshot.part("OKTA_SIGN_ON").items
    names = {str(policy.get("id")): str(policy.get("name")) for policy in policies}
    changes = harden_apply.changes(plan, names, quiet=arguments.quiet)
    told = (changes, harden_apply.alternatives(plan), harden_apply.impact(done.found))
    for line in chain(*told, _written(arguments, plan)):
        show(line, err=True)
    return 0


def _written(arguments: argparse.Namespace, plan: "Plan") -> Iterator[str]:
    """Yield which files were written, and what to do with them."""
    files = [str(file) for file in (arguments.output, arguments.terraform) if file is not None]
    if not files:
        return
    takes = arguments.output is not None and plan.changes
    next_step = f"; next: mfagap harden apply {arguments.output}" if takes else ""
    yield f"{' and '.join(files)} {'are' if len(files) > 1 else 'is'} written{next_step}"


def hardened(arguments: argparse.Namespace, configured: "Settings") -> "Outcome":
    """Read what ``arguments`` name, and judge it.

    Raises:
        UsageError: There is nothing to read, or the exception is not whole.
        MfagapError: See ``errors``.
    """
    from mfagap.service import harden

    if not (arguments.paths or arguments.snapshot or arguments.api or configured.sources):
        raise UsageError("nothing to read: give a log, --from PATH or --api")
    keep = _kept(arguments)
    with ExitStack() as stack:
        request = harden_reading.request(arguments, configured, stack)
        with progress.drawn("reading", quiet=arguments.quiet, in_bytes=True) as told:
            return harden.harden(replace(request, keep=keep), told)


def _kept(arguments: argparse.Namespace) -> "Keeping | None":
    """Return the exception that is asked for; None for none."""
    from mfagap.service.harden import Keeping

    group, zone, until = (
        getattr(arguments, f"keep_{it}", None) for it in ("group", "zone", "until")
    )
    if group is None and zone is None and until is None:
        return None
    if group is None or zone is None or until is None:
        raise UsageError("--keep-group, --keep-zone and --keep-until belong together")
    return Keeping(group, zone, until)


def _notes(arguments: argparse.Namespace, done: "Outcome") -> None:
    from mfagap.report import summary

    if done.log is not None and not arguments.quiet:
        for line in summary.notes(done.log):
            show(line, err=True)
