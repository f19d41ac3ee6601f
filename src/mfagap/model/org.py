"""An org's policies as they are configured, as frozen dataclasses; no I/O.

Times are UTC epoch milliseconds. Field names follow Okta's Policy API (``GET /api/v1/policies``).
``None`` of a field means that the API did not say, never a default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]
"""An object as the API returned it, or takes it."""

PARTS: tuple[str, ...] = (
    *("OKTA_SIGN_ON", "MFA_ENROLL", "ACCESS_POLICY", "PASSWORD"),
    *("zones", "authenticators", "threat_insight", "api_tokens", "groups", "user_factors"),
)
"""What a snapshot can hold; the first four are types of policies, with their rules."""

POLICY_TYPES: tuple[str, ...] = PARTS[:4]

PART_NAMES: Mapping[str, str] = {
    "OKTA_SIGN_ON": "the session policies",
    "MFA_ENROLL": "the enrollment policies",
    "ACCESS_POLICY": "the app policies",
    "PASSWORD": "the password policies",
    "zones": "the network zones",
    "authenticators": "the authenticators",
    "threat_insight": "the ThreatInsight setting",
    "api_tokens": "the API tokens",
    "groups": "the groups",
    "user_factors": "the users' factors",
}
"""Each part, as people call it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What the API said of one part of an org.

    Attributes:
        items: Objects as the API returned them. A policy has its rules under ``rules``; it lacks
            the key where they could not be read. A group has its members' ids under ``members``.
            Of ``user_factors`` each item is ``{"userId": …, "factors": […]}``.
        missing: Why the part is not known, or not wholly known; None where it is.
    """

    items: tuple[Json, ...] = ()
    missing: str | None = None

    @property
    def known(self) -> bool:
        """Whether all of it is there: what is absent from a known part does not exist."""
        return self.missing is None


UNREAD = Part(missing="not read")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An org's policies and what they name, at one moment.

    Attributes:
        taken_ms: When it was read; None where nobody knows, as of files.
        origin: The org's URL, or the folder, for people.
        parts: By a name of ``PARTS``; one that is absent was not read.
    """

    taken_ms: int | None
    origin: str
    parts: Mapping[str, Part]

    def part(self, name: str) -> Part:
        """Return the part ``name``, unknown where it was not read."""
        return self.parts.get(name, UNREAD)


NOTHING = Snapshot(None, "the log alone", {})
"""What is known of an org where nobody has read its policies."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a policy, read.

    Attributes:
        id: Such as ``0pr…`` (session), ``rul…`` (Identity Engine app).
        name: As people know it.
        policy_id: Of the policy that holds it.
        policy_type: One of ``POLICY_TYPES``.
        priority: 1 is asked first; None where the API did not say, which comes last.
        active: Whether ``status`` is not ``INACTIVE``: an odd word passes over no rule.
        system: Whether it is the policy's default rule.
        access: ``ALLOW`` or ``DENY``; None in policies that have no such word.
        requires_factor: ``signon.requireFactor``, or whether an app rule's ``factorMode`` is 2FA;
            None where neither is said.
        prompt_mode: ``ALWAYS``, ``DEVICE`` or ``SESSION``.
        factor_lifetime_min: Minutes for which a passed factor counts.
        remembers_device: ``rememberDeviceByDefault``.
        primary_factor: ``PASSWORD_IDP`` or ``PASSWORD_IDP_ANY_FACTOR``.
        auth_type: ``ANY``, ``RADIUS`` or ``LDAP_INTERFACE``; None is ANY.
        connection: ``ANYWHERE`` or ``ZONE``; None is ANYWHERE.
        zones: Ids of zones that it wants, and after ``-`` those that it does not.
        users: Ids of users likewise; the rule is for all where none is wanted.
        groups: Ids of groups likewise.
        idp_provider: ``ANY``, ``OKTA`` or ``SPECIFIC_IDP``; None is ANY.
        idp_ids: Of ``SPECIFIC_IDP``.
        behaviors: Ids of behaviors that it wants detected.
        risk_level: ``ANY``, ``LOW``, ``MEDIUM`` or ``HIGH``; None is ANY.
        other: Names of conditions that mfagap does not know: whether they hold cannot be seen.
        enroll_self: Of ``MFA_ENROLL``: when a user is asked to enroll.
        json: The object as the API returned it.
    """

    id: str
    name: str
    policy_id: str
    policy_type: str
    priority: int | None
    active: bool
    system: bool
    access: str | None
    requires_factor: bool | None
    prompt_mode: str | None
    factor_lifetime_min: int | None
    remembers_device: bool | None
    primary_factor: str | None
    auth_type: str | None
    connection: str | None
    zones: "Wanted"
    users: "Wanted"
    groups: "Wanted"
    idp_provider: str | None
    idp_ids: tuple[str, ...]
    behaviors: tuple[str, ...]
    risk_level: str | None
    other: tuple[str, ...]
    enroll_self: str | None
    json: Json = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Ids that a condition includes, and ids that it excludes; none included means any."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether it asks for nothing."""
        return not self.include and not self.exclude


@dataclass(frozen=True, slots=True)
class OktaPolicy:
    """A policy as configured (``Policy`` is what the log says of one evaluation).

    Attributes:
        id: Such as ``00p…``.
        name: As people know it.
        type: One of ``POLICY_TYPES``.
        priority: 1 is asked first; None comes last.
        active: Whether ``status`` is not ``INACTIVE``: an odd word passes over no rule.
        system: Whether it is the default policy, which is for everyone.
        groups: Ids of groups that it is for; of the default policy not asked.
        other: Names of conditions that mfagap does not know.
        rules: In the order in which they are asked; None where they could not be read.
        json: The object as the API returned it, without its rules.
    """

    id: str
    name: str
    type: str
    priority: int | None
    active: bool
    system: bool
    groups: Wanted
    other: tuple[str, ...]
    rules: tuple[Rule, ...] | None
    json: Json = field(compare=False, repr=False)
