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
from mfagap.harden.likeness import same
from mfagap.harden.places import placed
from mfagap.harden.snapshot import canonical, settable
from mfagap.harden.values import at
from mfagap.lake.manifest import sync
from mfagap.model.hardening import Change, Plan
from mfagap.model.org import Json

FOLDER: Final = "harden"
"""Where journals and the audit log are, in the state folder."""
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
_DAY_MS: Final = 24 * 3600 * 1000
_STATES: Final = {
    FINISHED: "applied",
    REFUSED: "refused",
    ROLLED_BACK: "taken back",
    LEFT: "taken back in part",
}
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
        request: Of ``done`` and ``undone`` the id that Okta gave the request that wrote it, and
            that its log has too; None where nothing was written, or no answer came.
    """

    at_ms: int
    who: str
    event: str
    change: str = ""
    before: Json | None = None
    after: Json | None = None
    request: str | None = None


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
        org: URL of the org that it wrote to.
    """

    id: str
    plan: Plan
    entries: tuple[Entry, ...]
    org: str

    @property
    def finished(self) -> bool:
        """Whether it came to its end, forwards or backwards."""
        return self.entries[-1].event in (FINISHED, REFUSED, ROLLED_BACK, LEFT)

    @property
    def stands(self) -> bool:
        """Whether what it wrote is to be in force: all was written, and nothing taken back."""
        return self.entries[-1].event == FINISHED

    @property
    def state(self) -> str:
        """What became of it, in words."""
        return _STATES.get(self.entries[-1].event, "unfinished")

    @property
    def turned_back(self) -> bool:
        """Whether somebody began to take it back."""
        return any(entry.event in (UNDOING, UNDONE, ROLLED_BACK, LEFT) for entry in self.entries)

    def of(self, event: str) -> dict[str, Entry]:
        """Return the last entry of ``event`` for each change, by its id."""
        return {entry.change: entry for entry in self.entries if entry.event == event}

    @property
    def holds(self) -> frozenset[str]:
        """Paths of what it changed, or was about to, and did not take back."""
        left = self.of(INTENT).keys() - self.of(UNDONE).keys()
        changes = (each for each in self.plan.changes if each.id in left and each.before)
        return frozenset(each.path for each in changes)

    @property
    def moments(self) -> dict[str, int]:
        """When each change was made, by its id: UTC epoch milliseconds, by Okta's clock."""
        return {id_: _moment(entry) for id_, entry in self.of(DONE).items()}

    @property
    def closed(self) -> tuple[ClosedRule, ...]:
        """The rules that it closed, at its end or not, and that were not opened again by it."""
        return tuple(self._closed())

    def _closed(self) -> Iterator[ClosedRule]:
        done, undone = self.of(DONE), self.of(UNDONE)
        for change in self.plan.changes:
            if change.id not in done or change.id in undone or change.expires_ms is not None:
                continue
            entry = done[change.id]
            name = values.text(at(change.after, "name")) or ""
            where = placed(change)
            rule_id = where.rule_id or values.text(at(entry.after, "id")) or ""
            yield ClosedRule(rule_id, where.policy_id or "", name, _moment(entry))


def _moment(entry: Entry) -> int:
    """Return when a change was made, by Okta's clock where that is one ours can be compared with.

    What is far ahead would have all that comes after be taken for older.
    """
    updated_ms = values.moment(at(entry.after, "lastUpdated"))
    return entry.at_ms if updated_ms is None else min(updated_ms, entry.at_ms + _DAY_MS)


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

    def begin(self, plan: Plan, org: str) -> Run:
        """Write that ``plan`` is about to be carried out; return the run.

        Args:
            plan: To be carried out.
            org: URL of the org that is written to.

        Raises:
            StateError: It cannot be written.
        """
        names = (file.stem.partition("-")[0] for file in (self.folder / RUNS).glob("*.jsonl"))
        number = max((int(name) for name in names if name.isdecimal()), default=0) + 1
        run_id = f"{number:04}-{plan.id[:8]}"
        entry = Entry(self._clock(), self._who, BEGUN)
        told = {**asdict(entry), "org": org, "plan": json.loads(plans.dump(plan))}
        self._append(self.file(run_id), told, new=True)
        self._audit(run_id, plan.id, entry, None)
        return Run(run_id, plan, (entry,), org)

    def note(
        self,
        run: Run,
        event: str,
        change: Change | None = None,
        request: str | None = None,
        **held: Json | None,
    ) -> None:
        """Write what is about to be done, or was.

        Args:
            run: Which run.
            event: One of ``EVENTS``.
            change: None where it is about the whole run.
            request: As ``Entry`` has it.
            held: ``before`` and ``after``, as ``Entry`` has them.

        Raises:
            StateError: It cannot be written.
        """
        id_ = "" if change is None else change.id
        entry = Entry(self._clock(), self._who, event, id_, **held, request=request)
        self._append(self.file(run.id), asdict(entry))
        self._audit(run.id, run.plan.id, entry, change)

    def prove(self, run: Run) -> None:
        """See that the audit log tells of the same objects as the journal of ``run``.

        Raises:
            StateError: One of them was edited, or the audit log cannot be read.
        """
        audit, intended = self.folder / AUDIT, run.of(INTENT)
        try:
            lines = audit.read_bytes().split(b"\n") if audit.exists() else []
        except OSError as error:
            raise StateError(f"{audit}: cannot be read: {error.strerror}") from error
        for line in lines:
            try:
                told = values.parsed(line)
            except ValueError:  # torn, or the end
                continue
            entry = intended.get(values.text(at(told, "change")) or "")
            if entry is None or (at(told, "run"), at(told, "event")) != (run.id, INTENT):
                continue
            if at(told, "before") != _digest(entry.before):
                raise StateError(
                    f"{self.file(run.id)}: what was there before {entry.change} is not what "
                    f"{audit} tells: one of them was edited; nothing was written"
                )

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

    def file(self, run_id: str) -> Path:
        """Return where the journal of a run is."""
        return self.folder / RUNS / f"{run_id}.jsonl"

    def _append(self, file: Path, value: Mapping[str, Any], *, new: bool = False) -> None:
        """Add a line to ``file``, which is ``new`` or may be there; wait until it is on the disk.

        A line that a crash left half written announced nothing that was sent. In a journal it is
        cut off; in the audit log, of which nothing is ever taken away, it becomes a line of its
        own.
        """
        line = json.dumps(value).encode("ascii") + b"\n"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            held = file.read_bytes() if file.exists() else b""
            whole = held.rfind(b"\n") + 1
            with file.open("xb" if new else "ab") as out:
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
            held = [cast("dict[str, Any]", values.parsed(line)) for line in lines]
            plan, org = plans.undumped(held[0].pop("plan"), str(file)), held[0].pop("org")
            run = Run(file.stem, plan, tuple(Entry(**each) for each in held), str(org))
            _see(run)
        except (ValueError, TypeError, KeyError, AttributeError, ContentError) as error:
            raise StateError(
                f"{file}: damaged ({error}); what the run wrote is in {self.folder / AUDIT}, and "
                "Okta's own log has it too"
            ) from error
        return run


def _see(run: Run) -> None:
    """See that what was there before is what the plan of ``run`` tells, which is put back.

    Raises:
        ValueError: It is not.
    """
    intended = run.of(INTENT)
    for change in run.plan.changes:
        entry = intended.get(change.id)
        if entry is None:
            continue
        one, other = entry.before, change.before
        if (one is None) != (other is None) or (one and other and not same(one, other)):
            raise ValueError(f"what was there before {change.id} is not what the plan has")


def _digest(value: Json | None) -> str | None:
    return None if value is None else hashlib.sha256(canonical(settable(value))).hexdigest()
