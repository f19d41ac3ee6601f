"""A snapshot from Okta's API: all that may be read, and of the rest why it may not."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from mfagap.errors import SourceError
from mfagap.harden import completeness, values
from mfagap.harden.completeness import judged, judged_groups
from mfagap.harden.values import at
from mfagap.model.org import (
    POLICY_TYPES,
    Json,
    Part,
    Snapshot,
)
from mfagap.okta.client import OktaClient
from mfagap.okta.transport import Answer

_LISTS: Final = {"zones": "zones", "authenticators": "authenticators", "api_tokens": "api-tokens"}
_CLASSIC_LACKS: Final = ("ACCESS_POLICY", "authenticators")
_UNSEEN: Final = frozenset({400, 403, 404})
"""Answers that leave one part unknown. 401 is about the credentials, and so about all of it."""
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,100}")
"""What may become a word of a path; Okta's ids are shorter."""
_MOST_PROBLEMS: Final = 3


def fetch(
    client: OktaClient,
    now_ms: int,
    users: Collection[str] = (),
    groups: Collection[str] = (),
) -> Snapshot:
    """Return an org's snapshot; a part that may not be read is unknown and says why.

    Groups are those that session and enrollment policies name; of Okta's group Everyone no members
    are listed, since it holds all users.

    Args:
        client: Of the org.
        now_ms: The moment, in UTC epoch milliseconds.
        users: Ids of the users whose factors are read; the others' are not known.
        groups: Ids of groups that are read beside those that policies name.

    Raises:
        AccessRefused: The credentials as such are not accepted.
        SourceError: The org cannot be reached, or answers nonsense.
    """
    parts = {kind: _policies(_Reading(client, kind)) for kind in POLICY_TYPES}
    for name, path in _LISTS.items():
        reading = _Reading(client, name)
        parts[name] = reading.part(reading.all(path))
    reading = _Reading(client, "threat_insight")
    found = reading.one("threats/configuration")
    parts["threat_insight"] = reading.part(None if found is None else [found])
    parts["groups"] = _groups(_Reading(client, "groups"), parts, groups)
    parts["user_factors"] = _user_factors(_Reading(client, "user_factors"), users)
    return Snapshot(now_ms, client.org_url, parts)


@dataclass(slots=True)
class _Reading:
    """Reads one part, and notes why some of it may not be read."""

    client: OktaClient
    name: str
    problems: list[str] = field(default_factory=list[str])

    def all(self, path: str, params: Mapping[str, str] | None = None) -> list[Any] | None:
        """Return what is on all pages of a list; None where it may not be read."""
        found: list[Any] = []
        try:
            for answer in self.client.pages(f"/api/v1/{path}", params):
                page = self._parsed(answer)
                if not isinstance(page, list):
                    raise SourceError(f"Okta's answer about {path} is no list")
                found += page
        except SourceError as error:
            self._note(error)
            return None
        return found

    def one(self, path: str) -> Json | None:
        """Return one object; None where it may not be read."""
        try:
            found = self._parsed(self.client.get(f"/api/v1/{path}"))
        except SourceError as error:
            self._note(error)
            return None
        if not isinstance(found, Mapping):
            raise SourceError(f"Okta's answer about {path} is no object")
        return cast("Json", found)

    def part(self, items: list[Any] | None) -> Part:
        """Return the part that ``items`` are; None for what may not be read."""
        return Part(missing=self.said) if items is None else judged(self.name, items, self.noted)

    @property
    def said(self) -> str:
        """All that was noted."""
        return "; ".join(self.noted)

    @property
    def noted(self) -> list[str]:
        """The first that was noted, and how much more there is."""
        more = len(self.problems) - _MOST_PROBLEMS
        return self.problems[:_MOST_PROBLEMS] + ([f"and {more} more like it"] if more > 0 else [])

    def _note(self, error: SourceError) -> None:
        """Note why something may not be read; what is no such reason is raised again."""
        if error.status not in _UNSEEN:
            raise error
        lacks = self.name in _CLASSIC_LACKS and error.status != 403
        self.problems.append(f"{error}{'; Classic Engine has none' if lacks else ''}")

    def _parsed(self, answer: Answer) -> Any:
        try:
            return values.parsed(answer.body)
        except ValueError as error:
            raise SourceError(f"Okta's answer about {self.name} is no JSON: {error}") from error


def _policies(reading: _Reading) -> Part:
    found = reading.all("policies", {"type": reading.name})
    if found is None:
        return reading.part(None)
    items: list[Any] = []
    for item in found:
        policy_id = values.text(at(item, "id")) or ""
        rules = reading.all(f"policies/{policy_id}/rules") if _ID.fullmatch(policy_id) else None
        items.append(item if rules is None else {**item, "rules": rules})
    return reading.part(items)


def _groups(reading: _Reading, policies: Mapping[str, Part], more: Collection[str]) -> Part:
    groups: list[Json] = []
    for group_id in dict.fromkeys((*completeness.groups_named(policies), *more)):
        path = f"groups/{group_id}"
        group = reading.one(path) if _ID.fullmatch(group_id) else None
        if group is None:
            continue
        known: Json = {**group, "id": group_id, "name": at(group, "profile", "name")}
        if not completeness.is_everyone(group):
            users = reading.all(f"{path}/users")
            if users is None:
                continue
            known = {**known, "members": [at(user, "id") for user in users]}
        groups.append(known)
    return judged_groups(groups, policies, reading.noted)


def _user_factors(reading: _Reading, users: Collection[str]) -> Part:
    items: list[Json] = []
    for user_id in sorted(set(users)):
        if not _ID.fullmatch(user_id):
            reading.problems.append(f"{completeness.named([user_id])} is no id of a user")
        elif (factors := reading.all(f"users/{user_id}/factors")) is not None:
            items.append({"userId": user_id, "factors": factors})
    return reading.part(items)
