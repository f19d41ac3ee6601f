"""``mfagap test``: run the detections' own cases."""

import argparse
import sys
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "test",
        help="run the detections' own cases",
        description="Run the cases of detections end to end: whole events in, exact findings and "
        "alerts out. Prints each case, and what differed.",
    )
    parser.add_argument(
        "detections", nargs="*", metavar="DETECTION", help="its id (default: all of them)"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print only what differed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the cases; return 1 where one differed or a detection has none.

    Raises:
        MfagapError: See ``errors``.
    """
    from pathlib import Path

    from mfagap.cases import load, templates
    from mfagap.cases.run import run as run_cases
    from mfagap.detect.load import find, load_all

    named: list[str] = arguments.detections
    failed = passed = 0
    for detection in [find(name) for name in named] if named else load_all():
        cases = load.load(Path(detection.folder), templates.Templates())
        if not cases:
            print(f"{detection.id}: has no case", file=sys.stderr)
            failed += 1
        for outcome in run_cases(detection, cases):
            passed, failed = passed + outcome.passed, failed + (not outcome.passed)
            if outcome.passed and arguments.quiet:
                continue
            print(f"{'ok  ' if outcome.passed else 'FAIL'} {detection.id}/{outcome.case.name}")
            for difference in outcome.differences:
                print(f"     {difference}")
    print(f"{passed} passed, {failed} failed", file=sys.stderr)
    return 1 if failed else 0
