"""Decides a sign-in by an org's session policies, as Okta does.

Okta asks the policies by priority, and passes over one whose conditions cannot be met; then its
rules by priority; and where no rule of it matches, the next policy (Policy API, "Policy
evaluation"). A condition has three answers: it is met, it is not, or None where neither the log
nor the snapshot shows it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self, cast

from mfagap.harden import tables, values, zones
from mfagap.harden.completeness import is_everyone
from mfagap.harden.values import at
from mfagap.harden.zones import Zone, all_of, any_of
from mfagap.model.hardening import (
    Access,
    Decision,
    SignIn,
)
from mfagap.model.org import (
    Json,
    OktaPolicy,
    Rule,
    Snapshot,
    Wanted,
)

Conditions = Sequence[tuple[str, bool | None]]
"""Names of conditions, as the Policy API has them, and whether each is met."""

Holds = Callable[[str], bool | None]
"""Tells of an id whether what it names holds the sign-in."""

ALL_ZONES: Final = "ALL_ZONES"
"""What a rule's network condition names where it means any zone of the org."""

_LEVELS: Final = ("LOW", "MEDIUM", "HIGH")
_CHANNELS: Final = ("RADIUS", "LDAP_INTERFACE")
_DETECTED: Final = ("POSITIVE", "UNKNOWN", "BAD_REQUEST")
"""With these a rule that names the behavior matches: Okta takes what it cannot tell for detected
(Okta's help, "Behavior Detection System Log events")."""


@dataclass(frozen=True, slots=True)
class Org:
    """What a snapshot tells of the things that conditions name.

    Attributes:
        zones: Network zones by id.
        zones_known: Whether there are no others.
        members: Ids of each group's users, by its id; a group that is absent is not known.
        everyone: Ids of the groups that hold all users.
        factors: How many second factors each user can use, by id; who is absent is not known.
    """

    zones: Mapping[str, Zone]
    zones_known: bool
    members: Mapping[str, frozenset[str]]
    everyone: frozenset[str]
    factors: Mapping[str, int]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Return what ``snapshot`` tells."""
        groups = values.objects(snapshot.part("groups").items)
        counted = tables.tables(snapshot)["factor_users"].rows
        return cls(
            zones={_id(zone): Zone(zone) for zone in values.objects(snapshot.part("zones").items)},
            zones_known=snapshot.part("zones").known,
            members={
                _id(group): frozenset(values.texts(at(group, "members")))
                for group in groups
                if values.is_list(at(group, "members"))
            },
            everyone=frozenset(_id(group) for group in groups if is_everyone(group)),
            factors={str(user): cast("int", count) for user, count in counted},
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule that may decide.

    Attributes:
        policy: Its policy.
        rule: None where the policy's rules could not be read.
        access: What it comes to; None where that cannot be told.
        unseen: Conditions on which it hangs whether it decides, as ``id: condition``; none where it
            does for certain, should none of the candidates before it.
    """

    policy: OktaPolicy
    rule: Rule | None
    access: Access | None
    unseen: tuple[str, ...]


def decide(policies: Sequence[OktaPolicy], sign_in: SignIn, org: Org) -> Decision:
    """Return what ``policies`` come to for ``sign_in``.

    A rule that asks for a factor comes to CHALLENGE, though Okta allows where it remembers one.

    Args:
        policies: Session policies, in the order in which they are asked.
        sign_in: As the log shows it.
        org: What the policies name.
    """
    return concluded(candidates(policies, sign_in, org))


def concluded(found: Sequence[Candidate]) -> Decision:
    """Return what candidates come to; all that are there, in the order in which they are asked."""
    certain = bool(found) and not found[-1].unseen
    accesses = {candidate.access for candidate in found}
    access = accesses.pop() if len(accesses) == 1 else None
    if access is None or not certain:
        return Decision(None, None, None, tuple(dict.fromkeys(_that_matter(found))))
    policies = {candidate.policy.id for candidate in found}
    last = found[-1].rule
    return Decision(
        access,
        last.id if last and len(found) == 1 else None,
        found[-1].policy.id if len(policies) == 1 else None,
    )


def candidates(policies: Sequence[OktaPolicy], sign_in: SignIn, org: Org) -> tuple[Candidate, ...]:
    """Return the rules that may decide, in the order in which they are asked.

    The last of them decides for certain, should none before it; unless it has ``unseen``, which
    with Okta's default policy, that matches everybody, does not happen.
    """
    found: list[Candidate] = []
    for policy in policies:
        if not policy.active or policy.type != "OKTA_SIGN_ON":
            continue
        conditions = _of_policy(policy, sign_in, org)
        if all_of(met for _, met in conditions) is False:
            continue
        unseen = _unseen(policy.id, conditions)
        for candidate in _within(policy, unseen, sign_in, org):
            found.append(candidate)
            if not candidate.unseen:
                return tuple(found)
    return tuple(found)


def remembers(rule: Rule) -> bool:
    """Tell whether Okta may allow, by a rule that asks for a factor, since one was passed before.

    It does so per device, or per session within the factor's lifetime; never where it always asks,
    whatever lifetime stands beside that.
    """
    mode = rule.prompt_mode or ("SESSION" if rule.factor_lifetime_min else None)
    return mode in ("DEVICE", "SESSION")


def _within(
    policy: OktaPolicy, unseen: tuple[str, ...], sign_in: SignIn, org: Org
) -> Iterator[Candidate]:
    """Yield the rules of a policy, whose own ``unseen`` they share, up to one that is sure."""
    if policy.rules is None:
        yield Candidate(policy, None, None, (*unseen, f"{policy.id}: rules were not read"))
    for rule in policy.rules or ():
        conditions = _of_rule(rule, sign_in, org)
        met = all_of(met for _, met in conditions)
        if rule.active and met is not False:
            yield Candidate(policy, rule, _access(rule), (*unseen, *_unseen(rule.id, conditions)))
            if met:
                return


def _access(rule: Rule) -> Access | None:
    if rule.access == "DENY":
        return Access.DENY
    if rule.access != "ALLOW":
        return None
    return Access.CHALLENGE if rule.requires_factor else Access.ALLOW


def _that_matter(found: Sequence[Candidate]) -> Iterator[str]:
    """Yield what would have to be seen; not of rules that come to the same as all after them."""
    if not found or found[-1].unseen:
        yield "policies: none is sure to match"
        end = len(found)
    else:
        end = len(found) - 1
        while end and found[end - 1].access == found[-1].access is not None:
            end -= 1
    for candidate in found[:end]:
        yield from candidate.unseen
    for candidate in (*found[:end], *found[-1:]):
        if candidate.rule and candidate.access is None:
            yield f"{candidate.rule.id}: access {candidate.rule.access!r}"


def _unseen(owner: str, conditions: Conditions) -> tuple[str, ...]:
    return tuple(f"{owner}: {name}" for name, met in conditions if met is None)


def _of_policy(policy: OktaPolicy, sign_in: SignIn, org: Org) -> Conditions:
    if policy.system:  # the default policy is for everyone
        return ()
    groups = _wanted(policy.groups, lambda group: _belongs(sign_in, group, org))
    return [("people.groups", groups), *((name, None) for name in policy.other)]


def _of_rule(rule: Rule, sign_in: SignIn, org: Org) -> Conditions:
    return [
        *_people(rule, sign_in, org),
        ("network", _network(rule, sign_in, org)),
        ("authContext", _channel(rule, sign_in)),
        ("identityProvider", _provider(rule, sign_in)),
        ("risk.behaviors", _behaviors(rule, sign_in)),
        ("riskScore", _risk(rule, sign_in)),
        *((name, None) for name in rule.other),
    ]


def _people(rule: Rule, sign_in: SignIn, org: Org) -> Conditions:
    def is_user(user: str) -> bool | None:
        return user == sign_in.actor_id if sign_in.actor_id else None

    def is_in(group: str) -> bool | None:
        return _belongs(sign_in, group, org)

    users, groups = _wanted(rule.users, is_user), _wanted(rule.groups, is_in)
    if rule.users.include and rule.groups.include:
        named = any_of(map(is_user, rule.users.include))
        if named is not any_of(map(is_in, rule.groups.include)):
            # Okta does not say whether one of the two is enough.
            users = all_of((None, _spares(rule.users, is_user)))
            groups = all_of((None, _spares(rule.groups, is_in)))
    return [("people.users", users), ("people.groups", groups)]


def _network(rule: Rule, sign_in: SignIn, org: Org) -> bool | None:
    if rule.connection in (None, "ANYWHERE"):
        return True
    if rule.connection != "ZONE" or rule.zones.anything:
        return None
    return _wanted(rule.zones, lambda zone: _comes_from(zone, sign_in, org))


def _channel(rule: Rule, sign_in: SignIn) -> bool | None:
    if rule.auth_type in (None, "ANY"):
        return True
    return rule.auth_type == sign_in.auth_type if rule.auth_type in _CHANNELS else None


def _provider(rule: Rule, sign_in: SignIn) -> bool | None:
    match rule.idp_provider:
        case None | "ANY":
            return True
        case "OKTA":
            return sign_in.idp_id is None
        case "SPECIFIC_IDP":
            if sign_in.idp_id is None:
                return False
            return sign_in.idp_id in rule.idp_ids if sign_in.idp_id and rule.idp_ids else None
        case _:
            return None


def _behaviors(rule: Rule, sign_in: SignIn) -> bool | None:
    """Tell whether a behavior was detected; a rule names ids, and the log has names."""
    if not rule.behaviors:
        return True
    if sign_in.behaviors and all(word == "NEGATIVE" for word in sign_in.behaviors.values()):
        return False
    detected = any(sign_in.behaviors.get(name) in _DETECTED for name in rule.behaviors)
    return True if detected else None


def _risk(rule: Rule, sign_in: SignIn) -> bool | None:
    if rule.risk_level in (None, "ANY"):
        return True
    if rule.risk_level not in _LEVELS or sign_in.risk_level not in _LEVELS:
        return None
    return rule.risk_level == sign_in.risk_level


def _wanted(wanted: Wanted, holds: Holds) -> bool | None:
    """Tell whether one of what is included holds, and nothing of what is excluded."""
    included = any_of(map(holds, wanted.include)) if wanted.include else True
    return all_of((included, _spares(wanted, holds)))


def _spares(wanted: Wanted, holds: Holds) -> bool | None:
    """Tell whether nothing holds of what is excluded."""
    excluded = any_of(map(holds, wanted.exclude))
    return None if excluded is None else not excluded


def _belongs(sign_in: SignIn, group: str, org: Org) -> bool | None:
    if group in org.everyone:
        return True
    members = org.members.get(group)
    return sign_in.actor_id in members if members is not None and sign_in.actor_id else None


def _comes_from(zone_id: str, sign_in: SignIn, org: Org) -> bool | None:
    """Tell whether a sign-in comes from a zone.

    The log names the zone that Okta saw: where it does, and the zone of today does not hold the
    address, neither is believed.
    """
    if zone_id == ALL_ZONES:
        # Of what is blocked no policy is asked.
        named = (zone for zone in org.zones.values() if at(zone.json, "usage") != "BLOCKLIST")
        held = any_of(_held(zone, sign_in) for zone in named)
        return held if held or org.zones_known else None
    zone = org.zones.get(zone_id)
    return None if zone is None else _held(zone, sign_in)


def _held(zone: Zone, sign_in: SignIn) -> bool | None:
    held = zones.holds(zone, sign_in.address, sign_in.as_number, sign_in.country, sign_in.is_proxy)
    if sign_in.client_zone is None or sign_in.client_zone != at(zone.json, "name"):
        return held
    return None if held is False else True


def _id(item: Json) -> str:
    return values.text(at(item, "id")) or ""
