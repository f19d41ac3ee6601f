"""A plan as Terraform, for those who keep their policies there.

The arguments, and what the provider does with a default rule, were read in the documentation and
the source of okta/terraform-provider-okta. Whoever names a rule may be an attacker: names come
only as strings, in which nothing is a template and nothing is unseen, and ids alone elsewhere.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

from mfagap.detect.evaluate import rfc3339
from mfagap.harden import values
from mfagap.harden.places import placed
from mfagap.harden.values import at
from mfagap.model.hardening import Change, Plan
from mfagap.model.org import Json

_KIND: Final = "okta_policy_rule_signon"
_RULE: Final[Mapping[str, str]] = {
    "name": "name",
    "status": "status",
    "priority": "priority",
    "access": "actions.signon.access",
    "mfa_required": "actions.signon.requireFactor",
    "mfa_prompt": "actions.signon.factorPromptMode",
    "mfa_lifetime": "actions.signon.factorLifetime",
    "mfa_remember_device": "actions.signon.rememberDeviceByDefault",
    "primary_factor": "actions.signon.primaryFactor",
    "session_idle": "actions.signon.session.maxSessionIdleMinutes",
    "session_lifetime": "actions.signon.session.maxSessionLifetimeMinutes",
    "session_persistent": "actions.signon.session.usePersistentCookie",
    "authtype": "conditions.authContext.authType",
    "network_connection": "conditions.network.connection",
    "network_includes": "conditions.network.include",
    "network_excludes": "conditions.network.exclude",
    "users_excluded": "conditions.people.users.exclude",
    "identity_provider": "conditions.identityProvider.provider",
    "identity_provider_ids": "conditions.identityProvider.idpIds",
    "behaviors": "conditions.risk.behaviors",
    "risk_level": "conditions.riskScore.level",
}
"""Arguments of ``okta_policy_rule_signon``, and where the API has the same."""
_POLICY: Final[Mapping[str, str]] = {
    "name": "name",
    "status": "status",
    "description": "description",
    "priority": "priority",
    "groups_included": "conditions.people.groups.include",
}
"""Arguments of ``okta_policy_signon``."""
_SETTLED: Final = frozenset({"id", "type", "system"})
"""What the resource's own kind or Okta says."""
_OKTAS: Final = frozenset({"priority", "session_persistent"})
"""Arguments that Okta sets on a default rule; so it does with all of its conditions."""

_HEAD: Final = """\
# Plan {id} of mfagap as Terraform: the same changes as in its JSON.
# Needs Terraform 1.5 or newer, for the import blocks, and the provider okta/okta.
"""
_DEFAULT: Final = """\
# A default rule. Only newer releases of the provider import and update one (issue 2788 of
# okta/terraform-provider-okta, 2026); others stop at it with "Default Rule is immutable".
"""


def hcl(plan: Plan) -> str:
    """Return the changes of ``plan`` as one Terraform file.

    A rule that the provider has no words for is left out, and the file says so: written without
    them, it would be another rule. Rules are closed after what keeps service accounts alive is
    there, as in the plan; by itself Terraform would take any order.
    """
    first = [
        f"{_KIND}.{change.id}"
        for change in plan.changes
        if change.expires_ms is not None and not placed(change).is_policies
    ]
    return "\n".join(
        [_HEAD.format(id=plan.id), *(_change(change, first) for change in plan.changes)]
    )


def _change(change: Change, first: Sequence[str]) -> str:
    """Return a change; ``first`` are the resources that are to be there before a rule is closed."""
    where = placed(change)
    if where.is_policies:
        ends = f"# To be destroyed by {_day(change)}: Okta's policies have no expiry.\n"
        return ends + _resource("okta_policy_signon", change.id, _arguments(change.after, _POLICY))
    policy_id, rule_id = where.policy_id or "", where.rule_id
    made = f"okta_policy_signon.{where.made_by}.id"
    policy = ("policy_id", made if where.made_by else _quoted(policy_id))
    waits = [("depends_on", f"[{', '.join(first)}]")] if first and not where.made_by else []
    if rule_id is None:
        arguments = [policy, *_arguments(change.after, _RULE), *waits]
        return _resource(_KIND, change.id, arguments)
    system = at(change.after, "system") is True
    if lost := list(_lost(change.after, system=system)):
        return (
            f"# Rule {rule_id} of policy {policy_id} is not here, since {_KIND} has no words for\n"
            f"# {', '.join(map(_quoted, lost))}: `mfagap harden apply` changes it.\n"
        )
    name, named = f"rule_{rule_id}", _default_rule() if system else _RULE
    arguments = [policy, *_arguments(change.after, named), *waits]
    target = [("to", f"{_KIND}.{name}"), ("id", _quoted(f"{policy_id}/{rule_id}"))]
    imported = _block("import", target)
    return f"{_DEFAULT if system else ''}{imported}\n{_resource(_KIND, name, arguments)}"


def _day(change: Change) -> str:
    return "hand" if change.expires_ms is None else rfc3339(change.expires_ms)


def _default_rule() -> Mapping[str, str]:
    return {
        name: path
        for name, path in _RULE.items()
        if name not in _OKTAS and not path.startswith("conditions.")
    }


def _resource(kind: str, name: str, arguments: Iterable[tuple[str, str]]) -> str:
    return _block(f'resource "{kind}" "{name}"', arguments)


def _block(head: str, arguments: Iterable[tuple[str, str]]) -> str:
    """Return a block as ``terraform fmt`` writes it."""
    held = list(arguments)
    width = max(len(name) for name, _ in held)
    lines = [f"  {name:{width}} = {value}\n" for name, value in held]
    return f"{head} {{\n{''.join(lines)}}}\n"


def _arguments(after: Json, named: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, path in named.items():
        value = at(after, *path.split("."))
        if not values.is_empty(value):
            yield name, _expression(value)


def _lost(after: Json, *, system: bool) -> Iterator[str]:
    """Yield the paths of what no argument says; a default rule's conditions Okta keeps itself."""
    said = frozenset(_RULE.values())
    for path, value in _leaves(after, ""):
        of_okta = path in _SETTLED or (system and path.startswith("conditions."))
        if not of_okta and (path not in said or not _is_said(value)):
            yield path
    both = ("conditions.network.include", "conditions.network.exclude")
    if not system and not any(values.is_empty(at(after, *path.split("."))) for path in both):
        yield both[1]  # the provider takes one of the two


def _leaves(value: Json, above: str) -> Iterator[tuple[str, object]]:
    for key, item in value.items():
        path = f"{above}{key}"
        if values.is_empty(item):
            continue
        if isinstance(item, Mapping):
            yield from _leaves(cast("Json", item), f"{path}.")
        else:
            yield path, item


def _is_said(value: object) -> bool:
    if values.is_list(value):
        return all(isinstance(item, str) for item in values.items(value))
    return isinstance(value, str | bool | int)


def _expression(value: object) -> str:
    if values.is_list(value):
        return f"[{', '.join(_quoted(text) for text in values.texts(value))}]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    """Return ``text`` as a string of Terraform's that is what it looks like, on one line.

    What is not drawn or steers what is drawn becomes its number, and so does the brace of what
    would begin a template: the usual ``$${`` is read in two ways behind another ``$``.
    """
    told: list[str] = []
    before = ""
    for char in values.text(text) or "":
        if char in '"\\':
            told.append(f"\\{char}")
        elif (char == "{" and before in ("$", "%")) or not char.isprintable():
            code = ord(char)
            told.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
        else:
            told.append(char)
        before = char
    return f'"{"".join(told)}"'
