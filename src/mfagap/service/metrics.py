"""How mfagap fares, in numbers for Prometheus: served, or written to a file.

Counters stand in the state, so that they go on after a restart, and from one ``run --once`` to the
next. Labels are words of ours and names of the settings; none comes from a log.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from mfagap import __version__
from mfagap.alerts import AlertStatus, Deed
from mfagap.errors import OutputError, SettingsError, StateError
from mfagap.model import MfaStatus, Severity
from mfagap.service.durable import Workshop
from mfagap.service.run import Report
from mfagap.settings import Settings
from mfagap.state.database import Row

PREFIX = "count "
"""Stands before a counter's name where it is a fact of the state."""

COUNTERS: Mapping[str, tuple[str | None, str]] = {
    "events_collected": ("source", "New events that were read."),
    "events_repeated": (None, "Events that were read and known already."),
    "events_rejected": (None, "Lines and rows that could not be used."),
    "events_dropped": (None, "Events that became older than keep_days."),
    "source_failures": ("source", "Runs in which a source could not be read."),
    "source_rate_limited": ("source", "Answers of an API with status 429: its limit is used up."),
    "slots_evaluated": (None, "Slots that were evaluated; each as often as it was."),
    "findings_changed": (None, "Findings that are new or changed."),
    "investigations": (None, "Runs of a runbook on one session."),
    "alert_changes": ("deed", "What mfagap did to alerts of detections."),
    "notices_sent": ("route", "Notices that were taken."),
    "notices_failed": ("route", "Tries of a notice that failed."),
    "notices_given_up": ("route", "Notices that failed too often, and are parked."),
    "tick_failures": (None, "Runs that ended in an error, or without all sources and notices."),
}
"""Each counter's name, less ``mfagap_`` and ``_total``; its label, and what it counts."""

TICKS, TICK_MS, SUCCESS_MS = "ticks", "tick_ms", "last_success_ms"
"""What is kept beside the counters."""


class Metrics(Collector):
    """The numbers as of the last run; what scrapes them is another thread, and waits for none.

    Args:
        registry: Where they are collected from.
        settings: Their sources and routes are the labels.
    """

    def __init__(self, registry: CollectorRegistry, settings: Settings) -> None:
        """See the class."""
        self.registry = registry
        self._labels: Mapping[str, Sequence[str]] = {
            "source": tuple(settings.sources),
            "route": tuple(settings.routes),
            "deed": [deed.value for deed in Deed],
        }
        self._counts: Counter[str] = Counter()
        self._gauges: tuple[Metric, ...] = ()
        self._families: tuple[Metric, ...] = (_build_info(),)
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return what there is to tell."""
        return self._families

    def resume(self, workshop: Workshop) -> None:
        """Go on from the counts in the state."""
        self._counts = Counter(workshop.ledger.facts(PREFIX))
        self._publish()

    def succeeded(self, workshop: Workshop, report: Report, now_ms: int) -> None:
        """Take in what a run did.

        Raises:
            StateError: The counts cannot be kept.
        """
        self._count(report)
        if report.whole:
            self._counts[SUCCESS_MS] = now_ms
        self._gauges = tuple(_gauges(workshop, report, now_ms))
        self._publish()
        self._keep(workshop)

    def failed(self, workshop: Workshop) -> None:
        """Take in that a run ended in an error."""
        self._counts["tick_failures"] += 1
        self._publish()
        with suppress(StateError):  # which may be the error itself
            self._keep(workshop)

    def _keep(self, workshop: Workshop) -> None:
        with workshop.database.change():
            for name, count in self._counts.items():
                workshop.ledger.note(f"{PREFIX}{name}", count)

    def _count(self, report: Report) -> None:
        collected, ticked, delivered = report.collected, report.ticked, report.delivered
        counts = self._counts
        counts["events_repeated"] += collected.duplicates
        counts["events_rejected"] += collected.rejected
        counts["events_dropped"] += report.dropped
        counts["slots_evaluated"] += ticked.slots
        counts["findings_changed"] += ticked.changed
        counts["investigations"] += ticked.investigated
        counts["tick_failures"] += not report.whole
        counts[TICKS] += 1
        counts[TICK_MS] += round(sum(report.seconds.values()) * 1000)
        counts.update({f"events_collected {name}": n for name, n in collected.events.items()})
        counts.update({f"source_failures {name}": 1 for name in collected.failures})
        counts.update(
            {f"source_rate_limited {name}": n for name, (_, n) in collected.limits.items()}
        )
        counts.update(f"alert_changes {deed.value}" for deed in ticked.deeds)
        for fate in delivered.fates:
            word = "sent" if fate.failure is None else "failed"
            counts[f"notices_{word} {fate.route}"] += 1
            counts[f"notices_given_up {fate.route}"] += fate.parked

    def _publish(self) -> None:
        """Show the numbers, all at once: a tuple takes the place of another."""
        self._families = (_build_info(), *self._counters(), *self._gauges)

    def _counters(self) -> Iterator[Metric]:
        for name, (label, words) in COUNTERS.items():
            family = CounterMetricFamily(f"mfagap_{name}", words, labels=[label] if label else None)
            for value in self._labels[label] if label else [None]:
                key = name if value is None else f"{name} {value}"
                family.add_metric([] if value is None else [value], self._counts[key])
            yield family
        yield SummaryMetricFamily(
            "mfagap_tick_duration_seconds",
            "How long runs took.",
            self._counts[TICKS],
            self._counts[TICK_MS] / 1000,
        )
        yield _gauge(
            "last_success_timestamp_seconds",
            "When the last run began that read all sources and sent all notices.",
            (),
            {(): self._counts[SUCCESS_MS] / 1000},
        )


def _build_info() -> Metric:
    return _gauge("build_info", "Always 1.", ("version",), {(__version__,): 1})


def _gauge(
    name: str,
    words: str,
    labels: Sequence[str],
    values: Mapping[tuple[str, ...], float | None],
) -> Metric:
    """Return a gauge; a value of None is not known, and left out."""
    family = GaugeMetricFamily(f"mfagap_{name}", words, labels=labels)
    for label, value in values.items():
        if value is not None:
            family.add_metric(label, value)
    return family


def _gauges(workshop: Workshop, report: Report, now_ms: int) -> Iterator[Metric]:
    """Yield how things stand after a run."""
    yield _gauge(
        "last_tick_duration_seconds",
        "How long the stages of the last run took.",
        ("stage",),
        {(stage,): seconds for stage, seconds in report.seconds.items()},
    )
    yield _gauge("last_tick_timestamp_seconds", "When the last run began.", (), {(): now_ms / 1000})
    yield from _of_sources(workshop.feeds, report, now_ms)
    yield from _of_findings(workshop)
    yield from _of_alerts(workshop)


def _of_sources(feeds: Sequence[Row], report: Report, now_ms: int) -> Iterator[Metric]:
    marks = {str(row["name"]): row["watermark_ms"] for row in feeds}
    seconds = {(name,): None if ms is None else ms / 1000 for name, ms in marks.items()}
    lags = {(name,): None if ms is None else (now_ms - ms) / 1000 for name, ms in marks.items()}
    silent = {(name,): int(name in report.ticked.silent) for name in marks}
    left = {(name,): n for name, (n, _) in report.collected.limits.items()}
    mark = report.ticked.watermark_ms
    whole = {(): None if mark is None else mark / 1000}
    words = "Before this, all events are believed to be there"
    yield _gauge("watermark_timestamp_seconds", f"{words}.", (), whole)
    yield _gauge(
        "source_watermark_timestamp_seconds", f"{words}, of one source.", ("source",), seconds
    )
    yield _gauge(
        "source_lag_seconds",
        "How far the watermark of a source was behind the last run.",
        ("source",),
        lags,
    )
    yield _gauge("source_silent", "1 where a source is silent.", ("source",), silent)
    yield _gauge(
        "source_rate_limit_remaining",
        "Requests that are left of an API's limit, as its last answer said.",
        ("source",),
        left,
    )


def _of_findings(workshop: Workshop) -> Iterator[Metric]:
    due: dict[tuple[str, ...], float | None] = {}
    gaps: dict[tuple[str, ...], float | None] = {}
    findings: dict[tuple[str, ...], float | None] = {}
    for detection in workshop.detections:
        tally = workshop.ledger.tally(detection.id, detection.grace_s * 1000)
        due[detection.id,], gaps[detection.id,] = tally
        counts = workshop.sessions.counts(detection.id)
        for status in MfaStatus:
            findings[detection.id, status.value] = counts.get(status.value, 0)
    words = "Slots that are to be evaluated again: not settled yet, or with new events."
    yield _gauge("slots_due", words, ("detection",), due)
    words = "Slots between others that were never evaluated."
    yield _gauge("slots_missing", words, ("detection",), gaps)
    yield _gauge("findings", "Findings by MFA status.", ("detection", "status"), findings)


def _of_alerts(workshop: Workshop) -> Iterator[Metric]:
    counts, notices = workshop.alerts.counts(), workshop.outbox.counts()
    standing: dict[tuple[str, ...], float | None] = {
        (status.value, severity.word): counts.get((status.value, int(severity)), 0)
        for status in (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED)
        for severity in Severity
    }
    yield _gauge("alerts", "Alerts that are not closed.", ("status", "severity"), standing)
    words = "Notices that wait to be sent, or were given up."
    unsent = {(status,): notices.get(status, 0) for status in ("waiting", "parked")}
    yield _gauge("notices", words, ("status",), unsent)


def write(registry: CollectorRegistry, file: Path) -> None:
    """Write the numbers to ``file`` for node_exporter's textfile collector, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    part = file.with_name(f".{file.name}.part")  # the collector reads what ends in .prom
    try:
        part.write_bytes(generate_latest(registry))
        part.chmod(0o644)  # another user reads it, and nothing in it is secret
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise OutputError(f"cannot write {file}: {error.strerror}") from error


def address_of(text: str) -> tuple[str, int]:
    """Return host and port of ``text``, such as ``127.0.0.1:9464`` or ``[::1]:9464``.

    Raises:
        SettingsError: It is none.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise SettingsError(f"metrics: {text!r} is no address such as 127.0.0.1:9464")
    return host, int(port)


@contextmanager
def served(registry: CollectorRegistry, address: str) -> Generator[str]:
    """Serve the numbers at ``address``, ``HOST:PORT``; yield the URL, with the port that it got.

    Raises:
        SettingsError: ``address`` is none, or cannot be listened at.
    """
    host, port = address_of(address)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(f"metrics: cannot listen at {address}: {error.strerror}") from error
    with ExitStack() as stack:
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_port}/metrics"
