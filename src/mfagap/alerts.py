"""Findings to alerts: one per dedup key and window, what becomes of each, and what hides one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address, ip_network

from mfagap.model import ALERTING, Alert, Detection, Finding, Severity, VerdictWord


class AlertStatus(StrEnum):
    """Where an alert is in its life; ``closed`` comes with a resolution."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class Deed(StrEnum):
    """What mfagap does to an alert."""

    OPENED = "opened"
    WORSENED = "worsened"
    REOPENED = "reopened"
    MATCHED = "matched"
    EASED = "eased"
    RETRACTED = "retracted"
    KEPT = "kept"


RETRACTED = "retracted"
"""The resolution of an alert of which no finding is left."""

TOLD = frozenset({Deed.OPENED, Deed.WORSENED, Deed.REOPENED})
"""Deeds that people are told of; a retraction only where they were told of the alert."""


ANEW = frozenset({Deed.WORSENED, Deed.RETRACTED})
"""Deeds that are news once a suppression has ended, though the sign-ins began before its end."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """An exception on alerts: sign-ins that meet every condition that is given.

    Attributes:
        id: Its number.
        until_ms: When it ends, or was ended before; UTC epoch milliseconds.
        detection: A detection's id.
        user: A login, in whatever case, or an actor's id.
        address: An address, or a range of addresses.
        rule: A policy rule's id.
        client: A user agent, in whatever case; ``*`` stands for any text.
    """

    id: int
    until_ms: int
    detection: str | None = None
    user: str | None = None
    address: str | None = None
    rule: str | None = None
    client: str | None = None

    def covers(self, finding: Finding) -> bool:
        """Tell whether ``finding`` began before its end, and meets every condition."""
        context = finding.alert_context
        user, login = self.user, (context.user_email or "").casefold()
        return (
            finding.start_ms < self.until_ms
            and self.detection in (None, finding.detection)
            and self.rule in (None, finding.policy.rule_id)
            and (user is None or user == context.actor_id or user.casefold() == login)
            and (self.address is None or _within(context.source_ip, self.address))
            and (self.client is None or _like(context.user_agent, self.client))
        )


@dataclass(frozen=True, slots=True)
class Cover:
    """What hides an alert, until when (UTC epoch milliseconds)."""

    suppressions: tuple[int, ...]
    until_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert on file.

    Attributes:
        id: Its number.
        first_ms: Its first match, UTC epoch milliseconds.
        status: Where it is in its life.
        resolution: Why it was closed; ``retracted`` also where the log takes all of it back and it
            is kept.
        severity: Of its findings, as their verdicts have it.
        verdict: The worst of its findings.
        members: The ``uuid`` of each finding.
    """

    id: int
    first_ms: int
    status: AlertStatus
    resolution: str | None
    severity: Severity
    verdict: VerdictWord | None
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one alert.

    Attributes:
        deed: What happens.
        standing: The alert as it was; None where it is new.
        alert: What it holds now; None where no finding is left.
        verdict: The worst verdict of its findings.
        status: Where it is from now on.
        resolution: Why it is closed, or taken back by the log.
    """

    deed: Deed
    standing: Standing | None
    alert: Alert | None
    verdict: VerdictWord | None
    status: AlertStatus
    resolution: str | None = None


def group(detection: Detection, findings: Iterable[Finding]) -> tuple[Alert, ...]:
    """Return the alerts of ``findings``, the oldest first.

    The window is anchored on the first match: an alert at 10:07 takes later matches until 11:07,
    then a new one opens. Findings whose status does not alert are left out.
    """
    window_ms = detection.dedup_window_s * 1000
    open_alerts: dict[str, list[Finding]] = {}
    closed: list[list[Finding]] = []
    for finding in sorted(findings, key=lambda f: (f.start_ms, f.uuid)):
        if finding.mfa_status not in ALERTING:
            continue
        members = open_alerts.get(finding.dedup_key)
        if members is None or finding.start_ms >= members[0].start_ms + window_ms:
            members = list[Finding]()
            closed.append(members)
            open_alerts[finding.dedup_key] = members
        members.append(finding)
    return tuple(
        Alert(
            detection=detection.id,
            dedup_key=members[0].dedup_key,
            first_ms=members[0].start_ms,
            severity=max(finding.severity for finding in members),
            findings=tuple(members),
        )
        for members in closed
    )


def reconcile(
    alerts: Sequence[Alert],
    standing: Sequence[Standing],
    verdicts: Mapping[str, VerdictWord],
) -> list[Change]:
    """Return what becomes of the alerts of one dedup key; those that stay as they are left out.

    The alerts follow from the findings alone, in whatever order these came. One on file goes on in
    the one that shares most findings with it, so that its number and what people did to it last.

    Args:
        alerts: What the findings come to now; see ``group``.
        standing: The alerts on file.
        verdicts: By the ``uuid`` of a finding.
    """
    heirs = _heirs(alerts, standing)
    changes: list[Change] = []
    for number, alert in enumerate(alerts):
        known = heirs.get(number)
        words = {verdicts[f.uuid] for f in alert.findings if f.uuid in verdicts}
        verdict = next((word for word in VerdictWord if word in words), None)
        changes += _continued(known, alert, verdict)
    left = {known.id for known in heirs.values()}
    changes += [change for known in standing if known.id not in left for change in _ended(known)]
    return changes


def _heirs(alerts: Sequence[Alert], standing: Sequence[Standing]) -> dict[int, Standing]:
    """Return which alert on file goes on in which of ``alerts``, by its place."""
    places = {f.uuid: number for number, alert in enumerate(alerts) for f in alert.findings}
    shared = Counter(
        (known.id, places[uuid]) for known in standing for uuid in known.members & places.keys()
    )
    by_id = {known.id: known for known in standing}
    heirs: dict[int, Standing] = {}
    for _, id_, number in sorted((-common, *pair) for pair, common in shared.items()):
        if number not in heirs and id_ in by_id:
            heirs[number] = by_id.pop(id_)
    return heirs


def _continued(known: Standing | None, alert: Alert, verdict: VerdictWord | None) -> list[Change]:
    if known is None:
        return [Change(Deed.OPENED, None, alert, verdict, AlertStatus.OPEN)]
    members = frozenset(finding.uuid for finding in alert.findings)
    closed = known.status is AlertStatus.CLOSED
    status = AlertStatus.OPEN if closed else known.status
    back = known.resolution == RETRACTED
    if _worse(known, alert.severity, verdict):
        return [Change(Deed.WORSENED, known, alert, verdict, status)]
    if closed and (back or members - known.members):
        return [Change(Deed.REOPENED, known, alert, verdict, status)]
    resolution = None if back else known.resolution
    if members - known.members or (back and not closed):
        return [Change(Deed.MATCHED, known, alert, verdict, known.status, resolution)]
    now = (alert.first_ms, alert.severity, verdict, members)
    if now != (known.first_ms, known.severity, known.verdict, known.members):
        return [Change(Deed.EASED, known, alert, verdict, known.status, resolution)]
    return []


def _worse(known: Standing, severity: Severity, verdict: VerdictWord | None) -> bool:
    words = list(VerdictWord)
    place = len(words) if verdict is None else words.index(verdict)
    before = len(words) if known.verdict is None else words.index(known.verdict)
    return severity > known.severity or place < before


def _ended(known: Standing) -> list[Change]:
    """Return what becomes of an alert of which the log leaves no finding.

    What a person has taken up, and what is known as abuse, the log alone does not close.
    """
    if known.resolution == RETRACTED or known.status is AlertStatus.CLOSED:
        return []
    if known.status is AlertStatus.ACKNOWLEDGED or known.verdict is VerdictWord.TRUE_POSITIVE:
        return [Change(Deed.KEPT, known, None, known.verdict, known.status, RETRACTED)]
    return [Change(Deed.RETRACTED, known, None, known.verdict, AlertStatus.CLOSED, RETRACTED)]


def cover(
    suppressions: Sequence[Suppression],
    findings: Iterable[Finding],
    verdict: VerdictWord | None,
) -> Cover | None:
    """Return what hides an alert of ``findings``; None where one of them is not covered.

    It depends on when the sign-ins began and not on when they came to light, so that it is the same
    in whatever ticks they came. Known abuse is never hidden.
    """
    if verdict is VerdictWord.TRUE_POSITIVE:
        return None
    longest: set[Suppression] = set()
    for finding in findings:
        covering = [item for item in suppressions if item.covers(finding)]
        if not covering:
            return None
        longest.add(max(covering, key=lambda item: (item.until_ms, -item.id)))
    if not longest:
        return None
    ids = sorted(item.id for item in longest)
    return Cover(tuple(ids), min(item.until_ms for item in longest))


def withheld(cover: Cover, deed: Deed, now_ms: int) -> bool:
    """Tell whether people are not told of ``deed`` because of ``cover``.

    An exception's end is no news, and neither is a sign-in from before it that comes to light late:
    else all that was hidden would be told at once. What became worse after the end is.
    """
    return now_ms < cover.until_ms or deed not in ANEW


def _within(address: str | None, network: str) -> bool:
    try:
        return ip_address(address or "") in ip_network(network)
    except ValueError:  # the log may hold anything
        return False


def _like(text: str | None, pattern: str) -> bool:
    """Tell whether ``text`` is as ``pattern`` says, in time that no text can stretch."""
    if text is None:
        return False
    rest = text.casefold()
    first, *others = pattern.casefold().split("*")
    if not others:
        return rest == first
    *middle, last = others
    if not rest.startswith(first):
        return False
    place = len(first)
    for part in middle:
        found = rest.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return rest.endswith(last) and len(rest) - len(last) >= place
