from collections.abc import Generator
from pathlib import Path

import pytest
from tests.cli.command import Done, Run
from tests.cli.demo import served, written_plainly
from tests.cli.logs import every_status, write
from tests.cli.watched import copied, run_once
from tests.detect import shipped
from tests.fake_okta.server import FakeOkta

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


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The demo's log, and its policies as files."""
    return written_plainly(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def planned(demo: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan that closes the demo's org."""
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    logs, policies = demo
    assert main(["harden", "plan", str(logs), "--from", str(policies), "-o", str(file), "-q"]) == 0
    return file


@pytest.fixture
def harden(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``mfagap harden`` in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: run("harden", *words)


@pytest.fixture
def okta(monkeypatch: pytest.MonkeyPatch) -> Generator[FakeOkta]:
    """The demo's org, to which the environment's credentials lead."""
    with served(monkeypatch) as running:
        yield running
