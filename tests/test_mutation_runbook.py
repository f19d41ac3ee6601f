"""A slip in a runbook's query is noticed by a case, too."""

from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import pytest
from tests.detect.shipped import ID, broken
from tests.small import small

from mfagap.cases import mutation
from mfagap.cases.load import load
from mfagap.cases.mutation import Report, mutate
from mfagap.cases.runbooks import slips
from mfagap.cases.templates import Templates
from mfagap.cli.main import main
from mfagap.detect import load as detections
from mfagap.errors import ContentError
from mfagap.harden import checks

RUNBOOK = """\
enough: 30m
cap: 1h
keep: 9
shared: near.sql
parameters: {}
lists: {}
steps:
  - id: acts
    question: What did it do?
    query: acts.sql
    before: 0s
    after: now
    answers: { act: { says: "an act was seen {after}", means: acted } }
  - id: window
    question: How much log follows?
    kind: window
    before: 0s
    after: now
    answers:
      short_window: { says: too little }
      open_window: { says: some }
      whole_window: { says: all of it }
verdicts:
  - verdict: suspicious
    severity: high
    when: [acted]
    rests_on: [acts]
    says: It acted.
    cites: [act]
  - { verdict: insufficient_data, says: Nothing was seen. }
"""
NEAR = """\
SELECT s.start_uuid AS start_uuid, e.uuid AS uuid, e.event_ms AS event_ms, e.event_type AS kind
FROM sessions AS s
JOIN events AS b ON b.uuid = s.start_uuid
JOIN events AS e ON e.actor_id = b.actor_id
"""
ACTS = """\
-- Acts.
SELECT
  n.start_uuid AS start_uuid, 'act' AS answer, NULL AS tier, n.uuid AS event_uuid,
  n.event_ms AS event_ms, NULL AS amount, NULL AS detail
FROM near AS n
WHERE n.kind = 'user.mfa.factor.activate'
"""
CASE = """\
summary: A start that acts.
clock: 2026-01-15T12:00:00Z
events:
  - { id: start, from: session_start, at: 0s }
  - { id: failed, from: session_start, at: 1s, set: { outcome.result: FAILURE } }
  - { id: act, from: factor_activate, at: 10m, set: { target: null } }
expect:
  findings:
    - start: start
      mfa_status: step_up
      severity: low
      verdict: suspicious
      raised: high
"""
OTHER = """\
  - id: other
    from: session_start
    at: 1m
    set: { actor.id: 00u1bob, actor.alternateId: bob@example.com }
expect:
  findings:
    - { start: other, mfa_status: step_up, severity: low, verdict: insufficient_data }
"""
EVIDENCE = """\
      raised: high
      evidence: [{ answer: act, event: act }, { answer: whole_window, detail: 2h }]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small detection with a runbook and one case that asks for too little."""
    content = tmp_path / "content"
    folder = small(content)
    (folder / "runbook").mkdir()
    for name, text in (
        ("runbook.yml", RUNBOOK),
        ("runbook/near.sql", NEAR),
        ("runbook/acts.sql", ACTS),
        ("cases/weak.yml", CASE),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(detections, "content", lambda: content)
    monkeypatch.setattr(checks, "content", lambda: content)
    return folder


def _report(folder: Path) -> Report:
    return mutate(detections.load(folder), load(folder, Templates()))


def _survivors(folder: Path) -> dict[str, str]:
    """Return where each mutant of the runbook is that survives, by its name."""
    return {
        mutant.name: f"{Path(mutant.file).relative_to(folder)}:{mutant.line}"
        for mutant in _report(folder).survivors
        if not mutant.name.startswith(("starts", "result"))
    }


WEAK = {
    "acts/result: without WHERE n.kind = 'user.mfa.factor.activate'": "runbook/acts.sql:6",
    "acts/result: n.kind = 'user.mfa.factor.activate' -> n.kind <> 'user.mfa.factor.activate'": (
        "runbook/acts.sql:6"
    ),
    "near/result: events AS b without ON b.uuid = s.start_uuid": "runbook/near.sql:3",
    "near/result: b.uuid = s.start_uuid -> b.uuid <> s.start_uuid": "runbook/near.sql:3",
    "near/result: events AS e without ON e.actor_id = b.actor_id": "runbook/near.sql:4",
}
"""What a case lets pass that asks for the verdict alone."""


def test_every_query_of_a_runbook_has_mutants(folder: Path) -> None:
    runbook = detections.load(folder).runbook
    assert runbook is not None
    found = {slip.mutant.name: [step.id for step in slip.steps] for slip in slips(runbook)}
    assert len(found) == 8
    assert found.keys() >= WEAK.keys()
    assert "acts/result: 'act' -> '~act'" in found
    assert set(map(tuple, found.values())) == {("acts",)}


def test_a_shared_query_changes_every_step_that_reads_it(folder: Path) -> None:
    more = "  - { id: again, question: x, query: again.sql, before: 0s, after: now, "
    broken(
        folder / "runbook.yml",
        "  - id: window",
        f"{more}answers: {{ more: {{ says: x }} }} }}\n  - id: window",
    )
    (folder / "runbook" / "again.sql").write_text(ACTS.replace("'act'", "'more'"), encoding="utf-8")
    runbook = detections.load(folder).runbook
    assert runbook is not None
    steps = {(slip.mutant.name[:4], *(step.id for step in slip.steps)) for slip in slips(runbook)}
    assert steps == {("acts", "acts"), ("agai", "again"), ("near", "acts", "again")}


def test_a_weak_case_lets_changes_pass(folder: Path) -> None:
    assert _survivors(folder) == WEAK


def test_a_case_that_asks_for_the_evidence_notices_more(folder: Path) -> None:
    case = folder / "cases" / "weak.yml"
    broken(case, "      raised: high\n", EVIDENCE)
    unnoticed = "near/result: events AS e without ON e.actor_id = b.actor_id"
    assert _survivors(folder) == {unnoticed: WEAK[unnoticed]}
    broken(case, "expect:\n  findings:\n", OTHER)
    assert _survivors(folder) == {}


def test_a_survivor_is_told_with_its_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "--mutate", "--quiet"]) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    told = [f"FAIL {folder / place}: no case notices: {name}" for name, place in WEAK.items()]
    assert [line for line in lines if "/runbook/" in line] == told
    assert said.err.startswith(f"{ID}: 23 mutants, 14 killed, 9 survived, 0 of them explained\n")


def test_what_is_written_down_passes(folder: Path) -> None:
    names = "".join(f'    - "{name}"\n' for name in WEAK)
    entry = f"- reason: The case is weak.\n  owner: the tests\n  mutants:\n{names}"
    (folder / "survivors.yml").write_text(entry, encoding="utf-8")
    report = _report(folder)
    assert report.stale == ()
    assert [m.name for m in report.unexplained if not m.name.startswith("starts: ")] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("verdict: suspicious", "verdict: benign"),
        ("raised: high", "raised: medium"),
        ("raised: high", "follow_up: +1h"),
    ],
)
def test_a_case_whose_verdict_fails_anyway_is_named(folder: Path, old: str, new: str) -> None:
    case = folder / "cases" / "weak.yml"
    broken(case, old, new)
    with pytest.raises(ContentError) as caught:
        _report(folder)
    told = "its verdicts fail, alone or judged together with others; see `mfagap test`"
    assert str(caught.value) == f"{case}: {told}"


def test_processes_judge_as_one_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = _report(folder)
    monkeypatch.setattr(mutation, "FEW", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert _report(folder) == alone


def test_a_helper_that_has_ended_is_waited_for_no_longer() -> None:
    either, sender = Pipe(duplex=False)
    receiver = cast("Connection[Any, Any]", either)
    assert list(mutation.arrived(receiver)) == []
    sender.send((7, True))
    sender.close()
    assert list(mutation.arrived(receiver)) == [(7, True)]
    assert list(mutation.arrived(receiver)) == []
    receiver.close()
