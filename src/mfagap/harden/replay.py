"""Decides logged sign-ins again: as a proof of the evaluator, and to tell what a plan would do."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Literal, Self, TypeVar

from mfagap.detect.evaluate import rfc3339
from mfagap.harden import values
from mfagap.harden.evaluator import Candidate, Org, candidates, concluded, remembers
from mfagap.model import VerdictWord
from mfagap.model.hardening import (
    Access,
    Affected,
    Agreement,
    Decision,
    Disagreement,
    Effect,
    RuleAgreement,
    SignIn,
)
from mfagap.model.org import OktaPolicy, Rule

MOST_DISAGREEMENTS: Final = 200
"""How many are listed; all are counted (``Agreement.left_out``)."""

T = TypeVar("T")
Found = tuple[Candidate, ...]
Word = Literal["disagreed", "undecided", "agreed"]
Judged = tuple[Effect, str]
"""An effect, and why, in a sentence."""

_CHANNELS: Final = {
    "RADIUS": "the channel (RADIUS)",
    "LDAP_INTERFACE": "the channel (LDAP interface)",
}
RECORDED: Final = frozenset(
    (
        *("uuid", "event_ms", "login", "passed_factor", "factor_first", "result"),
        *("policy_id", "rule_id", "verdict", "behaviors"),
    )
)
"""Fields of a sign-in that no condition is about."""

_ASKED_ABOUT: Final = tuple(item.name for item in fields(SignIn) if item.name not in RECORDED)
"""What of a sign-in a condition may be about, beside its behaviors."""

_WORST: Final = tuple(Effect)
_AS_TODAY: Final[Judged] = (Effect.UNAFFECTED, "the same rules decide as today")
_NOT_BELIEVED: Final[Judged] = (
    Effect.UNKNOWN,
    "today's policies decide otherwise than Okta recorded: there is something that is not seen",
)
_NO_POLICY: Final[Judged] = (
    Effect.UNKNOWN,
    "the log does not tell which session policy decided",
)
_ACCESSES: Final = frozenset(access.value for access in Access)


def agreement(
    policies: Sequence[OktaPolicy],
    sign_ins: Iterable[SignIn],
    org: Org,
    changed: Mapping[str, int] | None = None,
) -> Agreement:
    """Return how often ``policies`` decide as Okta recorded.

    They do where the recorded rule is among those that may decide, and all of these come to what
    was recorded. Where a rule asks for a factor, Okta's ALLOW is the same if the rule remembers
    factors, or if one had been passed. They disagree where the recorded rule cannot decide, or
    comes to something else; all between is undecided.

    Args:
        policies: Session policies of today, in the order in which they are asked.
        sign_ins: With what Okta recorded.
        org: What the policies name.
        changed: When each policy, rule, zone and user's groups were last changed, by id (see
            ``sign_ins.changes``); a disagreement from before that, or from before policies and
            rules say that they were updated, is undecided.
    """
    record = _Record.of(policies, changed or {})
    deciding = _once(lambda sign_in: candidates(policies, sign_in, org))
    counts: defaultdict[str | None, Counter[Word]] = defaultdict(Counter)
    listed: list[tuple[Word, Disagreement]] = []
    before_change = 0
    for sign_in in sign_ins:
        found = deciding(sign_in)
        word, decision = record.compared(sign_in, found)
        since = record.changed(sign_in, found) if word == "disagreed" else None
        if since is not None:
            before_change += 1
            word, decision = "undecided", replace(decision, unseen=(since,))
        counts[sign_in.rule_id][word] += 1
        if word != "agreed":
            listed.append((word, Disagreement(sign_in, decision)))
    listed.sort(key=lambda pair: _first_listed(*pair))
    rules = [
        RuleAgreement(
            rule_id, record.name(rule_id), said["agreed"], said["undecided"], said["disagreed"]
        )
        for rule_id, said in counts.items()
    ]
    rules.sort(key=lambda r: (-r.disagreed, -r.undecided, -r.agreed, r.rule_id or ""))
    most = tuple(found for _, found in listed[:MOST_DISAGREEMENTS])
    return Agreement(tuple(rules), most, before_change)


def impact(
    before: Sequence[OktaPolicy],
    after: Sequence[OktaPolicy],
    sign_ins: Sequence[SignIn],
    org: Org,
    changed: Mapping[str, int] | None = None,
) -> tuple[Affected, ...]:
    """Return what ``after`` does to each user with each client at each address.

    Where ``before`` decides a sign-in by another rule than Okta recorded, the evaluator is not
    believed, unless what may have decided was changed since.

    Args:
        before: Session policies of today, in the order in which they are asked.
        after: As they would be.
        sign_ins: From the log.
        org: What the policies name.
        changed: As for ``agreement``.

    Returns:
        The worst effect first, then who signs in most.
    """
    record = _Record.of(before, changed or {})
    same = tuple(before) == tuple(after)

    def decided(sign_in: SignIn) -> tuple[Found, Found, bool]:
        found, planned = (candidates(policies, sign_in, org) for policies in (before, after))
        return found, planned, _alike(found) == _alike(planned)

    deciding = _once(decided)
    passed = _Passed.of(sign_ins)
    groups: defaultdict[Hashable, list[tuple[SignIn, Judged]]] = defaultdict(list)
    for sign_in in sign_ins:
        found, planned, alike = deciding(sign_in)
        was = record.was(sign_in, found)
        if _names_none(sign_in) and not same:
            judged = _NO_POLICY
        elif was is None and not same:
            judged = _NOT_BELIEVED
        elif was is None or alike:
            judged = _AS_TODAY
        else:
            judged = _planned(replace(sign_in, result=was), planned, passed, org)
        key = (_user(sign_in), sign_in.user_agent, sign_in.address)
        groups[key].append((sign_in, judged))
    affected = [_affected(group) for group in groups.values()]
    affected.sort(key=_most_affected)
    return tuple(affected)


@dataclass(frozen=True, slots=True)
class _Record:
    """What Okta recorded, against the policies of today.

    Attributes:
        rules: Of all policies, by id.
        unread: Ids of policies whose rules could not be read.
        times: When what decides was last changed, by id: as the log tells, or as it says itself.
    """

    rules: Mapping[str, Rule]
    unread: tuple[str, ...]
    times: Mapping[str, int]

    @classmethod
    def of(cls, policies: Sequence[OktaPolicy], changed: Mapping[str, int]) -> Self:
        rules = {rule.id: rule for policy in policies for rule in policy.rules or ()}
        times = dict(changed)
        for item in (*policies, *rules.values()):
            if (updated_ms := values.moment(values.at(item.json, "lastUpdated"))) is not None:
                times[item.id] = max(updated_ms, times.get(item.id, updated_ms))
        return cls(rules, tuple(policy.id for policy in policies if policy.rules is None), times)

    def name(self, rule_id: str | None) -> str | None:
        rule = self.rules.get(rule_id or "")
        return rule.name if rule else None

    def compared(self, sign_in: SignIn, found: Found) -> tuple[Word, Decision]:
        """Return whether the candidates come to what was recorded, and what they come to."""
        decision = concluded(found)
        rule_id = sign_in.rule_id
        if _names_none(sign_in):
            return "undecided", replace(decision, unseen=("the log names no session policy",))
        if sign_in.result not in _ACCESSES:
            unknown = f"{rule_id}: recorded {sign_in.result!r}"
            return "undecided", replace(decision, unseen=(unknown,))
        if rule_id is not None and rule_id not in self.rules:
            if self.unread:
                unread = tuple(f"{policy_id}: rules were not read" for policy_id in self.unread)
                return "undecided", replace(decision, unseen=unread)
            return "disagreed", replace(decision, unseen=(f"{rule_id}: not in the snapshot",))
        named = [c for c in found if rule_id is None or (c.rule and c.rule.id == rule_id)]
        if any(c.access is None or _is_recorded(c, sign_in) for c in named):
            return ("undecided" if decision.access is None else "agreed"), decision
        if rule_id is None and (not found or found[-1].unseen):
            return "undecided", decision
        return "disagreed", decision

    def was(self, sign_in: SignIn, found: Found) -> str | None:
        """Return what a sign-in comes to today; None where the evaluator is not to be believed.

        Where the rule that Okta recorded may decide, that is what was recorded, whatever the rule
        comes to by now: the conditions were judged as Okta did.
        """
        if sign_in.rule_id is None:
            is_borne_out = self.compared(sign_in, found)[0] != "disagreed"
        else:
            is_borne_out = any(c.rule and c.rule.id == sign_in.rule_id for c in found)
        if is_borne_out:
            return sign_in.result
        if self.changed(sign_in, found) is None:
            return None
        return concluded(found).access or sign_in.result

    def changed(self, sign_in: SignIn, found: Found) -> str | None:
        """Return what was changed since of all that may have decided; None where nothing was."""
        rules = [candidate.rule for candidate in found]
        rules.append(self.rules.get(sign_in.rule_id or ""))
        ids = {sign_in.rule_id, sign_in.policy_id, sign_in.actor_id}
        ids.update(candidate.policy.id for candidate in found)
        for rule in rules:
            if rule:
                ids.update((rule.id, rule.policy_id, *rule.zones.include, *rule.zones.exclude))
        times = {id_: self.times[id_] for id_ in ids if id_ and id_ in self.times}
        last = max(times, key=lambda id_: (times[id_], id_), default="")
        if not last or times[last] <= sign_in.event_ms:
            return None
        return f"{last}: changed at {rfc3339(times[last])}"


@dataclass(frozen=True, slots=True)
class _Passed:
    """Who passed a second factor in the log: users, and users with a client and channel."""

    users: frozenset[str]
    clients: frozenset[Hashable]

    @classmethod
    def of(cls, sign_ins: Iterable[SignIn]) -> Self:
        passed = [sign_in for sign_in in sign_ins if sign_in.passed_factor]
        return cls(frozenset(map(_user, passed)), frozenset(map(_client, passed)))


def _once(answer: Callable[[SignIn], T]) -> Callable[[SignIn], T]:
    """Return ``answer``, asked once about all sign-ins that policies are asked about alike."""
    known: dict[Hashable, T] = {}

    def answered(sign_in: SignIn) -> T:
        told = tuple(getattr(sign_in, name) for name in _ASKED_ABOUT)
        asked = (told, tuple(sorted(sign_in.behaviors.items())))
        if asked not in known:
            known[asked] = answer(sign_in)
        return known[asked]

    return answered


def _names_none(sign_in: SignIn) -> bool:
    """Tell whether the log names neither the policy nor the rule that decided."""
    return sign_in.policy_id is None and sign_in.rule_id is None


def _is_recorded(candidate: Candidate, sign_in: SignIn) -> bool:
    """Tell whether what the rule comes to is what Okta recorded."""
    if candidate.access == sign_in.result:
        return True
    return (
        (candidate.access, sign_in.result) == (Access.CHALLENGE, Access.ALLOW)
        and candidate.rule is not None
        and (sign_in.factor_first or remembers(candidate.rule))
    )


def _first_listed(word: Word, found: Disagreement) -> tuple[Hashable, ...]:
    """Return what sorts: disagreements, those of another access first, then the newest."""
    same = found.decision.access == found.sign_in.result
    return word != "disagreed", same, -found.sign_in.event_ms, found.sign_in.uuid


def _alike(found: Found) -> list[Hashable]:
    """Return what decides of candidates; a rule may move, so long as the order is the same."""
    return [
        (c.policy.id, c.rule and replace(c.rule, priority=None, name=""), c.access, c.unseen)
        for c in found
    ]


def _planned(sign_in: SignIn, planned: Found, passed: _Passed, org: Org) -> Judged:
    """Return what it does to a sign-in that one of ``planned`` decides."""
    accesses = {candidate.access for candidate in planned}
    if planned and not planned[-1].unseen and None not in accesses:
        judged = {_effect(sign_in, access, passed, org) for access in accesses if access}
        if len({effect for effect, _ in judged}) == 1:
            return max(judged)
    unseen = "; ".join(concluded(planned).unseen)
    return Effect.UNKNOWN, f"what the plan decides cannot be told ({unseen})"


def _effect(sign_in: SignIn, access: Access, passed: _Passed, org: Org) -> Judged:
    """Return what it does to a sign-in that it will come to ``access``."""
    asked = sign_in.factor_first or sign_in.result == Access.CHALLENGE
    program = _program(sign_in)
    if access == Access.ALLOW:
        return Effect.UNAFFECTED, "needs no second factor"
    if sign_in.result == Access.DENY:
        return Effect.UNAFFECTED, "was denied before"
    if access == Access.CHALLENGE and asked:
        return Effect.UNAFFECTED, "was asked for a second factor before"
    if program and _client(sign_in) not in passed.clients:
        return Effect.BREAKS, f"{program} never passed a second factor"
    if access == Access.DENY:
        return Effect.LOCKED_OUT, "will be denied"
    return _asked_for_one(sign_in, passed, org)


def _asked_for_one(sign_in: SignIn, passed: _Passed, org: Org) -> Judged:
    """Return what it does to a person to be asked for a second factor; the snapshot knows best."""
    factors = org.factors.get(sign_in.actor_id)
    if factors == 0:
        return Effect.LOCKED_OUT, "has no second factor; gets in only where one may be enrolled"
    if _is_no_browser(sign_in) and _client(sign_in) not in passed.clients:
        return (
            Effect.UNKNOWN,
            "a client that is no browser; whether it can pass a factor is not known",
        )
    if factors:
        return Effect.PROMPTED, "will be asked for a second factor, and has one"
    if _user(sign_in) in passed.users:
        return Effect.PROMPTED, "will be asked for a second factor, and passed one before"
    return Effect.UNKNOWN, "will be asked for a second factor; whether there is one is not known"


def _program(sign_in: SignIn) -> str | None:
    """Return what is at work where no person is sure to be; None where one may well be."""
    if sign_in.client_kind:
        return f"the client (a {sign_in.client_kind})"
    return _CHANNELS.get(sign_in.auth_type)


def _is_no_browser(sign_in: SignIn) -> bool:
    """Tell whether what used the legacy API does not call itself a browser."""
    return sign_in.legacy and not (sign_in.user_agent or "").startswith("Mozilla/")


def _user(sign_in: SignIn) -> str:
    return sign_in.actor_id or sign_in.login


def _client(sign_in: SignIn) -> Hashable:
    return _user(sign_in), sign_in.user_agent, sign_in.auth_type


def _affected(group: Sequence[tuple[SignIn, Judged]]) -> Affected:
    """Return what happens to one user with one client at one address."""
    worst = min((effect for _, (effect, _) in group), key=_WORST.index)
    hit = [(s.event_ms, s.uuid, reason, s) for s, (effect, reason) in group if effect == worst]
    *_, reason, last = max(hit, key=lambda item: item[:2])
    times = [sign_in.event_ms for sign_in, _ in group]
    by_rule: defaultdict[str | None, set[Effect]] = defaultdict(set)
    for sign_in, (effect, _) in group:
        by_rule[sign_in.rule_id].add(effect)
    verdicts = {sign_in.verdict for sign_in, _ in group}
    made = Affected(
        effect=worst,
        reason=reason if len(hit) == len(group) else f"{reason} ({len(hit)} of {len(group)})",
        actor_id=last.actor_id,
        login=last.login,
        user_agent=last.user_agent,
        address=last.address,
        rule_id=last.rule_id,
        sign_ins=len(group),
        first_ms=min(times),
        last_ms=max(times),
        verdict=next((word for word in VerdictWord if word in verdicts), None),  # the worst first
        by_rule={rule_id: min(some, key=_WORST.index) for rule_id, some in by_rule.items()},
    )
    if made.verdict is None or not made.is_suspected:
        return made
    return replace(made, reason=f"{made.reason}; the runbook says {made.verdict.value}")


def _most_affected(found: Affected) -> tuple[Hashable, ...]:
    return (
        *(_WORST.index(found.effect), -found.sign_ins, -found.last_ms, found.actor_id),
        *(found.login, found.user_agent or "", found.address or ""),
    )
