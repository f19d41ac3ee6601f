"""Whatever order events come in, however often, and in however many ticks: a scan's answer."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import FIGURE
from tests.properties.orgs import BEGIN, END_S, REPEATABLE, STORIES, Org, SignIn, log_event, orgs
from tests.service.workshops import Bench, bench, excepted, scanned

from mfagap.model import VerdictWord
from mfagap.service import casebook
from mfagap.settings import Settings

AFTER_MS = round(BEGIN.timestamp() * 1000) + (END_S + 1800) * 1000
"""Later than any event."""
EXCEPTED = "00uada"
ABUSE = VerdictWord.TRUE_POSITIVE
EVERY_STORY = Org(
    tuple(
        SignIn(number, f"u{number % 5}", 7000 + 60 * number, story)
        for number, story in enumerate(STORIES)
    )
)


@st.composite
def slices(draw: st.DrawFn, count: int) -> list[list[int]]:
    """Draw in which files, one a tick, the events come; each at least once, some again."""
    order = draw(st.permutations(range(count)))
    cuts = sorted(draw(st.lists(st.integers(0, count), max_size=4)))
    again = draw(st.lists(st.integers(0, count - 1), max_size=6))
    ends = [*cuts, count]
    begins = [0, *cuts]
    parts = [list(order[begin:end]) for begin, end in zip(begins, ends, strict=True)]
    return [*parts, again]


def test_ticks_end_where_a_scan_does(record_property: Callable[[str, object], None]) -> None:
    """So do they where one user is excepted, of whom people are told known abuse alone."""
    ticks: list[int] = []

    @settings(REPEATABLE, max_examples=12)
    @given(data=st.data(), org=orgs(), lateness_s=st.sampled_from((0, 300, 900)))
    def ends_where_a_scan_does(data: st.DataObject, org: Org, lateness_s: int) -> None:
        ticks.append(_ticked(org, data.draw(slices(len(org.events))), lateness_s))

    ends_where_a_scan_does()
    record_property(FIGURE, f"{len(ticks)} logs in {sum(ticks)} ticks, each as one scan of it")


def _ticked(org: Org, parts: Sequence[Sequence[int]], lateness_s: int) -> int:
    """Tick once for each of ``parts``, and compare with a scan; return how many ticks it were.

    Once the source's lateness has passed, the log is complete up to where the scan ends.
    """
    newest = max(event["published"] for event in org.events)
    end_s = (datetime.fromisoformat(newest) - BEGIN).total_seconds()
    events = [*org.events, log_event("event", "late", end_s + lateness_s, eventType="x")]
    with (
        tempfile.TemporaryDirectory() as name,
        bench(Path(name), [("log", 0)], lateness_ms=lateness_s * 1000) as work,
    ):
        excepted(work, user=EXCEPTED)
        for number, part in enumerate((*parts, [len(events) - 1])):
            work.drop(f"{number}.ndjson", [events[place] for place in part])
            work.tick(AFTER_MS + number * 60_000)
        findings, alerts = scanned(Path(name), newest)
        assert work.findings == findings
        assert work.alerts == alerts
        abused = {uuid for uuid, found in findings.items() if found[1] is ABUSE}
        assert _hidden(Path(name)) == {
            (key, first_ms)
            for key, first_ms, _, uuids in alerts
            if key == EXCEPTED and not abused & set(uuids)
        }
        assert set(_told(work)) <= {ABUSE.value}
    return len(parts) + 1


def _hidden(folder: Path) -> set[tuple[str, int]]:
    """Return dedup key and first match of each alert that is hidden."""
    rows = casebook.listed(Settings(state=folder / "state"), everything=False)
    return {(row["dedup_key"], row["first_ms"]) for row in rows if row["suppressed_by"]}


def _told(work: Bench) -> Iterator[str]:
    """Yield the verdict of every notice of who is excepted."""
    rows = work.workshop.database.rows(
        "SELECT body FROM outbox JOIN alerts ON alert = id WHERE dedup_key = ?", (EXCEPTED,)
    )
    yield from (json.loads(row["body"])["verdict"] for row in rows)


@pytest.mark.parametrize("backwards", [False, True])
def test_every_story_an_event_a_tick(
    tmp_path: Path, record_property: Callable[[str, object], None], *, backwards: bool
) -> None:
    events = sorted(EVERY_STORY.events, key=lambda event: event["published"], reverse=backwards)
    with bench(tmp_path) as work:
        for number in range(0, len(events), 7):
            work.drop(f"{number}.ndjson", events[number : number + 7])
            work.tick(AFTER_MS + number * 10_000)
        findings, alerts = scanned(tmp_path)
        assert work.findings == findings
        assert work.alerts == alerts
    record_property(
        FIGURE, f"{len(findings)} findings after {-(-len(events) // 7)} ticks, as after a scan"
    )
