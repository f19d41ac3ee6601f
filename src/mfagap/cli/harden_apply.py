"""``mfagap harden apply``, ``resume``, ``rollback`` and ``verify``: what writes, and the proof."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfagap.cli import harden_reading, progress
from mfagap.cli.columns import columns
from mfagap.cli.pipes import show
from mfagap.errors import UsageError

if TYPE_CHECKING:
    from mfagap.harden.apply import Told, Written
    from mfagap.harden.journal import Journal, Run
    from mfagap.model.hardening import (
        Change,
        CheckResult,
        Hardening,
        Plan,
    )
    from mfagap.okta.client import OktaClient

MOST_AFFECTED = 10
HEADS = ("RESULT", "SUBJECT", "SAYS")

APPLY = """\
Write a plan to the org that the environment's credentials lead to. The credentials need
okta.policies.manage.

Each change is shown as it will be, and nothing is written without a yes. A rule that is not as the
plan was made from is refused. What was there is kept before anything is sent, every write is a line
of the audit log, and `rollback` takes the last run back, also after a crash in the middle.
"""

VERIFY = """\
Tell whether each change of a plan is in force, and whether a session came in through a rule that it
closed since; those are listed with their events. Exceptions that are over and still there fail.

Exit 1 unless all of it is known to be in order.
"""


def add_to(actions: Any) -> None:
    """Add the actions to the parser of ``mfagap harden``."""
    applying = _action(actions, "apply", "write a plan to the org", APPLY)
    applying.add_argument("plan", type=Path, metavar="PLAN", help="as `plan` wrote it")
    _writing(applying)
    applying.set_defaults(run=run_apply)
    resuming = _action(
        actions,
        "resume",
        "go on with an apply that died in the middle",
        "Go on with the last run of `apply`, which did not come to its end: the org tells which of "
        "its changes were made. `rollback` takes it back instead.",
    )
    _writing(resuming)
    resuming.set_defaults(run=run_resume)
    returning = _action(
        actions,
        "rollback",
        "take back what an apply wrote",
        "Put back what was there before a run of `apply`, the last change first, also where it "
        "died in the middle. What somebody else has changed since is left, and named.",
    )
    returning.add_argument(
        "id",
        nargs="?",
        metavar="RUN",
        help="which run, as `apply` told it (default: the last that is not taken back)",
    )
    _writing(returning)
    returning.set_defaults(run=run_rollback)
    proving = _action(actions, "verify", "is it closed, and did anybody get through since?", VERIFY)
    proving.add_argument("plan", type=Path, metavar="PLAN", help="as `plan` wrote it")
    harden_reading.add_to(proving, since=None)
    proving.add_argument("--json", action="store_true", help="one JSON object a line")
    proving.set_defaults(run=run_verify)


def _action(actions: Any, name: str, what: str, description: str) -> argparse.ArgumentParser:
    return actions.add_parser(
        name,
        allow_abbrev=False,
        help=what,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter
        if description.endswith("\n")
        else argparse.HelpFormatter,
    )


def _writing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--by", metavar="NAME", help="who does it, for the audit log (default: your login)"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML; default: MFAGAP_CONFIG)"
    )


def run_apply(arguments: argparse.Namespace) -> int:
    """Write a plan, and return 0; 1 where Okta took some of it otherwise than it was sent.

    Raises:
        UsageError: Nobody said yes, or the plan is for another org.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.harden.apply import policy_names
    from mfagap.service import apply, harden

    plan = apply.plan_in(arguments.plan)
    if not plan.changes:
        show("nothing is to be changed", err=True)
        return 0
    configured = settings.load(arguments.config)
    with ExitStack() as stack:
        client = harden.client_of(configured, stack)
        apply.check_org(plan, client)
        names = policy_names(client)
        lines = (*changes(plan, names), *_to(plan, client))

        def agreed() -> None:
            _ask(lines, f"Write this to {client.org_url}", arguments)

        written = apply.apply(plan, client, configured, arguments.by, _step(names), agreed)
        return _told(written, apply.journal_of(configured))


def run_resume(arguments: argparse.Namespace) -> int:
    """Go on with the last run; see ``run_apply``.

    Raises:
        UsageError: There is no unfinished run, or nobody said yes.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.harden.apply import policy_names
    from mfagap.service import apply, harden

    configured = settings.load(arguments.config)
    run = apply.unfinished(apply.journal_of(configured))
    with ExitStack() as stack:
        client = harden.client_of(configured, stack)
        apply.check_org(run.plan, client)
        names = policy_names(client)
        lines = (*_left(run, names), *_to(run.plan, client))
        _ask(lines, f"Go on with run {run.id} on {client.org_url}", arguments)
        written = apply.resume(client, configured, arguments.by, _step(names))
        return _told(written, apply.journal_of(configured))


def _to(plan: "Plan", client: "OktaClient") -> Iterator[str]:
    """Yield which org is written to: a plan that was made from files would fit any."""
    from mfagap.harden.apply import org_of

    yield ""
    yield f"to {client.org_url}{'' if org_of(plan) else ' (the plan names no org)'}"


def _left(run: "Run", names: Mapping[str, str]) -> Iterator[str]:
    """Yield the changes of a run, and which of them are noted as made."""
    from mfagap.harden.apply import named
    from mfagap.harden.journal import DONE

    made = [named(change, names) for change in run.plan.changes if change.id in run.of(DONE)]
    yield from changes(run.plan, names)
    yield ""
    yield f"Noted as made: {', '.join(made) or 'none'}."


def run_rollback(arguments: argparse.Namespace) -> int:
    """Take back a run, and return 0.

    Raises:
        UsageError: There is no such run, or nobody said yes.
        PlanRefused: Something was changed since; the rest was taken back.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.harden.apply import policy_names
    from mfagap.service import apply, harden

    configured = settings.load(arguments.config)
    run = apply.to_take_back(apply.journal_of(configured), arguments.id)
    with ExitStack() as stack:
        client = harden.client_of(configured, stack)
        apply.check_org(run.plan, client)
        names = policy_names(client)
        lines = (*_undone(run, names), *_to(run.plan, client))
        _ask(lines, f"Take back run {run.id} on {client.org_url}", arguments)
        written = apply.roll_back(run.id, client, configured, arguments.by, _step(names))
    show(f"run {written.run}: changes taken back: {len(written.changes):,}", err=True)
    return 0


def _undone(run: "Run", names: Mapping[str, str]) -> Iterator[str]:
    """Yield what is put back, the last change first."""
    from mfagap.harden.apply import named
    from mfagap.harden.journal import INTENT
    from mfagap.report.hardening import difference

    sent = run.of(INTENT)
    for change in reversed(run.plan.changes):
        if change.id not in sent:
            continue
        yield ""
        entry = sent[change.id]
        yield f"{named(change, names)}: {'as before' if entry.before else 'is removed'}"
        yield f"   {change.path}"
        for line in difference.lines(change.after, entry.before):
            yield f"   {line}"


def _ask(lines: Iterable[str], question: str, arguments: argparse.Namespace) -> None:
    """Show what is about to be written, and ask.

    Raises:
        UsageError: Nobody can be asked, or the answer is no.
    """
    for line in lines:
        show(line, err=True)
    if arguments.yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nothing was written: there is no terminal to ask on; --yes says yes")
    print(f"\n{question}? Type yes: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() != "yes":
        raise UsageError("nothing was written: the answer was not yes")


def _step(names: Mapping[str, str]) -> "Told":
    from mfagap.harden.apply import named

    return lambda change, what: show(f"{named(change, names)}: {what}", err=True)


def _told(written: "Written", journal: "Journal") -> int:
    """Tell what was written; return 1 where Okta took some of it otherwise."""
    for line in written.unlike:
        show(line, err=True)
    show(
        f"run {written.run}: changes written: {len(written.changes):,}; `mfagap harden verify` "
        "tells whether they hold, `mfagap harden rollback` takes them back; the journal: "
        f"{journal.file(written.run).absolute()}",
        err=True,
    )
    return 1 if written.unlike else 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Print what is in force and who came in since; return 1 unless all is known to be in order.

    Raises:
        UsageError: The org's policies are not given.
        MfagapError: See ``errors``.
    """
    from mfagap import settings
    from mfagap.report import summary
    from mfagap.report.clean import json_line
    from mfagap.report.hardening import document
    from mfagap.service import apply

    plan = apply.plan_in(arguments.plan)
    configured = settings.load(arguments.config)
    with ExitStack() as stack:
        request = harden_reading.request(arguments, configured, stack)
        with progress.drawn("reading", quiet=arguments.quiet, in_bytes=True) as told:
            results, log = apply.verified(plan, request, told)
    if arguments.json:
        for each in results:
            sys.stdout.write(json_line(document.result(each)))
    else:
        columns(HEADS, [_row(each) for each in results])
        for each in results:
            if each.amount:
                show(f"{_subject(each)}: {', '.join(each.evidence)}")
    if log is not None and not arguments.quiet:
        for line in summary.notes(log):
            show(line, err=True)
    return 0 if apply.passed(results) else 1


def _row(each: "CheckResult") -> tuple[str, str, str]:
    return each.outcome.value, _subject(each), each.says


def _subject(each: "CheckResult") -> str:
    return f"{each.subject_name} ({each.subject_id})"


def changes(plan: "Plan", names: Mapping[str, str], *, quiet: bool = False) -> Iterator[str]:
    """Yield what a plan changes, exactly, or a line for each; the lines are not cleaned.

    Args:
        plan: That is shown.
        names: Names of policies by their ids, as far as they are known.
        quiet: Whether a line is enough.
    """
    if not plan.changes:
        yield "Nothing is to be changed."
    for number, change in enumerate(plan.changes, 1):
        heading, *rest = _change(number, change, names)
        yield from (heading,) if quiet else ("", heading, *rest)


def alternatives(plan: "Plan") -> Iterator[str]:
    """Yield what may be done beside a plan, or instead; the lines are not cleaned."""
    for text in plan.alternatives:
        yield ""
        yield f"Beside or instead: {text}"


def _change(number: int, change: "Change", names: Mapping[str, str]) -> Iterator[str]:
    from mfagap.detect.evaluate import rfc3339
    from mfagap.harden.apply import named
    from mfagap.report.hardening import difference

    safe = "safe" if change.safe else "unsafe"
    until = "" if change.expires_ms is None else f", until {rfc3339(change.expires_ms)}"
    name = named(change, names)
    what = "require a second factor" if change.expires_ms is None else "let service accounts in"
    yield f"{number}. {name[0].upper()}{name[1:]}: {what}"
    yield f"   {change.method} {change.path} ({safe}{until})"
    yield f"   {change.why}"
    for line in difference.lines(change.before, change.after):
        yield f"   {line}"


def impact(found: "Hardening") -> Iterator[str]:
    """Yield whom the plan affects, the worst first; the lines are not cleaned."""
    from mfagap.model.hardening import Effect
    from mfagap.report.hardening import document
    from mfagap.report.table import client

    yield ""
    if found.agreement is None:
        yield "Whom it affects is not known: that takes a log and all session policies."
        return
    share = document.percent(found.agreement.agreed, found.agreement.counted)
    yield (
        f"Today's policies decide {found.agreement.agreed:,} of {found.agreement.counted:,} logged "
        f"sign-ins as Okta recorded ({share} %).{document.not_counted(found.agreement)}"
    )
    for effect, users, sign_ins in document.tally(found.affected):
        yield f"{document.effect_word(effect):16} users: {users:,}, sign-ins: {sign_ins:,}"
    hard = [
        row
        for row in document.worst_first(found.affected)
        if row.effect in (Effect.LOCKED_OUT, Effect.BREAKS, Effect.UNKNOWN)
    ]
    for row in hard[:MOST_AFFECTED]:
        where = f"from {row.address or 'nowhere'} with {client(row.user_agent or 'no client')}"
        yield f"  {document.effect_word(row.effect)}: {row.login} {where}: {row.reason}"
    if len(hard) > MOST_AFFECTED:
        yield f"  … and {len(hard) - MOST_AFFECTED:,} more; `mfagap harden report` has them."
