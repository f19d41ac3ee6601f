"""Okta's answers, read strictly: what is of another form than it should be is never empty."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from mfagap.errors import SourceError
from mfagap.harden import values
from mfagap.model.org import Json
from mfagap.okta.client import OktaClient
from mfagap.okta.transport import Answer


def listed(
    client: OktaClient, path: str, params: Mapping[str, str] | None = None
) -> Iterator[Json]:
    """Yield all objects of a list, whatever its pages.

    Args:
        client: Of the org.
        path: Of the API.
        params: The query.

    Raises:
        SourceError: It cannot be read, is no list, or holds what is no object.
    """
    for answer in client.pages(path, params):
        page = _parsed(answer)
        if not isinstance(page, list):
            raise SourceError(f"Okta's answer about {path} is no list")
        for item in cast("list[Any]", page):
            if not isinstance(item, dict):
                raise SourceError(f"Okta's answer about {path} holds what is no object")
            yield cast("Json", item)


def one(answer: Answer) -> Json:
    """Return the object that an answer holds.

    Raises:
        SourceError: It holds none.
    """
    found = _parsed(answer)
    if not isinstance(found, dict):
        raise SourceError("Okta's answer is no object")
    return cast("Json", found)


def request_of(answer: Answer) -> str | None:
    """Return the id that Okta gave a request; events of its log that came of it have it too."""
    return answer.headers.get("x-okta-request-id")


def _parsed(answer: Answer) -> Any:
    try:
        return values.parsed(answer.body)
    except ValueError as error:
        raise SourceError(f"Okta's answer is no JSON: {error}") from error
