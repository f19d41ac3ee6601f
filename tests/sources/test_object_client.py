"""Which bucket, with what words where it cannot be read; settings and credentials."""

import re
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.sources.stores import ENVIRONMENT, Answer, Bucket, Fault, configured, error

from mfagap import settings
from mfagap.errors import AccessRefused, SettingsError, SourceError
from mfagap.service.doctor import examine
from mfagap.service.run import sources
from mfagap.sources import object_client


@pytest.mark.parametrize("key", ["../m", "./m", "/m", "\tm", "\nm", "\x7f", "m/../../n"])
def test_a_key_that_cannot_be_listed_is_told_of(tmp_path: Path, bucket: Bucket, key: str) -> None:
    client = object_client.connect(settings.load(configured(tmp_path, bucket)).sources["feed"])
    bucket.put("okta/z", b"z")
    bucket.put(f"okta/{key}", b"m")
    with pytest.raises(SourceError) as caught:
        list(client.listed())
    told = str(caught.value)
    assert told.startswith(f"s3://{bucket.name}/okta: a key with an empty, '.' or '..' folder or")
    assert told.isprintable()
    bucket.delete(f"okta/{key}")
    assert [found.key for found in client.listed()] == ["okta/z"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (error(403, "AccessDenied"), "refused: the credentials must be allowed to list .*Denied"),
        (error(403), "refused: the credentials must be allowed to list the bucket and to read"),
        (error(403, "InvalidAccessKeyId"), "the credentials in the environment are not accepted"),
        (error(400, "ExpiredToken"), r"the credentials .* not accepted \(ExpiredToken\)$"),
        (error(401), "the credentials in the environment are not accepted$"),
        (error(301, "PermanentRedirect"), "the bucket is in another region: set `region`$"),
        (error(400, "AuthorizationHeaderMalformed"), "the bucket is in another region"),
        (error(404, "NoSuchBucket"), "there is no such bucket or container: see .*NoSuchBucket"),
        (error(418, "Teapot"), "cannot be read: .*418 I'm a teapot: .$"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.status),
)
def test_a_listing_that_is_refused_says_how_to_mend_it(
    tmp_path: Path, bucket: Bucket, fault: Answer, told: str
) -> None:
    client = object_client.connect(settings.load(configured(tmp_path, bucket)).sources["feed"])
    bucket.put("okta/a", b"a")
    bucket.front.faults.append(Fault("list-type", fault))
    with pytest.raises(SourceError) as caught:
        list(client.listed())
    said = str(caught.value)
    name = f"s3://{bucket.name}/okta: "
    assert said.startswith(name)
    assert re.search("^" + told, said.removeprefix(name)), said
    assert said.isprintable()
    bucket.front.faults.clear()
    assert [found.key for found in client.listed()] == ["okta/a"]


def test_without_credentials(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", bucket.front.url)  # no machine in a cloud
    monkeypatch.setattr(object_client, "RETRIES", 0)
    client = object_client.connect(settings.load(configured(tmp_path, bucket)).sources["feed"])
    words = "no credentials: docs/object-stores.md names the variables that hold them"
    with pytest.raises(AccessRefused, match=f"^s3://{bucket.name}/okta: {words}$"):
        list(client.listed())


def test_an_object_that_there_is_no_place_for(tmp_path: Path, bucket: Bucket) -> None:
    client = object_client.connect(settings.load(configured(tmp_path, bucket)).sources["feed"])
    bucket.put("okta/a", b"a")
    (found,) = client.listed()
    with pytest.raises(SourceError) as caught:
        client.save(found, tmp_path / "absent")
    words = "there is no place to keep it: No such file or directory"
    assert str(caught.value) == f"s3://{bucket.name}: 'okta/a': {words}"


def checked(file: Path) -> tuple[str, str]:
    (check,) = (each for each in examine(settings.load(file)) if each.subject == "sources.feed")
    return check.outcome.value, check.words


def test_doctor_lists_and_reads_a_byte(bucket: Bucket, tmp_path: Path) -> None:
    file = configured(tmp_path, bucket)
    name = f"s3://{bucket.name}/okta"
    words = f"{name}: no object is there yet: are the names right?"
    assert checked(file) == ("unknown", words)
    bucket.put("okta/a", b"a")
    assert checked(file) == ("ok", f"{name}: it can be listed, and its objects read")
    bucket.front.faults.append(Fault("okta/a", error(403, "AccessDenied")))
    outcome, words = checked(file)
    assert outcome == "fail"
    assert words.startswith(f"s3://{bucket.name}: 'okta/a': refused: the credentials must")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('type = "s3"\n', "bucket: is missing; it is a text"),
        ('type = "s3"\nbucket = "s3://b"\n', "bucket: 's3://b' is no name; it has no scheme, "),
        ('type = "s3"\nbucket = "b"\nsecret_access_key = "x"\n', "secret_access_key: unknown; "),
        ('type = "s3"\nbucket = "b"\nprefix = "/a"\n', "prefix: '/a': names whole folders, as in"),
        ('type = "s3"\nbucket = "b"\nprefix = "a//b"\n', "prefix: 'a//b': names whole folders"),
        ('type = "s3"\nbucket = "b"\nprefix = "a/.."\n', "prefix: 'a/..': names whole folders"),
        ('type = "s3"\nbucket = "b"\nendpoint = "x:1"\n', "endpoint: 'x:1' is no URL that begins"),
        ('type = "s3"\nbucket = "b"\nlookback_hours = -1\n', "lookback_hours: -1 is negative"),
        ('type = "s3"\nbucket = "b"\nlateness_s = "1"\n', "lateness_s: '1' is not a whole number"),
        ('type = "gcs"\nbucket = "b"\nregion = "x"\n', "region: unknown; known is: type, bucket, "),
        ('type = "gcs"\n', "bucket: is missing; it is a text"),
        ('type = "azure"\ncontainer = "c"\n', "account: is missing; it is a text"),
        ('type = "azure"\naccount = "a"\n', "container: is missing; it is a text"),
    ],
)
def test_settings_that_are_off(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mfagap.toml"
    file.write_text(f"[sources.feed]\n{text}", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        list(sources(settings.load(file), ExitStack()))
    lines = (n for n, line in enumerate(text.splitlines(), start=2) if line.startswith(told[:6]))
    assert str(caught.value).startswith(f"{file}:{next(lines, 1)}: sources.feed.{told}")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('type = "s3"\nbucket = "b"\nprefix = "okta/"\n', "s3://b/okta"),
        ('type = "gcs"\nbucket = "b.example.com"\n', "gs://b.example.com/"),
        ('type = "azure"\naccount = "acme"\ncontainer = "$logs"\n', "az://acme/$logs/"),
        (
            'type = "azure"\naccount = "a"\ncontainer = "c"\nendpoint = "http://127.0.0.1:1"\n',
            "az://a/c/",
        ),
    ],
)
def test_each_kind_can_be_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where Google's credentials would be
    file = tmp_path / "mfagap.toml"
    file.write_text(f"[sources.feed]\n{text}", encoding="utf-8")
    assert object_client.connect(settings.load(file).sources["feed"]).name == name


def test_credentials_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    file = tmp_path / "mfagap.toml"
    file.write_text('[sources.feed]\ntype = "gcs"\nbucket = "b"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"feed\.type: cannot be set up: .*") as caught:
        object_client.connect(settings.load(file).sources["feed"])
    assert "\n" not in str(caught.value)


def test_without_the_extra_the_error_names_it(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    file = configured(tmp_path, bucket)
    told = "sources.feed.type: 's3' needs obstore: pip install 'mfagap[object-store]'"
    outcome, words = checked(file)
    assert (outcome, words) == ("fail", f"{file}:4: {told}")
