"""What makes a part of a snapshot whole: a list that is cut short must not pass for all there is.

A scope or role that is too weak often shows less instead of refusing. What every org has is then
missed: a default policy of each kind, the default rule of the session policies, a password.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from mfagap.harden import values
from mfagap.harden.snapshot import canonical
from mfagap.harden.values import at
from mfagap.model.org import (
    PART_NAMES,
    POLICY_TYPES,
    UNREAD,
    Json,
    Part,
)

_HAVE_DEFAULT: Final = ("OKTA_SIGN_ON", "MFA_ENROLL", "PASSWORD")
_NAME_GROUPS: Final = ("OKTA_SIGN_ON", "MFA_ENROLL")
_MOST_NAMED: Final = 5
_LONGEST: Final = 40
"""Characters of an id that are shown; Okta's have 20."""


def judged(name: str, items: Sequence[object], problems: Iterable[str] = ()) -> Part:
    """Return the part that ``items`` are, with why it is not wholly known, if it is not.

    Args:
        name: One of ``PARTS``.
        items: As read. What is there twice and is the same counts once.
        problems: Why some of it could not be read.
    """
    objects, differing = _distinct(values.objects(items))
    found = [*problems]
    if odd := len(items) - len(values.objects(items)):
        found.append(f"{odd} of its items are no objects")
    found += [f"{named(differing)} is there twice, and differs"] if differing else []
    found += _lacks(name, objects)
    return Part(objects, "; ".join(dict.fromkeys(found)) or None)


def groups_named(parts: Mapping[str, Part]) -> tuple[str, ...]:
    """Return ids of the groups that session and enrollment policies are for, sorted."""
    named_ids = {
        group_id
        for kind in _NAME_GROUPS
        for item in parts.get(kind, UNREAD).items
        for word in ("include", "exclude")
        for group_id in values.texts(at(item, "conditions", "people", "groups", word))
    }
    return tuple(sorted(named_ids))


def judged_groups(
    items: Sequence[object], parts: Mapping[str, Part], problems: Iterable[str] = ()
) -> Part:
    """Return the part ``groups``, which is whole where each group that a policy names is there.

    Args:
        items: Groups, with ``members``.
        parts: The policies.
        problems: Why some could not be read.
    """
    found = [*problems]
    there = {values.text(at(item, "id")) for item in items}
    if absent := [group_id for group_id in groups_named(parts) if group_id not in there]:
        found = found or [f"{named(absent)}: not there"]
    for kind in _NAME_GROUPS:
        if (missing := parts.get(kind, UNREAD).missing) is not None:
            found.append(f"which groups count is not known, since {PART_NAMES[kind]}: {missing}")
    return judged("groups", items, found)


def is_everyone(group: Json) -> bool:
    """Tell whether a group is Okta's own, which holds all users."""
    return at(group, "type") == "BUILT_IN" and at(group, "profile", "name") == "Everyone"


def named(ids: Sequence[str]) -> str:
    """Return the first of ``ids``, and how many more there are."""
    more = len(ids) - _MOST_NAMED
    return ", ".join(some[:_LONGEST] for some in ids[:_MOST_NAMED]) + (
        f" and {more} more" if more > 0 else ""
    )


def _lacks(name: str, objects: Sequence[Json]) -> Iterator[str]:
    if name in POLICY_TYPES:
        yield from _policies_lack(name, objects)
    elif name == "authenticators":
        if all(at(item, "type") != "password" for item in objects):
            yield "the list is short: it has no password, which every org has"
    elif name == "threat_insight":
        yield from _threat_insight_lacks(objects)
    elif name == "user_factors":
        if not all(
            _has(item, "userId") and values.is_list(at(item, "factors")) for item in objects
        ):
            yield "it has users without a list of factors"
    elif not all(_has(item, "id") for item in objects):
        yield "it has items without an id"
    elif name == "groups" and not all(_has_members(item) for item in objects):
        yield "it has groups whose members could not be read"


def _threat_insight_lacks(objects: Sequence[Json]) -> Iterator[str]:
    if len(objects) != 1 or values.text(at(objects[0], "action")) is None:
        yield "it tells no action"
    for zones in (at(item, "excludeZones") for item in objects):
        ids, listed = values.texts(zones), values.items(zones)
        if not values.is_empty(zones) and (not ids or len(ids) < len(listed)):
            yield "which zones are exempt cannot be read"


def _policies_lack(kind: str, policies: Sequence[Json]) -> Iterator[str]:
    if not all(_has(item, "id") for item in policies):
        yield "it has policies without an id"
    if kind in _HAVE_DEFAULT and not any(at(item, "system") is True for item in policies):
        yield "the list is short: it has no default policy, which every org has"
    if kind == "ACCESS_POLICY" and not policies:
        yield "the list is short: it is empty, and every org of Identity Engine has one"
    without = [policy for policy in policies if not values.is_list(at(policy, "rules"))]
    if without:
        ids = [values.text(at(policy, "id")) or "?" for policy in without]
        yield f"the rules of {named(ids)} could not be read"
    every = [values.text(at(r, "id")) for p in policies for r in values.items(at(p, "rules"))]
    if twice := [rule_id for rule_id, count in Counter(every).items() if rule_id and count > 1]:
        yield f"{named(twice)} is there twice"
    for policy in policies:
        rules = values.items(at(policy, "rules"))
        if not all(_has(rule, "id") for rule in rules):
            yield f"{named([values.text(at(policy, 'id')) or '?'])} has rules without an id"
        is_default = kind == "OKTA_SIGN_ON" and at(policy, "system") is True
        if is_default and policy not in without and not any(at(r, "system") is True for r in rules):
            yield "the list is short: the default policy has no default rule, which every one has"


def _has(item: object, key: str) -> bool:
    return bool(values.text(at(item, key)))


def _has_members(group: Json) -> bool:
    members = at(group, "members")
    whole = len(values.texts(members)) == len(values.items(members))
    return is_everyone(group) or (values.is_list(members) and whole)


def _distinct(objects: Iterable[Json]) -> tuple[tuple[Json, ...], list[str]]:
    """Return ``objects`` without repeats, and ids of those that are there twice and differ."""
    kept: dict[bytes, Json] = {canonical(item): item for item in objects}
    counts: dict[str, int] = {}
    for item in kept.values():
        for key in ("id", "userId"):
            if (found := values.text(at(item, key))) is not None:
                counts[found] = counts.get(found, 0) + 1
                break
    return tuple(kept.values()), [found for found, count in counts.items() if count > 1]
