"""Where a result goes, and in which format: what commands that show sessions share."""

import argparse
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from mfagap.cli.pipes import reader_is_gone
from mfagap.errors import OutputError, UsageError
from mfagap.model import MfaStatus, ScanResult

FORMATS = ("table", "json", "jsonl", "csv", "html", "ocsf")
SUFFIXES = {
    ".txt": "table",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".html": "html",
}


def add_to(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    """Add the options that tell where to write and how."""
    parser.add_argument("--format", choices=formats, help="default: by -o's suffix, else table")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write there, not to standard output"
    )


def format_of(arguments: argparse.Namespace, suffixes: Mapping[str, str] = SUFFIXES) -> str:
    """Return the format that is asked for, or that the suffix of the output tells.

    Raises:
        UsageError: No format has the suffix.
    """
    if arguments.format:
        return arguments.format
    if arguments.output is None:
        return "table"
    chosen = suffixes.get(arguments.output.suffix.lower())
    if chosen is None:
        known = ", ".join(suffixes)
        raise UsageError(f"{arguments.output}: no format has this suffix ({known}); give --format")
    return chosen


def write(
    result: ScanResult,
    statuses: Iterable[MfaStatus],
    arguments: argparse.Namespace,
    *,
    no_color: bool,
    explained: bool = False,
) -> None:
    """Render ``result`` as ``arguments`` ask; a reader that is gone is no error.

    Raises:
        UsageError: No format has the output's suffix.
        OutputError: The output cannot be written.
    """
    chosen = format_of(arguments)
    options: dict[str, Any] = {}
    if chosen == "table":
        options = {"color": colored(arguments, no_color=no_color), "explained": explained}
    renderer = import_module(f"mfagap.report.{chosen}")
    save(arguments.output, lambda out: renderer.render(result, statuses, out, **options))


def colored(arguments: argparse.Namespace, *, no_color: bool) -> bool:
    """Return whether what is written goes to a terminal that takes color."""
    return not (no_color or arguments.output) and sys.stdout.isatty()


def save(path: Path | None, render: Callable[[IO[str]], object]) -> None:
    """Let ``render`` write to ``path``, or to standard output; a reader that is gone is no error.

    Raises:
        OutputError: The output cannot be written.
    """
    try:
        with _opened(path) as out:
            render(out)
            out.flush()
    except BrokenPipeError:
        reader_is_gone()  # the counts and the exit code stand all the same


@contextmanager
def _opened(path: Path | None) -> Generator[IO[str]]:
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
