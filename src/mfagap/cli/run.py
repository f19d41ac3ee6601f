"""``mfagap run``, ``mfagap serve`` and ``mfagap backfill``: what watches."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfagap.cli import progress
from mfagap.cli.pipes import show
from mfagap.errors import UsageError

if TYPE_CHECKING:
    from mfagap.service.run import Report

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
    once.set_defaults(run=run_once)
    serving: argparse.ArgumentParser = commands.add_parser(
        "serve",
        allow_abbrev=False,
        help="run again and again, until it is stopped",
        description="Run as `run --once` does, again and again. SIGTERM and Ctrl-C let the run "
        "that is under way come to its end. One line for each run goes to standard error: JSON "
        "where that is no terminal.",
    )
    serving.add_argument(
        "--every",
        type=float,
        default=EVERY_S,
        metavar="SECONDS",
        help="from the beginning of one run to that of the next (default: %(default)g)",
    )
    _shared(serving)
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
    again.set_defaults(run=run_backfill)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress, no counts")


def run_once(arguments: argparse.Namespace) -> int:
    """Run once; return 1 where a source could not be read or a notice not be sent.

    Raises:
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import run
    from mfagap.service.scan import moment

    configured = settings.load(arguments.config)
    run.check_sources(configured)
    now_ms = run.wall_ms() if arguments.now is None else moment(arguments.now, "--now")
    with (
        run.opened(configured) as workshop,
        progress.drawn("reading", quiet=arguments.quiet) as told,
    ):
        report = run.run_once(workshop, configured, now_ms, lambda _name, count: told(count, 0))
    return _tell(report, quiet=arguments.quiet)


def run_serve(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C.

    Raises:
        UsageError: ``--every`` is off.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.service import run

    if not SHORTEST_S <= arguments.every <= LONGEST_S:
        raise UsageError(f"--every {arguments.every:g}: from {SHORTEST_S} to {LONGEST_S} seconds")
    configured = settings.load(arguments.config)
    run.check_sources(configured)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopped.set())
    with run.opened(configured) as workshop:
        run.serve(
            workshop,
            configured,
            arguments.every,
            stopped.wait,
            lambda report: _log(report, run.wall_ms(), quiet=arguments.quiet),
        )
    return 0


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
        ticked = run.again(workshop, span, run.wall_ms())
    if not arguments.quiet:
        show(f"slots evaluated: {ticked.slots:,}; findings changed: {ticked.changed:,}", err=True)
    return 0


def _tell(report: "Report", *, quiet: bool) -> int:
    """Print what a run did; return its exit code."""
    collected, ticked, delivered = report.collected, report.ticked, report.delivered
    for name, why in collected.failures.items():
        show(f"mfagap: {name}: {why}", err=True)
    for note in collected.notes:
        show(f"mfagap: {note}", err=True)
    for name in ticked.silent:
        line = "nothing new for more than an hour: is it still fed? Findings may lack a factor"
        show(f"mfagap: {name}: {line}", err=True)
    if delivered.failed:
        line = f"notices that could not be sent: {delivered.failed}"
        show(f"mfagap: {line}; `mfagap notify list` tells why", err=True)
    counts = _counts(report)
    if not quiet and (counts or not collected.failures):
        show(counts or "nothing new", err=True)
    return 1 if collected.failures or delivered.failed else 0


def _counts(report: "Report") -> str:
    """Return what a run did in a line; what is nothing is left out."""
    from mfagap.alerts import Deed

    collected, ticked = report.collected, report.ticked
    counts = {
        "new events": sum(collected.events.values()),
        "repeats": collected.duplicates,
        "rejected": collected.rejected,
        "slots": ticked.slots,
        "findings changed": ticked.changed,
        "investigated": ticked.investigated,
        **{f"alerts {deed.value}": ticked.deeds.count(deed) for deed in Deed},
        "notices sent": report.delivered.sent,
        "old events dropped": report.dropped,
    }
    return ", ".join(f"{count:,} {words}" for words, count in counts.items() if count)


def _log(report: "Report", at_ms: int, *, quiet: bool) -> None:
    """Tell what a run of ``serve`` did: in words on a terminal, elsewhere as one line of JSON."""
    from mfagap.alerts import Deed
    from mfagap.detect.evaluate import rfc3339

    if sys.stderr.isatty():
        if not quiet:
            print(rfc3339(at_ms), end="  ", file=sys.stderr)
        _tell(report, quiet=quiet)
        return
    collected, ticked, delivered = report.collected, report.ticked, report.delivered
    wrong = collected.failures or collected.notes or ticked.silent or delivered.failed
    if quiet and not wrong:
        return
    mark = ticked.watermark_ms
    line = {
        "time": rfc3339(at_ms),
        "watermark": None if mark is None else rfc3339(mark),
        "events": sum(collected.events.values()),
        "repeats": collected.duplicates,
        "rejected": collected.rejected,
        "slots": ticked.slots,
        "findings_changed": ticked.changed,
        "investigated": ticked.investigated,
        "alerts": {d.value: ticked.deeds.count(d) for d in Deed if d in ticked.deeds},
        "notices_sent": delivered.sent,
        "notices_failed": delivered.failed,
        "events_dropped": report.dropped,
        "failures": collected.failures,
        "notes": collected.notes,
        "silent": list(ticked.silent),
    }
    print(json.dumps(line), file=sys.stderr, flush=True)
