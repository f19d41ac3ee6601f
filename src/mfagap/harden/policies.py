"""An org's policies and rules, read from what the API returned, in the order they are asked in.

A condition that is not known here, or that is not of the form it should have, is named in
``other``: whether it holds cannot be seen, and a rule is not taken for wider than it is. So is a
``status`` that is neither ACTIVE nor INACTIVE: the object counts, and whether Okta asks it is not
seen.
"""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from mfagap.harden import values
from mfagap.harden.values import at
from mfagap.model.org import (
    Json,
    OktaPolicy,
    Rule,
    Snapshot,
    Wanted,
)

_FORMS: Final[Mapping[str, Mapping[str, type]]] = {
    "network": {"connection": str, "include": list, "exclude": list},
    "authContext": {"authType": str},
    "people": {"users": dict, "groups": dict},
    "people.users": {"include": list, "exclude": list},
    "people.groups": {"include": list, "exclude": list},
    "identityProvider": {"provider": str, "idpIds": list},
    "riskScore": {"level": str},
    "risk": {"behaviors": list},
}
"""A rule's conditions that are read: their keys, and the type of each."""
_RULE: Final = ("network", "authContext", "people", "identityProvider", "riskScore", "risk")
_FACTOR_MODES: Final = {"2FA": True, "1FA": False}


def read(snapshot: Snapshot, kind: str) -> tuple[OktaPolicy, ...]:
    """Return the policies of one type, and in each its rules, in the order they are asked in.

    Args:
        snapshot: Of the org.
        kind: One of ``POLICY_TYPES``.
    """
    found = [_policy(item, kind) for item in values.objects(snapshot.part(kind).items)]
    return tuple(sorted(found, key=_asked))


def rules(snapshot: Snapshot, kind: str) -> Iterator[Rule]:
    """Yield the rules of all policies of one type, in the order they are asked in."""
    for policy in read(snapshot, kind):
        yield from policy.rules or ()


def is_active(item: Json) -> bool:
    """Tell whether an object counts; one of an odd status is not to be passed over."""
    return at(item, "status") != "INACTIVE"


def _odd_status(item: Json) -> tuple[str, ...]:
    """Return ``status`` where it is odd; what is the system's own is never inactive."""
    is_clear = at(item, "system") is True or at(item, "status") in ("ACTIVE", "INACTIVE")
    return () if is_clear else ("status",)


def _asked(item: OktaPolicy | Rule) -> tuple[bool, bool, int]:
    return item.system, item.priority is None, item.priority or 0


def _policy(item: Json, kind: str) -> OktaPolicy:
    conditions = at(item, "conditions")
    policy_id = values.text(at(item, "id")) or ""
    held = at(item, "rules")
    users = () if values.is_empty(at(conditions, "people", "users")) else ("people.users",)
    read_rules = (_rule(rule, policy_id, kind) for rule in values.objects(held))
    return OktaPolicy(
        id=policy_id,
        name=values.text(at(item, "name")) or "",
        type=kind,
        priority=values.number(at(item, "priority")),
        active=is_active(item),
        system=at(item, "system") is True,
        groups=_wanted(at(conditions, "people", "groups")),
        other=(*users, *_other(conditions, ("people",)), *_odd_status(item)),
        rules=tuple(sorted(read_rules, key=_asked)) if values.is_list(held) else None,
        json={key: value for key, value in item.items() if key != "rules"},
    )


def _rule(item: Json, policy_id: str, kind: str) -> Rule:
    conditions = at(item, "conditions")
    signon = at(item, "actions", "appSignOn" if kind == "ACCESS_POLICY" else "signon")
    mode = values.text(at(signon, "verificationMethod", "factorMode"))
    return Rule(
        id=values.text(at(item, "id")) or "",
        name=values.text(at(item, "name")) or "",
        policy_id=policy_id,
        policy_type=kind,
        priority=values.number(at(item, "priority")),
        active=is_active(item),
        system=at(item, "system") is True,
        access=values.text(at(signon, "access")),
        requires_factor=(
            _FACTOR_MODES.get(mode or "")
            if kind == "ACCESS_POLICY"
            else values.flag(at(signon, "requireFactor"))
        ),
        prompt_mode=values.text(at(signon, "factorPromptMode")),
        factor_lifetime_min=values.number(at(signon, "factorLifetime")),
        remembers_device=values.flag(at(signon, "rememberDeviceByDefault")),
        primary_factor=values.text(at(signon, "primaryFactor")),
        auth_type=values.text(at(conditions, "authContext", "authType")),
        connection=values.text(at(conditions, "network", "connection")),
        zones=_wanted(at(conditions, "network")),
        users=_wanted(at(conditions, "people", "users")),
        groups=_wanted(at(conditions, "people", "groups")),
        idp_provider=values.text(at(conditions, "identityProvider", "provider")),
        idp_ids=values.texts(at(conditions, "identityProvider", "idpIds")),
        behaviors=values.texts(at(conditions, "risk", "behaviors")),
        risk_level=values.text(at(conditions, "riskScore", "level")),
        other=(*_other(conditions, _RULE), *_odd_status(item)),
        enroll_self=values.text(at(item, "actions", "enroll", "self")),
        json=item,
    )


def _wanted(condition: object) -> Wanted:
    include, exclude = at(condition, "include"), at(condition, "exclude")
    return Wanted(values.texts(include), values.texts(exclude))


def _other(conditions: object, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of what ``conditions`` ask for and nobody here understands, sorted."""
    if values.is_empty(conditions):
        return ()
    if not isinstance(conditions, Mapping):
        return ("conditions",)
    held = cast("Json", conditions).items()
    found = (
        _odd(name, value) if name in known else (name,)
        for name, value in held
        if not values.is_empty(value)
    )
    return tuple(sorted(values.text(name) or "" for names in found for name in names))


def _odd(name: str, value: object) -> list[str]:
    """Return ``name`` and below where ``value`` is not of the form that ``_FORMS`` tells."""
    if not isinstance(value, Mapping):
        return [name]
    found: list[str] = []
    for key, item in cast("Json", value).items():
        path = f"{name}.{key}"
        if values.is_empty(item):
            continue
        if path in _FORMS:
            found += _odd(path, item)
        elif not _is_of(item, _FORMS[name].get(key)):
            found.append(path)
    return found


def _is_of(value: object, kind: type | None) -> bool:
    if kind is list:
        return values.is_list(value) and len(values.texts(value)) == len(values.items(value))
    return kind is not None and isinstance(value, kind)
