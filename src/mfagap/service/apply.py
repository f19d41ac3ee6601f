"""``harden apply``, ``resume``, ``rollback``, ``verify``: what writes to an org, and the proof."""

import getpass
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mfagap.detect.evaluate import rfc3339
from mfagap.errors import StateError, UsageError
from mfagap.harden import apply as applying
from mfagap.harden import verify as verifying
from mfagap.harden.apply import Written
from mfagap.harden.fetch import fetch
from mfagap.harden.folder import read
from mfagap.harden.journal import Journal, Run
from mfagap.harden.judge import ranked
from mfagap.model import ScanResult
from mfagap.model.hardening import (
    CheckOutcome,
    CheckResult,
    Plan,
)
from mfagap.okta.client import OktaClient
from mfagap.okta.credentials import ServiceApp, find
from mfagap.service import harden, regressions
from mfagap.service.scan import NOTHING_MORE
from mfagap.settings import Settings, environment

FOLDER = "harden"
"""Where journals and the audit log are, in the state folder."""

Told = Callable[[str], object]


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


def check_org(plan: Plan, client: OktaClient) -> None:
    """See that a plan is for the org that the credentials lead to.

    Raises:
        UsageError: It was made from another one.
    """
    made_for = plan.origin.rstrip("/")
    if made_for.startswith(("https://", "http://")) and made_for != client.org_url.rstrip("/"):
        raise UsageError(
            f"the plan was made from {made_for}, and the credentials lead to {client.org_url}"
        )


def apply(
    plan: Plan, client: OktaClient, settings: Settings, who: str | None, told: Told
) -> Written:
    """Write a plan to its org, and put on file what it closed.

    Raises:
        UsageError: The plan is for another org.
        MfagapError: See ``harden.apply.apply``.
    """
    check_org(plan, client)
    journal, actor_id = journal_of(settings, who), _actor()
    return _watch(settings, journal, applying.apply(plan, client, journal, told), actor_id)


def resume(client: OktaClient, settings: Settings, who: str | None, told: Told) -> Written:
    """Go on with the last run, and put on file what it closed.

    Raises:
        MfagapError: See ``harden.apply.resume``.
    """
    journal, actor_id = journal_of(settings, who), _actor()
    return _watch(settings, journal, applying.resume(journal, client, told), actor_id)


def roll_back(
    run_id: str, client: OktaClient, settings: Settings, who: str | None, told: Told
) -> Written:
    """Take back a run, and take from file what it closed.

    Raises:
        MfagapError: See ``harden.apply.roll_back``.
    """
    journal = journal_of(settings, who)
    run = to_take_back(journal, run_id)
    # Before it is opened again: nobody shall be alarmed by what was asked for.
    with harden.watched(settings) as database:
        if database is not None:
            regressions.reopen(database, run)
    return applying.roll_back(journal, client, told, run_id)


def _watch(settings: Settings, journal: Journal, written: Written, actor_id: str | None) -> Written:
    """Put on file which rules a run closed, so that whoever opens one again raises an alert."""
    run = journal.run(written.run)
    try:
        with harden.watched(settings) as database:
            if database is not None and run is not None:
                regressions.close(database, run, actor_id)
    except StateError as error:  # it was written all the same
        problem = f"nobody keeps an eye on the closed rules: {error}"
        return replace(written, unlike=(*written.unlike, problem))
    return written


def _actor() -> str | None:
    """Return whom Okta's log names for our writes: the service app; of a token nobody knows."""
    access = find(environment(), Path.home(), Path()).access
    return access.client_id if isinstance(access, ServiceApp) else None


def unfinished(journal: Journal) -> Run:
    """Return the run that did not come to its end.

    Raises:
        UsageError: There is none.
        StateError: A journal cannot be read, or is damaged.
    """
    run = journal.run()
    if run is None or run.finished:
        raise UsageError("there is no unfinished run to go on with")
    return run


def to_take_back(journal: Journal, run_id: str | None) -> Run:
    """Return the run that is to be taken back: the last, or that of the id.

    Raises:
        UsageError: There is no such run.
        StateError: A journal cannot be read, or is damaged.
    """
    run = journal.run(run_id)
    if run is None:
        known = ", ".join(each.id for each in journal.runs())
        raise UsageError(
            f"no run {run_id!r}; there are: {known}" if run_id and known else "nothing was applied"
        )
    return run


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
    moments = _moments(plan, request.scan.settings)
    # An exception ends by the clock on the wall, whatever the log reaches to.
    now = verifying.verify(plan, given, (), wall_ms, moments)
    results = [each for each in now if each.check != verifying.LET_IN]
    reached_ms = 0 if result is None else result.now_ms
    findings = () if result is None else result.findings
    sessions = [finding for finding in findings if finding.detection == harden.DETECTION]
    for each in verifying.verify(plan, given, sessions, reached_ms, moments):
        if each.check == verifying.LET_IN:
            results.append(_as_far_as_logged(each, result, moments))
    return ranked(results), result


def _moments(plan: Plan, settings: Settings) -> Mapping[str, int]:
    """Return when each change of the plan was made, by the last of its runs that stands."""
    runs = [run for run in journal_of(settings).runs() if run.plan.id == plan.id and run.stands]
    return runs[-1].moments if runs else {}


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
