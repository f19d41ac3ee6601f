"""Every detection in every dialect, as files to review: ``python -m tests.engines.golden``."""

from pathlib import Path

from mfagap.detect.load import find, load_all
from mfagap.engines.dialects import DIALECTS, asking, document

FOLDER = Path(__file__).parent / "golden"


EVERY = [
    (dialect, detection.id, step)
    for detection in load_all()
    for step in (None, *(step.id for step in asking(detection)))
    for dialect in DIALECTS
]
"""Every query in every dialect: dialect, detection, and step of the runbook or None."""


def file(dialect: str, detection_id: str, step: str | None = None) -> Path:
    """Return where a query of a detection in one dialect is kept."""
    return FOLDER / dialect / f"{detection_id}{f'.{step}' if step else ''}.sql"


def write() -> None:
    """Write every file anew, and remove what is none of them."""
    wanted = {
        file(dialect, name, step): document(find(name), dialect, step)
        for dialect, name, step in EVERY
    }
    for other in {path for path in FOLDER.rglob("*") if path.is_file()} - wanted.keys():
        other.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
