"""What hardening an org comes to, to be changed field by field."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mfagap.model import Severity
from mfagap.model.hardening import (
    Access,
    Affected,
    Agreement,
    Change,
    Check,
    CheckOutcome,
    CheckResult,
    Decision,
    Disagreement,
    Effect,
    Hardening,
    LegacyClient,
    Plan,
    ReasonRule,
    RuleAgreement,
    SignIn,
)
from mfagap.model.org import (
    PARTS,
    Part,
    Snapshot,
)

NOON_MS = 1_768_478_400_000
DAY_MS = 86_400_000
ORIGIN = "https://example.okta.com"

RULE: dict[str, Any] = {
    "id": "0pr1legacy000000001",
    "name": "Scripts",
    "type": "SIGN_ON",
    "priority": 1,
    "status": "ACTIVE",
    "system": False,
    "created": "2024-01-01T00:00:00.000Z",
    "lastUpdated": "2024-01-02T00:00:00.000Z",
    "conditions": {"network": {"connection": "ANYWHERE"}},
    "actions": {"signon": {"access": "ALLOW", "requireFactor": False}},
    "_links": {"self": {"href": f"{ORIGIN}/api/v1/policies/00p1/rules/0pr1legacy000000001"}},
}
POLICY: dict[str, Any] = {
    "id": "00p1service00000001",
    "name": "Service accounts",
    "type": "OKTA_SIGN_ON",
    "priority": 1,
    "status": "ACTIVE",
    "system": False,
    "rules": [RULE],
}
SNAPSHOT = Snapshot(
    taken_ms=NOON_MS - 3_600_000,
    origin=ORIGIN,
    parts={name: Part() for name in PARTS}
    | {
        "OKTA_SIGN_ON": Part((POLICY,)),
        "zones": Part(missing="403: the scope okta.networkZones.read is missing"),
    },
)

CHECK = Check(
    id="session_rule_without_factor",
    title="A session rule lets people in without a factor",
    severity=Severity.HIGH,
    description="The legacy API obeys session rules alone.",
    author="mfagap",
    created="2026-03-01",
    references=("https://example.com/session-policies",),
    tags=("mfa",),
    subject="rule",
    needs=("OKTA_SIGN_ON",),
    controls={"stig": ("V-273186",), "cis": ("6.3", "6.5")},
    prevention="Let the rule ask for a factor at every sign-in.",
    event_types=(),
    lists={},
    reasons={"used": ReasonRule(CheckOutcome.FAIL, None, "{name} let {amount} in.")},
    query="SELECT 1",
    folder="session_rule_without_factor",
)
ZONES = replace(
    CHECK,
    id="wide_network_zone",
    title="A zone is wider than its name",
    severity=Severity.MEDIUM,
    subject="zone",
    needs=("zones",),
    controls={},
    references=(),
    prevention="Name the addresses.",
)

FAILED = CheckResult(
    check=CHECK.id,
    outcome=CheckOutcome.FAIL,
    severity=Severity.CRITICAL,
    reason="used",
    says="Scripts let 41 sessions in without a factor.",
    subject="rule",
    subject_id=RULE["id"],
    subject_name=RULE["name"],
    policy_id=POLICY["id"],
    amount=41,
    first_ms=NOON_MS - 2 * DAY_MS,
    last_ms=NOON_MS - 60_000,
    evidence=("start-1", "start-2"),
    detail="ALLOW",
)
UNKNOWN = CheckResult(
    check=ZONES.id,
    outcome=CheckOutcome.UNKNOWN,
    severity=Severity.MEDIUM,
    reason="unknown_part",
    says="zones is not known: the scope okta.networkZones.read is missing.",
    subject="org",
    subject_id="",
    subject_name="",
)
PASSED = replace(
    FAILED,
    outcome=CheckOutcome.PASSED,
    severity=Severity.INFORMATIONAL,
    reason="asks",
    says="Default Rule asks for a factor.",
    subject_id="0pr2default00000002",
    subject_name="Default Rule",
    amount=0,
    first_ms=None,
    last_ms=None,
    evidence=(),
    detail=None,
)
SKIPPED = replace(
    UNKNOWN,
    check=CHECK.id,
    outcome=CheckOutcome.NOT_APPLICABLE,
    severity=Severity.INFORMATIONAL,
    reason="no_subject",
    says="The org has no such rule.",
)

SIGN_IN = SignIn(
    uuid="policy-1",
    event_ms=NOON_MS - 120_000,
    actor_id="00u1ada0000000000001",
    login="ada@example.com",
    address="192.0.2.10",
    as_number=64496,
    country="Ireland",
    is_proxy=False,
    client_zone=None,
    user_agent="curl/8.5.0",
    client_kind="library",
    legacy=True,
    auth_type="ANY",
    idp_id=None,
    behaviors={},
    risk_level=None,
    passed_factor=False,
    result="ALLOW",
    policy_id=POLICY["id"],
    rule_id=RULE["id"],
)
AGREEMENT = Agreement(
    rules=(RuleAgreement(RULE["id"], RULE["name"], 1199, 1, 0),),
    disagreements=(
        Disagreement(SIGN_IN, Decision(None, None, None, ("0pr1legacy000000001: zone",))),
    ),
)

LOCKED_OUT = Affected(
    effect=Effect.LOCKED_OUT,
    reason="Must pass a factor and has enrolled none.",
    actor_id="00u1bob0000000000001",
    login="bob@example.com",
    user_agent="Mozilla/5.0",
    address="192.0.2.11",
    rule_id=RULE["id"],
    sign_ins=3,
    first_ms=NOON_MS - DAY_MS,
    last_ms=NOON_MS - 3_600_000,
)
UNAFFECTED = replace(
    LOCKED_OUT,
    effect=Effect.UNAFFECTED,
    reason="Is asked for a factor today.",
    actor_id="00u1cyd0000000000001",
    login="cyd@example.com",
    sign_ins=1000,
)
AFTER = {
    **{key: value for key, value in RULE.items() if key not in ("_links", "created")},
    "actions": {"signon": {"access": "ALLOW", "requireFactor": True, "factorPromptMode": "ALWAYS"}},
}
CHANGE = Change(
    id="close-0pr1legacy000000001",
    method="PUT",
    path="/api/v1/policies/00p1service00000001/rules/0pr1legacy000000001",
    before=RULE,
    after=AFTER,
    safe=False,
    why="Closes Scripts. bob@example.com has no factor.",
    closes=(f"{CHECK.id}:{RULE['id']}",),
)
PLAN = Plan(
    id="plan-1",
    made_ms=NOON_MS,
    origin=ORIGIN,
    snapshot="d" * 64,
    changes=(CHANGE,),
    alternatives=("Disable the rule.",),
)
CLIENT = LegacyClient(
    path="/api/v1/authn",
    actor_id="00u1ada0000000000001",
    login="ada@example.com",
    user_agent="curl/8.5.0",
    client_kind="library",
    address="192.0.2.10",
    api_token_id=None,
    rule_id=RULE["id"],
    rule_name=RULE["name"],
    first_ms=NOON_MS - 2 * DAY_MS,
    last_ms=NOON_MS - 60_000,
    days=3,
    uses=41,
    trend="steady",
    move_to="An OAuth 2 client of its own.",
)

FOUND = Hardening(
    now_ms=NOON_MS,
    from_ms=NOON_MS - 30 * DAY_MS,
    snapshot=SNAPSHOT,
    digest="d" * 64,
    checks=(CHECK, ZONES),
    results=(FAILED, UNKNOWN, PASSED, SKIPPED),
    sessions=41,
    stepped_up=3,
    inventory=(CLIENT,),
    agreement=AGREEMENT,
    affected=(UNAFFECTED, LOCKED_OUT),
    plan=PLAN,
    notes=("The log begins 2026-01-13.",),
)
EMPTY = replace(
    FOUND,
    snapshot=Snapshot(None, "the log alone", {}),
    digest="",
    checks=(),
    results=(),
    sessions=0,
    stepped_up=0,
    inventory=(),
    agreement=None,
    affected=(),
    plan=None,
    notes=(),
)


def hostile(text: str) -> Hardening:
    """Return a document that has ``text`` wherever the log or the org can bring it."""
    result = dict.fromkeys(("says", "subject_id", "subject_name", "policy_id", "detail"), text)
    results = [
        replace(each, **result, evidence=(text,)) for each in (FAILED, UNKNOWN, PASSED, SKIPPED)
    ]
    who = dict.fromkeys(("actor_id", "login", "user_agent", "address", "rule_id"), text)
    item = {"id": text, "name": text, "rules": [{"id": text, "name": text}]}
    sign_in = replace(SIGN_IN, uuid=text, result=text, policy_id=text, **who)
    # Its id and path are no text of others: a plan has none but ids of Okta's in them.
    change = replace(
        CHANGE,
        before={**RULE, "name": text},
        after={**AFTER, "name": text, text: text},
        why=text,
        closes=(text,),
    )
    return replace(
        FOUND,
        snapshot=Snapshot(
            NOON_MS, text, {"OKTA_SIGN_ON": Part((item,)), "zones": Part(missing=text)}
        ),
        results=tuple(results),
        inventory=(
            replace(CLIENT, path=text, api_token_id=text, rule_name=text, move_to=text, **who),
        ),
        agreement=Agreement(
            (RuleAgreement(text, text, 1, 1, 1),),
            (Disagreement(sign_in, Decision(Access.DENY, text, text, (text,))),),
        ),
        affected=(replace(LOCKED_OUT, reason=text, **who),),
        plan=replace(PLAN, origin=text, changes=(change,), alternatives=(text,)),
        notes=(text,),
    )


def many(count: int) -> Hardening:
    """Return a document with ``count`` of everything there can be many of."""
    numbers = range(count)
    return replace(
        FOUND,
        results=[
            *(replace(FAILED, subject_id=f"0pr{n}", subject_name=f"Rule {n}") for n in numbers),
            *(replace(PASSED, subject_id=f"0ps{n}") for n in numbers),
        ],
        inventory=[replace(CLIENT, login=f"user{n}@example.com") for n in numbers],
        agreement=Agreement(
            rules=(RuleAgreement(RULE["id"], RULE["name"], 1199, count, 0),),
            disagreements=AGREEMENT.disagreements * min(count, 200),  # the others are counted
        ),
        affected=[
            replace(LOCKED_OUT, actor_id=f"00u{n}", login=f"user{n}@example.com") for n in numbers
        ],
        plan=replace(PLAN, changes=[replace(CHANGE, id=f"c{n}", safe=n % 2 == 0) for n in numbers]),
    )


def with_results(*results: CheckResult, checks: Sequence[Check] = (CHECK, ZONES)) -> Hardening:
    """Return a document of these results alone."""
    return replace(FOUND, results=results, checks=tuple(checks))
