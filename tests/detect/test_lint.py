from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.detect.shipped import ID, broken, copied

from mfagap.detect.form import schema
from mfagap.detect.lint import ADS, problems
from mfagap.detect.load import folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path)


def _said(folder: Path) -> list[str]:
    """Return each problem, less the folder that it is in."""
    return [str(problem).removeprefix(f"{folder}/") for problem in problems(folder)]


@pytest.mark.parametrize("shipped", folders(), ids=lambda path: path.name)
def test_what_ships_is_clean(shipped: Path) -> None:
    assert _said(shipped) == []


def test_a_copy_is_clean(folder: Path) -> None:
    assert _said(folder) == []


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema("detection"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("status: stable", "status: stable\nowner: me", "unknown key 'owner'"),
        ("status: stable", "status: stable\nrunbook: []", "unknown key 'runbook'"),
        ("status: stable", "status: finished", "status: 'finished' is not one of "),
        ("severity: medium", "severity: moderate", "severity: 'moderate' is not one of "),
        ("schedule: 15m", "schedule: 15", "schedule: 15 is not of type 'string'"),
        ("schedule: 15m", "schedule: often", "schedule: 'often' does not match "),
        ("  window: 60m", "  window: soon", "dedup.window: 'soon' does not match "),
        ("  key: actor #", "  key: mood #", "dedup.key: 'mood' is not one of "),
        ('created: "2026-11-24"', "created: yesterday", "created: 'yesterday' does not match "),
        ("tags: [okta, mfa,", "tags: [7, mfa,", "tags.0: 7 is not of type 'string'"),
        (
            "prompting_rules:\n    columns: { rule_id: VARCHAR",
            "prompting_rules:\n    columns: { rule_id: TEXT",
            "lists.prompting_rules.columns.rule_id: 'TEXT' is not one of ",
        ),
    ],
)
def test_the_schema_names_the_line(folder: Path, old: str, new: str, message: str) -> None:
    line = broken(folder / "detection.yml", old, new) + new.partition(old)[2].count("\n")
    if "\n" in old:
        line += 1
    (said,) = _said(folder)
    assert said.startswith(f"detection.yml:{line}: {message}")


def test_a_missing_key_is_named(folder: Path) -> None:
    broken(folder / "detection.yml", "status: stable\n", "")
    assert _said(folder) == ["detection.yml:1: 'status' is a required property"]


def test_a_missing_key_below_has_the_line_of_its_table(folder: Path) -> None:
    line = broken(folder / "detection.yml", "  window: 60m\n", "") - 2
    assert _said(folder) == [f"detection.yml:{line}: dedup: 'window' is a required property"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "schedule: 15m",
            "schedule: 4m",
            "schedule is shorter than grace: every slot would be judged before it is settled",
        ),
        ("before: 30d", "before: 59m", "before is shorter than chain: a chain would be cut"),
        ("after: 60m", "after: 4m", "after is shorter than grace: a factor would be missed"),
        ('  version: "19.2"', '  version: "18.1"', "ATT&CK 18.1 is not the pinned version, 19.2"),
        (
            "    - TA0006:T1556",
            "    - TA0005:T1556",
            "T1556 is not under TA0005 in ATT&CK 19.2, but under TA0003 Persistence, "
            "TA0006 Credential Access, TA0112 Defense Impairment",
        ),
        (
            "    - TA0006:T1556",
            "    - TA0006:T9999",
            "T9999 is not in content/attack.yml (ATT&CK 19.2)",
        ),
        ("id: okta_", "id: other_okta_", f"id must be the folder's name, '{ID}'"),
        (
            '{ pattern: "%wget/%", kind: library }',
            '{ pattern: "%wget/%", sort: library }',
            "a row of clients needs exactly: kind, pattern",
        ),
        (
            "{ pattern: zone.%, kind: act }",
            "{ pattern: cloud.%, kind: act }",
            "cloud.% is not among event_types",
        ),
    ],
)
def test_what_the_schema_cannot_say(folder: Path, old: str, new: str, message: str) -> None:
    line = broken(folder / "detection.yml", old, new)
    assert _said(folder) == [f"detection.yml:{line}: {message}"]


def test_times_on_the_edge_are_fine(folder: Path) -> None:
    file = folder / "detection.yml"
    for old, new in (("schedule: 15m", "schedule: 5m"), ("before: 30d", "before: 1h")):
        broken(file, old, new)
    broken(file, "after: 60m", "after: 5m")
    assert _said(folder) == []


def test_a_row_of_the_uses_without_its_column(folder: Path) -> None:
    line = broken(folder / "detection.yml", "{ pattern: zone.%,", "{ patern: zone.%,")
    message = "a row of session_uses needs exactly: kind, pattern"
    assert f"detection.yml:{line}: {message}" in _said(folder)


def test_no_yaml_is_the_one_problem(folder: Path) -> None:
    line = broken(folder / "detection.yml", "status: stable", "status: stable\nstatus: test")
    assert _said(folder) == [f"detection.yml:{line + 1}: key 'status' is given twice"]


def test_no_folder(tmp_path: Path) -> None:
    (said,) = _said(tmp_path / "absent")
    assert said.startswith("detection.yml: cannot be read: ")


def test_a_query_outside_the_subset(folder: Path) -> None:
    line = broken(folder / "query.sql", "FROM judged AS j", "FROM judged AS j\nLIMIT 1") + 1
    (said,) = _said(folder)
    assert said == f"query.sql:{line}: Limit is outside the portable subset: LIMIT 1"


def test_a_query_that_reads_what_is_not_declared(folder: Path) -> None:
    line = broken(folder / "query.sql", "JOIN session_uses AS u", "JOIN session_use AS u")
    assert _said(folder) == [
        f"query.sql:{line}: reads 'session_use AS u', which is neither events nor a list of "
        "detection.yml"
    ]


def test_a_query_of_an_undeclared_parameter(folder: Path) -> None:
    broken(folder / "query.sql", "WHEN $watermark <", "WHEN $high_water <")
    (said,) = _said(folder)
    assert "unknown parameter 'high_water'; known are $after_ms, $before_ms, " in said


def test_a_query_of_an_undeclared_event_type(folder: Path) -> None:
    broken(folder / "detection.yml", "  - system.iwa_agentless.auth\n", "")
    (said,) = _said(folder)
    assert said.endswith(
        "reads system.iwa_agentless.auth, which event_types in detection.yml does not list"
    )
    line = int(said.split(":")[1])
    query = (folder / "query.sql").read_text(encoding="utf-8").splitlines()
    assert "'system.iwa_agentless.auth'" in query[line - 1]


@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        ("e.event_type = 'device.user.add'", "device.user.add"),
        ("'Device.User.Add' = LOWER(e.event_type)", "Device.User.Add"),
        ("e.event_type IN ('user.session.start',\n 'device.user.add')", "device.user.add"),
        ("LOWER((e.event_type)) LIKE 'device.%'", "device.%"),
        ("CASE e.event_type WHEN 'device.user.add' THEN 1 END = 1", "device.user.add"),
        ("e.event_type LIKE 'app.o%'", "app.o%"),
        ("e.event_type = 'app.oauth2'", "app.oauth2"),
    ],
)
def test_every_type_that_a_query_compares_is_declared(
    folder: Path, condition: str, kind: str
) -> None:
    sql = f"-- reads 'device.more'\nSELECT e.uuid AS uuid FROM events AS e WHERE\n{condition}"
    (folder / "query.sql").write_text(sql, encoding="utf-8")
    line = sql[: sql.index(f"'{kind}'")].count("\n") + 1
    assert _said(folder) == [
        f"query.sql:{line}: reads {kind}, which event_types in detection.yml does not list"
    ]


@pytest.mark.parametrize(
    "condition",
    [
        "e.event_type = 'app.oauth2.token.grant'",
        "LOWER(e.event_type) LIKE 'app.oauth2.%token.grant%'",
        "e.event_type <> 'device.user.add'",
        "e.actor_login = 'device.user.add'",
        "e.event_type = 'user.session.start' AND e.user_agent LIKE 'app.%'",
    ],
)
def test_other_texts_are_no_types(folder: Path, condition: str) -> None:
    sql = f"SELECT e.uuid AS uuid FROM events AS e WHERE {condition}"
    (folder / "query.sql").write_text(sql, encoding="utf-8")
    assert _said(folder) == []


def test_a_query_that_is_no_sql_is_one_problem(folder: Path) -> None:
    (folder / "query.sql").write_text("SELECT FROM WHERE", encoding="utf-8")
    (said,) = _said(folder)
    assert said.startswith("query.sql:1: no SQL: ")


def test_a_starred_type_covers_what_begins_so(folder: Path) -> None:
    broken(folder / "detection.yml", "  - system.iwa_agentless.auth\n", "  - system.iwa*\n")
    assert _said(folder) == []


@pytest.mark.parametrize("name", ["query.sql", "README.md"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (said,) = _said(folder)
    assert said.startswith(f"{name}: cannot be read: ")


@pytest.mark.parametrize("name", ["query.sql", "README.md"])
def test_a_file_that_is_no_text(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe")
    (said,) = _said(folder)
    assert said.startswith(f"{name}: cannot be read: 'utf-8' codec")


@pytest.mark.parametrize("heading", ADS)
def test_every_section_is_asked_for(folder: Path, heading: str) -> None:
    broken(folder / "README.md", f"## {heading}\n", f"### {heading}\n")
    assert _said(folder) == [f"README.md: has no section '## {heading}'"]


def test_every_problem_is_told(folder: Path) -> None:
    broken(folder / "detection.yml", "status: stable", "status: finished")
    broken(folder / "detection.yml", "severity: medium", "severity: moderate")
    (folder / "README.md").unlink()
    assert [said.partition(":")[0] for said in _said(folder)] == [
        "detection.yml",
        "detection.yml",
        "README.md",
    ]
