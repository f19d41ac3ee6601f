import pytest
from tests.detect.shipped import ID
from tests.engines import golden

from mfagap.cli import detections
from mfagap.cli.main import main
from mfagap.engines.dialects import DIALECTS


def test_every_dialect_can_be_asked_for() -> None:
    assert tuple(DIALECTS) == detections.DIALECTS


@pytest.mark.parametrize("dialect", ["snowflake", "trino"])
def test_the_golden_file_is_printed(dialect: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detections", "sql", ID, "--dialect", dialect]) == 0
    assert capsys.readouterr().out == golden.file(dialect, ID).read_text(encoding="utf-8")


def test_duckdb_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detections", "sql", ID]) == 0
    assert capsys.readouterr().out == golden.file("duckdb", ID).read_text(encoding="utf-8")


def test_a_step_of_the_runbook_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detections", "sql", ID, "--step", "acts", "--dialect", "spark"]) == 0
    kept = golden.file("spark", ID, "acts").read_text(encoding="utf-8")
    assert capsys.readouterr().out == kept


@pytest.mark.parametrize("step", ["nope", "window", ""])
def test_a_step_without_a_query_is_a_usage_error(
    step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["detections", "sql", ID, "--step", step]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"mfagap: {ID} has no step {step!r} with a query; there are: client, factor, acts, around\n"
    )
