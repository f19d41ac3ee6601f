"""``harden apply``, ``resume``, ``rollback``, ``verify``: what writes to an org, and the proof."""

import getpass
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mfagap.detect.evaluate import rfc3339
from mfagap.errors import ContentError, SourceError, UsageError
from mfagap.harden import apply as applying
from mfagap.harden import plan as plans
from mfagap.harden import snapshot as snapshots
from mfagap.harden import values
from mfagap.harden import verify as verifying
from mfagap.harden.apply import Told, Written, minute
from mfagap.harden.fetch import fetch
from mfagap.harden.folder import read
from mfagap.harden.journal import DONE, FOLDER, REFUSED, ROLLED_BACK, UNDONE, Journal, Run
from mfagap.harden.judge import ranked
from mfagap.model import ScanResult
from mfagap.model.hardening import (
    CheckOutcome,
    CheckResult,
    Plan,
)
from mfagap.model.org import Snapshot
from mfagap.okta.client import OktaClient
from mfagap.service import harden
from mfagap.service.scan import NOTHING_MORE
from mfagap.settings import Settings


def journal_of(settings: Settings, who: str | None = None) -> Journal:
    """Return the journals beside the state.

    Args:
        settings: Tell where the state is.
        who: Who writes; None for the one who is logged in.
    """
    return Journal(settings.state / FOLDER, who or _login(), lambda: time.time_ns() // 1_000_000)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        return "unknown"


def plan_in(path: Path) -> Plan:
    """Return the plan in a file.

    Raises:
        UsageError: There is no such file, or it is a snapshot; tells what makes a plan.
        ContentError: It cannot be read, is no plan, or was edited.
    """
    if not path.exists():
        raise UsageError(
            f"{path}: there is no such file; `mfagap harden plan … -o FILE` writes one"
        )
    try:
        return plans.load(path)
    except ContentError:
        if not _is_snapshot(path):
            raise
        raise UsageError(
            f"{path}: this is a snapshot; make a plan of it: mfagap harden plan LOG --from {path} "
            "-o plan.json"
        ) from None


def _is_snapshot(path: Path) -> bool:
    try:
        return values.at(snapshots.read_json(path), snapshots.KEY) is not None
    except SourceError:
        return False


def check_org(plan: Plan, client: OktaClient) -> None:
    """See that a plan is for the org that the credentials lead to.

    Raises:
        UsageError: It was made from another one.
    """
    made_for = applying.org_of(plan)
    if made_for not in (None, client.org_url.rstrip("/")):
        raise UsageError(
            f"the plan was made from {made_for}, and the credentials lead to {client.org_url}"
        )


def apply(
    plan: Plan,
    client: OktaClient,
    settings: Settings,
    who: str | None,
    told: Told,
    agreed: Callable[[], object] = lambda: None,
) -> Written:
    """Write a plan to its org.

    Raises:
        UsageError: The plan is for another org.
        MfagapError: See ``harden.apply.apply``.
    """
    check_org(plan, client)
    return applying.apply(plan, client, journal_of(settings, who), told, agreed)


def resume(client: OktaClient, settings: Settings, who: str | None, told: Told) -> Written:
    """Go on with the last run.

    Raises:
        MfagapError: See ``harden.apply.resume``.
    """
    return applying.resume(journal_of(settings, who), client, told)


def roll_back(
    run_id: str, client: OktaClient, settings: Settings, who: str | None, told: Told
) -> Written:
    """Take back a run.

    Raises:
        MfagapError: See ``harden.apply.roll_back``.
    """
    journal = journal_of(settings, who)
    return applying.roll_back(journal, client, told, to_take_back(journal, run_id).id)


def unfinished(journal: Journal) -> Run:
    """Return the run that did not come to its end.

    Raises:
        UsageError: There is none.
        StateError: A journal cannot be read, or is damaged.
    """
    run = _runs(journal)[-1]
    if run.finished:
        raise UsageError("there is no unfinished run to go on with")
    return run


def _runs(journal: Journal) -> tuple[Run, ...]:
    """Return all runs; of a folder that has none it is said.

    Raises:
        UsageError: There is none.
    """
    runs = journal.runs()
    if not runs:
        raise UsageError(
            f"no run in {journal.folder.absolute()}; call it in the folder where `apply` was "
            "called, or give --config FILE"
        )
    return runs


def to_take_back(journal: Journal, run_id: str | None) -> Run:
    """Return the run that is to be taken back: that of the id, or the last that stands at all.

    Raises:
        UsageError: There is no such run, or it is taken back already.
        StateError: A journal cannot be read, or is damaged.
    """
    runs = _runs(journal)
    left = [run for run in runs if run.entries[-1].event not in (ROLLED_BACK, REFUSED)]
    asked = [run for run in runs if run.id == run_id] if run_id else (left or list(runs))
    if not asked:
        raise UsageError(f"no run {run_id!r}; there are: {_told(runs)}")
    run = asked[-1]
    if run not in left:
        others = _told([other for other in runs if other.id != run.id])
        more = f"; other runs: {others}" if others else ""
        at = minute(run.entries[-1].at_ms)
        raise UsageError(f"run {run.id} was {run.state} at {at}; nothing to do{more}")
    return run


def _told(runs: Sequence[Run]) -> str:
    return ", ".join(f"{run.id} ({run.state})" for run in runs)


def verified(
    plan: Plan,
    request: harden.Request,
    progress: harden.Progress = lambda _read, _all: None,
) -> tuple[tuple[CheckResult, ...], ScanResult | None]:
    """Return whether a plan is in force and who came in since; and what was read of the log.

    Raises:
        UsageError: There is nothing to look at, or a path leads nowhere.
        SourceError: The org cannot be reached, or the snapshot not be read.
        MfagapError: See ``errors``.
    """
    wall_ms = time.time_ns() // 1_000_000
    given = None if request.snapshot is None else read(request.snapshot)
    with harden.read_log(request.scan, NOTHING_MORE, progress) as log:
        result = log.result
    if request.client is not None:
        check_org(plan, request.client)
        given = fetch(request.client, wall_ms)
        harden.store(request.scan.settings, given)
    if given is None:
        raise UsageError("whether the plan is in force takes the org's policies: --from or --api")
    journal = journal_of(request.scan.settings)
    runs = [run for run in journal.runs() if run.plan.id == plan.id]
    # By the last that stands.
    moments = next((run.moments for run in reversed(runs) if run.stands), dict[str, int]())
    why = _why(plan, given, runs, journal.folder.absolute())
    # An exception ends by the clock on the wall, whatever the log reaches to.
    now = verifying.verify(plan, given, (), wall_ms, moments)
    results = [each for each in now if each.check != verifying.LET_IN]
    reached_ms = 0 if result is None else result.now_ms
    findings = () if result is None else result.findings
    sessions = [finding for finding in findings if finding.detection == harden.DETECTION]
    for each in verifying.verify(plan, given, sessions, reached_ms, moments, why):
        if each.check == verifying.LET_IN:
            results.append(_as_far_as_logged(each, result, moments))
    return ranked(results), result


def _why(plan: Plan, snapshot: Snapshot, runs: Sequence[Run], folder: Path) -> Mapping[str, str]:
    """Return why it is not known when a change was made, by its id: a sentence for each.

    Args:
        plan: That is looked at.
        snapshot: Of the org as it is now.
        runs: Of the plan, the last last.
        folder: Of the journals.
    """
    why: dict[str, str] = {}
    for change in plan.changes:
        name = values.text(change.after.get("name")) or ""
        says = f"No journal in {folder} tells when rule {name} was changed; --config FILE tells "
        why[change.id] = f"{says}where the state is."
        for run in runs:
            undone = run.of(UNDONE).get(change.id)
            if not run.finished:
                why[change.id] = (
                    f"Run {run.id} did not come to its end: `mfagap harden resume` goes on with it."
                )
            elif undone is not None and change.id in run.of(DONE):
                now = "" if verifying.is_made(change, plan, snapshot) else ": it is open again"
                at = minute(undone.at_ms)
                why[change.id] = (
                    f"Run {run.id} closed rule {name}, and was taken back at {at}{now}."
                )
    return why


def _as_far_as_logged(
    each: CheckResult, result: ScanResult | None, moments: Mapping[str, int]
) -> CheckResult:
    """Return who came in since; unknown where the log does not hold all of that time."""
    if each.reason == "no_moment":
        return each
    if result is None:
        return _unknown(each, "no_log", "No log was read: who came in since is not known.")
    oldest_ms = result.totals.oldest_ms
    since_ms = min(moments.values(), default=0)
    if each.outcome is CheckOutcome.PASSED and (oldest_ms is None or oldest_ms > since_ms):
        begins = "nowhere" if oldest_ms is None else rfc3339(oldest_ms)
        says = f"{each.says} But the log begins at {begins}: who came in before is not known."
        return _unknown(each, "log_begins_later", says)
    return each


def _unknown(each: CheckResult, reason: str, says: str) -> CheckResult:
    return replace(each, outcome=CheckOutcome.UNKNOWN, reason=reason, says=says)


def passed(results: Sequence[CheckResult]) -> bool:
    """Tell whether all of it is known to be in order."""
    return all(each.outcome is CheckOutcome.PASSED for each in results)
