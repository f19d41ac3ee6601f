"""The nouns, as frozen dataclasses; no I/O. Times are UTC epoch milliseconds unless named."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path

Scalar = str | int | float | bool | None


class Severity(IntEnum):
    """Impact of a finding, ordered; ``INFORMATIONAL`` never alerts (OCSF's words)."""

    INFORMATIONAL = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """Lower-case name, as written in every output."""
        return self.name.lower()


class Confidence(StrEnum):
    """Likelihood that a finding is true; never mixed into the severity."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class MfaStatus(StrEnum):
    """What a start's chain says about the second factor, in the order of the status table."""

    MFA = "mfa"
    UNSETTLED = "unsettled"
    STEP_UP = "step_up"
    CHALLENGED = "challenged"
    EXPLAINED = "explained"
    SINGLE_FACTOR = "single_factor"


ALERTING = frozenset({MfaStatus.CHALLENGED, MfaStatus.SINGLE_FACTOR})
"""Statuses that make an alert; the others are counted and can be shown."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file to read, and its name as people know it; what a source yields."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Something the log shows, the ``uuid`` of the event that shows it, and what ties it in."""

    name: str
    link: str
    event: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The session-policy evaluation of a start, as Okta logged it: ALLOW before CHALLENGE."""

    result: str | None = None
    policy_id: str | None = None
    policy_name: str | None = None
    rule_id: str | None = None
    rule_name: str | None = None
    event: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class AlertContext:
    """The published rule's context; ``session_start_time`` is RFC 3339 in UTC."""

    user_email: str
    actor_id: str | None
    source_ip: str | None
    user_agent: str | None
    external_session_id: str
    transaction_id: str | None
    request_uri: str | None
    session_start_time: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detection says of one start; identified by ``detection`` and ``uuid``."""

    detection: str
    uuid: str
    start_ms: int
    mfa_status: MfaStatus
    severity: Severity
    confidence: Confidence
    confidence_reasons: tuple[str, ...]
    title: str
    dedup_key: str
    mfa_link: str | None
    mfa_event: str | None
    explanation: Reference | None
    annotations: tuple[Reference, ...]
    policy: Policy
    alert_context: AlertContext


@dataclass(frozen=True, slots=True)
class Alert:
    """Findings under one dedup key within the dedup window: what a person sees."""

    detection: str
    dedup_key: str
    first_ms: int
    severity: Severity
    findings: tuple[Finding, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Source addresses of all findings, sorted, each once."""
        seen = {f.alert_context.source_ip for f in self.findings}
        return tuple(sorted(ip for ip in seen if ip is not None))


@dataclass(frozen=True, slots=True)
class Slot:
    """A half-open event-time interval ``[from_ms, to_ms)`` and the watermark it is judged at."""

    from_ms: int
    to_ms: int
    watermark_ms: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one detection said of one slot; ``skipped`` counts starts that can never fire."""

    findings: tuple[Finding, ...]
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """Why a delivery was not read as it came, and whether it was used all the same."""

    reason: str
    used: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """What a lake has read.

    Attributes:
        files: Files looked at.
        deliveries: Events read, repeats included.
        duplicates: Repeats of an event that is there already (of the types kept).
        future: Events dated more than ten minutes past the wall clock.
        oldest_ms: The earliest event; None where nothing was read.
        newest_ms: The latest event that is not in the future: NOW, unless it is given.
        foreign: Files in which no Okta event was found, with a remark each.
    """

    files: int = 0
    deliveries: int = 0
    duplicates: int = 0
    future: int = 0
    oldest_ms: int | None = None
    newest_ms: int | None = None
    foreign: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found, and all that it could not use.

    Attributes:
        findings: Of every status, the worst first, then the newest.
        alerts: What the findings come to after deduplication.
        counts: Findings by status, every status present.
        skipped: Starts that can never fire, by reason.
        totals: What was read.
        problems: How often each thing was off in the input.
        examples: A few places (``file:line``) of each.
        ignored: Files passed over, and why.
        now_ms: The moment as of which the log was judged.
        unseen: Events that a given NOW hides.
    """

    findings: tuple[Finding, ...]
    alerts: tuple[Alert, ...]
    counts: Mapping[MfaStatus, int]
    skipped: Mapping[str, int]
    totals: Totals
    problems: Mapping[Reason, int]
    examples: Mapping[Reason, tuple[str, ...]]
    ignored: tuple[tuple[str, str], ...]
    now_ms: int
    unseen: int


@dataclass(frozen=True, slots=True)
class Technique:
    """One ATT&CK technique under one tactic, such as ``TA0001:T1078.004``."""

    tactic: str
    technique: str


@dataclass(frozen=True, slots=True)
class Detection:
    """A detection folder, loaded: metadata, query and the lists that the query reads."""

    id: str
    title: str
    finding_title: str
    status: str
    severity: Severity
    description: str
    author: str
    created: str
    references: tuple[str, ...]
    tags: tuple[str, ...]
    categories: tuple[str, ...]
    data_sources: tuple[str, ...]
    attack_published: tuple[Technique, ...]
    attack_version: str
    attack: tuple[Technique, ...]
    schedule_s: int
    chain_s: int
    grace_s: int
    before_s: int
    after_s: int
    dedup_key: str
    dedup_window_s: int
    false_positives: tuple[str, ...]
    blind_spots: tuple[str, ...]
    prevention: tuple[str, ...]
    runbook: tuple[str, ...]
    event_types: tuple[str, ...]
    lists: Mapping[str, "ContentList"]
    query: str
    folder: str


@dataclass(frozen=True, slots=True)
class ContentList:
    """A small table that a query joins; rows come from the folder, more from the settings."""

    columns: Mapping[str, str]
    rows: tuple[tuple[Scalar, ...], ...]
