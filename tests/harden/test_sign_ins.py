"""What the log says of each decision of the session policy; exactly, and whatever is missing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.events import PUBLISHED_MS, event
from tests.harden.deciding import default, org, policy, rule
from tests.harden.logs import DETECTION, SPAN, asked

from mfagap.cases.templates import Event
from mfagap.detect.evaluate import parameters, rfc3339
from mfagap.engines import sandbox
from mfagap.engines.portable import faults
from mfagap.errors import AnswerTooLarge, EngineError
from mfagap.harden import inventory, sign_ins
from mfagap.model import Slot
from mfagap.model.hardening import SignIn
from mfagap.model.org import NOTHING, Snapshot

HOUR_MS = 60 * 60 * 1000
ADA = "00u1ada0000000000001"
CHROME = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
QUIET: dict[str, str] = dict.fromkeys(
    (
        *("New Geo-Location", "New Device", "New IP", "New State", "New Country", "Velocity"),
        "New City",
    ),
    "NEGATIVE",
)
DECIDED = SignIn(
    uuid="p",
    event_ms=PUBLISHED_MS,
    actor_id=ADA,
    login="ada@example.com",
    address="192.0.2.10",
    as_number=64500,
    country="United States",
    is_proxy=False,
    client_zone=None,
    user_agent=CHROME,
    client_kind=None,
    legacy=True,
    auth_type="ANY",
    idp_id=None,
    behaviors=QUIET,
    risk_level="LOW",
    passed_factor=False,
    result="ALLOW",
    policy_id="00p1default0000000001",
    rule_id="0pr1default0000000001",
)
DEBUG = "debugContext__debugData__"
ELSEWHERE = {f"{DEBUG}requestUri": "/login/do-login"}


def _rfc(ms: int) -> str:
    """Return the time ``ms`` after the decision."""
    return rfc3339(PUBLISHED_MS + ms)


def decision(name: str = "p", /, **overrides: Any) -> Event:
    return event("session_policy", name, **overrides)


def read(folder: Path, *events: Event, snapshot: Snapshot = NOTHING) -> tuple[SignIn, ...]:
    with asked(folder, events) as engine:
        return sign_ins.read(engine, SPAN, DETECTION, snapshot)


def read_each(folder: Path, cases: Sequence[Sequence[Event]]) -> list[SignIn]:
    """Return the one decision of each case; each has users of its own, and so is alone."""
    events = [
        {
            **item,
            "uuid": f"{item['uuid']}-{place}",
            "actor": {**item["actor"], "id": f"{item['actor']['id']}-{place}"},
        }
        for place, case in enumerate(cases)
        for item in case
    ]
    found = read(folder, *events)
    assert sorted(int(sign_in.uuid.rpartition("-")[2]) for sign_in in found) == [*range(len(cases))]
    ordered = sorted(found, key=lambda sign_in: int(sign_in.uuid.rpartition("-")[2]))
    return [replace(sign_in, uuid="p", actor_id=ADA) for sign_in in ordered]


TABLES = {"events", "clients", "session_policies"}
PARAMETERS = {*parameters(DETECTION, Slot(0, 1, 1)), "recent", "earlier"}


@pytest.mark.parametrize("sql", [*sign_ins.QUERIES, *inventory.QUERIES])
def test_the_queries_are_portable(sql: str) -> None:
    assert faults(sql, TABLES, PARAMETERS) == []


def test_a_decision(tmp_path: Path) -> None:
    assert read(tmp_path, decision()) == (DECIDED,)


def test_which_events_are_decisions(tmp_path: Path) -> None:
    span = (PUBLISHED_MS, PUBLISHED_MS + 10, PUBLISHED_MS)
    events = [
        decision("first"),
        decision("last", published=_rfc(9)),
        decision("early", published=_rfc(-1)),
        decision("late", published=_rfc(10)),
        event("app_policy", "app"),
        event("session_start", "start"),
        decision("of-no-kind", target=None, transaction__id="one", **ELSEWHERE),
        event("sso", "sso", target=decision()["target"]),
    ]
    with asked(tmp_path, events) as engine:
        assert [s.uuid for s in sign_ins.read(engine, span, DETECTION)] == ["first", "last"]
        assert sign_ins.read(engine, (0, 1, 1), DETECTION) == ()


def test_a_decision_of_a_policy_that_the_snapshot_knows(tmp_path: Path) -> None:
    odd = [
        {"id": "p-odd", "type": "PolicyEntity", "displayName": "Odd"},
        {"id": "r-odd", "type": "PolicyRule", "displayName": "Odd"},
    ]
    events = [
        decision(name, target=target, **ELSEWHERE)
        for name, target in (("both", odd), ("rule", odd[1:]))
    ]
    assert read(tmp_path, *events) == ()
    known = org([policy("p-odd", [rule("r-odd")]), default()])
    assert [s.uuid for s in read(tmp_path, *events, snapshot=known)] == ["both", "rule"]
    by_policy = org([policy("p-odd", [rule("0pr1")]), default()])
    assert [s.uuid for s in read(tmp_path, *events, snapshot=by_policy)] == ["both"]
    by_rule = org([policy("00p1", [rule("r-odd")]), default()])
    assert [s.rule_id for s in read(tmp_path, *events, snapshot=by_rule)] == ["r-odd", "r-odd"]


APP_RULE = {"id": "rul1app", "type": "PolicyRule"}
APP = {"id": "rst1", "type": "PolicyEntity", "detailEntry": {"policyType": "App"}}
ODD = {"id": "00p1", "type": "PolicyEntity", "detailEntry": {"policyType": "OKTA_SIGN_ON"}}
UNCLEAR: list[list[Any] | None] = [None, [], [{"id": "0PRgone", "type": "PolicyRule"}], [ODD]]
OF_APPS: list[list[Any]] = [[APP_RULE], [{**APP_RULE, "id": "plr1app"}], [APP, APP_RULE]]


def test_what_may_be_of_a_session_policy_is_not_dropped_where_the_door_is_legacy(
    tmp_path: Path,
) -> None:
    """The door is told by the path of the decision, or by the start of the same request."""
    nameless = replace(DECIDED, policy_id=None, rule_id=None)
    own = [[decision(target=target)] for target in UNCLEAR]
    by_start = [
        [decision(target=target, **ELSEWHERE), event("session_start", "s")] for target in UNCLEAR
    ]
    assert read_each(tmp_path, [*own, *by_start]) == [nameless] * 8
    apps = [decision(f"p{n}", target=target) for n, target in enumerate(OF_APPS)]
    other_door = [decision(f"q{n}", target=t, **ELSEWHERE) for n, t in enumerate(UNCLEAR)]
    assert read(tmp_path, *apps) == read(tmp_path, *other_door) == ()


DOORS = {
    "/api/v1/authn": True,
    "/api/v1/authn/factors/x/verify?a=b": True,
    "/api/v1/sessions": True,
    "/api/v1/sessions/me": True,
    "/api/v1/factors/": True,
    "/api/v1/factors/x": True,
    "/api/v1/authnx": False,
    "/login/do-login": False,
    None: False,
}


def test_the_legacy_door(tmp_path: Path) -> None:
    found = read_each(tmp_path, [[decision(**{f"{DEBUG}requestUri": uri})] for uri in DOORS])
    assert found == [replace(DECIDED, legacy=legacy) for legacy in DOORS.values()]


STARTS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({f"{DEBUG}requestUri": "/login/do-login"}, False),
    ({"eventType": "user.authentication.sso"}, False),
    ({"transaction__id": "trail-other"}, False),
    ({"actor__id": "00u2ben"}, False),
]


def test_the_start_of_the_same_request_tells_the_door(tmp_path: Path) -> None:
    own = decision(**{f"{DEBUG}requestUri": None})
    cases = [[own, event("session_start", "s", **overrides)] for overrides, _ in STARTS]
    assert [found.legacy for found in read_each(tmp_path, cases)] == [told for _, told in STARTS]


CHANNELS: list[tuple[dict[str, Any], list[Event], str]] = [
    ({f"{DEBUG}authType": "RADIUS"}, [], "RADIUS"),
    ({f"{DEBUG}authType": "radius"}, [], "RADIUS"),
    ({f"{DEBUG}authType": "LDAP_INTERFACE"}, [], "LDAP_INTERFACE"),
    ({f"{DEBUG}authType": "LDAP"}, [], "LDAP_INTERFACE"),
    ({f"{DEBUG}authType": "ANY"}, [], "ANY"),
    ({}, [event("radius", "r")], "RADIUS"),
    ({}, [event("radius", "r", **{f"{DEBUG}authType": None})], "RADIUS"),
    ({}, [event("radius", "r", transaction__id="trail-other")], "ANY"),
    ({}, [event("radius", "r", actor__id="00u2ben")], "ANY"),
    ({}, [event("session_start", "s", **{f"{DEBUG}authType": "LDAP"})], "LDAP_INTERFACE"),
    ({}, [event("session_start", "s", **{f"{DEBUG}authType": "RADIUS"})], "RADIUS"),
    ({"transaction__id": None}, [event("radius", "r", transaction__id=None)], "ANY"),
    ({"transaction__id": None, f"{DEBUG}authType": "RADIUS"}, [], "RADIUS"),
    ({"transaction__id": None, f"{DEBUG}authType": "LDAP"}, [], "LDAP_INTERFACE"),
]


def test_the_channel(tmp_path: Path) -> None:
    cases = [[decision(**own), *others] for own, others, _ in CHANNELS]
    expected = [replace(DECIDED, auth_type=channel) for *_, channel in CHANNELS]
    assert read_each(tmp_path, cases) == expected


PARTNER = "0oa1partneridp000001"
FAILED = {"outcome__result": "FAILURE"}


UNSAID: dict[str, Any] = {
    "authenticationContext__credentialType": None,
    "authenticationContext__authenticationProvider": None,
}


def assertion(kind: str) -> Event:
    """Return an assertion that its type alone tells."""
    return event("idp_assertion", "i", eventType=f"user.authentication.{kind}", **UNSAID)


ASSERTED: list[tuple[list[Event], str | None]] = [
    ([event("idp_assertion", "i")], PARTNER),
    ([assertion("auth_via_IDP")], PARTNER),
    ([assertion("auth_via_inbound_SAML")], PARTNER),
    ([assertion("auth_via_social")], PARTNER),
    ([assertion("auth_via_iwa")], None),
    ([event("session_start", "s", authenticationContext__credentialType="ASSERTION")], ""),
    (
        [
            event(
                "session_start",
                "s",
                authenticationContext__authenticationProvider="FEDERATION",
                authenticationContext__issuer={"id": PARTNER},
            )
        ],
        PARTNER,
    ),
    ([event("idp_assertion", "i", authenticationContext__issuer=None)], ""),
    (
        [
            event("idp_assertion", "i"),
            event("idp_assertion", "j", authenticationContext__issuer={"id": "0oaother"}),
        ],
        "",
    ),
    ([event("idp_assertion", "i", **FAILED)], None),
    ([event("idp_assertion", "i", transaction__id="trail-other")], None),
    ([event("idp_assertion", "i", actor__id="00u2ben")], None),
    ([event("session_start", "s", authenticationContext__issuer={"id": PARTNER})], None),
]


def test_the_identity_provider(tmp_path: Path) -> None:
    found = read_each(tmp_path, [[decision(), *others] for others, _ in ASSERTED])
    assert found == [replace(DECIDED, idp_id=idp_id) for _, idp_id in ASSERTED]


BEHAVIORS: dict[str | None, dict[str, str]] = {
    "{New Device=POSITIVE, New IP=bad_request}": {
        "New Device": "POSITIVE",
        "New IP": "BAD_REQUEST",
    },
    "{Odd = name=UNKNOWN}": {"Odd = name": "UNKNOWN"},
    "{}": {},
    "none": {},
    "": {},
    None: {},
}


def test_behaviors(tmp_path: Path) -> None:
    found = read_each(tmp_path, [[decision(**{f"{DEBUG}behaviors": t})] for t in BEHAVIORS])
    assert found == [replace(DECIDED, behaviors=told) for told in BEHAVIORS.values()]


def test_all_else_that_a_decision_may_say_or_not(tmp_path: Path) -> None:
    bare = decision(
        "bare",
        actor=None,
        client={},
        securityContext=None,
        outcome={"result": "challenge"},
        debugContext=None,
        transaction=None,
        authenticationContext=None,
        target=[{"id": "0pr9", "type": "PolicyRule"}],
    )
    told = decision(
        "told",
        client__zone="Office",
        client__userAgent__rawUserAgent="python-requests/2.31.0",
        securityContext={"asNumber": None, "isProxy": True},
        **{f"{DEBUG}risk": "{level=HIGH, reasons=Anomalous}"},
    )
    first, second = read(tmp_path, bare, told)
    assert first == SignIn(
        uuid="bare",
        event_ms=PUBLISHED_MS,
        actor_id="",
        login="",
        address=None,
        as_number=None,
        country=None,
        is_proxy=None,
        client_zone=None,
        user_agent=None,
        client_kind=None,
        legacy=False,
        auth_type="ANY",
        idp_id=None,
        behaviors={},
        risk_level=None,
        passed_factor=False,
        result="CHALLENGE",
        policy_id=None,
        rule_id="0pr9",
    )
    assert second == replace(
        DECIDED,
        uuid="told",
        client_zone="Office",
        user_agent="python-requests/2.31.0",
        client_kind="library",
        as_number=None,
        is_proxy=True,
        risk_level="HIGH",
    )


PROGRAMS = {"okta-awscli python-requests/2": "helper", "CURL/8.0": "library", "Curlew": None}


def test_programs(tmp_path: Path) -> None:
    cases = [[decision(client__userAgent__rawUserAgent=agent)] for agent in PROGRAMS]
    assert [found.client_kind for found in read_each(tmp_path, cases)] == [*PROGRAMS.values()]


def test_where_okta_acts_the_user_is_the_target(tmp_path: Path) -> None:
    okta = {"id": "okta", "type": "SystemPrincipal", "alternateId": "system@okta.com"}
    user = {"id": ADA, "type": "User", "alternateId": "ada@example.com"}
    targets = [*decision()["target"], user]
    events = [
        decision(actor=okta, target=targets),
        decision("q", actor=okta),
        event("mfa", "m", actor=okta, target=[user]),
    ]
    first, second = read(tmp_path, *events)
    assert first == replace(DECIDED, passed_factor=True, factor_first=True)
    assert second == replace(DECIDED, uuid="q", actor_id="", login="")


TRAIL, SESSION, ROOT = "authnRequestId", "externalSessionId", "rootSessionId"
ALONE: dict[str, Any] = {
    "transaction__id": "trail-mfa",
    f"{DEBUG}requestId": None,
    f"{DEBUG}{TRAIL}": None,
    f"authenticationContext__{SESSION}": None,
}
OF_SESSION = {f"authenticationContext__{SESSION}": "102A-start-session"}
OF_TRAIL = {f"{DEBUG}{TRAIL}": "trail-start"}
AFTER, BEFORE, NONE = (True, False), (True, True), (False, False)


FACTORS: list[tuple[dict[str, Any], int, tuple[bool, bool]]] = [
    (ALONE, 1, NONE),
    (ALONE | OF_TRAIL, 1, AFTER),
    (ALONE | OF_TRAIL, 0, BEFORE),
    (ALONE | OF_TRAIL, -1, BEFORE),
    (ALONE | OF_TRAIL, HOUR_MS, AFTER),
    (ALONE | OF_TRAIL, HOUR_MS + 1, NONE),
    (ALONE | OF_TRAIL, -HOUR_MS, BEFORE),
    (ALONE | OF_TRAIL, -HOUR_MS - 1, NONE),
    (ALONE | {"transaction__id": "trail-start"}, 1, AFTER),
    (ALONE | {f"{DEBUG}requestId": "trail-start"}, 1, AFTER),
    (ALONE | OF_SESSION, 1, AFTER),
    (ALONE | {f"authenticationContext__{ROOT}": "102A-start-session"}, 1, AFTER),
    (ALONE | OF_TRAIL | {f"{DEBUG}factor": None}, 1, AFTER),
    (ALONE | {f"{DEBUG}{TRAIL}": "trail-other"}, -1, NONE),
    # A session's id is no request's.
    (ALONE | {"transaction__id": "102A-start-session"}, -1, NONE),
    (ALONE | {"transaction__id": "102A-start-session"}, 1, NONE),
    (ALONE | OF_TRAIL | {"actor__id": "00u2ben"}, 1, NONE),
    (ALONE | OF_TRAIL | {"outcome__result": "ABANDONED"}, 1, NONE),
    (ALONE | OF_TRAIL | {f"{DEBUG}factor": "PASSWORD_AS_FACTOR"}, 1, NONE),
    (ALONE | OF_TRAIL | {f"{DEBUG}methodTypeUsed": "Password"}, 1, NONE),
    (ALONE | OF_TRAIL | {f"{DEBUG}factorIntent": "CREDENTIAL_ENROLLMENT"}, 1, NONE),
    (ALONE | OF_TRAIL | {f"{DEBUG}factorIntent": "RECOVERY"}, 1, NONE),
    (ALONE | OF_TRAIL | {f"{DEBUG}factorIntent": "AUTHENTICATION"}, 1, AFTER),
    (ALONE | OF_TRAIL | {"eventType": "user.authentication.auth_via_IDP"}, 1, NONE),
    # A push bears the phone's client and address.
    (ALONE | OF_TRAIL | {"client": {"ipAddress": "198.51.100.77"}}, 1, AFTER),
]


def test_a_second_factor(tmp_path: Path) -> None:
    cases = [
        [decision(), event("mfa", "m", **(factor | {"published": _rfc(ms)}))]
        for factor, ms, _ in FACTORS
    ]
    found = read_each(tmp_path, cases)
    assert [(f.passed_factor, f.factor_first) for f in found] == [told for *_, told in FACTORS]


OWN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # what alone ties the decision, and the factor
    ({"transaction__id": "one"}, {"transaction__id": "one"}),
    ({f"{DEBUG}requestId": "one"}, {"transaction__id": "one"}),
    ({f"{DEBUG}{TRAIL}": "one"}, {"transaction__id": "one"}),
    ({f"authenticationContext__{SESSION}": "one"}, {f"authenticationContext__{ROOT}": "one"}),
    ({f"authenticationContext__{ROOT}": "one"}, {f"authenticationContext__{ROOT}": "one"}),
]


def test_each_id_of_a_decision_ties(tmp_path: Path) -> None:
    bare = ALONE | {"transaction__id": None}
    cases = [
        [decision(**(bare | own)), event("mfa", "m", **(bare | factor))] for own, factor in OWN
    ]
    assert [found.factor_first for found in read_each(tmp_path, cases)] == [True] * len(OWN)


def test_users_without_an_id_are_known_by_name_and_those_without_that_are_not(
    tmp_path: Path,
) -> None:
    named = {"actor": {"id": None, "type": "User", "alternateId": "ada@example.com"}}
    events = [decision(**named), event("mfa", "m", **(ALONE | OF_TRAIL | named))]
    (found,) = read(tmp_path, *events)
    assert found == replace(DECIDED, actor_id="", passed_factor=True, factor_first=True)
    nobody: dict[str, Any] = {"actor": None}
    events = [decision(**nobody), event("mfa", "m", **(ALONE | OF_TRAIL | nobody))]
    (found,) = read(tmp_path, *events)
    assert not found.passed_factor


def test_of_many_factors_the_nearest_counts_and_no_decision_is_told_twice(tmp_path: Path) -> None:
    factors = [
        event("mfa", f"m{ms}", **OF_SESSION, published=_rfc(ms))
        for ms in (-3 * HOUR_MS, -2 * HOUR_MS, 5, 8, 2 * HOUR_MS, 3 * HOUR_MS)
    ]
    late = HOUR_MS + 7  # an hour after the first of two has passed, and of the second has not
    events = [decision("p"), decision("q", published=_rfc(late)), *factors]
    with asked(tmp_path, events) as engine:
        span = (PUBLISHED_MS, PUBLISHED_MS + 2 * HOUR_MS, PUBLISHED_MS)
        first, second = sign_ins.read(engine, span, DETECTION)
    assert (first.uuid, first.passed_factor, first.factor_first) == ("p", True, False)
    assert (second.uuid, second.passed_factor, second.factor_first) == ("q", True, True)


def test_ids_that_stand_for_none_tie_nothing(tmp_path: Path) -> None:
    unknown = {
        "transaction__id": "unknown",
        f"{DEBUG}requestId": "-",
        f"authenticationContext__{SESSION}": "unknown",
    }
    (found,) = read(tmp_path, decision(**unknown), event("mfa", "m", **(ALONE | unknown)))
    assert not found.passed_factor


def test_more_than_a_query_may_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [decision(f"p{ms}", published=_rfc(ms)) for ms in range(6)]
    # Beyond the watermark, as far as an event may be dated.
    events += [decision(f"x{ms}", published=_rfc(9 * HOUR_MS + ms)) for ms in range(3)]
    names = [item["uuid"] for item in events]
    monkeypatch.setattr(sandbox, "MAX_ROWS", 2)
    with asked(tmp_path, events) as engine:
        span = (PUBLISHED_MS - 1000, 2**63 // 1000 + 1, PUBLISHED_MS + 10)
        assert [s.uuid for s in sign_ins.read(engine, span, DETECTION)] == names
        monkeypatch.setattr(sandbox, "MAX_ROWS", 0)
        with pytest.raises(AnswerTooLarge):
            sign_ins.read(engine, span, DETECTION)


def test_a_detection_without_a_list_of_clients(tmp_path: Path) -> None:
    with asked(tmp_path, [decision()]) as engine:
        assert sign_ins.read(engine, SPAN, replace(DETECTION, lists={})) == (DECIDED,)


@pytest.mark.parametrize(
    "row", [{"uuid": "p"}, {"client_zone": None, "uuid": "p", "event_ms": "x"}]
)
def test_a_row_of_another_form(row: dict[str, Any], tmp_path: Path) -> None:
    with asked(tmp_path, [decision()]) as engine:
        engine.run = lambda sql, parameters, lists: [row]
        with pytest.raises(EngineError, match="sign_ins gave a row of another form"):
            sign_ins.read(engine, SPAN, DETECTION)
