"""``mfagap alerts`` and ``mfagap ledger``: what is on file."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from mfagap.cli.columns import columns
from mfagap.cli.pipes import MAX_LINE, show

if TYPE_CHECKING:
    from mfagap.state.database import Row

HEADS = ("ID", "SEVERITY", "VERDICT", "STATUS", "FIRST (UTC)", "SESSIONS", "USER")

MOST_USERS = 3
"""Users that a line spells out."""

DEEDS = {
    "ack": "say that somebody is at work on it",
    "close": "close it, with a resolution",
    "reopen": "open it again",
}


def add_to(commands: Any) -> None:
    """Add the commands to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "alerts",
        allow_abbrev=False,
        help="list, show, acknowledge, close and reopen alerts",
        description="What `run` and `serve` have found, as a person works through it.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = _action(actions, "list", "one line for each alert", "Print one line for each alert.")
    listing.add_argument(
        "--all",
        action="store_true",
        help="closed and suppressed ones too, and those that a policy rule's alert counts",
    )
    listing.add_argument(
        "--suppressed", action="store_true", help="those alone that a suppression hides"
    )
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=run_list)
    showing = _action(
        actions,
        "show",
        "one alert, its sessions, verdicts and history",
        "Print one alert: its sessions, each with its verdict and the reason, and what happened.",
    )
    showing.add_argument("alert", type=int, metavar="ALERT", help="its number")
    showing.set_defaults(run=run_show)
    for deed, what in DEEDS.items():
        action = _action(actions, deed, what, f"{what[0].upper()}{what[1:]}.")
        action.add_argument("alert", type=int, metavar="ALERT", help="its number")
        action.add_argument("--by", required=True, metavar="NAME", help="who does it")
        action.add_argument("--note", metavar="TEXT", help="why")
        if deed == "close":
            action.add_argument(
                "--resolution",
                required=True,
                choices=("true_positive", "benign", "false_positive", "security_risk"),
                help="what it came to",
            )
        action.set_defaults(run=partial(run_deed, deed))
    ledger: argparse.ArgumentParser = commands.add_parser(
        "ledger",
        allow_abbrev=False,
        help="which slots were evaluated, on how much, and the gaps",
        description="Print the evaluated slots as ranges: the watermark, the events and the starts "
        "seen, what is to be evaluated again, and the gaps. Then how far each source was read.",
    )
    _config(ledger)
    ledger.set_defaults(run=run_ledger)


def _action(actions: Any, name: str, what: str, description: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(
        name, allow_abbrev=False, help=what, description=description
    )
    _config(action)
    return action


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )


def run_list(arguments: argparse.Namespace) -> int:
    """Print one line for each alert.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.model import Severity
    from mfagap.service import casebook

    everything = arguments.all and not arguments.suppressed
    found = casebook.listed(settings.load(arguments.config), everything=everything)
    hidden = [row for row in found if row["suppressed_by"]]
    shown = [row for row in found if not row["suppressed_by"]]
    seen = [row for row in shown if row["of_rule"] is None]
    rows = hidden if arguments.suppressed else found if arguments.all else seen
    if arguments.json:
        for row in rows:
            show(json.dumps({**row, "severity": Severity(row["severity"]).word}, sort_keys=True))
    elif rows:
        columns(HEADS, [_cells(row, Severity(row["severity"]).word) for row in rows])
    else:
        show(_none(arguments), err=True)
    if hidden and rows is seen:
        show(f"suppressed alerts: {len(hidden)}; --suppressed shows them", err=True)
    if len(seen) < len(shown) and rows is seen:
        counted = len(shown) - len(seen)
        show(f"alerts that a policy rule's alert counts: {counted}; --all shows them", err=True)
    return 0


def _none(arguments: argparse.Namespace) -> str:
    if arguments.suppressed:
        return "no alert is suppressed"
    return "no alert" if arguments.all else "no open alert; --all shows closed ones"


def _cells(row: "Row", severity: str) -> tuple[str, ...]:
    from mfagap.detect.evaluate import rfc3339

    first = rfc3339(row["first_ms"])[:16].replace("T", " ")
    status = row["status"] + (f" ({row['resolution']})" if row["resolution"] else "")
    if row["suppressed_by"]:
        status += f", suppressed ({', '.join(map(str, row['suppressed_by']))})"
    users = ", ".join(row["users"][:MOST_USERS]) or row["dedup_key"]
    if len(row["users"]) > MOST_USERS:
        users += f" and {len(row['users']) - MOST_USERS} more"
    if row["rule"]:
        users = f"{row['rule']}: {users}"
    found = str(row["findings"])
    return (str(row["id"]), severity, row["verdict"] or "-", status, first, found, users)


def run_show(arguments: argparse.Namespace) -> int:
    """Print one alert.

    Raises:
        UsageError: There is none of that number.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.report import grid
    from mfagap.report.clean import terminal
    from mfagap.service import casebook

    width = get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in casebook.shown(settings.load(arguments.config), arguments.alert):
        clean = terminal(line, MAX_LINE)
        for part in grid.wrapped(clean, width) if width else [clean]:
            show(part)
    return 0


def run_deed(deed: str, arguments: argparse.Namespace) -> int:
    """Acknowledge, close or reopen an alert.

    Raises:
        UsageError: There is none of that number, or it is so already.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import casebook

    configured = settings.load(arguments.config)
    resolution = arguments.resolution if deed == "close" else None
    person = casebook.Person(arguments.by, arguments.note)
    status = casebook.decide(configured, arguments.alert, deed, person, resolution)
    show(f"alert {arguments.alert} is {status.value}", err=True)
    return 0


def run_ledger(arguments: argparse.Namespace) -> int:
    """Print the ledger.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import casebook

    for line in casebook.ledger(settings.load(arguments.config)):
        show(line)
    return 0
