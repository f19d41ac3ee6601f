"""A plan as Terraform: the exact text, and hostile names that stay names."""

import dataclasses
from typing import Any

import pytest
from tests.harden.planned import (
    DEFAULT,
    DEFAULT_RULE,
    FAILED,
    KEEP,
    NOW_MS,
    OFFICE_RULE,
    REST_RULE,
    STAFF,
    failed,
    org,
    plan,
    snapshot,
)

from mfagap.harden import plan as plans
from mfagap.harden.terraform import hcl

WHOLE = f"""\
# Plan {{id}} of mfagap as Terraform: the same changes as in its JSON.
# Needs Terraform 1.5 or newer, for the import blocks, and the provider okta/okta.

# To be destroyed by 2026-03-01T12:00:00.000Z: Okta's policies have no expiry.
resource "okta_policy_signon" "keep-policy-00gservice0000000001" {{{{
  name            = "mfagap: service accounts until 2026-03-01"
  status          = "ACTIVE"
  description     = "Made by mfagap. To be deleted on 2026-03-01T12:00:00.000Z."
  priority        = 1
  groups_included = ["00gservice0000000001"]
}}}}

resource "okta_policy_rule_signon" "keep-rule-00gservice0000000001" {{{{
  policy_id          = okta_policy_signon.keep-policy-00gservice0000000001.id
  name               = "mfagap: service accounts until 2026-03-01"
  status             = "ACTIVE"
  access             = "ALLOW"
  mfa_required       = false
  primary_factor     = "PASSWORD_IDP"
  session_idle       = 120
  session_lifetime   = 120
  session_persistent = false
  network_connection = "ZONE"
  network_includes   = ["nzooffice00000000001"]
}}}}

import {{{{
  to = okta_policy_rule_signon.rule_{OFFICE_RULE}
  id = "{STAFF}/{OFFICE_RULE}"
}}}}

resource "okta_policy_rule_signon" "rule_{OFFICE_RULE}" {{{{
  policy_id           = "{STAFF}"
  name                = "Office"
  status              = "ACTIVE"
  priority            = 1
  access              = "ALLOW"
  mfa_required        = true
  mfa_prompt          = "ALWAYS"
  mfa_lifetime        = 43200
  mfa_remember_device = false
  primary_factor      = "PASSWORD_IDP"
  session_idle        = 120
  session_lifetime    = 720
  session_persistent  = false
  authtype            = "ANY"
  network_connection  = "ZONE"
  network_includes    = ["nzooffice00000000001"]
  depends_on          = [okta_policy_rule_signon.keep-rule-00gservice0000000001]
}}}}

# A default rule. Only newer releases of the provider import and update one (issue 2788 of
# okta/terraform-provider-okta, 2026); others stop at it with "Default Rule is immutable".
import {{{{
  to = okta_policy_rule_signon.rule_{DEFAULT_RULE}
  id = "{DEFAULT}/{DEFAULT_RULE}"
}}}}

resource "okta_policy_rule_signon" "rule_{DEFAULT_RULE}" {{{{
  policy_id           = "{DEFAULT}"
  name                = "Default Rule"
  status              = "ACTIVE"
  access              = "ALLOW"
  mfa_required        = true
  mfa_prompt          = "ALWAYS"
  mfa_lifetime        = 15
  mfa_remember_device = false
  primary_factor      = "PASSWORD_IDP"
  session_idle        = 120
  session_lifetime    = 720
  depends_on          = [okta_policy_rule_signon.keep-rule-00gservice0000000001]
}}}}
"""


def test_the_whole_file() -> None:
    known = snapshot(org())
    results = [FAILED[0], FAILED[2]]
    made = plans.make(known, "d", results, NOW_MS, KEEP)
    assert hcl(made) == WHOLE.format(id=made.id)


def _of(**changes: Any) -> str:
    """Return the file of a plan for one rule, which has ``changes``."""
    held = org()
    held["rules"][STAFF][1] |= changes
    return hcl(plans.make(snapshot(held), "d", [failed("a", REST_RULE)], NOW_MS))


def test_every_condition_that_the_provider_has_is_written() -> None:
    told = _of(
        conditions={
            "people": {"users": {"exclude": ["00uada", "00uben"]}},
            "network": {"connection": "ZONE", "exclude": ["nzo1"], "include": []},
            "authContext": {"authType": "LDAP_INTERFACE"},
            "identityProvider": {"provider": "SPECIFIC_IDP", "idpIds": ["0oa1"]},
            "risk": {"behaviors": ["beh1"]},
            "riskScore": {"level": "HIGH"},
        }
    )
    assert [line.split() for line in told.splitlines()[-10:-1]] == [
        ["session_persistent", "=", "false"],
        ["authtype", "=", '"LDAP_INTERFACE"'],
        ["network_connection", "=", '"ZONE"'],
        ["network_excludes", "=", '["nzo1"]'],
        ["users_excluded", "=", '["00uada",', '"00uben"]'],
        ["identity_provider", "=", '"SPECIFIC_IDP"'],
        ["identity_provider_ids", "=", '["0oa1"]'],
        ["behaviors", "=", '["beh1"]'],
        ["risk_level", "=", '"HIGH"'],
    ]


LEFT_OUT = f"""\
# Rule {REST_RULE} of policy {STAFF} is not here, since okta_policy_rule_signon has no words for
# {{}}: `mfagap harden apply` changes it.
"""


@pytest.mark.parametrize(
    ("conditions", "lost"),
    [
        ({"device": {"managed": True}}, '"conditions.device.managed"'),
        ({"people": {"users": {"include": ["00uada"]}}}, '"conditions.people.users.include"'),
        ({"riskScore": {"level": ["HIGH"], "x": 1.5}}, '"conditions.riskScore.x"'),
        ({"risk": {"behaviors": [1]}}, '"conditions.risk.behaviors"'),
        (
            {"network": {"connection": "ZONE", "include": ["nzo1"], "exclude": ["nzo2"]}},
            '"conditions.network.exclude"',
        ),
        ({'x\n}\nresource "a" "b" {': [1]}, r'"conditions.x\u000a}\u000aresource \"a\" \"b\" {"'),
    ],
)
def test_a_rule_that_the_provider_has_no_words_for_is_left_out(
    conditions: dict[str, Any], lost: str
) -> None:
    told = _of(conditions=conditions)
    assert told.endswith("\n\n" + LEFT_OUT.format(lost))
    assert "resource" not in told.replace(lost, "")


def test_in_classic_engine_the_rule_before_the_default_one_is_a_new_one() -> None:
    made = plans.make(snapshot(org(classic=True)), "d", [failed("a", DEFAULT_RULE)], NOW_MS)
    told = hcl(made)
    assert "import {" not in told
    assert f'resource "okta_policy_rule_signon" "require-factor-{DEFAULT_RULE}" {{' in told
    assert f'policy_id           = "{DEFAULT}"' in told
    assert 'network_connection  = "ANYWHERE"' in told


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('a "quoted" \\ name', r'"a \"quoted\" \\ name"'),
        ("${path.module}", r'"$\u007bpath.module}"'),
        ("$${path.module}", r'"$$\u007bpath.module}"'),
        ("%{if true}x%{endif}", r'"%\u007bif true}x%\u007bendif}"'),
        ("{$ and %} are plain", '"{$ and %} are plain"'),
        ("two\nlines\r\tand\x00\x1b[31m", r'"two\u000alines\u000d\u0009and\u0000\u001b[31m"'),
        ("\u202eevil\u200b", r'"\u202eevil\u200b"'),
        ("\U000e0041 tag", r'"\U000e0041 tag"'),
        ("Büro 東京 🔑", '"Büro 東京 🔑"'),
        ("half \ud83d of a pair", '"half \ufffd of a pair"'),
    ],
)
def test_a_hostile_name_stays_a_name(name: str, written: str) -> None:
    told = _of(name=name)
    assert f"  name                = {written}\n" in told
    assert len(told.splitlines()) == len(_of(name="x").splitlines())


def test_a_plan_of_nothing_is_a_file_of_nothing() -> None:
    empty = dataclasses.replace(plan(), changes=())
    assert hcl(empty) == WHOLE.split("\n\n", maxsplit=1)[0].format(id=empty.id) + "\n"
