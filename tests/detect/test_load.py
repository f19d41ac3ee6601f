from pathlib import Path

import pytest
from tests.detect.shipped import FOLDER, ID, broken, copied

from mfagap.detect.form import content
from mfagap.detect.load import find, folders, load, load_all, technique
from mfagap.errors import ContentError, UsageError
from mfagap.model import ContentList, Severity, Technique


def test_every_folder_loads() -> None:
    assert FOLDER in folders()
    assert [detection.id for detection in load_all()] == [folder.name for folder in folders()]
    assert content().is_dir()


def test_what_a_folder_says() -> None:
    detection = find(ID)
    assert (detection.severity, detection.status) == (Severity.MEDIUM, "stable")
    assert detection.schedule_s == 900
    assert (detection.chain_s, detection.grace_s) == (3600, 300)
    assert (detection.before_s, detection.after_s) == (30 * 86_400, 3600)
    assert (detection.dedup_key, detection.dedup_window_s) == ("actor", 3600)
    assert detection.attack_published == (
        Technique("TA0001", "T1078.004"),
        Technique("TA0005", "T1556"),
    )
    assert detection.categories == ("Cloud", "Identity Management", "Web", "Application")
    assert detection.data_sources == ("Cloud Service", "Application Log")
    assert "{user_email}" in detection.finding_title
    assert detection.query == (FOLDER / "query.sql").read_text(encoding="utf-8")
    assert detection.folder == str(FOLDER)


def test_lists_keep_the_order_of_their_columns() -> None:
    lists = find(ID).lists
    assert lists["prompting_rules"] == ContentList(
        {"rule_id": "VARCHAR", "lifetime_s": "BIGINT"}, ()
    )
    assert ("%curl/%", "library") in lists["clients"].rows


def test_an_unknown_id_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=f"no detection is called 'mystery'; there are: .*{ID}"):
        find("mystery")


def test_a_wrong_form_points_to_lint(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    broken(folder / "detection.yml", "schedule: 15m", "schedule: often")
    with pytest.raises(ContentError) as caught:
        load(folder)
    assert str(caught.value) == (
        f"{folder / 'detection.yml'}:1: wrong form ('often' is no duration; write it as 90s, 15m, "
        "12h or 7d); `mfagap detections lint` says where"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("status: stable", "state: stable"),
        ("severity: medium", "severity: moderate"),
        ("schedule: 15m", "schedule: 15"),
        ("    - TA0001:T1078.004", "    - T1078.004"),
        ('rows:\n      - { pattern: "% mfa %" }', "rows:\n      - { patern: x }"),
    ],
)
def test_no_wrong_form_passes(tmp_path: Path, old: str, new: str) -> None:
    folder = copied(tmp_path)
    broken(folder / "detection.yml", old, new)
    with pytest.raises(ContentError, match=r"detection\.yml:1: wrong form"):
        load(folder)


def test_a_document_that_is_no_mapping(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "detection.yml").write_text("- a list\n", encoding="utf-8")
    with pytest.raises(ContentError, match="wrong form"):
        load(folder)


def test_a_folder_needs_a_query(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "query.sql").unlink()
    with pytest.raises(ContentError, match=r"query\.sql: cannot be read: .*No such file"):
        load(folder)


@pytest.mark.parametrize("pair", ["T1556", "TA0001:", ""])
def test_half_a_pair_is_none(pair: str) -> None:
    with pytest.raises(ValueError, match="is no tactic:technique pair"):
        technique(pair)
