"""What differs between two snapshots, down to the key."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

from mfagap.harden import values
from mfagap.harden.snapshot import canonical, settable
from mfagap.harden.values import at
from mfagap.model.org import (
    PARTS,
    Json,
    Part,
    Snapshot,
)


class What(StrEnum):
    """How something differs."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    BECAME_UNKNOWN = "became unknown"
    BECAME_KNOWN = "became known"
    NOT_ASKED_OLD = "not asked for in the older one"
    NOT_ASKED_NEW = "not asked for in the newer one"


_OF_SOME: Final = {"groups": ("members of", "group"), "user_factors": ("factors of", "user")}
"""Parts that hold what was asked for alone: what is absent may exist all the same."""


@dataclass(frozen=True, slots=True)
class ChangedKey:
    """One value that differs.

    Attributes:
        path: Of keys, with dots between, and ``[n]`` for the n-th of a list from 0.
        old: As JSON has it; None also where it is not there.
        new: Likewise.
    """

    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One object, or one part, that differs.

    Attributes:
        part: One of ``PARTS``.
        id: Of the object, a policy's or a rule's too; empty for a part as a whole.
        name: As people know it; of a rule with its policy's before it. Of what was not asked for,
            how much that is.
        what: How.
        changes: Of what changed. Of what became known or unknown, the reasons under ``missing``.
    """

    part: str
    id: str
    name: str
    what: What
    changes: tuple[ChangedKey, ...] = ()


def differences(old: Snapshot, new: Snapshot) -> tuple[Difference, ...]:
    """Return what differs, by part and in the order of the newer one; what went comes last.

    What Okta sets itself does not count, and null is as good as absent. What is absent from a part
    that is not wholly known, or holds what was asked for alone, may be there all the same: it is
    neither added nor removed.
    """
    found: list[Difference] = []
    for name in PARTS:
        was, now = old.part(name), new.part(name)
        found += _known(name, was, now)
        older, newer = _keyed(was.items), _keyed(now.items)
        if name in _OF_SOME:
            found += _objects(name, older, newer, _Known(old=False, new=False))
            found += _not_asked(name, newer.keys() - older, was, What.NOT_ASKED_OLD)
            found += _not_asked(name, older.keys() - newer, now, What.NOT_ASKED_NEW)
        else:
            found += _objects(name, older, newer, _Known(was.known, now.known))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Known:
    """Whether what is absent from the older, and from the newer, does not exist."""

    old: bool
    new: bool


def _known(name: str, was: Part, now: Part) -> Iterator[Difference]:
    if was.known != now.known:
        what = What.BECAME_KNOWN if now.known else What.BECAME_UNKNOWN
        yield Difference(name, "", name, what, (ChangedKey("missing", was.missing, now.missing),))


def _not_asked(name: str, absent: Collection[str], part: Part, what: What) -> Iterator[Difference]:
    """Yield how much is absent from a known part that holds what was asked for alone."""
    if absent and part.known:
        of, noun = _OF_SOME[name]
        yield Difference(name, "", f"{of} {len(absent):,} {noun}{'s' * (len(absent) > 1)}", what)


def _objects(
    part: str, was: Mapping[str, Json], now: Mapping[str, Json], known: _Known, owner: str = ""
) -> Iterator[Difference]:
    """Yield what differs between objects by key; ``owner`` is the name of the policy of rules."""
    for key, item in now.items():
        if key not in was:
            if known.old:
                yield _difference(part, item, What.ADDED, owner)
                yield from _rules(part, {}, item, known)
            continue
        if changes := tuple(_changes("", _own(was[key]), _own(item))):
            yield _difference(part, item, What.CHANGED, owner, changes)
        yield from _rules(part, was[key], item, known)
    for key, item in was.items():
        if key not in now and known.new:
            yield _difference(part, item, What.REMOVED, owner)
            yield from _rules(part, item, {}, known)


def _rules(part: str, was: Json, now: Json, known: _Known) -> Iterator[Difference]:
    """Yield what differs in the rules of a policy; rules that were not read are not known."""
    held = [at(policy, "rules") for policy in (was, now)]
    if not any(map(values.is_list, held)):
        return
    readable = _Known(
        known.old and (not was or values.is_list(held[0])),
        known.new and (not now or values.is_list(held[1])),
    )
    rules = [_keyed(values.objects(rules)) for rules in held]
    yield from _objects(part, rules[0], rules[1], readable, _name(now or was))


def _difference(
    part: str, item: Json, what: What, owner: str, changes: tuple[ChangedKey, ...] = ()
) -> Difference:
    name = f"{owner}: {_name(item)}" if owner else _name(item)
    return Difference(part, _id(item), name, what, changes)


def _keyed(items: Sequence[Json]) -> dict[str, Json]:
    """Return ``items`` by id; those of the same id, or of none, are numbered."""
    seen: Counter[str] = Counter()
    keyed: dict[str, Json] = {}
    for item in values.objects(items):
        item_id = _id(item)
        keyed[f"{seen[item_id]} {item_id}"] = item
        seen[item_id] += 1
    return keyed


def _id(item: Json) -> str:
    return values.text(at(item, "id")) or values.text(at(item, "userId")) or ""


def _name(item: Json) -> str:
    return values.text(at(item, "name")) or _id(item)


def _own(item: Json) -> Json:
    return {key: value for key, value in settable(item).items() if key != "rules"}


def _changes(path: str, was: object, now: object) -> Iterator[ChangedKey]:
    if _is_object(was) and _is_object(now):
        old, new = cast("Json", was), cast("Json", now)
        for key in {**old, **new}:
            yield from _changes(f"{path}.{key}" if path else key, old.get(key), new.get(key))
    elif _alike(was, now):
        pairs = zip(values.items(was), values.items(now), strict=True)
        for number, (old, new) in enumerate(pairs):
            yield from _changes(f"{path}[{number}]", old, new)
    elif canonical(was) != canonical(now):  # to Python, true is 1
        yield ChangedKey(path, was, now)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _alike(was: object, now: object) -> bool:
    """Tell whether two lists hold as many objects each, which are then compared one by one."""
    both = [values.items(was), values.items(now)]
    return len(both[0]) == len(both[1]) and all(
        items and len(values.objects(items)) == len(items) for items in both
    )
