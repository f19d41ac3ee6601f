"""The detection that most tests scan with, alone, and copies of its folder to break."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mfagap.detect import load
from mfagap.detect.form import content

ID = "okta_legacy_authn_without_mfa"
FOLDER = content() / "detections" / ID


@contextmanager
def alone() -> Generator[None]:
    """Let ``ID`` be the only detection that ships with mfagap, however many do."""
    every = load.folders

    def folders(own: Path | None = None) -> list[Path]:
        found = every(own)
        return [folder for folder in found if folder.name == ID or folder.parent != FOLDER.parent]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "folders", folders)
        yield


def copied(into: Path) -> Path:
    """Return a copy of the shipped folder, with one case."""
    folder = into / ID
    folder.mkdir(parents=True)
    for name in ("detection.yml", "query.sql", "README.md", "runbook.yml"):
        shutil.copy(FOLDER / name, folder)
    shutil.copytree(FOLDER / "runbook", folder / "runbook")
    (folder / "cases").mkdir()
    shutil.copy(FOLDER / "cases" / "published_browser_session.yml", folder / "cases")
    return folder


def without_runbook(folder: Path) -> Path:
    """Remove the runbook of the copy ``folder``, and return it."""
    (folder / "runbook.yml").unlink()
    shutil.rmtree(folder / "runbook")
    return folder


def broken(file: Path, old: str, new: str) -> int:
    """Replace ``old``, which occurs once in ``file``, by ``new``; return its 1-based line."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {file.name}"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1
