from typing import Any

import pytest
from tests.detect.shipped import ID

from mfagap.detect.customize import customize
from mfagap.detect.load import find
from mfagap.errors import SettingsError

SHIPPED = find(ID)
WHERE = f"my.toml: detections.{ID}"


def test_nothing_changes_nothing() -> None:
    assert customize(SHIPPED, {}, "my.toml") == SHIPPED
    assert customize(SHIPPED, {"lists": {}}, "my.toml") == SHIPPED


@pytest.mark.parametrize("key", ["actor", "external_session_id"])
def test_the_dedup_key(key: str) -> None:
    assert customize(SHIPPED, {"dedup_key": key}, "my.toml").dedup_key == key


def test_rows_are_added_in_the_order_of_the_columns() -> None:
    row = {"lifetime_s": 3600, "rule_id": "0pr1"}
    changed = customize(SHIPPED, {"lists": {"prompting_rules": [row]}}, "my.toml")
    assert changed.lists["prompting_rules"].rows == (("0pr1", 3600),)
    assert SHIPPED.lists["prompting_rules"].rows == ()


def test_shipped_rows_stay() -> None:
    row = {"pattern": "%corp-tool/%", "kind": "helper"}
    changed = customize(SHIPPED, {"lists": {"clients": [row]}}, "my.toml")
    assert changed.lists["clients"].rows == (
        *SHIPPED.lists["clients"].rows,
        ("%corp-tool/%", "helper"),
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dedup": "actor"}, ": unknown key 'dedup'; known are: dedup_key, lists"),
        (
            {"dedup_key": "user_agent"},
            ".dedup_key: 'user_agent' is none of: actor, external_session_id",
        ),
        ({"dedup_key": ["actor"]}, ".dedup_key: ['actor'] is none of: actor, external_session_id"),
        (
            {"lists": {"mystery": []}},
            f".lists: no list 'mystery'; there are: {', '.join(SHIPPED.lists)}",
        ),
        ({"lists": "clients"}, ".lists: must be a table of lists"),
        ({"lists": [1]}, ".lists: must be a table of lists"),
        ({"lists": {"clients": {}}}, ".lists.clients: must be a list of tables"),
        ({"lists": {"clients": ["%x%"]}}, ".lists.clients: must be a list of tables"),
        (
            {"lists": {"clients": [{"pattern": "%x%"}]}},
            ".lists.clients: each row needs exactly: pattern, kind",
        ),
        (
            {"lists": {"clients": [{"pattern": "%x%", "kind": "helper", "why": "x"}]}},
            ".lists.clients: each row needs exactly: pattern, kind",
        ),
        (
            {"lists": {"trusted_api_tokens": [{"api_token_id": 7}]}},
            ".lists.trusted_api_tokens.api_token_id: 7 is no str",
        ),
        (
            {"lists": {"prompting_rules": [{"rule_id": "0pr1", "lifetime_s": "1h"}]}},
            ".lists.prompting_rules.lifetime_s: '1h' is no int",
        ),
        (
            {"lists": {"prompting_rules": [{"rule_id": "0pr1", "lifetime_s": True}]}},
            ".lists.prompting_rules.lifetime_s: True is no int",
        ),
    ],
)
def test_what_is_off_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        customize(SHIPPED, settings, "my.toml")
    assert str(caught.value) == WHERE + message
    assert caught.value.exit_code == 2
