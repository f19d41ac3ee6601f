from collections.abc import Generator

import pytest
from tests.detect import shipped


@pytest.fixture(autouse=True, scope="module")
def _alone() -> Generator[None]:
    with shipped.alone():
        yield
