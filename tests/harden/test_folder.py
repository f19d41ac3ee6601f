"""A snapshot from files: told by what they hold, and refused by name where that cannot be told."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fake_okta.server import FakeOkta
from tests.fake_okta.whole_org import (
    ADA,
    APPS,
    BEN,
    DEFAULT,
    EVERYONE,
    OFFICE_RULE,
    STAFF,
    STAFF_GROUP,
    policy,
    rule,
    signon,
    whole_org,
)
from tests.okta.orgs import NOW_MS, Clock, client

from mfagap.errors import SourceError, UsageError
from mfagap.harden import folder
from mfagap.harden import snapshot as snapshots
from mfagap.harden.fetch import fetch
from mfagap.harden.snapshot import digest, dump
from mfagap.model.org import (
    PARTS,
    Part,
    Snapshot,
)

ASKED = (
    *(f"policies?type={kind}" for kind in ("OKTA_SIGN_ON", "MFA_ENROLL", "PASSWORD")),
    "policies?type=ACCESS_POLICY",
    *("zones", "authenticators", "threats/configuration", "api-tokens"),
    *(f"groups/{EVERYONE}", f"groups/{STAFF_GROUP}", f"groups/{STAFF_GROUP}/users"),
)


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What the org answers, by path; and under ``snapshot`` what is read from it."""
    clock = Clock()
    with FakeOkta(clock=clock, **whole_org()) as okta, client(okta, clock) as org:
        found = {path: json.loads(org.get(f"/api/v1/{path}").body) for path in ASKED}
        for policy_id in okta.org.rules:
            path = f"policies/{policy_id}/rules"
            found[path] = json.loads(org.get(f"/api/v1/{path}").body)
        for user_id in (ADA, BEN):
            path = f"users/{user_id}/factors"
            found[path] = json.loads(org.get(f"/api/v1/{path}").body)
        return {**found, "snapshot": fetch(org, NOW_MS, (ADA, BEN))}


def write(into: Path, name: str, value: object) -> Path:
    file = into / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")
    return file


def missing(snapshot: Snapshot) -> dict[str, str]:
    """Return what is not wholly known of what there are files of, and why."""
    parts = snapshot.parts.items()
    return {name: part.missing for name, part in parts if part.missing is not None}


def export(into: Path, answers: dict[str, Any], *leave_out: str) -> Path:
    """Write each answer to a file whose name tells nothing but the ids in its path."""
    for number, (path, value) in enumerate(answers.items()):
        words = [word for word in path.split("/") if len(word) == 20]
        if path != "snapshot" and path not in leave_out:
            write(into, f"deep/{number}{'-'.join(words)}", value)
    return into


def test_a_folder_says_what_the_api_says(answers: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, ".hidden/x.json", "nonsense")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    found = folder.read(export(tmp_path, answers))
    assert (found.taken_ms, found.origin, missing(found)) == (None, str(tmp_path), {})
    assert set(found.parts) == set(PARTS)
    fetched = answers["snapshot"]
    assert {name: list(part.items) for name, part in found.parts.items()} == {
        name: list(part.items) for name, part in fetched.parts.items()
    }
    # Parts come in another order, and the digest does not see it.
    assert digest(found) == digest(fetched)


def test_members_of_everyone_are_not_listed_as_the_api_is_not_asked_for_them(
    answers: dict[str, Any], tmp_path: Path
) -> None:
    write(export(tmp_path, answers), f"{EVERYONE}.json", [{"id": ADA, "profile": {"login": "a"}}])
    found = folder.read(tmp_path)
    assert (found.part("groups").missing, digest(found)) == (None, digest(answers["snapshot"]))


def test_what_there_is_no_file_of_is_not_known(tmp_path: Path) -> None:
    write(tmp_path, "a.json", [{"id": "nzo1", "type": "IP"}])
    snapshot = folder.read(tmp_path)
    assert [name for name in PARTS if snapshot.part(name).known] == ["zones"]


@pytest.mark.parametrize(
    ("leave_out", "expected"),
    [
        ("policies/{STAFF}/rules", {"OKTA_SIGN_ON", "groups"}),
        ("groups/{STAFF_GROUP}/users", {"groups"}),
        ("groups/{EVERYONE}", {"groups"}),
    ],
)
def test_a_folder_that_is_cut_short(
    leave_out: str, expected: set[str], answers: dict[str, Any], tmp_path: Path
) -> None:
    ids = {"STAFF": STAFF, "STAFF_GROUP": STAFF_GROUP, "EVERYONE": EVERYONE}
    left_out = leave_out.format_map(ids)
    assert left_out in answers
    assert missing(folder.read(export(tmp_path, answers, left_out))).keys() == expected


def test_pages_of_a_list_are_put_together(answers: dict[str, Any], tmp_path: Path) -> None:
    first, second = answers["zones"]
    write(tmp_path, "1.json", [first])
    write(tmp_path, "2.json", second)
    write(tmp_path, "copy of 2.json", [second])
    assert folder.read(tmp_path).part("zones") == Part((first, second))


def test_whose_rules_they_are_is_told_by_the_link_or_the_name(tmp_path: Path) -> None:
    sign_on = [policy(some, "OKTA_SIGN_ON", some) for some in ("00p1", "00p12")]
    write(tmp_path, "all.json", sign_on)
    first, second = (rule(some, "SIGN_ON", some, signon()) for some in ("0pr1", "0pr2"))
    linked = {**first, "_links": {"self": {"href": "https://x/api/v1/policies/00p1/rules/0pr1"}}}
    write(tmp_path, "rules of 00p12, or not.json", [linked])
    write(tmp_path, "rules-00p12.json", [second])
    items = folder.read(tmp_path).part("OKTA_SIGN_ON").items
    assert [[found["id"] for found in item["rules"]] for item in items] == [["0pr1"], ["0pr2"]]


def test_rules_that_came_with_the_policy(tmp_path: Path) -> None:
    """``?expand=rules`` puts them there."""
    rules = [rule("0pr1", "SIGN_ON", "Default Rule", signon())]
    write(tmp_path, "x", {**policy(DEFAULT, "OKTA_SIGN_ON", "a"), "_embedded": {"rules": rules}})
    (item,) = folder.read(tmp_path).part("OKTA_SIGN_ON").items
    assert item["rules"] == rules


def test_empty_lists_are_told_by_their_names(tmp_path: Path) -> None:
    write(tmp_path, "a", [policy("00penroll", "MFA_ENROLL", "a", conditions={})])
    write(tmp_path, "b 00penroll", [])
    write(tmp_path, "c 00uada", [])
    write(tmp_path, "d 00gstaff", [])
    snapshot = folder.read(tmp_path)
    assert snapshot.part("MFA_ENROLL").items[0]["rules"] == []
    assert snapshot.part("user_factors").items == ({"userId": "00uada", "factors": []},)
    (group,) = snapshot.part("groups").items
    assert (group["id"], group["members"]) == ("00gstaff", [])


def test_factors_say_whose_they_are(tmp_path: Path) -> None:
    links = {"user": {"href": "https://example.okta.com/api/v1/users/00uben"}}
    write(tmp_path, "a", [{"factorType": "sms", "status": "ACTIVE", "_links": links}])
    assert folder.read(tmp_path).part("user_factors").items[0]["userId"] == "00uben"


NOTHING_KNOWN = (
    "holds no policy, rule, zone, group, user, factor, authenticator, API token or ThreatInsight "
    "setting"
)
COMPRESSED = (
    "is compressed; --from takes policies as plain JSON, the log goes before it: "
    "mfagap harden report LOG --from POLICIES"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON: Expecting value"),
        ("{", "no JSON"),
        ("[NaN]", "no JSON: NaN is no number"),
        ("[" * 100_000, "no JSON: it has more than 64 levels"),
        ("9" * 5000, "no JSON: Exceeds the limit"),
        ("\udcff", "no JSON: 'utf-8' codec can't decode"),
        ("[]", "an empty list, and no id in the file's name tells what of; remove it"),
        ("[1]", "holds more than one kind of thing"),
        ("1", "holds more than one kind of thing"),
        ("null", "holds more than one kind of thing"),
        ("{}", f"{NOTHING_KNOWN} as Okta's API returns it; take others out of the folder"),
        ('{"mfagap_plan": 1}', "this is a plan; --from takes a snapshot"),
        ("\x1f\udc8b", COMPRESSED),
        ("(\udcb5/\udcfd", COMPRESSED),
        ('[{"id": "0oa1", "label": "an app"}]', NOTHING_KNOWN),
        ('{"type": "IDP_DISCOVERY"}', NOTHING_KNOWN),
        ('{"mfagap_snapshot": 1}', NOTHING_KNOWN),
        ('[{"type": "IP"}, {"factorType": "sms"}]', "holds more than one kind of thing"),
        ('{"actions": {}, "id": "0pr1"}', "holds rules of a policy that no file holds"),
        ('{"factorType": "sms"}', "whose factors these are is told neither in it nor by its name"),
        ('[{"profile": {"login": "x"}}]', "users of which group? Name the file as"),
    ],
)
def test_what_cannot_be_told_is_an_error_that_names_the_file(
    text: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path, "a.json", [policy(STAFF, "OKTA_SIGN_ON", "Staff")])
    file = tmp_path / "b.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SourceError) as caught:
        folder.read(tmp_path)
    assert str(caught.value).startswith(f"{file}: {said}")


def test_two_ids_in_a_name_are_none(tmp_path: Path) -> None:
    write(tmp_path, "00ga and 00gb", [{"profile": {"login": "x"}}])
    with pytest.raises(SourceError, match="users of which group"):
        folder.read(tmp_path)


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert snapshots.MOST_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(snapshots, "MOST_BYTES", 100)
    file = write(tmp_path, "a.json", [{"type": "IP", "x": "x" * 200}])
    for path in (tmp_path, file):
        with pytest.raises(SourceError, match=r"a\.json: over 100 bytes"):
            folder.read(path)


def test_other_ways_to_write_text(answers: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(answers["authenticators"])
    for number, encoding in enumerate(("utf-8-sig", "utf-16")):
        (tmp_path / str(number)).write_bytes(text.encode(encoding))
    assert folder.read(tmp_path).part("authenticators").items == tuple(answers["authenticators"])


def test_one_file(answers: dict[str, Any], tmp_path: Path) -> None:
    fetched: Snapshot = answers["snapshot"]
    file = tmp_path / "snapshot.json"
    file.write_text(dump(fetched), encoding="utf-8")
    assert folder.read(file) == fetched
    zones = write(tmp_path, "zones", answers["zones"])
    assert folder.read(zones).part("zones") == Part(tuple(answers["zones"]))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none: no such file or folder"):
        folder.read(tmp_path / "none")
    with pytest.raises(SourceError, match="holds no files"):
        folder.read(tmp_path)
    (tmp_path / "a").symlink_to(tmp_path / "gone")
    with pytest.raises(SourceError, match="holds no files"):
        folder.read(tmp_path)


def test_odd_objects_of_a_known_kind(tmp_path: Path) -> None:
    """A part is unknown for it, and nothing is lost."""
    items: list[Any] = [
        {"type": "OKTA_SIGN_ON", "id": ["x"], "conditions": []},
        {"type": "OKTA_SIGN_ON", "id": STAFF, "rules": {}, "_links": [], "conditions": "x"},
        {"type": "OKTA_SIGN_ON", "id": APPS, "rules": [None, OFFICE_RULE], "name": "x" * 100_000},
    ]
    write(tmp_path, "a", items)
    part = folder.read(tmp_path).part("OKTA_SIGN_ON")
    assert list(part.items) == items
    assert part.missing == (
        "it has policies without an id; the list is short: it has no default policy, which every "
        f"org has; the rules of ?, {STAFF} could not be read; {APPS} has rules without an id"
    )
