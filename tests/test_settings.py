from pathlib import Path

import pytest

from mfagap import settings
from mfagap.errors import SettingsError

GOOD = """\
# what the back ends use
[detections.okta_legacy_authn_without_mfa]
dedup_key = "external_session_id"

[[detections.okta_legacy_authn_without_mfa.lists.trusted_api_tokens]]
api_token_id = "00T1portal0000000001"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MFAGAP_CONFIG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "mfagap.toml"


def test_without_a_file_nothing_is_set(file: Path) -> None:
    assert settings.load() == settings.Settings()
    assert not file.exists()


def test_a_file(file: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")
    loaded = settings.load(file)
    assert loaded.file == str(file)
    assert loaded.detections == {
        "okta_legacy_authn_without_mfa": {
            "dedup_key": "external_session_id",
            "lists": {"trusted_api_tokens": [{"api_token_id": "00T1portal0000000001"}]},
        }
    }


def test_the_environment_names_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(GOOD, encoding="utf-8")
    monkeypatch.setenv("MFAGAP_CONFIG", str(file))
    assert settings.load().file == str(file)


def test_the_call_goes_before_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("", encoding="utf-8")
    monkeypatch.setenv("MFAGAP_CONFIG", "absent.toml")
    assert settings.load(file).file == str(file)


def test_an_empty_variable_names_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFAGAP_CONFIG", "")
    assert settings.load().file != str(file)


@pytest.mark.parametrize(("value", "off"), [("1", True), ("0", True), ("", False)])
def test_no_color(file: Path, monkeypatch: pytest.MonkeyPatch, value: str, *, off: bool) -> None:
    file.write_text("", encoding="utf-8")
    monkeypatch.setenv("NO_COLOR", value)
    assert settings.load().no_color is off
    assert settings.load(file).no_color is off


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\n\ncolour = 1\n", 3, "unknown key 'colour'; known is: detections"),
        (
            "[detections]\n\n[notify.slack]\nx = 1\n",
            3,
            "unknown key 'notify'; known is: detections",
        ),
        ("\n[[sources]]\n", 2, "unknown key 'sources'; known is: detections"),
        ('\n"spaced key" = 1\n', 2, "unknown key 'spaced key'; known is: detections"),
        ("\ndetections = 1\n", 2, "detections must hold tables"),
        ("\n[detections]\nx = 1\n", 2, "detections must hold tables"),
    ],
)
def test_what_is_off_has_a_line(file: Path, text: str, line: int, message: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        settings.load(file)
    assert str(caught.value) == f"{file}:{line}: {message}"


def test_no_toml(file: Path) -> None:
    file.write_text("a = \n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"mfagap\.toml: no TOML: Invalid value \(at line 1"):
        settings.load(file)


def test_no_utf_8(file: Path) -> None:
    file.write_bytes(b"a = '\xff'")
    with pytest.raises(SettingsError, match=r"mfagap\.toml: no TOML: 'utf-8' codec"):
        settings.load(file)


def test_no_file(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"mfagap\.toml: cannot be read: No such file"):
        settings.load(file)


def test_a_folder_is_no_file(file: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        settings.load(file.parent)
