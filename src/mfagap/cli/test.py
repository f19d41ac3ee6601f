"""``mfagap test``: run the detections' own cases, or see whether these notice a changed query."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfagap.cli import progress
from mfagap.cli.pipes import show
from mfagap.model import Detection

if TYPE_CHECKING:
    from mfagap.cases.load import Case  # reads YAML, which --help does without


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "test",
        allow_abbrev=False,
        help="run the detections' own cases",
        description="Run the cases of detections end to end: whole events in, exact findings and "
        "alerts out. Prints each case, and what differed.",
    )
    parser.add_argument(
        "detections", nargs="*", metavar="DETECTION", help="its id (default: all of them)"
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
    """Run the cases; return 1 where one differed or a detection has none.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap.cases import load, templates
    from mfagap.detect.load import find, load_all
    from mfagap.errors import UsageError

    named: list[str] = arguments.detections
    own: Path | None = arguments.own
    if arguments.mutate and own:  # mutants are judged outside of the sandbox
        raise UsageError(
            "--mutate judges the queries that ship with mfagap: leave out --detections"
        )
    failed = passed = 0
    check = _mutate if arguments.mutate else _run
    for detection in [find(name, own) for name in named] if named else load_all(own):
        cases = load.load(Path(detection.folder), templates.Templates())
        if not cases:
            print(f"{detection.id}: has no case", file=sys.stderr)
            failed += 1
            continue
        good, bad = check(detection, cases, quiet=arguments.quiet)
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


def _run(detection: Detection, cases: "Sequence[Case]", *, quiet: bool) -> tuple[int, int]:
    from mfagap.cases.run import run as run_cases

    failed = 0
    for outcome in run_cases(detection, cases):
        failed += not outcome.passed
        if outcome.passed and quiet:
            continue
        show(f"{'ok  ' if outcome.passed else 'FAIL'} {detection.id}/{outcome.case.name}")
        for difference in outcome.differences:
            show(f"     {difference}")
    return len(cases) - failed, failed


def _mutate(detection: Detection, cases: "Sequence[Case]", *, quiet: bool) -> tuple[int, int]:
    from mfagap.cases.mutation import mutate

    with progress.drawn("mutants", quiet=quiet) as told:
        report = mutate(detection, cases, told)
    for mutant in report.survivors:
        explained = mutant not in report.unexplained
        if not (explained and quiet):
            place = f"{mutant.file}:{mutant.line}"
            show(f"{'ok  ' if explained else 'FAIL'} {place}: no case notices: {mutant.name}")
    for problem in report.stale:
        show(f"FAIL {problem}")
    survivors, failed = len(report.survivors), len(report.unexplained) + len(report.stale)
    print(
        f"{detection.id}: {report.mutants} mutants, {report.mutants - survivors} killed, "
        f"{survivors} survived, {survivors - len(report.unexplained)} of them explained",
        file=sys.stderr,
    )
    return report.mutants - len(report.unexplained), failed
