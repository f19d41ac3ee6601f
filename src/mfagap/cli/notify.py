"""``mfagap notify``: notices that wait, what they look like, and whether a route works."""

import argparse
import json
from pathlib import Path
from typing import Any

from mfagap.cli.columns import columns
from mfagap.cli.pipes import show


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "notify",
        allow_abbrev=False,
        help="notices that wait, what they look like, and a test of a route",
        description="Notices are sent by `run` and `serve`, and tried again where that fails.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list",
        allow_abbrev=False,
        help="the notices that wait, or were parked",
        description="Print the notices that wait, or were parked after too many attempts, and why.",
    )
    _config(listing)
    listing.set_defaults(run=run_list)
    preview = actions.add_parser(
        "preview",
        allow_abbrev=False,
        help="the notice of one alert",
        description="Print what would be sent of one alert now; nothing is sent.",
    )
    preview.add_argument("alert", type=int, metavar="ALERT", help="its number")
    preview.add_argument(
        "--route", metavar="ROUTE", help="as this route sends it (default: its fields, as JSON)"
    )
    _config(preview)
    preview.set_defaults(run=run_preview)
    again = actions.add_parser(
        "retry",
        allow_abbrev=False,
        help="have those that wait, or were parked, sent by the next run",
        description="Have the next run send the notices that wait or were parked, and try each as "
        "often as a new one.",
    )
    again.add_argument("--route", metavar="ROUTE", help="those of this route alone")
    _config(again)
    again.set_defaults(run=run_retry)
    testing = actions.add_parser(
        "test",
        allow_abbrev=False,
        help="send a test by one route",
        description="Send a notice that says that it is a test.",
    )
    testing.add_argument("route", metavar="ROUTE", help="its name in the settings")
    _config(testing)
    testing.set_defaults(run=run_test)


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )


def run_list(arguments: argparse.Namespace) -> int:
    """Print the notices that were not sent.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import casebook

    rows = casebook.unsent(settings.load(arguments.config))
    if rows:
        columns(
            ("NOTICE", "ALERT", "ROUTE", "STATUS", "TRIED", "WHY"),
            [
                (
                    str(row["key"]),
                    str(row["alert"]),
                    str(row["route"]),
                    str(row["status"]),
                    str(row["attempts"]),
                    str(row["failure"] or "-"),
                )
                for row in rows
            ],
        )
    else:
        show("no notice waits", err=True)
    return 0


def run_preview(arguments: argparse.Namespace) -> int:
    """Print a notice.

    Raises:
        UsageError: There is no such alert.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import casebook

    loaded = settings.load(arguments.config)
    if arguments.route is None:
        notice = casebook.notice(loaded, arguments.alert)
        text = json.dumps(notice, indent=2, sort_keys=True)
    else:
        text = casebook.preview(loaded, arguments.alert, arguments.route)
    for line in text.splitlines():
        show(line)
    return 0


def run_retry(arguments: argparse.Namespace) -> int:
    """Have notices sent again.

    Raises:
        SettingsError: There is no such route.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import casebook

    count = casebook.retry(settings.load(arguments.config), arguments.route)
    show(f"notices that the next run sends: {count}", err=True)
    return 0


def run_test(arguments: argparse.Namespace) -> int:
    """Send a test.

    Raises:
        NotifyError: It was not taken.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import casebook

    casebook.test_route(settings.load(arguments.config), arguments.route)
    show(f"{arguments.route}: taken", err=True)
    return 0
