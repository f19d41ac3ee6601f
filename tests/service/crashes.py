"""Kills a run at every write boundary, and tells how each state ended; run as a program.

``python -m tests.service.crashes FOLDER URL NUMBER`` writes one JSON object: the kills, the writes,
and what differed from a run that was not killed. Each run posts to its own path below ``URL``. It
forks after all is imported and parsed, and while no database is open, so that a run costs no new
interpreter.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.properties.orgs import BEGIN, END_S, STORIES, Org, SignIn, factor, of

from mfagap import settings
from mfagap.lake.statements import parser
from mfagap.lake.store import Lake
from mfagap.notify.webhook import Webhook
from mfagap.service import run
from mfagap.state.database import Database
from mfagap.state.suppressions import Suppressions

CONFIG = """
[sources.dropped]
type = "folder"
path = "{logs}"

[routes.log]
type = "file"
path = "{out}"
severity = "low"

[routes.soc]
type = "webhook"
url_variable = "SOC_URL"
severity = "high"
"""
AFTER_MS = round(BEGIN.timestamp() * 1000) + (END_S + 900) * 1000

ALICE = SignIn(1, "ada", 9000, "allowed")
BOB = SignIn(2, "bob", 9600, "allowed")
CYD = SignIn(3, "cyd", 9700, "allowed")
ARRIVALS: Sequence[Sequence[Any]] = (
    Org((ALICE, BOB, CYD)).events,
    # a factor of Ada's that came late takes her alert back; Bob's session makes an API token;
    # nobody is told of Cyd's next one
    [
        factor(ALICE, "mfa", 20),
        of(BOB, "token_create", "token", 120),
        *STORIES["allowed"](SignIn(4, "cyd", 13_500, "allowed")),
    ],
)


WRITES = (
    (os, "replace"),
    (os, "fsync"),
    (Path, "mkdir"),
    (Path, "replace"),
    (Path, "unlink"),
    (Webhook, "send"),
)
AGAIN = (11, 7, 5)
"""What a killed run left is taken up by three runs that are killed, too, each within so many of its
first boundaries, and then by one that is not."""


class Killer:
    """Ends this process by SIGKILL at write boundary number ``at``; 0 lets it live."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.seen = 0

    def boundary(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with a boundary before it; the next one is the one behind it."""

        def guarded(*arguments: Any, **named: Any) -> Any:
            self.boundary()
            return function(*arguments, **named)

        return guarded

    def arm(self) -> None:
        """Stand at every write to the disk: of the lake, of a route, and of the state."""
        patch = pytest.MonkeyPatch()
        for holder, name in WRITES:
            patch.setattr(holder, name, self.around(getattr(holder, name)))
        connect = sqlite3.connect

        def watched(file: Path, **options: Any) -> Watched:
            return Watched(connect(file, **options), self)

        patch.setattr(sqlite3, "connect", watched)


class Watched:
    """A connection that stands before each COMMIT."""

    def __init__(self, connection: sqlite3.Connection, killer: Killer) -> None:
        self.__dict__["connection"] = connection
        self.__dict__["killer"] = killer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.connection, name, value)

    def execute(self, sql: str, *values: Any) -> Any:
        if sql != "COMMIT":
            return self.connection.execute(sql, *values)
        return self.killer.around(self.connection.execute)(sql)


def once(folder: Path, number: int) -> None:
    """Run once, and merge the lake's files."""
    os.environ["SOC_URL"] = f"{os.environ['SOC']}/{folder.name}"
    configured = settings.load(folder / "mfagap.toml")
    now_ms = AFTER_MS + number * 60_000
    with run.opened(configured) as workshop:
        report = run.run_once(workshop, configured, now_ms)
        workshop.lake.compact(now_ms=now_ms, most=0)
    assert not report.collected.failures
    assert not report.delivered.failed


def warm(folder: Path) -> None:
    """Have this process import and parse all that a run needs, and leave it with one thread."""
    (folder / "logs").mkdir(parents=True)
    for number in range(len(ARRIVALS)):
        arrive(folder, number)
        write_config(folder)
        once(folder, number)
    parser().close()
    parser.cache_clear()
    assert threading.active_count() == 1


def tick(folder: Path, number: int, at: int = 0) -> int | None:
    """Run once in a process of its own, which is killed at boundary ``at``.

    Returns:
        None where it was killed; else how many boundaries there were.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        killer = Killer(at)
        killer.arm()
        once(folder, number)
        os.write(writing, str(killer.seen).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        told = answer.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    assert status == 0, f"a run ended with {status}"
    return int(told)


def arrive(folder: Path, number: int) -> None:
    """Drop the events that come before tick ``number``."""
    text = "".join(json.dumps(event) + "\n" for event in ARRIVALS[number])
    (folder / "logs" / f"{number}.ndjson").write_text(text, encoding="utf-8")


def held(folder: Path) -> dict[str, Any]:
    """Return all that must be the same whether a run was killed or not."""
    configured = settings.load(folder / "mfagap.toml")
    with Database(configured.state) as database:
        told: dict[str, Any] = {table: database.rows(sql) for table, sql in TABLES.items()}
    lake = Lake(configured.state / "lake")
    told["events"] = lake.holdings().events
    lines = (folder / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    told["notices"] = [json.loads(line) for line in lines]
    parts = [path for path in configured.state.rglob("*") if path.name.endswith(".part")]
    parts += (configured.state / "scratch").iterdir()
    told["left over"] = [str(path) for path in parts]
    return told


TABLES = {
    "sources": "SELECT name, watermark_ms FROM sources",
    "slots": "SELECT detection, from_ms, watermark_ms, events, starts, dirty FROM slots",
    "versions": "SELECT detection, uuid, version, finding FROM versions ORDER BY uuid, version",
    "sessions": "SELECT * FROM sessions ORDER BY uuid",
    "runs": "SELECT detection, uuid, run FROM investigations ORDER BY uuid, run",
    "alerts": "SELECT * FROM alerts ORDER BY id",
    "members": "SELECT * FROM members ORDER BY uuid",
    "deeds": "SELECT * FROM deeds ORDER BY id",
    "untold": "SELECT * FROM untold",
    "outbox": "SELECT key, alert, route, body, status FROM outbox ORDER BY rowid",
}


def main(folder: Path, url: str, number: int) -> None:
    """Kill tick ``number`` at every boundary, and each recovery at some of its own."""
    os.environ["SOC"] = url
    tempfile.tempdir = str(folder)  # what is killed leaves its scratch there
    warm(folder / "warm")
    before, whole = folder / "before", folder / "whole"
    (before / "logs").mkdir(parents=True)
    for earlier in range(number):
        arrive(before, earlier)
        write_config(before)
        assert tick(before, earlier)
        except_cyd(before)
    arrive(before, number)
    copy(before, whole)
    writes = tick(whole, number)
    assert writes is not None
    expected = held(whole)
    kills, differing = 0, list[str]()
    for at in range(1, writes + 1):
        killed = folder / str(at)
        copy(before, killed)
        for boundary in (at, *(1 + at % some for some in AGAIN)):
            kills += tick(killed, number, boundary) is None
        tick(killed, number)
        found = held(killed)
        differing += [
            f"write {at}: {key}: {found[key]} is not {value}"
            for key, value in expected.items()
            if found[key] != value
        ]
        shutil.rmtree(killed)
    told = {"kills": kills, "writes": writes, "differing": differing, "untold": expected["untold"]}
    print(json.dumps(told))


def copy(before: Path, folder: Path) -> None:
    """Make ``folder``, with what is in ``before`` and settings of its own."""
    shutil.copytree(before, folder)
    write_config(folder)


def except_cyd(folder: Path) -> None:
    """Suppress the alerts of one user, so that it is noted of what nobody was told."""
    values: dict[str, Any] = dict.fromkeys(("detection", "address", "rule", "client"))
    values |= {"owner": "ana", "reason": "known", "user": "cyd@example.com", "until_ms": 2**45}
    configured = settings.load(folder / "mfagap.toml")
    with Database(configured.state) as database, database.change():
        Suppressions(database).add({**values, "added_ms": 1, "added_by": "ana"})


def write_config(folder: Path) -> None:
    """Write settings that lead to ``folder`` alone."""
    text = CONFIG.format(logs=folder / "logs", out=folder / "alerts.jsonl")
    (folder / "mfagap.toml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
