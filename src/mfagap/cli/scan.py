"""``mfagap scan``."""

import argparse
import io
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from mfagap.cli import progress
from mfagap.cli.pipes import reader_is_gone
from mfagap.errors import OutputError, UsageError

FORMATS = ("table", "json", "jsonl", "csv")
SUFFIXES = {".txt": "table", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
LEVELS = ("low", "medium", "high", "critical")
FAIL_ON_EXIT = 10

DESCRIPTION = """\
Read Okta System Log events and show the sessions that skipped MFA.

Every shape is recognized by its content: the API's JSON array, NDJSON, event hooks, EventBridge,
Elastic, Splunk, Sentinel and Panther exports, plain, .gz or .zst, and Parquet, mixed in one folder.
What cannot be read is counted on standard error and, with --rejects, kept whole.
"""

EPILOG = """\
mfa_status:
  single_factor  a password alone was enough (Medium; High for generic HTTP clients, and where the
                 policy asked for a factor and the session was used without one)
  challenged     the policy asked for a factor and nobody answered: somebody knows the password
  unsettled      too near the end of the log to believe that no factor will come
  step_up        in with one factor, a second one asked for later (with --all)
  explained      the log shows why no factor was asked for (with --all)
  mfa            a second factor in time (counted only)

Data goes to standard output or -o FILE, everything else to standard error.
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "scan",
        help="show the sessions in a folder of logs that skipped MFA",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="file, folder, glob, or - for standard input"
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="judge sign-ins from this time on: ISO 8601, or 7d, 12h before NOW",
    )
    parser.add_argument("--until", metavar="TIME", help="judge sign-ins before this time")
    parser.add_argument(
        "--now", metavar="TIME", help="judge as of this time (default: the newest event in the log)"
    )
    parser.add_argument(
        "--all", action="store_true", help="show step_up and explained sessions too"
    )
    parser.add_argument("--format", choices=FORMATS, help="default: by -o's suffix, else table")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write there, not to standard output"
    )
    parser.add_argument(
        "--rejects",
        type=Path,
        metavar="FILE",
        help="write what could not be read there, whole, as NDJSON",
    )
    parser.add_argument(
        "--fail-on",
        choices=LEVELS,
        metavar="LEVEL",
        help="exit 10 where a finding is at least: low, medium, high, critical",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )
    parser.add_argument(
        "--detections",
        type=Path,
        metavar="DIR",
        help="run the detections in this folder too; see `mfagap detections lint`",
    )
    parser.add_argument(
        "--quiet", "-q", action="store_true", help="no progress, no notes on the input; counts only"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Scan, render, and return the exit code.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.model import Severity
    from mfagap.report import document, summary
    from mfagap.service.scan import Request, scan

    chosen = _format(arguments)
    configured = settings.load(arguments.config)
    request = Request(
        paths=arguments.paths,
        stdin=sys.stdin.buffer if sys.stdin else io.BytesIO(),  # None where it was closed
        since=arguments.since,
        until=arguments.until,
        now=arguments.now,
        rejects=arguments.rejects,
        outputs=[arguments.output] if arguments.output else [],
        settings=configured,
        detections=arguments.detections,
    )
    with progress.drawn("reading", quiet=arguments.quiet, in_bytes=True) as told:
        result = scan(request, told)
    options: dict[str, Any] = {}
    if chosen == "table":
        options["color"] = not (configured.no_color or arguments.output) and sys.stdout.isatty()
    renderer = import_module(f"mfagap.report.{chosen}")
    statuses = document.ALL if arguments.all else document.DEFAULT
    try:
        with _output(arguments.output) as out:
            renderer.render(result, statuses, out, **options)
            out.flush()
    except BrokenPipeError:
        reader_is_gone()  # the counts and --fail-on stand all the same
    if not arguments.quiet:
        for line in summary.notes(result):
            print(line, file=sys.stderr)
    print(summary.counts(result), file=sys.stderr)
    if arguments.fail_on:
        least = Severity[arguments.fail_on.upper()]
        if any(alert.severity >= least for alert in result.alerts):
            return FAIL_ON_EXIT
    return 0


def _format(arguments: argparse.Namespace) -> str:
    if arguments.format:
        return arguments.format
    if arguments.output is None:
        return "table"
    chosen = SUFFIXES.get(arguments.output.suffix.lower())
    if chosen is None:
        known = ", ".join(SUFFIXES)
        raise UsageError(f"{arguments.output}: no format has this suffix ({known}); give --format")
    return chosen


@contextmanager
def _output(path: Path | None) -> Generator[IO[str]]:
    """Open ``path`` for writing so that it holds all of the output or stays as it was."""
    if path is None:
        yield sys.stdout
        return
    special = path.exists() and not path.is_file()  # a pipe or a device cannot be replaced
    half = path if special else path.with_name(path.name + ".part")
    try:
        with half.open("w", encoding="utf-8", newline="") as out:
            yield out
        if not special:
            half.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    finally:
        if not special:
            with suppress(OSError):
                half.unlink()
