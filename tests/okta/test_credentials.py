"""Where credentials come from, what is said when they are off, and that no secret is ever shown."""

import copy
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.okta.orgs import pem, rsa_key, shown

from mfagap.errors import SettingsError
from mfagap.okta.credentials import Credentials, Secret, ServiceApp, find

TOKEN = "00tokenToSearchFor"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIkeyToSearchFor\n-----END PRIVATE KEY-----"
ORG = "https://example.okta.com"
SDK = {"OKTA_CLIENT_ORGURL": ORG, "OKTA_CLIENT_TOKEN": TOKEN}
SDK_APP = {
    "OKTA_CLIENT_ORGURL": ORG,
    "OKTA_CLIENT_CLIENTID": "0oa1",
    "OKTA_CLIENT_PRIVATEKEY": KEY,
}
TERRAFORM = {"OKTA_ORG_NAME": "example", "OKTA_BASE_URL": "okta.com", "OKTA_API_TOKEN": TOKEN}
BY_TOKEN = Credentials(ORG, Secret(TOKEN))
BY_APP = Credentials(ORG, ServiceApp("0oa1", Secret(KEY)))


def refusal(environ: Mapping[str, str], home: Path) -> str:
    """Return what is said of credentials that are off, having searched it for secrets."""
    with pytest.raises(SettingsError) as caught:
        find(environ, home, home)
    assert "ToSearchFor" not in shown(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (SDK, BY_TOKEN),
        (SDK | {"OKTA_CLIENT_ORGURL": " https://Example.okta.com/ "}, BY_TOKEN),
        (TERRAFORM, BY_TOKEN),
        (SDK_APP, BY_APP),
        (SDK_APP | {"OKTA_CLIENT_PRIVATEKEY": KEY.replace("\n", "\\n")}, BY_APP),
        (SDK_APP | {"OKTA_CLIENT_TOKEN": TOKEN}, BY_APP),
        (
            SDK_APP | {"OKTA_CLIENT_TOKEN": TOKEN, "OKTA_CLIENT_AUTHORIZATIONMODE": "SSWS"},
            BY_TOKEN,
        ),
        (
            SDK_APP | {"OKTA_CLIENT_SCOPES": "a,b c", "OKTA_CLIENT_PRIVATEKEYID": "k"},
            Credentials(ORG, ServiceApp("0oa1", Secret(KEY), "k", ("a", "b", "c"))),
        ),
        (
            SDK_APP | {"OKTA_CLIENT_KID": "k"},
            Credentials(ORG, ServiceApp("0oa1", Secret(KEY), "k")),
        ),
        (
            {
                "OKTA_ORG_NAME": "example",
                "OKTA_BASE_URL": "oktapreview.com",
                "OKTA_API_CLIENT_ID": "0oa1",
                "OKTA_API_PRIVATE_KEY": KEY,
                "OKTA_API_PRIVATE_KEY_ID": "k",
                "OKTA_API_SCOPES": "okta.policies.read,okta.logs.read",
            },
            Credentials(
                "https://example.oktapreview.com",
                ServiceApp("0oa1", Secret(KEY), "k", ("okta.policies.read", "okta.logs.read")),
            ),
        ),
        ({"OKTA_CLIENT_ORGURL": "https://other.example"} | TERRAFORM, BY_TOKEN),
        ({**SDK, "OKTA_CLIENT_ORGURL": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ({**SDK, "OKTA_CLIENT_ORGURL": "http://localhost:80/"}, "http://localhost:80"),
        ({**SDK, "OKTA_CLIENT_ORGURL": "http://[::1]:80"}, "http://[::1]:80"),
        (
            {**SDK, "OKTA_CLIENT_ORGURL": "https://x-admin.example.com"},
            "https://x-admin.example.com",
        ),
    ],
)
def test_the_environment(
    environ: Mapping[str, str], expected: Credentials | str, tmp_path: Path
) -> None:
    found = find(environ, tmp_path)
    assert (found.org_url if isinstance(expected, str) else found) == expected


def test_okta_yaml_in_the_folder_then_at_home(tmp_path: Path) -> None:
    home = tmp_path / ".okta" / "okta.yaml"
    home.parent.mkdir()
    home.write_text(f"okta:\n  client:\n    orgUrl: {ORG}\n    token: {TOKEN}\n")
    assert find({}, tmp_path, tmp_path) == BY_TOKEN
    here = tmp_path / "okta.yaml"
    client = {"orgUrl": ORG, "clientId": "0oa1", "privateKey": KEY, "scopes": ["a", "b"]}
    here.write_text(json.dumps({"okta": {"client": client | {"kid": "k"}}}))
    assert find({}, tmp_path) == BY_TOKEN
    app = ServiceApp("0oa1", Secret(KEY), "k", ("a", "b"))
    assert find({}, tmp_path, tmp_path) == Credentials(ORG, app)
    assert find(SDK, tmp_path, tmp_path) == BY_TOKEN


def test_a_folder_s_file_never_gets_the_token_from_home(tmp_path: Path) -> None:
    (tmp_path / ".okta").mkdir()
    (tmp_path / ".okta" / "okta.yaml").write_text(f"okta: {{client: {{token: {TOKEN}}}}}")
    (tmp_path / "okta.yaml").write_text("okta: {client: {orgUrl: https://evil.example}}")
    text = refusal({}, tmp_path)
    assert f"{tmp_path / 'okta.yaml'}: set token (or clientId and privateKey)" in text
    assert f"{tmp_path / '.okta' / 'okta.yaml'}: set orgUrl" in text


@pytest.mark.parametrize("text", ["", "okta: 1", "- okta", "okta: {client: }", "okta: {idx: {}}"])
def test_a_file_without_a_client_is_no_place(text: str, tmp_path: Path) -> None:
    (tmp_path / "okta.yaml").write_text(text)
    assert refusal({}, tmp_path).startswith("no Okta credentials: set OKTA_CLIENT_ORGURL and")


def test_a_file_that_cannot_be_read_shows_nothing_of_itself(tmp_path: Path) -> None:
    file = tmp_path / "okta.yaml"
    file.write_text(f"okta:\n  client:\n    token: '{TOKEN}\n")
    assert refusal({}, tmp_path).endswith("okta.yaml:4: no YAML")
    file.write_text(f"okta: {TOKEN}\x00")
    assert refusal({}, tmp_path).endswith("okta.yaml: no YAML")
    file.write_bytes(TOKEN.encode() + b"\xff")
    assert refusal({}, tmp_path).endswith("okta.yaml: cannot be read: UnicodeDecodeError")
    file.unlink()
    file.mkdir()
    assert refusal({}, tmp_path).endswith("okta.yaml: cannot be read: IsADirectoryError")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "Terraform's variables and okta.yaml do as well"),
        (
            {"OKTA_CLIENT_ORGURL": ORG},
            "environment: set OKTA_CLIENT_TOKEN (or OKTA_CLIENT_CLIENTID and OKTA_CLIENT_PRIVATEKE",
        ),
        ({"OKTA_CLIENT_TOKEN": TOKEN}, "environment: set OKTA_CLIENT_ORGURL"),
        ({"OKTA_CLIENT_TOKEN": TOKEN, "OKTA_CLIENT_ORGURL": " "}, "set OKTA_CLIENT_ORGURL"),
        (
            {"OKTA_CLIENT_ORGURL": ORG, "OKTA_CLIENT_CLIENTID": "0oa1"},
            "environment: set OKTA_CLIENT_PRIVATEKEY",
        ),
        ({"OKTA_API_TOKEN": TOKEN}, "environment: set OKTA_ORG_NAME"),
        (SDK | {"OKTA_CLIENT_TOKEN": f"{TOKEN} 2"}, "OKTA_CLIENT_TOKEN: not an API token"),
        (SDK | {"OKTA_CLIENT_TOKEN": f"{TOKEN}é"}, "OKTA_CLIENT_TOKEN: not an API token"),
        (SDK | {"OKTA_CLIENT_TOKEN": f"{TOKEN}\r\nX: y"}, "OKTA_CLIENT_TOKEN: not an API token"),
        (
            SDK_APP | {"OKTA_CLIENT_PRIVATEKEY": "MIIkeyToSearchFor"},
            "OKTA_CLIENT_PRIVATEKEY: neither PEM, nor a JWK as JSON, nor the path of a file",
        ),
        (SDK_APP | {"OKTA_CLIENT_PRIVATEKEY": "keyToSearchFor\nmore"}, "neither PEM"),
        (SDK_APP | {"OKTA_CLIENT_PRIVATEKEY": "keyToSearchFor" * 1000}, "neither PEM"),
    ],
)
def test_what_is_off_is_named(environ: Mapping[str, str], said: str, tmp_path: Path) -> None:
    assert said in refusal(environ, tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.okta.com", "must begin with https://"),
        ("http://127.0.0.1.example.com", "must begin with https://"),
        ("ftp://127.0.0.1", "must begin with https://"),
        ("https://example-admin.okta.com", "leave out -admin: https://example.okta.com"),
        ("https://me:keyToSearchFor@example.okta.com", "a URL with a name or password in it"),
        ("example.okta.com", "not the URL of an org"),
        ("https://{yourOktaDomain}", "not the URL of an org"),
        ("https://example.okta.com/api/v1", "not the URL of an org"),
        ("https://example.okta.com?a=b", "not the URL of an org"),
        ("https://example.okta.com:port", "not the URL of an org"),
        ("https://[::1", "not the URL of an org"),
    ],
)
def test_urls_that_are_refused(url: str, said: str, tmp_path: Path) -> None:
    text = refusal(SDK | {"OKTA_CLIENT_ORGURL": url}, tmp_path)
    assert text.startswith("environment: OKTA_CLIENT_ORGURL: ")
    assert said in text


def test_a_key_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "app.key"
    for text in (pem(rsa_key()).strip(), json.dumps(rsa_key().as_dict(private=True))):
        file.write_text(text + "\n")
        for name in (str(file), "~/app.key"):
            access = find(SDK_APP | {"OKTA_CLIENT_PRIVATEKEY": name}, tmp_path).access
            assert isinstance(access, ServiceApp)
            assert access.private_key == Secret(text)
    file.write_text("keyToSearchFor")
    assert "neither PEM" in refusal(SDK_APP | {"OKTA_CLIENT_PRIVATEKEY": str(file)}, tmp_path)


def test_no_representation_shows_a_secret() -> None:
    secret = Secret(TOKEN)
    for thing in (secret, BY_TOKEN, BY_APP, [secret], {"token": secret}):
        for text in (repr(thing), str(thing), f"{thing}", f"{thing!r}", f"{thing!a}"):
            assert "ToSearchFor" not in text
    with pytest.raises(TypeError, match="not written down"):
        copy.deepcopy(secret)
    with pytest.raises(TypeError, match="not written down"):
        dataclasses.asdict(BY_TOKEN)


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a").reveal() == "a"
