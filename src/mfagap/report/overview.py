"""Counts for the top of a report: sessions by day, and who, from where, with what, through what."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

from mfagap.detect.evaluate import rfc3339
from mfagap.model import Finding, MfaStatus

ORDER = (
    MfaStatus.SINGLE_FACTOR,
    MfaStatus.CHALLENGED,
    MfaStatus.UNSETTLED,
    MfaStatus.STEP_UP,
    MfaStatus.EXPLAINED,
)
"""Statuses as they are stacked, the worst at the bottom; sessions with MFA stand apart."""

MOST_BARS = 60
MOST_ROWS = 5
PLOT_PX = 220
MFA_PX = 44

_DAY_MS = 86_400_000
_LEAST_PX = 3


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar, in pixels from the top of its plot."""

    status: str
    count: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One day, or as many as the chart puts in a bar; ``x`` and ``width`` in percent."""

    label: str
    day: str
    x: float
    width: float
    parts: tuple[Part, ...]
    mfa: Part
    counts: tuple[int, ...]
    labelled: bool

    @property
    def middle(self) -> float:
        """Where its label stands."""
        return round(self.x + self.width / 2, 3)

    @property
    def total(self) -> int:
        """Sessions without MFA in time."""
        return sum(part.count for part in self.parts)

    @property
    def top(self) -> float:
        """Where the stack ends."""
        return min((part.y for part in self.parts), default=float(PLOT_PX))


@dataclass(frozen=True, slots=True)
class Chart:
    """Sessions by day and status.

    Attributes:
        bars: The earliest first; days without a session have one too.
        days: How many days a bar stands for.
        highest: What the axis of the sessions without MFA reaches.
        highest_mfa: What that of the others does.
        plot_px: How high the upper plot is.
        mfa_px: How high the lower one is.
    """

    bars: tuple[Bar, ...]
    days: int
    highest: int
    highest_mfa: int
    plot_px: int = PLOT_PX
    mfa_px: int = MFA_PX


def chart(findings: Sequence[Finding]) -> Chart | None:
    """Return the chart of all ``findings``; None where there are none."""
    if not findings:
        return None
    first = min(found.start_ms // _DAY_MS for found in findings)
    last = max(found.start_ms // _DAY_MS for found in findings)
    days = -(-(last - first + 1) // MOST_BARS)
    bars = (last - first) // days + 1
    counted = Counter(
        ((found.start_ms // _DAY_MS - first) // days, found.mfa_status) for found in findings
    )
    highest = max(sum(counted[place, status] for status in ORDER) for place in range(bars))
    highest_mfa = max(counted[place, MfaStatus.MFA] for place in range(bars))
    every = -(-bars // 8)
    return Chart(
        bars=tuple(
            _bar(
                (place, bars),
                rfc3339((first + place * days) * _DAY_MS)[:10],
                [counted[place, status] for status in (*ORDER, MfaStatus.MFA)],
                (highest, highest_mfa),
                labelled=place % every == 0,
            )
            for place in range(bars)
        ),
        days=days,
        highest=highest,
        highest_mfa=highest_mfa,
    )


def _bar(
    place: tuple[int, int], day: str, counts: list[int], highest: tuple[int, int], *, labelled: bool
) -> Bar:
    slot = 100 / place[1]
    width = min(slot * 0.7, 12.0)
    mfa_height = _height(counts[-1], highest[1], MFA_PX)
    return Bar(
        label=day[5:] if len(day) == 10 else day,
        day=day,
        x=round(place[0] * slot + (slot - width) / 2, 3),
        width=round(width, 3),
        parts=tuple(_stack(counts[:-1], highest[0])),
        mfa=Part(MfaStatus.MFA.value, counts[-1], round(MFA_PX - mfa_height, 2), mfa_height),
        counts=tuple(counts),
        labelled=labelled,
    )


def _stack(counts: Sequence[int], highest: int) -> Iterator[Part]:
    room = PLOT_PX - 18  # the total is written above
    y = float(PLOT_PX)
    for status, count in zip(ORDER, counts, strict=True):
        if count:
            height = _height(count, highest, room)
            y = round(y - height, 2)
            yield Part(status.value, count, y, height)


def _height(count: int, highest: int, room: int) -> float:
    """Return a height that is never too small to see."""
    return max(_LEAST_PX, round(count * room / highest, 2)) if count else 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what it counts, and ``percent`` of the longest bar."""

    label: str | None
    note: str | None
    sessions: int
    others: int
    percent: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The most frequent first; ``left_out`` values are not listed."""

    rows: tuple[Row, ...]
    left_out: int


def ranking(
    findings: Sequence[Finding],
    label: Callable[[Finding], str | None],
    other: Callable[[Finding], Hashable],
    note: Callable[[Finding], str | None] = lambda _: None,
    most: int = MOST_ROWS,
) -> Ranking:
    """Count ``findings`` by ``label`` and ``note``, and how many ``other`` values each has."""
    counted = Counter((label(found), note(found)) for found in findings)
    others: dict[tuple[str | None, str | None], set[Hashable]] = {key: set() for key in counted}
    for found in findings:
        others[label(found), note(found)].add(other(found))
    ranked = sorted(counted, key=lambda key: (-counted[key], key[0] or "", key[1] or ""))
    longest = max(counted.values(), default=1)
    return Ranking(
        rows=tuple(
            Row(
                label=key[0],
                note=key[1],
                sessions=counted[key],
                others=len(others[key] - {None}),
                percent=round(counted[key] * 100 / longest, 1),
            )
            for key in ranked[:most]
        ),
        left_out=max(0, len(ranked) - most),
    )


def users(findings: Sequence[Finding]) -> Ranking:
    """Return who came in, and from how many addresses."""
    return ranking(
        findings, lambda f: f.alert_context.user_email, lambda f: f.alert_context.source_ip
    )


def addresses(findings: Sequence[Finding]) -> Ranking:
    """Return from where, and how many users."""
    return ranking(findings, lambda f: f.alert_context.source_ip, _user)


def clients(findings: Sequence[Finding]) -> Ranking:
    """Return with which client, and how many users."""
    return ranking(findings, lambda f: f.alert_context.user_agent, _user)


def rules(findings: Sequence[Finding], most: int = MOST_ROWS) -> Ranking:
    """Return by which policy rule, and how many users."""
    return ranking(findings, rule_name, _user, policy_name, most)


def rule_name(found: Finding) -> str:
    """Return what the session policy said of ``found``, and by which rule."""
    policy = found.policy
    if policy.event is None:
        return "No policy event in the log"
    return f"{policy.result} by {policy.rule_name or policy.rule_id or 'an unnamed rule'}"


def policy_name(found: Finding) -> str | None:
    """Return the policy of ``found`` with the ids that an administrator looks it up by."""
    policy = found.policy
    ids = ", ".join(part for part in (policy.policy_id, policy.rule_id) if part)
    name = policy.policy_name
    if name is None:
        return ids or None
    return f"{name} ({ids})" if ids else name


def _user(found: Finding) -> str:
    return found.alert_context.user_email
