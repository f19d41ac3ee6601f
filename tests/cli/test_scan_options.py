"""Time ranges and settings of ``mfagap scan``."""

from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Run
from tests.cli.logs import event, every_status, sign_in, write
from tests.report.schema import validated_document, validated_lines

ID = "okta_legacy_authn_without_mfa"


def _found(run: Run, *words: object) -> dict[str, str]:
    done = run("scan", *words, "--all", "--format", "jsonl")
    assert done.code == 0, done.err
    lines = validated_lines(done.out)
    return {line["uuid"].removesuffix("-start"): line["mfa_status"] for line in lines}


@pytest.mark.parametrize(
    ("words", "users"),
    [
        (["--since", "2026-03-02T09:04:00Z"], ["joy", "fay", "eve"]),
        (["--since", "2026-03-02T09:04"], ["joy", "fay", "eve"]),
        (["--since", "2026-03-02T10:04:00+01:00"], ["joy", "fay", "eve"]),
        (["--since", "16m"], ["joy", "fay"]),
        (["--since", "12h", "--until", "19m"], ["bob", "ada"]),
        (["--since", "7d", "--until", "2026-03-02T09:01:00Z"], ["ada"]),
        (["--until", "2026-03-02T04:01:00-05:00"], ["ada"]),
    ],
)
def test_a_range_of_starts(run: Run, log: Path, words: list[str], users: list[str]) -> None:
    assert list(_found(run, log, *words)) == users


def test_what_is_linked_is_read_outside_the_range(run: Run, log: Path) -> None:
    words = ["--since", "2026-03-02T09:04:00Z", "--until", "2026-03-02T09:04:01Z"]
    assert _found(run, log, *words) == {"eve": "step_up"}


@pytest.mark.parametrize("option", ["--since", "--until", "--now"])
@pytest.mark.parametrize("text", ["garbage", "7 days", "2026-02-30"])
def test_garbage_is_a_usage_error(run: Run, log: Path, option: str, text: str) -> None:
    done = run("scan", log, option, text)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"mfagap: {option}: {text!r} is no time; ")


def test_an_earlier_now(run: Run, log: Path) -> None:
    assert _found(run, log, "--now", "2026-03-02T09:05:30Z") == {
        "ada": "single_factor",
        "bob": "unsettled",
        "cyd": "unsettled",
        "dee": "unsettled",
        "eve": "unsettled",
        "fay": "unsettled",
    }
    done = run("scan", log, "--now", "2026-03-02T09:05:30Z")
    assert "Later than 2026-03-02T09:05:30.000Z, and so unseen: 9.\n" in done.err


def test_a_later_now(run: Run, log: Path) -> None:
    assert _found(run, log)["joy"] == "unsettled"
    assert _found(run, log, "--now", "2026-03-02T09:30:00Z")["joy"] == "single_factor"


# --- settings ---------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "mfagap.toml"


def test_rows_of_a_list_are_applied(run: Run, tmp_path: Path, config: Path) -> None:
    token: dict[str, Any] = {"transaction__detail": {"requestApiTokenId": "00T1portal0000000001"}}
    events = [*sign_in("ada", 0, **token), *sign_in("bob", 30)]
    file = write(tmp_path / "x.ndjson", events)
    config.write_text(
        f'[[detections.{ID}.lists.trusted_api_tokens]]\napi_token_id = "00T1portal0000000001"\n',
        encoding="utf-8",
    )
    assert _found(run, file)["ada"] == "single_factor"
    assert _found(run, file, "--config", config)["ada"] == "explained"


def test_a_remembered_device_explains_where_a_rule_says_so(
    run: Run, tmp_path: Path, config: Path
) -> None:
    before = event("mfa", "ada", "old", -90, debugContext__debugData__authnRequestId="another")
    before["transaction"]["id"] = before["debugContext"]["debugData"]["requestId"] = "another"
    before["authenticationContext"]["externalSessionId"] = "102another"
    file = write(tmp_path / "x.ndjson", [before, *sign_in("ada", 0), *sign_in("bob", 30)])
    row = f'[[detections.{ID}.lists.prompting_rules]]\nrule_id = "0pr1default0000000001"\n'
    for lifetime, status in ((5400, "explained"), (5399, "single_factor")):
        config.write_text(f"{row}lifetime_s = {lifetime}\n", encoding="utf-8")
        assert _found(run, file, "--config", config)["ada"] == status


def _keys(run: Run, log: Path, *words: object) -> set[str]:
    lines = validated_lines(run("scan", log, *words, "--format", "jsonl").out)
    return {line["dedup_key"] for line in lines}


def test_the_dedup_key_is_a_setting(run: Run, log: Path, config: Path) -> None:
    config.write_text(f'[detections.{ID}]\ndedup_key = "external_session_id"\n', encoding="utf-8")
    assert "00uada" in _keys(run, log)
    assert "102ada" in _keys(run, log, "--config", config)


def test_the_dedup_key_makes_the_alerts(run: Run, tmp_path: Path, config: Path) -> None:
    again = sign_in("ada", 5, authenticationContext__externalSessionId="102again")
    again[0]["uuid"], again[1]["uuid"] = "again-start", "again-policy"
    file = write(tmp_path / "x.ndjson", [*sign_in("ada", 0), *again, *sign_in("bob", 40)])
    config.write_text(f'[detections.{ID}]\ndedup_key = "external_session_id"\n', encoding="utf-8")
    for words, alerts in (([], 1), (["--config", config], 2)):
        whole = validated_document(run("scan", file, *words, "--format", "json").out)
        assert whole["summary"]["alerts"] == alerts


def test_the_environment_names_the_settings(
    run: Run, log: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(f'[detections.{ID}]\ndedup_key = "external_session_id"\n', encoding="utf-8")
    monkeypatch.setenv("MFAGAP_CONFIG", str(config))
    assert "102ada" in _keys(run, log)
    other = config.with_name("other.toml")
    other.touch()
    assert "00uada" in _keys(run, log, "--config", other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nowner = 1\n", ":2: unknown key 'owner'; known is: detections"),
        ("[detections.mystery]\n", f":1: no detection 'mystery'; there are: {ID}"),
        (
            f"[detections.{ID}]\nkey = 1\n",
            f":1: detections.{ID}: unknown key 'key'; known are: dedup_key, lists",
        ),
        (
            f"[[detections.{ID}.lists.mystery]]\na = 1\n",
            f":1: detections.{ID}.lists: no list 'mystery'; there are: ",
        ),
        (
            f'[detections.{ID}]\nlists = "x"\n',
            f":1: detections.{ID}.lists: must be a table of lists",
        ),
        ("x = = 1\n", ": no TOML: "),
    ],
)
def test_wrong_settings_are_a_usage_error(
    run: Run, log: Path, config: Path, text: str, said: str
) -> None:
    config.write_text(text, encoding="utf-8")
    done = run("scan", log, "--config", config)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"mfagap: {config}{said}")


def test_settings_that_are_not_there(run: Run, log: Path, config: Path) -> None:
    done = run("scan", log, "--config", config)
    assert done.code == 2
    assert done.err == f"mfagap: {config}: cannot be read: No such file or directory\n"


# --- paths ------------------------------------------------------------------------------------


def test_files_folders_and_globs(run: Run, tmp_path: Path) -> None:
    events = every_status()
    for place in range(0, len(events), 6):
        write(tmp_path / "deep" / f"part-{place}.ndjson", events[place : place + 6])
    whole = _found(run, tmp_path)
    assert len(whole) == 7
    assert _found(run, tmp_path / "deep" / "part-*.ndjson") == whole
    assert _found(run, *sorted((tmp_path / "deep").iterdir())) == whole
    assert _found(run, tmp_path, tmp_path / "deep") == whole


@pytest.mark.parametrize(("since", "said"), [("2026-03-02T09:20:00Z", False), ("2026-04-01", True)])
def test_a_range_after_the_log_is_no_all_clear(
    run: Run, tmp_path: Path, since: str, *, said: bool
) -> None:
    log = write(tmp_path / "okta.ndjson", every_status())
    done = run("scan", log, "--since", since, "--quiet")
    assert done.code == 0
    told = "The log ends at 2026-03-02T09:20:00.060Z, before --since: nothing was judged."
    assert (told in done.err) is said
