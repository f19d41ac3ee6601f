"""Check folders are loaded, and what is off names its file and line."""

from pathlib import Path

import pytest
from tests.detect.shipped import broken
from tests.harden.shipped_check import FOLDER, ID, copied

from mfagap.errors import ContentError, UsageError
from mfagap.harden import checks
from mfagap.model import ContentList, Severity
from mfagap.model.hardening import CheckOutcome, ReasonRule

IDS = [
    "api_token_from_gap",
    "app_rule_with_one_factor",
    "default_rule_without_factor",
    "enrollment_optional",
    "network_wider_than_name",
    "radius_or_ldap_rule_without_factor",
    "remembered_factor",
    "session_rule_without_factor",
    "threat_insight_not_blocking",
    "unreachable_rule",
    "user_without_factor",
]


def test_all_are_loaded_by_id() -> None:
    assert [check.id for check in checks.load_all()] == IDS
    assert [folder.name for folder in checks.folders()] == IDS


def test_what_a_check_holds() -> None:
    check = checks.find("remembered_factor")
    assert check.title == "A factor that was passed once counts for too long"
    assert (check.severity, check.subject) == (Severity.MEDIUM, "rule")
    assert check.author == "the mfagap maintainers"
    assert check.needs == ("OKTA_SIGN_ON",)
    assert check.controls == {"stig": (), "cis": ()}
    assert check.lists == {"longest": ContentList({"minutes": "BIGINT"}, ((720,),))}
    assert check.event_types == ()
    assert check.query == (Path(check.folder) / "query.sql").read_text(encoding="utf-8")
    assert check.prevention.startswith("Ask for a factor each time, or per session ")
    assert check.reasons["long_lifetime"] == ReasonRule(
        CheckOutcome.FAIL, None, "Rule {name} of {policy} asks for a factor once in {detail}."
    )
    assert check.reasons["once_per_device"].severity is Severity.LOW
    assert check.reasons["every_time"].severity is None
    assert check.reasons["every_time"].outcome is CheckOutcome.PASSED


def test_controls_are_ids_of_their_catalogs() -> None:
    known = {check.id: check.controls for check in checks.load_all()}
    assert known["app_rule_with_one_factor"] == {
        "stig": ("V-273193", "V-273194"),
        "cis": ("6.3", "6.5"),
    }


def test_what_is_not_there() -> None:
    with pytest.raises(UsageError) as caught:
        checks.find("nothing")
    assert str(caught.value) == f"no check is called 'nothing'; there are: {', '.join(IDS)}"


def test_a_copy_is_the_same(tmp_path: Path) -> None:
    copy, shipped = checks.load(copied(tmp_path)), checks.load(FOLDER)
    assert (copy.id, copy.reasons, copy.query) == (ID, shipped.reasons, shipped.query)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("severity: medium\n", "severity: moderate\n", "'MODERATE'"),
        (
            "result: unknown\n    says: What",
            "result: dunno\n    says: What",
            "'dunno' is not a valid CheckOutcome",
        ),
        ("lists: {}", "lists: []", "'list' object has no attribute 'items'"),
        ("needs: [", "wants: [", "'needs'"),
    ],
)
def test_a_wrong_form_points_to_lint(tmp_path: Path, old: str, new: str, what: str) -> None:
    folder = copied(tmp_path)
    file = folder / "check.yml"
    broken(file, old, new)
    with pytest.raises(ContentError) as caught:
        checks.load(folder)
    said = f"{file}:1: wrong form ({what}); `mfagap detections lint` says where"
    assert str(caught.value) == said


@pytest.mark.parametrize("name", ["check.yml", "query.sql"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = copied(tmp_path)
    (folder / name).unlink()
    with pytest.raises(ContentError, match=rf"{name}: cannot be read: "):
        checks.load(folder)
