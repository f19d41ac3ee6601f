from collections.abc import Generator

import pytest
from tests.notify.receivers import Receiver


@pytest.fixture
def receiver() -> Generator[Receiver]:
    """A server that takes what it is sent."""
    with Receiver() as running:
        yield running
