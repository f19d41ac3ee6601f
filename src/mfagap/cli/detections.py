"""``mfagap detections``: list, show and lint."""

import argparse
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mfagap.model import Detection


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "detections", help="list, show and lint the detections", description=__doc__
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="one line for each detection")
    listing.set_defaults(run=run_list)
    showing = actions.add_parser("show", help="all that an analyst wants to know of one detection")
    showing.add_argument("id", metavar="ID", help="as `list` prints it")
    showing.set_defaults(run=run_show)
    linting = actions.add_parser(
        "lint",
        help="check detection folders",
        description="Check detection folders: schema, unknown keys, ATT&CK pairs, times, portable "
        "SQL, README and cases. Prints file:line for each problem.",
    )
    linting.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="default: those that ship with mfagap",
    )
    linting.set_defaults(run=run_lint)


def run_list(arguments: argparse.Namespace) -> int:
    """Print one line for each detection."""
    from mfagap.detect.load import load_all

    del arguments
    for detection in load_all():
        print(f"{detection.id}  {detection.severity.word}  {detection.status}  {detection.title}")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print the catalogue page of one detection.

    Raises:
        UsageError: There is none of that id.
    """
    from mfagap.detect.load import find

    print("\n".join(_page(find(arguments.id))))
    return 0


def run_lint(arguments: argparse.Namespace) -> int:
    """Print each problem; return 1 where there is one."""
    from mfagap.cases.load import load as load_cases
    from mfagap.cases.templates import Templates
    from mfagap.detect.lint import problems
    from mfagap.detect.load import folders
    from mfagap.errors import ContentError

    given: list[Path] = arguments.folders
    count = 0
    checked = given or folders()
    for folder in checked:
        found = list(problems(folder))
        try:
            if not load_cases(folder, Templates()):
                found.append(ContentError("has no case", str(folder / "cases")))
        except ContentError as error:
            found.append(error)
        for problem in found:
            print(problem)
        count += len(found)
    print(f"{len(checked)} checked, {count} problem{'' if count == 1 else 's'}", file=sys.stderr)
    return 1 if count else 0


def _page(detection: Detection) -> Iterator[str]:
    from mfagap.detect.attack import Attack
    from mfagap.detect.durations import words

    attack = Attack.pinned()
    yield detection.title
    yield "=" * len(detection.title)
    yield from textwrap.wrap(detection.description, 96)
    yield ""
    for name, value in (
        ("id", detection.id),
        ("severity", detection.severity.word),
        ("status", detection.status),
        ("created", detection.created),
        ("author", detection.author),
        ("categories", ", ".join(detection.categories)),
        ("data sources", ", ".join(detection.data_sources)),
        ("tags", ", ".join(detection.tags)),
        ("schedule", f"every {words(detection.schedule_s)}, grace {words(detection.grace_s)}"),
        ("dedup", f"{words(detection.dedup_window_s)} by {detection.dedup_key}"),
        ("source", detection.folder),
    ):
        yield f"{name + ':':14}{value}"
    published = ", ".join(f"{pair.tactic}:{pair.technique}" for pair in detection.attack_published)
    yield ""
    yield f"ATT&CK as published: {published}"
    yield f"ATT&CK {detection.attack_version}:"
    for pair in detection.attack:
        tactic = f"{attack.tactic_name(pair)} ({pair.tactic})"
        yield f"  {pair.technique} {attack.technique_name(pair)}, as {tactic}"
    for title, items in (
        ("False positives", detection.false_positives),
        ("Blind spots", detection.blind_spots),
        ("Prevention", detection.prevention),
        ("Runbook", detection.runbook),
        ("References", detection.references),
    ):
        yield ""
        yield f"{title}:"
        yield from _bullets(items, numbered=title == "Runbook")


def _bullets(items: Iterable[str], *, numbered: bool) -> Iterator[str]:
    for number, item in enumerate(items, start=1):
        mark = f"  {number}. " if numbered else "  - "
        yield textwrap.fill(
            item,
            96,
            initial_indent=mark,
            subsequent_indent=" " * len(mark),
            break_long_words=False,
            break_on_hyphens=False,
        )
