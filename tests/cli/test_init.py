import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.cli.command import Run

from mfagap import settings
from mfagap.cli.init import TEMPLATE
from mfagap.detect.customize import customized
from mfagap.detect.load import load_all
from mfagap.service.run import notifier, sources

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_written_is_read(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    done = run("init", file)
    assert (done.code, done.out) == (0, "")
    assert done.err == f"{file} is written; next: mfagap doctor --config {file}\n"
    loaded = settings.load(file)
    assert list(loaded.sources) == ["okta"]
    assert list(loaded.routes) == ["log"]
    for key in settings.NUMBERS:
        assert getattr(loaded, key) == getattr(settings.Settings(), key)


# Of what apprise loads; see tests/notify/test_apprise.py.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_what_is_commented_out_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mfagap.toml"
    lines = [
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else line
        for line in TEMPLATE.splitlines()
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    loaded = settings.load(file)
    assert list(loaded.sources) == ["okta", "dropped", "stream", "blobs"]
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", "https://example.okta.com")
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", "secret")
    with ExitStack() as stack:
        kinds = [type(source).__name__ for source in sources(loaded, stack)]
    assert kinds == ["Okta", "Folder", "Objects", "Objects"]
    assert customized(load_all(), loaded) != list(load_all())
    assert list(loaded.routes) == ["soc", "chat", "mail", "siem", "phone", "log"]
    monkeypatch.setenv("MFAGAP_WEBHOOK_URL", "https://example.com/hook")
    monkeypatch.setenv("MFAGAP_WEBHOOK_SECRET", "whsec_c2VjcmV0")
    monkeypatch.setenv("MFAGAP_SLACK_URL", "https://example.com/slack")
    monkeypatch.setenv("MFAGAP_MAIL_PASSWORD", "secret")
    monkeypatch.setenv("MFAGAP_APPRISE_URL", "jsons://example.com")
    kinds = [type(notifier(table)).__name__ for table in loaded.routes.values()]
    assert kinds == ["Webhook", "Slack", "Email", "Syslog", "Apprise", "File"]
    assert list(loaded.metrics.values) == ["listen", "file"]
    assert list(loaded.ping.values) == ["url_variable", "fail"]


def test_every_setting_stands_in_it() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+[^`]*)` \|", text, re.MULTILINE)
    keys = {row.split(".")[-1] for row in rows if "." in row or row in settings.NUMBERS}
    keys -= {"<list>", "yaml"}
    assert {"keep_days", "facility", "list_all_hours"} < keys
    assert sorted(key for key in keys if not re.search(rf"\b{key} = ", TEMPLATE)) == []


def test_a_file_that_is_there_is_left_alone(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mfagap.toml"
    file.write_text("keep_days = 90\n", encoding="utf-8")
    done = run("init", file)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"mfagap: {file} is there already; nothing was changed\n"
    assert file.read_text(encoding="utf-8") == "keep_days = 90\n"


def test_a_folder_that_is_not_there(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "absent" / "mfagap.toml"
    done = run("init", file)
    assert (done.code, done.err) == (
        1,
        f"mfagap: cannot write {file}: No such file or directory\n",
    )
