import pytest

from mfagap.harden.diff import ChangedKey, Difference, What
from mfagap.report.hardening import difference


@pytest.mark.parametrize(
    ("each", "says"),
    [
        (Difference("zones", "nzo1", "VPN", What.ADDED), "added: zones VPN (nzo1)"),
        (Difference("user_factors", "00u1", "00u1", What.CHANGED), "changed: user_factors 00u1"),
        (Difference("zones", "", "zones", What.BECAME_KNOWN), "became known: zones"),
        (Difference("threat_insight", "", "", What.CHANGED), "changed: threat_insight"),
        (
            Difference("user_factors", "", "factors of 27 users", What.NOT_ASKED_NEW),
            "not asked for in the newer one: factors of 27 users",
        ),
    ],
)
def test_what_differs_is_named_once(each: Difference, says: str) -> None:
    assert list(difference.told(each)) == [says]


def test_each_key_is_told() -> None:
    changed = Difference("zones", "z", "Z", What.CHANGED, (ChangedKey("a[0].b", None, [1]),))
    assert list(difference.told(changed))[1:] == ["  a[0].b: null -> [1]"]
