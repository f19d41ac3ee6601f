"""What the lint of a check's folder finds; each problem names file and line."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.detect.shipped import broken
from tests.harden.shipped_check import ID, copied

from mfagap.cli.main import main
from mfagap.detect.form import schema
from mfagap.harden.checks import LOG, folders, load_all
from mfagap.harden.lint import SECTIONS, problems
from mfagap.harden.tables import COLUMNS
from mfagap.model.org import PARTS


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
    Draft202012Validator.check_schema(schema("check"))


def test_the_schema_knows_the_parts_and_the_tables() -> None:
    properties = schema("check")["properties"]
    assert properties["needs"]["items"]["enum"] == [*PARTS, LOG]
    hidden = properties["lists"]["propertyNames"]["pattern"]
    taken = set(hidden.partition("(?!(")[2].partition(")")[0].split("|"))
    assert taken == {"events", *COLUMNS}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("subject: org", "subject: world", "subject: 'world' is not one of "),
        ("status: stable", "status: finished", "status: 'finished' is not one of "),
        ("severity: medium\n", "severity: grave\n", "severity: 'grave' is not one of "),
        ("needs: [threat_insight]", "needs: [insight]", "needs.0: 'insight' is not one of "),
        ("needs: [threat_insight]", "needs: []", "needs: [] should be non-empty"),
        ("stig: []", "stig: [V-1]", "controls.stig.0: 'V-1' does not match "),
        ("cis: []", 'cis: ["6"]', "controls.cis.0: '6' does not match "),
        ("lists: {}", "lists: { zones: {} }", "lists: 'zones' does not match "),
        (
            "result: pass\n    says: Thr",
            "result: good\n    says: Thr",
            "results.blocks.result: 'good' is not one of ",
        ),
        ("event_types: []", "event_type: []", "unknown key 'event_type'"),
        (
            "result: unknown\n    says: What",
            "outcome: unknown\n    says: What",
            "unknown key 'outcome'",
        ),
    ],
)
def test_the_schema_names_the_line(folder: Path, old: str, new: str, message: str) -> None:
    line = broken(folder / "check.yml", old, new)
    said = _said(folder)
    assert any(problem.startswith(f"check.yml:{line}: {message}") for problem in said), said


@pytest.mark.parametrize("name", ["no_subject", "unknown_part", "Blocks"])
def test_some_reasons_are_taken(folder: Path, name: str) -> None:
    broken(folder / "check.yml", "  blocks:", f"  {name}:")
    (said,) = _said(folder)
    assert said.startswith(f"check.yml:23: results: '{name}' does not match ")


def test_a_missing_key_is_named(folder: Path) -> None:
    broken(folder / "check.yml", "status: stable\n", "")
    assert _said(folder) == ["check.yml:1: 'status' is a required property"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (f"id: {ID}", "id: other", f"id must be the folder's name, '{ID}'"),
        (
            "says: ThreatInsight is off.",
            "says: It is off in {zone}.",
            "says names {zone}; known are: {name}, {policy}, {amount}, {detail}",
        ),
        (
            "lists: {}",
            "lists: { mine: { columns: { a: VARCHAR }, rows: [{ b: x }] } }",
            "a row of mine needs exactly: a",
        ),
    ],
)
def test_what_the_schema_cannot_say(folder: Path, old: str, new: str, message: str) -> None:
    line = broken(folder / "check.yml", old, new)
    assert _said(folder) == [f"check.yml:{line}: {message}"]


def test_a_reason_that_means_nothing(folder: Path) -> None:
    line = broken(folder / "query.sql", "THEN 'only_logs'", "THEN 'logs'")
    assert _said(folder) == [
        f"query.sql:{line}: gives the reason 'logs', which results in check.yml does not have",
        "check.yml:27: only_logs is a reason that the query never gives",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "FROM threat_insight AS t",
            "FROM insight AS t",
            "reads 'insight AS t', which is neither a table of checks nor a list of check.yml",
        ),
        (
            "0 AS amount",
            "$grace_ms AS amount",
            "unknown parameter 'grace_ms'; known are $from, $taken, $to, $watermark",
        ),
        ("0 AS amount", "7 / 2 AS amount", "Div is outside the portable subset: 7 / 2"),
    ],
)
def test_the_query_is_held_to_the_subset(folder: Path, old: str, new: str, message: str) -> None:
    line = broken(folder / "query.sql", old, new)
    assert _said(folder) == [f"query.sql:{line}: {message}"]


def test_event_types_are_declared(folder: Path) -> None:
    old = "FROM threat_insight AS t"
    joined = "JOIN events AS e ON e.event_type = 'zone.update'"
    line = broken(folder / "query.sql", old, f"{old} {joined}")
    message = "reads zone.update, which event_types in check.yml does not list"
    assert _said(folder) == [f"query.sql:{line}: {message}"]
    broken(folder / "check.yml", "event_types: []", "event_types: [zone.*]")
    assert _said(folder) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_a_readme_has_its_sections(folder: Path, section: str) -> None:
    broken(folder / "README.md", f"## {section}\n", f"## No {section}\n")
    assert _said(folder) == [f"README.md: has no section '## {section}'"]


@pytest.mark.parametrize("name", ["check.yml", "query.sql", "README.md"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (said,) = _said(folder)
    assert said.startswith(f"{name}: cannot be read: ")


def test_the_command_lints_checks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detections", "lint", str(folder)]) == 0
    assert capsys.readouterr().err == "1 checked, 0 problems\n"
    case = folder / "cases" / "off.yml"
    line = broken(case, "clock:", "clocc: x\nclock:")
    assert main(["detections", "lint", str(folder)]) == 1
    assert capsys.readouterr().out.startswith(f"{case}:{line}: unknown key 'clocc'")
    case.unlink()
    assert main(["detections", "lint", str(folder)]) == 1
    assert capsys.readouterr().out == f"{folder / 'cases'}: has no case\n"


def test_what_ships_is_kept_by_the_maintainers() -> None:
    assert {check.author for check in load_all()} == {"the mfagap maintainers"}
