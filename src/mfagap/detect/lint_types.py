"""Checks which types of events a query reads: what is not declared is not there for it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mfagap.engines.portable import compared
from mfagap.errors import ContentError


def undeclared(sql: str, path: Path, declared: Sequence[str], where: str) -> Iterator[ContentError]:
    """Yield each type of events that a query names and ``declared`` does not cover.

    Args:
        sql: The query.
        path: Where it stands.
        declared: Types; ``*`` at the end stands for any rest.
        where: They are declared, for people.
    """
    for line, kind in compared(sql, "event_type"):
        if not covered(kind, declared):
            yield ContentError(f"reads {kind}, which {where} does not list", str(path), line)


def covered(kind: str, declared: Iterable[str]) -> bool:
    """Return whether ``declared`` covers ``kind``: a type, a LIKE pattern, or one with a ``*``."""
    return any(_covers(pattern.lower(), kind.lower()) for pattern in declared)


def _covers(declared: str, kind: str) -> bool:
    if declared.endswith("*"):
        return kind.partition("%")[0].startswith(declared[:-1])
    return kind == declared
