"""What watches the runs themselves: the log, the numbers for Prometheus, the dead man's switch."""

import socket
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from structlog.typing import FilteringBoundLogger
from tests.fake_okta.faults import Fault, rate_limited
from tests.fake_okta.server import TOKEN, FakeOkta
from tests.notify.receivers import Receiver
from tests.properties.orgs import STORIES
from tests.service.test_watch import ADA, ms

from mfagap import __version__, settings
from mfagap.errors import SettingsError, StateError
from mfagap.service import metrics, run
from mfagap.service.collect import Collected, Course
from mfagap.service.durable import Workshop
from mfagap.service.journal import tell
from mfagap.service.run import Delivered, Fate, Report
from mfagap.service.tick import Ticked
from mfagap.service.watch import Watch, metrics_of, watched
from mfagap.settings import Settings

CONFIG = """\
state = "state"

[sources.okta]
type = "okta_api"
lateness_s = 0
backfill_days = 2

[routes.soc]
type = "webhook"
url_variable = "SOC_URL"
severity = "low"

[metrics]
listen = "127.0.0.1:0"
file = "mfagap.prom"

[ping]
url_variable = "PING_URL"
fail = true
"""
ID = "okta_legacy_authn_without_mfa"
Told = list[Mapping[str, Any]]


def logged() -> tuple[FilteringBoundLogger, Told]:
    """Return a log, and what it will be told."""
    told: Told = []

    def keep(_logger: object, method: str, event: Mapping[str, Any]) -> str:
        told.append({"level": method, **event})
        raise structlog.DropEvent

    log = structlog.wrap_logger(
        None, processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    return log, told


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> Path:
    """Settings that name an org, a route and a switch."""
    file = tmp_path / "mfagap.toml"
    file.write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", TOKEN)
    monkeypatch.setenv("SOC_URL", f"{receiver.url}/soc")
    monkeypatch.setenv("PING_URL", f"{receiver.url}/ping")
    return file


@pytest.fixture
def okta(monkeypatch: pytest.MonkeyPatch) -> Generator[FakeOkta]:
    """An org with one sign-in that alerts."""
    with FakeOkta(clock=lambda: ms(9400) / 1000) as running:
        monkeypatch.setenv("OKTA_CLIENT_ORGURL", running.url)
        running.add(STORIES["allowed"](ADA))
        yield running


@contextmanager
def watch(loaded: Settings, log: FilteringBoundLogger) -> Generator[tuple[Workshop, Watch]]:
    listen, file = metrics_of(loaded)
    with (
        run.opened(loaded) as workshop,
        watched(loaded, log, workshop, listen=listen, file=file) as watching,
    ):
        yield workshop, watching


def at_once(seconds: float) -> bool:
    """Wait for nothing, and never stop."""
    del seconds
    return False


def made(workshop: Workshop, watching: Watch, loaded: Settings, at: float) -> Report:
    return watching.run(workshop, loaded, ms(at), nullcontext(Course(stop=at_once)))


def samples(text: str) -> dict[str, float]:
    """Return each number by its name and labels, without how long things took."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return {name: value for name, value in found.items() if "duration_seconds" not in name}


def scraped(told: Told) -> dict[str, float]:
    """Return what is served where the log says so."""
    (url,) = [line["url"] for line in told if line["event"] == "metrics_served"]
    return samples(httpx2.get(url).text)


def zeros(name: str, label: str, *values: str, **labels: str) -> dict[str, float]:
    rest = "".join(f",{key}={value}" for key, value in labels.items())
    return {f"mfagap_{name}{{{label}={value}{rest}}}": 0 for value in values}


DEEDS = ("opened", "worsened", "reopened", "matched", "eased", "retracted", "kept")
SEVERITIES = ("informational", "low", "medium", "high", "critical")
STATUSES = ("mfa", "unsettled", "step_up", "challenged", "explained", "single_factor")
NOTHING: dict[str, float] = {
    f"mfagap_build_info{{version={__version__}}}": 1,
    "mfagap_events_collected_total{source=okta}": 0,
    "mfagap_events_repeated_total": 0,
    "mfagap_events_rejected_total": 0,
    "mfagap_events_dropped_total": 0,
    "mfagap_source_failures_total{source=okta}": 0,
    "mfagap_source_rate_limited_total{source=okta}": 0,
    "mfagap_slots_evaluated_total": 0,
    "mfagap_findings_changed_total": 0,
    "mfagap_investigations_total": 0,
    **zeros("alert_changes_total", "deed", *DEEDS),
    "mfagap_notices_sent_total{route=soc}": 0,
    "mfagap_notices_failed_total{route=soc}": 0,
    "mfagap_notices_given_up_total{route=soc}": 0,
    "mfagap_tick_failures_total": 0,
    "mfagap_last_success_timestamp_seconds": 0,
}
AFTER: dict[str, float] = {
    **NOTHING,
    "mfagap_events_collected_total{source=okta}": 2,
    "mfagap_events_repeated_total": 2,  # where polling begins, a little is read again
    "mfagap_source_rate_limited_total{source=okta}": 1,
    "mfagap_slots_evaluated_total": 1,
    "mfagap_findings_changed_total": 1,
    "mfagap_investigations_total": 1,
    "mfagap_alert_changes_total{deed=opened}": 1,
    "mfagap_notices_failed_total{route=soc}": 1,
    "mfagap_tick_failures_total": 1,
    "mfagap_last_tick_timestamp_seconds": ms(9400) / 1000,
    "mfagap_watermark_timestamp_seconds": ms(9400) / 1000,
    "mfagap_source_watermark_timestamp_seconds{source=okta}": ms(9400) / 1000,
    "mfagap_source_lag_seconds{source=okta}": 0,
    "mfagap_source_silent{source=okta}": 0,
    "mfagap_source_rate_limit_remaining{source=okta}": 596,
    f"mfagap_slots_due{{detection={ID}}}": 1,
    f"mfagap_slots_missing{{detection={ID}}}": 0,
    **{f"mfagap_findings{{detection={ID},status={status}}}": 0 for status in STATUSES},
    f"mfagap_findings{{detection={ID},status=single_factor}}": 1,
    **zeros("alerts", "severity", *SEVERITIES, status="open"),
    **zeros("alerts", "severity", *SEVERITIES, status="acknowledged"),
    "mfagap_alerts{severity=medium,status=open}": 1,
    "mfagap_notices{status=waiting}": 1,
    "mfagap_notices{status=parked}": 0,
}


def test_what_is_served_and_written_and_goes_on_after_a_restart(
    config: Path, okta: FakeOkta, receiver: Receiver
) -> None:
    loaded = settings.load(config)
    file = config.parent / "mfagap.prom"
    log, told = logged()
    with watch(loaded, log) as (workshop, watching):
        assert scraped(told) == NOTHING
        okta.faults.append(rate_limited(1))
        receiver.statuses.append(503)
        assert not made(workshop, watching, loaded, 9400).whole
        assert scraped(told) == AFTER
        assert samples(file.read_text(encoding="utf-8")) == AFTER
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert sorted(path.name for path in config.parent.iterdir()) == [
        "mfagap.prom",
        "mfagap.toml",
        "state",
    ]
    log, told = logged()
    with watch(loaded, log) as (workshop, watching):
        counters = {name for name in NOTHING if "_total" in name}
        assert scraped(told) == {**NOTHING, **{name: AFTER[name] for name in counters}}
        assert made(workshop, watching, loaded, 9460).whole
        now = scraped(told)
    assert now == {
        **AFTER,
        "mfagap_slots_evaluated_total": 2,
        "mfagap_notices_sent_total{route=soc}": 1,
        "mfagap_notices{status=waiting}": 0,
        "mfagap_last_success_timestamp_seconds": ms(9460) / 1000,
        "mfagap_last_tick_timestamp_seconds": ms(9460) / 1000,
        "mfagap_watermark_timestamp_seconds": ms(9460) / 1000,
        "mfagap_source_watermark_timestamp_seconds{source=okta}": ms(9460) / 1000,
        "mfagap_source_rate_limit_remaining{source=okta}": 595,
    }
    asked = [request.path for request in receiver.received]
    assert asked == ["/soc", "/ping/fail", "/soc", "/ping"]


def test_durations_are_told_by_stage(config: Path, okta: FakeOkta) -> None:
    del okta
    loaded = settings.load(config)
    log, _ = logged()
    with watch(loaded, log) as (workshop, watching):
        report = made(workshop, watching, loaded, 9400)
    text = (config.parent / "mfagap.prom").read_text(encoding="utf-8")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    last = families["mfagap_last_tick_duration_seconds"].samples
    assert {sample.labels["stage"]: sample.value for sample in last} == report.seconds
    assert list(report.seconds) == ["collect", "tick", "notify", "tidy"]
    whole = {
        sample.name: sample.value for sample in families["mfagap_tick_duration_seconds"].samples
    }
    assert whole == {
        "mfagap_tick_duration_seconds_count": 1,
        "mfagap_tick_duration_seconds_sum": round(sum(report.seconds.values()), 3),
    }


def test_each_event_of_a_run_is_logged(config: Path, okta: FakeOkta, receiver: Receiver) -> None:
    loaded = settings.load(config)
    log, told = logged()
    with watch(loaded, log) as (workshop, watching):
        receiver.statuses.append(503)
        made(workshop, watching, loaded, 9400)
        okta.faults.append(Fault(status=401, code="E0000011"))
        made(workshop, watching, loaded, 9400 + 2 * 3600)
    assert [(line["level"], line["event"]) for line in told] == [
        ("info", "metrics_served"),
        ("info", "source_past"),
        ("info", "source_past"),
        ("info", "source_read"),
        ("info", "alert_opened"),
        ("warning", "notice_failed"),
        ("info", "tick_done"),
        ("debug", "ping_sent"),
        ("error", "source_failed"),
        ("warning", "source_silent"),
        ("info", "alert_opened"),
        ("info", "alert_eased"),
        ("info", "notice_sent"),
        ("info", "notice_sent"),
        ("info", "tick_done"),
        ("debug", "ping_sent"),
    ]
    past = [(line["source"], line["days"], line["of_days"]) for line in told[1:3]]
    assert past == [("okta", 1, 2.0), ("okta", 2, 2.0)]
    assert (told[5]["attempts"], told[5]["error"]) == (1, "answered 503")
    assert (told[7]["good"], told[9]["source"], told[10]["detection"]) == (
        False,
        "okta",
        "silent_source",
    )


def test_what_seldom_happens_is_logged() -> None:
    log, told = logged()
    collected = Collected({"a": 0}, rejected=2, notes=["a: why"], failures={"routes.r": "off"})
    fate = Fate("1-1-r", 1, "r", 12, "answered 500", parked=True)
    ticked = Ticked(None, silent=("a",))
    tell(log, Settings(), Report(collected, ticked, Delivered(0, 1, 1, (fate,))), [])
    *told, tick = told
    assert [dict(line) for line in told if line["event"] != "source_silent"] == [
        {"level": "warning", "event": "source_note", "note": "a: why"},
        {"level": "error", "event": "route_failed", "route": "r", "error": "off"},
        {"level": "warning", "event": "events_rejected", "events": 2, "kept": "lake/dead-letter"},
        {
            "level": "error",
            "event": "notice_parked",
            "key": "1-1-r",
            "route": "r",
            "alert": 1,
            "attempts": 12,
            "error": "answered 500",
        },
    ]
    assert (tick["event"], tick["watermark"], tick["notices_parked"]) == ("tick_done", None, 1)


@pytest.mark.parametrize(("fail", "asked"), [("true", ["/ping/fail"]), ("false", [])])
def test_a_run_that_ends_in_an_error_is_told(
    config: Path, okta: FakeOkta, receiver: Receiver, fail: str, asked: list[str]
) -> None:
    del okta
    config.write_text(CONFIG.replace("fail = true", f"fail = {fail}"), encoding="utf-8")
    loaded = settings.load(config)
    log, told = logged()
    with watch(loaded, log) as (workshop, watching):
        with workshop.database.change():
            workshop.database.run("DROP TABLE slots")
        with pytest.raises(StateError, match="no such table: slots"):
            made(workshop, watching, loaded, 9400)
        assert scraped(told)["mfagap_tick_failures_total"] == 1
    text = (config.parent / "mfagap.prom").read_text(encoding="utf-8")
    assert samples(text)["mfagap_tick_failures_total"] == 1
    (failed,) = [line for line in told if line["level"] == "error"]
    assert failed["event"] == "tick_failed"
    assert "no such table: slots" in failed["error"]
    assert [request.path for request in receiver.received] == asked


def test_none_of_them_keeps_a_run_from_being_whole(
    config: Path, okta: FakeOkta, receiver: Receiver
) -> None:
    del okta
    config.write_text(CONFIG.replace('"mfagap.prom"', '"absent/mfagap.prom"'), encoding="utf-8")
    loaded = settings.load(config)
    log, told = logged()
    receiver.statuses.extend([204, 500])
    with watch(loaded, log) as (workshop, watching):
        workshop.database.run = failing(workshop.database.run, "REPLACE INTO facts", after=6)
        assert made(workshop, watching, loaded, 9400).whole
    wrong = [(line["event"], line["error"]) for line in told if line["level"] == "warning"]
    absent = config.parent / "absent" / "mfagap.prom"
    assert wrong == [
        ("metrics_failed", "the disk is full"),
        ("metrics_failed", f"cannot write {absent}: No such file or directory"),
        ("ping_failed", "answered 500"),
    ]


def failing(change: Callable[..., int], sql: str, after: int) -> Callable[..., int]:
    """Return ``change``, which fails from the ``after``th ``sql`` on."""
    seen = 0

    def run(statement: str, *values: Any) -> int:
        nonlocal seen
        seen += sql in statement
        if seen > after:
            raise StateError("the disk is full")
        return change(statement, *values)

    return run


@pytest.mark.parametrize(
    "address", ["9464", ":9464", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "h:²"]
)
def test_an_address_that_is_none(address: str) -> None:
    told = f"metrics: {address!r} is no address such as 127.0.0.1:9464"
    with pytest.raises(SettingsError) as caught, metrics.served(CollectorRegistry(), address):
        pass
    assert str(caught.value) == told


def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError) as caught, metrics.served(CollectorRegistry(), address):
            pass
    assert str(caught.value) == f"metrics: cannot listen at {address}: Address already in use"


def test_an_address_of_the_sixth_version() -> None:
    assert metrics.address_of("[::1]:9464") == ("::1", 9464)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[metrics]\nport = 1\n", "metrics.port: unknown; known is: listen, file"),
        ("[metrics]\nlisten = 9464\n", "metrics.listen: 9464 is not a text"),
        ("[metrics]\nfile = true\n", "metrics.file: True is not a text"),
    ],
)
def test_settings_of_metrics_that_are_off(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mfagap.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        metrics_of(settings.load(file))
    assert str(caught.value) == f"{file}:2: {told}"
