"""``mfagap suppress``: exceptions on alerts."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfagap.cli.columns import columns
from mfagap.cli.pipes import show

if TYPE_CHECKING:
    from mfagap.state.database import Row

HEADS = ("ID", "UNTIL (UTC)", "OWNER", "HIDES", "SCOPE", "REASON")

SCOPE = {
    "user": "a login, or an actor's id",
    "address": "an address, or a range such as 192.0.2.0/24",
    "rule": "the id of the policy rule that let it in; `mfagap alerts show` tells it",
    "client": "the user agent, * for any text; never alone",
    "detection": "the detection's id; default: any",
}


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "suppress",
        allow_abbrev=False,
        help="hide alerts that are known and accepted, until a day",
        description="Exceptions on alerts, each with an owner, a reason, a scope and an expiry. "
        "What they cover is investigated as ever, and known abuse is never hidden.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_adding(actions)
    listing = _action(actions, "list", "one line for each that holds", "Print one line for each.")
    listing.add_argument("--all", action="store_true", help="those that have ended too")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=run_list)
    showing = _action(
        actions,
        "show",
        "one, what it hides, and who did what",
        "Print one suppression: its scope, the alerts that it hides, who added and who ended it.",
    )
    showing.add_argument("suppression", type=int, metavar="SUPPRESSION", help="its number")
    showing.set_defaults(run=run_show)
    ending = _action(
        actions,
        "expire",
        "end one now",
        "End a suppression now. Its alerts stand in `alerts list` again; nobody is told of them.",
    )
    ending.add_argument("suppression", type=int, metavar="SUPPRESSION", help="its number")
    ending.add_argument("--by", required=True, metavar="NAME", help="who does it")
    ending.add_argument("--note", metavar="TEXT", help="why")
    ending.set_defaults(run=run_expire)


def _add_adding(actions: Any) -> None:
    adding = _action(
        actions,
        "add",
        "hide the alerts of a scope",
        "Hide the alerts whose sessions all meet every condition: of --user, --address and --rule "
        "at least one must be given.",
    )
    adding.add_argument("--owner", required=True, metavar="NAME", help="who answers for it")
    adding.add_argument("--reason", required=True, metavar="TEXT", help="why it is right")
    adding.add_argument(
        "--until",
        required=True,
        metavar="TIME",
        help="its expiry: ISO 8601, or 7d, 12h from now; 90 days at most",
    )
    for name, what in SCOPE.items():
        adding.add_argument(f"--{name}", metavar=name.upper(), help=what)
    adding.add_argument("--by", metavar="NAME", help="who adds it (default: the owner)")
    adding.set_defaults(run=run_add)


def _action(actions: Any, name: str, what: str, description: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(
        name, allow_abbrev=False, help=what, description=description
    )
    action.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )
    return action


def run_add(arguments: argparse.Namespace) -> int:
    """Add a suppression.

    Raises:
        UsageError: It is not whole, too wide or too long.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.detect.evaluate import rfc3339
    from mfagap.service import suppress

    scope = {name: getattr(arguments, name) for name in SCOPE}
    wanted = suppress.Wanted(
        arguments.owner, arguments.reason, arguments.until, scope, arguments.by
    )
    row, hidden = suppress.add(settings.load(arguments.config), wanted)
    until = rfc3339(row["until_ms"])
    show(f"suppression {row['id']} holds until {until}; alerts hidden now: {hidden}", err=True)
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    """Print one line for each suppression.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import suppress

    rows = suppress.listed(settings.load(arguments.config), everything=arguments.all)
    if arguments.json:
        for row in rows:
            show(json.dumps(row, sort_keys=True))
    elif rows:
        columns(HEADS, [_cells(row) for row in rows])
    else:
        none = "no suppression" if arguments.all else "no suppression holds; --all shows ended ones"
        show(none, err=True)
    return 0


def _cells(row: "Row") -> tuple[str, ...]:
    from mfagap.detect.evaluate import rfc3339

    until = rfc3339(row["ended_ms"] or row["until_ms"])[:16].replace("T", " ")
    until += "" if row["holds"] else " (ended)"
    scope = ", ".join(f"{name} {row[name]}" for name in SCOPE if row[name] is not None)
    return (str(row["id"]), until, row["owner"], str(len(row["hides"])), scope, row["reason"])


def run_show(arguments: argparse.Namespace) -> int:
    """Print one suppression.

    Raises:
        UsageError: There is none of that number.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import suppress

    for line in suppress.shown(settings.load(arguments.config), arguments.suppression):
        show(line)
    return 0


def run_expire(arguments: argparse.Namespace) -> int:
    """End a suppression.

    Raises:
        UsageError: There is none of that number, or it has ended already.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import suppress
    from mfagap.service.casebook import Person

    person = Person(arguments.by, arguments.note)
    suppress.expire(settings.load(arguments.config), arguments.suppression, person)
    show(f"suppression {arguments.suppression} has ended", err=True)
    return 0
