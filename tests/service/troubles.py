"""Runs that meet trouble: what each says, and how the state ends; run as a program.

``python -m tests.service.troubles FOLDER URL`` writes a JSON list: the trouble, what the run that
met it said, and what differs from a run that met none, once the trouble is over. With ``--disks``,
for which it must be allowed to mount, the troubles are file systems that are full.
"""

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.properties.orgs import END_S, log_event
from tests.service.crashes import (
    AFTER_MS,
    Killer,
    arrive,
    copy,
    held,
    once,
    tick,
    warm,
    write_config,
)

from mfagap import settings
from mfagap.errors import MfagapError
from mfagap.lake import manifest
from mfagap.service import run
from mfagap.state import database

NOBODY = 65534
NUMBER = 1
"""The tick that meets trouble, on the state that the one before it has left."""
EVERY = 4
"""Of the writes, so many fall to each at which the disk becomes full."""
ROOM_KIB = (0, 16, 32, 64, 128, 256, 512, 1024)
"""What a small disk has beside the state that is on it already; the last is enough."""

Telling = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Met:
    """A trouble, what was said, and what differs in the end."""

    trouble: str
    said: str
    differing: list[str]


class Filler(Killer):
    """Lets the disk be full from write boundary ``at`` on: the system refuses each write."""

    def boundary(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def attempted(work: Callable[[], object]) -> str:
    """Do ``work`` in a process of its own; return the error that it ended with, or nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            work()
            said = ""
        except MfagapError as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    return said if status == 0 else f"ended with {status}"


def ran(folder: Path) -> None:
    """Run; what was not told is an error here."""
    configured = settings.load(folder / "mfagap.toml")
    with run.opened(configured) as workshop:
        report = run.run_once(workshop, configured, AFTER_MS + NUMBER * 60_000)
    for fate in report.delivered.fates:
        if fate.failure:
            raise MfagapError(fate.failure)


def full(folder: Path, at: int) -> None:
    """Run on a disk that is full from write ``at`` on."""
    Filler(at).arm()
    ran(folder)


def as_nobody(folder: Path) -> None:
    """Run as who may not write there: root may everywhere."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    ran(folder)


def at(folder: Path, now_ms: int) -> None:
    """Run once the clock says ``now_ms``."""
    run.wall_ms = lambda: now_ms
    configured = settings.load(folder / "mfagap.toml")
    with run.opened(configured) as workshop:
        run.run_once(workshop, configured, run.moment(workshop))


def protected(folder: Path, *, write: bool) -> None:
    """Let nobody write below ``folder``, or its owner again."""
    for path in (folder, *folder.rglob("*")):
        mode = 0o555 if path.is_dir() else 0o444
        path.chmod(mode | stat.S_IWUSR if write else mode)


class Scenes:
    """The troubles, each met on a copy of one state.

    Args:
        folder: For the copies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before, self.whole = folder / "before", folder / "whole"
        (self.before / "logs").mkdir(parents=True)
        arrive(self.before, 0)
        write_config(self.before)
        assert tick(self.before, 0)
        arrive(self.before, NUMBER)
        copy(self.before, self.whole)
        self.writes = tick(self.whole, NUMBER) or 0
        self.expected = held(self.whole)

    def copied(self, name: str) -> Path:
        copy(self.before, self.folder / name)
        return self.folder / name

    def met(self, trouble: str, folder: Path, said: str, told: Telling = dict) -> Met:
        """Run again, now that the trouble is over, and compare what ``told`` makes of it."""
        tick(folder, NUMBER)
        found, expected = told(held(folder)), told(self.expected)
        shutil.rmtree(folder)
        differing = [key for key, value in expected.items() if found[key] != value]
        return Met(
            trouble, said, [f"{key}: {found[key]} is not {expected[key]}" for key in differing]
        )

    def full_disk(self) -> Iterator[Met]:
        for write in range(1, self.writes, EVERY):
            folder = self.copied(f"full-{write}")
            said = attempted(lambda folder=folder, write=write: full(folder, write))
            yield self.met("full disk", folder, said)

    def small_disk(self) -> Iterator[Met]:
        """A file system that is full: what is written fails with ENOSPC, wherever it is."""
        disk = self.folder / "disk"
        disk.mkdir()
        for room in ROOM_KIB:
            mount("-t", "tmpfs", "-o", "size=64M", "tmpfs", str(disk))
            folder = disk / "run"
            copy(self.before, folder)
            size = shutil.disk_usage(disk).used + room * 1024
            mount("-o", f"remount,size={size}", str(disk))
            said = attempted(lambda folder=folder: ran(folder))
            mount("-o", "remount,size=64M", str(disk))
            yield self.met(f"{room} KiB left", folder, said)
            subprocess.run(["umount", str(disk)], check=True)

    def read_only(self) -> Met:
        with tempfile.TemporaryDirectory(dir="/tmp") as name:  # where nobody may look, too
            Path(name).chmod(0o755)
            folder = Path(name) / "read-only"
            copy(self.before, folder)
            protected(folder, write=False)
            said = attempted(lambda: as_nobody(folder))
            protected(folder, write=True)
            return self.met("read-only folder", folder, said)

    def corrupt_parquet(self) -> Met:
        folder = self.copied("corrupt")
        lake = folder / "mfagap-state" / "lake"
        file = lake / manifest.load(lake).files[0].path
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
        said = attempted(lambda: ran(folder))
        file.write_bytes(data)
        return self.met("corrupt Parquet file", folder, said)

    def clock(self, minutes: int) -> Met:
        """The clock is set back, and then right."""
        folder = self.copied(f"clock-{minutes}")
        said = attempted(lambda: at(folder, AFTER_MS - minutes * 60_000))
        return self.met(f"clock set back by {minutes} minutes", folder, said, essence)

    def two_at_once(self) -> Met:
        folder = self.copied("two")
        with database.held(folder / "mfagap-state"):
            said = attempted(lambda: ran(folder))
        return self.met("two processes at once", folder, said)

    def older_lake(self) -> Met:
        folder = self.copied("older")
        lake, aside = folder / "mfagap-state" / "lake", folder / "aside"
        shutil.copytree(lake, aside)
        once(folder, NUMBER)
        lake.rename(folder / "newer")
        aside.rename(lake)
        said = attempted(lambda: ran(folder))
        shutil.rmtree(lake)
        (folder / "newer").rename(lake)
        return self.met("lake of an older copy", folder, said)

    def torn_log(self) -> Iterator[Met]:
        """Three ticks stand in the write-ahead log of a process that is killed; its end is lost.

        The lake may have forgotten by then what the second one brought.
        """
        for tenths in range(0, 10, 2):
            folder = self.folder / f"torn-{tenths}"
            (folder / "logs").mkdir(parents=True)
            write_config(folder)
            said = attempted(lambda folder=folder: serve_and_die(folder))
            log = folder / "mfagap-state" / f"{database.FILE}-wal"
            with log.open("r+b") as file:
                file.truncate(log.stat().st_size * tenths // 10)
            yield self.met("truncated WAL", folder, said, essence)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def serve_and_die(folder: Path) -> None:
    """Run once for each arrival, and for an event that says nothing; end by SIGKILL."""
    configured = settings.load(folder / "mfagap.toml")
    with run.opened(configured) as workshop:
        for number in range(NUMBER + 1):
            arrive(folder, number)
            run.run_once(workshop, configured, AFTER_MS + number * 60_000)
        event = log_event("event", "later", END_S - 1, eventType="user.session.end")
        (folder / "logs" / "later.ndjson").write_text(json.dumps(event), encoding="utf-8")
        run.run_once(workshop, configured, AFTER_MS + (NUMBER + 1) * 60_000)
        os.kill(os.getpid(), signal.SIGKILL)


def essence(told: dict[str, Any]) -> dict[str, Any]:
    """Return what does not tell when, and in how many runs, it came: what stands, and who knows."""
    keys = ("uuid", "mfa_status", "verdict", "severity", "due", "follow_up_ms")
    names = ("dedup_key", "first_ms", "status", "severity", "verdict")
    alerts = {row["id"]: row for row in told["alerts"] if row["resolution"] != "retracted"}
    members = [(row["uuid"], alerts.get(row["alert"])) for row in told["members"]]
    opened = {line["users"][0] for line in told["notices"] if line["kind"] == "opened"}
    return {
        "sessions": [[row[key] for key in keys] for row in told["sessions"]],
        "alerts": sorted([row[name] for name in names] for row in alerts.values()),
        "members": [(uuid, row["dedup_key"]) for uuid, row in members if row],
        "opened": opened - {"ada@example.com"},  # of whom nothing may be to tell any more
    }


def troubles(scenes: Scenes) -> Iterator[Met]:
    yield from scenes.full_disk()
    yield scenes.read_only()
    yield scenes.corrupt_parquet()
    yield scenes.clock(59)
    yield scenes.clock(60)
    yield scenes.two_at_once()
    yield scenes.older_lake()
    yield from scenes.torn_log()


def main(folder: Path, url: str, *, disks: bool) -> None:
    """Meet every trouble, or every disk."""
    os.environ["SOC"] = url
    tempfile.tempdir = str(folder)
    warm(folder / "warm")
    scenes = Scenes(folder)
    met = scenes.small_disk() if disks else troubles(scenes)
    print(json.dumps([[one.trouble, one.said, one.differing] for one in met]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], disks="--disks" in sys.argv)
