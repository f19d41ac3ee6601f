import hashlib
from dataclasses import replace

import pytest
from tests.report.hardening.rendering import rendered
from tests.report.hardening.results import (
    CHECK,
    EMPTY,
    FAILED,
    FOUND,
    ORIGIN,
    SNAPSHOT,
    UNKNOWN,
    ZONES,
    many,
    with_results,
)
from tests.report.hardening.sarif_schema import validated

from mfagap import __version__
from mfagap.model import Severity

RUN = validated(rendered("sarif", FOUND))


def test_a_check_is_a_rule_with_help() -> None:
    driver = RUN["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("mfagap", __version__)
    assert driver["rules"] == [
        {
            "id": "session_rule_without_factor",
            "shortDescription": {"text": "A session rule lets people in without a factor"},
            "fullDescription": {"text": "The legacy API obeys session rules alone."},
            "help": {
                "text": "The legacy API obeys session rules alone. "
                "Let the rule ask for a factor at every sign-in.",
                "markdown": "The legacy API obeys session rules alone.\n\n**What to do.** "
                "Let the rule ask for a factor at every sign-in.\n\n"
                "- <https://example.com/session-policies>",
            },
            "defaultConfiguration": {"level": "error"},
            "properties": {
                "tags": ["security", "mfa", "stig:V-273186", "cis:6.3", "cis:6.5"],
                "security-severity": "8.0",
            },
        },
        driver["rules"][1],
    ]
    assert driver["rules"][1]["id"] == "wide_network_zone"
    assert driver["rules"][1]["defaultConfiguration"] == {"level": "warning"}


def test_what_fails_and_what_is_unknown_is_a_result_and_nothing_else() -> None:
    failed, unknown = RUN["results"]
    digest = hashlib.sha256(b"session_rule_without_factor\nrule\n0pr1legacy000000001").hexdigest()
    assert failed == {
        "ruleId": "session_rule_without_factor",
        "ruleIndex": 0,
        "kind": "fail",
        "level": "error",
        "message": {"text": "Scripts let 41 sessions in without a factor."},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": ORIGIN},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [
                    {
                        "name": "Scripts",
                        "kind": "rule",
                        "fullyQualifiedName": "00p1service00000001/0pr1legacy000000001",
                    }
                ],
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": digest, "checkAndSubject/v1": digest},
        "properties": {
            "outcome": "fail",
            "severity": "critical",
            "reason": "used",
            "amount": 41,
            "first_seen": "2026-01-13T12:00:00.000Z",
            "last_seen": "2026-01-15T11:59:00.000Z",
            "evidence": ["start-1", "start-2"],
            "detail": "ALLOW",
        },
    }
    assert (unknown["kind"], unknown["level"], unknown["ruleIndex"]) == ("open", "none", 1)
    assert unknown["locations"][0]["logicalLocations"] == [
        {"name": "org", "kind": "org", "fullyQualifiedName": "org"}
    ]


@pytest.mark.parametrize(
    ("severity", "level", "score"),
    [
        (Severity.CRITICAL, "error", "9.5"),
        (Severity.HIGH, "error", "8.0"),
        (Severity.MEDIUM, "warning", "5.5"),
        (Severity.LOW, "note", "2.0"),
        (Severity.INFORMATIONAL, "note", "0.0"),
    ],
)
def test_levels(severity: Severity, level: str, score: str) -> None:
    found = with_results(
        replace(FAILED, severity=severity), checks=[replace(CHECK, severity=severity)]
    )
    run = validated(rendered("sarif", found))
    (rule,), (result,) = run["tool"]["driver"]["rules"], run["results"]
    assert (rule["defaultConfiguration"]["level"], result["level"]) == (level, level)
    assert rule["properties"]["security-severity"] == score


def test_what_is_not_known_is_notified() -> None:
    (invocation,) = RUN["invocations"]
    assert invocation == {
        "executionSuccessful": True,
        "toolConfigurationNotifications": [
            {
                "level": "warning",
                "message": {
                    "text": "the network zones: 403: the scope okta.networkZones.read is missing"
                },
            },
            {"level": "warning", "message": {"text": "The log begins 2026-01-13."}},
        ],
    }


@pytest.mark.parametrize(
    ("origin", "uri"),
    [
        ("policies/org 1.json", "policies/org%201.json"),
        ("/srv/policies", "file:///srv/policies"),
        ("a:b#c?d", "a%3Ab%23c%3Fd"),
        ("zoë\ud800", "zo%C3%AB%3F"),
        ("https://example.okta.com", "https://example.okta.com"),
    ],
)
def test_the_snapshot_s_origin_is_the_artifact(origin: str, uri: str) -> None:
    run = validated(rendered("sarif", replace(FOUND, snapshot=replace(SNAPSHOT, origin=origin))))
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
    }
    assert uris == {uri}


def test_the_log_alone_is_no_artifact() -> None:
    found = replace(FOUND, snapshot=EMPTY.snapshot)
    (location, _) = (
        each["locations"][0] for each in validated(rendered("sarif", found))["results"]
    )
    assert list(location) == ["logicalLocations"]


def test_fingerprints_stay_the_same_whatever_else_changes() -> None:
    later = replace(FAILED, amount=99, says="Another sentence.", severity=Severity.LOW)
    runs = [validated(rendered("sarif", with_results(each))) for each in (FAILED, later)]
    first, second = (run["results"][0]["partialFingerprints"] for run in runs)
    assert first == second
    other = validated(rendered("sarif", with_results(replace(FAILED, subject_id="0pr9"))))
    assert other["results"][0]["partialFingerprints"] != first


def test_names_are_no_links_and_no_placeholders() -> None:
    odd = replace(FAILED, says="Rule [click](https://attacker.example.com) {0} let 1 in.")
    run = validated(rendered("sarif", with_results(odd)))
    assert run["results"][0]["message"] == {
        "text": "Rule [click] (https://attacker.example.com) {{0}} let 1 in."
    }


def test_nothing_at_all() -> None:
    run = validated(rendered("sarif", EMPTY))
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])


def test_a_result_of_a_check_that_is_not_at_hand() -> None:
    run = validated(rendered("sarif", with_results(UNKNOWN, checks=[CHECK])))
    assert "ruleIndex" not in run["results"][0]
    assert run["results"][0]["ruleId"] == ZONES.id


def test_thousands_of_results() -> None:
    assert len(validated(rendered("sarif", many(3000)))["results"]) == 3000
