"""Where ``mfagap scan`` writes what, in which format, and its exit codes."""

import csv
import io
import os
import threading
from pathlib import Path

import pytest
from tests.cli.command import Run
from tests.cli.logs import SHOWN, SHOWN_WITH_ALL, sign_in, write
from tests.report.schema import validated_document, validated_lines

_COUNTED = (
    "Legacy sessions: 2 single_factor, 2 challenged, 1 unsettled, 1 step_up, 1 explained, 1 mfa. "
    "Alerts: 4. Verdicts on 7 of them: 2 suspicious, 5 insufficient_data. "
)
_NEVER = "Never fire: 1 with no session id, 1 with no user.\n"
COUNTS = f"{_COUNTED}Not shown: 1 step_up, 1 explained (--all). {_NEVER}"
COUNTS_OF_ALL = f"{_COUNTED}{_NEVER}"
READ = "Read 24 events from 1 file, 2026-03-02T09:00:00.000Z to 2026-03-02T09:20:00.060Z.\n"


def _uuids(text: str) -> list[str]:
    return [found["uuid"] for found in validated_lines(text)]


def test_a_table_is_the_default(run: Run, log: Path) -> None:
    done = run("scan", log)
    assert done.code == 0
    assert done.out.splitlines()[0].split()[:4] == ["SEVERITY", "VERDICT", "STATUS", "CONF"]
    assert len(done.out.splitlines()) >= 1 + len(SHOWN)
    assert "\x1b" not in done.out
    assert done.err == READ + COUNTS


def test_jsonl(run: Run, log: Path) -> None:
    done = run("scan", log, "--format", "jsonl")
    assert _uuids(done.out) == SHOWN
    assert done.out.isascii()


def test_json(run: Run, log: Path) -> None:
    whole = validated_document(run("scan", log, "--format", "json").out)
    assert [found["uuid"] for found in whole["findings"]] == SHOWN
    assert whole["summary"]["mfa_status"]["mfa"] == 1
    assert whole["summary"]["alerts"] == 4


def test_csv(run: Run, log: Path) -> None:
    rows = csv.DictReader(io.StringIO(run("scan", log, "--format", "csv").out))
    assert [row["uuid"] for row in rows] == SHOWN


def test_all_adds_step_up_and_explained(run: Run, log: Path) -> None:
    done = run("scan", log, "--all", "--format", "jsonl")
    assert _uuids(done.out) == SHOWN_WITH_ALL
    assert done.err == READ + COUNTS_OF_ALL


@pytest.mark.parametrize("word", ["--quiet", "-q"])
def test_quiet_leaves_the_counts(run: Run, log: Path, word: str) -> None:
    (log / "notes.txt").write_text("a note\n", encoding="utf-8")
    assert "No Okta log: 1 file\n" in run("scan", log).err
    done = run("scan", log, word)
    assert done.err == COUNTS
    assert done.out


def test_nothing_to_show(run: Run, log: Path) -> None:
    done = run("scan", log, "--since", "2026-03-03")
    assert (done.code, done.out) == (0, "No session to show.\n")
    assert run("scan", log, "--since", "2026-03-03", "--format", "jsonl").out == ""


@pytest.mark.parametrize(
    "words", [[], ["--all"], ["--explain"], ["--format", "jsonl"], ["--format", "json"]]
)
def test_two_runs_write_the_same_bytes(run: Run, log: Path, words: list[str]) -> None:
    assert run("scan", log, *words) == run("scan", log, *words)


# --- -o ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("x.txt", "SEVERITY"),
        ("x.json", "{\n"),
        ("x.jsonl", '{"detection": '),
        ("x.ndjson", '{"detection": '),
        ("x.csv", "severity,verdict,mfa_status,"),
        ("x.html", "<!doctype html>\n"),
        ("x.JSONL", '{"detection": '),
    ],
)
def test_the_suffix_chooses(run: Run, log: Path, tmp_path: Path, name: str, first: str) -> None:
    done = run("scan", log, "-o", tmp_path / name)
    assert (done.code, done.out) == (0, "")
    assert done.err == READ + COUNTS
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", name]


@pytest.mark.parametrize("name", ["x.pdf", "x", "x.jsonl.gz"])
def test_an_unknown_suffix_is_a_usage_error(run: Run, log: Path, tmp_path: Path, name: str) -> None:
    done = run("scan", log, "-o", tmp_path / name)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"mfagap: {tmp_path / name}: no format has this suffix "
        "(.txt, .json, .jsonl, .ndjson, .csv, .html); give --format\n"
    )
    assert not (tmp_path / name).exists()


def test_format_goes_before_the_suffix(run: Run, log: Path, tmp_path: Path) -> None:
    assert run("scan", log, "--output", tmp_path / "x.html", "--format", "jsonl").code == 0
    assert _uuids((tmp_path / "x.html").read_text(encoding="utf-8")) == SHOWN


def test_the_file_says_what_standard_output_would(run: Run, log: Path, tmp_path: Path) -> None:
    for kind in ("table", "json", "jsonl", "csv"):
        run("scan", log, "--format", kind, "-o", tmp_path / "x")
        printed = run("scan", log, "--format", kind).out
        assert (tmp_path / "x").read_bytes() == printed.encode()


def test_a_file_is_replaced(run: Run, log: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("old\n" * 10_000, encoding="utf-8")
    with file.open(encoding="utf-8") as reader:
        run("scan", log, "-o", file)
        assert reader.read() == "old\n" * 10_000  # who reads it reads one or the other
    assert _uuids(file.read_text(encoding="utf-8")) == SHOWN


@pytest.mark.parametrize(
    "words", [["absent"], ["--since", "garbage"], ["--config", "absent.toml"], ["--now", "1"]]
)
def test_a_failure_leaves_the_file_alone(
    run: Run, log: Path, tmp_path: Path, words: list[str]
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("old\n", encoding="utf-8")
    assert run("scan", log, *words, "-o", file).code == 2
    assert file.read_text(encoding="utf-8") == "old\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "x.jsonl"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("absent/x.json", "No such file or directory"),
        ("file/x.json", "Not a directory"),
        ("folder.json", "Is a directory"),
    ],
)
def test_what_cannot_be_written_is_a_failure(
    run: Run, log: Path, tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.json").mkdir()
    done = run("scan", log, "-o", tmp_path / name)
    assert done.code == 1
    assert done.err == f"mfagap: cannot write {tmp_path / name}: {why}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.json", "logs"]


def test_a_full_disk_is_a_failure(run: Run, log: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    done = run("scan", log, "-o", full, "--format", "json")
    assert (done.code, done.err) == (1, f"mfagap: cannot write {full}: No space left on device\n")
    assert full.is_char_device()


def test_a_pipe_is_written_to_and_stays(run: Run, log: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    assert run("scan", log, "-o", pipe).code == 0
    reader.join(timeout=30)
    assert pipe.is_fifo()
    assert _uuids(read[0]) == SHOWN


def test_an_output_in_the_scanned_folder_is_no_input(run: Run, log: Path) -> None:
    words = ("scan", log, "-o", log / "x.jsonl", "--rejects", log / "rejects.ndjson")
    assert run(*words) == run(*words)


# --- --rejects --------------------------------------------------------------------------------


def test_rejects_are_kept_whole(run: Run, log: Path, tmp_path: Path) -> None:
    bad = log / "bad.ndjson"
    bad.write_text('{"uuid": "cut\n', encoding="utf-8")
    done = run("scan", log, "--rejects", tmp_path / "rejects.ndjson")
    assert done.code == 0
    assert "Could not use: 1\n" in done.err
    assert f"({bad}:1)\n" in done.err
    (line,) = (tmp_path / "rejects.ndjson").read_text(encoding="utf-8").splitlines()
    assert '"text": "{\\"uuid\\": \\"cut"' in line


def test_no_reject_is_an_empty_file(run: Run, log: Path, tmp_path: Path) -> None:
    run("scan", log, "--rejects", tmp_path / "rejects.ndjson")
    assert (tmp_path / "rejects.ndjson").read_bytes() == b""


def test_rejects_that_cannot_be_written_are_a_failure(run: Run, log: Path, tmp_path: Path) -> None:
    done = run("scan", log, "--rejects", tmp_path / "absent" / "rejects.ndjson")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("mfagap: cannot write rejects to ")


# --- exit codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("users", "level", "code"),
    [
        (["high"], "low", 10),
        (["high"], "medium", 10),
        (["high"], "high", 10),
        (["high"], "critical", 0),
        (["medium"], "medium", 10),
        (["medium"], "high", 0),
        (["low"], "low", 10),
        (["low"], "medium", 0),
        (["low", "medium", "high"], "high", 10),
        (["informational"], "low", 0),
    ],
)
def test_fail_on(run: Run, tmp_path: Path, users: list[str], level: str, code: int) -> None:
    made = {
        "high": sign_in("high", 1, client__userAgent__rawUserAgent="curl/8.5.0"),
        "medium": sign_in("medium", 2),
        "low": sign_in("low", 3, "CHALLENGE"),
        "informational": sign_in("informational", 29),
    }
    events = [event for user in users for event in made[user]]
    file = write(tmp_path / "x.ndjson", events)
    done = run("scan", file, "--now", "2026-03-02T09:30:00Z", "--fail-on", level)
    assert done.code == code
    assert done.err.endswith(".\n")


def test_fail_on_writes_all_the_same(run: Run, log: Path, tmp_path: Path) -> None:
    done = run("scan", log, "--fail-on", "low", "-o", tmp_path / "x.jsonl")
    assert done.code == 10
    assert _uuids((tmp_path / "x.jsonl").read_text(encoding="utf-8")) == SHOWN


@pytest.mark.parametrize("level", ["informational", "severe", ""])
def test_another_level_is_a_usage_error(run: Run, log: Path, level: str) -> None:
    done = run("scan", log, "--fail-on", level)
    assert done.code == 2
    assert "--fail-on: invalid choice" in done.err


def test_nothing_readable(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a note\n", encoding="utf-8")
    done = run("scan", tmp_path)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("mfagap: no Okta event in 1 file: expected Okta System Log events ")


def test_nothing_readable_in_an_empty_folder(run: Run, tmp_path: Path) -> None:
    done = run("scan", tmp_path)
    assert done.code == 3
    assert done.err.startswith("mfagap: no Okta event in 0 files: expected ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["scan"], "the following arguments are required: PATH"),
        (["mystery"], "invalid choice: 'mystery'"),
        (["scan", ".", "--mystery"], "unrecognized arguments: --mystery"),
        (["scan", ".", "--sinc", "7d"], "unrecognized arguments: --sinc"),
        (["scan", ".", "--format", "pdf"], "--format: invalid choice: 'pdf'"),
        (["scan", "absent.ndjson"], "no such file or folder: 'absent.ndjson'"),
        (["scan", "absent-*.ndjson"], "no file matches 'absent-*.ndjson'"),
        (["detections"], "the following arguments are required: ACTION"),
    ],
)
def test_wrong_words_are_a_usage_error(run: Run, words: list[str], said: str) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
