from collections.abc import Callable
from pathlib import Path

import pytest

from mfagap import settings
from mfagap.errors import SettingsError

KNOWN = (
    "detections, state, keep_days, flood_limit, suppression_days, sources, routes, metrics, ping"
)
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
    assert {name: table.values for name, table in loaded.detections.items()} == {
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
        ("\n\ncolour = 1\n", 3, f"unknown key 'colour'; known is: {KNOWN}"),
        (
            "[detections]\n\n[notify.slack]\nx = 1\n",
            3,
            f"unknown key 'notify'; known is: {KNOWN}",
        ),
        ("\n[[sources]]\n", 2, "sources must hold tables"),
        ("\n\n[sources]\nokta = 1\n", 3, "sources must hold tables"),
        ("routes = 1\n", 1, "routes must hold tables"),
        ("\n[[ping]]\n", 2, "ping must be a table"),
        ("metrics = 1\n", 1, "metrics must be a table"),
        ('\n"spaced key" = 1\n', 2, f"unknown key 'spaced key'; known is: {KNOWN}"),
        ("\ndetections = 1\n", 2, "detections must hold tables"),
        ("\n[detections]\nx = 1\n", 2, "detections must hold tables"),
        ("\nstate = 1\n", 2, "state: 1 is not a text"),
        ('\n\nkeep_days = "9"\n', 3, "keep_days: '9' is not a whole number"),
        ("keep_days = 1.5\n", 1, "keep_days: 1.5 is not a whole number"),
        ("keep_days = true\n", 1, "keep_days: True is not a whole number"),
        ("\nkeep_days = -1\n", 2, "keep_days: -1 is negative"),
        ("\nflood_limit = -1\n", 2, "flood_limit: -1 is negative"),
        ("suppression_days = 1.5\n", 1, "suppression_days: 1.5 is not a whole number"),
    ],
)
def test_what_is_off_has_a_line(file: Path, text: str, line: int, message: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        settings.load(file)
    assert str(caught.value) == f"{file}:{line}: {message}"


WATCH = """\
keep_days = 30
flood_limit = 0
suppression_days = 7
state = "{state}"

[sources.okta]
type = "okta_api"
lateness_s = 60

[routes."the soc"]
type = "webhook"
url_variable = "SOC_URL"

[sources.okta-2]
type = "okta_api"

[ sources . 'files' ]
type = "folder"
path = "logs"
"""


def test_what_is_watched_and_who_is_told(file: Path) -> None:
    file.write_text(WATCH.format(state="here"), encoding="utf-8")
    loaded = settings.load(file)
    assert (loaded.keep_days, loaded.flood_limit, loaded.suppression_days) == (30, 0, 7)
    assert list(loaded.sources) == ["okta", "okta-2", "files"]
    okta, second, files = loaded.sources.values()
    assert okta == settings.Table(
        f"{file}:6", "sources.okta", {"type": "okta_api", "lateness_s": 60}, file.parent
    )
    assert (files.where, files.text("path")) == (f"{file}:17", "logs")
    assert second.where == f"{file}:14"
    (soc,) = loaded.routes.values()
    assert (soc.where, soc.name) == (f"{file}:10", "routes.the soc")


def test_a_relative_state_folder_counts_from_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for given, expected in (
        ("here", file.parent / "here"),
        ("../up", file.parent / "../up"),
        ("/var/lib/mfagap", Path("/var/lib/mfagap")),
    ):
        file.write_text(WATCH.format(state=given), encoding="utf-8")
        assert settings.load(file).state == expected
    file.write_text("", encoding="utf-8")
    assert settings.load(file).state == file.parent / "mfagap-state"
    assert settings.load().state == Path("mfagap-state")


TABLE = settings.Table(
    "mfagap.toml:3",
    "sources.okta",
    {"type": "okta_api", "days": 9, "path": "x", "key": "OKTA_KEY", "share": 0.5, "on": True},
)


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (lambda: TABLE.text("days"), "days: 9 is not a text"),
        (lambda: TABLE.text("none"), "none: is missing; it is a text"),
        (lambda: TABLE.one_of("path", "y", ("y", "z")), "path: 'x' is none of: y, z"),
        (lambda: TABLE.one_of("days", "y", "yz"), "days: 9 is not a text"),
        (lambda: TABLE.number("path", 1), "path: 'x' is not a whole number"),
        (lambda: TABLE.number("share", 1), "share: 0.5 is not a whole number"),
        (lambda: TABLE.number("on", 1), "on: True is not a whole number"),
        (lambda: TABLE.number("none", -1), "none: -1 is negative"),
        (lambda: TABLE.secret("none"), "none: is missing; it is a text"),
        (lambda: TABLE.secret("key"), "key: the environment variable 'OKTA_KEY' is not set"),
        (
            lambda: TABLE.only("days", "path", "key", "share"),
            "on: unknown; known is: type, days, path, key, share",
        ),
        (lambda: TABLE.flag("days"), "days: 9 is not true or false"),
    ],
)
def test_a_value_that_is_off_is_named(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], object], told: str
) -> None:
    monkeypatch.delenv("OKTA_KEY", raising=False)
    with pytest.raises(SettingsError) as caught:
        read()
    assert str(caught.value) == f"mfagap.toml:3: sources.okta.{told}"


def test_values_of_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    TABLE.only("days", "path", "key", "share", "on")
    assert (TABLE.text("path"), TABLE.text("none", "y")) == ("x", "y")
    assert (TABLE.number("days", 1), TABLE.number("none", 1)) == (9, 1)
    assert (TABLE.one_of("path", "y", "xy"), TABLE.one_of("none", "y", "xy")) == ("x", "y")
    assert (TABLE.flag("on"), TABLE.flag("none")) == (True, False)
    monkeypatch.setenv("OKTA_KEY", "the secret")
    assert TABLE.secret("key") == "the secret"
    monkeypatch.setenv("OKTA_KEY", "")
    with pytest.raises(SettingsError, match=r"'OKTA_KEY' is not set$"):
        TABLE.secret("key")


def test_a_table_of_which_there_are_no_kinds(file: Path) -> None:
    file.write_text('\n[ping]\ntype = "x"\n', encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        settings.load(file).ping.only("fail")
    assert str(caught.value) == f"{file}:3: ping.type: unknown; known is: fail"


def test_a_key_that_is_off_has_its_own_line(file: Path) -> None:
    file.write_text(
        "[sources.a]\ntype = 'x'  # days = 1\n\n 'days' = 1\n'a b'.c = 1\n[sources.b]\nother = 2\n",
        encoding="utf-8",
    )
    table = settings.load(file).sources["a"]
    told = [str(table.off(key, "is off")).removeprefix(f"{file}:") for key in ("type", "days")]
    assert told == ["2: sources.a.type: is off", "4: sources.a.days: is off"]
    for key in ("other", "a b"):  # of another table, and one that has no line of its own
        assert str(table.off(key, "is off")) == f"{file}:1: sources.a.{key}: is off"


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


def test_the_environment_is_handed_on_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", "https://example.okta.com")
    assert settings.environment()["OKTA_CLIENT_ORGURL"] == "https://example.okta.com"


PATHS = """\
state = "kept"

[sources.dropped]
type = "folder"
path = "logs"

[sources.elsewhere]
type = "folder"
path = "/var/log/okta"
"""


def test_relative_paths_count_from_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(PATHS, encoding="utf-8")
    monkeypatch.chdir("/")
    loaded = settings.load(file)
    assert loaded.state == file.parent / "kept"
    assert loaded.sources["dropped"].path("path") == file.parent / "logs"
    assert loaded.sources["elsewhere"].path("path") == Path("/var/log/okta")


def test_paths_are_absolute_however_the_file_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(PATHS, encoding="utf-8")
    monkeypatch.chdir(file.parent)
    loaded = settings.load(Path(file.name))
    assert loaded.sources["dropped"].path("path") == file.parent / "logs"


def test_a_path_that_is_missing_has_its_line(file: Path) -> None:
    file.write_text('\n[sources.a]\ntype = "folder"\n', encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        settings.load(file).sources["a"].path("path")
    assert str(caught.value) == f"{file}:2: sources.a.path: is missing; it is a text"
