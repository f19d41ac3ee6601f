"""What a network zone holds, as far as its definition and a sign-in's log tell.

Three answers: it holds the sign-in, it does not, or None where that cannot be seen.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from mfagap.harden import policies, values
from mfagap.harden.values import at
from mfagap.model.org import Json

Address = tuple[int, int]
"""Version (4, 6) and number."""
Range = tuple[Address, Address]
"""First and last, of one version."""

_OPEN_V4: Final = 2**31
_OPEN_V6: Final = 2**124
"""Half of IPv6's global addresses, ``2000::/3``."""


@dataclass(frozen=True)
class Zone:
    """A network zone, as the API returned it; its gateways are read once."""

    json: Json

    @cached_property
    def ranges(self) -> tuple[list[Range], bool] | None:
        """Gateways of an IP zone, sorted, none of which overlap, and whether these are all.

        None where there is no list of them.
        """
        gateways = at(self.json, "gateways")
        if at(self.json, "type") != "IP":
            return None
        if not (values.is_empty(gateways) or values.is_list(gateways)):
            return None
        found = [_range(gateway) for gateway in values.items(gateways)]
        return _merged(filter(None, found)), None not in found


def holds(
    known: Zone,
    address: str | None,
    as_number: int | None,
    country: str | None,
    is_proxy: bool | None,
) -> bool | None:
    """Tell whether a sign-in comes from a zone; None where that cannot be seen.

    Args:
        known: The zone.
        address: IP address of the sign-in.
        as_number: Of the address.
        country: As the log has it: a name. A zone has codes, so that two countries can be compared
            only where they are equal, or where the log has a code too.
        is_proxy: Whether the log calls the address a proxy.
    """
    zone = known.json
    if not policies.is_active(zone):
        return False
    match at(zone, "type"):
        case "IP":
            return _in_gateways(known, address)
        case "DYNAMIC":
            asked = [
                *_some(at(zone, "asns"), lambda asn: _is_as(asn, as_number)),
                *_some(at(zone, "locations"), lambda place: _is_in(place, country)),
                *_proxy(at(zone, "proxyType"), is_proxy),
            ]
        case "DYNAMIC_V2":
            asked = [
                *_both(at(zone, "asns"), lambda asn: _is_as(asn, as_number)),
                *_both(at(zone, "locations"), lambda place: _is_in(place, country)),
                *_both(at(zone, "ipServiceCategories"), lambda _: None),  # the log has none
            ]
        case _:
            return None
    return all_of(asked) if asked else None  # what asks for nothing was not understood


def addresses(zone: Json) -> int | None:
    """Return how many IPv4 addresses are gateways of ``zone``; None where that cannot be told."""
    return _amount(zone, 4)


def is_open(zone: Json) -> bool | None:
    """Tell whether an IP zone holds half or more of all addresses of IPv4, or of IPv6's global."""
    v4, v6 = _amount(zone, 4), _amount(zone, 6)
    return None if v4 is None or v6 is None else v4 >= _OPEN_V4 or v6 >= _OPEN_V6


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Return whether one of ``answers`` holds; None where that hangs on one that is not seen."""
    seen = set(answers)
    return True if True in seen else None if None in seen else False


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """Return whether all ``answers`` hold; None where that hangs on one that is not seen."""
    seen = set(answers)
    return False if False in seen else None if None in seen else True


def _some(wanted: object, holds_for: Callable[[object], bool | None]) -> Iterator[bool | None]:
    """Yield whether one of what is wanted holds; nothing where nothing is wanted."""
    if not values.is_empty(wanted):
        yield any_of(map(holds_for, values.items(wanted))) if values.is_list(wanted) else None


def _both(wanted: object, holds_for: Callable[[object], bool | None]) -> Iterator[bool | None]:
    """Yield whether what is included holds, and whether nothing does that is excluded."""
    include, exclude = at(wanted, "include"), at(wanted, "exclude")
    if not values.is_empty(wanted) and include is None and exclude is None:
        yield None
    yield from _some(include, holds_for)
    for excluded in _some(exclude, holds_for):
        yield None if excluded is None else not excluded


def _is_as(wanted: object, as_number: int | None) -> bool | None:
    text = str(wanted).removeprefix("AS")
    if as_number is None or not (text.isascii() and text.isdigit()):
        return None
    return text.lstrip("0") == str(as_number)


def _is_in(place: object, country: str | None) -> bool | None:
    code = values.text(at(place, "country"))
    if code is None or country is None:
        return None
    if code != country:
        return False if _is_code(code) and _is_code(country) else None
    return True if values.is_empty(at(place, "region")) else None  # the log has names of those


def _is_code(country: str) -> bool:
    return re.fullmatch("[A-Z]{2}", country) is not None


def _proxy(kind: object, is_proxy: bool | None) -> Iterator[bool | None]:
    """Yield whether a proxy of the kind is used; the log does not tell Tor from others."""
    if values.is_empty(kind) or kind == "null":
        return
    if kind == "Any":
        yield is_proxy
    else:
        yield False if kind in ("Tor", "NotTorAnonymizer") and is_proxy is False else None


def _in_gateways(zone: Zone, address: str | None) -> bool | None:
    if values.is_empty(at(zone.json, "gateways")):
        return False
    found = _address(address)
    if found is None or zone.ranges is None:
        return None
    ranges, are_all = zone.ranges
    before = bisect_right(ranges, found, key=lambda ends: ends[0])
    if before and found <= ranges[before - 1][1]:
        return True
    return False if are_all else None


def _amount(zone: Json, version: int) -> int | None:
    """Return how many addresses of ``version`` are gateways; None where not all can be read."""
    ranges, are_all = Zone(zone).ranges or ([], False)
    if not are_all:
        return None
    return sum(last[1] - first[1] + 1 for first, last in ranges if first[0] == version)


def _range(gateway: object) -> Range | None:
    """Return what a gateway of type CIDR or RANGE holds; None where it cannot be read."""
    value = values.text(at(gateway, "value")) or ""
    try:
        match at(gateway, "type"):
            case "CIDR":
                network = ip_network(value.strip(), strict=False)
                ends = network[0], network[-1]
            case "RANGE":
                first, _, last = value.partition("-")
                ends = ip_address(first.strip()), ip_address((last or first).strip())
            case _:
                return None
    except ValueError:
        return None
    found, end = ((address.version, int(address)) for address in ends)
    return (found, end) if found[0] == end[0] and found <= end else None


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _address(text: str | None) -> Address | None:
    try:
        found = ip_address((text or "").strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    found = mapped or found
    return found.version, int(found)
