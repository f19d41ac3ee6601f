"""Opens files by content: compression by magic number, layout by the look of the first value."""

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from mfagap.lake.shapes import is_event, squash

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Compression = Literal["uncompressed", "gzip", "zstd"]
Layout = Literal["lines", "array", "eventbridge", "csv", "parquet", "mixed", "empty", "foreign"]

HEAD_BYTES = 256 * 1024
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError)
"""What reading a cut or damaged compressed file raises."""

_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    *((bytes((first, 0x2A, 0x4D, 0x18)), "zstd") for first in range(0x50, 0x60)),
)
"""The last are frames of zstd that a reader skips; the file's own may come behind one."""
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"BZh", "bzip2; unpack it first"),
    (b"\xfd7zXZ\x00", "xz; unpack it first"),
    (b"\xff\xfe", "UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16; save it as UTF-8"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"%PDF-", "a PDF"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a file is packed and laid out; ``remark`` says why a foreign one cannot be read."""

    compression: Compression
    layout: Layout
    remark: str = ""


@contextmanager
def opened(path: Path, compression: Compression) -> Generator[io.BufferedIOBase]:
    """Open ``path`` for reading its decompressed bytes."""
    with path.open("rb") as raw:
        if compression == "gzip":
            with gzip.open(raw) as unpacked:
                yield unpacked
        elif compression == "zstd":
            with zstd.open(raw) as unpacked:
                yield unpacked
        else:
            yield raw


def kind_of(path: Path) -> Kind:
    """Tell how ``path`` is packed and laid out, from its first bytes alone.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as raw:
        magic = raw.read(16)
    if magic.startswith(b"PAR1"):
        return Kind("uncompressed", "parquet")
    compression: Compression = "uncompressed"
    for start, name in _MAGIC:
        if magic.startswith(start):
            compression = name
    head, whole = _head(path, compression)
    for start, remark in _FOREIGN:
        if head.startswith(start):
            return Kind(compression, "foreign", remark)
    layout = _layout(head)
    return Kind(compression, layout if whole or layout == "csv" else "mixed")


def _head(path: Path, compression: Compression) -> tuple[bytes, bool]:
    """Return the first bytes of ``path``, unpacked, and whether they could all be unpacked."""
    head = b""
    try:
        with opened(path, compression) as stream:
            while chunk := stream.read1(HEAD_BYTES - len(head)):
                head += chunk
    except DAMAGED:
        return head, False
    return head, True


def _layout(head: bytes) -> Layout:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:  # blanks alone, as far as was looked
        return "empty" if len(head) < HEAD_BYTES else "mixed"
    if text.startswith(b"["):
        return "array"
    if not text.startswith(b"{"):
        return "csv" if _is_csv(text) else "mixed"
    line, newline, _ = text.partition(b"\n")
    if not newline and len(head) == HEAD_BYTES:
        return "mixed"
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return "mixed"
    document = cast("dict[str, object]", value)
    if is_event(document):
        return "lines"
    return "eventbridge" if isinstance(document.get("detail"), dict) else "mixed"


def _is_csv(text: bytes) -> bool:
    """Tell whether the first line is the header of a table with the log (Splunk, Sentinel)."""
    first = text.partition(b"\n")[0].decode("utf-8", "replace").replace("\r", " ")
    try:
        names = next(csv.reader([first]), list[str]())
    except csv.Error:  # a cell beyond reason
        return False
    header = {squash(name.removeprefix("okta.")) for name in names}
    return (
        "raw" in header or len(header & {"uuid", "uuids", "uuidg", "eventtype", "eventtypes"}) >= 2
    )


def text_of(stream: io.BufferedIOBase) -> Iterator[str]:
    """Yield ``stream`` decoded, up to a MiB at a time; what is no UTF-8 is a lone surrogate.

    ``read1`` gives all that comes before compressed data is cut off or damaged.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    first = True
    while chunk := stream.read1(1024 * 1024):
        text = decoder.decode(chunk)
        yield text.removeprefix("\ufeff") if first else text
        first = False
    yield decoder.decode(b"", final=True)
