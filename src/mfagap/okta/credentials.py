"""Credentials for Okta, under the names that people already have.

They come from the environment or from ``okta.yaml``, never from an option: a command line is seen
by everybody on the machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import yaml

from mfagap.errors import SettingsError

DEFAULT_SCOPES = ("okta.logs.read",)
"""What a service app asks for where nothing else is said."""

SDK = {
    "url": "OKTA_CLIENT_ORGURL",
    "token": "OKTA_CLIENT_TOKEN",
    "client": "OKTA_CLIENT_CLIENTID",
    "key": "OKTA_CLIENT_PRIVATEKEY",
    "key_id": "OKTA_CLIENT_PRIVATEKEYID",
    "scopes": "OKTA_CLIENT_SCOPES",
    "mode": "OKTA_CLIENT_AUTHORIZATIONMODE",
}
TERRAFORM = {
    "org": "OKTA_ORG_NAME",
    "base": "OKTA_BASE_URL",
    "token": "OKTA_API_TOKEN",
    "client": "OKTA_API_CLIENT_ID",
    "key": "OKTA_API_PRIVATE_KEY",
    "key_id": "OKTA_API_PRIVATE_KEY_ID",
    "scopes": "OKTA_API_SCOPES",
}
YAML = {
    "url": "orgUrl",
    "token": "token",
    "client": "clientId",
    "key": "privateKey",
    "key_id": "privateKeyId",
    "scopes": "scopes",
    "mode": "authorizationMode",
}
_STARTS = ("url", "org", "token", "client", "key")


class Secret:
    """A text that shows itself only when asked to, and so in no log and no traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; only for what is sent to Okta."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a secret is not written down")


@dataclass(frozen=True, slots=True)
class ServiceApp:
    """An OAuth 2 service app that shows who it is by a JWT of its private key.

    Attributes:
        client_id: Of the app.
        private_key: PEM, or a JWK as JSON.
        key_id: The key's ``kid`` at Okta; None where a JWK has it, or the app has one key.
        scopes: To ask for.
    """

    client_id: str
    private_key: Secret
    key_id: str | None = None
    scopes: tuple[str, ...] = DEFAULT_SCOPES


@dataclass(frozen=True, slots=True)
class Credentials:
    """An org and how to be let in; neither ``repr`` nor ``str`` shows a secret.

    Attributes:
        org_url: Such as ``https://example.okta.com``, without a slash at the end.
        access: An API token (SSWS), or a service app.
    """

    org_url: str
    access: Secret | ServiceApp


@dataclass(frozen=True, slots=True)
class _Place:
    """One place that credentials may stand in: its name, and what each is called there."""

    name: str
    names: Mapping[str, str]
    values: Mapping[str, str]
    home: Path

    @property
    def begun(self) -> bool:
        return any(self.values.get(word) for word in _STARTS)

    @property
    def missing(self) -> list[str]:
        """What is not there, in this place's own words."""
        lacks = [
            self.names[word]
            for word in ("url", "org")
            if word in self.names and word not in self.values
        ]
        if "token" in self.values or {"client", "key"} <= self.values.keys():
            return lacks
        if "client" in self.values or "key" in self.values:
            return lacks + [self.names[w] for w in ("client", "key") if w not in self.values]
        client, key = self.names["client"], self.names["key"]
        return [*lacks, f"{self.names['token']} (or {client} and {key})"]


def find(environ: Mapping[str, str], home: Path, folder: Path | None = None) -> Credentials:
    """Return the first whole set of credentials.

    Places are tried in this order: the Okta SDKs' variables, Terraform's, ``okta.yaml`` in
    ``folder``, ``.okta/okta.yaml`` in ``home``. None is completed from another, so that no token is
    sent to an org that another place names.

    Args:
        environ: The environment.
        home: The user's home folder.
        folder: Where an ``okta.yaml`` may lie, usually the current folder; None for none.

    Raises:
        SettingsError: Nothing is set, or no place is complete, or a value is of no use. The message
            says what is missing, and never a value that may be secret.
    """
    begun: list[_Place] = []
    for place in _places(environ, home, folder):
        if place.begun:
            if not place.missing:
                return _credentials(place)
            begun.append(place)
    if not begun:
        raise SettingsError(
            "no Okta credentials: set OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN, or instead of the "
            "token OKTA_CLIENT_CLIENTID and OKTA_CLIENT_PRIVATEKEY; Terraform's variables and "
            "okta.yaml do as well"
        )
    raise SettingsError(
        "Okta credentials are not complete: "
        + "; ".join(f"{place.name}: set {' and '.join(place.missing)}" for place in begun)
    )


def _places(environ: Mapping[str, str], home: Path, folder: Path | None) -> Iterator[_Place]:
    for names in (SDK, TERRAFORM):
        values = {word: text for word, name in names.items() if (text := environ.get(name, ""))}
        if names is SDK and (kid := environ.get("OKTA_CLIENT_KID")):  # the Python SDK's name
            values.setdefault("key_id", kid)
        yield _Place("environment", names, _stripped(values), home)
    files = [home / ".okta" / "okta.yaml"]
    if folder is not None:
        files.insert(0, folder / "okta.yaml")
    for file in files:
        yield _Place(str(file), YAML, _stripped(_from_yaml(file)), home)


def _stripped(values: Mapping[str, str]) -> dict[str, str]:
    return {word: text.strip() for word, text in values.items() if text.strip()}


def _from_yaml(file: Path) -> dict[str, str]:
    problem = ""
    data: Any = None
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{file}: cannot be read: {type(error).__name__}"
    except yaml.MarkedYAMLError as error:
        # Not the error itself: it quotes the line, which may hold the token.
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = f"{file}:{line}: no YAML"
    except yaml.YAMLError:
        problem = f"{file}: no YAML"
    if problem:
        raise SettingsError(problem)
    for key in ("okta", "client"):
        data = cast("dict[str, Any]", data).get(key) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        return {}
    client = cast("dict[str, Any]", data)
    client = {"privateKeyId": client.get("kid"), **client}
    return {word: _text(client[name]) for word, name in YAML.items() if client.get(name)}


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in cast("Sequence[object]", value))
    return str(value)


def _credentials(place: _Place) -> Credentials:
    values, names = place.values, place.names
    if "url" in names:
        org_url = _org_url(values["url"], f"{place.name}: {names['url']}")
    else:
        base = values.get("base", "okta.com")
        org_url = _org_url(
            f"https://{values['org']}.{base}", f"{place.name}: {names['org']} and {names['base']}"
        )
    app = {"client", "key"} <= values.keys()
    if "token" in values and (not app or values.get("mode", "").upper() == "SSWS"):
        return Credentials(org_url, _token(values["token"], f"{place.name}: {names['token']}"))
    return Credentials(
        org_url,
        ServiceApp(
            client_id=values["client"],
            private_key=_private_key(
                values["key"], place.home, f"{place.name}: {place.names['key']}"
            ),
            key_id=values.get("key_id"),
            scopes=tuple(values.get("scopes", "").replace(",", " ").split()) or DEFAULT_SCOPES,
        ),
    )


def _token(text: str, where: str) -> Secret:
    # What cannot stand in a header would be quoted by whoever refuses it later.
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise SettingsError(f"{where}: not an API token: it holds a blank or a strange character")
    return Secret(text)


def _private_key(text: str, home: Path, where: str) -> Secret:
    """Return the key that ``text`` is, or that stands in the file it names."""
    if text.startswith(("-----BEGIN", "{")):
        return Secret(text.replace("\\n", "\n") if text.startswith("-") else text)
    # The text is not shown: it may be a key that lost its first line.
    problem = f"{where}: neither PEM, nor a JWK as JSON, nor the path of a file with one"
    if "\n" in text or len(text) > 1024:
        raise SettingsError(problem)
    path = home / text[2:] if text.startswith("~/") else Path(text)
    key = ""
    with suppress(OSError, ValueError):
        key = path.read_text(encoding="ascii").strip()
    if not key.startswith(("-----BEGIN", "{")):
        raise SettingsError(problem)
    return Secret(key)


def _org_url(text: str, where: str) -> str:
    """Return the org's URL in one spelling: scheme and host, without a slash at the end."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), ""
    if parts.username is not None or parts.password is not None:
        raise SettingsError(f"{where}: a URL with a name or password in it")
    if not host or parts.path.strip("/") or parts.query or parts.fragment or "{" in text:
        raise SettingsError(f"{where}: not the URL of an org, such as https://example.okta.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise SettingsError(f"{where}: must begin with https://, since a token is sent there")
    if "-admin.okta" in host:  # an org's own domain may well end so
        raise SettingsError(
            f"{where}: this is the admin console's address; leave out -admin: "
            f"https://{host.replace('-admin.', '.', 1)}"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
