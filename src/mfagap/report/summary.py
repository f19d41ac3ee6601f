"""The lines about a scan that go to standard error: what was read, what was not, the counts."""

from collections import Counter
from collections.abc import Collection, Iterator

from mfagap.detect.evaluate import rfc3339
from mfagap.model import MfaStatus, ScanResult, VerdictWord
from mfagap.report.clean import terminal

_ORDER = (
    MfaStatus.SINGLE_FACTOR,
    MfaStatus.CHALLENGED,
    MfaStatus.UNSETTLED,
    MfaStatus.STEP_UP,
    MfaStatus.EXPLAINED,
    MfaStatus.MFA,
)
MOST_FILES = 10


def notes(result: ScanResult) -> Iterator[str]:
    """Yield what was read, and all that was not or only in part."""
    totals = result.totals
    oldest, newest = totals.oldest_ms, totals.newest_ms
    span = ""
    if oldest is not None and newest is not None:
        span = f", {rfc3339(oldest)} to {rfc3339(newest)}"
    yield f"Read {_count(totals.deliveries, 'event')} from {_count(totals.files, 'file')}{span}."
    if totals.duplicates:
        yield f"Delivered more than once: {totals.duplicates:,}, counted once."
    if totals.future:
        now = rfc3339(result.now_ms)
        yield f"Dated in the future: {totals.future:,}; they do not move NOW ({now})."
    if result.unseen:
        yield f"Later than {rfc3339(result.now_ms)}, and so unseen: {result.unseen:,}."
    for used, title in ((False, "Could not use"), (True, "Used in part or mended")):
        reasons = [(r, n) for r, n in result.problems.items() if r.used is used]
        if reasons:
            yield f"{title}: {sum(n for _, n in reasons):,}"
        for reason, count in reasons:
            places = result.examples[reason]
            more = ", …" if count > len(places) else ""
            where = ", ".join(terminal(place) for place in places) + more
            yield f"  {count:,} x {terminal(reason.reason)} ({where})"
    yield from failures(result)
    yield from _files("No Okta log", list(totals.foreign.items()))
    yield from _files("Passed over", list(result.ignored))


def failures(result: ScanResult) -> Iterator[str]:
    """Yield which steps of a runbook failed: what they would have found is not known."""
    for (step, failure), count in result.failures.items():
        yield f"The step {step} failed for {_count(count, 'session')}: {terminal(failure)}"


def counts(result: ScanResult, shown: Collection[MfaStatus] = _ORDER) -> str:
    """Return the counts of every status in one line; no all-clear for a time that no log covers.

    Args:
        result: What a scan found.
        shown: Statuses whose sessions the output has; those with MFA are in none.
    """
    parts = [f"{result.counts[status]:,} {status.value}" for status in _ORDER]
    line = f"Legacy sessions: {', '.join(parts)}. Alerts: {len(result.alerts):,}."
    verdicts = Counter(i.verdict.verdict for i in result.investigations.values())
    if verdicts:
        told = (f"{verdicts[word]:,} {word.value}" for word in VerdictWord if verdicts[word])
        line += f" Verdicts on {len(result.investigations):,} of them: {', '.join(told)}."
    hidden = [
        f"{result.counts[status]:,} {status.value}"
        for status in _ORDER
        if status not in (*shown, MfaStatus.MFA) and result.counts[status]
    ]
    if hidden:
        line += f" Not shown: {', '.join(hidden)} (--all)."
    if result.skipped:
        never = ", ".join(
            f"{count:,} with {terminal(reason)}" for reason, count in result.skipped.items()
        )
        line += f" Never fire: {never}."
    newest = result.totals.newest_ms
    if result.from_ms is not None and newest is not None and result.from_ms > newest:
        line += f" The log ends at {rfc3339(newest)}, before --since: nothing was judged."
    return line


def _files(title: str, files: list[tuple[str, str]]) -> Iterator[str]:
    if files:
        yield f"{title}: {_count(len(files), 'file')}"
    for name, why in files[:MOST_FILES]:
        yield f"  {terminal(name)}: {terminal(why)}"
    if len(files) > MOST_FILES:
        yield f"  … and {len(files) - MOST_FILES:,} more"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
