"""A snapshot and legacy sessions as tables, which checks query beside ``events``."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from mfagap.harden import policies, values, zones
from mfagap.harden.values import at
from mfagap.model import ContentList, Finding, Scalar
from mfagap.model.org import (
    PARTS,
    POLICY_TYPES,
    Json,
    OktaPolicy,
    Rule,
    Snapshot,
    Wanted,
)

Row = tuple[Scalar, ...]

_NO_SECOND: Final = ("password", "question", "email")
"""Types of factors that are no second one: known, as a password is, or a way to recover it."""
_RULE_OWNER: Final = "policy_id policy_type policy_name policy_priority:BIGINT"
_OWNED: Final = "policy_is_active:BOOLEAN policy_is_system:BOOLEAN"
_STATE: Final = "is_active:BOOLEAN is_system:BOOLEAN"
_SIGNON: Final = (
    "access requires_factor:BOOLEAN prompt_mode factor_lifetime_min:BIGINT "
    "remembers_device:BOOLEAN primary_factor auth_type connection idp_provider risk_level"
)
COLUMNS: Final[Mapping[str, str]] = {
    "snapshot_parts": "part missing",
    "policies": f"policy_id policy_type name priority:BIGINT {_STATE} has_rules:BOOLEAN",
    "rules": (
        f"rule_id {_RULE_OWNER} {_OWNED} name priority:BIGINT {_STATE} {_SIGNON} enroll_self "
        "place:BIGINT"
    ),
    "conditions": "owner_id policy_id kind mode value",
    "zones": f"zone_id name zone_type usage {_STATE} addresses:BIGINT is_open:BOOLEAN",
    "authenticators": (
        "authenticator_id authenticator_key name authenticator_type is_active:BOOLEAN"
    ),
    "enrollments": (
        f"policy_id policy_name policy_priority:BIGINT {_OWNED} authenticator_key enroll"
    ),
    "api_tokens": (
        "token_id name user_id client_name created_ms:BIGINT last_updated_ms:BIGINT "
        "expires_ms:BIGINT connection"
    ),
    "threat_insight": "action",
    "exempt_zones": "zone_id",
    "factor_users": "user_id factors:BIGINT",
    "group_members": "group_id user_id",
    "legacy_sessions": (
        "uuid start_ms:BIGINT mfa_status severity actor_id user_email source_ip user_agent "
        "rule_id rule_name policy_id policy_name policy_result verdict"
    ),
}
"""Columns of each table; VARCHAR where nothing is said."""


def tables(snapshot: Snapshot) -> dict[str, ContentList]:
    """Return the snapshot's tables by name; each is empty where its part is not known."""
    known = {kind: policies.read(snapshot, kind) for kind in POLICY_TYPES}
    every = [policy for kind in POLICY_TYPES for policy in known[kind]]
    rows: dict[str, Iterable[Row]] = {
        "snapshot_parts": ((name, snapshot.part(name).missing) for name in PARTS),
        "policies": map(_policy, every),
        "rules": (row for found in known.values() for row in _rules(found)),
        "conditions": (row for policy in every for row in _conditions(policy)),
        "zones": map(_zone, _items(snapshot, "zones")),
        "authenticators": map(_authenticator, _items(snapshot, "authenticators")),
        "enrollments": (row for policy in known["MFA_ENROLL"] for row in _enrollments(policy)),
        "api_tokens": map(_token, _items(snapshot, "api_tokens")),
        "threat_insight": (
            (values.text(at(item, "action")),) for item in _items(snapshot, "threat_insight")
        ),
        "exempt_zones": (
            (zone_id,)
            for item in _items(snapshot, "threat_insight")
            for zone_id in dict.fromkeys(values.texts(at(item, "excludeZones")))
        ),
        "factor_users": _factor_users(_items(snapshot, "user_factors")),
        "group_members": (
            (values.text(at(item, "id")), member)
            for item in _items(snapshot, "groups")
            for member in dict.fromkeys(values.texts(at(item, "members")))
        ),
    }
    return {name: _table(name, found) for name, found in rows.items()}


def sessions(findings: Iterable[Finding], verdicts: Mapping[str, str]) -> ContentList:
    """Return legacy sessions as the table ``legacy_sessions``.

    Args:
        findings: Of the sessions.
        verdicts: The verdict's word by the ``uuid`` of the finding.
    """
    return _table("legacy_sessions", (_session(f, verdicts.get(f.uuid)) for f in findings))


def _table(name: str, rows: Iterable[Row]) -> ContentList:
    pairs = (column.partition(":") for column in COLUMNS[name].split())
    columns = {column: kind or "VARCHAR" for column, _, kind in pairs}
    return ContentList(columns, tuple(rows))


def _items(snapshot: Snapshot, part: str) -> tuple[Json, ...]:
    return values.objects(snapshot.part(part).items)


def _policy(policy: OktaPolicy) -> Row:
    return (
        *(policy.id or None, policy.type, policy.name, policy.priority),
        *(policy.active, policy.system, policy.rules is not None),
    )


def _rules(found: Iterable[OktaPolicy]) -> Iterator[Row]:
    place = 0
    for policy in found:
        for rule in policy.rules or ():
            place += 1
            yield (
                *(rule.id or None, policy.id or None, policy.type, policy.name),
                *(policy.priority, policy.active, policy.system),
                *(rule.name, rule.priority, rule.active, rule.system),
                *(rule.access, rule.requires_factor, rule.prompt_mode),
                *(rule.factor_lifetime_min, rule.remembers_device, rule.primary_factor),
                *(rule.auth_type or "ANY", rule.connection or "ANYWHERE"),
                *(rule.idp_provider or "ANY", rule.risk_level or "ANY"),
                *(rule.enroll_self, place),
            )


def _conditions(policy: OktaPolicy) -> Iterator[Row]:
    yield from _of(policy.id, policy.id, {"group": policy.groups, "other": Wanted(policy.other)})
    for rule in policy.rules or ():
        yield from _of(rule.id, policy.id, _wanted(rule))


def _wanted(rule: Rule) -> Mapping[str, Wanted]:
    return {
        "group": rule.groups,
        "user": rule.users,
        "zone": rule.zones,
        "idp": Wanted(rule.idp_ids),
        "behavior": Wanted(rule.behaviors),
        "other": Wanted(rule.other),
    }


def _of(owner_id: str, policy_id: str, wanted: Mapping[str, Wanted]) -> Iterator[Row]:
    for kind, ids in wanted.items():
        for mode, some in (("include", ids.include), ("exclude", ids.exclude)):
            for value in some:
                yield owner_id or None, policy_id or None, kind, mode, value


def _zone(item: Json) -> Row:
    return (
        *(values.text(at(item, key)) for key in ("id", "name", "type", "usage")),
        *(policies.is_active(item), at(item, "system") is True),
        *(zones.addresses(item), zones.is_open(item)),
    )


def _authenticator(item: Json) -> Row:
    texts = (values.text(at(item, key)) for key in ("id", "key", "name", "type"))
    return (*texts, policies.is_active(item))


def _enrollments(policy: OktaPolicy) -> Iterator[Row]:
    """Yield a row for each authenticator; in Classic Engine, for each factor."""
    held = [
        (at(item, "key"), at(item, "enroll", "self"))
        for item in values.objects(at(policy.json, "settings", "authenticators"))
    ]
    factors = at(policy.json, "settings", "factors")
    if isinstance(factors, Mapping):
        held += [(k, at(v, "enroll", "self")) for k, v in cast("Json", factors).items()]
    for key, enroll in held:
        yield (
            *(policy.id or None, policy.name, policy.priority, policy.active, policy.system),
            *(values.text(key), values.text(enroll)),
        )


def _token(item: Json) -> Row:
    return (
        *(values.text(at(item, key)) for key in ("id", "name", "userId", "clientName")),
        *(values.moment(at(item, key)) for key in ("created", "lastUpdated", "expiresAt")),
        values.text(at(item, "network", "connection")),
    )


def _factor_users(items: Iterable[Json]) -> Iterator[Row]:
    """Yield each user once, with how many second factors are active.

    What the check ``enrollment_optional`` takes for none is none here: a security question and
    e-mail, which the API lists beside them. Of a user who is there twice the fewer count.
    """
    counts: dict[str, int] = {}
    for item in items:
        user_id = values.text(at(item, "userId"))
        factors = at(item, "factors")
        if user_id and values.is_list(factors):
            active = sum(
                at(factor, "status") == "ACTIVE" and at(factor, "factorType") not in _NO_SECOND
                for factor in values.objects(factors)
            )
            counts[user_id] = min(counts.get(user_id, active), active)
    yield from counts.items()


def _session(finding: Finding, verdict: str | None) -> Row:
    context, policy = finding.alert_context, finding.policy
    return (
        *(finding.uuid, finding.start_ms, finding.mfa_status.value, finding.severity.word),
        *(context.actor_id, context.user_email, context.source_ip, context.user_agent),
        *(policy.rule_id, policy.rule_name, policy.policy_id, policy.policy_name),
        *(policy.result, verdict),
    )
