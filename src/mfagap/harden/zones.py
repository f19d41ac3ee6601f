"""What a network zone holds, as far as its definition and a sign-in's log tell.

Three answers: it holds the sign-in, it does not, or None where that cannot be seen.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import Final

from mfagap.harden import policies, values
from mfagap.harden.values import at
from mfagap.model.org import Json

Network = IPv4Network | IPv6Network

_OPEN_V4: Final = 2**31
_OPEN_V6: Final = 2**124
"""Half of IPv6's global addresses, ``2000::/3``."""


def holds(
    zone: Json,
    address: str | None,
    as_number: int | None,
    country: str | None,
    is_proxy: bool | None,
) -> bool | None:
    """Tell whether a sign-in comes from ``zone``; None where that cannot be seen.

    Args:
        zone: As the API returned it.
        address: IP address of the sign-in.
        as_number: Of the address.
        country: As the log has it: a name. A zone has codes, so that two countries can be compared
            only where they are equal, or where the log has a code too.
        is_proxy: Whether the log calls the address a proxy.
    """
    if not policies.is_active(zone):
        return False
    match at(zone, "type"):
        case "IP":
            return _in_gateways(zone, address)
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
    networks = _gateways(zone)
    if networks is None:
        return None
    return sum(net.num_addresses for net in networks if isinstance(net, IPv4Network))


def is_open(zone: Json) -> bool | None:
    """Tell whether an IP zone holds half or more of all addresses of IPv4, or of IPv6's global."""
    networks = _gateways(zone)
    if networks is None:
        return None
    v6 = sum(net.num_addresses for net in networks if isinstance(net, IPv6Network))
    return (addresses(zone) or 0) >= _OPEN_V4 or v6 >= _OPEN_V6


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


def _in_gateways(zone: Json, address: str | None) -> bool | None:
    gateways = at(zone, "gateways")
    if values.is_empty(gateways):
        return False
    found = _address(address)
    if found is None or not values.is_list(gateways):
        return None
    networks = [_networks(gateway) for gateway in values.items(gateways)]
    return any_of(None if some is None else any(found in net for net in some) for some in networks)


def _gateways(zone: Json) -> list[Network] | None:
    """Return the networks of an IP zone's gateways, none of which overlap."""
    gateways = at(zone, "gateways")
    if at(zone, "type") != "IP" or not (values.is_empty(gateways) or values.is_list(gateways)):
        return None
    v4: list[IPv4Network] = []
    v6: list[IPv6Network] = []
    for gateway in values.items(gateways):
        networks = _networks(gateway)
        if networks is None:
            return None
        v4 += [net for net in networks if isinstance(net, IPv4Network)]
        v6 += [net for net in networks if isinstance(net, IPv6Network)]
    return [*collapse_addresses(v4), *collapse_addresses(v6)]


def _networks(gateway: object) -> list[Network] | None:
    """Return what a gateway of type CIDR or RANGE holds; None where it cannot be read."""
    value = values.text(at(gateway, "value")) or ""
    try:
        match at(gateway, "type"):
            case "CIDR":
                return [ip_network(value.strip(), strict=False)]
            case "RANGE":
                first, _, last = value.partition("-")
                ends = (ip_address(first.strip()), ip_address((last or first).strip()))
                return list(_summarized(*ends))
            case _:
                return None
    except (ValueError, TypeError):
        return None


def _summarized(
    first: IPv4Address | IPv6Address, last: IPv4Address | IPv6Address
) -> Iterator[Network]:
    if isinstance(first, IPv4Address) and isinstance(last, IPv4Address):
        return summarize_address_range(first, last)
    if isinstance(first, IPv6Address) and isinstance(last, IPv6Address):
        return summarize_address_range(first, last)
    raise ValueError("a range of two kinds of addresses")


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address((text or "").strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
