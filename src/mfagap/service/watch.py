"""A run that is watched itself: by a log, by Prometheus, by a dead man's switch.

None of the three keeps a run from being made, or changes what it comes to.
"""

from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from structlog.typing import FilteringBoundLogger

from mfagap.errors import MfagapError, NotifyError, OutputError, StateError
from mfagap.service.collect import Course
from mfagap.service.durable import Workshop
from mfagap.service.journal import tell
from mfagap.service.run import Report, run_once
from mfagap.settings import Settings
from mfagap.sources.okta_api import Past

if TYPE_CHECKING:
    from mfagap.notify.ping import Ping
    from mfagap.service.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of each run, beside the routes.

    Attributes:
        log: Event by event.
        metrics: In numbers; None where nobody asked.
        file: Where the numbers are written after each run; None for nowhere.
        ping: The dead man's switch; None for none.
    """

    log: FilteringBoundLogger
    metrics: "Metrics | None" = None
    file: Path | None = None
    ping: "Ping | None" = None

    def run(
        self,
        workshop: Workshop,
        settings: Settings,
        now_ms: int,
        following: AbstractContextManager[Course],
    ) -> Report:
        """Run once, and tell.

        Args:
            workshop: The state.
            settings: Of the run.
            now_ms: Its moment.
            following: Is told, and asked, in the course of the run, and left before it is told of.

        Raises:
            Stopping: While sources were read, as ``course`` has it.
            MfagapError: The run ended in an error, which was told.
        """
        try:
            last = workshop.alerts.last_deed()
            with following as course:
                days = _Days(self.log, course)
                report = run_once(workshop, settings, now_ms, replace(course, told=days.told))
            deeds = workshop.alerts.deeds_after(last)
        except MfagapError as error:
            self._failed(workshop, str(error))
            raise
        tell(self.log, settings, report, deeds)
        self._count(workshop, report, now_ms)
        self._show(good=report.whole)
        return report

    def _failed(self, workshop: Workshop, why: str) -> None:
        self.log.error("tick_failed", error=why)
        if self.metrics is not None:
            self.metrics.failed(workshop)
        self._show(good=False)

    def _count(self, workshop: Workshop, report: Report, now_ms: int) -> None:
        if self.metrics is None:
            return
        try:
            self.metrics.succeeded(workshop, report, now_ms)
        except StateError as error:
            self.log.warning("metrics_failed", error=str(error))

    def _show(self, *, good: bool) -> None:
        """Write the numbers, and ping."""
        if self.metrics is not None and self.file is not None:
            from mfagap.service.metrics import write

            try:
                write(self.metrics.registry, self.file)
            except OutputError as error:
                self.log.warning("metrics_failed", error=str(error))
        if self.ping is not None:
            try:
                if self.ping.send(good=good):
                    self.log.debug("ping_sent", good=good)
            except NotifyError as error:
                self.log.warning("ping_failed", error=str(error))


@dataclass(slots=True)
class _Days:
    """Tells of each day of the past that was read."""

    log: FilteringBoundLogger
    course: Course
    last: dict[str, int] = field(default_factory=dict[str, int])

    def told(self, source: str, events: int, past: Past | None) -> None:
        if past is not None and int(past.days) != self.last.get(source, 0):
            self.last[source] = int(past.days)
            self.log.info("source_past", source=source, days=int(past.days), of_days=past.whole)
        self.course.told(source, events, past)


@contextmanager
def watched(
    settings: Settings,
    log: FilteringBoundLogger,
    workshop: Workshop,
    *,
    listen: str | None = None,
    file: Path | None = None,
) -> Generator[Watch]:
    """Open what watches the runs of ``settings``.

    Args:
        settings: Whose ``metrics`` and ``ping`` count.
        log: Told of each run.
        workshop: Holds the counts of earlier runs.
        listen: Where to serve the numbers, ``HOST:PORT``; None for nowhere.
        file: Where to write them.

    Raises:
        SettingsError: ``metrics`` or ``ping`` is off.
    """
    ping = ping_of(settings)
    if listen is None and file is None:
        yield Watch(log, ping=ping)
        return
    from prometheus_client import CollectorRegistry

    from mfagap.service.metrics import Metrics, served

    metrics = Metrics(CollectorRegistry(), settings)
    metrics.resume(workshop)
    with ExitStack() as stack:
        if listen is not None:
            url = stack.enter_context(served(metrics.registry, listen))
            log.info("metrics_served", url=url)
        yield Watch(log, metrics, file, ping)


def ping_of(settings: Settings) -> "Ping | None":
    """Return the dead man's switch of ``settings``; None where there is none.

    Raises:
        SettingsError: It is off.
    """
    if not settings.ping.values:
        return None
    from mfagap.notify.ping import build

    return build(settings.ping)


def metrics_of(settings: Settings) -> tuple[str | None, Path | None]:
    """Return where to serve the numbers of ``settings``, and where to write them.

    Raises:
        SettingsError: ``metrics`` is off.
    """
    table = settings.metrics
    table.only("listen", "file")
    listen = table.text("listen") if "listen" in table.values else None
    return listen, table.path("file") if "file" in table.values else None
