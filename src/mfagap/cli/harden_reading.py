"""What the actions of ``mfagap harden`` read: the options for it, and the request of them."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mfagap.cli.pipes import show, standard_input

if TYPE_CHECKING:
    from mfagap.service.harden import Request
    from mfagap.settings import Settings

SINCE = "30d"
LOG = (
    "log: file, folder, glob, or - for standard input (default: what `run` has collected, where "
    "the settings have sources)"
)


def add_to(parser: argparse.ArgumentParser, since: str | None = SINCE) -> None:
    """Add the options that tell which log and which policies are read."""
    add_paths(parser, LOG)
    policies = parser.add_mutually_exclusive_group()
    policies.add_argument(
        "--from",
        dest="snapshot",
        type=Path,
        metavar="PATH",
        help="policies: a snapshot, or a folder of JSON as the API returned it",
    )
    policies.add_argument(
        "--api",
        action="store_true",
        help="policies from the org that the environment's credentials lead to",
    )
    add_span(parser, since)


def add_paths(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the log's paths."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help=what)


def add_span(parser: argparse.ArgumentParser, since: str | None = SINCE) -> None:
    """Add what tells which part of the log is looked at, and the settings."""
    usual = "all of the log" if since is None else since
    parser.add_argument(
        "--since",
        default=since,
        metavar="TIME",
        help=f"sign-ins from this time on: ISO 8601, or 7d, 12h before NOW (default: {usual})",
    )
    parser.add_argument("--until", metavar="TIME", help="sign-ins before this time")
    parser.add_argument(
        "--now", metavar="TIME", help="judge as of this time (default: the newest event in the log)"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress, no notes")


def request(
    arguments: argparse.Namespace, configured: "Settings", stack: ExitStack, *, api: bool = False
) -> "Request":
    """Return what ``arguments`` ask to be read.

    Args:
        arguments: Of the command line.
        configured: The settings.
        stack: Closes the client of the org, where one is opened.
        api: Whether the org is read in any case.

    Raises:
        SettingsError: The org is to be read, and there are no credentials.
    """
    from mfagap.service import harden, scan

    outputs = [getattr(arguments, name, None) for name in ("output", "terraform")]
    log = scan.Request(
        paths=arguments.paths,
        stdin=standard_input(),
        since=arguments.since,
        until=arguments.until,
        now=arguments.now,
        outputs=[path for path in outputs if path],
        settings=configured,
    )
    asked = api or arguments.api
    client = harden.client_of(configured, stack) if asked else None
    if client is not None and not arguments.quiet and sys.stderr.isatty():
        show(f"policies are read from {client.org_url}", err=True)  # a page at a time
    return harden.Request(log, getattr(arguments, "snapshot", None), client)
