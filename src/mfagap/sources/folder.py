"""A folder, glob or file that other tools write to: what is new or has changed since last time."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mfagap.model import Delivery
from mfagap.sources.files import discover

Stamp = tuple[int, int]
"""A file's size in bytes, and when it was last written (ns)."""


@dataclass(frozen=True, slots=True)
class Found:
    """Files to read, each with its stamp from before it is read, by its name."""

    deliveries: tuple[Delivery, ...]
    stamps: Mapping[str, Stamp]


def look(path: str, known: Mapping[str, Stamp], scratch: Path) -> Found:
    """Return the files under ``path`` that are not ``known``, or have changed.

    A file that changes while it is read is read again the next time: what it gives twice is one.

    Args:
        path: A folder, glob or file.
        known: What was read before.
        scratch: A folder for what comes from a pipe.

    Raises:
        UsageError: ``path`` leads nowhere.
    """
    deliveries: list[Delivery] = []
    stamps: dict[str, Stamp] = {}
    for delivery in discover([path], io.BytesIO(), scratch).deliveries:
        try:
            stat = delivery.path.stat()
        except OSError:
            continue  # it is gone, and would be found again if it came back
        stamp = (stat.st_size, stat.st_mtime_ns)
        if known.get(delivery.name) != stamp:
            deliveries.append(delivery)
            stamps[delivery.name] = stamp
    return Found(tuple(deliveries), stamps)
