from collections.abc import Generator

import pytest
from tests.sources.stores import ENVIRONMENT, Bucket, Store, serving


@pytest.fixture(scope="session")
def _store() -> Generator[Store]:
    with serving() as store:
        yield store


@pytest.fixture
def bucket(_store: Store, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket, and credentials that S3 takes."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return _store.bucket()
