"""The only reader of the environment and of settings files.

A settings file is TOML::

    [detections.okta_legacy_authn_without_mfa]
    dedup_key = "external_session_id"

    [[detections.okta_legacy_authn_without_mfa.lists.trusted_api_tokens]]
    api_token_id = "00T1portal0000000001"

``sources`` and ``routes`` hold a table each for what `mfagap run` reads, and whom it tells.
``MFAGAP_CONFIG`` names one where ``--config`` does not; ``NO_COLOR`` turns color off.
"""

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from mfagap.errors import SettingsError

_T = TypeVar("_T")


NUMBERS = ("keep_days", "flood_limit", "suppression_days")
"""Keys of the top that are whole numbers."""

KEYS = ("detections", "state", *NUMBERS, "sources", "routes", "metrics", "ping")
ALONE = ("metrics", "ping")
"""Keys that hold one table; each of the rest holds one for each name, or a value."""

FLOOD_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the settings, whose keys its kind knows.

    Attributes:
        where: ``file:line`` of its head.
        name: Its own name, such as ``sources.okta``; empty for the top of the file.
        values: As TOML has them.
        folder: The settings file's, from which relative paths count.
        places: ``file:line`` of its keys, as far as they have lines of their own below its head.
    """

    where: str
    name: str
    values: Mapping[str, Any]
    folder: Path = Path()
    places: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)

    def only(self, *known: str) -> None:
        """Allow the keys ``known``, beside ``type`` where there are kinds of such a table.

        Raises:
            SettingsError: There is another; names file, line and what is known.
        """
        known = known if self.name in ALONE else ("type", *known)
        for key in self.values:
            if key not in known:
                raise self.off(key, f"unknown; known is: {', '.join(known)}")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text.

        Raises:
            SettingsError: It is missing, or something else.
        """
        return self._value(key, default, str, "a text")

    def one_of(self, key: str, default: str, known: Collection[str]) -> str:
        """Return a text that is one of ``known``.

        Raises:
            SettingsError: It is something else.
        """
        text = self.text(key, default)
        if text not in known:
            raise self.off(key, f"{text!r} is none of: {', '.join(known)}")
        return text

    def path(self, key: str) -> Path:
        """Return a path, absolute; a relative one counts from the settings file's folder.

        Raises:
            SettingsError: It is missing, or no text.
        """
        return (self.folder / self.text(key)).absolute()

    def number(self, key: str, default: int) -> int:
        """Return a whole number that is not negative.

        Raises:
            SettingsError: It is something else.
        """
        number = self._value(key, default, int, "a whole number")
        if number < 0:
            raise self.off(key, f"{number} is negative")
        return number

    def flag(self, key: str) -> bool:
        """Return whether ``key`` is set to true.

        Raises:
            SettingsError: It is something else than true or false.
        """
        return self._value(key, default=False, kind=bool, words="true or false")

    def secret(self, key: str) -> str:
        """Return the value of the environment variable that ``key`` names.

        Raises:
            SettingsError: It names none that is set.
        """
        variable = self.text(key)
        value = os.environ.get(variable)
        if not value:
            raise self.off(key, f"the environment variable {variable!r} is not set")
        return value

    def _value(self, key: str, default: _T | None, kind: type[_T], words: str) -> _T:
        value = self.values.get(key, default)
        if value is None:
            raise self.off(key, f"is missing; it is {words}")
        if type(value) is not kind:
            raise self.off(key, f"{value!r} is not {words}")
        return value

    def off(self, key: str, what: str) -> SettingsError:
        """Return the error that says what is wrong with ``key``."""
        place = f"{self.name}.{key}" if self.name else key
        return SettingsError(f"{self.places.get(key, self.where)}: {place}: {what}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the settings say.

    Attributes:
        file: Where they stand, for errors.
        detections: By id; see ``detect.customize``.
        no_color: Whether output must carry no color (the NO_COLOR convention).
        state: The folder of lake and state; a relative path counts from the settings file.
        keep_days: How long the lake keeps an event.
        flood_limit: Sessions that one policy rule may let in within 24 hours before the rule is
            the matter.
        suppression_days: How long a suppression may last.
        sources: What `mfagap run` reads, by name.
        routes: Whom it tells, by name.
        metrics: Where it tells how it fares.
        ping: Whom it tells that it is alive.
    """

    file: str = "(defaults)"
    detections: Mapping[str, Table] = field(default_factory=dict[str, Table])
    no_color: bool = False
    state: Path = Path("mfagap-state")
    keep_days: int = 120
    flood_limit: int = FLOOD_LIMIT
    suppression_days: int = 90
    sources: Mapping[str, Table] = field(default_factory=dict[str, Table])
    routes: Mapping[str, Table] = field(default_factory=dict[str, Table])
    metrics: Table = Table("(defaults)", "metrics", {})
    ping: Table = Table("(defaults)", "ping", {})


def load(file: Path | None = None) -> Settings:
    """Return the settings in ``file``, or in what ``MFAGAP_CONFIG`` names; else the defaults.

    Raises:
        SettingsError: The file cannot be read, is no TOML, or has an unknown key.
    """
    no_color = bool(os.environ.get("NO_COLOR"))
    named = os.environ.get("MFAGAP_CONFIG")
    if file is None and named:
        file = Path(named)
    if file is None:
        return Settings(no_color=no_color)
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: no TOML: {error}") from error
    for key in data:
        if key not in KEYS:
            known = ", ".join(KEYS)
            raise SettingsError(f"{_at(file, text, key)}: unknown key {key!r}; known is: {known}")
    top = {key: Table(_at(file, text, key), "", data, file.parent) for key in ("state", *NUMBERS)}
    alone = {key: _alone(file, text, key, data.get(key, {})) for key in ALONE}
    named = [key for key in KEYS if key not in (*top, *ALONE)]
    tables = {key: _tables(file, text, key, data.get(key, {})) for key in named}
    return Settings(
        file=str(file),
        detections=tables["detections"],
        no_color=no_color,
        state=file.parent / top["state"].text("state", "mfagap-state"),
        keep_days=top["keep_days"].number("keep_days", 120),
        flood_limit=top["flood_limit"].number("flood_limit", FLOOD_LIMIT),
        suppression_days=top["suppression_days"].number("suppression_days", 90),
        sources=tables["sources"],
        routes=tables["routes"],
        **alone,
    )


def environment() -> Mapping[str, str]:
    """Return the environment as it is now, for those that may not read it themselves."""
    return dict(os.environ)


def _alone(file: Path, text: str, key: str, given: Any) -> Table:
    """Return the one table under ``key``."""
    if not isinstance(given, dict):
        raise SettingsError(f"{_at(file, text, key)}: {key} must be a table")
    where = _at(file, text, key)
    values = cast("dict[str, Any]", given)
    return Table(where, key, values, file.parent, _places(file, text, where))


def _tables(file: Path, text: str, key: str, given: Any) -> dict[str, Table]:
    """Return the tables under ``key``, by name."""
    if not isinstance(given, dict) or not all(
        isinstance(table, dict) for table in cast("dict[str, Any]", given).values()
    ):
        raise SettingsError(f"{_at(file, text, key)}: {key} must hold tables")
    tables: dict[str, Table] = {}
    for name, values in cast("dict[str, dict[str, Any]]", given).items():
        where = _at(file, text, key, name)
        places = _places(file, text, where)
        tables[name] = Table(where, f"{key}.{name}", values, file.parent, places)
    return tables


def _at(file: Path, text: str, *keys: str) -> str:
    """Return ``file:line`` of the first line that names ``keys``, quoted or not."""
    path = r"\s*\.\s*".join(f"[\"']?{re.escape(key)}[\"']?" for key in keys)
    pattern = re.compile(rf"\s*\[*\s*{path}(?![\w-])")
    lines = enumerate(text.splitlines(), start=1)
    return f"{file}:{next((n for n, line in lines if pattern.match(line)), 1)}"


def _places(file: Path, text: str, where: str) -> dict[str, str]:
    """Return ``file:line`` of each key that stands below the head at ``where``."""
    head = int(where.rpartition(":")[2])
    places: dict[str, str] = {}
    for number, line in enumerate(text.splitlines()[head:], start=head + 1):
        if line.lstrip().startswith("["):
            break
        if found := re.match(r"\s*[\"']?([^\s\"'=.#]+)[\"']?\s*=", line):
            places.setdefault(found[1], f"{file}:{number}")
    return places
