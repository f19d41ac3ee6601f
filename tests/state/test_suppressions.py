"""Suppressions on file: who, what and when, and which alerts owe people news."""

from typing import Any

import pytest

from mfagap.errors import StateError, UsageError
from mfagap.state.alerts import Alerts
from mfagap.state.database import Database
from mfagap.state.suppressions import Suppressions

ADA: dict[str, Any] = {
    "owner": "ana",
    "reason": "known",
    "detection": None,
    "user": "ada",
    "address": None,
    "rule": None,
    "client": "sync/*",
    "added_ms": 1,
    "added_by": "ben",
    "until_ms": 9,
}
OPEN: dict[str, Any] = {"ended_ms": None, "ended_by": None, "note": None}


def add(database: Database, **changes: Any) -> int:
    with database.change():
        return Suppressions(database).add({**ADA, **changes})


def test_what_is_added_is_kept_and_its_end_too(database: Database) -> None:
    numbers = [add(database), add(database, user=None, rule="0pr1", detection="okta")]
    assert numbers == [1, 2]
    suppressions = Suppressions(database)
    with database.change():
        suppressions.end(1, 5, "cyd", "replaced")
    other = {**ADA, **OPEN, "id": 2, "user": None, "rule": "0pr1", "detection": "okta"}
    ended = {**ADA, "id": 1, "ended_ms": 5, "ended_by": "cyd", "note": "replaced"}
    assert suppressions.all() == [ended, other]
    assert suppressions.get(2) == other
    with pytest.raises(UsageError, match=r"^no suppression 3; "):
        suppressions.get(3)


def test_a_client_alone_is_no_scope(database: Database) -> None:
    with pytest.raises(StateError, match="CHECK constraint failed"):
        add(database, user=None, detection="okta")


def test_an_alert_owes_news_until_people_are_told(database: Database) -> None:
    suppressions = Suppressions(database)
    values = {"detection": "okta", "dedup_key": "ada", "first_ms": 1, "status": "open"}
    rest = {"resolution": None, "severity": 2, "verdict": None}
    with database.change():
        numbers = [Alerts(database).put(None, {**values, **rest}, 1) for _ in range(2)]
        for _ in range(2):
            suppressions.withhold(1)
    assert [suppressions.owed(number) for number in numbers] == [True, False]
    with database.change():
        suppressions.told(1)
    assert not suppressions.owed(1)
