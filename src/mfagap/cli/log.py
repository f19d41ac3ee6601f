"""The log of `run` and `serve`, on standard error: JSON lines; on a terminal, lines to read."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

LEVELS = ("debug", "info", "warning", "error")
MAX_LINE = 10_000

Event = MutableMapping[str, Any]


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options that tell how much is logged."""
    parser.add_argument(
        "--log-level",
        choices=LEVELS,
        default="info",
        metavar="LEVEL",
        help="the least that is logged: debug, info, warning, error (default: %(default)s)",
    )
    parser.add_argument(
        "--quiet", "-q", action="store_true", help="no progress bar, and at least level warning"
    )


def opened(arguments: argparse.Namespace, clock: Callable[[], int]) -> "FilteringBoundLogger":
    """Return the log.

    Args:
        arguments: See ``add_to``.
        clock: UTC epoch milliseconds.
    """
    import structlog

    least = max(LEVELS.index(arguments.log_level), LEVELS.index("warning") * arguments.quiet)
    level = getattr(logging, LEVELS[least].upper())
    render = _line if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    return structlog.wrap_logger(
        _StandardError(),
        processors=[structlog.processors.add_log_level, _stamped(clock), render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        cache_logger_on_first_use=False,
    )


class _StandardError:
    """Writes lines; a log that cannot be written keeps nobody from watching."""

    def info(self, line: str) -> None:
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)

    debug = warning = error = info


def _stamped(clock: Callable[[], int]) -> Callable[[Any, str, Event], Event]:
    """Return what puts time, level and name first."""
    from mfagap.detect.evaluate import rfc3339

    def stamp(_logger: Any, _method: str, event: Event) -> Event:
        level, name = event.pop("level"), event.pop("event")
        return {"timestamp": rfc3339(clock()), "level": level, "event": name, **event}

    return stamp


def _line(_logger: Any, _method: str, event: Event) -> str:
    """Return an event as a line for a terminal; what is nothing, or the bar shows, is left out."""
    from structlog import DropEvent

    from mfagap.report.clean import terminal

    if event["event"] == "source_past":
        raise DropEvent
    head = f"{event.pop('timestamp')}  {event.pop('level'):<7}  {event.pop('event')}"
    words = [f"{key}={_shown(value)}" for key, value in event.items() if value not in (0, None, {})]
    return terminal("  ".join((head, *words)), MAX_LINE)


def _shown(value: Any) -> str:
    """Return a value of one line; a text with blanks is quoted, so that it is no other key."""
    if isinstance(value, str) and value and not any(c.isspace() or c in '"=' for c in value):
        return value
    return json.dumps(value, ensure_ascii=False)
