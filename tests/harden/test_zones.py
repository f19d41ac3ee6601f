"""What a zone holds, does not hold, and what nobody can see from the log."""

from typing import Any

import pytest

from mfagap.harden.zones import Zone as Known
from mfagap.harden.zones import addresses, all_of, any_of, holds, is_open

Zone = dict[str, Any]


def ip(*gateways: str, **more: Any) -> Zone:
    """Return an IP zone; a gateway with two ends is a range."""
    kinds = ("CIDR", "RANGE")
    made = [{"type": kinds["-" in value], "value": value} for value in gateways]
    return {"id": "nzo1", "type": "IP", "status": "ACTIVE", "gateways": made, **more}


def dynamic(**more: Any) -> Zone:
    return {"id": "nzo1", "type": "DYNAMIC", "status": "ACTIVE", **more}


def enhanced(**more: Any) -> Zone:
    return {"id": "nzo1", "type": "DYNAMIC_V2", "status": "ACTIVE", **more}


OFFICE = ip("192.0.2.0/28", "198.51.100.5-198.51.100.9", "2001:db8::/64")
ODD: list[Any] = [None, [], {}, "x", 1, True, 1.5, "x" * 100_000, [None], ["x"], {"a": 1}]


@pytest.mark.parametrize(
    ("zone", "address", "expected"),
    [
        (OFFICE, "192.0.2.0", True),
        (OFFICE, "192.0.2.15", True),
        (OFFICE, "192.0.2.16", False),
        (OFFICE, "198.51.100.4", False),
        (OFFICE, "198.51.100.5", True),
        (OFFICE, "198.51.100.9", True),
        (OFFICE, "198.51.100.10", False),
        (OFFICE, "2001:db8::1", True),
        (OFFICE, "2001:db8:1::1", False),
        (OFFICE, "::ffff:192.0.2.1", True),
        (OFFICE, " 192.0.2.1 ", True),
        (OFFICE, "192.0.2.01", None),
        (OFFICE, "unknown", None),
        (OFFICE, None, None),
        (ip("192.0.2.7/28"), "192.0.2.1", True),
        (ip("192.0.2.7"), "192.0.2.7", True),
        (ip("192.0.2.7"), "192.0.2.8", False),
        (ip("192.0.2.1 - 192.0.2.2"), "192.0.2.2", True),
        (ip("2001:db8::1-2001:db8::ff"), "2001:db8::80", True),
        (ip("2001:db8::1-2001:db8::ff"), "192.0.2.1", False),
        (ip(status="INACTIVE"), "192.0.2.1", False),
        (ip("192.0.2.0/28", status="INACTIVE"), "192.0.2.1", False),
        (ip("192.0.2.0/28", status="ODD"), "192.0.2.1", True),
        (ip(), "192.0.2.1", False),
        (ip(), None, False),
        (ip(gateways=None), "192.0.2.1", False),
        # What cannot be read may hold it; but what is read and holds it does.
        (ip("192.0.2.0/33"), "192.0.2.1", None),
        (ip("192.0.2.0/33", "192.0.2.1"), "192.0.2.1", True),
        (ip("192.0.2.9-192.0.2.1"), "192.0.2.1", None),
        (ip("192.0.2.1-2001:db8::1"), "192.0.2.1", None),
        (ip(gateways=[{"type": "HOST", "value": "192.0.2.1"}]), "192.0.2.1", None),
        (ip(gateways="192.0.2.1"), "192.0.2.1", None),
        # Proxies are what Okta looks past, not where people come from.
        (ip(proxies=[{"type": "CIDR", "value": "192.0.2.0/28"}]), "192.0.2.1", False),
    ],
)
def test_ip_zones(zone: Zone, address: str | None, expected: bool | None) -> None:
    assert holds(Known(zone), address, 64500, "Germany", is_proxy=False) is expected


DE: Zone = {"country": "DE"}
US: Zone = {"country": "US"}


@pytest.mark.parametrize(
    ("zone", "as_number", "country", "is_proxy", "expected"),
    [
        (dynamic(asns=["64500", "64501"]), 64501, None, None, True),
        (dynamic(asns=["64500"]), 64501, None, None, False),
        (dynamic(asns=["AS64500", 64501]), 64501, None, None, True),
        (dynamic(asns=["64500"]), None, None, None, None),
        (dynamic(asns=["x"]), 64500, None, None, None),
        (dynamic(asns=["x", "64500"]), 64500, None, None, True),
        (dynamic(locations=[DE]), None, "DE", None, True),
        (dynamic(locations=[DE]), None, "US", None, False),
        (dynamic(locations=[DE, US]), None, "US", None, True),
        (dynamic(locations=[DE]), None, "Germany", None, None),
        (dynamic(locations=[DE]), None, None, None, None),
        (dynamic(locations=[{**DE, "region": "DE-BE"}]), None, "DE", None, None),
        (dynamic(locations=[{**DE, "region": "DE-BE"}]), None, "US", None, False),
        (dynamic(locations=[{**DE, "region": None}]), None, "DE", None, True),
        (dynamic(proxyType="Any"), None, None, True, True),
        (dynamic(proxyType="Any"), None, None, False, False),
        (dynamic(proxyType="Any"), None, None, None, None),
        (dynamic(proxyType="Tor"), None, None, True, None),
        (dynamic(proxyType="Tor"), None, None, False, False),
        (dynamic(proxyType="NotTorAnonymizer"), None, None, False, False),
        (dynamic(proxyType="Odd"), None, None, False, None),
        (dynamic(proxyType="null", asns=["1"]), 1, None, True, True),
        (dynamic(proxyType="", asns=["1"]), 1, None, True, True),
        # All that is asked for must hold.
        (dynamic(asns=["1"], locations=[DE]), 1, "DE", None, True),
        (dynamic(asns=["1"], locations=[DE]), 2, "DE", None, False),
        (dynamic(asns=["1"], locations=[DE]), 2, "Germany", None, False),
        (dynamic(asns=["1"], locations=[DE]), 1, "Germany", None, None),
        (dynamic(asns=["1"], proxyType="Tor"), 1, None, True, None),
        (dynamic(asns=["1"], status="INACTIVE"), 1, None, None, False),
        # What asks for nothing was not understood.
        (dynamic(), 1, "DE", False, None),
        (dynamic(asns=[], locations=None, proxyType="null"), 1, "DE", False, None),
        (enhanced(asns={"include": ["1"]}), 1, None, None, True),
        (enhanced(asns={"include": ["1"]}), 2, None, None, False),
        (enhanced(asns={"include": [], "exclude": ["1"]}), 1, None, None, False),
        (enhanced(asns={"include": [], "exclude": ["1"]}), 2, None, None, True),
        (enhanced(asns={"exclude": ["1"]}), None, None, None, None),
        (enhanced(locations={"include": [DE]}), None, "DE", None, True),
        (enhanced(locations={"exclude": [DE]}), None, "DE", None, False),
        (enhanced(locations={"exclude": [DE]}), None, "Germany", None, None),
        (enhanced(ipServiceCategories={"include": ["ALL_ANONYMIZERS"]}), 1, "DE", True, None),
        (enhanced(ipServiceCategories={"exclude": ["ALL_ANONYMIZERS"]}), 1, "DE", False, None),
        (
            enhanced(asns={"include": ["1"]}, ipServiceCategories={"include": ["X"]}),
            *(2, None, False, False),
        ),
        (enhanced(asns={"include": ["1"]}, locations={"include": [DE]}), 1, "DE", None, True),
        (enhanced(), 1, "DE", False, None),
        (enhanced(asns=["1"]), 1, None, None, None),
        ({"type": "GEOFENCE", "status": "ACTIVE"}, 1, "DE", False, None),
        ({"type": "GEOFENCE", "status": "INACTIVE"}, 1, "DE", False, False),
        ({}, 1, "DE", False, None),
    ],
)
def test_dynamic_zones(
    zone: Zone,
    as_number: int | None,
    country: str | None,
    is_proxy: bool | None,
    expected: bool | None,
) -> None:
    assert holds(Known(zone), "192.0.2.1", as_number, country, is_proxy) is expected


@pytest.mark.parametrize(
    ("zone", "count", "opened"),
    [
        (ip(), 0, False),
        (ip("192.0.2.0/28"), 16, False),
        (ip("192.0.2.0/28", "192.0.2.8-192.0.2.19"), 20, False),
        (ip("2001:db8::/64"), 0, False),
        (ip("0.0.0.0/0"), 2**32, True),
        (ip("0.0.0.0/1", "128.0.0.0/1"), 2**32, True),
        (ip("1.0.0.0-255.255.255.255"), 2**32 - 2**24, True),
        (ip("0.0.0.0/2", "64.0.0.0/3"), 2**30 + 2**29, False),
        (ip("::/0"), 0, True),
        (ip("2000::/3"), 0, True),
        (ip("2000::/8"), 0, False),
        (ip("192.0.2.0/28", "x"), None, None),
        (ip(gateways={"type": "CIDR"}), None, None),
        (dynamic(asns=["1"]), None, None),
        ({}, None, None),
    ],
)
def test_how_many_addresses(zone: Zone, count: int | None, opened: bool | None) -> None:
    assert (addresses(zone), is_open(zone)) == (count, opened)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_odd_values_crash_nothing(odd: Any) -> None:
    keys = ("type", "status", "gateways", "proxies", "asns", "locations", "proxyType")
    for key in (*keys, "ipServiceCategories"):
        for zone in (OFFICE, dynamic(asns=["1"]), enhanced(asns={"include": ["1"]})):
            changed = {**zone, key: odd}
            assert holds(Known(changed), "192.0.2.1", 1, "DE", is_proxy=None) in (True, False, None)
            assert (addresses(changed) is None) == (is_open(changed) is None)
    gateway = {"type": odd, "value": odd}
    assert holds(Known(ip(gateways=[gateway])), "192.0.2.1", 1, "DE", is_proxy=None) is not True
    for key in ("country", "region"):
        holds(Known(dynamic(locations=[{**DE, key: odd}])), None, 1, "DE", is_proxy=None)


def test_three_answers() -> None:
    answers: list[bool | None] = [True, False, None]
    assert [any_of([a, b]) for a in answers for b in answers] == [
        *(True, True, True),
        *(True, False, None),
        *(True, None, None),
    ]
    assert [all_of([a, b]) for a in answers for b in answers] == [
        *(True, False, None),
        *(False, False, False),
        *(None, False, None),
    ]
    assert (any_of([]), all_of([])) == (False, True)


def test_gateways_are_read_once_and_merged() -> None:
    known = Known(ip("192.0.2.0/28", "192.0.2.4-192.0.2.99", "192.0.2.8", "2001:db8::/127", "odd"))
    assert holds(known, "192.0.2.99", None, None, is_proxy=None) is True
    assert holds(known, "192.0.2.100", None, None, is_proxy=None) is None
    assert known.ranges is known.ranges
    assert known.ranges is not None
    v4, v6 = 0xC0000200, 0x20010DB8 << 96
    assert known.ranges == ([((4, v4), (4, v4 + 99)), ((6, v6), (6, v6 + 1))], False)
