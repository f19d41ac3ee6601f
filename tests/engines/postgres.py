"""A PostgreSQL of the tests' own, and a detection's query on it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.rows import DictRow, dict_row
from tests.engines.warehouse import Columns, Rows, translated

from mfagap.model import ContentList, Scalar

TYPES = {"VARCHAR": "text", "BIGINT": "bigint", "BOOLEAN": "boolean"}
LIFE_S = 300
"""A server that nobody stops ends by itself."""

Connection = psycopg.Connection[DictRow]


class Postgres:
    """Runs translated queries on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fill(self, columns: Columns, rows: Rows) -> None:
        types = ", ".join(f"{name} {TYPES[kind]}" for name, kind in columns)
        self._connection.execute("DROP TABLE IF EXISTS events")
        self._connection.execute(f"CREATE TABLE events ({types})".encode())
        with self._connection.cursor() as cursor, cursor.copy("COPY events FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def run(
        self, sql: str, parameters: Mapping[str, int], lists: Mapping[str, ContentList]
    ) -> list[dict[str, Scalar]]:
        query, values = translated(sql, lists, parameters, "postgres")
        return self._connection.execute(query.encode(), values).fetchall()


def installed() -> Path | None:
    """Return the folder of the newest PostgreSQL that Debian installed."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in found), key=lambda path: int(path.parts[-2]), default=None)


@contextmanager
def server(programs: Path) -> Generator[Connection]:
    """Start a server that listens on a Unix socket alone, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="mfagap-") as folder:
        user = None
        if os.getuid() == 0:  # which PostgreSQL refuses to run as
            user = "postgres"
            shutil.chown(folder, user)

        def start(*command: str | Path) -> subprocess.Popen[bytes]:
            quiet = subprocess.DEVNULL
            return subprocess.Popen(command, user=user, cwd=folder, stdout=quiet, stderr=quiet)

        data = ("-D", f"{folder}/data")
        options = ("--auth=trust", "--username=postgres", "--locale=C.UTF-8", "--no-sync")
        with start(programs / "initdb", *options, *data) as process:
            assert process.wait(60) == 0
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off")
        flags = [flag for setting in settings for flag in ("-c", setting)]
        with start("timeout", f"{LIFE_S}", programs / "postgres", *data, *flags) as process:
            try:
                with _connected(folder) as connection:
                    yield connection
            finally:
                process.send_signal(signal.SIGINT)  # passed on; to PostgreSQL it means: stop fast
                process.wait(30)


def _connected(folder: str) -> Connection:
    for _ in range(300):
        try:
            return psycopg.Connection[DictRow].connect(
                host=folder,
                user="postgres",
                dbname="postgres",
                autocommit=True,
                row_factory=dict_row,
            )
        except psycopg.OperationalError:  # not there yet
            time.sleep(0.1)
    raise TimeoutError("PostgreSQL did not start within 30 seconds")
