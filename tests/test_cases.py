"""Every detection's cases pass, and a wrong expectation or a wrong case file does not."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.detect.shipped import broken

from mfagap.cases.load import Case, load
from mfagap.cases.run import run
from mfagap.cases.templates import Templates
from mfagap.detect.evaluate import rfc3339
from mfagap.detect.load import folders, load_all
from mfagap.errors import ContentError, SettingsError
from mfagap.model import Detection


@cache
def _templates() -> Templates:
    return Templates()


def _every_case() -> Iterator[Any]:
    for detection in load_all():
        for case in load(Path(detection.folder), _templates()):
            yield pytest.param(detection, case, id=f"{detection.id}/{case.name}")


@pytest.mark.parametrize(("detection", "case"), list(_every_case()))
def test_case(detection: Detection, case: Case) -> None:
    (outcome,) = run(detection, [case])
    assert outcome.differences == ()
    assert outcome.passed


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_every_detection_has_cases(folder: Path) -> None:
    assert load(folder, _templates())


STEP_UP = """\
summary: A factor after the sign-in, a finding that alerts, and a start that names nobody.
clock: 2026-01-15T12:00:00Z
settings: { lists: { trusted_api_tokens: [] } }
events:
  - { id: start, from: session_start, at: 0s, arrives: +2m, times: 2 }
  - { id: policy, from: session_policy, at: +0.05s }
  - { id: mfa, from: mfa, at: +12s }
  - id: script
    from: session_start
    at: +10m
    set:
      actor.id: 00u1bob
      actor.alternateId: bob@example.com
      client.userAgent.rawUserAgent: curl/8.5.0
      authenticationContext.externalSessionId: 102B
      transaction.id: b
      debugContext.debugData.requestId: b
  - { from: session_start, at: +5m, set: { actor.alternateId: null } }
expect:
  findings:
    - start: start
      mfa_status: step_up
      verdict: security_risk
      follow_up: +4h
      mfa: { link: request_trail, event: mfa }
      policy:
        result: ALLOW
        rule_id: 0pr1default0000000001
        link: external_session_id
        event: policy
    - start: script
      mfa_status: single_factor
      verdict: suspicious
      follow_up: +4h
      severity: high
      confidence: medium
      confidence_reasons: [no_policy_event]
  alerts:
    - { key: 00u1bob, severity: high, findings: [script] }
  skipped: { no user: 1 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A case that passes, to be broken."""
    path = tmp_path / "cases" / "step_up.yml"
    path.parent.mkdir()
    path.write_text(STEP_UP, encoding="utf-8")
    return path


def _differences(file: Path) -> tuple[str, ...]:
    (outcome,) = run(load_all()[0], load(file.parent.parent, _templates()))
    assert outcome.passed is (outcome.differences == ())
    return outcome.differences


def test_what_a_case_holds(file: Path) -> None:
    (case,) = load(file.parent.parent, _templates())
    assert (case.name, case.file) == ("step_up", str(file))
    assert rfc3339(case.now_ms) == "2026-01-15T14:00:00.000Z"
    assert rfc3339(case.slot.from_ms) == "2026-01-12T14:00:00.000Z"
    assert (case.slot.to_ms, case.slot.watermark_ms) == (case.now_ms + 1, case.now_ms)
    assert len(case.events) == 6
    assert list(case.ids) == ["start", "policy", "mfa", "script", "event5"]
    assert case.events[0]["published"] == "2026-01-15T12:00:00.000Z"
    assert case.events[0]["p_parse_time"] == "2026-01-15T12:02:00.000Z"
    assert case.events[2]["published"] == "2026-01-15T12:00:00.050Z"


def test_offsets_go_both_ways(file: Path) -> None:
    broken(file, "from: mfa, at: +12s", "from: mfa, at: -1.25s")
    (case,) = load(file.parent.parent, _templates())
    assert case.events[3]["published"] == "2026-01-15T11:59:58.750Z"


def test_a_right_case_passes(file: Path) -> None:
    assert _differences(file) == ()


FINDINGS = STEP_UP[STEP_UP.index("    - start: start") : STEP_UP.index("  alerts:")]
START = FINDINGS[: FINDINGS.index("    - start: script")]
SCRIPT = FINDINGS.removeprefix(START)


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        (START, "", "start: expected nothing, found step_up"),
        (
            SCRIPT,
            SCRIPT + "    - { start: policy, mfa_status: challenged }\n",
            "policy: expected challenged, found nothing",
        ),
        (
            "mfa_status: step_up",
            "mfa_status: explained",
            'start.mfa_status: expected "explained", found "step_up"',
        ),
        (
            "      severity: high\n",
            "      severity: low\n",
            'script.severity: expected "low", found "high"',
        ),
        (
            "confidence: medium",
            "confidence: low",
            'script.confidence: expected "low", found "medium"',
        ),
        (
            "confidence_reasons: [no_policy_event]",
            "confidence_reasons: []",
            'script.confidence_reasons: expected [], found ["no_policy_event"]',
        ),
        (
            "      mfa: { link: request_trail, event: mfa }\n",
            "",
            'start.mfa: expected null, found {"link": "request_trail", "event": "mfa"}',
        ),
        (
            "mfa: { link: request_trail,",
            "mfa: { link: root_session_id,",
            'start.mfa: expected {"link": "root_session_id", "event": "mfa"}, '
            'found {"link": "request_trail", "event": "mfa"}',
        ),
        (
            "rule_id: 0pr1default0000000001",
            "rule_id: 0pr2",
            'start.policy: expected {"result": "ALLOW", "rule_id": "0pr2", "link": '
            '"external_session_id", "event": "policy"}, found {"result": "ALLOW", "rule_id": '
            '"0pr1default0000000001", "link": "external_session_id", "event": "policy"}',
        ),
        (
            "mfa_status: step_up",
            "mfa_status: step_up\n      explanation: {name: smart_card, link: start, event: start}",
            'start.explanation: expected {"name": "smart_card", "link": "start", "event": '
            '"start"}, found null',
        ),
        (
            "mfa_status: step_up",
            "mfa_status: step_up\n      annotations: [{name: radius, link: start, event: start}]",
            'start.annotations: expected [{"name": "radius", "link": "start", "event": "start"}], '
            "found []",
        ),
        (
            "key: 00u1bob",
            "key: 102B",
            'alerts: expected [{"key": "102B", "severity": "high", "findings": ["script"]}], '
            'found [{"severity": "high", "findings": ["script"], "key": "00u1bob"}]',
        ),
        (
            "  alerts:\n    - { key: 00u1bob, severity: high, findings: [script] }\n",
            "  alerts: []\n",
            'alerts: expected [], found [{"severity": "high", "findings": ["script"]}]',
        ),
        ("  skipped: { no user: 1 }\n", "", 'skipped: expected {}, found {"no user": 1}'),
        ("no user: 1", "no user: 2", 'skipped: expected {"no user": 2}, found {"no user": 1}'),
        (
            "verdict: suspicious",
            "verdict: benign",
            'script.verdict: expected "benign", found "suspicious"',
        ),
        (
            "      verdict: suspicious\n",
            "",
            'script.verdict: expected null, found "suspicious"',
        ),
        (
            "      severity: high\n",
            "      severity: high\n      raised: critical\n",
            'script.raised: expected "critical", found "high"',
        ),
        (
            SCRIPT,
            SCRIPT.replace("follow_up: +4h", "follow_up: +30m"),
            "script.follow_up: expected 1800000, found 14400000",
        ),
        (
            SCRIPT,
            SCRIPT.replace("      follow_up: +4h\n", ""),
            "script.follow_up: expected null, found 14400000",
        ),
        (
            SCRIPT,
            SCRIPT + "      evidence: []\n",
            'script.evidence: expected [], found [{"answer": "no_earlier_sign_in", "event": '
            '"script"}, ',
        ),
        (
            "client.userAgent.rawUserAgent: curl/8.5.0",
            "client: text",
            "the case's own events are off: ",
        ),
    ],
)
def test_a_wrong_expectation_fails(file: Path, old: str, new: str, difference: str) -> None:
    broken(file, old, new)
    found = _differences(file)
    assert any(told.startswith(difference) for told in found), found


def test_one_difference_is_told_alone(file: Path) -> None:
    broken(file, "confidence: medium", "confidence: low")
    assert _differences(file) == ('script.confidence: expected "low", found "medium"',)


def test_without_alerts_each_finding_that_alerts_is_one(file: Path) -> None:
    broken(file, "  alerts:\n    - { key: 00u1bob, severity: high, findings: [script] }\n", "")
    assert _differences(file) == ()


def test_an_event_that_cannot_be_read_fails_the_case(file: Path) -> None:
    broken(file, "from: mfa, at: +12s }", "from: mfa, at: +12s, set: { uuid: null } }")
    assert any(told.startswith("the case's own events are off: ") for told in _differences(file))


def test_what_arrives_after_now_is_unseen(file: Path) -> None:
    broken(file, "from: mfa, at: +12s }", "from: mfa, at: +12s, arrives: +3h }")
    assert 'start.mfa_status: expected "step_up", found "single_factor"' in _differences(file)


def test_now_settles(file: Path) -> None:
    broken(file, "settings:", "now: +14m\nsettings:")
    assert 'script.mfa_status: expected "single_factor", found "unsettled"' in _differences(file)


def test_until_ends_the_slot(file: Path) -> None:
    broken(file, "settings:", "until: +10m\nsettings:")
    assert _differences(file) == (
        "script: expected single_factor, found nothing",
        'alerts: expected [{"key": "00u1bob", "severity": "high", "findings": ["script"]}], '
        "found []",
    )


def test_a_start_that_is_found_twice_fails(file: Path) -> None:
    detection = load_all()[0]
    twice = "FROM judged AS j CROSS JOIN (SELECT 1 AS x UNION ALL SELECT 2 AS x) AS t"
    doubled = detection.query.replace("FROM judged AS j", twice)
    (outcome,) = run(replace(detection, query=doubled), load(file.parent.parent, _templates()))
    assert outcome.differences[:2] == ("start: found 2 times", "script: found 2 times")


def test_settings_that_are_off(file: Path) -> None:
    broken(file, "trusted_api_tokens: []", "trusted_api_tokenz: []")
    with pytest.raises(SettingsError, match=r"step_up\.yml: detections\..* no list 'trusted_api_t"):
        _differences(file)


@pytest.mark.parametrize(
    ("old", "new", "below", "message"),
    [
        (
            "clock: ",
            "owner: me\nclock: ",
            0,
            "unknown key 'owner'; known are: clock, events, expect, now, settings, summary, until",
        ),
        (
            "at: +12s }",
            "at: +12s, until: +13s }",
            0,
            "unknown key 'until'; known are: arrives, at, from, id, set, times",
        ),
        (
            "  skipped:",
            "  ignored: 1\n  skipped:",
            0,
            "unknown key 'ignored'; known are: alerts, findings, skipped",
        ),
        ("summary: A factor", "# A factor", 1, "key 'summary' is missing"),
        (
            "mfa_status: step_up",
            "mfa_status: step_up\n      mood: sad",
            1,
            "unknown key 'mood'; known are: annotations, confidence, confidence_reasons, ",
        ),
        ("- start: script", "- star: script", 0, "unknown key 'star'; known are: "),
        ("- start: script\n      mfa", "- mfa", 0, "key 'start' is missing"),
        ("      mfa_status: step_up\n", "", -1, "key 'mfa_status' is missing"),
        (", findings: [script]", "", 0, "key 'findings' is missing"),
        ("  alerts:\n    - {", "  alerts:\n      {", 0, "alerts must be a list"),
        ("  findings:\n" + FINDINGS, "  findings: none\n", 0, "findings must be a list"),
        ("clock: ", "# clock: ", -1, "key 'clock' is missing"),
        ("from: mfa, at", "at", 0, "key 'from' is missing"),
        (", at: +12s", "", 0, "key 'at' is missing"),
        (
            "  findings:\n" + FINDINGS,
            "",
            -1,
            "key 'findings' is missing",
        ),
        ("from: mfa,", "from: mystery,", 0, "no template is called 'mystery'; there are: event, "),
        ("at: +12s", "at: soon", 0, "'soon' is no duration; write it as 90s, 15m, 12h or 7d"),
        ("at: +12s", "at: 12", 0, ""),
        ("at: +12s", "at: +1.x", 0, ""),
        ("arrives: +2m", "arrives: later", 0, "'later' is no duration; "),
        ("times: 2", "times: twice", 0, "invalid literal for int()"),
        ("2026-01-15T12:00:00Z", "noon", 0, "Invalid isoformat string: 'noon'"),
        ("2026-01-15T12:00:00Z", "2026-01-15T12:00:00", 0, "'2026-01-15T12:00:00' needs an offset"),
        ("2026-01-15T12:00:00Z", "1768478400", 0, ""),
        ("clock: ", "now: soon\nclock: ", 1, "'soon' is no duration; "),
        ("clock: ", "until: soon\nclock: ", 1, "'soon' is no duration; "),
        (
            "security_risk\n      follow_up: +4h",
            "security_risk\n      follow_up: soon",
            1,
            "follow_up: 'soon' is no time after the start; write it as +30m",
        ),
        (
            "security_risk\n      follow_up: +4h",
            "security_risk\n      follow_up: 4",
            1,
            "follow_up: 4",
        ),
        ("clock: ", "summary: twice\nclock: ", 0, "key 'summary' is given twice"),
        ("id: mfa, ", "id: mfa, id: mfa, ", 0, "key 'id' is given twice"),
        ("  - { id: mfa, from: mfa, at: +12s }", "  - mfa", 0, "must be a mapping"),
        ("set: { actor.alternateId: null }", "set: [actor]", 0, ""),
        ("at: +12s }", "at: +12s, set: { target.5.id: x } }", 0, "list index out of range"),
        ("at: +12s }", "at: +12s, set: { target.id.x: y } }", 0, "invalid literal for int()"),
    ],
)
def test_a_wrong_case_names_its_line(
    file: Path, old: str, new: str, below: int, message: str
) -> None:
    line = broken(file, old, new) + below
    with pytest.raises(ContentError) as caught:
        load(file.parent.parent, _templates())
    assert str(caught.value).startswith(f"{file}:{line}: {message}")


@pytest.mark.parametrize("text", ["", "- a list\n", "just words\n"])
def test_a_case_is_a_mapping(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match=r"step_up\.yml:1: must be a mapping"):
        load(file.parent.parent, _templates())


@pytest.mark.parametrize("value", ["", " none", " { a: b }"])
def test_events_are_a_list(file: Path, value: str) -> None:
    text = STEP_UP.partition("events:")[0] + f"events:{value}\nexpect: {{ findings: [] }}\n"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match=r"step_up\.yml:4: events must be a list"):
        load(file.parent.parent, _templates())


def test_a_template_builds_on_its_parent() -> None:
    event = _templates().event("admin_factor_activate", {"client.ipAddress": "198.51.100.1"})
    assert event["eventType"] == "user.mfa.factor.activate"
    assert event["actor"]["alternateId"] == "root@example.com"
    assert event["client"]["ipAddress"] == "198.51.100.1"


def test_an_event_shares_nothing_with_the_next() -> None:
    first = _templates().event("mfa", {"target.0.id": "other"})
    first["actor"]["id"] = "other"
    second = _templates().event("mfa", {})
    assert (second["actor"]["id"], second["target"][0]["id"]) == ("00u1ada0000000000001",) * 2
