"""Runs cases through the stages that ``scan`` uses, and tells what differed."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mfagap import alerts
from mfagap.cases.compare import differences
from mfagap.cases.load import Case
from mfagap.detect.customize import customize
from mfagap.detect.evaluate import evaluate
from mfagap.engines.sandbox import Sandbox
from mfagap.investigate.run import Inquiry, investigate, raised, stretches
from mfagap.lake.memory import MemoryLake
from mfagap.lake.projection import named_in
from mfagap.lake.rejects import Rejects
from mfagap.model import Delivery, Detection


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case, and each difference between what was expected and what was found."""

    case: Case
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing differed."""
        return not self.differences


def run(detection: Detection, cases: Iterable[Case]) -> Iterator[Outcome]:
    """Run ``cases`` of ``detection`` in turn.

    Raises:
        EngineError: The query failed.
        SettingsError: A case's settings are off.
    """
    with tempfile.TemporaryDirectory(prefix="mfagap-cases-") as folder:
        for case in cases:
            yield _run(detection, case, Path(folder) / "events.ndjson")


def _run(detection: Detection, case: Case, file: Path) -> Outcome:
    file.write_text("".join(json.dumps(event) + "\n" for event in case.events), encoding="utf-8")
    customized = customize(detection, case.settings, case.file)
    columns = named_in(*customized.queries)
    with Rejects() as rejects, MemoryLake(rejects, case.now_ms, columns) as lake:
        lake.connection.execute("SET threads = 1")  # a case is too small to share
        lake.load([Delivery(file, case.name)], customized.event_types)
        lake.forget_after(case.now_ms)
        sandbox = Sandbox(lake.connection)
        evaluation = evaluate(customized, sandbox, case.slot)
        investigations = None
        if customized.runbook:
            inquiry = Inquiry(customized, customized.runbook, evaluation.findings, case.now_ms)
            lake.forget_outside(stretches(inquiry))  # a step reads no more than it says
            # How long it takes is no matter here.
            investigations = investigate(inquiry, sandbox, clock=lambda: 0.0)
        problems = [f"the case's own events are off: {reason.reason}" for reason in rejects.counts]
        problems += sorted(
            {
                f"the step {item.step} failed: {item.failure}"
                for investigation in (investigations or {}).values()
                for item in investigation.evidence
                if item.failure is not None
            }
        )
    made = alerts.group(customized, raised(evaluation, investigations or {}).findings)
    return Outcome(case, (*problems, *differences(case, evaluation, made, investigations)))
