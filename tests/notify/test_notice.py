"""What a notice says, and how much of it."""

import json
from dataclasses import replace

from tests.report.ocsf_schema import validated_events
from tests.report.results import FINDING, NOON, NOON_MS, with_context

from mfagap.alerts import AlertStatus, Change, Deed
from mfagap.detect.load import load_all
from mfagap.model import Finding, Severity, VerdictWord
from mfagap.notify.notice import FORMATS, MOST, MOST_TEXT, body, identity, line
from mfagap.report import ocsf
from mfagap.state.sessions import Session

(DETECTION,) = (d for d in load_all() if d.id == FINDING.detection)
OPENED = Change(Deed.OPENED, None, None, VerdictWord.SUSPICIOUS, AlertStatus.OPEN)
LISTS = ("users", "addresses", "clients", "session_ids", "rules")


def session(finding: Finding, severity: Severity = Severity.MEDIUM) -> Session:
    return Session(finding, gone=False, verdict=None, severity=severity)


def test_the_whole_notice() -> None:
    later = replace(FINDING, uuid="later", start_ms=NOON_MS + 60_000)
    other = replace(with_context(user_email="bob@example.com"), start_ms=NOON_MS - 1)
    sessions = [session(later), session(FINDING, Severity.CRITICAL), session(other)]
    assert body(DETECTION, 7, OPENED, sessions, None) == {
        "kind": "opened",
        "alert": 7,
        "detection": FINDING.detection,
        "title": FINDING.title,
        "status": "open",
        "severity": "critical",
        "verdict": "suspicious",
        "why": None,
        "first_seen": "2026-01-15T11:59:59.999Z",
        "last_seen": "2026-01-15T12:01:00.000Z",
        "sessions": 3,
        "users": ["ada@example.com", "bob@example.com"],
        "addresses": ["192.0.2.10"],
        "clients": [FINDING.alert_context.user_agent],
        "session_ids": ["102A"],
        "rules": ["Default Rule"],
        "attack": [f"{item.tactic}:{item.technique}" for item in DETECTION.attack],
    }
    assert "TA0001:T1078.004" in body(DETECTION, 7, OPENED, [], None)["attack"]


def test_an_alert_of_which_nothing_is_left() -> None:
    taken_back = Change(Deed.RETRACTED, None, None, None, AlertStatus.CLOSED, "retracted")
    told = body(DETECTION, 7, taken_back, [], "a second factor came to light [e]")
    assert {key: told[key] for key in ("kind", "status", "why", "title", "severity")} == {
        "kind": "retracted",
        "status": "closed",
        "why": "a second factor came to light [e]",
        "title": DETECTION.title,
        "severity": DETECTION.severity.word,
    }
    assert (told["first_seen"], told["last_seen"], told["sessions"]) == (None, None, 0)
    assert [told[name] for name in LISTS] == [[]] * len(LISTS)


def test_what_the_log_does_not_say_is_left_out() -> None:
    bare = replace(
        with_context(source_ip=None, user_agent=None),
        policy=replace(FINDING.policy, rule_name=None),
    )
    told = body(DETECTION, 7, OPENED, [session(bare)], None)
    assert [told[name] for name in LISTS] == [["ada@example.com"], [], [], ["102A"], []]
    assert told["first_seen"] == told["last_seen"] == NOON


def test_values_are_cut_and_sessions_counted() -> None:
    assert (MOST, MOST_TEXT) == (10, 500)
    sessions = [
        session(with_context(user_email=f"u{number:02}@example.com", user_agent="x" * length))
        for number, length in enumerate([500, 501, 5000] + [1] * 22)
    ]
    told = body(DETECTION, 7, OPENED, sessions, None)
    assert told["sessions"] == 25
    assert told["users"] == [f"u{number:02}@example.com" for number in range(10)]
    assert told["clients"] == ["x", "x" * 500, "x" * 499 + "…", "x" * 499 + "…"]
    (titled,) = [session(replace(FINDING, title="t" * 501))]
    assert body(DETECTION, 7, OPENED, [titled], None)["title"] == "t" * 499 + "…"


def test_it_is_json() -> None:
    told = body(DETECTION, 7, OPENED, [session(FINDING)], None)
    assert json.loads(json.dumps(told)) == told


def test_half_a_surrogate_pair_is_replaced() -> None:
    """Slack and others refuse a message with one, and a user agent could keep its own back."""
    halves = with_context(user_agent="a\ud83db\udd11c", user_email="\ud83d\udd11")
    told = body(DETECTION, 7, OPENED, [session(halves)], None)
    assert (told["clients"], told["users"]) == (["a\ufffdb\ufffdc"], ["\U0001f511"])


def test_an_identity_is_of_key_and_notice() -> None:
    one = body(DETECTION, 7, OPENED, [session(FINDING)], None)
    other = body(DETECTION, 7, OPENED, [session(with_context(source_ip="192.0.2.11"))], None)
    assert identity("k", one) == identity("k", json.loads(json.dumps(one)))
    assert len({identity("k", one), identity("l", one), identity("k", other)}) == 3
    assert len(identity("k", one)) == 32


def test_a_line_is_plain_or_a_detection_finding() -> None:
    told = body(DETECTION, 7, OPENED, [session(FINDING)], None)
    plain_line, finding = (line(form, "7-12-log", told, NOON_MS) for form in FORMATS)
    assert json.loads(plain_line) == {"key": "7-12-log", "at_ms": NOON_MS, **told}
    (event,) = validated_events(finding)
    assert event == ocsf.alert("7-12-log", identity("7-12-log", told), told, NOON_MS)
    for text in (plain_line, finding):
        assert text.count('"key": "7-12-log"') == 1
        assert text.endswith("}\n")
