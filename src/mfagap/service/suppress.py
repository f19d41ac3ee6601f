"""Exceptions on alerts: added, listed, shown and ended by people."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from mfagap.detect.evaluate import rfc3339
from mfagap.detect.load import load_all
from mfagap.errors import UsageError
from mfagap.service.casebook import Person, covers, opened
from mfagap.service.run import wall_ms
from mfagap.service.scan import ahead
from mfagap.settings import Settings
from mfagap.state.alerts import Alerts
from mfagap.state.database import Database, Row
from mfagap.state.suppressions import Suppressions

DAY_MS = 24 * 3600 * 1000

SCOPE = ("detection", "user", "address", "rule", "client")
"""What a suppression may ask of a sign-in."""

LEAST_BITS = {4: 8, 6: 32}
"""The shortest prefix of a range, by IP version: one that is shorter is no scope."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A suppression as a person asks for it.

    Attributes:
        owner: Who answers for it.
        reason: Why it is right.
        until: Its expiry: ISO 8601, or a duration from now.
        scope: Conditions by their names in ``SCOPE``; what is not asked is None.
        by: Who adds it; None for the owner.
    """

    owner: str
    reason: str
    until: str
    scope: dict[str, str | None]
    by: str | None = None


def add(settings: Settings, wanted: Wanted) -> tuple[Row, int]:
    """Add a suppression; return it, and how many alerts it hides now.

    It does not wait for a run that is under way: SQLite puts one change after the other.

    Raises:
        UsageError: It is not whole, too wide or too long, or there is no state.
        StateError: The state cannot be written.
    """
    now_ms = wall_ms()
    values = {
        **_scope(wanted.scope),
        "owner": _said(wanted.owner, "--owner"),
        "reason": _said(wanted.reason, "--reason"),
        "added_by": _said(wanted.owner if wanted.by is None else wanted.by, "--by"),
        "added_ms": now_ms,
        "until_ms": _expiry(wanted.until, now_ms, settings),
    }
    with opened(settings) as database:
        with database.change():
            number = Suppressions(database).add(values)
        row = Suppressions(database).get(number)
        return row, len(_hidden(database, now_ms).get(number, []))


def expire(settings: Settings, suppression: int, person: Person) -> None:
    """End a suppression before its expiry; nobody is told of what it hid.

    Raises:
        UsageError: There is none of that number, it has ended already, or there is no state.
        StateError: The state cannot be written.
    """
    now_ms = wall_ms()
    with opened(settings) as database, database.change():
        suppressions = Suppressions(database)
        row = suppressions.get(suppression)
        if not holds(row, now_ms):
            since = rfc3339(row["ended_ms"] or row["until_ms"])
            raise UsageError(f"suppression {suppression} has ended already, at {since}")
        suppressions.end(suppression, now_ms, _said(person.name, "--by"), person.note)


def listed(settings: Settings, *, everything: bool) -> list[Row]:
    """Return the suppressions that hold, or all.

    Each with ``holds``, and the numbers of the alerts that it ``hides``.

    Raises:
        UsageError: There is no state.
        StateError: The state cannot be read.
    """
    now_ms = wall_ms()
    with opened(settings) as database:
        hidden = _hidden(database, now_ms)
        rows = [
            {**row, "holds": holds(row, now_ms), "hides": hidden.get(int(row["id"]), [])}
            for row in Suppressions(database).all()
        ]
    return [row for row in rows if everything or row["holds"]]


def shown(settings: Settings, suppression: int) -> Iterator[str]:
    """Yield one suppression in words: its scope, what it hides, and who did what.

    Raises:
        UsageError: There is none of that number, or no state.
        StateError: The state cannot be read.
    """
    now_ms = wall_ms()
    with opened(settings) as database:
        row = Suppressions(database).get(suppression)
        numbers = _hidden(database, now_ms).get(suppression, [])
    held = holds(row, now_ms)
    yield f"suppression {suppression}: {'holds' if held else 'has ended'}"
    yield f"  owner {row['owner']}: {row['reason']}"
    yield from (f"  {name} {row[name]}" for name in SCOPE if row[name] is not None)
    yield f"  hides {_alerts(numbers)}"
    yield f"  {rfc3339(row['added_ms'])}  added by {row['added_by']}"
    if row["ended_ms"] is not None:
        note = f": {row['note']}" if row["note"] else ""
        yield f"  {rfc3339(row['ended_ms'])}  ended by {row['ended_by']}{note}"
    else:
        yield f"  {rfc3339(row['until_ms'])}  {'expires' if held else 'expired'}"


def holds(row: Row, now_ms: int) -> bool:
    """Tell whether a suppression hides alerts at ``now_ms``."""
    return row["ended_ms"] is None and now_ms < row["until_ms"]


def _alerts(numbers: list[int]) -> str:
    if not numbers:
        return "no alert"
    return f"alert{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"


def _hidden(database: Database, now_ms: int) -> dict[int, list[int]]:
    """Return the numbers of the alerts that each suppression hides, by its own."""
    found: dict[int, list[int]] = {}
    for alert, covered in sorted(covers(database, Alerts(database).listed(), now_ms).items()):
        for number in covered.suppressions:
            found.setdefault(number, []).append(alert)
    return found


def _said(text: str, option: str) -> str:
    if not text.strip():
        raise UsageError(f"{option} is empty")
    return text.strip()


def _expiry(text: str, now_ms: int, settings: Settings) -> int:
    """Return the moment that ``text`` names, as UTC epoch milliseconds."""
    until_ms = ahead(text, now_ms, "--until")
    if until_ms <= now_ms:
        raise UsageError(f"--until {text}: that is past")
    if until_ms > now_ms + settings.suppression_days * DAY_MS:
        raise UsageError(
            f"--until {text}: a suppression lasts {settings.suppression_days} days at most "
            "(suppression_days in the settings); add it again once it has ended and is still right"
        )
    return until_ms


def _scope(asked: dict[str, str | None]) -> dict[str, str | None]:
    """Return the conditions of a suppression, each by its name in ``SCOPE``."""
    scope = {name: asked.get(name) for name in SCOPE}
    for name, text in scope.items():
        if text is not None:
            scope[name] = _said(text, f"--{name}")
    if all(scope[name] is None for name in ("user", "address", "rule")):
        raise UsageError(
            "a suppression needs --user, --address or --rule: all else is too wide, and a client's "
            "name is what whoever signs in says it is"
        )
    known = sorted(detection.id for detection in load_all())
    if scope["detection"] is not None and scope["detection"] not in known:
        there = ", ".join(known)
        raise UsageError(f"--detection: no detection {scope['detection']!r}; there are: {there}")
    if scope["address"] is not None:
        scope["address"] = _addresses(scope["address"])
    return scope


def _addresses(text: str) -> str:
    """Return an address, or a range of them, in its plain form."""
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        hint = "write it as 192.0.2.1 or 192.0.2.0/24"
        raise UsageError(f"--address: {text!r} is no address and no range; {hint}") from error
    if network.prefixlen < LEAST_BITS[network.version]:
        least = LEAST_BITS[network.version]
        raise UsageError(f"--address {text}: too wide; give /{least} or longer")
    return str(network.network_address) if network.num_addresses == 1 else str(network)
