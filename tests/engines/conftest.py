import pytest
from tests.engines.warehouse import Judged, judge_all


@pytest.fixture(scope="session")
def judged() -> list[Judged]:
    return judge_all()
