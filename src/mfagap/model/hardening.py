"""The nouns of hardening, as frozen dataclasses; no I/O. Times are UTC epoch milliseconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mfagap.model import ContentList, Severity, VerdictWord
from mfagap.model.org import Json, Snapshot


class CheckOutcome(StrEnum):
    """How a check ends, the worst first; what is not known is never a pass."""

    FAIL = "fail"
    UNKNOWN = "unknown"
    PASSED = "pass"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """What one reason of a check means: its outcome, its severity where it is not the check's.

    Attributes:
        outcome: How the check ends for it.
        severity: Of a failure; None for the check's own.
        says: A sentence; may name ``{name}``, ``{policy}``, ``{amount}``, ``{detail}``.
    """

    outcome: CheckOutcome
    severity: Severity | None
    says: str


@dataclass(frozen=True, slots=True)
class Check:
    """A folder of ``content/hardening``, loaded: metadata, query, and what its reasons mean.

    Attributes:
        id: The folder's name.
        title: What is wrong where it fails.
        severity: Of a failure, unless its reason has another.
        description: What it looks at and why.
        author: Who keeps it.
        created: A day.
        references: Links.
        tags: Words.
        subject: What each result is about: ``rule``, ``policy``, ``user``, ``api_token``, ``zone``.
        needs: Parts of a snapshot without which there is no pass.
        controls: Ids by catalog: ``stig`` (DISA's Okta IDaaS STIG), ``cis`` (CIS Controls).
        prevention: What to do.
        event_types: That its query reads.
        lists: Small tables that its query joins.
        reasons: By the word in the query's column ``reason``.
        query: One SELECT in the portable subset.
        folder: Where it stands.
    """

    id: str
    title: str
    severity: Severity
    description: str
    author: str
    created: str
    references: tuple[str, ...]
    tags: tuple[str, ...]
    subject: str
    needs: tuple[str, ...]
    controls: Mapping[str, tuple[str, ...]]
    prevention: str
    event_types: tuple[str, ...]
    lists: Mapping[str, ContentList]
    reasons: Mapping[str, ReasonRule]
    query: str
    folder: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check says of one subject.

    Attributes:
        check: The check's id.
        outcome: See ``CheckOutcome``.
        severity: Of a failure, and of what is unknown; INFORMATIONAL otherwise.
        reason: The word in the query's row; ``unknown_part`` where a part is not known,
            ``no_subject`` where there is nothing that the check is about, ``query_failed`` where
            its query did.
        says: The same as a sentence.
        subject: What it is about: ``rule``, ``policy``, …; ``org`` where it is about all.
        subject_id: Its id; empty for ``org``.
        subject_name: As people know it.
        policy_id: Of the policy, where it is about a rule or a policy.
        amount: How often the log shows it; 0 where it does not.
        first_ms: The first time; None where it does not.
        last_ms: The last time.
        evidence: ``uuid`` of events that show it, at most ``MOST_EVIDENCE``.
        detail: Words of the org's or the log's, as delivered.
    """

    check: str
    outcome: CheckOutcome
    severity: Severity
    reason: str
    says: str
    subject: str
    subject_id: str
    subject_name: str
    policy_id: str | None = None
    amount: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    evidence: tuple[str, ...] = ()
    detail: str | None = None


MOST_EVIDENCE = 20


class Access(StrEnum):
    """What a session policy comes to, in the words of ``policy.evaluate_sign_on``."""

    ALLOW = "ALLOW"
    CHALLENGE = "CHALLENGE"
    DENY = "DENY"


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in as the log shows it: what a session policy is asked about.

    Attributes:
        uuid: Of the ``policy.evaluate_sign_on`` event that recorded the decision.
        event_ms: When.
        actor_id: The user's id; empty where the log has none.
        login: The user's name; empty likewise.
        address: IP address; None where the log has none.
        as_number: Of the address.
        country: Of the address, as the log names it.
        is_proxy: Whether the log calls the address a proxy.
        client_zone: The zone's name, as the log has it.
        user_agent: The client, as it calls itself.
        client_kind: ``library`` or ``helper`` where the detection's list ``clients`` knows it.
        legacy: Whether it came through ``/api/v1/authn``, ``/api/v1/sessions`` or
            ``/api/v1/factors``.
        auth_type: ``RADIUS``, ``LDAP_INTERFACE`` or ``ANY``.
        idp_id: The identity provider that asserted it; empty where one did that the log does not
            name; None where the password was Okta's.
        behaviors: As the log has them, name to ``POSITIVE``, ``NEGATIVE``, ….
        risk_level: As the log has it.
        passed_factor: Whether a second factor was passed for it, then or later.
        result: What Okta decided.
        policy_id: By which policy; None where the event names none.
        rule_id: By which rule.
        factor_first: Whether a second factor was passed for it before Okta decided.
        verdict: The runbook's on the session that it began; None where there is none.
    """

    uuid: str
    event_ms: int
    actor_id: str
    login: str
    address: str | None
    as_number: int | None
    country: str | None
    is_proxy: bool | None
    client_zone: str | None
    user_agent: str | None
    client_kind: str | None
    legacy: bool
    auth_type: str
    idp_id: str | None
    behaviors: Mapping[str, str]
    risk_level: str | None
    passed_factor: bool
    result: str
    policy_id: str | None
    rule_id: str | None
    factor_first: bool = False
    verdict: VerdictWord | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a set of policies comes to for one sign-in.

    Attributes:
        access: None where it cannot be told; then ``unseen`` says why.
        rule_id: The rule that decides; None where several might.
        policy_id: Its policy.
        unseen: Conditions that could not be seen, as ``rule id: condition``, those alone that
            mattered.
    """

    access: Access | None
    rule_id: str | None
    policy_id: str | None
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A sign-in that the policies of today decide otherwise than Okta recorded, or do not tell."""

    sign_in: SignIn
    decision: Decision


@dataclass(frozen=True, slots=True)
class RuleAgreement:
    """How often today's policies decide as Okta recorded, for one recorded rule.

    Attributes:
        rule_id: As recorded; None for events that name none.
        rule_name: As the snapshot has it; None where it has none such.
        agreed: Sign-ins.
        undecided: Sign-ins for which a condition could not be seen.
        disagreed: Sign-ins.
    """

    rule_id: str | None
    rule_name: str | None
    agreed: int
    undecided: int
    disagreed: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether the evaluator can be believed: today's policies against what Okta recorded.

    Attributes:
        rules: By recorded rule, the least believed first.
        disagreements: Sign-ins that disagree or are undecided, the worst first; not all of them
            where there are many, see ``left_out``.
        changed: Of the undecided, those that would disagree but are older than a change of what
            decides them; they tell nothing of the evaluator.
    """

    rules: tuple[RuleAgreement, ...]
    disagreements: tuple[Disagreement, ...]
    changed: int = 0

    @property
    def sign_ins(self) -> int:
        """How many were decided again."""
        return sum(r.agreed + r.undecided + r.disagreed for r in self.rules)

    @property
    def counted(self) -> int:
        """Of them, how many tell whether the evaluator can be believed."""
        return self.sign_ins - self.changed

    @property
    def agreed(self) -> int:
        """Of them, how many as recorded."""
        return sum(r.agreed for r in self.rules)

    @property
    def left_out(self) -> int:
        """How many that disagree or are undecided are not in ``disagreements``."""
        return self.sign_ins - self.agreed - len(self.disagreements)


class Effect(StrEnum):
    """What a plan does to somebody's sign-ins, the worst first."""

    LOCKED_OUT = "locked_out"
    BREAKS = "breaks"
    UNKNOWN = "unknown"
    PROMPTED = "prompted"
    UNAFFECTED = "unaffected"


@dataclass(frozen=True, slots=True)
class Affected:
    """A user with one client at one address, and what a plan does to their sign-ins.

    Attributes:
        effect: The worst of their sign-ins.
        reason: Why, in a sentence.
        actor_id: The user's id.
        login: The user's name.
        user_agent: The client.
        address: The address.
        rule_id: The rule that let them in, as recorded last of the sign-ins with that effect.
        sign_ins: How many.
        first_ms: The first.
        last_ms: The last.
        verdict: The worst of the runbook's on their sessions; None where there is none.
        by_rule: The worst effect of those that each rule let in, by its id as recorded.
    """

    effect: Effect
    reason: str
    actor_id: str
    login: str
    user_agent: str | None
    address: str | None
    rule_id: str | None
    sign_ins: int
    first_ms: int
    last_ms: int
    verdict: VerdictWord | None = None
    by_rule: Mapping[str | None, Effect] = field(default_factory=dict[str | None, Effect])

    @property
    def is_suspected(self) -> bool:
        """Whether what signs in there may be an intruder."""
        return self.verdict in (VerdictWord.TRUE_POSITIVE, VerdictWord.SUSPICIOUS)


@dataclass(frozen=True, slots=True)
class Change:
    """One write of a plan.

    Attributes:
        id: Stable for the same rule and change.
        method: ``PUT`` or ``POST``.
        path: Of the API. ``{id of another change}`` stands for the id of what that one creates.
        before: The object as it was read; None of what is created.
        after: What is sent.
        safe: Whether the log shows who uses it now, and none of them loses access by it as far as
            the snapshot tells.
        why: What it closes, and if not safe, whom it may cost; sentences.
        closes: ``check:subject id`` of each result that it mends.
        expires_ms: When what it creates should be gone; None for never.
    """

    id: str
    method: str
    path: str
    before: Json | None
    after: Json
    safe: bool
    why: str
    closes: tuple[str, ...] = ()
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to change, in order.

    Attributes:
        id: Of its contents: the same changes of the same snapshot have the same.
        made_ms: When.
        origin: Of the snapshot.
        snapshot: Digest of the snapshot.
        changes: To be made in this order: what keeps service accounts alive comes first.
        alternatives: What may be done beside or instead, in sentences.
    """

    id: str
    made_ms: int
    origin: str
    snapshot: str
    changes: tuple[Change, ...]
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LegacyClient:
    """One user with one client at one address on one legacy path: a line of the inventory.

    Attributes:
        path: ``/api/v1/authn``, ``/api/v1/sessions`` or ``/api/v1/factors``.
        actor_id: The user's id.
        login: The user's name.
        user_agent: The client.
        client_kind: ``library`` or ``helper``; None for others.
        address: The address.
        api_token_id: The API token of a back end; None where there is none.
        rule_id: The session-policy rule of the last sign-in.
        rule_name: Its name.
        first_ms: First seen.
        last_ms: Last seen.
        days: On how many days.
        uses: How many requests; events of one transaction are one.
        trend: ``new``, ``rising``, ``steady``, ``falling`` or ``gone``; ``unknown`` where the log
            does not reach back far enough to tell.
        move_to: What it should move to, a sentence.
    """

    path: str
    actor_id: str
    login: str
    user_agent: str | None
    client_kind: str | None
    address: str | None
    api_token_id: str | None
    rule_id: str | None
    rule_name: str | None
    first_ms: int
    last_ms: int
    days: int
    uses: int
    trend: str
    move_to: str


@dataclass(frozen=True, slots=True)
class Hardening:
    """All that `harden report` tells: one document for every format.

    Attributes:
        now_ms: The moment as of which the log was judged.
        from_ms: From when on sign-ins were looked at.
        snapshot: What is known of the org.
        digest: Of the snapshot; empty for ``NOTHING``.
        checks: That were run.
        results: The worst first.
        sessions: Legacy sessions that got in on one factor.
        stepped_up: Of them, those that passed a second one later.
        inventory: Who uses the legacy API.
        agreement: Of the evaluator; None without session policies.
        affected: Under the plan; empty without one.
        plan: What to change; None without session policies.
        notes: What was read and what was not, sentences.
    """

    now_ms: int
    from_ms: int
    snapshot: Snapshot
    digest: str
    checks: Sequence[Check]
    results: Sequence[CheckResult]
    sessions: int
    stepped_up: int
    inventory: Sequence[LegacyClient]
    agreement: Agreement | None
    affected: Sequence[Affected]
    plan: Plan | None
    notes: Sequence[str]
