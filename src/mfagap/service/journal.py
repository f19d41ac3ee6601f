"""What a run did, event by event, for the log: docs/watching.md lists the names and keys."""

from collections.abc import Iterable

from structlog.typing import FilteringBoundLogger

from mfagap.alerts import Deed
from mfagap.detect.evaluate import rfc3339
from mfagap.model import Severity
from mfagap.service.run import Fate, Report
from mfagap.settings import Settings
from mfagap.state.database import Row


def tell(
    log: FilteringBoundLogger, settings: Settings, report: Report, deeds: Iterable[Row]
) -> None:
    """Tell what a run did.

    Args:
        log: Told.
        settings: Of the run; a failure is that of a source, or of a route.
        report: What the run did.
        deeds: What happened to alerts meanwhile, each with the alert; see ``Alerts.deeds_after``.
    """
    collected = report.collected
    for name, events in collected.events.items():
        if events:
            log.info("source_read", source=name, events=events)
    for note in collected.notes:
        log.warning("source_note", note=note)
    for name, why in collected.failures.items():
        if name in settings.sources:
            log.error("source_failed", source=name, error=why)
        else:
            log.error("route_failed", route=name.removeprefix("routes."), error=why)
    for name in report.ticked.silent:
        log.warning(
            "source_silent",
            source=name,
            hint="nothing new for more than an hour: is it still fed? Findings may lack a factor",
        )
    if collected.rejected:
        log.warning("events_rejected", events=collected.rejected, kept="lake/dead-letter")
    for row in deeds:
        _alert(log, row)
    for fate in report.delivered.fates:
        _notice(log, fate)
    _tick(log, report)


def _alert(log: FilteringBoundLogger, row: Row) -> None:
    log.info(
        f"alert_{row['deed']}",
        alert=row["id"],
        detection=row["detection"],
        severity=Severity(row["severity"]).word,
        verdict=row["verdict"],
        status=row["status"],
        by=row["who"],
    )


def _notice(log: FilteringBoundLogger, fate: Fate) -> None:
    said = {"key": fate.key, "route": fate.route, "alert": fate.alert, "attempts": fate.attempts}
    if fate.failure is None:
        log.info("notice_sent", **said)
    elif fate.parked:
        log.error("notice_parked", **said, error=fate.failure)
    else:
        log.warning("notice_failed", **said, error=fate.failure)


def _tick(log: FilteringBoundLogger, report: Report) -> None:
    collected, ticked, delivered = report.collected, report.ticked, report.delivered
    mark = ticked.watermark_ms
    log.info(
        "tick_done",
        events=sum(collected.events.values()),
        repeats=collected.duplicates,
        rejected=collected.rejected,
        slots=ticked.slots,
        findings_changed=ticked.changed,
        investigated=ticked.investigated,
        alerts={deed.value: ticked.deeds.count(deed) for deed in Deed if deed in ticked.deeds},
        suppressed=ticked.suppressed,
        notices_sent=delivered.sent,
        notices_failed=delivered.failed,
        notices_parked=delivered.parked,
        events_dropped=report.dropped,
        failures=len(collected.failures),
        watermark=None if mark is None else rfc3339(mark),
        duration_s=round(sum(report.seconds.values()), 3),
        **{f"{stage}_s": round(seconds, 3) for stage, seconds in report.seconds.items()},
    )
