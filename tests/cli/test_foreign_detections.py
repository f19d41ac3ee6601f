"""Detections of somebody's own, and what they may not do: ``--detections DIR``."""

import csv
import json
import os
from functools import partial
from pathlib import Path

import pytest
from tests.cli.command import Done, Run, installed
from tests.cli.logs import SHOWN
from tests.detect.shipped import ID, broken, copied, without_runbook
from tests.report.schema import validated_lines

from mfagap.engines import sandbox
from mfagap.engines.sandbox import Sandbox
from mfagap.service import scan as service

OWN = "every_start"
QUERY = """\
-- Finds every start.
SELECT
  {skip} AS skip_reason, e.uuid AS uuid, e.event_ms AS event_ms, 'single_factor' AS mfa_status,
  'low' AS severity, 'low' AS confidence, '' AS confidence_reasons, NULL AS mfa_link,
  NULL AS mfa_event, NULL AS explanation, NULL AS annotations, NULL AS policy_event,
  NULL AS policy_link, NULL AS policy_result, NULL AS policy_id, NULL AS policy_name,
  NULL AS rule_id, NULL AS rule_name, {email} AS user_email,
  e.actor_id AS actor_id, e.client_ip AS source_ip, e.user_agent AS user_agent,
  COALESCE(e.session_id, 'none') AS external_session_id, e.transaction_id AS transaction_id,
  e.request_uri AS request_uri
FROM events AS e{source}
WHERE e.event_type = 'user.session.start' AND e.event_ms >= $from AND e.event_ms < $to
"""
HOSTILE = "\x1b]8;;https://example.com\x07=x\u202e"


def query(skip: str = "NULL", email: str = "COALESCE(e.actor_login, '-')", source: str = "") -> str:
    return QUERY.format(skip=skip, email=email, source=source)


def made(own: Path, sql: str, name: str = OWN) -> Path:
    """Write a detection called ``name`` without a runbook into ``own``, and return its folder."""
    folder = without_runbook(copied(own / "copies")).rename(own / name)
    (own / "copies").rmdir()
    broken(folder / "detection.yml", f"id: {ID}", f"id: {name}")
    (folder / "query.sql").write_text(sql, encoding="utf-8")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def fails(run: Run, log: Path, own: Path) -> str:
    """Return what a scan with ``own`` says that fails on what a detection is or does."""
    done = run("scan", "--detections", own, log)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("mfagap: ")
    assert "TOP-SECRET" not in done.err
    return done.err.removeprefix("mfagap: ").removesuffix("\n")


def test_both_are_run(run: Run, log: Path, own: Path) -> None:
    made(own, query())
    done = run("scan", "--detections", own, log, "--format", "jsonl")
    assert done.code == 0, done.err
    lines = validated_lines(done.out)
    shipped = [line["uuid"] for line in lines if line["detection"] == ID]
    added = [line["uuid"] for line in lines if line["detection"] == OWN]
    assert shipped == SHOWN
    assert sorted(added) == sorted(
        f"{user}-start"
        for user in ("ada", "bob", "cyd", "dee", "eve", "fay", "gus", "hal", "ian", "joy")
    )
    assert len(shipped) + len(added) == len(lines)


def test_settings_reach_them(run: Run, log: Path, own: Path, tmp_path: Path) -> None:
    made(own, query())
    config = tmp_path / "mfagap.toml"
    config.write_text(f'[detections.{OWN}]\ndedup_key = "external_session_id"\n')
    done = run("scan", "--detections", own, log, "--config", config, "--format", "jsonl")
    keys = {x["uuid"]: x["dedup_key"] for x in validated_lines(done.out) if x["detection"] == OWN}
    assert keys["ada-start"] == "102ada"
    assert run("scan", log, "--config", config).code == 2


def test_its_lists_are_its_own(run: Run, log: Path, own: Path) -> None:
    made(own, query(source="\nJOIN trusted_api_tokens AS t ON t.api_token_id = e.actor_id"))
    listed = made(own, query(), "with_list")
    broken(
        listed / "detection.yml",
        "columns: { api_token_id: VARCHAR }\n    rows: []",
        "columns: { api_token_id: VARCHAR }\n    rows: [{ api_token_id: 00uada }]",
    )
    done = run("scan", "--detections", own, log, "--format", "jsonl")
    assert done.code == 0, done.err
    found = [line["detection"] for line in validated_lines(done.out)]
    assert (found.count(OWN), found.count("with_list")) == (0, 10)


def test_list_and_show(run: Run, own: Path) -> None:
    folder = made(own, query())
    done = run("detections", "list", "--detections", own)
    title = "Okta legacy API authentication without an MFA challenge"
    assert done.out == f"{OWN}  medium  stable  {title}\n{ID}  medium  stable  {title}\n"
    done = run("detections", "show", OWN, "--detections", own)
    assert (done.code, done.err) == (0, "")
    assert f"\nsource:       {folder}\n" in done.out
    assert run("detections", "show", OWN).code == 2


def test_lint(run: Run, own: Path) -> None:
    folder = made(own, query())
    case = folder / "cases" / "published_browser_session.yml"
    assert case.exists()
    done = run("detections", "lint", "--detections", own)
    assert (done.code, done.out, done.err) == (0, "", "1 checked, 0 problems\n")
    made(own, "SELECT * FROM read_text('x')", "other")
    done = run("detections", "lint", "--detections", own)
    assert (done.code, done.err.splitlines()[-1][:10]) == (1, "2 checked,")
    assert f"{own / 'other' / 'query.sql'}:" in done.out


def test_an_id_that_ships(run: Run, log: Path, own: Path) -> None:
    folder = copied(own)
    done = run("scan", "--detections", own, log)
    message = f"mfagap: {folder}: a detection of this id ships with mfagap; rename yours\n"
    assert (done.code, done.out, done.err) == (2, "", message)
    folder.rename(own / "renamed")
    assert fails(run, log, own) == (
        f"{own / 'renamed' / 'detection.yml'}:1: id must be the folder's name, 'renamed'"
    )


@pytest.mark.parametrize("words", [("scan", "."), ("detections", "list"), ("detections", "lint")])
def test_no_folder_and_no_detection(run: Run, own: Path, words: tuple[str, ...]) -> None:
    done = run(*words, "--detections", own / "absent")
    message = f"mfagap: no such folder: {str(own / 'absent')!r}\n"
    assert (done.code, done.out, done.err) == (2, "", message)
    done = run(*words, "--detections", own)
    message = f"mfagap: {own}: holds no detection; expected <id>/detection.yml in it\n"
    assert (done.code, done.out, done.err) == (2, "", message)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("status: stable", "status: [stable]", "status: ['stable'] is not one of "),
        ("status: stable", "status: stable\nowner: me", "unknown key 'owner'"),
        ("  prompting_rules:", "  events:", "lists: 'events' does not match "),
        ("  prompting_rules:", "  'a\"b':", "lists: 'a\"b' does not match "),
        ("{ rule_id: VARCHAR,", "{ 'a\"': VARCHAR,", "lists.prompting_rules.columns: 'a\"' does "),
        ("{ rule_id: VARCHAR,", "{ rule_id: TEXT,", "lists.prompting_rules.columns.rule_id: "),
        ("status: stable", "status: &a stable\nowner: *a", "no YAML: an alias"),
        ("status: stable", "status: " + "[" * 3000 + "]" * 3000, "is nested too deeply"),
    ],
)
def test_a_wrong_form_names_the_file(
    run: Run, log: Path, own: Path, old: str, new: str, said: str
) -> None:
    file = made(own, query()) / "detection.yml"
    broken(file, old, new)
    error = fails(run, log, own)
    assert error.startswith(f"{file}:")
    assert said in error
    done = run("detections", "list", "--detections", own)
    assert (done.code, done.out, done.err) == (1, "", f"mfagap: {error}\n")


def test_a_query_that_is_missing_or_too_long(run: Run, log: Path, own: Path) -> None:
    file = made(own, query()) / "query.sql"
    file.write_text(query() + "--" + "x" * 2**20, encoding="utf-8")
    assert fails(run, log, own) == f"{file}: is longer than 1 MiB"
    file.unlink()
    assert fails(run, log, own).startswith(f"{file}: cannot be read: ")
    (file.parent / "detection.yml").unlink()
    file.write_text(query(), encoding="utf-8")
    assert fails(run, log, own).startswith(f"{file.parent / 'detection.yml'}: cannot be read: ")


@pytest.mark.parametrize(
    "name", ["query.sql", "detection.yml", "README.md", "cases", "cases/x.yml"]
)
def test_links_that_leave_are_not_followed(
    run: Run, log: Path, own: Path, tmp_path: Path, name: str
) -> None:
    folder = made(own, query())
    outside = tmp_path / "outside"
    (outside if name == "cases" else tmp_path).mkdir(exist_ok=True)
    secret = outside / "x.yml" if name == "cases" else outside
    secret.write_text("TOP-SECRET: [\n", encoding="utf-8")
    link = folder / name
    if link.is_dir():
        link.rename(folder / "old")
    link.unlink(missing_ok=True)
    link.symlink_to(outside)
    assert fails(run, log, own) == f"{link}: a link that leaves the folder"
    done = run("detections", "lint", folder)
    message = f"{link}: a link that leaves the folder\n"
    assert (done.code, done.out, done.err) == (1, message, "1 checked, 1 problem\n")


def test_a_folder_that_is_a_link_away(run: Run, log: Path, own: Path, tmp_path: Path) -> None:
    away = made(tmp_path, query())
    (own / OWN).symlink_to(away)
    assert fails(run, log, own) == f"{own / OWN}: a link that leaves the folder"


def test_links_within_are_followed(run: Run, own: Path) -> None:
    folder = made(own, query())
    (folder / "query.sql").rename(folder / "real.sql")
    (folder / "query.sql").symlink_to("real.sql")
    (own / "parent").symlink_to(own)
    assert run("detections", "show", OWN, "--detections", own / "parent").code == 0


def test_a_pipe_is_not_waited_for(run: Run, log: Path, own: Path) -> None:
    file = made(own, query()) / "query.sql"
    file.unlink()
    os.mkfifo(file)
    assert fails(run, log, own) == f"{file}: no regular file"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT content AS uuid FROM read_text('{file}')", "the query reads read_text(); "),
        ("SELECT * FROM '{file}'", "which is neither events nor a list of detection.yml"),
        ("COPY events TO '{out}'", "the query must be exactly one SELECT"),
        ("ATTACH '{out}'", "the query must be exactly one SELECT"),
        ("INSTALL httpfs", "the query must be exactly one SELECT"),
        ("SELECT 1; SELECT 2", "the query must be exactly one SELECT"),
        ("SELECT 1 AS uuid", f"{OWN} gave a row of another form: "),
        ("SELECT nothing FROM events", "the query failed: Binder Error: "),
    ],
)
def test_what_a_query_may_not_do(
    run: Run, log: Path, own: Path, tmp_path: Path, sql: str, said: str
) -> None:
    secret, out = tmp_path / "secret.csv", tmp_path / "out"
    secret.write_text("hidden\nTOP-SECRET\n", encoding="utf-8")
    made(own, sql.format(file=secret, out=out))
    error = fails(run, log, own)
    assert error.startswith(f"{OWN}: ")
    assert said in error
    assert not out.exists()


def test_a_query_without_end(
    run: Run, log: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r)"
    made(own, f"{endless} SELECT max(n) AS n FROM r")
    monkeypatch.setattr(service, "Sandbox", partial(Sandbox, timeout_s=0.5))
    assert fails(run, log, own) == f"{OWN}: the query ran for more than 0.5 s and was stopped"


def test_the_installed_program(log: Path, own: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("hidden\nTOP-SECRET\n", encoding="utf-8")
    made(own, f"SELECT * FROM read_csv('{secret}')")
    known = "generate_series, range, unnest"
    message = (
        f"mfagap: {OWN}: the query reads read_csv(); as tables, only these functions can be "
        f"read: {known}\n"
    )
    assert installed("scan", "--detections", own, log) == Done(1, "", message)


@pytest.mark.parametrize("kind", ["table", "csv", "json", "jsonl"])
def test_what_a_detection_says_is_harmless(run: Run, log: Path, own: Path, kind: str) -> None:
    said = "'" + HOSTILE + "'"
    skip = f"CASE WHEN e.actor_login IS NULL THEN {said} END"
    file = made(own, query(skip, f"{said} || e.actor_login")) / "detection.yml"
    title = '"{user_email} \\e[31m \\u202e"'
    broken(
        file,
        'finding_title: "{user_email} signed in to Okta through the legacy API without a second '
        'factor"',
        f"finding_title: {title}",
    )
    done = run("scan", "--detections", own, log, "--format", kind)
    assert done.code == 0, done.err
    for text in (done.out, done.err):
        assert [char for char in "\x1b\x07\u202e" if char in text] == []
    assert "1 with \\x1b]8;;https://example.com\\x07=x\\u202e" in done.err
    if kind == "csv":
        cells = [cell for row in csv.reader(done.out.splitlines()) for cell in row]
        assert any(cell.startswith("\\x1b]8;;https://example.com") for cell in cells)
    elif kind == "jsonl":
        emails = {
            line["alert_context"]["user_email"]
            for line in map(json.loads, done.out.splitlines())
            if line["detection"] == OWN
        }
        assert f"{HOSTILE}ada@example.com" in emails


@pytest.mark.parametrize("words", [("scan",), ("test", OWN)])
def test_what_an_error_quotes_takes_no_line_of_its_own(
    run: Run, log: Path, own: Path, words: tuple[str, ...]
) -> None:
    ends = "||".join(f"chr({ord(end)})||'Legacy sessions: 0'" for end in "\n\r\v\x85\u2028")
    made(own, f"SELECT error('x'||{ends}) AS uuid")
    done = run(*words, "--detections", own, *([log] if "scan" in words else []))
    first, *others = done.err.splitlines()
    assert (done.code, done.out) == (1, "")
    assert first.startswith("mfagap: ")
    assert others == ["    Legacy sessions: 0"] * 5


def test_what_it_is_called_is_harmless(run: Run, own: Path) -> None:
    file = made(own, query()) / "detection.yml"
    title = "title: Okta legacy API authentication without an MFA challenge"
    broken(file, title, 'title: "\\e[2J\\e]0;x\\a\\u202e"')
    broken(file, "  - A session that Okta did not log,", '  - "\\e[31m red"\n  - x')
    for words in (("list",), ("show", OWN)):
        done = run("detections", *words, "--detections", own)
        assert done.code == 0
        assert "\\x1b[2J\\x1b]0;x\\x07\\u202e" in done.out
        assert [char for char in "\x1b\x07\u202e" if char in done.out] == []


CASE = """\
summary: A start of nobody's, and one of somebody's.
clock: 2026-01-15T12:00:00Z
events:
  - { id: nobody, from: session_start, at: 0s, set: { actor.alternateId: null } }
  - { id: start, from: session_start, at: 1m }
expect:
  findings:
    - { start: start, mfa_status: single_factor, severity: low, confidence: low }
  skipped: { nobody: 1 }
"""


def given_two(folder: Path) -> None:
    """Let ``CASE`` be the only case of the detection in ``folder``."""
    for case in (folder / "cases").iterdir():
        case.unlink()
    (folder / "cases" / "two.yml").write_text(CASE, encoding="utf-8")


def test_its_cases_are_run(run: Run, own: Path) -> None:
    folder = made(own, query("CASE WHEN e.actor_login IS NULL THEN 'nobody' END"))
    given_two(folder)
    done = run("test", OWN, "--detections", own)
    assert (done.code, done.out, done.err) == (0, f"ok   {OWN}/two\n", "1 passed, 0 failed\n")


def test_what_its_cases_find_is_harmless(run: Run, own: Path) -> None:
    said = "'" + HOSTILE + "'"
    sql = query(f"CASE WHEN e.actor_login IS NULL THEN {said} END")
    folder = made(own, sql.replace("e.uuid AS uuid", f"{said} AS uuid"))
    given_two(folder)
    done = run("test", OWN, "--detections", own)
    assert (done.code, done.err) == (1, "0 passed, 1 failed\n")
    shown = "\\x1b]8;;https://example.com\\x07=x\\u202e"
    assert done.out.splitlines()[:3] == [
        f"FAIL {OWN}/two",
        f"     {shown}: expected nothing, found single_factor",
        "     start: expected single_factor, found nothing",
    ]
    assert [char for char in "\x1b\x07\u202e" if char in done.out] == []


def test_mutants_of_them_are_not_judged(run: Run, own: Path) -> None:
    done = run("test", "--mutate", "--detections", own)
    message = "mfagap: --mutate judges the queries that ship with mfagap: leave out --detections\n"
    assert (done.code, done.out, done.err) == (2, "", message)


def test_what_ships_runs_in_the_same_sandbox(
    run: Run, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MAX_ROWS", 0)
    done = run("scan", log)
    message = f"mfagap: {ID}: the query gives more than 0 rows or 512 MiB of text\n"
    assert (done.code, done.out, done.err) == (1, "", message)
