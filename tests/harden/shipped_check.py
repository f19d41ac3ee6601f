"""A check that ships, copied to be broken."""

import shutil
from pathlib import Path

from mfagap.detect.form import content

ID = "threat_insight_not_blocking"
FOLDER = content() / "hardening" / ID


def copied(into: Path) -> Path:
    """Return a copy of the shipped folder, with one case."""
    folder = into / ID
    (folder / "cases").mkdir(parents=True)
    for name in ("check.yml", "query.sql", "README.md", "cases/off.yml"):
        shutil.copy(FOLDER / name, folder / name)
    return folder
