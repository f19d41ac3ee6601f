from collections.abc import Generator
from pathlib import Path

import pytest
from tests.cli.command import Done, Run
from tests.cli.logs import every_status, write
from tests.cli.watched import copied, run_once
from tests.detect import shipped

from mfagap.cli.main import main


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MFAGAP_CONFIG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(autouse=True, scope="module")
def _alone() -> Generator[None]:
    with shipped.alone():
        yield


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``mfagap`` in this process; an error carries no traceback."""

    def call(*words: object) -> Done:
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:  # argparse's way out
            code = stop.code if isinstance(stop.code, int) else 1
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Done(code, said.out, said.err)

    return call


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A folder with a log of sessions of every status."""
    return write(tmp_path / "logs" / "okta.ndjson", every_status()).parent


@pytest.fixture(scope="module")
def _watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_once(tmp_path_factory.mktemp("watched"))


@pytest.fixture
def config(_watched: Path, tmp_path: Path) -> Path:
    """The settings of a folder after one run, for this test alone."""
    return copied(_watched, tmp_path)
