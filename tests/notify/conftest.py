from collections.abc import Generator

import pytest
from tests.notify.certificates import Certificate, made
from tests.notify.receivers import Receiver


@pytest.fixture
def receiver() -> Generator[Receiver]:
    """A server that takes what it is sent."""
    with Receiver() as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What servers on the loopback interface show."""
    return made(tmp_path_factory.mktemp("certificate"))
