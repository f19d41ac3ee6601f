"""What the product can do is written down: an undocumented option, setting or error fails."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mfagap import errors
from mfagap.cli.main import main
from mfagap.detect.customize import DEDUP_KEYS
from mfagap.detect.load import load_all
from mfagap.errors import MfagapError

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    "scan",
    "detections",
    "detections list",
    "detections show",
    "detections lint",
    "detections sql",
    "test",
)


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    documented = _text("docs/cli.md")
    assert f"## mfagap {command}" in documented
    assert sorted(option for option in options if f"`{option}" not in documented) == []


def test_every_exit_code_is_documented() -> None:
    codes = {kind.exit_code for kind in _kinds(MfagapError)} | {0, 10, 130}
    documented = set(map(int, re.findall(r"^\| (\d+) \|", _text("docs/cli.md"), re.MULTILINE)))
    assert documented == codes


def test_every_setting_is_documented() -> None:
    text = _text("docs/settings.md")
    words = {"dedup_key", *DEDUP_KEYS, "MFAGAP_CONFIG", "NO_COLOR"}
    for detection in load_all():
        words |= {detection.id, *detection.lists}
        words |= {column for rows in detection.lists.values() for column in rows.columns}
    assert sorted(word for word in words if word not in text) == []


def _kinds(kind: type[MfagapError]) -> Iterator[type[MfagapError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = re.findall(r"^    ([│├└─ ]*)(\w+) +exit (\d)", errors.__doc__ or "", re.MULTILINE)
    found = {name: (len(stem) // 4, int(code)) for stem, name, code in drawn}
    real = {kind.__name__: (len(kind.__mro__) - 4, kind.exit_code) for kind in _kinds(MfagapError)}
    assert found == real


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", _text(name))
    assert [link for link in links if not (ROOT / link).exists()] == []
