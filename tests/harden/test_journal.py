"""What a journal and the audit log hold, and what a torn or damaged one is taken for."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.harden.applied import bench
from tests.harden.planned import KEEP, NOW_MS, OFFICE_RULE, ORIGIN, STAFF, plan

from mfagap.errors import StateError
from mfagap.harden.journal import DONE, FINISHED, INTENT, ROLLED_BACK, ClosedRule, Journal
from mfagap.harden.snapshot import settable


def journal(folder: Path) -> Journal:
    return Journal(folder / "hardening", "ana", lambda: NOW_MS)


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_every_write_is_a_line_of_the_audit_log(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        made = work.plan(KEEP)
        run = work.apply(made).run
        work.roll_back()
        audit = _lines(tmp_path / "hardening" / "audit.jsonl")
    ids = [change.id for change in made.changes]
    assert [(line["event"], line.get("change", "")) for line in audit] == [
        ("begun", ""),
        *((event, id_) for id_ in ids for event in ("intent", "done")),
        ("finished", ""),
        *((event, id_) for id_ in reversed(ids) for event in ("undoing", "undone")),
        ("rolled_back", ""),
    ]
    assert {(line["who"], line["run"], line["plan"]) for line in audit} == {("ana", run, made.id)}
    assert {line["at"] for line in audit} == {"2026-01-16T12:00:00.000Z"}
    intent, done = (line for line in audit[:8] if line.get("change") == made.changes[2].id)
    assert (intent["method"], intent["path"]) == (
        "PUT",
        f"/api/v1/policies/{STAFF}/rules/{OFFICE_RULE}",
    )
    assert intent["before"] == done["before"] != intent["after"] == done["after"]
    assert (audit[1]["before"], audit[-2]["after"]) == (None, None), "what was made, and removed"
    undone = next(line for line in audit if line["event"] == "undone" and line["after"])
    assert undone["after"] in {line.get("before") for line in audit if line["event"] == "intent"}


def test_a_journal_holds_the_objects_themselves(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        made = work.plan()
        before = work.client.get(made.changes[0].path).body
        work.apply(made)
        run = work.last()
    assert run.plan == made
    intent, done = run.of(INTENT)[made.changes[0].id], run.of(DONE)[made.changes[0].id]
    assert intent.before == json.loads(before), "links and all"
    assert intent.after == made.changes[0].after
    assert done.after is not None
    assert settable(done.after) == made.changes[0].after
    assert (done.at_ms, done.who) == (NOW_MS, "ana")
    assert run.moments == dict.fromkeys((change.id for change in made.changes), NOW_MS)
    assert run.closed[0] == ClosedRule(OFFICE_RULE, STAFF, "Office", NOW_MS)


def test_what_service_accounts_got_is_not_closed_nor_what_was_taken_back(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.apply(work.plan(KEEP))
        assert len(work.last().closed) == 3
        work.roll_back()
        assert work.last().closed == ()


def test_each_line_is_on_the_disk_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synced.append(handle)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    work = journal(tmp_path)
    run = work.begin(plan(), ORIGIN)
    assert len(synced) == 6, "the journal, its folder and the one above; and so the audit log"
    work.note(run, FINISHED)
    assert len(synced) == 8


def test_runs_are_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    work = journal(tmp_path)
    assert (work.runs(), work.run()) == ((), None)
    runs = [work.begin(plan(), ORIGIN) for _ in range(3)]
    assert [run.id[:5] for run in runs] == ["0001-", "0002-", "0003-"]
    assert [run.id for run in work.runs()] == [run.id for run in runs]
    assert work.run() == runs[2]
    assert work.run(runs[0].id) == runs[0]
    assert work.run("0001-else") is None


def test_a_line_that_was_half_written_counts_for_nothing(tmp_path: Path) -> None:
    work = journal(tmp_path)
    run = work.begin(plan(), ORIGIN)
    file = tmp_path / "hardening" / "runs" / f"{run.id}.jsonl"
    audit = tmp_path / "hardening" / "audit.jsonl"
    for torn in (file, audit):
        with torn.open("ab") as out:
            out.write(b'{"event": "don')
    assert work.run() == run
    work.note(run, ROLLED_BACK)
    assert [entry.event for entry in work.runs()[0].entries] == ["begun", "rolled_back"]
    begun, half, ended = audit.read_bytes().splitlines()
    assert (json.loads(begun)["event"], json.loads(ended)["event"]) == ("begun", "rolled_back")
    assert half == b'{"event": "don', "of the audit log nothing is ever taken away"


def test_a_run_of_which_not_even_the_first_line_was_written_was_none(tmp_path: Path) -> None:
    work = journal(tmp_path)
    run = work.begin(plan(), ORIGIN)
    file = tmp_path / "hardening" / "runs" / f"{run.id}.jsonl"
    file.write_bytes(file.read_bytes()[:-1])
    assert work.run() is None
    again = work.begin(plan(), ORIGIN)
    assert (again.id[:5], work.runs()) == ("0002-", (again,))


def _cut(line: bytes) -> bytes:
    return line[:50]


def _other_plan(line: bytes) -> bytes:
    return line.replace(b'"snapshot": "', b'"snapshot": "x')


def _number(_line: bytes) -> bytes:
    return b"7"


def _nothing(_line: bytes) -> bytes:
    return b"{}"


@pytest.mark.parametrize("damage", [_cut, _other_plan, _number, _nothing])
def test_a_damaged_journal_is_told_of(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    work = journal(tmp_path)
    run = work.begin(plan(), ORIGIN)
    file = tmp_path / "hardening" / "runs" / f"{run.id}.jsonl"
    file.write_bytes(damage(file.read_bytes().rstrip()) + b"\n")
    with pytest.raises(StateError, match=r"damaged .*audit\.jsonl"):
        work.runs()


def test_where_nothing_can_be_written_nothing_is_sent(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        made = work.plan()
        (tmp_path / "hardening").mkdir()
        (tmp_path / "hardening" / "runs").write_text("in the way")
        with pytest.raises(StateError, match="cannot be written"):
            work.apply(made)
        assert work.writes() == []


def test_a_journal_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "hardening" / "runs" / "0001-x.jsonl").mkdir(parents=True)
    with pytest.raises(StateError, match="cannot be read"):
        journal(tmp_path).runs()
