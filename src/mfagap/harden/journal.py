"""What was written to an org: a journal of each run, and one audit log of all of them.

A line is on the disk before the write that it announces is sent, so that a run which dies
anywhere can be taken back or gone on with. ``audit.jsonl`` is only ever added to; it has digests
where the journals, one file a run under ``runs``, have the objects themselves.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

from mfagap.detect.evaluate import rfc3339
from mfagap.errors import ContentError, StateError
from mfagap.harden import plan as plans
from mfagap.harden import values
from mfagap.harden.places import Place, place
from mfagap.harden.snapshot import canonical, settable
from mfagap.harden.values import at
from mfagap.lake.manifest import sync
from mfagap.model.hardening import Change, Plan
from mfagap.model.org import Json

AUDIT: Final = "audit.jsonl"
RUNS: Final = "runs"

BEGUN: Final = "begun"
INTENT: Final = "intent"
DONE: Final = "done"
FINISHED: Final = "finished"
REFUSED: Final = "refused"
"""Okta took none of the writes, so that the run left nothing behind."""
UNDOING: Final = "undoing"
UNDONE: Final = "undone"
ROLLED_BACK: Final = "rolled_back"
LEFT: Final = "left"
"""All was taken back but what somebody had changed since."""
EVENTS: Final = (BEGUN, INTENT, DONE, FINISHED, REFUSED, UNDOING, UNDONE, ROLLED_BACK, LEFT)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a journal.

    Attributes:
        at_ms: When it was written, UTC epoch milliseconds by our clock.
        who: Whose run it was.
        event: One of ``EVENTS``.
        change: Id of the change; empty where it is about the whole run.
        before: The object as it was found; None where there was none.
        after: Of ``intent`` and ``undoing`` what was to be sent, of ``done`` and ``undone`` what
            Okta answered; None for nothing.
    """

    at_ms: int
    who: str
    event: str
    change: str = ""
    before: Json | None = None
    after: Json | None = None


@dataclass(frozen=True, slots=True)
class ClosedRule:
    """A rule that a run closed.

    Attributes:
        rule_id: Its id.
        policy_id: Of the policy that holds it.
        name: As people know it.
        at_ms: When, by Okta's clock where it told.
    """

    rule_id: str
    policy_id: str
    name: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a plan, as its journal tells it.

    Attributes:
        id: Name of its journal.
        plan: That was to be carried out.
        entries: In order.
    """

    id: str
    plan: Plan
    entries: tuple[Entry, ...]

    @property
    def finished(self) -> bool:
        """Whether it came to its end, forwards or backwards."""
        return self.entries[-1].event in (FINISHED, REFUSED, ROLLED_BACK, LEFT)

    @property
    def stands(self) -> bool:
        """Whether what it wrote is to be in force: all was written, and nothing taken back."""
        return self.entries[-1].event == FINISHED

    @property
    def turned_back(self) -> bool:
        """Whether somebody began to take it back."""
        return any(entry.event in (UNDOING, UNDONE, ROLLED_BACK, LEFT) for entry in self.entries)

    def of(self, event: str) -> dict[str, Entry]:
        """Return the last entry of ``event`` for each change, by its id."""
        return {entry.change: entry for entry in self.entries if entry.event == event}

    @property
    def moments(self) -> dict[str, int]:
        """When each change was made, by its id: UTC epoch milliseconds, by Okta's clock."""
        return {id_: _moment(entry) for id_, entry in self.of(DONE).items()}

    @property
    def closed(self) -> tuple[ClosedRule, ...]:
        """The rules that it closed."""
        return tuple(self._closed()) if not self.turned_back else ()

    def _closed(self) -> Iterator[ClosedRule]:
        done = self.of(DONE)
        for change in self.plan.changes:
            if change.id not in done or change.expires_ms is not None:
                continue
            entry = done[change.id]
            name = values.text(at(change.after, "name")) or ""
            where = place(change.path) or Place()
            rule_id = where.rule_id or values.text(at(entry.after, "id")) or ""
            yield ClosedRule(rule_id, where.policy_id or "", name, _moment(entry))


def _moment(entry: Entry) -> int:
    updated_ms = values.moment(at(entry.after, "lastUpdated"))
    return entry.at_ms if updated_ms is None else updated_ms


class Journal:
    """The journals and the audit log in ``folder``.

    Args:
        folder: Made where it is missing.
        who: Who writes now, in words.
        clock: UTC epoch milliseconds.
    """

    def __init__(self, folder: Path, who: str, clock: Callable[[], int]) -> None:
        """See the class."""
        self.folder = folder
        self._who = who
        self._clock = clock

    def runs(self) -> tuple[Run, ...]:
        """Return all runs, the oldest first.

        Raises:
            StateError: A journal cannot be read, or is damaged.
        """
        return tuple(
            run
            for file in sorted((self.folder / RUNS).glob("*.jsonl"))
            if (run := self._read(file)) is not None
        )

    def run(self, run_id: str | None = None) -> Run | None:
        """Return the run of that id, or the last one; None where there is none.

        Raises:
            StateError: A journal cannot be read, or is damaged.
        """
        runs = [run for run in self.runs() if run_id in (None, run.id)]
        return runs[-1] if runs else None

    def begin(self, plan: Plan) -> Run:
        """Write that ``plan`` is about to be carried out; return the run.

        Raises:
            StateError: It cannot be written.
        """
        run_id = f"{len(self.runs()) + 1:04}-{plan.id[:8]}"
        entry = Entry(self._clock(), self._who, BEGUN)
        told = {**asdict(entry), "plan": json.loads(plans.dump(plan))}
        self._append(self._file(run_id), told)
        self._audit(run_id, plan.id, entry, None)
        return Run(run_id, plan, (entry,))

    def note(self, run: Run, event: str, change: Change | None = None, **held: Json | None) -> None:
        """Write what is about to be done, or was.

        Args:
            run: Which run.
            event: One of ``EVENTS``.
            change: None where it is about the whole run.
            held: ``before`` and ``after``, as ``Entry`` has them.

        Raises:
            StateError: It cannot be written.
        """
        id_ = "" if change is None else change.id
        entry = Entry(self._clock(), self._who, event, id_, **held)
        self._append(self._file(run.id), asdict(entry))
        self._audit(run.id, run.plan.id, entry, change)

    def _audit(self, run_id: str, plan_id: str, entry: Entry, change: Change | None) -> None:
        told = {
            "at": rfc3339(entry.at_ms),
            "who": entry.who,
            "event": entry.event,
            "run": run_id,
            "plan": plan_id,
        }
        if change is not None:
            told |= {
                "change": change.id,
                "method": change.method,
                "path": change.path,
                "before": _digest(entry.before),
                "after": _digest(entry.after),
            }
        self._append(self.folder / AUDIT, told)

    def _file(self, run_id: str) -> Path:
        return self.folder / RUNS / f"{run_id}.jsonl"

    def _append(self, file: Path, value: Mapping[str, Any]) -> None:
        """Add a line to ``file``, and wait until it is on the disk.

        A line that a crash left half written announced nothing that was sent. In a journal it is
        cut off; in the audit log, of which nothing is ever taken away, it becomes a line of its
        own.
        """
        line = json.dumps(value).encode("ascii") + b"\n"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            held = file.read_bytes() if file.exists() else b""
            whole = held.rfind(b"\n") + 1
            with file.open("ab") as out:
                if whole < len(held) and file.name == AUDIT:
                    line = b"\n" + line
                elif whole < len(held):
                    out.truncate(whole)
                out.write(line)
            sync(file)
            if not held:
                sync(file.parent)
                sync(file.parent.parent)
        except OSError as error:
            raise StateError(
                f"{file}: cannot be written: {error.strerror}; what it was to tell of was not done"
            ) from error

    def _read(self, file: Path) -> Run | None:
        """Return the run of a journal; None where it ended before its first line was written."""
        try:
            *lines, _torn = file.read_bytes().split(b"\n")
        except OSError as error:
            raise StateError(f"{file}: cannot be read: {error.strerror}") from error
        if not lines:
            return None
        try:
            held = [cast("dict[str, Any]", json.loads(line)) for line in lines]
            plan = plans.undumped(held[0].pop("plan"), str(file))
            entries = tuple(Entry(**each) for each in held)
        except (ValueError, TypeError, KeyError, AttributeError, ContentError) as error:
            raise StateError(
                f"{file}: damaged ({error}); what the run wrote is in {self.folder / AUDIT}, and "
                "Okta's own log has it too"
            ) from error
        return Run(file.stem, plan, entries)


def _digest(value: Json | None) -> str | None:
    return None if value is None else hashlib.sha256(canonical(settable(value))).hexdigest()
