"""What can go wrong with an answer of Okta's, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """How one answer differs from the right one.

    Attributes:
        status: Answered instead, with Okta's error ``code``; None answers as usual.
        code: Of the error.
        headers: Added, or put in place of the usual ones.
        reset_in: Seconds from now for the rate limit's reset, which is then used up.
        delay: Real seconds before the first byte.
        drip: Real seconds between the bytes of the body.
        cut: Whether the connection ends in the middle of the body.
        length: Whether the length of the body is told; without it, its end is the connection's.
        body: Sent instead.
        next_url: Of the link to the next page; empty for no link.
        of_cursor: Whether it spares a request without ``after``.
        twice: Whether each event of the page is sent twice.
        hides: Ids that a list leaves out, as from a role that may not see them.
        lost: Whether the connection ends before an answer, when what was asked for is done.
        undone: Whether nothing is done of it.
    """

    status: int | None = None
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    reset_in: float | None = None
    delay: float = 0
    drip: float = 0
    cut: bool = False
    length: bool = True
    body: bytes | None = None
    next_url: str | None = None
    of_cursor: bool = False
    twice: bool = False
    hides: frozenset[str] = frozenset()
    lost: bool = False
    undone: bool = False


def fine() -> Fault:
    """Answer as usual; to let a later request fail."""
    return Fault()


def rate_limited(reset_in: float) -> Fault:
    return Fault(429, "E0000047", reset_in=reset_in)


def concurrency_limited() -> Fault:
    zeros = {f"X-Rate-Limit-{word}": "0" for word in ("Limit", "Remaining", "Reset")}
    return Fault(429, "E0000047", zeros)


def internal_error(status: int = 500) -> Fault:
    return Fault(status, "E0000009")


def slow(seconds: float) -> Fault:
    return Fault(delay=seconds)


def cut(*, length: bool = True) -> Fault:
    return Fault(cut=True, length=length)


def invalid_cursor() -> Fault:
    return Fault(400, "E0000001", of_cursor=True)


def redirect(url: str) -> Fault:
    return Fault(302, headers={"Location": url})


def next_link(url: str) -> Fault:
    return Fault(next_url=url)


def repeated() -> Fault:
    return Fault(twice=True)


def forbidden() -> Fault:
    """Lack the scope or the role."""
    return Fault(403, "E0000006")


def hidden(*ids: str) -> Fault:
    return Fault(hides=frozenset(ids))


def last_page() -> Fault:
    """Lose the pages that follow."""
    return Fault(next_url="")


def lost() -> Fault:
    """Do what is asked, and end the connection without an answer."""
    return Fault(lost=True)


def unheard() -> Fault:
    """End the connection, and do nothing."""
    return Fault(lost=True, undone=True)
