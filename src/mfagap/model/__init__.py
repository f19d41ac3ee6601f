"""The nouns, as frozen dataclasses; no I/O. Times are UTC epoch milliseconds unless named."""

from collections import Counter
from collections.abc import Mapping, Sequence
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
class Stretch:
    """Events of ``event_types`` in ``[from_ms, to_ms)``; ``*`` at a type's end is any rest."""

    event_types: Sequence[str]
    from_ms: int
    to_ms: int


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


class VerdictWord(StrEnum):
    """What an investigation comes to, in OCSF's words (``verdict`` of a Detection Finding).

    The worst comes first.
    """

    TRUE_POSITIVE = "true_positive"
    SUSPICIOUS = "suspicious"
    INSUFFICIENT_DATA = "insufficient_data"
    SECURITY_RISK = "security_risk"
    BENIGN = "benign"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True, slots=True, order=True)
class Answer:
    """One row of a step's evidence: what the log answers to the step's question.

    Attributes:
        event_ms: When the event happened that shows it; the session's start where none does.
        name: One of the step's answers.
        tier: What ties the event to the session, where that matters.
        event: The ``uuid`` of the event that shows it.
        amount: A count, where the answer is one.
        detail: Words from the log, as delivered.
    """

    event_ms: int
    name: str
    tier: str | None = None
    event: str | None = None
    amount: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one step found for one session: immutable, and enough to ask again.

    Attributes:
        step: The step's id.
        question: In plain words.
        query: The SQL that was run; None for a built-in kind.
        parameters: What it was given for this session; times in UTC epoch milliseconds.
        answers: The rows, the earliest first; at most as many as the runbook keeps.
        count: How many rows there were.
        digest: SHA-256 of all rows, in hexadecimal.
        watermark_ms: Events before this were believed complete.
        duration_ms: How long the step took, for all sessions together.
        failure: Why the step failed; None where it did not. Then nothing else is known.
    """

    step: str
    question: str
    query: str | None
    parameters: Mapping[str, Scalar]
    answers: tuple[Answer, ...]
    count: int
    digest: str
    watermark_ms: int
    duration_ms: int
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence comes to.

    Attributes:
        verdict: OCSF's word.
        severity: The finding's, or what the verdict raises it to.
        reason: A paragraph in which every clause cites its evidence, as ``[step: uuid]``.
        follow_up_ms: When to look again, since the window was not whole; None where it was.
        rests_on: The steps that it rests on.
    """

    verdict: VerdictWord
    severity: Severity
    reason: str
    follow_up_ms: int | None
    rests_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Investigation:
    """One run of the runbook for one session: a verdict, and the evidence behind it."""

    detection: str
    uuid: str
    start_ms: int
    verdict: Verdict
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """What one answer says and does.

    Attributes:
        says: A clause of the reason; may name ``{detail}``, ``{amount}``, ``{tier}``, ``{after}``.
        means: The fact that it establishes, by tier; under ``""`` for any other tier.
        at_least: The amount from which it does; below it is only noted.
    """

    says: str
    means: Mapping[str, str] = field(default_factory=dict[str, str])
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """SQL of a runbook: its name, its text and the file that holds it."""

    name: str
    sql: str
    file: str


@dataclass(frozen=True, slots=True)
class Step:
    """A question of the runbook.

    Attributes:
        id: As verdicts and evidence cite it.
        question: In plain words.
        kind: ``query``, or the name of a module under ``investigate``.
        source: The SQL in its file, one SELECT in the portable subset; None for other kinds.
        query: The same with the shared query as its first CTE, where it reads that.
        before_s: How long before the start it looks.
        after_s: How long after; None for until now.
        event_types: What of the log it reads; None for all that the detection reads.
        answers: Rules by answer.
    """

    id: str
    question: str
    kind: str
    source: "Source | None"
    query: str | None
    before_s: int
    after_s: int | None
    event_types: tuple[str, ...] | None
    answers: Mapping[str, AnswerRule]


@dataclass(frozen=True, slots=True)
class VerdictRule:
    """A line of the verdict table, of which the first that holds decides.

    Attributes:
        verdict: What it comes to.
        severity: What it raises the finding's severity to; None leaves it.
        when: Facts that must all be established.
        unless: Facts of which none may be.
        rests_on: Steps that must have been answered.
        says: The first sentence of the reason.
        cites: Answers that are then spelled out, in this order.
        final: Whether no later event can change it, so that no second look is needed.
    """

    verdict: VerdictWord
    severity: Severity | None
    when: frozenset[str]
    unless: frozenset[str]
    rests_on: tuple[str, ...]
    says: str
    cites: tuple[str, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class Runbook:
    """A detection's runbook, loaded.

    Attributes:
        enough_s: How much log after the start a verdict needs.
        cap_s: How much of it the window has.
        keep: How many rows of a step are kept for one session.
        parameters: Durations in milliseconds that its queries may name.
        lists: Small tables that its queries join, beside those of the detection.
        shared: The query that steps may read as a CTE of its name.
        steps: In the order in which they run.
        verdicts: The verdict table.
    """

    enough_s: int
    cap_s: int
    keep: int
    parameters: Mapping[str, int]
    lists: Mapping[str, "ContentList"]
    shared: Source | None
    steps: tuple[Step, ...]
    verdicts: tuple[VerdictRule, ...]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found, and all that it could not use.

    Attributes:
        detections: That were run.
        findings: Of every status: the worst severity first, then the worst verdict, then the
            newest. Severities are the verdicts'.
        investigations: The runbook's, by detection and ``uuid``; of sessions that were looked at.
        alerts: What the findings come to after deduplication.
        counts: Findings by status, every status present.
        skipped: Starts that can never fire, by reason.
        totals: What was read.
        problems: How often each thing was off in the input.
        examples: A few places (``file:line``) of each.
        ignored: Files passed over, and why.
        now_ms: The moment as of which the log was judged.
        unseen: Events that a given NOW hides.
        from_ms: The time from which starts were judged, where one was given.
        meant: The ``uuid`` of each sign-in, of whatever kind, that the session or event asked for
            leads to.
    """

    detections: tuple["Detection", ...]
    findings: tuple[Finding, ...]
    investigations: Mapping[tuple[str, str], Investigation]
    alerts: tuple[Alert, ...]
    counts: Mapping[MfaStatus, int]
    skipped: Mapping[str, int]
    totals: Totals
    problems: Mapping[Reason, int]
    examples: Mapping[Reason, tuple[str, ...]]
    ignored: tuple[tuple[str, str], ...]
    now_ms: int
    unseen: int
    from_ms: int | None = None
    meant: frozenset[str] = frozenset()

    @property
    def failures(self) -> Mapping[tuple[str, str], int]:
        """Steps that failed, each with why, and for how many sessions."""
        return Counter(
            (item.step, item.failure)
            for investigation in self.investigations.values()
            for item in investigation.evidence
            if item.failure is not None
        )

    def investigation(self, finding: Finding) -> Investigation | None:
        """Return what the runbook found out about ``finding``; None where it was not run."""
        return self.investigations.get((finding.detection, finding.uuid))


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
    event_types: tuple[str, ...]
    lists: Mapping[str, "ContentList"]
    query: str
    runbook: "Runbook | None"
    folder: str

    @property
    def queries(self) -> tuple[str, ...]:
        """All SQL that reads ``events`` for it: its query, and those of its runbook."""
        steps = self.runbook.steps if self.runbook else ()
        return (self.query, *(step.query for step in steps if step.query is not None))


@dataclass(frozen=True, slots=True)
class ContentList:
    """A small table that a query joins; rows come from the folder, more from the settings."""

    columns: Mapping[str, str]
    rows: tuple[tuple[Scalar, ...], ...]
