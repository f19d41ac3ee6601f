"""What an org holds beside its log, and what reading and writing it does, as Okta's API has it.

What Okta does not let change it refuses here too: the name, status, priority and conditions of a
default policy or rule, and in Classic Engine all of a default rule; neither can be removed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

Item = dict[str, Any]

_SET_BY_OKTA = frozenset({"id", "created", "lastUpdated", "system", "_links", "_embedded"})
_READ_ONLY = ("name", "status", "priority", "conditions")
_PREFIXES = {
    "OKTA_SIGN_ON": ("00p", "0pr", "SIGN_ON"),
    "MFA_ENROLL": ("00p", "0pr", "MFA_ENROLL"),
    "PASSWORD": ("00p", "0pr", "PASSWORD"),
    "ACCESS_POLICY": ("rst", "rul", "ACCESS_POLICY"),
}
"""How ids of policies and rules begin, and what the type of a rule is called."""
_ENGINE_ONLY = frozenset({"ACCESS_POLICY"})
_DEFAULT_RULES_FIXED = frozenset({"MFA_ENROLL"})


@dataclass(eq=False)
class NotDone(Exception):
    """An answer that is an error: Okta's code, its summary and causes."""

    status: int
    code: str
    summary: str = ""
    causes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: the answer's status, and what it holds; None for nothing."""

    status: int
    value: Any = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request, taken apart: the path's words after ``/api/v1``, the query, and the body."""

    method: str
    words: tuple[str, ...]
    query: Mapping[str, str]
    body: Item


@dataclass(eq=False)
class Org:
    """An org's objects; tests may look at them and change them at any time.

    Args:
        policies: Each with ``id`` and ``type``.
        rules: By policy id.
        zones: Network zones.
        authenticators: Of Identity Engine.
        threat_insight: Its configuration.
        api_tokens: As listed.
        groups: Each with ``id``, ``profile`` and, beside what Okta has, ``members``: user ids.
        factors: By user id; whoever is neither here nor in a group is no user.
        classic: Whether the org is of Classic Engine.
    """

    policies: list[Item]
    rules: dict[str, list[Item]]
    zones: list[Item]
    authenticators: list[Item]
    threat_insight: Item
    api_tokens: list[Item]
    groups: list[Item]
    factors: dict[str, list[Item]]
    classic: bool = False
    url: str = ""
    clock: Callable[[], float] = field(default=lambda: 0.0)
    made: int = 0

    @classmethod
    def of(cls, *, classic: bool = False, **given: Any) -> "Org":
        """Return an org with a copy of what is given; what is not is empty."""
        lists = ("policies", "zones", "authenticators", "api_tokens", "groups")
        held: dict[str, Any] = {name: list(given.get(name) or ()) for name in lists}
        held |= {name: dict(given.get(name) or {}) for name in ("rules", "factors")}
        off = {"action": "none", "excludeZones": list[str]()}
        held["threat_insight"] = given.get("threat_insight") or off
        return cls(**deepcopy(held), classic=classic)

    def answer(self, call: Call) -> Done:
        """Do what is asked, or raise ``NotDone``."""
        match call.words:
            case ("policies", *words):
                return self._policies(call, words)
            case ("zones", *words):
                return self._zones(call, words)
            case _ if call.method == "GET":
                return Done(200, self._read(call.words))
            case _:
                raise NotDone(405, "E0000022", "The endpoint does not support the HTTP method")

    def _read(self, words: tuple[str, ...]) -> Any:
        match words:
            case ("authenticators",) if not self.classic:
                return self.authenticators
            case ("threats", "configuration"):
                return self.threat_insight
            case ("api-tokens",):
                return self.api_tokens
            case ("groups", group_id):
                return {k: v for k, v in _one(self.groups, group_id).items() if k != "members"}
            case ("groups", group_id, "users"):
                members = _one(self.groups, group_id).get("members", ())
                return [self._user(user_id) for user_id in members]
            case ("users", user_id, "factors") if self._is_user(user_id):
                return self.factors.get(user_id, [])
            case _:
                raise _not_found()

    def _is_user(self, user_id: str) -> bool:
        members = (member for group in self.groups for member in group.get("members", ()))
        return user_id in self.factors or user_id in members

    def _user(self, user_id: str) -> Item:
        profile = {"login": f"{user_id}@example.com", "email": f"{user_id}@example.com"}
        return {"id": user_id, "status": "ACTIVE", "profile": profile}

    def _zones(self, call: Call, words: list[str]) -> Done:
        match call.method, *words:
            case ("GET",):
                return Done(200, self.zones)
            case ("POST",):
                zone = self._made("nzo", call.body, self.zones)
                self.zones.append(zone)
                return Done(200, zone)
            case ("GET", zone_id):
                return Done(200, _one(self.zones, zone_id))
            case ("PUT", zone_id):
                return Done(200, self._replace(_one(self.zones, zone_id), call.body, self.zones))
            case ("DELETE", zone_id):
                zone = _one(self.zones, zone_id)
                if any(zone_id in _zones_of(rule) for held in self.rules.values() for rule in held):
                    raise _invalid("id", "id: The zone is used by a policy")
                self.zones.remove(zone)
                return Done(204)
            case _:
                raise _not_found()

    def _policies(self, call: Call, words: list[str]) -> Done:
        match call.method, *words:
            case ("GET",):
                return Done(200, self._listed(self._of_type(call.query.get("type", ""))))
            case ("POST",):
                return Done(200, self._linked(self._new_policy(call)))
            case ("GET", policy_id):
                return Done(200, self._linked(_one(self.policies, policy_id)))
            case ("PUT", policy_id):
                return Done(200, self._linked(self._put_policy(policy_id, call.body)))
            case ("DELETE", policy_id):
                policy = _one(self.policies, policy_id)
                _refuse_system(policy)
                self.policies.remove(policy)
                self.rules.pop(policy_id, None)
                _reorder(self._of_type(policy["type"]), -1)
                return Done(204)
            case ("POST", policy_id, "lifecycle", word):
                return _lifecycle(_one(self.policies, policy_id), word)
            case (_, policy_id, "rules", *rest):
                policy = _one(self.policies, policy_id)
                return self._rules(call, policy, self.rules.setdefault(policy_id, []), rest)
            case _:
                raise _not_found()

    def _rules(self, call: Call, policy: Item, rules: list[Item], words: list[str]) -> Done:
        match call.method, *words:
            case ("GET",):
                return Done(200, self._listed(rules, policy))
            case ("POST",):
                _, prefix, kind = _PREFIXES[policy["type"]]
                rule = self._made(prefix, call.body, rules)
                self._check_rule(rule, policy)
                rule |= {"type": kind, "status": _status(call)}
                rules.append(rule)
                _reorder(rules, 1, rule)
                return Done(200, self._linked(rule, policy))
            case ("GET", rule_id):
                return Done(200, self._linked(_one(rules, rule_id), policy))
            case ("PUT", rule_id):
                rule = self._put_rule(_one(rules, rule_id), policy, rules, call.body)
                return Done(200, self._linked(rule, policy))
            case ("DELETE", rule_id):
                rule = _one(rules, rule_id)
                _refuse_system(rule)
                rules.remove(rule)
                _reorder(rules, -1)
                return Done(204)
            case ("POST", rule_id, "lifecycle", word):
                return _lifecycle(_one(rules, rule_id), word)
            case _:
                raise _not_found()

    def _of_type(self, kind: str) -> list[Item]:
        if kind not in _PREFIXES or (self.classic and kind in _ENGINE_ONLY):
            summary = "The request was not valid: Invalid policy type specified."
            raise NotDone(400, "E0000002", summary)
        return [policy for policy in self.policies if policy.get("type") == kind]

    def _new_policy(self, call: Call) -> Item:
        kind = call.body.get("type", "")
        siblings = self._of_type(kind)
        policy = self._made(_PREFIXES[kind][0], call.body, siblings)
        self._check_groups(policy)
        policy |= {"type": kind, "status": _status(call)}
        self.policies.append(policy)
        _reorder([*siblings, policy], 1, policy)
        return policy

    def _put_policy(self, policy_id: str, body: Item) -> Item:
        policy = _one(self.policies, policy_id)
        siblings = self._of_type(policy["type"])
        self._check_groups(body)
        self._replace(policy, body, siblings, keep=("type", "status", "priority"))
        _reorder(siblings, 0, policy)
        return policy

    def _put_rule(self, rule: Item, policy: Item, rules: list[Item], body: Item) -> Item:
        if rule.get("system") and (self.classic or policy["type"] in _DEFAULT_RULES_FIXED):
            raise _read_only("rule object")
        self._check_rule(body, policy)
        self._replace(rule, body, rules, keep=("type", "status", "priority"))
        _reorder(rules, 0, rule)
        return rule

    def _made(self, prefix: str, body: Item, siblings: Iterable[Item]) -> Item:
        """Return what a POST makes of ``body``."""
        _check(body, siblings)
        self.made += 1
        kept = {key: value for key, value in body.items() if key not in _SET_BY_OKTA}
        now = self._now()
        new_id = f"{prefix}made{self.made:013d}"
        new = {"id": new_id, "status": "ACTIVE", **kept, "system": False}
        return deepcopy({**new, "created": now, "lastUpdated": now})

    def _replace(
        self, item: Item, body: Item, siblings: Iterable[Item], keep: tuple[str, ...] = ()
    ) -> Item:
        """Put ``body`` in place of ``item``, except for what is Okta's; refuse what is fixed.

        Args:
            item: Changed in place.
            body: Of the request.
            siblings: Among which names must differ.
            keep: What stays as it was where the body does not have it.
        """
        _check(body, [sibling for sibling in siblings if sibling is not item])
        if item.get("system"):
            for key in _READ_ONLY:
                if key in item and body.get(key, item[key]) != item[key]:
                    raise _read_only(f"{key} attribute")
            keep = (*keep, *_READ_ONLY)
        kept = {
            key: value
            for key, value in body.items()
            if key not in _SET_BY_OKTA and not (key in keep and value is None)
        }
        fixed = {*_SET_BY_OKTA, *(key for key in keep if key not in kept)}
        stays = {key: value for key, value in item.items() if key in fixed}
        new = {**stays, **deepcopy(kept), "lastUpdated": self._now()}
        item.clear()
        item.update(new)
        return item

    def _check_rule(self, rule: Item, policy: Item) -> None:
        if not rule.get("actions"):
            raise _invalid("actions", "actions: The field cannot be left blank")
        known = {"ALL_ZONES", *(zone.get("id") for zone in self.zones)}
        for zone_id in _zones_of(rule):
            if zone_id not in known:
                raise _invalid("conditions", f"network: Invalid zone {zone_id}")
        if policy["type"] == "ACCESS_POLICY":
            self._check_groups(rule)

    def _check_groups(self, item: Item) -> None:
        for group_id in _at(item, "conditions", "people", "groups", "include") or ():
            if group_id not in {group["id"] for group in self.groups}:
                raise _invalid("conditions", f"people.groups: Invalid group {group_id}")

    def _listed(self, items: Iterable[Item], policy: Item | None = None) -> list[Item]:
        return [self._linked(item, policy) for item in sorted(items, key=_place)]

    def _linked(self, item: Item, policy: Item | None = None) -> Item:
        """Return a policy, or a rule of ``policy``, with its links."""
        own = item.get("id") if policy is None else f"{policy['id']}/rules/{item.get('id')}"
        href = f"{self.url}/api/v1/policies/{own}"
        links: Item = {"self": {"href": href, "hints": {"allow": ["GET", "PUT"]}}}
        if policy is None:
            links["rules"] = {"href": f"{href}/rules", "hints": {"allow": ["GET", "POST"]}}
        return {**item, "_links": item.get("_links", links)}

    def _now(self) -> str:
        now = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds")
        return now.replace("+00:00", "Z")


def _one(items: Iterable[Item], item_id: str) -> Item:
    for item in items:
        if item.get("id") == item_id:
            return item
    raise _not_found()


def _zones_of(rule: Item) -> list[str]:
    kinds = ("include", "exclude")
    return [i for kind in kinds for i in _at(rule, "conditions", "network", kind) or ()]


def _at(item: Item, *path: str) -> Any:
    value: Any = item
    for key in path:
        value = cast("Item", value).get(key) if isinstance(value, dict) else None
    return value


def _place(item: Item) -> tuple[bool, bool, Any]:
    priority = item.get("priority")
    is_number = isinstance(priority, int)
    return bool(item.get("system")), not is_number, priority if is_number else 0


def _reorder(items: Sequence[Item], grown: int, moved: Item | None = None) -> None:
    """Number ``items`` 1, 2, … again: others make room for what is new or has moved.

    Args:
        items: All of them. A default one is last, and is only counted on where it stood right
            after the others.
        grown: By how many there are more than before.
        moved: What is new or has moved, with the priority that it shall have.
    """
    others = [item for item in sorted(items, key=_place) if not item.get("system")]
    before = len(others) - grown
    if moved is not None and not moved.get("system"):
        others = [item for item in others if item is not moved]
        wanted = moved.get("priority")
        at = len(others) if wanted is None else min(max(wanted - 1, 0), len(others))
        others.insert(at, moved)
    for number, item in enumerate(others, 1):
        item["priority"] = number
    for item in items:
        if item.get("system") and item.get("priority") == before + 1:
            item["priority"] = len(others) + 1


def _lifecycle(item: Item, word: str) -> Done:
    _refuse_system(item)
    if word not in ("activate", "deactivate"):
        raise _not_found()
    item["status"] = "ACTIVE" if word == "activate" else "INACTIVE"
    return Done(204)


def _status(call: Call) -> str:
    return "INACTIVE" if call.query.get("activate") == "false" else "ACTIVE"


def _check(body: Item, siblings: Iterable[Item]) -> None:
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise _invalid("name", "name: The field cannot be left blank")
    if any(sibling.get("name") == name for sibling in siblings):
        raise _invalid("name", "name: An object with this field already exists")
    priority = body.get("priority")
    if priority is not None and (not isinstance(priority, int) or priority < 1):
        raise _invalid("priority", "priority: must be greater than 0")


def _refuse_system(item: Item) -> None:
    if item.get("system"):
        raise _read_only("default object")


def _read_only(what: str) -> NotDone:
    code = "E0000077" if what.endswith("object") else "E0000076"
    return NotDone(403, code, f"Cannot modify the {what} because it is read-only.")


def _invalid(what: str, cause: str) -> NotDone:
    return NotDone(400, "E0000001", f"Api validation failed: {what}", [cause])


def _not_found() -> NotDone:
    return NotDone(404, "E0000007", "Not found: Resource not found")
