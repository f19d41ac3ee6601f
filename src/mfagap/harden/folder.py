"""A snapshot from files: one that mfagap wrote, or JSON as Okta's API returned it.

What a file holds is told by its content. Where an answer does not say whose it is (a list of users,
or an empty one) the id in the file's name does.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mfagap.errors import SourceError, UsageError
from mfagap.harden import plan, values
from mfagap.harden import snapshot as snapshots
from mfagap.harden.completeness import is_everyone, judged, judged_groups
from mfagap.harden.values import at
from mfagap.model.org import (
    POLICY_TYPES,
    Json,
    Snapshot,
)

_ZONES: Final = ("IP", "DYNAMIC", "DYNAMIC_V2")
_GROUPS: Final = ("OKTA_GROUP", "APP_GROUP", "BUILT_IN")
_POLICY_OF_RULE: Final = re.compile(r"/policies/([^/?#]+)/rules")
_USER_OF_FACTOR: Final = re.compile(r"/users/([^/?#]+)")
_USER_ID: Final = re.compile(r"00u[0-9A-Za-z]+")
_GROUP_ID: Final = re.compile(r"00g[0-9A-Za-z]+")


def read(path: Path) -> Snapshot:
    """Return the snapshot that a file or folder holds.

    Args:
        path: A file that ``snapshot.dump`` wrote, or a folder of files, each a list or an object of
            Okta's API. Hidden files are passed over; a part of which there is no file is unread.

    Raises:
        UsageError: ``path`` leads nowhere.
        SourceError: A file cannot be read, or it cannot be told what it is; names it.
    """
    if not path.is_dir():
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        data = snapshots.read_json(path)
        if at(data, snapshots.KEY) is not None:
            return snapshots.undumped(data, path)
        return _snapshot(path, [_File(path, data)])
    below = (file.relative_to(path) for file in sorted(path.rglob("*")) if file.is_file())
    names = [name for name in below if not any(part.startswith(".") for part in name.parts)]
    if not names:
        raise SourceError(f"{path}: holds no files")
    return _snapshot(path, [_File(path / name, snapshots.read_json(path / name)) for name in names])


class _File:
    """A file: its path, what it holds, and what kind of thing that is."""

    def __init__(self, path: Path, data: object) -> None:
        self.path = path
        held = values.items(data) if values.is_list(data) else (data,)
        self.items = values.objects(held)
        kinds = {_kind(item) for item in self.items}
        if len(self.items) < len(held) or len(kinds) > 1:
            raise self.off("holds more than one kind of thing")
        self.kind = kinds.pop() if kinds else ""
        if self.items and not self.kind:
            if at(data, plan.KEY) is not None:
                raise self.off("this is a plan; --from takes a snapshot")
            raise self.off(
                "holds no policy, rule, zone, group, user, factor, authenticator, API token or "
                "ThreatInsight setting as Okta's API returns it; take others out of the folder"
            )

    def off(self, message: str) -> SourceError:
        """Return an error that names the file."""
        return SourceError(f"{self.path}: {message}")

    def id_in_name(self, pattern: re.Pattern[str]) -> str | None:
        """Return the one id of a kind that the file's name holds."""
        found = set(pattern.findall(self.path.stem))
        return found.pop() if len(found) == 1 else None


@dataclass(slots=True)
class _Found:
    """What the files hold, put together."""

    lists: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    rules: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    members: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    factors: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])

    def add(self, file: _File, policy_ids: Collection[str]) -> None:
        """Add what a file holds.

        Args:
            file: To be added.
            policy_ids: Of the policies in all files.
        """
        match file.kind:
            case "rules":
                for item in file.items:
                    policy_id = _linked(item, _POLICY_OF_RULE) or _named(file, policy_ids)
                    if policy_id not in policy_ids:
                        raise file.off("holds rules of a policy that no file holds")
                    self.rules.setdefault(policy_id, []).append(item)
            case "factors":
                for item in file.items:
                    user_id = _linked(item, _USER_OF_FACTOR) or file.id_in_name(_USER_ID)
                    if user_id is None:
                        raise file.off(
                            "whose factors these are is told neither in it nor by its name"
                        )
                    self.factors.setdefault(user_id, []).append(item)
            case "users":
                group_id = file.id_in_name(_GROUP_ID)
                if group_id is None:
                    raise file.off("users of which group? Name the file as …<group id>….json")
                self.members.setdefault(group_id, []).extend(at(i, "id") for i in file.items)
            case "":
                self._add_none(file, policy_ids)
            case kind:
                self.lists.setdefault(kind, []).extend(file.items)

    def _add_none(self, file: _File, policy_ids: Collection[str]) -> None:
        """Add an empty list, which its name alone can tell."""
        if policy_id := _named(file, policy_ids):
            self.rules.setdefault(policy_id, [])
        elif user_id := file.id_in_name(_USER_ID):
            self.factors.setdefault(user_id, [])
        elif group_id := file.id_in_name(_GROUP_ID):
            self.members.setdefault(group_id, [])
        else:
            raise file.off("an empty list, and no id in the file's name tells what of; remove it")


def _snapshot(path: Path, files: Iterable[_File]) -> Snapshot:
    files = list(files)
    policies = [item for file in files if file.kind in POLICY_TYPES for item in file.items]
    policy_ids = {found for item in policies if (found := values.text(at(item, "id")))}
    found = _Found()
    for file in files:
        found.add(file, policy_ids)
    parts = {
        kind: judged(kind, [_with_rules(item, found.rules) for item in items])
        for kind, items in found.lists.items()
        if kind != "groups"
    }
    if found.members or "groups" in found.lists:
        parts["groups"] = judged_groups(_groups(found), parts)
    if found.factors:
        users = found.factors.items()
        items = [{"userId": user_id, "factors": factors} for user_id, factors in users]
        parts["user_factors"] = judged("user_factors", items)
    return Snapshot(None, str(path), parts)


def _with_rules(item: Json, rules: Mapping[str, list[Json]]) -> Json:
    held: Any = rules.get(values.text(at(item, "id")) or "")
    if held is None:
        held = at(item, "_embedded", "rules")  # of ``?expand=rules``
    return item if held is None else {**item, "rules": held}


def _groups(found: _Found) -> list[Json]:
    """Return groups whose members are known, and Okta's own of everyone, as if read: without."""
    known = {values.text(at(group, "id")) or "": group for group in found.lists.get("groups", [])}
    everyone = [group_id for group_id, group in known.items() if is_everyone(group)]
    groups: list[Json] = []
    for group_id in dict.fromkeys((*everyone, *found.members)):
        group = known.get(group_id, {})
        listed = group_id in found.members and group_id not in everyone
        members = {"members": found.members[group_id]} if listed else {}
        groups.append({**group, "id": group_id, "name": at(group, "profile", "name"), **members})
    return groups


def _kind(item: Json) -> str:
    """Return the part that an object is of, or rules, factors, users; empty where none is known."""
    kind = at(item, "type")
    tests = (
        ("rules", "actions" in item),
        (kind, kind in POLICY_TYPES),
        ("zones", kind in _ZONES),
        ("groups", kind in _GROUPS and "profile" in item),
        ("factors", "factorType" in item),
        ("authenticators", isinstance(kind, str) and isinstance(at(item, "key"), str)),
        ("threat_insight", "excludeZones" in item and "action" in item),
        ("api_tokens", "tokenWindow" in item or "clientName" in item),
        ("users", at(item, "profile", "login") is not None),
    )
    return next((name for name, holds in tests if holds), "")


def _linked(item: Json, pattern: re.Pattern[str]) -> str | None:
    """Return the id that an object's link to itself, or to its user, has."""
    for name in ("self", "user"):
        match = pattern.search(values.text(at(item, "_links", name, "href")) or "")
        if match:
            return match[1]
    return None


def _named(file: _File, ids: Collection[str]) -> str:
    """Return the longest of ``ids`` that the file's name holds; empty where it holds none."""
    return max((some for some in ids if some in file.path.stem), key=len, default="")
