"""The client of an object store (S3, GCS, Azure): lists, downloads, and says what is wrong.

Credentials are the environment's, which obstore reads: no setting holds one.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mfagap.errors import AccessRefused, SourceError
from mfagap.model import Delivery
from mfagap.settings import Table

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import (
        AzureConfig,
        AzureStore,
        ClientConfig,
        GCSStore,
        RetryConfig,
        S3Config,
        S3Store,
    )

KINDS = ("azure", "gcs", "s3")
"""Types of sources, as the settings name them, that are object stores."""

PAGE = 1000
RETRIES = 8
RETRY_FOR = timedelta(seconds=30)

DEBUG = "\n\nDebug source:"
"""What obstore puts between the words of an error and its innards."""

_CODE = re.compile(r"<Code>(\w+)</Code>")
_MEANINGS: tuple[tuple[re.Pattern[str], type[SourceError], str], ...] = (
    (
        re.compile("<Code>(NoSuchBucket|ContainerNotFound)<"),
        SourceError,
        "there is no such bucket or container: see the source's settings",
    ),
    (
        # Of a machine in the cloud, which is asked where the environment holds none.
        re.compile("/latest/(api/token|meta-data)|/computeMetadata/|/metadata/identity"),
        AccessRefused,
        "no credentials: docs/object-stores.md names the variables that hold them",
    ),
    (
        re.compile("redirect without LOCATION|<Code>AuthorizationHeaderMalformed<"),
        SourceError,
        "the bucket is in another region: set `region`",
    ),
    (
        re.compile(
            "<Code>(AuthenticationFailed|ExpiredToken|InvalidAccessKeyId|InvalidToken|"
            "SignatureDoesNotMatch)<|status code: 401 "
        ),
        AccessRefused,
        "the credentials in the environment are not accepted",
    ),
    (
        re.compile("<Code>(InvalidObjectState|BlobArchived)<"),
        SourceError,
        "is archived, and must be restored first; the first reading passes over what was written "
        "more than `backfill_days` ago",
    ),
    (
        re.compile("status code: 403 "),
        AccessRefused,
        "refused: the credentials must be allowed to list the bucket and to read its objects (on "
        "S3: s3:ListBucket, s3:GetObject, and kms:Decrypt where it is encrypted with a key)",
    ),
    (
        re.compile("^Object at location"),
        SourceError,
        "was listed, and is not there: it was deleted meanwhile, or its key begins or ends with /, "
        "which cannot be read",
    ),
    (
        re.compile("invalid path"),
        SourceError,
        "a key with an empty, '.' or '..' folder or a control character cannot be listed, nor what "
        "comes after it: delete it, or set `prefix` to folders without it",
    ),
    (
        re.compile("builder error"),
        SourceError,
        "the environment names an endpoint without TLS: set `endpoint`, which allows it",
    ),
    (
        re.compile("error sending request|timed out"),
        SourceError,
        "cannot be reached: does the network lead there, and are `endpoint` and `region` right?",
    ),
)


@dataclass(frozen=True, slots=True)
class Object:
    """An object as it was listed; its ``tag`` changes with its content."""

    key: str
    tag: str
    size: int
    modified_ms: int


@dataclass(frozen=True, slots=True)
class Client:
    """Reads below a prefix of one bucket or container.

    Attributes:
        url: Bucket or container, as in ``s3://bucket``.
        store: obstore's, which tries again by itself where that may help.
        prefix: Whole folders, or empty.
    """

    url: str
    store: "AzureStore | GCSStore | S3Store"
    prefix: str

    @property
    def name(self) -> str:
        """Where it reads."""
        return f"{self.url}/{self.prefix}"

    def listed(self, after: str | None = None) -> Iterator[Object]:
        """Yield the objects whose keys sort after ``after``.

        Raises:
            AccessRefused: The credentials do not suffice.
            SourceError: They cannot be listed.
        """
        from obstore.exceptions import BaseError

        obstore: Any = import_module("obstore")  # its types lead to a package that it goes without
        pages: Iterable[Sequence[ObjectMeta]] = obstore.list(
            self.store, self.prefix or None, offset=after, chunk_size=PAGE
        )
        try:
            for page in pages:
                for meta in page:
                    modified_ms = round(meta["last_modified"].timestamp() * 1000)
                    tag = meta["e_tag"] or f"{meta['size']} {modified_ms}"
                    yield Object(meta["path"], tag, meta["size"], modified_ms)
        except (BaseError, OSError) as error:
            raise self._failure(error, None) from None

    def save(self, one: Object, scratch: Path) -> Delivery:
        """Write an object to a file, whose name says nothing of the key.

        Raises:
            AccessRefused: The credentials do not suffice.
            SourceError: It cannot be read whole.
        """
        import obstore

        try:
            with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as out:
                for piece in obstore.get(self.store, one.key).stream():
                    out.write(piece)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise self._failure(error, one.key) from None
        return Delivery(Path(out.name), f"{self.url}/{one.key}")

    def check(self) -> bool:
        """Read a little; return whether there is an object.

        Raises:
            AccessRefused: The credentials do not suffice.
            SourceError: It cannot be listed or read.
        """
        import obstore

        found = next((one for one in self.listed() if one.size), None)
        if found is not None:
            try:
                obstore.get_range(self.store, found.key, start=0, end=1)
            except (obstore.exceptions.BaseError, OSError) as error:
                raise self._failure(error, found.key) from None
        return found is not None

    def _failure(self, error: Exception, key: str | None) -> SourceError:
        """Return what ``error`` means, and how to mend it."""
        where = self.name if key is None else f"{self.url}: {key!r}"
        if isinstance(error, OSError) and error.errno:
            return SourceError(f"{where}: there is no place to keep it: {error.strerror}")
        text = str(error).partition(DEBUG)[0]
        for pattern, kind, words in _MEANINGS:
            if pattern.search(text):
                code = "".join(f" ({name})" for name in _CODE.findall(text)[:1])
                reason = f": {text[-300:]!r}" if "invalid path" in text else ""
                return kind(f"{where}: {words}{code}{reason}")
        # The query of a URL may sign the request, as Azure's does.
        text = re.sub(r"[?]\S*", "", text.partition("<")[0])
        return SourceError(f"{where}: cannot be read: {text[:300]!r}")


def connect(table: Table) -> Client:
    """Return a client of what ``table`` describes.

    Raises:
        SettingsError: ``table`` is off, or obstore is not installed.
    """
    try:
        from obstore.exceptions import BaseError
    except ModuleNotFoundError as error:
        words = f"{table.text('type')!r} needs obstore: pip install 'mfagap[object-store]'"
        raise table.off("type", words) from error
    try:
        url, store = {"azure": _azure, "gcs": _gcs, "s3": _s3}[table.text("type")](table)
    except (BaseError, ValueError) as error:
        reason = str(error).partition(DEBUG)[0]
        raise table.off("type", f"cannot be set up: {reason}") from None
    return Client(url, store, _prefix(table))


def _s3(table: Table) -> "tuple[str, S3Store]":
    from obstore.store import S3Store

    table.only(
        "bucket",
        "prefix",
        "region",
        "endpoint",
        "lateness_s",
        "lookback_hours",
        "list_all_hours",
        "backfill_days",
    )
    bucket = _name(table, "bucket")
    config: S3Config = {}
    if "region" in table.values:
        config["region"] = table.text("region")
    endpoint = _endpoint(table)
    if endpoint:
        config["endpoint"] = endpoint
    store = S3Store(bucket, config=config, client_options=_client(endpoint), retry_config=_retry())
    return f"s3://{bucket}", store


def _gcs(table: Table) -> "tuple[str, GCSStore]":
    from obstore.store import GCSStore

    table.only(
        "bucket", "prefix", "lateness_s", "lookback_hours", "list_all_hours", "backfill_days"
    )
    bucket = _name(table, "bucket")
    return f"gs://{bucket}", GCSStore(bucket, client_options=_client(""), retry_config=_retry())


def _azure(table: Table) -> "tuple[str, AzureStore]":
    from obstore.store import AzureStore

    table.only(
        "account",
        "container",
        "prefix",
        "endpoint",
        "lateness_s",
        "lookback_hours",
        "list_all_hours",
        "backfill_days",
    )
    account, container = _name(table, "account"), _name(table, "container")
    config: AzureConfig = {"account_name": account}
    endpoint = _endpoint(table)
    if endpoint:
        config["endpoint"] = endpoint
    store = AzureStore(
        container, config=config, client_options=_client(endpoint), retry_config=_retry()
    )
    return f"az://{account}/{container}", store


def _name(table: Table, key: str) -> str:
    name = table.text(key)
    if not re.fullmatch("[A-Za-z0-9$][A-Za-z0-9._-]*", name):
        raise table.off(key, f"{name!r} is no name; it has no scheme, / or prefix")
    return name


def _prefix(table: Table) -> str:
    prefix = table.text("prefix", "").removesuffix("/")
    if prefix and not {"", ".", ".."}.isdisjoint(prefix.split("/")):
        words = "names whole folders, as in 'okta/logs', without / before them, '//', '.' or '..'"
        raise table.off("prefix", f"{prefix!r}: {words}")
    return prefix


def _endpoint(table: Table) -> str:
    endpoint = table.text("endpoint", "")
    parts = urlsplit(endpoint)
    if endpoint and not (parts.scheme in ("https", "http") and parts.hostname):
        raise table.off("endpoint", f"{endpoint!r} is no URL that begins with https://")
    return endpoint


def _client(endpoint: str) -> "ClientConfig":
    client: ClientConfig = {
        "timeout": timedelta(hours=1),  # of a whole download; one that stalls is ended by the next
        "read_timeout": timedelta(seconds=30),
    }
    if endpoint.startswith("http://"):
        client["allow_http"] = True
    return client


def _retry() -> "RetryConfig":
    return {"max_retries": RETRIES, "retry_timeout": RETRY_FOR}
