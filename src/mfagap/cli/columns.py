"""Lists as columns: a header, and each value under its name."""

from collections.abc import Iterator, Sequence

from mfagap.cli.pipes import show


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print ``rows`` under ``heads``; the last column is as wide as it is."""
    for line in _lines(heads, rows):
        show(line)


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        padded = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        yield "  ".join((*padded[:-1], row[-1]))
