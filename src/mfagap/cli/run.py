"""``mfagap run``, ``mfagap serve`` and ``mfagap backfill``: what watches."""

import argparse
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfagap.cli import log, progress
from mfagap.cli.pipes import show
from mfagap.errors import UsageError

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from mfagap.service.collect import Course
    from mfagap.service.durable import Workshop

EVERY_S = 60.0
SHORTEST_S = 1
LONGEST_S = 86_400


def add_to(commands: Any) -> None:
    """Add the commands to the parser."""
    once: argparse.ArgumentParser = commands.add_parser(
        "run",
        allow_abbrev=False,
        help="collect, detect, investigate and tell, once",
        description="Do durably what `scan` does once: read what is new in the sources, evaluate "
        "the slots that are due, run the runbook, bring the alerts up to it and send the notices. "
        "For cron, systemd timers and Kubernetes CronJobs.",
    )
    once.add_argument(
        "--once", action="store_true", required=True, help="one run; `serve` runs on and on"
    )
    once.add_argument(
        "--now",
        metavar="TIME",
        help="judge as of this time (ISO 8601); what happened or came later is unseen",
    )
    _shared(once)
    _watched(once)
    once.set_defaults(run=run_once)
    serving: argparse.ArgumentParser = commands.add_parser(
        "serve",
        allow_abbrev=False,
        help="run again and again, until it is stopped",
        description="Run as `run --once` does, again and again. SIGTERM and Ctrl-C let the run "
        "that is under way come to its end; where that one reads Okta's log, the next goes on "
        "with it.",
    )
    serving.add_argument(
        "--every",
        type=float,
        default=EVERY_S,
        metavar="SECONDS",
        help="from the beginning of one run to that of the next (default: %(default)g)",
    )
    serving.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        help="serve metrics for Prometheus there, such as 127.0.0.1:9464 (default: as set)",
    )
    _shared(serving)
    _watched(serving)
    serving.set_defaults(run=run_serve)
    again: argparse.ArgumentParser = commands.add_parser(
        "backfill",
        allow_abbrev=False,
        help="evaluate a range of slots again",
        description="Evaluate the slots of a range again, on what the lake holds now. Doing so "
        "twice changes nothing.",
    )
    again.add_argument("--from", dest="begin", required=True, metavar="TIME", help="ISO 8601")
    again.add_argument("--to", dest="end", required=True, metavar="TIME", help="ISO 8601")
    _shared(again)
    again.add_argument("--quiet", "-q", action="store_true", help="no counts")
    again.set_defaults(run=run_backfill)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )


def _watched(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics-file",
        type=Path,
        metavar="FILE",
        help="write metrics there, for node_exporter's textfile collector (default: as set)",
    )
    log.add_to(parser)


def run_once(arguments: argparse.Namespace) -> int:
    """Run once; return 1 where a source could not be read or a notice not be sent.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import run
    from mfagap.service.scan import moment
    from mfagap.service.watch import metrics_of, watched

    configured = settings.load(arguments.config)
    run.check_sources(configured)
    _, file = metrics_of(configured)
    asked_ms = None if arguments.now is None else moment(arguments.now, "--now")
    journal = log.opened(arguments, run.wall_ms)
    with (
        run.opened(configured) as workshop,
        watched(configured, journal, workshop, file=arguments.metrics_file or file) as watch,
    ):
        now_ms = _now(workshop, journal, asked_ms)
        report = watch.run(workshop, configured, now_ms, _followed(arguments))
    return 0 if report.whole else 1


def run_serve(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C.

    Raises:
        UsageError: ``--every`` is off.
        MfagapError: See ``errors``.
    """
    from mfagap import __version__, settings
    from mfagap.service import run
    from mfagap.service.watch import metrics_of, watched

    if not SHORTEST_S <= arguments.every <= LONGEST_S:
        raise UsageError(f"--every {arguments.every:g}: from {SHORTEST_S} to {LONGEST_S} seconds")
    configured = settings.load(arguments.config)
    run.check_sources(configured)
    listen, file = metrics_of(configured)
    stopped = threading.Event()
    journal = log.opened(arguments, run.wall_ms)
    with (
        run.opened(configured) as workshop,
        watched(
            configured,
            journal,
            workshop,
            listen=arguments.metrics or listen,
            file=arguments.metrics_file or file,
        ) as watch,
    ):

        def once() -> None:
            following = _followed(arguments, stopped.wait)
            watch.run(workshop, configured, _now(workshop, journal), following)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: stopped.set())
        journal.info("started", version=__version__, every_s=arguments.every)
        run.serve(arguments.every, stopped.wait, once)
        journal.info("stopped")
    return 0


def _now(workshop: "Workshop", journal: "FilteringBoundLogger", asked_ms: int | None = None) -> int:
    """Return NOW of a run, and log where the clock is behind the last one."""
    from mfagap.service import run

    now_ms = run.moment(workshop, asked_ms)
    behind_s = (now_ms - run.wall_ms()) // 1000
    if asked_ms is None and behind_s > 0:
        journal.warning("clock_behind", seconds=behind_s)
    return now_ms


@contextmanager
def _followed(
    arguments: argparse.Namespace, stop: Callable[[float], bool] | None = None
) -> Generator["Course"]:
    """Follow one run with a progress bar, and with ``stop`` where it may be stopped."""
    from mfagap.service.collect import Course

    with progress.followed(quiet=arguments.quiet) as told:
        yield Course(told) if stop is None else Course(told, stop)


def run_backfill(arguments: argparse.Namespace) -> int:
    """Evaluate a range again.

    Raises:
        UsageError: The range is none, or the lake holds nothing of it.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import run
    from mfagap.service.scan import moment

    configured = settings.load(arguments.config)
    span = (moment(arguments.begin, "--from"), moment(arguments.end, "--to"))
    if span[0] >= span[1]:
        raise UsageError(f"--to {arguments.end} is not after --from {arguments.begin}")
    with run.opened(configured) as workshop:
        ticked = run.again(workshop, span, run.moment(workshop))
    if not arguments.quiet:
        show(f"slots evaluated: {ticked.slots:,}; findings changed: {ticked.changed:,}", err=True)
    return 0
