"""Kills runs of a plan at every boundary of a write, and tells how each org ended; a program.

``python -m tests.harden.crashes FOLDER`` writes one JSON object: the kills, and what was wrong.
The runs are forked by a process that has no thread, so that one costs no new interpreter; the org,
which is a server, lives on in another.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final

import httpx2
import pytest
from tests.fake_okta.server import MANAGE_SCOPES, TOKEN, FakeOkta
from tests.harden.planned import FAILED, KEEP, NOW_MS, org, snapshot
from tests.okta.orgs import Clock
from tests.service.crashes import Killer

from mfagap.errors import MfagapError
from mfagap.harden import plan as plans
from mfagap.harden.apply import apply, resume, roll_back
from mfagap.harden.journal import Journal
from mfagap.harden.snapshot import canonical, settable
from mfagap.okta.client import OktaClient
from mfagap.okta.credentials import Credentials, Secret

KILLED: Final = -1
REFUSED: Final = -2


class Runs:
    """Starts runs, each in a process of its own; to be made before there is any thread."""

    def __init__(self) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        if os.fork() == 0:
            os.close(self._orders)
            serve(orders, answers)
        os.close(orders)
        os.close(answers)
        self._told = os.fdopen(self._answers)

    def run(self, verb: str, okta: FakeOkta, folder: Path, at: int = 0) -> int:
        """Run ``verb``, which is killed at boundary ``at``; 0 lets it live.

        Returns:
            ``KILLED``, ``REFUSED``, or how many boundaries there were.
        """
        order = {"verb": verb, "url": okta.url, "folder": str(folder), "at": at}
        os.write(self._orders, (json.dumps(order) + "\n").encode())
        return int(self._told.readline())


def serve(orders: int, answers: int) -> None:
    """Fork a run for each order, and tell how it ended."""
    tls = httpx2.create_ssl_context()
    with os.fdopen(orders) as asked, os.fdopen(answers, "w") as told:
        for line in asked:
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os.write(writing, str(act(json.loads(line), tls)).encode())
                os._exit(0)
            os.close(writing)
            with os.fdopen(reading) as answer:
                seen = answer.read()
            _, status = os.waitpid(child, 0)
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            told.write(f"{KILLED if killed else int(seen)}\n")
            told.flush()
    os._exit(0)


def act(order: dict[str, Any], tls: SSLContext) -> int:
    """Do what was ordered; see ``Runs.run``."""
    killer, clock, folder = Killer(order["at"]), Clock(), Path(order["folder"])
    journal = Journal(folder, "ana", lambda: NOW_MS)
    with httpx2.Client(verify=tls) as http:
        client = OktaClient(Credentials(order["url"], Secret(TOKEN)), http, clock, clock.sleep, 1.0)
        patch = pytest.MonkeyPatch()
        patch.setattr(os, "fsync", killer.around(_synced))
        patch.setattr(http, "send", _answered(killer.around(http.send), killer))
        try:
            match order["verb"]:
                case "apply":
                    apply(plans.load(folder / "plan.json"), client, journal)
                case "resume":
                    resume(journal, client)
                case _:
                    roll_back(journal, client)
        except MfagapError:
            return REFUSED
    return killer.seen


def _synced(_handle: int) -> None:
    """Wait for no disk: what a process wrote outlives its end, and only not the machine's."""


def _answered(send: Callable[..., Any], killer: Killer) -> Callable[..., Any]:
    """Return ``send`` with a boundary behind it: Okta did it, and we know nothing of it."""

    def guarded(*arguments: Any, **named: Any) -> Any:
        answer = send(*arguments, **named)
        killer.boundary()
        return answer

    return guarded


def ended(folder: Path) -> bool:
    """Tell whether no run is left to be gone on with."""
    run = Journal(folder, "ana", lambda: NOW_MS).run()
    return run is None or run.finished


def holds(okta: FakeOkta) -> bytes:
    """Return the policies and rules that the org holds, without what Okta sets itself."""
    rules = [rule for policy_id in sorted(okta.org.rules) for rule in okta.org.rules[policy_id]]
    policies = sorted(okta.org.policies, key=lambda policy: policy["id"])
    return canonical([settable(each) for each in (*policies, *filter(None, rules))])


@contextmanager
def fresh(folder: Path) -> Generator[tuple[FakeOkta, Path]]:
    """Give an org, and a folder with a plan for it: an exception, and a rule to be closed."""
    held: dict[str, Any] = {"scopes": MANAGE_SCOPES, "clock": Clock(), **org()}
    with FakeOkta(**held) as okta:
        own = folder / str(len(list(folder.iterdir())))
        own.mkdir()
        plan = plans.make(snapshot(org(), okta.url), "d", FAILED[1:2], NOW_MS, KEEP)
        (own / "plan.json").write_text(plans.dump(plan), encoding="utf-8")
        yield okta, own


def main(folder: Path) -> None:
    """Kill each verb at each boundary, and what mends it at one of its own."""
    runs = Runs()
    wrong: list[str] = []
    kills = 0
    with fresh(folder) as (okta, own):
        before = holds(okta)
        boundaries = {"apply": runs.run("apply", okta, own)}
        whole = holds(okta)
        boundaries["roll_back"] = runs.run("roll_back", okta, own)
        if holds(okta) != before:
            wrong.append("a rollback that nobody killed")
    for at in range(1, boundaries["apply"] + 1):
        for mend, end in (("resume", whole), ("roll_back", before)):
            with fresh(folder) as (okta, own):
                kills += runs.run("apply", okta, own, at) == KILLED
                half = holds(okta)
                if mend == "resume" and runs.run("apply", okta, own) == REFUSED:
                    wrong += [f"apply at {at}: again, it wrote"] if holds(okta) != half else []
                kills += at % 3 == 0 and runs.run(mend, okta, own, at // 3) == KILLED
                runs.run(mend, okta, own)
                right = holds(okta) == end and ended(own)
                wrong += [] if right else [f"apply at {at}, then {mend}"]
    for at in range(1, boundaries["roll_back"] + 1):
        with fresh(folder) as (okta, own):
            runs.run("apply", okta, own)
            kills += runs.run("roll_back", okta, own, at) == KILLED
            kills += at % 3 == 0 and runs.run("roll_back", okta, own, at // 3) == KILLED
            runs.run("roll_back", okta, own)
            right = holds(okta) == before and ended(own)
            wrong += [] if right else [f"roll_back at {at}"]
    changed = before != whole
    print(json.dumps({"kills": kills, "wrong": wrong, "changed": changed, **boundaries}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
