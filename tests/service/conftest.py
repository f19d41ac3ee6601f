from collections.abc import Generator

import pytest
from tests.detect import shipped
from tests.notify.receivers import Receiver


@pytest.fixture(autouse=True, scope="module")
def _alone() -> Generator[None]:
    with shipped.alone():
        yield


@pytest.fixture
def receiver() -> Generator[Receiver]:
    """A server that takes what it is sent."""
    with Receiver() as running:
        yield running
