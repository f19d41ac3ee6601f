"""A folder that was watched for one run, to be copied by each test that needs one."""

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from tests.cli.logs import every_status, sign_in, write

from mfagap.cli.main import main

NOW = "2026-03-02T12:00:00Z"
SETTINGS = """\
state = "state"

[sources.dropped]
type = "folder"
path = "logs"

[routes.log]
type = "file"
path = "told.jsonl"
severity = "low"
"""


def prepared(folder: Path) -> Path:
    """Write logs and settings into ``folder``; return the settings file."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "logs" / "okta.ndjson", every_status())
    config = folder / "mfagap.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    return config


def run_once(folder: Path) -> Path:
    """Prepare ``folder``, add what steers a terminal, and run once; return the settings file."""
    config = prepared(folder)
    hostile = sign_in("eli", 4.5, client__userAgent__rawUserAgent="curl\x1b[2J\u202eneve")
    write(folder / "logs" / "hostile.ndjson", hostile)
    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        assert main(["run", "--once", "--config", str(config), "--now", NOW]) == 0
    return config


def copied(config: Path, into: Path) -> Path:
    """Copy what ``run_once`` left; return the copy's settings file."""
    return shutil.copytree(config.parent, into / "watched") / config.name
