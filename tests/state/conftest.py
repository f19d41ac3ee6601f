from collections.abc import Generator
from pathlib import Path

import pytest

from mfagap.state.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Generator[Database]:
    """An empty state."""
    with Database(tmp_path / "state") as opened:
        yield opened
