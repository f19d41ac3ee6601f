import json
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.report.ocsf_events import VERDICT, event_of, investigated, rendered
from tests.report.results import FINDING, NOON, NOON_MS, result, with_context

from mfagap.model import AlertContext, Policy

HOSTILE = 'a\x1b]0;owned\x07\u202e\r\n\x00\x7f\u2028"\\ud800 é日😀'


def test_what_okta_did_not_say_is_left_out() -> None:
    context = AlertContext("ada", None, None, None, "102A", None, None, NOON)
    event = event_of(result([replace(FINDING, policy=Policy(), alert_context=context)]))
    assert event["evidences"] == [
        {
            "name": "user.session.start",
            "uid": "start-uuid",
            "actor": {
                "user": {"name": "ada"},
                "session": {"uid": "102A", "created_time": NOON_MS, "is_mfa": False},
            },
        }
    ]
    assert [observable["value"] for observable in event["observables"]] == ["ada"]
    assert [resource["type"] for resource in event["resources"]] == ["Okta user"]
    assert set(event["unmapped"]) == {"mfa_status", "dedup_key"}


@settings(deadline=None, max_examples=50)
@given(st.ip_addresses().map(str))
@example("::ffff:192.0.2.1")
@example("2001:DB8::1")
def test_addresses_are_as_delivered(address: str) -> None:
    event = event_of(result([with_context(source_ip=address)]))
    assert event["evidences"][0]["src_endpoint"] == {"ip": address}
    assert "source_ip" not in event["unmapped"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "192.0.2.300",
        "192.0.2.1\n",
        "192.0.2.1, 192.0.2.2",
        "fe80::1%\x1b]0;owned",
        "0000:0000:0000:0000:0000:ffff:192.168.100.228",  # longer than the schema takes
    ],
)
def test_what_is_no_address_is_kept_apart(text: str) -> None:
    event = event_of(result([with_context(source_ip=text)]))
    assert "src_endpoint" not in event["evidences"][0]
    assert event["unmapped"]["source_ip"] == text


@pytest.mark.parametrize("login", ["", "ada", "ada@corp", "ada@example.com\n", "é@example.com"])
def test_a_login_need_not_be_an_email_address(login: str) -> None:
    user = event_of(result([with_context(user_email=login)]))["evidences"][0]["actor"]["user"]
    assert user == {"uid": "00u1ada0000000000001", "name": login}


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=())) | st.emails())
@example(HOSTILE)
@example("\ud83d\ude00")
def test_any_text_is_printable_ascii_that_parses_back(text: str) -> None:
    changes = dict.fromkeys(("user_agent", "user_email", "source_ip", "external_session_id"), text)
    scanned = investigated(
        replace(with_context(**changes), title=text), replace(VERDICT, reason=text)
    )
    line = rendered(scanned)
    assert line.isascii()
    assert line.removesuffix("\n").isprintable()
    event = event_of(scanned)
    whole = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    actor = event["evidences"][0]["actor"]
    told = {event["message"], event["risk_details"], actor["user"]["name"], actor["session"]["uid"]}
    assert told == {whole}


def test_no_half_of_a_surrogate_pair_is_written() -> None:
    line = rendered(result([with_context(user_agent="a\ud800b\udc00\ud83d\ude00c")]))
    # What a strict parser does, such as that of Rust's serde_json: it refuses the line.
    json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8")
    request = json.loads(line)["evidences"][0]["http_request"]
    assert request["user_agent"] == "a\ufffdb\ufffd\ufffd\ufffdc"
