"""The only reader of the environment and of settings files.

A settings file is TOML::

    [detections.okta_legacy_authn_without_mfa]
    dedup_key = "external_session_id"

    [[detections.okta_legacy_authn_without_mfa.lists.trusted_api_tokens]]
    api_token_id = "00T1portal0000000001"

``MFAGAP_CONFIG`` names one where ``--config`` does not; ``NO_COLOR`` turns color off.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from mfagap.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Settings:
    """What the settings say.

    Attributes:
        file: Where they stand, for errors.
        detections: Tables by detection id; see ``detect.customize``.
        no_color: Whether output must carry no color (the NO_COLOR convention).
    """

    file: str = "(defaults)"
    detections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    no_color: bool = False


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
        if key != "detections":
            raise SettingsError(
                f"{_at(file, text, key)}: unknown key {key!r}; known is: detections"
            )
    tables: Any = data.get("detections", {})
    if not isinstance(tables, dict) or not all(
        isinstance(table, dict) for table in cast("dict[str, Any]", tables).values()
    ):
        raise SettingsError(f"{_at(file, text, 'detections')}: detections must hold tables")
    return Settings(str(file), cast("dict[str, dict[str, Any]]", tables), no_color)


def _at(file: Path, text: str, key: str) -> str:
    """Return ``file:line`` of the first line that names ``key``."""
    pattern = re.compile(rf"\s*\[*\s*\"?{re.escape(key)}\b")
    lines = enumerate(text.splitlines(), start=1)
    return f"{file}:{next((n for n, line in lines if pattern.match(line)), 1)}"
