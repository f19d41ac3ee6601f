from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import pytest
from tests.report.results import FINDING, with_context

from mfagap import model
from mfagap.model import ALERTING, Alert, MfaStatus, Severity


def test_severities_are_ordered() -> None:
    assert [severity.word for severity in sorted(Severity)] == [
        "informational",
        "low",
        "medium",
        "high",
        "critical",
    ]


def test_statuses_are_in_the_order_of_the_table() -> None:
    assert [status.value for status in MfaStatus] == [
        "mfa",
        "unsettled",
        "step_up",
        "challenged",
        "explained",
        "single_factor",
    ]
    assert {status.value for status in ALERTING} == {"challenged", "single_factor"}


def test_the_nouns_are_frozen() -> None:
    nouns = [noun for noun in vars(model).values() if isinstance(noun, type) and is_dataclass(noun)]
    assert len(nouns) > 10
    first = fields(FINDING)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(FINDING, first, "other")


def test_addresses_are_sorted_and_once_each() -> None:
    ips = ["198.51.100.7", "192.0.2.10", None, "198.51.100.7", "2001:db8::1"]
    found = tuple(with_context(source_ip=ip) for ip in ips)
    alert = Alert(FINDING.detection, "key", 0, Severity.LOW, found)
    assert alert.addresses == ("192.0.2.10", "198.51.100.7", "2001:db8::1")
    assert replace(alert, findings=()).addresses == ()
