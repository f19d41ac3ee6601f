"""``mfagap harden checks``: what is checked."""

import argparse
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mfagap.cli.columns import columns
from mfagap.cli.pipes import show

if TYPE_CHECKING:
    from mfagap.model.hardening import Check

HEADS = ("ID", "SEVERITY", "ABOUT", "TITLE")
WIDTH = 96


def add_to(actions: Any) -> None:
    """Add the action to the parser of ``mfagap harden``."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "checks",
        allow_abbrev=False,
        help="list and show the checks",
        description="What `report` and `plan` look at: each check is one query over the policies "
        "and the log.",
    )
    below = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing: argparse.ArgumentParser = below.add_parser(
        "list",
        allow_abbrev=False,
        help="one line for each check",
        description="Print one line for each check: id, severity, what it is about, title.",
    )
    listing.set_defaults(run=run_list)
    showing: argparse.ArgumentParser = below.add_parser(
        "show",
        allow_abbrev=False,
        help="all that one wants to know of one check",
        description="Print what a check looks at, what it needs to know, what each of its reasons "
        "means, and what to do where it fails.",
    )
    showing.add_argument("id", metavar="ID", help="as `list` prints it")
    showing.set_defaults(run=run_show)


def run_list(_arguments: argparse.Namespace) -> int:
    """Print one line for each check.

    Raises:
        ContentError: A check is off.
    """
    from mfagap.harden.checks import load_all

    rows = [(one.id, one.severity.word, one.subject, one.title) for one in load_all()]
    columns(HEADS, rows)
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print one check.

    Raises:
        UsageError: There is none of that id.
        ContentError: It is off.
    """
    from mfagap.harden.checks import find

    for text in _page(find(arguments.id)):
        for line in text.split("\n"):
            show(line)
    return 0


def _page(check: "Check") -> Iterator[str]:
    yield check.title
    yield "=" * len(check.title)
    yield _filled(check.description)
    yield ""
    controls = (f"{catalog} {', '.join(ids)}" for catalog, ids in check.controls.items() if ids)
    for name, value in (
        ("id", check.id),
        ("severity", check.severity.word),
        ("about", check.subject),
        ("needs", ", ".join(check.needs)),
        ("controls", "; ".join(controls)),
        ("reads", ", ".join(check.event_types)),
        ("tags", ", ".join(check.tags)),
        ("source", check.folder),
    ):
        yield f"{name + ':':12}{value or '-'}"
    yield ""
    yield "Reasons:"
    for reason, rule in check.reasons.items():
        severity = f", {rule.severity.word}" if rule.severity is not None else ""
        yield f"  {reason} ({rule.outcome.value}{severity})"
        yield _filled(rule.says, "    ")
    yield ""
    yield "What to do:"
    yield _filled(check.prevention, "  ")
    yield ""
    yield "References:"
    yield from (f"  {link}" for link in check.references)


def _filled(text: str, margin: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
