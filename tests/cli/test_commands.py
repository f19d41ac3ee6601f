"""``mfagap detections`` and ``mfagap test``, and what every command says of itself."""

import shutil
from pathlib import Path

import pytest
from tests.cli.command import Run
from tests.detect.shipped import FOLDER, ID, broken, copied

from mfagap.detect import load
from mfagap.harden import checks

PAGE = (
    "id:           okta_legacy_authn_without_mfa",
    "severity:     medium",
    "status:       stable",
    "categories:   Cloud, Identity Management, Web, Application",
    "data sources: Cloud Service, Application Log",
    "schedule:     every 15m, grace 5m",
    "dedup:        1h by actor",
    "ATT&CK as published: TA0001:T1078.004, TA0005:T1556",
    "  T1556 Modify Authentication Process, as Defense Impairment (TA0112)",
    "False positives:",
    "Blind spots:",
    "Prevention:",
    "Runbook:",
    "References:",
)


def test_list(run: Run) -> None:
    done = run("detections", "list")
    title = "Okta legacy API authentication without an MFA challenge"
    assert (done.code, done.out, done.err) == (0, f"{ID}  medium  stable  {title}\n", "")


def test_show(run: Run) -> None:
    done = run("detections", "show", ID)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line for line in PAGE if line not in lines] == []
    assert any(line.startswith("created:      2026-") for line in lines)
    assert any(line.startswith("source:       ") and line.endswith(ID) for line in lines)


def test_show_what_is_not_there(run: Run) -> None:
    done = run("detections", "show", "nothing")
    message = f"mfagap: no detection is called 'nothing'; there are: {ID}\n"
    assert (done.code, done.out, done.err) == (2, "", message)


def test_lint_of_what_ships(run: Run) -> None:
    done = run("detections", "lint")
    count = 1 + len(checks.folders())
    assert (done.code, done.out, done.err) == (0, "", f"{count} checked, 0 problems\n")


def test_lint_names_file_and_line(run: Run, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    line = broken(folder / "detection.yml", "status: stable\n", "status: stable\nstatuz: stable\n")
    done = run("detections", "lint", folder)
    problem = f"{folder / 'detection.yml'}:{line + 1}: unknown key 'statuz'\n"
    assert (done.code, done.out, done.err) == (1, problem, "1 checked, 1 problem\n")


def test_lint_of_cases(run: Run, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (case,) = (folder / "cases").glob("*.yml")
    line = broken(case, "clock:", "clocc: x\nclock:")
    done = run("detections", "lint", folder)
    assert done.code == 1
    assert done.out.startswith(f"{case}:{line}: unknown key 'clocc'")
    case.unlink()
    done = run("detections", "lint", folder)
    assert (done.code, done.out) == (1, f"{folder / 'cases'}: has no case\n")


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the content with one case, which the commands read in its place."""
    whole = tmp_path / "content"
    whole.mkdir()
    for name in ("attack.yml", "templates.yml"):
        shutil.copy(FOLDER.parent.parent / name, whole)
    copied(whole / "detections")
    monkeypatch.setattr(load, "content", lambda: whole)
    monkeypatch.setattr(checks, "content", lambda: whole)
    return whole


@pytest.mark.usefixtures("content")
def test_cases_that_pass(run: Run) -> None:
    done = run("test")
    line = f"ok   {ID}/published_browser_session\n"
    assert (done.code, done.out, done.err) == (0, line, "1 passed, 0 failed\n")
    done = run("test", ID, "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "1 passed, 0 failed\n")


def test_a_case_that_fails_tells_what_differed(run: Run, content: Path) -> None:
    (case,) = content.glob("detections/*/cases/*.yml")
    broken(case, "severity: medium", "severity: low")
    done = run("test", "--quiet")
    assert (done.code, done.err) == (1, "0 passed, 1 failed\n")
    assert done.out.splitlines()[0] == f"FAIL {ID}/published_browser_session"
    assert '.severity: expected "low", found "medium"' in done.out


def test_a_detection_without_cases_fails(run: Run, content: Path) -> None:
    (case,) = content.glob("detections/*/cases/*.yml")
    case.unlink()
    done = run("test")
    assert (done.code, done.err) == (1, f"{ID}: has no case\n0 passed, 1 failed\n")


def test_cases_of_what_is_not_there(run: Run) -> None:
    assert run("test", "nothing").code == 2


@pytest.mark.parametrize("words", [(), ("scan",), ("detections",), ("mystery",), ("scan", "--x")])
def test_words_that_are_off(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert "usage: mfagap" in done.err


def test_help_tells_the_exit_codes(run: Run) -> None:
    done = run("--help")
    assert (done.code, done.err) == (0, "")
    for code in ("0 ", "1 ", "2 ", "3 ", "10 ", "130 "):
        assert f"\n  {code}" in done.out


def test_version(run: Run) -> None:
    assert run("--version").out == "mfagap 0.1.0\n"


def test_an_interrupt_ends_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(own: Path | None = None) -> list[Path]:
        del own
        raise KeyboardInterrupt

    monkeypatch.setattr(load, "folders", interrupted)
    done = run("detections", "list")
    assert (done.code, done.err) == (130, "mfagap: interrupted\n")


def test_lint_of_survivors(run: Run, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    file = folder / "survivors.yml"
    file.write_text("- reason: none\n  mutants: [a]\n", encoding="utf-8")
    done = run("detections", "lint", folder)
    assert (done.code, done.out) == (1, f"{file}:1: 'owner' is missing or no text\n")
