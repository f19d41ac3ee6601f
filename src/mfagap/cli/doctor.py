"""``mfagap doctor``: whether all is in order, and how to mend what is not."""

import argparse
from pathlib import Path
from typing import Any

from mfagap.cli.pipes import show
from mfagap.errors import SettingsError


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        allow_abbrev=False,
        help="check settings, credentials, clock, state and disk",
        description="Check all that `run` needs, and say how to mend what is off. `unknown` is "
        "what could not be checked, and is no pass. Sends no notice, and asks Okta for one event.",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each check; return 1 where one fails.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service.doctor import Outcome, examine

    try:
        configured = settings.load(arguments.config)
    except SettingsError as error:
        show(f"{Outcome.FAIL.value:<7}  settings: {error}")
        return 1
    failed = unknown = 0
    for check in examine(configured):
        failed += check.outcome is Outcome.FAIL
        unknown += check.outcome is Outcome.UNKNOWN
        show(f"{check.outcome.value:<7}  {check.subject}: {check.words}")
    if failed or unknown:
        show(f"{failed} failed, {unknown} could not be checked", err=True)
    return 1 if failed else 0
