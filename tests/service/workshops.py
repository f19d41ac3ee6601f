"""State folders to tick on, what they hold, and what a scan would say of the same log."""

import io
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mfagap.detect.load import load_all
from mfagap.lake.store import Lake
from mfagap.model import Investigation, MfaStatus
from mfagap.service.collect import Folder, collect
from mfagap.service.durable import Workshop
from mfagap.service.scan import Request, scan
from mfagap.service.tick import Ticked, tick
from mfagap.state.database import Database

DROP = "dropped"


@dataclass(frozen=True, slots=True)
class Bench:
    """A workshop over ``folder``/state, fed by files in ``folder``/logs."""

    folder: Path
    workshop: Workshop
    lateness_ms: int = 0

    def drop(self, name: str, events: Sequence[Any]) -> None:
        """Write a file of events into the folder that is watched."""
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        text = "".join(json.dumps(event) + "\n" for event in events)
        (logs / name).write_text(text, encoding="utf-8")

    def tick(self, now_ms: int) -> Ticked:
        """Collect and tick."""
        source = Folder(DROP, str(self.folder / "logs"), self.lateness_ms)
        collected = collect(self.workshop, [source], now_ms)
        assert collected.failures == {}
        return tick(self.workshop, now_ms, lambda: 0.0)

    @property
    def findings(self) -> dict[str, Any]:
        """What is on file of each session without MFA: the finding, its verdict and evidence."""
        told: dict[str, Any] = {}
        for detection in self.workshop.detections:
            keys = self.workshop.database.rows("SELECT DISTINCT dedup_key FROM sessions")
            known = self.workshop.sessions.of_keys(detection.id, [r["dedup_key"] for r in keys])
            for session in known:
                finding = replace(session.finding, severity=session.severity)
                if session.gone or finding.mfa_status is MfaStatus.MFA:
                    assert session.verdict is None
                    continue
                run = self.workshop.sessions.investigation(detection.id, finding.uuid)
                assert run is not None
                assert run.verdict.verdict is session.verdict
                told[finding.uuid] = (finding, *_came_to(run))
        return told

    @property
    def alerts(self) -> list[Any]:
        """The alerts of which a finding is left: key, first match, severity and findings."""
        rows = self.workshop.alerts.listed(everything=True)
        return sorted(
            (
                row["dedup_key"],
                row["first_ms"],
                row["severity"],
                sorted(self.workshop.alerts.members(row["id"])),
            )
            for row in rows
            if row["resolution"] != "retracted"
        )


def excepted(work: Bench, until_ms: int = 2**45, **scope: str) -> int:
    """Add a suppression, as the state keeps it; return its number."""
    values: dict[str, Any] = dict.fromkeys(("detection", "user", "address", "rule", "client"))
    values |= {"owner": "ana", "reason": "known", "added_ms": 1, "added_by": "ben"}
    with work.workshop.database.change():
        return work.workshop.suppressions.add({**values, "until_ms": until_ms, **scope})


@contextmanager
def bench(
    folder: Path, routes: Sequence[tuple[str, int]] = (), *, lateness_ms: int = 0
) -> Generator[Bench]:
    """Open a workshop in ``folder``."""
    with Database(folder / "state") as database:
        lake = Lake(folder / "state" / "lake")
        yield Bench(folder, Workshop(lake, database, load_all(), routes), lateness_ms)


def scanned(folder: Path, now: str | None = None) -> tuple[dict[str, Any], list[Any]]:
    """Return what a scan of ``folder``/logs says, in the form of ``Bench``."""
    result = scan(Request([str(folder / "logs")], io.BytesIO(), now=now))
    findings: dict[str, Any] = {}
    for finding in result.findings:
        run = result.investigation(finding)
        if run is not None:
            findings[finding.uuid] = (finding, *_came_to(run))
    alerts = sorted(
        (a.dedup_key, a.first_ms, int(a.severity), sorted(f.uuid for f in a.findings))
        for a in result.alerts
    )
    return findings, alerts


def _came_to(run: Investigation) -> tuple[Any, ...]:
    """Return the verdict and the evidence, less how far the log reached when it was last asked."""
    verdict = run.verdict
    steps = [(item.step, item.digest) for item in run.evidence if item.step != "window"]
    return verdict.verdict, verdict.severity, verdict.follow_up_ms, steps
