"""The demo's log is the same each time, and a scan of it finds the stories that it tells."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples import demo_org
from tests.detect.shipped import ID

from mfagap.model import MfaStatus, ScanResult
from mfagap.service.scan import Request, scan

STORIES = {
    ("grace", "single_factor", "critical"): 1,
    ("ida", "single_factor", "medium"): 1,
    ("noor", "single_factor", "critical"): 1,
    ("olga", "single_factor", "medium"): 1,
    ("vint", "single_factor", "medium"): 8,
    ("kurt", "challenged", "medium"): 1,
    ("mary", "challenged", "low"): 1,
    ("sofia", "unsettled", "informational"): 1,
    ("radia", "step_up", "informational"): 1,
    ("tim", "step_up", "informational"): 1,
    ("wei", "step_up", "informational"): 1,
    ("yuki", "explained", "informational"): 1,
    ("zoe", "explained", "informational"): 1,
}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    demo_org.main(str(folder))
    return folder


@pytest.fixture(scope="module")
def result(logs: Path) -> ScanResult:
    return scan(Request([str(logs)], io.BytesIO()))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def test_the_same_bytes_each_time(logs: Path, tmp_path: Path) -> None:
    demo_org.main(str(tmp_path))
    assert list(_files(tmp_path)) == list(_files(logs))


def test_every_story_is_found(result: ScanResult) -> None:
    told: dict[tuple[str, str, str], int] = {}
    for found in result.findings:
        if found.detection == ID and found.mfa_status is not MfaStatus.MFA:
            user = found.alert_context.user_email.removesuffix("@example.com")
            key = (user, found.mfa_status.value, found.severity.word)
            told[key] = told.get(key, 0) + 1
    assert told == STORIES


def test_everybody_else_has_a_factor(result: ScanResult) -> None:
    assert result.counts[MfaStatus.MFA] == 3 * len(demo_org.PEOPLE) + 1  # lise, once more


def test_overlaps_are_counted_once_and_nothing_is_lost(result: ScanResult) -> None:
    files = 10
    repeats = (files - 1) * 5
    assert result.totals.deliveries == len(demo_org.log()) + repeats
    assert result.totals.duplicates == repeats
    assert {reason.reason: n for reason, n in result.problems.items()} == {"not JSON": 2}
    (foreign,) = result.totals.foreign
    assert Path(foreign).name == "notes.txt"


def test_nobody_is_named_whom_an_event_is_not_about() -> None:
    org = demo_org.Org(seed=1)
    demo_org.everyday(org)
    demo_org.stories(org)
    named = [
        (event["actor"]["displayName"], target["displayName"], event["eventType"])
        for event in org.events
        for target in event["target"] or ()
        if target["type"] in ("User", "AppUser")
    ]
    assert ("Noor Example", "Noor Example", "user.mfa.factor.activate") in named
    assert [each for each in named if each[0] != each[1]] == []
