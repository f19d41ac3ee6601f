"""Durations as people write them: ``90s``, ``15m``, ``12h``, ``7d``."""

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    """Return the seconds in ``text``.

    Raises:
        ValueError: ``text`` is no whole number with a unit.
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration; write it as 90s, 15m, 12h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def words(duration_s: int) -> str:
    """Return ``duration_s`` in its largest whole unit, as ``seconds`` reads it."""
    for unit in ("d", "h", "m"):
        if duration_s and duration_s % _UNITS[unit] == 0:
            return f"{duration_s // _UNITS[unit]}{unit}"
    return f"{duration_s}s"
