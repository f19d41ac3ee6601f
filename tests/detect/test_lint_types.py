"""A runbook's queries read no type of events that is not declared for them."""

from pathlib import Path

import pytest
from tests.detect.shipped import broken, copied

from mfagap.detect.document import read
from mfagap.detect.lint_runbook import problems


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path)


def _said(folder: Path) -> list[str]:
    """Return each problem, less the folder that it is in."""
    found = problems(folder, read(folder / "detection.yml"))
    return [str(problem).removeprefix(f"{folder}/") for problem in found]


@pytest.mark.parametrize(
    ("file", "kinds", "reads"),
    [
        ("client.sql", "[user.session.end*]", "user.session.start"),
        ("acts.sql", "[policy.*]", "system.api_token.create"),  # in related.sql, which it reads
    ],
)
def test_a_step_reads_no_type_that_it_does_not_list(
    folder: Path, file: str, kinds: str, reads: str
) -> None:
    runbook = folder / "runbook.yml"
    text = runbook.read_text(encoding="utf-8").replace("event_types: [user.session.start]\n", "\n")
    query = f"    query: {file}\n"
    runbook.write_text(text.replace(query, f"{query}    event_types: {kinds}\n"), encoding="utf-8")
    broken(folder / "detection.yml", "  - user.session.start\n", "  - user.session.*\n")
    step = file.removesuffix(".sql")
    words = f": reads {reads}, which event_types of the step {step} does not list"
    assert [said for said in _said(folder) if said.endswith(words)]


def test_a_step_that_lists_types_looks_at_them(folder: Path) -> None:
    file = folder / "runbook" / "client.sql"
    text = file.read_text(encoding="utf-8")
    other = text.replace("LOWER(e.event_type) = 'user.session.start'", "e.uuid IS NOT NULL")
    file.write_text(other, encoding="utf-8")
    where = "event_types of the step client"
    assert _said(folder) == [
        f"runbook/client.sql: does not look at event_type, as {where} asks for"
    ]


def test_a_type_may_be_looked_at_in_any_way(folder: Path) -> None:
    file = folder / "runbook" / "client.sql"
    text = file.read_text(encoding="utf-8")
    other = text.replace("LOWER(e.event_type) = ", "TRIM(LOWER(e.event_type)) = ")
    file.write_text(other, encoding="utf-8")
    assert _said(folder) == []


def test_a_row_of_another_form_is_told_and_ends_nothing(folder: Path) -> None:
    broken(
        folder / "detection.yml",
        "{ pattern: user.session.access_admin_app,",
        "{ patern: user.session.access_admin_app,",
    )
    query = "    query: acts.sql\n"
    broken(folder / "runbook.yml", query, f"{query}    event_types: [user.session.start]\n")
    assert any("which event_types of the step acts does not list" in said for said in _said(folder))


def test_a_step_that_lists_types_lists_those_of_its_lists(folder: Path) -> None:
    types = "[user.session.start, policy.*, user.mfa.*, user.authentication.*, system.api_token.*]"
    after = "    after: now\n    answers:\n      act:"
    listed = f"    after: now\n    event_types: {types}\n    answers:\n      act:"
    broken(folder / "runbook.yml", after, listed)
    (said,) = _said(folder)
    assert said.startswith("runbook/related.sql: reads ")
    assert said.endswith(
        " by the list session_uses, which event_types of the step acts does not list"
    )


def test_what_a_detection_does_not_list_its_runbook_cannot_read(folder: Path) -> None:
    broken(folder / "detection.yml", "  - user.mfa.*\n", "")
    query = (folder / "runbook" / "factor.sql").read_text(encoding="utf-8")
    line = query[: query.index("deny_push")].count("\n") + 1
    told = [said for said in _said(folder) if said.endswith(" does not list")]
    assert told[0] == (
        f"runbook/factor.sql:{line}: reads user.mfa.okta_verify.deny_push%, which event_types in "
        "detection.yml does not list"
    )
    assert [said.partition(":")[0] for said in told[1:]] == ["runbook/related.sql"]  # once
