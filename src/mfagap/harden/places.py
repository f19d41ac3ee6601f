"""Where a plan may write: session policies and their rules, and nowhere else in the API."""

import re
from dataclasses import dataclass
from typing import Final

from mfagap.errors import PlanRefused
from mfagap.model.hardening import Change

POLICIES: Final = "/api/v1/policies"
_ID: Final = "[A-Za-z0-9_-]{1,64}"
_RULES: Final = re.compile(rf"{POLICIES}/(?:\{{({_ID})\}}|({_ID}))/rules(?:/({_ID}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """A path of the API, taken apart; all are None where it is the list of policies.

    Attributes:
        made_by: Id of the change that makes the policy; None where it is there.
        policy_id: Of the policy; None where it is yet to be made.
        rule_id: Of the rule; None where the path is the list of a policy's rules.
    """

    made_by: str | None = None
    policy_id: str | None = None
    rule_id: str | None = None

    @property
    def is_policies(self) -> bool:
        """Whether it is the list of policies."""
        return self.made_by is None and self.policy_id is None


def place(path: str) -> Place | None:
    """Return what ``path`` leads to; None where no plan may write there.

    Args:
        path: Of the API. ``{id}`` stands for the id of what the change ``id`` makes.
    """
    if path == POLICIES:
        return Place()
    found = _RULES.fullmatch(path)
    return None if found is None or (found[1] and found[3]) else Place(*found.groups())


def placed(change: Change) -> Place:
    """Return what the path of a change leads to.

    Raises:
        PlanRefused: No plan may write there.
    """
    where = place(change.path)
    if where is None:
        raise PlanRefused(f"change {change.id} would write where no plan may: {change.path}")
    return where


def is_id(text: str) -> bool:
    """Tell whether ``text`` may be an id of Okta's or of a change, which becomes part of a path."""
    return re.fullmatch(_ID, text) is not None
