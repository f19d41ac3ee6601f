"""However the events of a log are delivered, the scan's answer is the same, byte for byte."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from examples.log_shapes import PACKINGS, SHAPES, parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.orgs import REPEATABLE, STORIES, Org, SignIn, Told, orgs, plain, told

from mfagap.cases.templates import Event
from mfagap.model import MfaStatus

Shape = Callable[[Sequence[Event]], bytes]

EVERY_STORY = Org(
    (
        *(
            SignIn(number, f"u{number}", 7000 + 60 * number, story)
            for number, story in enumerate(STORIES)
        ),
        SignIn(99, "joy", 14_300, "allowed"),
    )
)
PACKED = [
    pytest.param(shape, packing, id=f"{shape.__name__}{packing}")
    for shape in SHAPES
    for packing in PACKINGS
    if not (shape is parquet and packing)
]


@dataclass(frozen=True, slots=True)
class Cut:
    """One file: the places of the events in it, and how they are written."""

    places: tuple[int, ...]
    shape: Shape
    packing: str


@pytest.fixture(scope="module")
def expected() -> Told:
    return plain(EVERY_STORY.events)


def test_the_stories_have_every_status(expected: Told) -> None:
    statuses = expected.summary["mfa_status"]
    assert {name for name, count in statuses.items() if count} == {s.value for s in MfaStatus}
    assert expected.summary["never_fires"] == {"no session id": 1, "no user": 1}
    assert expected.summary["problems"] == []


@pytest.mark.parametrize(("shape", "packing"), PACKED)
def test_every_shape_and_packing(shape: Shape, packing: str, expected: Told) -> None:
    assert told({"log": PACKINGS[packing](shape(EVERY_STORY.events))}) == expected


@st.composite
def cuts(draw: st.DrawFn, size: int) -> list[Cut]:
    """Draw files that hold each of ``size`` events at least once, in any order and any shape."""
    repeats = draw(st.lists(st.integers(0, size - 1), max_size=6))
    order = draw(st.permutations([*range(size), *repeats]))
    ends = sorted({*draw(st.lists(st.integers(1, len(order)), max_size=3)), len(order)})
    begins = [0, *ends[:-1]]
    files = [tuple(order[begin:end]) for begin, end in zip(begins, ends, strict=True)]
    shapes, packings = st.sampled_from(SHAPES), st.sampled_from(sorted(PACKINGS))
    return [Cut(places, draw(shapes), draw(packings)) for places in files]


@settings(REPEATABLE, max_examples=16)
@given(org=orgs(), data=st.data())
def test_shuffled_split_reshaped_packed_and_repeated(org: Org, data: st.DataObject) -> None:
    events = org.events
    files: dict[str, bytes] = {}
    for number, cut in enumerate(data.draw(cuts(len(events)))):
        packing = "" if cut.shape is parquet else cut.packing
        files[f"{number}{packing}"] = PACKINGS[packing](cut.shape([events[p] for p in cut.places]))
    one, other = plain(events), told(files)
    assert other.lines == one.lines
    assert other.summary == one.summary
