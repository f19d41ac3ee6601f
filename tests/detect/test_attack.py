import pytest

from mfagap.detect.attack import Attack
from mfagap.detect.load import load_all
from mfagap.model import Technique

ATTACK = Attack.pinned()


def test_every_pair_of_every_detection_is_pinned() -> None:
    pairs = [pair for detection in load_all() for pair in detection.attack]
    assert pairs
    assert [ATTACK.fault(pair) for pair in pairs] == [None] * len(pairs)


@pytest.mark.parametrize(
    ("tactic", "fault"),
    [
        ("TA0003", None),
        ("TA0006", None),
        ("TA0112", None),
        (
            "TA0005",
            "T1556 is not under TA0005 in ATT&CK 19.2, but under TA0003 Persistence, "
            "TA0006 Credential Access, TA0112 Defense Impairment",
        ),
    ],
)
def test_where_version_19_has_modify_authentication_process(tactic: str, fault: str | None) -> None:
    assert ATTACK.fault(Technique(tactic, "T1556")) == fault


def test_a_technique_that_is_not_pinned() -> None:
    fault = ATTACK.fault(Technique("TA0001", "T9999"))
    assert fault == "T9999 is not in content/attack.yml (ATT&CK 19.2)"


def test_names() -> None:
    known, unknown = Technique("TA0001", "T1078.004"), Technique("TA9999", "T9999")
    assert ATTACK.tactic_name(known) == "Initial Access"
    assert ATTACK.technique_name(known) == "Valid Accounts: Cloud Accounts"
    assert (ATTACK.tactic_name(unknown), ATTACK.technique_name(unknown)) == ("TA9999", "T9999")


def test_every_technique_lies_under_known_tactics() -> None:
    assert {tactic for known in ATTACK.tactics_of.values() for tactic in known} <= set(
        ATTACK.tactics
    )
