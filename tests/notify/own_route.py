"""A route of somebody's own, which sends, and shows nothing."""

from typing import Any

from mfagap.settings import Table


class OwnRoute:
    def send(self, key: str, notice: dict[str, Any], now_ms: int) -> None:
        """Take it."""


def build(table: Table) -> OwnRoute:
    table.only("severity")
    return OwnRoute()
