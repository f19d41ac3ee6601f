"""How far the statement under way has come, told while it runs."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import duckdb

INTERVAL_S = 0.25


@contextmanager
def watched(
    connection: duckdb.DuckDBPyConnection, size: int, tell: Callable[[int], None]
) -> Generator[None]:
    """Tell ``tell`` the bytes read of ``size`` while the body's statements run on ``connection``.

    In sum exactly ``size`` is told, whatever DuckDB estimates on the way.
    """
    done = threading.Event()
    told = 0

    def poll() -> None:
        nonlocal told
        while not done.wait(INTERVAL_S):
            # -1 before the first estimate; each statement of the body starts again at 0.
            reached = int(size * max(connection.query_progress(), 0) / 100)
            if told < reached < size:
                tell(reached - told)
                told = reached

    poller = threading.Thread(target=poll, name="mfagap-progress", daemon=True)
    poller.start()
    try:
        yield
    finally:
        done.set()
        poller.join()
        tell(size - told)
