"""Where a plan may write, and that nothing else is taken for such a place."""

from dataclasses import replace

import pytest
from tests.harden.planned import plan

from mfagap.errors import PlanRefused
from mfagap.harden.places import POLICIES, Place, place, placed

CHANGE = plan().changes[0]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (POLICIES, Place()),
        (f"{POLICIES}/00p1/rules", Place(policy_id="00p1")),
        (f"{POLICIES}/00p1/rules/0pr1", Place(policy_id="00p1", rule_id="0pr1")),
        (f"{POLICIES}/{{keep}}/rules", Place(made_by="keep")),
    ],
)
def test_session_policies_and_their_rules_are_places(path: str, where: Place) -> None:
    assert place(path) == where
    assert placed(replace(CHANGE, path=path)) == where
    assert where.is_policies == (path == POLICIES)


@pytest.mark.parametrize(
    "path",
    [
        "",
        f"{POLICIES}/",
        f"{POLICIES}/00p1",
        f"{POLICIES}/00p1/rules/",
        f"{POLICIES}/00p1/rules/0pr1/lifecycle/deactivate",
        f"{POLICIES}/../users/rules",
        f"{POLICIES}/{{keep}}/rules/0pr1",
        f"{POLICIES}/00p1/rules\n",
        "/api/v1/users",
    ],
)
def test_any_other_path_is_refused_and_never_the_list_of_policies(path: str) -> None:
    assert place(path) is None
    with pytest.raises(PlanRefused, match=f"change {CHANGE.id} would write where no plan may"):
        placed(replace(CHANGE, path=path))
