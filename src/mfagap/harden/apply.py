"""Carries out a plan, goes on with a run that died, and takes one back.

Nothing is written to an org that is not as the plan takes it to be, and each write is in the
journal before it is sent. What became of a write that was not answered the live object tells: it
is as it was before, or as it was to be. What is neither, somebody else has changed, and it is left.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from mfagap.detect.evaluate import rfc3339
from mfagap.errors import AnswerLost, PlanRefused, SourceError, UsageError
from mfagap.harden import values
from mfagap.harden.journal import (
    DONE,
    FINISHED,
    INTENT,
    LEFT,
    REFUSED,
    ROLLED_BACK,
    UNDOING,
    UNDONE,
    Journal,
    Run,
)
from mfagap.harden.likeness import differs, lacks, same
from mfagap.harden.places import POLICIES, place
from mfagap.harden.plan import KIND
from mfagap.harden.snapshot import settable
from mfagap.harden.values import at
from mfagap.model.hardening import Change, Plan
from mfagap.model.org import Json
from mfagap.okta.client import OktaClient
from mfagap.state.database import held

Told = Callable[[str], object]
"""Is told, in a sentence, what was done."""


def _untold(_sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one call did.

    Attributes:
        run: The run.
        changes: Ids of the changes that it made or took back, in order.
        unlike: Sentences: what Okta took otherwise than it was sent.
    """

    run: str
    changes: tuple[str, ...]
    unlike: tuple[str, ...] = ()


def apply(plan: Plan, client: OktaClient, journal: Journal, told: Told = _untold) -> Written:
    """Write the changes of ``plan``, in order, where the org is as the plan was made from.

    All of it is looked at before anything is written, and each object again right before.

    Raises:
        PlanRefused: An object is not as it was, or a run is unfinished; tells what was written.
        AccessRefused: The credentials may not write.
        SourceError: Okta refused a write, or did not answer; the run can be gone on with.
        StateBusy: Another process is at work there.
        StateError: The journal cannot be written or read.
    """
    with held(journal.folder):
        last = journal.run()
        if last is not None and not last.finished:
            raise PlanRefused(f"{_unfinished(last)}; go on with it, or take it back, before")
        work = _Work(client, journal, told)
        try:
            made_for = plan.origin.rstrip("/")  # of a plan made from files it is their folder
            if made_for.startswith(("https://", "http://")) and made_for != client.org_url:
                raise PlanRefused(f"the plan is for {made_for}, and not for {client.org_url}")
            for change in plan.changes:
                work.check(change)
        except PlanRefused as error:
            raise PlanRefused(f"{error}; nothing was written") from error
        return work.go_on(journal.begin(plan))


def resume(journal: Journal, client: OktaClient, told: Told = _untold) -> Written:
    """Go on with the last run, which did not come to its end.

    Raises:
        UsageError: There is none, it came to its end, or somebody began to take it back.
        MfagapError: See ``apply``.
    """
    with held(journal.folder):
        run = journal.run()
        if run is None or run.finished:
            raise UsageError("there is no unfinished run to go on with")
        if run.turned_back:
            raise UsageError(f"somebody began to take back run {run.id}: take back the rest of it")
        work = _Work(client, journal, told, run)
        for change in run.plan.changes:
            if not work.arrived(change):
                work.check(change)
        return work.go_on(run)


def roll_back(
    journal: Journal, client: OktaClient, told: Told = _untold, run_id: str | None = None
) -> Written:
    """Take back what a run wrote, the last first; again, it does nothing.

    What was changed since is left as it is and named. What the run made for service accounts stays
    as long as a rule stays closed that it could not open again.

    Args:
        journal: That tells of the run.
        client: Of the org.
        told: Is told what is done.
        run_id: Which run; None for the last.

    Raises:
        UsageError: There is no such run.
        PlanRefused: Something was changed since, or Okta took it otherwise; the rest was done.
        MfagapError: See ``apply``.
    """
    with held(journal.folder):
        run = journal.run(run_id)
        if run is None:
            raise UsageError("there is no such run to take back")
        return _Work(client, journal, told, run).turn_back(run)


def _unfinished(run: Run) -> str:
    begun, made = run.entries[0], len(run.of(DONE))
    return (
        f"run {run.id}, begun {rfc3339(begun.at_ms)} by {begun.who}, did not come to its end: "
        f"{made} of its {len(run.plan.changes)} changes are noted as made"
    )


class _Work:
    """One call's work on an org, and what it knows of earlier ones on the same run."""

    def __init__(
        self, client: OktaClient, journal: Journal, told: Told, run: Run | None = None
    ) -> None:
        self._client = client
        self._journal = journal
        self._told = told
        self._intended = {} if run is None else run.of(INTENT)
        self._undone = frozenset[str]() if run is None else run.of(UNDONE).keys()
        self._answers = {} if run is None else {k: e.after for k, e in run.of(DONE).items()}

    def check(self, change: Change) -> Json | None:
        """Return the live object, which is as the plan has it; None where there is none.

        Raises:
            PlanRefused: It is not.
        """
        live = self._live(change)
        if change.before is None:
            if live is not None:
                raise PlanRefused(f"{change.id}: there is one of that name already")
            return None
        if live is None:
            raise PlanRefused(f"{change.id}: {change.path} is not there any more")
        if not same(live, change.before):
            if not lacks(live, change.after):
                raise PlanRefused(f"{change.id}: it is so already, and not by this plan")
            paths = ", ".join(differs(live, change.before))
            raise PlanRefused(
                f"{change.id}: the rule was changed since the plan was made, in {paths}; make a "
                "new plan from the org as it is"
            )
        return live

    def arrived(self, change: Change) -> bool:
        """Tell whether a change was made by the run, as noted, or as the live object tells."""
        if change.id in self._answers:
            return True
        if change.id not in self._intended:
            return False
        live = self._live(change)
        return live is not None and not lacks(_free(live), _free(change.after))

    def go_on(self, run: Run) -> Written:
        """Make every change that is not made yet."""
        made: list[str] = []
        unlike: list[str] = []
        for change in run.plan.changes:
            if change.id in self._answers:
                continue
            try:
                answer = self._make(run, change)
            except PlanRefused as error:
                raise PlanRefused(f"{error}; {self._so_far(run)}") from error
            made.append(change.id)
            self._told(f"{change.id}: written")
            if paths := lacks(answer, change.after):
                unlike.append(f"{change.id}: Okta took it, and has otherwise: {', '.join(paths)}")
        self._journal.note(run, FINISHED)
        return Written(run.id, tuple(made), tuple(unlike))

    def _make(self, run: Run, change: Change) -> Json:
        """Make a change, or find that it was made; return the object as it is then."""
        if self.arrived(change):
            answer, before = self._live(change) or {}, self._intended[change.id].before
        else:
            before = self.check(change)
            self._journal.note(run, INTENT, change, before=before, after=change.after)
            answer = self._send(run, change)
        self._journal.note(run, DONE, change, before=before, after=answer)
        self._answers[change.id] = answer
        return answer

    def _send(self, run: Run, change: Change) -> Json:
        """Send a change; return the object as it is then.

        Raises:
            SourceError: It was refused, or it is not known what became of it.
        """
        write = self._client.put if change.method == "PUT" else self._client.post
        try:
            return _object(write(self._path(change), change.after).body)
        except AnswerLost as error:
            live = self._live(change)
            if live is not None:
                return live
            raise AnswerLost(f"{error}; {self._so_far(run)}") from error
        except SourceError as error:
            # Where it has a status Okta did answer, and refused.
            if error.status is None or self._answers:
                raise type(error)(f"{error}; {self._so_far(run)}", error.status) from error
            self.check(change)
            self._journal.note(run, REFUSED)
            raise type(error)(f"{error}; nothing was written", error.status) from error

    def _so_far(self, run: Run) -> str:
        return (
            f"{len(self._answers)} of {len(run.plan.changes)} changes of run {run.id} are made: "
            "go on with it once that is mended, or take it back"
        )

    def turn_back(self, run: Run) -> Written:
        """Take back every change of ``run`` that was made."""
        if run.finished and run.entries[-1].event not in (FINISHED, LEFT):
            return Written(run.id, ())
        undone: list[str] = []
        left: list[str] = []
        for change in reversed(run.plan.changes):
            if change.id not in self._intended or change.id in self._undone:
                continue
            if left and change.expires_ms is not None:
                left.append(f"{change.id}: stays as long as what it is for")
                continue
            problem = self._undo(run, change)
            if problem is None:
                undone.append(change.id)
                self._told(f"{change.id}: as it was before")
            else:
                left.append(f"{change.id}: {problem}")
        self._journal.note(run, LEFT if left else ROLLED_BACK)
        if left:
            raise PlanRefused(
                f"run {run.id}: {len(undone)} changes were taken back, and these were not: "
                f"{'; '.join(left)}"
            )
        return Written(run.id, tuple(undone))

    def _undo(self, run: Run, change: Change) -> str | None:
        """Take back a change; return why not, or None."""
        live, saved = self._live(change), self._intended[change.id].before
        if live is None:
            if saved is not None:
                return "is not there any more; somebody removed it since"
            self._journal.note(run, UNDONE, change)
            return None
        if saved is not None and same(live, saved):
            self._journal.note(run, UNDONE, change, before=live, after=live)
            return None
        answer = self._answers.get(change.id)
        is_ours = answer is not None and same(_free(live), _free(answer))
        if not is_ours and (paths := lacks(_free(live), _free(change.after))):
            return f"was changed since by somebody else, in {', '.join(paths)}, and is left so"
        if saved is None:
            return self._remove(run, change, live)
        self._journal.note(run, UNDOING, change, before=live, after=settable(saved))
        self._client.put(self._path(change), settable(saved))
        answer = self._live(change) or {}
        self._journal.note(run, UNDONE, change, before=live, after=answer)
        if not same(answer, saved):
            return f"Okta has otherwise than before: {', '.join(differs(answer, saved))}"
        return None

    def _remove(self, run: Run, change: Change, live: Json) -> str | None:
        """Remove what a change made; return why not, or None."""
        path = f"{self._path(change)}/{_id(live)}"
        if change.path == POLICIES and self._listed(f"{path}/rules"):
            return "holds a rule that was not made with it, and is left so"
        self._journal.note(run, UNDOING, change, before=live)
        self._client.delete(path)
        self._journal.note(run, UNDONE, change, before=live)
        return None

    def _live(self, change: Change) -> Json | None:
        """Return the object that a change is about, as it is now; None where there is none."""
        path = self._path(change)
        if change.method == "PUT":
            return self._got(path)
        if not path:
            return None
        siblings = self._listed(path, {"type": KIND} if change.path == POLICIES else None)
        own = _id(self._answers.get(change.id))
        named = [item for item in siblings if at(item, "name") == change.after["name"]]
        found = [item for item in siblings if at(item, "id") == own] if own else named
        return found[0] if found else None

    def _path(self, change: Change) -> str:
        """Return where a change is sent to; empty for what is below a policy not made yet."""
        where = place(change.path)
        if where is None or where.made_by is None:
            return change.path
        policy_id = _id(self._answers.get(where.made_by))
        return f"{POLICIES}/{policy_id}/rules" if policy_id else ""

    def _got(self, path: str) -> Json | None:
        try:
            return _object(self._client.get(path).body)
        except SourceError as error:
            if error.status == 404:
                return None
            raise

    def _listed(self, path: str, params: Mapping[str, str] | None = None) -> list[Json]:
        """Return all objects of a list, whatever its pages; none of a policy that is gone."""
        try:
            return list(self._pages(path, params))
        except SourceError as error:
            if error.status == 404:
                return []
            raise

    def _pages(self, path: str, params: Mapping[str, str] | None) -> Iterator[Json]:
        url: str | None = path
        asked: set[str] = set()
        while url is not None:
            if url in asked:
                raise SourceError(f"Okta's links between pages of {path} lead in a circle")
            asked.add(url)
            answer = self._client.get(url, params)
            yield from values.objects(_parsed(answer.body))
            url, params = answer.links.get("next"), None  # the link has them


def _free(value: Json) -> Json:
    """Return an object without its priority, which others move by what they add or remove."""
    return {key: item for key, item in value.items() if key != "priority"}


def _id(value: Json | None) -> str:
    return values.text(at(value, "id")) or ""


def _object(body: bytes) -> Json:
    found = _parsed(body)
    if not isinstance(found, dict):
        raise SourceError("Okta's answer is no object")
    return cast("Json", found)


def _parsed(body: bytes) -> Any:
    try:
        return values.parsed(body)
    except ValueError as error:
        raise SourceError(f"Okta's answer is no JSON: {error}") from error
