"""``mfagap test``: run the cases of detections and hardening checks, or mutate their queries."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfagap.cli import progress
from mfagap.cli.pipes import show
from mfagap.model import Detection

if TYPE_CHECKING:  # these read YAML, which --help does without
    from mfagap.cases.hardening_run import HardeningOutcome
    from mfagap.cases.mutation import Report
    from mfagap.cases.run import Outcome
    from mfagap.model.hardening import Check

HARDENING = "hardening/"
"""Before the id of a hardening check, among those of detections."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "test",
        allow_abbrev=False,
        help="run the cases of detections and hardening checks",
        description="Run the cases of detections end to end: whole events in, exact findings and "
        "alerts out; and those of hardening checks: an org and its log in, exact results out. "
        "Prints each case, and what differed.",
    )
    parser.add_argument(
        "detections",
        nargs="*",
        metavar="ID",
        help="a detection's, or hardening/ and a check's (default: all of them)",
    )
    parser.add_argument(
        "--detections",
        dest="own",
        type=Path,
        metavar="DIR",
        help="test the detections in this folder too",
    )
    parser.add_argument(
        "--mutate",
        action="store_true",
        help="change the query in one place at a time, and print each change that no case notices; "
        "one that survivors.yml does not explain is a failure; not with --detections",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print only what failed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the cases; return 1 where one differed, or a detection or check has none.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap.detect.load import find, load_all
    from mfagap.errors import UsageError
    from mfagap.harden import checks

    named: list[str] = arguments.detections
    own: Path | None = arguments.own
    quiet: bool = arguments.quiet
    mutated: bool = arguments.mutate
    if mutated and own:  # mutants are judged outside of the sandbox
        raise UsageError(
            "--mutate judges the queries that ship with mfagap: leave out --detections"
        )
    if named:
        ids = [name.removeprefix(HARDENING) for name in named if name.startswith(HARDENING)]
        detections = [find(name, own) for name in named if not name.startswith(HARDENING)]
        hardening = [checks.find(check_id) for check_id in ids]
    else:
        detections, hardening = load_all(own), checks.load_all()
    passed = failed = 0
    for good, bad in (
        *(_detection(detection, mutated=mutated, quiet=quiet) for detection in detections),
        *(_check(check, mutated=mutated, quiet=quiet) for check in hardening),
    ):
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


def _detection(detection: Detection, *, mutated: bool, quiet: bool) -> tuple[int, int]:
    """Return how many cases, or mutants, are as they should be, and how many things are not."""
    from mfagap.cases import load, templates
    from mfagap.cases.mutation import mutate
    from mfagap.cases.run import run as run_cases

    cases = load.load(Path(detection.folder), templates.Templates())
    if not cases:
        return _without_cases(detection.id)
    if mutated:
        with progress.drawn("mutants", quiet=quiet) as told:
            report = mutate(detection, cases, told)
        return _mutants(detection.id, report, quiet=quiet)
    return _cases(detection.id, run_cases(detection, cases), quiet=quiet)


def _check(check: "Check", *, mutated: bool, quiet: bool) -> tuple[int, int]:
    """Return the same of a hardening check."""
    from mfagap.cases import hardening
    from mfagap.cases.hardening_mutation import mutate
    from mfagap.cases.hardening_run import run as run_cases

    name = HARDENING + check.id
    cases = hardening.load(Path(check.folder), hardening.Makers.shipped())
    if not cases:
        return _without_cases(name)
    if mutated:
        with progress.drawn("mutants", quiet=quiet) as told:
            report = mutate(check, cases, told)
        return _mutants(name, report, quiet=quiet)
    return _cases(name, run_cases(check, cases), quiet=quiet)


def _without_cases(name: str) -> tuple[int, int]:
    print(f"{name}: has no case", file=sys.stderr)
    return 0, 1


def _cases(
    name: str, outcomes: "Iterable[Outcome | HardeningOutcome]", *, quiet: bool
) -> tuple[int, int]:
    passed = failed = 0
    for outcome in outcomes:
        passed, failed = passed + outcome.passed, failed + (not outcome.passed)
        if outcome.passed and quiet:
            continue
        show(f"{'ok  ' if outcome.passed else 'FAIL'} {name}/{outcome.case.name}")
        for difference in outcome.differences:
            show(f"     {difference}")
    return passed, failed


def _mutants(name: str, report: "Report", *, quiet: bool) -> tuple[int, int]:
    for mutant in report.survivors:
        explained = mutant not in report.unexplained
        if not (explained and quiet):
            place = f"{mutant.file}:{mutant.line}"
            show(f"{'ok  ' if explained else 'FAIL'} {place}: no case notices: {mutant.name}")
    for problem in report.stale:
        show(f"FAIL {problem}")
    survivors, failed = len(report.survivors), len(report.unexplained) + len(report.stale)
    print(
        f"{name}: {report.mutants} mutants, {report.mutants - survivors} killed, "
        f"{survivors} survived, {survivors - len(report.unexplained)} of them explained",
        file=sys.stderr,
    )
    return report.mutants - len(report.unexplained), failed
