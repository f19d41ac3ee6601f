"""Values found in any text: nothing of it is dropped, however it is cut into chunks."""

import re
from collections.abc import Iterator, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.orgs import REPEATABLE

from mfagap.lake.documents import Value, documents
from mfagap.lake.shapes import Parser
from mfagap.lake.tables import QUOTED_ROW, rows

PIECES = (
    '{"a": 1}', '{"a": {"b": ["c", "}{"]}}', '{"a": "x\\ny"}', '{"a":', '{"a"', '"a": ', '{"a": [',
    "{", "}", "[", "]", '"', "\\", ":", ",", "\n", "\n", "\r\n", " ", "x", "1", "-", "null", "tru",
    "NaN", '"a"', '"\\ud83d"', "\ufeff", "\U0001f600", "\udcff", "\0", "9" * 5000, "[" * 1500,
    '{"a":' * 1200, '{"a": 1, "a": 2}',
)  # fmt: skip
SEPARATORS = re.compile("[\\s,\\[\\]\ufeff]")
SMALLEST = 16
"""Characters in a chunk: more than any word of JSON has."""

texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def found(text: str, size: int) -> list[Value]:
    chunks: Iterator[str] = (text[at : at + size] for at in range(0, len(text), size))
    return list(documents(chunks, Parser()))


@settings(REPEATABLE, max_examples=300)
@given(text=texts)
def test_nothing_of_a_text_is_dropped(text: str) -> None:
    values = found(text, len(text) or 1)
    assert SEPARATORS.sub("", "".join(value.text for value in values)) == SEPARATORS.sub("", text)
    lines = [value.line for value in values]
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


@settings(REPEATABLE, max_examples=300)
@given(text=texts, size=st.integers(SMALLEST, 200))
def test_chunks_make_no_difference(text: str, size: int) -> None:
    assert repr(found(text, size)) == repr(found(text, len(text) or 1))


@settings(REPEATABLE, max_examples=200)
@given(
    before=st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    count=st.integers(1, 4),
)
def test_a_spoiled_line_costs_no_line_below(before: str, count: int) -> None:
    """Whatever it leaves open: a quote, an object, an escape."""
    spoiled = before.replace("\n", " ").replace("\r", " ")
    good = [f'{{"good": {number}}}' for number in range(count)]
    values = found("\n".join([spoiled, *good]), 10_000)
    assert [value.parsed for value in values if value.text in good] == [
        {"good": number} for number in range(count)
    ]


def careless(agents: Sequence[str]) -> str:
    """Return a table whose writer quotes nothing."""
    lines = [f"e{number},2026-01-15,x.y,{agent}" for number, agent in enumerate(agents)]
    return "\n".join(["uuid,published,eventType,agent", *lines]) + "\n"


@settings(REPEATABLE, max_examples=300)
@given(
    agents=st.lists(
        st.sampled_from(("curl", '"', '""', '"x', 'x"', 'a"b', '"x"y', '"""', "\r", "\0")),
        min_size=1,
        max_size=8,
    )
)
def test_every_row_of_a_careless_table_is_read_or_counted(agents: list[str]) -> None:
    values = list(rows(iter([careless(agents)]), Parser()))
    read = [value for value in values if value.reason is None]
    lost = [value for value in values if value.reason == QUOTED_ROW]
    assert len(read) + len(lost) == len(values) == len(agents)
    assert sorted(value.line for value in values) == list(range(2, len(agents) + 2))
