"""Carries out a plan, goes on with a run that died, and takes one back.

Nothing is written to an org that is not as the plan takes it to be, and each write is in the
journal before it is sent. What became of a write that was not answered the live object tells: it
is as it was before, or as it was to be. What is neither, somebody else has changed, and it is left.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mfagap.detect.evaluate import rfc3339
from mfagap.errors import AnswerLost, PlanRefused, SourceError, UsageError
from mfagap.harden import values
from mfagap.harden.answers import listed, one, request_of
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
from mfagap.harden.places import POLICIES, placed
from mfagap.harden.plan import KIND
from mfagap.harden.snapshot import settable
from mfagap.harden.values import at
from mfagap.model.hardening import Change, Plan
from mfagap.model.org import Json
from mfagap.okta.client import OktaClient
from mfagap.state.database import held

Told = Callable[[Change, str], object]
"""Is told of a change, in words, what was done with it."""


def _untold(_change: Change, _what: str) -> None:
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


def named(change: Change, policies: Mapping[str, str] | None = None) -> str:
    """Return what a change is about, as people know it.

    Args:
        change: What is about a policy or a rule.
        policies: Names of policies by their ids, as far as they are known.
    """
    where, name = placed(change), values.text(at(change.after, "name")) or ""
    policy = (policies or {}).get(where.policy_id or "")
    of = f' of policy "{policy}"' if policy else ""
    return f'{"policy" if where.is_policies else "rule"} "{name}"{of}'


def policy_names(client: OktaClient) -> dict[str, str]:
    """Return the names of the org's session policies, by their ids.

    Raises:
        SourceError: They cannot be read.
    """
    found = listed(client, POLICIES, {"type": KIND})
    return {_id(policy): values.text(at(policy, "name")) or "" for policy in found}


def org_of(plan: Plan) -> str | None:
    """Return the URL of the org that a plan was made from; None where that was files."""
    made_for = plan.origin.rstrip("/")
    return made_for if made_for.startswith(("https://", "http://")) else None


def minute(at_ms: int) -> str:
    """Return a moment, UTC epoch milliseconds, as people read it."""
    return f"{rfc3339(at_ms)[:16].replace('T', ' ')} UTC"


def apply(
    plan: Plan,
    client: OktaClient,
    journal: Journal,
    told: Told = _untold,
    agreed: Callable[[], object] = lambda: None,
) -> Written:
    """Write the changes of ``plan``, in order, where the org is as the plan was made from.

    All of it is looked at before anything is written, and each object again right before.

    Args:
        plan: What to write.
        client: Of the org.
        journal: Is told of each write before it is sent.
        told: Is told what is done.
        agreed: Is called once nothing is known that stands against the plan, before anything is
            written; what it raises stops it.

    Raises:
        PlanRefused: Objects are not as they were, or a run is unfinished; tells what was written.
        AccessRefused: The credentials may not write.
        SourceError: Okta refused a write, or did not answer; the run can be gone on with.
        StateBusy: Another process is at work there.
        StateError: The journal cannot be written or read.
    """
    with held(journal.folder):
        runs = journal.runs()
        if runs and not runs[-1].finished:
            raise PlanRefused(f"{_unfinished(runs[-1])}; go on with it, or take it back, before")
        if org_of(plan) not in (None, client.org_url):
            raise PlanRefused(
                f"the plan is for {org_of(plan)}, and not for {client.org_url}; nothing was written"
            )
        work = _Work(client, journal, told)
        standing = [run for run in runs if run.stands]
        if problems := list(_problems(plan, work, standing)):
            for run in standing:
                if run.plan.id == plan.id:
                    raise PlanRefused(
                        f"this plan was applied already, as run {run.id} "
                        f"({minute(run.entries[0].at_ms)}); nothing was written; "
                        "`mfagap harden verify PLAN LOG --api` tells whether it holds"
                    )
            raise PlanRefused(f"{'; '.join(problems)}; nothing was written")
        agreed()
        return work.go_on(journal.begin(plan, client.org_url))


def _problems(plan: Plan, work: "_Work", standing: Sequence[Run]) -> Iterator[str]:
    """Yield why each change of a plan that cannot be made cannot.

    Args:
        plan: To be carried out.
        work: Looks at the org.
        standing: Runs whose writes are to be in force.
    """
    for change in plan.changes:
        try:
            work.check(change, standing)
        except PlanRefused as error:
            yield str(error)


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
        _see(run, client, journal)
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
        _see(run, client, journal)
        runs = journal.runs()
        for later in runs[runs.index(run) + 1 :]:
            if later.holds & run.holds:
                raise PlanRefused(
                    f"run {later.id} changed the same rules since, which taking back run {run.id} "
                    f"would open again: take back run {later.id} before"
                )
        return _Work(client, journal, told, run).turn_back(run)


def _see(run: Run, client: OktaClient, journal: Journal) -> None:
    """See that a run wrote to the org that the credentials lead to, and is told of soundly."""
    journal.prove(run)
    if run.org != client.org_url:
        raise PlanRefused(
            f"run {run.id} wrote to {run.org}, and the credentials lead to {client.org_url}; "
            "nothing was written"
        )


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

    def check(self, change: Change, standing: Sequence[Run] = ()) -> Json | None:
        """Return the live object, which is as the plan has it; None where there is none.

        Args:
            change: To be made.
            standing: Runs of which one may have made it.

        Raises:
            PlanRefused: It is not.
        """
        policy_id = placed(change).policy_id
        policy = None if policy_id is None else self._got(f"{POLICIES}/{policy_id}")
        if policy is not None and at(policy, "type") != KIND:
            raise PlanRefused(f"{_label(change)}: policy {policy_id} is no session policy")
        live = self._live(change)
        if change.before is None:
            if live is not None:
                raise PlanRefused(f"{_label(change)}: there is one of that name already")
            return None
        if live is None:
            raise PlanRefused(f"{_label(change)}: {change.path} is not there any more")
        if not same(live, change.before):
            if not lacks(live, change.after):
                raise PlanRefused(
                    f"{_label(change)}: it is so already, {_by(change, standing)}: make a new plan"
                )
            paths = ", ".join(differs(live, change.before))
            raise PlanRefused(
                f"{_label(change)}: it was changed since the plan was made, in {paths}; make a "
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
            self._told(change, "written")
            if paths := lacks(answer, change.after):
                unlike.append(
                    f"{_label(change)}: Okta took it, and has otherwise: {', '.join(paths)}"
                )
        self._journal.note(run, FINISHED)
        return Written(run.id, tuple(made), tuple(unlike))

    def _make(self, run: Run, change: Change) -> Json:
        """Make a change, or find that it was made; return the object as it is then."""
        if self.arrived(change):
            answer, before = self._live(change) or {}, self._intended[change.id].before
            request = None
        else:
            before = self.check(change)
            self._journal.note(run, INTENT, change, before=before, after=settable(change.after))
            answer, request = self._send(run, change)
        self._journal.note(run, DONE, change, request, before=before, after=answer)
        self._answers[change.id] = answer
        return answer

    def _send(self, run: Run, change: Change) -> tuple[Json, str | None]:
        """Send a change; return the object as it is then, and Okta's id of the request.

        Raises:
            SourceError: It was refused, or it is not known what became of it.
        """
        write = self._client.put if change.method == "PUT" else self._client.post
        try:
            answer = write(self._path(change), settable(change.after))
            return one(answer), request_of(answer)
        except AnswerLost as error:
            live = self._live(change)
            if live is not None and not lacks(_free(live), _free(change.after)):
                return live, None
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
                left.append(f"{_label(change)}: stays as long as what it is for")
                continue
            problem = self._undo(run, change)
            if problem is None:
                undone.append(change.id)
                self._told(change, "as it was before")
            else:
                left.append(f"{_label(change)}: {problem}")
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
            above = placed(change).policy_id
            if change.id in self._answers and above and self._got(f"{POLICIES}/{above}") is None:
                return f"policy {above}, which held it, is not there any more"
            self._journal.note(run, UNDONE, change)
            return None
        if saved is not None and same(_free(live), _free(saved)):
            self._journal.note(run, UNDONE, change, before=live, after=live)
            return None
        answer = self._answers.get(change.id)
        is_ours = answer is not None and same(_free(live), _free(answer))
        if not is_ours and (paths := lacks(_free(live), _free(change.after))):
            return f"was changed since by somebody else, in {', '.join(paths)}, and is left so"
        if saved is None:
            return self._remove(run, change, live)
        # Where it stands now: others may have put a rule before it that is to be asked first.
        wanted = {**_free(settable(saved)), **{k: v for k, v in live.items() if k == "priority"}}
        self._journal.note(run, UNDOING, change, before=live, after=wanted)
        request = request_of(self._client.put(self._path(change), wanted))
        answer = self._live(change) or {}
        self._journal.note(run, UNDONE, change, request, before=live, after=answer)
        if not same(answer, wanted):
            return f"Okta has otherwise than before: {', '.join(differs(answer, wanted))}"
        return None

    def _remove(self, run: Run, change: Change, live: Json) -> str | None:
        """Remove what a change made; return why not, or None."""
        path = f"{self._path(change)}/{_id(live)}"
        if change.path == POLICIES and self._listed(f"{path}/rules"):
            return "holds a rule that was not made with it, and is left so"
        self._journal.note(run, UNDOING, change, before=live)
        request = request_of(self._client.delete(path))
        self._journal.note(run, UNDONE, change, request, before=live)
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
        where = placed(change)
        if where.made_by is None:
            return change.path
        policy_id = _id(self._answers.get(where.made_by))
        return f"{POLICIES}/{policy_id}/rules" if policy_id else ""

    def _got(self, path: str) -> Json | None:
        try:
            return one(self._client.get(path))
        except SourceError as error:
            if error.status == 404:
                return None
            raise

    def _listed(self, path: str, params: Mapping[str, str] | None = None) -> list[Json]:
        """Return all objects of a list; none of the rules of a policy that is gone."""
        try:
            return list(listed(self._client, path, params))
        except SourceError as error:
            if error.status != 404 or path == POLICIES or self._got(path.removesuffix("/rules")):
                raise
            return []


def _label(change: Change) -> str:
    return f"{named(change)} ({change.id})"


def _by(change: Change, standing: Sequence[Run]) -> str:
    """Return who wrote what is as ``change`` would have it, as far as the journal tells."""
    for run in reversed(standing):
        if any((done.path, done.after) == (change.path, change.after) for done in run.plan.changes):
            return f"by run {run.id}"
    return "though no run here wrote it"


def _free(value: Json) -> Json:
    """Return an object without its priority, which others move by what they add or remove."""
    return {key: item for key, item in value.items() if key != "priority"}


def _id(value: Json | None) -> str:
    return values.text(at(value, "id")) or ""
