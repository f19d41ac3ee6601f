"""``mfagap``: the entry point, its subcommands and its exit codes."""

import argparse
import io
import sys
from collections.abc import Sequence

from mfagap import __version__
from mfagap.cli import (
    alerts,
    detections,
    doctor,
    harden,
    init,
    investigate,
    notify,
    run,
    scan,
    suppress,
    test,
)
from mfagap.cli.pipes import reader_is_gone
from mfagap.errors import MfagapError

EXIT_CODES = """\
exit codes:
  0   done
  1   failure: content is off, a case or a check failed, a source could not be read, a notice not
      be sent, or the engine or the disk gave up
  2   usage: the call or the settings are off
  3   nothing readable: no Okta event in all of the input
  4   another mfagap is at work in the state folder
  10  --fail-on found what it was asked to look for
  130 interrupted
"""

EXAMPLES = """\
examples:
  mfagap scan logs/                         a folder of logs, in any shape
  mfagap scan --since 7d -o out.jsonl logs/ the last week's sign-ins, one finding a line
  zcat okta.json.gz | mfagap scan -         from a pipe
  mfagap scan -o report.html logs/          a report to forward
  mfagap investigate 102abc… --logs logs/   the runbook, step by step, on one session
  mfagap init                               watch: settings to begin with,
  mfagap doctor --config mfagap.toml        whether all is in order,
  mfagap run --once --config mfagap.toml    and one run
  mfagap harden report logs/ --from org.json  which rule let them in, and what to change
  mfagap detections show okta_legacy_authn_without_mfa
  mfagap test                               run the detections' own cases

"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="mfagap",
        allow_abbrev=False,
        description="Find every Okta session that came in through the legacy /api/v1/authn door "
        "without a second factor.",
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"mfagap {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (
        scan,
        investigate,
        init,
        doctor,
        run,
        alerts,
        suppress,
        notify,
        harden,
        detections,
        test,
    ):
        module.add_to(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        argv: The words after the program's name; None for the process's own.
    """
    arguments = parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except MfagapError as error:
        print(f"mfagap: {_clean(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("mfagap: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        reader_is_gone()
        return 0


def _clean(error: MfagapError) -> str:
    """Return the message; it may name files and quote queries, which others chose.

    All lines but the first are set in: none can look like one that mfagap itself says.
    """
    from mfagap.report.clean import terminal

    return "\n    ".join(terminal(line, 2000) for line in str(error).splitlines())


def entry_point() -> None:
    """Run the command line and end the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale that lacks the letter
    sys.exit(main())
