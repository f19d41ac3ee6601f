"""The installed ``mfagap`` among pipes, signals and terminals."""

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from tests.cli.command import PROGRAM, Run, installed
from tests.cli.logs import SHOWN, every_status, sign_in, write
from tests.detect.shipped import ID
from tests.report.schema import validated_lines

from mfagap.cli import progress
from mfagap.cli.main import entry_point, main
from mfagap.sources.okta_api import Past


def _shown(out: str) -> list[str]:
    """Return what the detection found that ``SHOWN`` is of; others may ship beside it."""
    return [line["uuid"] for line in validated_lines(out) if line["detection"] == ID]


def test_standard_input(log: Path) -> None:
    done = installed("scan", "-", "--format", "jsonl", stdin=(log / "okta.ndjson").read_bytes())
    assert done.code == 0
    assert _shown(done.out) == SHOWN
    assert done.err.startswith("Read 24 events from 1 file, ")


def test_standard_input_is_named_where_it_is_off() -> None:
    done = installed("scan", "-", stdin=b"not JSON\n")
    assert done.code == 3
    assert "Traceback" not in done.err


def test_as_a_module(log: Path) -> None:
    command = [sys.executable, "-m", "mfagap", "scan", str(log), "--format", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert _shown(done.stdout) == SHOWN


def test_head_has_seen_enough(tmp_path: Path) -> None:
    events = [one for number in range(2000) for one in sign_in(f"u{number}", number / 100)]
    write(tmp_path / "x.ndjson", [*events, *every_status()])
    shell = f"{PROGRAM} scan {tmp_path} --format jsonl | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    line, code = done.stdout.splitlines()
    assert line.startswith('{"detection": ')
    assert code == "0"
    assert done.stderr == "" or "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("words", [["scan", "LOG"], ["detections", "list"], ["scan", "--help"]])
def test_a_reader_that_is_gone_is_no_failure(log: Path, words: list[str]) -> None:
    read, written = os.pipe()
    os.close(read)
    command = [PROGRAM, *(str(log) if word == "LOG" else word for word in words)]
    done = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, text=True, check=False)
    os.close(written)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_closed_standard_input_is_not_missed(log: Path) -> None:
    shell = f"exec {PROGRAM} scan {log} --format jsonl <&-"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert _shown(done.stdout) == SHOWN


def test_an_interrupt() -> None:
    pipe = subprocess.PIPE
    words = [PROGRAM, "scan", "-"]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        # More than a pipe holds: once this is written, the program reads.
        process.stdin.write(b" " * 1_000_000)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"mfagap: interrupted\n")


def test_a_locale_that_lacks_the_letters(tmp_path: Path) -> None:
    events = sign_in("ada", 0, actor__alternateId="zoë@example.com")
    events[0]["client"]["userAgent"]["rawUserAgent"] = "日本語" * 30
    file = write(tmp_path / "x.ndjson", events)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [PROGRAM, "scan", str(file)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "zo\\xeb@example.com" in done.stdout


# --- terminals --------------------------------------------------------------------------------


def _on_a_terminal(*words: object, **environment: str) -> str:
    """Return what ``mfagap`` prints, standard output and error, on a terminal of 160 columns."""
    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    with subprocess.Popen(
        [PROGRAM, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        env={**kept, "TERM": "xterm-256color", **environment},
    ) as process:
        os.close(terminal)
        said = b""
        while chunk := _read(main_end):
            said += chunk
    os.close(main_end)
    assert process.returncode == 0
    return said.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_color_is_for_terminals(log: Path) -> None:
    said = _on_a_terminal("scan", log, "-q")
    assert "\x1b[31m" in said
    assert "bob@example.com" in said
    assert "\x1b" not in installed("scan", log).out


def test_no_color_turns_it_off(log: Path) -> None:
    said = _on_a_terminal("scan", log, "-q", NO_COLOR="1")
    assert "bob@example.com" in said
    assert "\x1b" not in said


def test_a_file_has_no_color(log: Path, tmp_path: Path) -> None:
    _on_a_terminal("scan", log, "-q", "-o", tmp_path / "x.txt")
    assert "\x1b" not in (tmp_path / "x.txt").read_text(encoding="utf-8")


def test_hostile_text_brings_nothing_onto_a_terminal(tmp_path: Path) -> None:
    agent = "\x1b[2J\x1b]8;;https://example.com\x07[red]x[/red]\x9b"
    file = write(
        tmp_path / "x\x1b[2J.ndjson", sign_in("ada", 0, client__userAgent__rawUserAgent=agent)
    )
    (tmp_path / "\x1b[2J.txt").write_text("a note\n", encoding="utf-8")
    folder = _on_a_terminal("scan", tmp_path, "-q")
    for said in (folder, _on_a_terminal("scan", file, NO_COLOR="1")):
        assert "\x1b[2J" not in said
        assert "\x1b]8" not in said
        assert "\x9b" not in said


def test_errors_spell_out_what_a_name_hides(tmp_path: Path) -> None:
    for words in (["absent\x1b[2J"], [str(tmp_path), "--config", "absent\x1b[2J.toml"]):
        done = installed("scan", *words)
        assert done.code == 2
        assert "\x1b" not in done.err


def test_progress_is_for_terminals(log: Path) -> None:
    assert "reading" in _on_a_terminal("scan", log)
    assert "reading" not in _on_a_terminal("scan", log, "-q")
    assert "reading" not in installed("scan", log).err


# --- in this process ----------------------------------------------------------------------------


class Interrupted:
    """A standard input at which somebody presses Ctrl-C."""

    buffer = property(lambda self: self)

    def read(self, size: int = -1) -> bytes:
        signal.raise_signal(signal.SIGINT)
        return b"" if size else b"x"


def test_an_interrupt_in_this_process(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Interrupted())
    done = run("scan", "-")
    assert (done.code, done.out, done.err) == (130, "", "mfagap: interrupted\n")


@pytest.mark.parametrize("kind", ["table", "jsonl"])
def test_a_broken_pipe_in_this_process(
    log: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    read, written = os.pipe()
    os.close(read)
    with os.fdopen(written, "w", encoding="utf-8") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(["scan", str(log), "--format", kind]) == 0
        monkeypatch.undo()


def test_the_entry_point_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "argv", ["mfagap", "detections", "list"])
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(SystemExit) as stop:
        entry_point()
    monkeypatch.undo()
    assert (stop.value.code, out.errors) == (0, "backslashreplace")


def test_color_in_this_process(run: Run, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "\x1b[31m" in run("scan", log).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("scan", log).out


def test_the_past_in_per_cent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal, quiet in ((True, False), (True, True), (False, False)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "120")
        with progress.followed(quiet=quiet) as told:
            told("[red]okta\x1b[2J", 1200, None)
            told("[red]okta\x1b[2J", 34, Past(22.5, 90))
            told("other", 7, None)
        said = capsys.readouterr()
        assert said.out == ""
        if not terminal or quiet:
            assert said.err == ""
            continue
        lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", said.err).splitlines()
        shown = [re.sub(r"[ ━╸╺]+", " ", line).strip() for line in lines]
        assert r"[red]okta\x1b[2J 25% 22 of 90 days, 1,234 events stored" in shown
        assert "other 7 events stored" in shown


def test_progress_in_this_process(run: Run, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "Read 24 events" in run("scan", log).err
