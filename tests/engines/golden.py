"""Every detection in every dialect, as files to review: ``python -m tests.engines.golden``."""

from pathlib import Path

from mfagap.detect.load import load_all
from mfagap.engines.dialects import DIALECTS, document

FOLDER = Path(__file__).parent / "golden"


def file(dialect: str, detection_id: str) -> Path:
    """Return where the query of a detection in one dialect is kept."""
    return FOLDER / dialect / f"{detection_id}.sql"


def write() -> None:
    """Write every file anew, and remove what is none of them."""
    wanted = {
        file(dialect, detection.id): document(detection, dialect)
        for detection in load_all()
        for dialect in DIALECTS
    }
    for other in {path for path in FOLDER.rglob("*") if path.is_file()} - wanted.keys():
        other.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
