"""Who uses the legacy APIs: each client once, how often, since when, and what it should move to."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.events import PUBLISHED_MS, event
from tests.harden.logs import DETECTION, asked

from mfagap.cases.templates import Event
from mfagap.detect.evaluate import rfc3339
from mfagap.errors import EngineError
from mfagap.harden import inventory
from mfagap.model.hardening import LegacyClient

DAY_MS = 24 * 60 * 60 * 1000
SPAN = (PUBLISHED_MS - 30 * DAY_MS, PUBLISHED_MS + 1000, PUBLISHED_MS + 999)
CHROME = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
ADA = "00u1ada0000000000001"
URI, TOKEN = "debugContext__debugData__requestUri", "transaction__detail__requestApiTokenId"
AGENT = "client__userAgent__rawUserAgent"
CLIENT = LegacyClient(
    path="/api/v1/authn",
    actor_id=ADA,
    login="ada@example.com",
    user_agent=CHROME,
    client_kind=None,
    address="192.0.2.10",
    api_token_id=None,
    rule_id=None,
    rule_name=None,
    first_ms=PUBLISHED_MS,
    last_ms=PUBLISHED_MS,
    days=1,
    uses=1,
    trend="unknown",
    move_to=inventory.BROWSER,
)


def start(name: str, days: float = 0, /, **more: Any) -> Event:
    """Return a start ``days`` before the newest, in a request of its own."""
    published = rfc3339(PUBLISHED_MS - round(days * DAY_MS))
    own = {"published": published, "transaction__id": f"trail-{name}"}
    return event("session_start", name, **(own | more))


def policy(name: str, days: float, rule: str, **more: Any) -> Event:
    published = rfc3339(PUBLISHED_MS - round(days * DAY_MS))
    own = {"published": published, "target__1__id": rule, "target__1__displayName": f"Rule {rule}"}
    return event("session_policy", name, **(own | more))


def read(
    folder: Path, events: Sequence[Event], span: tuple[int, int, int] = SPAN
) -> tuple[LegacyClient, ...]:
    with asked(folder, events) as engine:
        return inventory.read(engine, span, DETECTION)


def test_a_client(tmp_path: Path) -> None:
    assert read(tmp_path, [start("a")]) == (CLIENT,)


def test_nobody(tmp_path: Path) -> None:
    assert (
        read(tmp_path, [start("a", **{URI: "/idp/idx/identify"}), start("b", **{URI: None})]) == ()
    )


PATHS = {
    "/api/v1/authn": "/api/v1/authn",
    "/api/v1/authn/factors/x/verify": "/api/v1/authn",
    "/api/v1/sessions?a=b": "/api/v1/sessions",
    "/api/v1/sessions/me": "/api/v1/sessions",
    "/api/v1/factors/x/verify": "/api/v1/factors",
    "/api/v1/factors": "/api/v1/factors",
    "/api/v1/authnx": None,
    "/api/v1/sessionsx": None,
    "/api/v1/users/00u1/factors": None,
}


def test_paths(tmp_path: Path) -> None:
    events = [start(f"a{n}", login=n, **{URI: uri}) for n, uri in enumerate(PATHS)]
    found = read(tmp_path, events)
    assert {client.path: client.uses for client in found} == {
        "/api/v1/authn": 2,
        "/api/v1/sessions": 2,
        "/api/v1/factors": 2,
    }


APART: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"actor__id": "00u2ben"}, {"actor_id": "00u2ben"}),
    ({AGENT: "Mozilla/5.0 (other)"}, {"user_agent": "Mozilla/5.0 (other)"}),
    ({AGENT: None}, {"user_agent": None, "move_to": inventory.OTHER}),
    ({"client__ipAddress": "198.51.100.7"}, {"address": "198.51.100.7"}),
    ({"client__ipAddress": None}, {"address": None}),
    ({TOKEN: "00T1"}, {"api_token_id": "00T1", "move_to": inventory.BACK_END}),
    ({URI: "/api/v1/sessions"}, {"path": "/api/v1/sessions", "move_to": inventory.SESSIONS}),
    ({"debugContext__debugData__authType": "RADIUS"}, {"move_to": inventory.RADIUS}),
    ({"debugContext__debugData__authType": "LDAP"}, {"move_to": inventory.LDAP}),
    ({"actor": None}, {"actor_id": "", "login": ""}),
    ({"actor": {"id": None, "alternateId": "x"}}, {"actor_id": "", "login": "x"}),
    ({"actor": {"id": None, "alternateId": "y"}}, {"actor_id": "", "login": "y"}),
    ({}, {}),
]


def test_what_tells_clients_apart(tmp_path: Path) -> None:
    """Each with a rule of its own."""
    events = [
        policy(f"p{n}", 0, f"0pr{n}", transaction__id=f"trail-{n}", **own)
        for n, (own, _) in enumerate(APART)
    ]
    expected = [
        replace(CLIENT, rule_id=f"0pr{n}", rule_name=f"Rule 0pr{n}", **differs)
        for n, (_, differs) in enumerate(APART)
    ]
    assert sorted(map(repr, read(tmp_path, events))) == sorted(map(repr, expected))


def test_a_request_is_one_use_whatever_it_logs(tmp_path: Path) -> None:
    one = {"transaction__id": "trail-one"}
    events = [
        start("a", **one),
        event("session_policy", "p", **one),
        event("mfa", "m", **one),
        start("b"),
        start("c", transaction__id=None, debugContext__debugData__requestId="trail-c"),
        start("C", transaction__id=None, debugContext__debugData__requestId="trail-c"),
        start("d", transaction__id=None, debugContext__debugData__requestId=None),
        start("e", transaction__id=None, debugContext__debugData__requestId=None),
    ]
    (found,) = read(tmp_path, events)
    assert found.uses == 5


def test_a_failure_is_no_use(tmp_path: Path) -> None:
    events = [
        start("a", outcome__result="FAILURE"),
        event("session_policy", "p", outcome__result="DENY"),
        start("b", **{AGENT: None, "outcome": None}),
    ]
    found = read(tmp_path, events)
    assert [(client.user_agent, client.uses) for client in found] == [(CHROME, 1), (None, 1)]


def test_the_channel_is_told_by_any_event_of_the_request(tmp_path: Path) -> None:
    vpn = {"transaction__id": "trail-vpn"}
    silent = {"debugContext__debugData__authType": None}
    events = [
        start("a"),
        start("v", **vpn),
        event("radius", "r", **vpn, **silent),
        start("o", **vpn, actor__id="00u2", actor__alternateId="ben@example.com"),
        start("l", transaction__id="trail-ldap"),
        start("m", transaction__id="trail-ldap", debugContext__debugData__authType="LDAP"),
    ]
    found = read(tmp_path, events)
    assert {(client.login, client.uses, client.move_to) for client in found} == {
        ("ada@example.com", 1, inventory.BROWSER),
        ("ada@example.com", 1, inventory.RADIUS),
        ("ada@example.com", 1, inventory.LDAP),
        ("ben@example.com", 1, inventory.BROWSER),
    }


def test_the_rule_is_the_last_that_let_it_in(tmp_path: Path) -> None:
    events = [
        policy("p1", 3, "0pr1"),
        policy("p2", 2, "0pr2"),
        policy("p3", 2.5, "0pr3"),
        policy("p4", 1, "0pr4", **{URI: "/login/do-login"}),
        event("app_policy", "app"),
        start("a"),
    ]
    (found,) = read(tmp_path, events)
    assert (found.rule_id, found.rule_name) == ("0pr2", "Rule 0pr2")
    tied = [policy("q1", 0, "0pr2"), policy("q2", 0, "0pr1")]
    (found,) = read(tmp_path, tied)
    assert (found.rule_id, found.rule_name) == ("0pr2", "Rule 0pr2")


def test_first_last_and_days(tmp_path: Path) -> None:
    span = (PUBLISHED_MS - 3 * DAY_MS, PUBLISHED_MS, PUBLISHED_MS)
    events = [start(f"a{n}", days) for n, days in enumerate((0, 0.001, 0.2, 1, 2.9, 3, 3.001))]
    (found,) = read(tmp_path, events, span)
    assert (found.first_ms, found.days, found.uses) == (PUBLISHED_MS - 3 * DAY_MS, 3, 5)
    assert found.last_ms == PUBLISHED_MS - round(0.001 * DAY_MS)


TRENDS: list[tuple[Sequence[float], str]] = [
    # how many days before the newest event of the log
    ((0, 6.9), "new"),
    ((7.001,), "gone"),
    ((20,), "gone"),
    ((1, 8), "steady"),
    ((1, 2, 8, 9), "steady"),
    ((1, 2, 3, 8, 9), "rising"),
    ((1, 2, 8, 9, 10), "falling"),
    ((1, 2, 3, 8, 9, 10, 11), "steady"),
    ((1, 2, 3, 4, 5, 8, 9, 10, 11), "steady"),
    ((1, 20), "rising"),
    ((6.999, 7.001), "steady"),
    ((1, 13.999), "steady"),
    ((1, 14.001), "rising"),
]


def test_trends(tmp_path: Path) -> None:
    events = [
        start(f"a{n}-{m}", day, actor__id=f"00u{n:02}")
        for n, (days, _) in enumerate(TRENDS)
        for m, day in enumerate(days)
    ]
    events += [event("session_start", "newest", actor__id="00u99")]
    found = {client.actor_id: client.trend for client in read(tmp_path, events)}
    assert found.pop("00u99") == "new"
    assert [found[f"00u{n:02}"] for n in range(len(TRENDS))] == [trend for _, trend in TRENDS]


EDGES: list[tuple[Sequence[int], str]] = [
    # how many milliseconds before the end of the log
    ((7 * DAY_MS,), "new"),
    ((7 * DAY_MS + 1,), "gone"),
    ((7 * DAY_MS, 14 * DAY_MS), "steady"),
    ((7 * DAY_MS, 14 * DAY_MS + 1), "rising"),
    # The first of the last week is none of the week before.
    ((7 * DAY_MS, 7 * DAY_MS - 1, 8 * DAY_MS, 9 * DAY_MS), "steady"),
]


def test_the_edges_of_a_week(tmp_path: Path) -> None:
    events = [
        start(f"a{n}-{m}", (ms - 1) / DAY_MS, actor__id=f"00u{n}")
        for n, (before, _) in enumerate(EDGES)
        for m, ms in enumerate(before)
    ]
    events.append(start("oldest", 20, actor__id="00u9"))
    found = {c.actor_id: c.trend for c in read(tmp_path, events, (*SPAN[:2], PUBLISHED_MS))}
    assert [found[f"00u{n}"] for n in range(len(EDGES))] == [trend for _, trend in EDGES]


@pytest.mark.parametrize(
    ("oldest", "from_days", "expected"),
    [
        (14.1, 30, ["new", "gone"]),
        (13.9, 30, ["unknown", "gone"]),
        (14.1, 13.9, ["unknown", "gone"]),
        (14.1, 14, ["new", "gone"]),
    ],
)
def test_a_log_that_is_too_short_for_a_trend(
    oldest: float, from_days: float, expected: list[str], tmp_path: Path
) -> None:
    """The newest sign-in against one that ended before the last week; the log began ``oldest``."""
    span = (PUBLISHED_MS - round(from_days * DAY_MS), SPAN[1], PUBLISHED_MS - 1)
    events = [
        start("a"),
        start("b", 8, actor__id="00u2"),
        start("first", oldest, **{URI: "/idp/idx/identify"}),
    ]
    found = read(tmp_path, events, span)
    assert [client.trend for client in found] == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"kind": "library", "api_token_id": "00T1"}, inventory.BACK_END),
        ({"channel": "RADIUS"}, inventory.RADIUS),
        ({"channel": "LDAP_INTERFACE", "kind": "library"}, inventory.LDAP),
        ({"user_agent": "PythonConnector/3.0 (Linux)", "kind": "helper"}, inventory.SNOWFLAKE),
        ({"user_agent": "gimme-aws-creds 2.8.2", "kind": "helper"}, inventory.HELPER),
        ({"user_agent": "python-requests/2.31.0", "kind": "library"}, inventory.LIBRARY),
        ({"path": "/api/v1/sessions"}, inventory.SESSIONS),
        ({"path": "/api/v1/factors"}, inventory.FACTORS),
        ({}, inventory.BROWSER),
        ({"user_agent": "Portal/1.0"}, inventory.OTHER),
        ({"user_agent": "Portal/1.0", "path": "/api/v1/sessions"}, inventory.OTHER),
        ({"user_agent": None}, inventory.OTHER),
    ],
)
def test_what_it_should_move_to(told: dict[str, Any], expected: str) -> None:
    asks: dict[str, Any] = {
        "path": "/api/v1/authn",
        "user_agent": CHROME,
        "kind": None,
        "api_token_id": None,
        "channel": "ANY",
    }
    assert inventory.move_to(**(asks | told)) == expected


def test_programs_are_known_by_the_detection_s_list(tmp_path: Path) -> None:
    events = [
        start("a", **{AGENT: "okta-awscli python-requests/2"}),
        start("b", **{AGENT: "CURL/8.0"}),
        start("c"),
        start("d"),
    ]
    found = read(tmp_path, events)
    assert [(client.user_agent, client.client_kind) for client in found] == [
        (CHROME, None),
        ("CURL/8.0", "library"),
        ("okta-awscli python-requests/2", "helper"),
    ]
    with asked(tmp_path, events) as engine:
        without = inventory.read(engine, SPAN, replace(DETECTION, lists={}))
    assert {client.client_kind for client in without} == {None}


def test_where_okta_acts_the_user_is_the_target(tmp_path: Path) -> None:
    okta = {"id": "okta", "type": "SystemPrincipal", "alternateId": "system@okta.com"}
    user = {"id": ADA, "type": "User", "alternateId": "ada@example.com"}
    events = [start("a", actor=okta, target=[user]), start("b", actor=okta, target=[])]
    found = read(tmp_path, events)
    assert [(client.actor_id, client.login) for client in found] == [
        ("", ""),
        (ADA, "ada@example.com"),
    ]


def test_a_row_of_another_form(tmp_path: Path) -> None:
    with asked(tmp_path, []) as engine:
        engine.run = lambda sql, parameters, lists: [{"path": "/api/v1/authn", "user_agent": None}]
        with pytest.raises(EngineError, match="inventory gave a row of another form"):
            inventory.read(engine, SPAN, DETECTION)
