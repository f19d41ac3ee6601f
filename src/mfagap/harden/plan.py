"""What to change, so that a password alone lets nobody in: made, tried on a snapshot, kept as JSON.

What Okta takes was read in its Policy API, in its help page on the global session policy and in
the source of its Terraform provider:

- ``PUT`` replaces a rule: it is sent whole, as it was read, with nothing changed but its sign-on
  actions. Of a default rule Okta lets nothing else be changed, and refuses conditions that are
  not exactly as they were; in Classic Engine it refuses all, so that a rule is put before it.
- ``factorPromptMode`` and ``factorLifetime`` are needed where ``requireFactor`` is true;
  ``primaryFactor`` is Identity Engine's, and needed there where access is allowed.
- A policy without rules is passed over, so that none is half in force between two writes.
"""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from cattrs import ClassValidationError, Converter, transform_error

from mfagap.detect.evaluate import rfc3339
from mfagap.errors import ContentError, UsageError
from mfagap.harden import policies, values, zones
from mfagap.harden.places import POLICIES, is_id, place, placed
from mfagap.harden.snapshot import canonical, settable
from mfagap.harden.values import at
from mfagap.model.hardening import (
    Affected,
    Change,
    CheckOutcome,
    CheckResult,
    Effect,
    Plan,
)
from mfagap.model.org import (
    Json,
    Part,
    Rule,
    Snapshot,
)

FORMAT: Final = 1
"""Of the file that ``dump`` writes."""
KEY: Final = "mfagap_plan"
"""By which the file is known."""
KIND: Final = "OKTA_SIGN_ON"
RULE_KIND: Final = "SIGN_ON"
"""Types of a session policy, and of its rules."""
LONGEST_MIN: Final = 720
"""Minutes for which a passed factor may count, as the check ``remembered_factor`` has it."""
USUAL_MIN: Final = 15
"""What is sent where Okta wants a lifetime and it has no effect, since each sign-in is asked."""
MOST_DAYS: Final = 180
"""For which an exception may be made."""
SESSION_MIN: Final = 120
"""How long a session may last that an exception lets in on a password alone."""
FIRST: Final = 3
"""How many of those that a change may cost are named."""

_DAY_MS: Final = 24 * 3600 * 1000
COVER: Final = "mfagap: a second factor for everybody"
"""Name of the rule that is put before a default rule that Okta lets nobody change."""
_OF_ORDER: Final = frozenset({"unreachable_rule"})
"""Checks of which rule is asked before which: what a rule asks for mends none of their failures."""
_LOSES: Final = {
    Effect.LOCKED_OUT: "{} would be locked out",
    Effect.BREAKS: "{} would lose a program or channel that never passed a factor",
    Effect.UNKNOWN: "of {} it cannot be told",
}


@dataclass(frozen=True, slots=True)
class Keep:
    """An exception for service accounts, which cannot answer a prompt.

    Attributes:
        group_id: Of the group that holds them and nobody else.
        zone_id: Of the network zone that they come from.
        until_ms: When it should be gone, UTC epoch milliseconds.
    """

    group_id: str
    zone_id: str
    until_ms: int


def make(
    snapshot: Snapshot,
    digest: str,
    results: Sequence[CheckResult],
    now_ms: int,
    keep: Keep | None = None,
    affected: Sequence[Affected] | None = None,
) -> Plan:
    """Return the changes that mend failures about rules of session policies.

    Args:
        snapshot: Of the org.
        digest: Of the snapshot.
        results: Of checks; those that failed and are about such a rule count.
        now_ms: The moment, UTC epoch milliseconds.
        keep: The exception that is made first; None for none.
        affected: What the plan does to those who signed in (``replay.impact``); None where that
            is not known, and then no change of a rule is called safe.

    Raises:
        UsageError: ``keep`` cannot be granted, or an id of the snapshot is none of Okta's.
    """
    closes: dict[str, list[str]] = {}
    for result in results:
        failed = result.outcome is CheckOutcome.FAIL and result.subject == "rule"
        if failed and result.check not in _OF_ORDER:
            mended = closes.setdefault(result.subject_id, [])
            mended.append(f"{result.check}:{result.subject_id}")
    known = {rule.id: rule for rule in policies.rules(snapshot, KIND)}
    covered = {rule.policy_id for rule in known.values() if rule.name == COVER}
    closing = [
        rule
        for rule in known.values()
        if rule.id in closes and is_weak(rule) and not (rule.system and rule.policy_id in covered)
    ]
    engine = _is_engine(snapshot)
    changes: list[Change] = []
    if keep is not None:
        changes += _kept(snapshot, keep, now_ms, closing)
    for rule in closing:
        others = {other.id for other in closing} - {rule.id}
        cost = _cost(rule.id, others, affected)
        made = _closing(rule, closes[rule.id], cost)
        changes.append(made if engine or not rule.system else _covering(made, rule.policy_id))
    alternatives = tuple(_alternatives(affected or ()))
    made = Plan("", now_ms, snapshot.origin, digest, tuple(changes), alternatives)
    return dataclasses.replace(made, id=identity(made))


def identity(plan: Plan) -> str:
    """Return the id that a plan of these contents has; when it was made does not count."""
    content = dataclasses.asdict(plan)
    del content["id"], content["made_ms"]
    return hashlib.sha256(canonical(content)).hexdigest()[:32]


def closed(rule: Json) -> Json:
    """Return a rule that allows, as it asks for a second factor; what is stricter stays.

    A factor once a device becomes one at every sign-in: whoever has the device had none.

    Args:
        rule: As the API returned it.
    """
    signon = at(rule, "actions", "signon")
    session = at(signon, "factorPromptMode") == "SESSION"
    longest = LONGEST_MIN if session else USUAL_MIN
    lifetime_min = values.number(at(signon, "factorLifetime"))
    if lifetime_min is None or (session and not 0 <= lifetime_min <= longest):
        lifetime_min = longest
    asks = {
        "requireFactor": True,
        "factorPromptMode": "SESSION" if session else "ALWAYS",
        "factorLifetime": lifetime_min,
        "rememberDeviceByDefault": False,
    }
    return {**settable(rule), "actions": {**rule["actions"], "signon": {**signon, **asks}}}


def applied(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """Return the snapshot as it would be after ``plan``; what it creates has the change's id."""
    part = snapshot.part(KIND)
    items = list(part.items)
    for change in plan.changes:
        where = placed(change)
        if where.is_policies:
            first: Json = {**change.after, "id": change.id, "rules": ()}
            items = [first, *(_after_another(item) for item in items)]
        else:
            rule_id = where.rule_id or change.id
            policy_id = where.policy_id or where.made_by
            items = [_with_rule(item, policy_id, rule_id, change.after) for item in items]
    parts = {**snapshot.parts, KIND: Part(tuple(items), part.missing)}
    return dataclasses.replace(snapshot, parts=parts)


def dump(plan: Plan) -> str:
    """Return the plan as the text of a JSON file; ``load`` reads it."""
    return json.dumps({KEY: FORMAT, **dataclasses.asdict(plan)}, indent=2) + "\n"


def load(path: Path) -> Plan:
    """Return the plan in a file that ``dump`` wrote.

    Raises:
        ContentError: It cannot be read, is no such file, or was edited; names it.
    """
    try:
        data = values.parsed(path.read_bytes())
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror}", str(path)) from error
    except ValueError as error:  # also where it is no text
        raise ContentError(f"no JSON: {error}", str(path)) from error
    return undumped(data, str(path))


def undumped(data: object, file: str) -> Plan:
    """Return the plan that ``data``, the JSON of ``file``, is.

    Raises:
        ContentError: It is none, or was edited; names ``file``.
    """
    if values.number(at(data, KEY)) != FORMAT:
        raise ContentError("no plan of mfagap's that this version reads", file)
    held = {key: item for key, item in cast("Json", data).items() if key != KEY}
    try:
        plan = _converter().structure(held, Plan)
    except ClassValidationError as error:
        raise ContentError(f"no plan: {'; '.join(transform_error(error))}", file) from error
    if plan.id != identity(plan):
        raise ContentError(
            "was edited since it was made, so that what it would do was judged by nobody; "
            "`mfagap harden plan` makes a new one from the org as it is",
            file,
        )
    if any(canonical(settable(each.after)) != canonical(each.after) for each in plan.changes):
        raise ContentError("no plan: a change has what Okta sets itself", file)
    if not _is_ordered(plan.changes):
        raise ContentError("no plan: a change writes elsewhere than a plan of mfagap's may", file)
    return plan


def is_weak(rule: Rule) -> bool:
    """Tell whether a rule lets somebody in whom it does not ask for a factor then, or soon."""
    if rule.access != "ALLOW":
        return False
    long = rule.prompt_mode == "SESSION" and (rule.factor_lifetime_min or 0) > LONGEST_MIN
    kept = rule.prompt_mode == "DEVICE" or rule.remembers_device is True
    return rule.requires_factor is not True or long or kept


def _is_engine(snapshot: Snapshot) -> bool:
    """Tell whether the org is of Identity Engine, by what Classic Engine has not."""
    factors = (rule.primary_factor for rule in policies.rules(snapshot, KIND))
    return any(factors) or bool(snapshot.part("ACCESS_POLICY").items)


def _closing(rule: Rule, closes: Sequence[str], cost: tuple[bool, str]) -> Change:
    """Return the change of one rule.

    Args:
        rule: To be closed.
        closes: What it mends.
        cost: Whether it is safe, and whom it costs.
    """
    path = f"{POLICIES}/{rule.policy_id}/rules/{rule.id}"
    if place(path) is None:
        raise UsageError(f"{rule.policy_id!r} or {rule.id!r} is no id of Okta's")
    after = closed(rule.json)
    is_open = rule.requires_factor is not True
    says = "A password alone is enough" if is_open else "A factor that was passed counts too long"
    always = at(after, "actions", "signon", "factorPromptMode") == "ALWAYS"
    often = "at every sign-in" if always else "in every session"
    safe, whom = cost
    return Change(
        id=f"{'require' if is_open else 'renew'}-factor-{rule.id}",
        method="PUT",
        path=path,
        before=rule.json,
        after=after,
        safe=safe,
        why=f"{says}; then it asks for a second factor {often}. {whom}",
        closes=tuple(closes),
    )


def _covering(change: Change, policy_id: str) -> Change:
    """Return what comes to the same as ``change`` of a default rule: a rule that is asked before.

    Without a priority Okta puts it last, which is right before the default rule.
    """
    after: Json = {
        "type": "SIGN_ON",
        "name": COVER,
        "status": "ACTIVE",
        "conditions": {"network": {"connection": "ANYWHERE"}, "authContext": {"authType": "ANY"}},
        "actions": change.after["actions"],
    }
    why = f"{change.why} Classic Engine has no change of a default rule: one is put before it."
    path = f"{POLICIES}/{policy_id}/rules"
    return dataclasses.replace(change, method="POST", path=path, before=None, after=after, why=why)


def _cost(
    rule_id: str, others: Collection[str], affected: Sequence[Affected] | None
) -> tuple[bool, str]:
    """Return whether the change of a rule is safe, and whom it costs.

    Where the log names no rule, or one that is not changed, any of the changes may be the reason.

    Args:
        rule_id: Of the rule; where the log shows nobody whom it let in, nothing says it is safe.
        others: Ids of the other rules that are changed.
        affected: See ``make``.
    """
    if affected is None:
        return False, "Whom it costs is not known."
    told: list[str] = []
    for effect, words in _LOSES.items():
        found = ((row.login, *pair) for row in affected for pair in row.by_rule.items())
        if logins := sorted({who for who, by, how in found if how is effect and by not in others}):
            more = ", …" if len(logins) > FIRST else ""
            told.append(f"{words.format(len(logins))}: {', '.join(logins[:FIRST])}{more}")
    if told:
        return False, f"Of those who came in by it {'; '.join(told)}."
    if not any(rule_id in row.by_rule for row in affected):
        return False, "The log shows nobody who came in by it: whom it costs is not known."
    return True, "Nobody who came in by it loses access."


def _kept(
    snapshot: Snapshot, keep: Keep, now_ms: int, closing: Sequence[Rule]
) -> tuple[Change, Change]:
    """Return the changes that make an exception: a policy before all others, and its only rule."""
    if not closing:
        raise UsageError("no rule is to be closed, so that nobody needs an exception")
    name = f"mfagap: service accounts until {rfc3339(keep.until_ms)[:10]}"
    _check(snapshot, keep, now_ms, name)
    policy_id = f"keep-policy-{keep.group_id}"
    engine = _is_engine(snapshot)
    why = "Keeps service accounts alive, which cannot answer a prompt, while the rest is closed."
    policy: Json = {
        "type": KIND,
        "name": name,
        "description": f"Made by mfagap. To be deleted on {rfc3339(keep.until_ms)}.",
        "status": "ACTIVE",
        "priority": 1,
        "conditions": {"people": {"groups": {"include": [keep.group_id]}}},
    }
    rule: Json = {
        "type": "SIGN_ON",
        "name": name,
        "status": "ACTIVE",
        "conditions": {"network": {"connection": "ZONE", "include": [keep.zone_id]}},
        "actions": {
            "signon": {
                "access": "ALLOW",
                "requireFactor": False,
                **({"primaryFactor": "PASSWORD_IDP"} if engine else {}),
                "session": {
                    "maxSessionIdleMinutes": SESSION_MIN,
                    "maxSessionLifetimeMinutes": SESSION_MIN,
                    "usePersistentCookie": False,
                },
            }
        },
    }
    rules = f"{POLICIES}/{{{policy_id}}}/rules"
    made = Change(policy_id, "POST", POLICIES, None, policy, True, why, (), keep.until_ms)
    id_ = f"keep-rule-{keep.group_id}"
    return made, dataclasses.replace(made, id=id_, path=rules, after=rule)


def _check(snapshot: Snapshot, keep: Keep, now_ms: int, name: str) -> None:
    """See that an exception may be made.

    Raises:
        UsageError: It may not; says why.
    """
    group = _find(snapshot, "groups", keep.group_id)
    zone = _find(snapshot, "zones", keep.zone_id)
    if group is None or not is_id(keep.group_id):
        raise UsageError(f"no group {keep.group_id!r} in the snapshot")
    if zone is None:
        raise UsageError(f"no network zone {keep.zone_id!r} in the snapshot")
    if not policies.is_active(zone) or at(zone, "usage") == "BLOCKLIST":
        raise UsageError(f"the network zone {keep.zone_id!r} is inactive or a block list")
    if zones.is_open(zone) is not False or values.is_empty(at(zone, "gateways")):
        raise UsageError(
            f"the network zone {keep.zone_id!r} is as good as open, or its addresses are not "
            "known: an exception needs a zone of a few addresses"
        )
    if not now_ms < keep.until_ms <= now_ms + MOST_DAYS * _DAY_MS:
        raise UsageError(
            f"an exception until {rfc3339(keep.until_ms)} is over, or longer than {MOST_DAYS} days"
        )
    if any(policy.name == name for policy in policies.read(snapshot, KIND)):
        raise UsageError(f"there is a policy {name!r} already")


def _find(snapshot: Snapshot, part: str, id_: str) -> Json | None:
    return next((item for item in snapshot.part(part).items if at(item, "id") == id_), None)


def _alternatives(affected: Sequence[Affected]) -> Iterator[str]:
    """Yield what may be done beside or instead, in sentences."""
    breaking = [row for row in affected if row.effect is Effect.BREAKS and not _is_browser(row)]
    programs = {row.user_agent for row in breaking}
    people = {row.actor_id for row in affected if row.user_agent not in programs}
    accounts: dict[tuple[str, str], list[Affected]] = {}
    for row in breaking:
        if row.actor_id not in people:
            accounts.setdefault((row.login, row.actor_id), []).append(row)
    for (login, _), rows in sorted(accounts.items()):
        clients = ", ".join(sorted({row.user_agent or "a client without a name" for row in rows}))
        places = ", ".join(sorted({row.address or "an unknown address" for row in rows}))
        suspected = sorted({row.verdict.value for row in rows if row.is_suspected and row.verdict})
        if suspected:
            yield (
                f"{login} came in by programs alone ({clients}) from {places}, and the runbook "
                f"says {', '.join(suspected)}: look into that first, and make no exception for it."
            )
            continue
        yield (
            f"{login} came in by programs alone ({clients}) from {places}, which the change stops. "
            "If that is a service account at its own addresses, it needs an exception for a time: "
            "a group that holds such accounts alone, and a network zone of these addresses; better "
            "a service app with a key of its own. If not, somebody else has its password."
        )


def _is_browser(row: Affected) -> bool:
    """Tell whether a client calls itself a browser, as those of people do."""
    return (row.user_agent or "").startswith("Mozilla/")


def _with_rule(item: Json, policy_id: str | None, rule_id: str, after: Json) -> Json:
    """Return the policy ``item`` with a rule as ``after`` has it, where it is policy ``policy_id``.

    A rule that it does not have is put last.
    """
    if at(item, "id") != policy_id:
        return item
    held = values.objects(at(item, "rules"))
    made = {**after, "id": rule_id}
    there = any(at(rule, "id") == rule_id for rule in held)
    rules = [made if at(rule, "id") == rule_id else rule for rule in held]
    return {**item, "rules": rules if there else [*rules, made]}


def _after_another(item: Json) -> Json:
    """Return a policy before which another was put; the default policy is the last in any case."""
    priority = values.number(at(item, "priority"))
    return item if priority is None else {**item, "priority": priority + 1}


def _is_ordered(changes: Sequence[Change]) -> bool:
    """Tell whether each change writes what a plan may, and after what it needs."""
    made: set[str | None] = {None}
    ids = [change.id for change in changes]
    for change in changes:
        where = place(change.path)
        if where is None or where.made_by not in made or not is_id(change.id):
            return False
        creates = where.rule_id is None
        if change.method != ("POST" if creates else "PUT") or creates != (change.before is None):
            return False
        if at(change.after, "type") != (KIND if where.is_policies else RULE_KIND):
            return False
        made |= {change.id} if where.is_policies else set()
    return len(set(ids)) == len(ids)


def _converter() -> Converter:
    """Return what makes a plan of JSON, and takes no type for another."""
    converter = Converter(forbid_extra_keys=True)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook_func(lambda kind: kind == Json, _object)
    return converter


def _exactly(value: Any, kind: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"is no {kind.__name__}")
    return value


def _object(value: Any, _kind: Any) -> Json:
    if not isinstance(value, dict):
        raise TypeError("is no object")
    return cast("Json", value)
