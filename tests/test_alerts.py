from dataclasses import replace

import pytest
from tests.report.results import FINDING, with_context

from mfagap.alerts import group
from mfagap.detect.load import load_all
from mfagap.model import ALERTING, Finding, MfaStatus, Severity

DETECTION = load_all()[0]
MINUTE_MS = 60_000


def _at(clock: str, key: str = "ada", **changes: object) -> Finding:
    """Return a finding at ``clock`` (``10:07``, or ``11:06:59.999``), named for it."""
    hours, minutes, *seconds = clock.split(":")
    ms = (int(hours) * 60 + int(minutes)) * MINUTE_MS + round(float("".join(seconds) or 0) * 1000)
    named = replace(FINDING, uuid=f"{key} {clock}", start_ms=ms, dedup_key=key)
    return replace(named, **changes)


def _alerts(*findings: Finding) -> list[list[str]]:
    return [[found.uuid for found in alert.findings] for alert in group(DETECTION, findings)]


def test_the_window_is_the_detections() -> None:
    assert DETECTION.dedup_window_s == 3600


def test_the_window_is_anchored_on_the_first_match() -> None:
    clocks = ["10:07", "10:50", "11:06:59.999", "11:07", "11:50", "12:06:59.999", "12:07"]
    assert _alerts(*map(_at, clocks)) == [
        ["ada 10:07", "ada 10:50", "ada 11:06:59.999"],
        ["ada 11:07", "ada 11:50", "ada 12:06:59.999"],
        ["ada 12:07"],
    ]


def test_a_stream_of_matches_does_not_stretch_the_window() -> None:
    first, second = group(
        DETECTION, [_at(f"10:{minute:02}") for minute in range(60)] + [_at("11:00")]
    )
    assert (len(first.findings), len(second.findings)) == (60, 1)


def test_the_order_of_findings_does_not_matter() -> None:
    found = [_at("11:07"), _at("10:07"), _at("10:50", key="bob"), _at("10:20")]
    expected = [["ada 10:07", "ada 10:20"], ["bob 10:50"], ["ada 11:07"]]
    assert _alerts(*found) == expected
    assert _alerts(*reversed(found)) == expected


def test_keys_are_apart() -> None:
    assert _alerts(_at("10:00"), _at("10:00", key="bob")) == [["ada 10:00"], ["bob 10:00"]]


@pytest.mark.parametrize("status", list(MfaStatus))
def test_only_what_alerts_is_in_it(status: MfaStatus) -> None:
    expected = [["ada 10:00"]] if status in ALERTING else []
    assert _alerts(_at("10:00", mfa_status=status)) == expected


def test_what_does_not_alert_opens_no_window() -> None:
    quiet = _at("10:00", mfa_status=MfaStatus.STEP_UP)
    assert _alerts(quiet, _at("10:30"), _at("11:15")) == [["ada 10:30", "ada 11:15"]]


def test_an_alert_is_as_bad_as_its_worst_finding() -> None:
    levels = (Severity.LOW, Severity.HIGH, Severity.MEDIUM)
    found = [_at(f"10:0{place}", severity=level) for place, level in enumerate(levels)]
    (alert,) = group(DETECTION, found)
    assert alert.severity is Severity.HIGH
    assert (alert.detection, alert.dedup_key) == (DETECTION.id, "ada")
    assert alert.first_ms == 600 * MINUTE_MS


def test_addresses_of_all_findings() -> None:
    found = [with_context(source_ip=ip) for ip in ("198.51.100.7", "192.0.2.10", "198.51.100.7")]
    (alert,) = group(DETECTION, found)
    assert alert.addresses == ("192.0.2.10", "198.51.100.7")


def test_nothing_found_is_no_alert() -> None:
    assert group(DETECTION, []) == ()
