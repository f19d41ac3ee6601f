"""``mfagap detections``: list, show, lint, and the query for a warehouse."""

import argparse
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mfagap.cli.pipes import show
from mfagap.errors import ContentError
from mfagap.model import Detection

DIALECTS = (
    *("bigquery", "clickhouse", "databricks", "duckdb"),
    *("postgres", "snowflake", "spark", "trino"),
)
"""The keys of ``engines.dialects.DIALECTS``, which would import sqlglot for ``--help``."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "detections",
        allow_abbrev=False,
        help="list, show, lint and translate the detections",
        description="List, show, check and translate the detections.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list",
        allow_abbrev=False,
        help="one line for each detection",
        description="Print one line for each detection: id, severity, status, title.",
    )
    _own(listing, "list those in this folder too")
    listing.set_defaults(run=run_list)
    showing = actions.add_parser(
        "show",
        allow_abbrev=False,
        help="all that an analyst wants to know of one detection",
        description="Print the catalog page of one detection: what it finds, how often it runs, "
        "its ATT&CK pairs, false positives, blind spots, prevention and runbook.",
    )
    showing.add_argument("id", metavar="ID", help="as `list` prints it")
    _own(showing, "look in this folder too")
    showing.set_defaults(run=run_show)
    linting = actions.add_parser(
        "lint",
        allow_abbrev=False,
        help="check the folders of detections and hardening checks",
        description="Check folders: schema, unknown keys, ATT&CK pairs, times, reasons, portable "
        "SQL, README and cases. Prints file:line for each problem.",
    )
    linting.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="default: those that ship with mfagap",
    )
    _own(linting, "check every detection in this folder")
    linting.set_defaults(run=run_lint)
    translating = actions.add_parser(
        "sql",
        allow_abbrev=False,
        help="the query of one detection for a warehouse",
        description="Print the query of one detection, or of a step of its runbook, for a "
        "warehouse, with its lists inside and its parameters as the warehouse's Python driver "
        "takes them.",
    )
    translating.add_argument("id", metavar="ID", help="as `list` prints it")
    translating.add_argument(
        "--dialect", choices=DIALECTS, default="duckdb", help="default: %(default)s"
    )
    translating.add_argument(
        "--step", metavar="STEP", help="the query of this step of its runbook, as `show` names it"
    )
    _own(translating, "look in this folder too")
    translating.set_defaults(run=run_sql)


def _own(action: argparse.ArgumentParser, what: str) -> None:
    action.add_argument("--detections", type=Path, metavar="DIR", help=what)


def run_list(arguments: argparse.Namespace) -> int:
    """Print one line for each detection.

    Raises:
        MfagapError: A folder or a detection in it is off.
    """
    from mfagap.detect.load import load_all

    for found in load_all(arguments.detections):
        show(f"{found.id}  {found.severity.word}  {found.status}  {found.title}")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print the catalog page of one detection.

    Raises:
        UsageError: There is none of that id.
        MfagapError: A folder or a detection in it is off.
    """
    from mfagap.detect.load import find

    for text in _page(find(arguments.id, arguments.detections)):
        for line in text.split("\n"):
            show(line)
    return 0


def run_sql(arguments: argparse.Namespace) -> int:
    """Print the query of one detection in a dialect.

    Raises:
        UsageError: There is none of that id, or it has no such step.
        EngineError: The query cannot be translated.
        MfagapError: A folder or a detection in it is off.
    """
    from mfagap.detect.load import find
    from mfagap.engines.dialects import document

    detection = find(arguments.id, arguments.detections)
    sql = document(detection, arguments.dialect, arguments.step)
    for line in sql.removesuffix("\n").split("\n"):
        show(line)
    return 0


def run_lint(arguments: argparse.Namespace) -> int:
    """Print each problem; return 1 where there is one.

    Raises:
        UsageError: The folder of detections is not there, or holds none.
    """
    from mfagap.detect.load import folders, folders_in
    from mfagap.harden import checks

    given: list[Path] = list(arguments.folders)
    if arguments.detections:
        given += folders_in(arguments.detections)
    count = 0
    checked = given or [*folders(), *checks.folders()]
    for folder in checked:
        for problem in _problems(folder, shipped=not given):
            show(str(problem))
            count += 1
    print(f"{len(checked)} checked, {count} problem{'' if count == 1 else 's'}", file=sys.stderr)
    return 1 if count else 0


def _problems(folder: Path, *, shipped: bool) -> Iterator[ContentError]:
    """Yield each problem of ``folder``; one that does not ship with mfagap may hold no traps."""
    from mfagap.cases import hardening, load, survivors
    from mfagap.cases.templates import Templates
    from mfagap.detect import lint
    from mfagap.detect.load import confined
    from mfagap.harden import checks
    from mfagap.harden import lint as lint_check

    try:
        if not shipped:
            confined(folder)
    except ContentError as error:
        yield error
        return
    is_check = (folder / checks.FILE).exists()
    yield from (lint_check if is_check else lint).problems(folder)
    try:
        if is_check:
            cases = len(hardening.load(folder, hardening.Makers.shipped()))
        else:
            cases = len(load.load(folder, Templates()))
        if not cases:
            yield ContentError("has no case", str(folder / "cases"))
    except ContentError as error:
        yield error
    try:
        survivors.load(folder)
    except ContentError as error:
        yield error


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
        ("Runbook", _questions(detection)),
        ("References", detection.references),
    ):
        yield ""
        yield f"{title}:"
        yield from _bullets(items, numbered=title == "Runbook")


def _questions(detection: Detection) -> list[str]:
    steps = detection.runbook.steps if detection.runbook else ()
    return [f"{step.id}: {step.question}" for step in steps]


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
