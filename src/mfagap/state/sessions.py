"""Findings and investigations as they were and as they are: versions are only ever added."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cattrs import Converter

from mfagap.model import ALERTING, Finding, Investigation, MfaStatus, Scalar, Severity, VerdictWord
from mfagap.state.database import Database, Row


def _converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook_func(lambda kind: kind == Scalar, lambda value, _kind: value)
    return converter


_CONVERTER = _converter()


GONE = "no sign-in of this kind"
"""What a session is whose start the last evaluation returned no more."""


@dataclass(frozen=True, slots=True)
class Session:
    """A finding as it is now, and what its investigation came to.

    Attributes:
        finding: The last version that was one.
        gone: Whether the last evaluation returned the start no more.
        verdict: None until the runbook was run.
        severity: The verdict's, or the finding's own.
    """

    finding: Finding
    gone: bool
    verdict: VerdictWord | None
    severity: Severity

    @property
    def stands(self) -> bool:
        """Whether it is still a sign-in without MFA before or after."""
        return not self.gone and self.finding.mfa_status is not MfaStatus.MFA


class Sessions:
    """The findings in ``database``."""

    def __init__(self, database: Database) -> None:
        """See the class."""
        self._database = database

    def store(
        self,
        detection: str,
        span: tuple[int, int],
        findings: Iterable[Finding],
        moment: tuple[int, int],
    ) -> int:
        """Take in what an evaluation of ``span`` returned; return how many findings changed.

        A finding that changed gets a new version, one that is not returned any more a version that
        says so, and each waits for the runbook. A sign-in with MFA is stored only where it was
        something else before.

        Args:
            detection: That was evaluated.
            span: From and to, in UTC epoch milliseconds.
            findings: All of them that start in ``span``.
            moment: The watermark and NOW of the evaluation.
        """
        stored = {
            str(row["uuid"]): row
            for row in self._database.rows(
                """
SELECT uuid, version, mfa_status, (SELECT finding FROM versions
    WHERE versions.detection = sessions.detection AND versions.uuid = sessions.uuid
          AND versions.version = sessions.version) AS finding
FROM sessions WHERE detection = ? AND start_ms >= ? AND start_ms < ?""",
                (detection, *span),
            )
        }
        changed = 0
        for finding in findings:
            row = stored.pop(finding.uuid, None)
            text = _text(finding)
            same = row is not None and row["finding"] == text and row["mfa_status"] is not None
            if not same and (row is not None or finding.mfa_status is not MfaStatus.MFA):
                self._add(finding, text, 1 if row is None else int(row["version"]) + 1, moment)
                changed += 1
        for uuid, row in stored.items():
            if row["mfa_status"] is not None:
                finding = _finding(str(row["finding"]))
                self._add(finding, str(row["finding"]), int(row["version"]) + 1, moment)
                self._database.run(
                    "UPDATE sessions SET mfa_status = NULL WHERE detection = ? AND uuid = ?",
                    (detection, uuid),
                )
                changed += 1
        return changed

    def _add(self, finding: Finding, text: str, version: int, moment: tuple[int, int]) -> None:
        watermark_ms, now_ms = moment
        key = (finding.detection, finding.uuid)
        self._database.run(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)",
            (*key, version, now_ms, watermark_ms, text),
        )
        self._database.run(
            """
INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, NULL, NULL, NULL)
ON CONFLICT (detection, uuid) DO UPDATE SET
    version = excluded.version, start_ms = excluded.start_ms, dedup_key = excluded.dedup_key,
    actor_id = excluded.actor_id, client_ip = excluded.client_ip,
    rule_id = excluded.rule_id, mfa_status = excluded.mfa_status, due = 1""",
            (
                *key,
                version,
                finding.start_ms,
                finding.dedup_key,
                finding.alert_context.actor_id,
                finding.alert_context.source_ip,
                finding.policy.rule_id,
                finding.mfa_status.value,
            ),
        )

    def touch(self, actors: Collection[str], from_ms: int) -> None:
        """Make due every session of ``actors`` that began at or after ``from_ms``."""
        for actor in actors:
            self._database.run(
                "UPDATE sessions SET due = 1 WHERE actor_id = ? AND start_ms >= ?",
                (actor, from_ms),
            )

    def touch_address(self, address: str, span: tuple[int, int]) -> None:
        """Make due every session from ``address`` that began within ``span``, both ends included.

        So is one that was investigated before an event came that it looks at.
        """
        self._database.run(
            "UPDATE sessions SET due = 1 WHERE client_ip = ? AND start_ms BETWEEN ? AND ?",
            (address, *span),
        )

    def await_runbook(self, detection: str, key: str) -> None:
        """Make due every session under one dedup key: a person decided about one of them."""
        self._database.run(
            "UPDATE sessions SET due = 1 WHERE detection = ? AND dedup_key = ?", (detection, key)
        )

    def await_all(self, detection: str, from_ms: int) -> None:
        """Make due every session that began at or after ``from_ms``."""
        self._database.run(
            "UPDATE sessions SET due = 1 WHERE detection = ? AND start_ms >= ?",
            (detection, from_ms),
        )

    def due(self, detection: str, watermark_ms: int) -> list[Session]:
        """Return the sessions that wait for the runbook, or whose follow-up is due."""
        return self._where(
            """sessions.detection = :detection AND uuid IN (
    SELECT uuid FROM sessions WHERE detection = :detection AND due = 1
    UNION ALL SELECT uuid FROM sessions
              WHERE +detection = :detection AND follow_up_ms <= :watermark)""",
            {"detection": detection, "watermark": watermark_ms},
        )

    def of_keys(self, detection: str, keys: Iterable[str]) -> list[Session]:
        """Return all sessions under one of ``keys``, the earliest first."""
        return self._where(
            "sessions.detection = :detection AND dedup_key IN (SELECT value FROM json_each(:keys))",
            {"detection": detection, "keys": json.dumps(sorted(keys))},
        )

    def of_alerts(self, alerts: Iterable[int]) -> dict[int, list[Session]]:
        """Return the sessions of each of ``alerts``, the earliest first."""
        rows = self._database.rows(
            """
SELECT alert, finding, mfa_status, verdict, sessions.severity
FROM members JOIN sessions USING (detection, uuid) JOIN versions USING (detection, uuid, version)
WHERE alert IN (SELECT value FROM json_each(?)) ORDER BY start_ms, uuid""",
            (json.dumps(sorted(alerts)),),
        )
        found: dict[int, list[Session]] = {}
        for row in rows:
            found.setdefault(int(row["alert"]), []).append(_session(row))
        return found

    def of_rule(self, detection: str, rule: str, span: tuple[int, int]) -> list[Session]:
        """Return the sessions that a policy rule let in and that alert, the earliest first."""
        statuses = ", ".join(f"'{status.value}'" for status in sorted(ALERTING))
        return self._where(
            "sessions.detection = :detection AND rule_id = :rule "
            f"AND start_ms BETWEEN :from AND :to AND mfa_status IN ({statuses})",
            {"detection": detection, "rule": rule, "from": span[0], "to": span[1]},
        )

    def _where(self, condition: str, values: Mapping[str, str | int]) -> list[Session]:
        # The + keeps SQLite from reading every session by start, since those come in order.
        rows = self._database.rows(
            f"""
SELECT finding, mfa_status, verdict, sessions.severity
FROM sessions JOIN versions USING (detection, uuid, version)
WHERE {condition} ORDER BY +start_ms, uuid""",
            values,
        )
        return [_session(row) for row in rows]

    def starts_by_rule(self, detection: str, rule: str | None, span: tuple[int, int]) -> list[int]:
        """Return when the sessions began that a policy rule let in, and that alert.

        Args:
            detection: That found them.
            rule: The rule's id.
            span: From and to, both included.
        """
        statuses = ", ".join(f"'{status.value}'" for status in sorted(ALERTING))
        rows = self._database.rows(
            f"SELECT start_ms FROM sessions WHERE detection = ? AND rule_id = ? "
            f"AND start_ms BETWEEN ? AND ? AND mfa_status IN ({statuses}) ORDER BY start_ms",
            (detection, rule, *span),
        )
        return [int(row["start_ms"]) for row in rows]

    def counts(self, detection: str) -> dict[str, int]:
        """Return how many findings there are, by MFA status."""
        rows = self._database.rows(
            "SELECT mfa_status, count(*) AS findings FROM sessions "
            "WHERE detection = ? AND mfa_status IS NOT NULL GROUP BY mfa_status",
            (detection,),
        )
        return {str(row["mfa_status"]): int(row["findings"]) for row in rows}

    def settle(self, detection: str, uuids: Iterable[str]) -> None:
        """Note that nothing is due for ``uuids``: no finding is left to investigate."""
        self._database.run_all(
            "UPDATE sessions SET due = 0, follow_up_ms = NULL, verdict = NULL, severity = NULL "
            "WHERE detection = ? AND uuid = ?",
            [(detection, uuid) for uuid in uuids],
        )

    def rest(self, detection: str, uuids: Iterable[str]) -> None:
        """Note that nothing is due for ``uuids``, and leave their verdicts as they are."""
        self._database.run_all(
            "UPDATE sessions SET due = 0, follow_up_ms = NULL WHERE detection = ? AND uuid = ?",
            [(detection, uuid) for uuid in uuids],
        )

    def conclude(self, investigation: Investigation, now_ms: int) -> None:
        """Store a run of the runbook, where it came to something else than the last one."""
        key = (investigation.detection, investigation.uuid)
        verdict = investigation.verdict
        data = _CONVERTER.unstructure(investigation)
        last = self._database.rows(
            "SELECT run, investigation FROM investigations WHERE detection = ? AND uuid = ? "
            "ORDER BY run DESC LIMIT 1",
            key,
        )
        if not last or _told(json.loads(last[0]["investigation"])) != _told(data):
            run = int(last[0]["run"]) + 1 if last else 1
            text = json.dumps(data, sort_keys=True)
            self._database.run(
                "INSERT INTO investigations VALUES (?, ?, ?, ?, ?)", (*key, run, now_ms, text)
            )
        self._database.run(
            "UPDATE sessions SET due = 0, verdict = ?, severity = ?, follow_up_ms = ? "
            "WHERE detection = ? AND uuid = ?",
            (verdict.verdict.value, int(verdict.severity), verdict.follow_up_ms, *key),
        )

    def investigation(self, detection: str, uuid: str) -> Investigation | None:
        """Return the last run of the runbook on one session; None where there is none."""
        text = self._database.one(
            "SELECT investigation FROM investigations WHERE detection = ? AND uuid = ? "
            "ORDER BY run DESC LIMIT 1",
            (detection, uuid),
        )
        return None if text is None else _CONVERTER.structure(json.loads(text), Investigation)

    def history(self, detection: str, uuid: str) -> list[tuple[int, str]]:
        """Return what one session was said to be, and since when: its statuses and verdicts.

        Each with NOW of the evaluation that said so (UTC epoch milliseconds), the first one first;
        what changed neither is left out.
        """
        rows = self._database.rows(
            """
SELECT at_ms, 0 AS is_verdict, version AS number, finding AS said FROM versions
WHERE detection = :detection AND uuid = :uuid
UNION ALL
SELECT at_ms, 1, run, json_extract(investigation, '$.verdict.verdict') FROM investigations
WHERE detection = :detection AND uuid = :uuid
ORDER BY at_ms, is_verdict, number""",
            {"detection": detection, "uuid": uuid},
        )
        told: list[tuple[int, str]] = []
        last: dict[int, str] = {}
        before: str | None = None
        for row in rows:
            words = str(row["said"])
            if not row["is_verdict"]:
                # A version is as the one before it only where the start was returned no more.
                before, words = (None, GONE) if words == before else (words, _status(words))
            if last.get(row["is_verdict"]) != words:
                told.append((row["at_ms"], words))
            last[row["is_verdict"]] = words
        return told


def _status(text: str) -> str:
    finding = _finding(text)
    return f"{finding.mfa_status.value}, {finding.confidence.value} confidence"


def _text(finding: Finding) -> str:
    return json.dumps(_CONVERTER.unstructure(finding), sort_keys=True)


def _finding(text: str) -> Finding:
    return _CONVERTER.structure(json.loads(text), Finding)


def _session(row: Row) -> Session:
    finding = _finding(str(row["finding"]))
    severity = finding.severity if row["severity"] is None else Severity(int(row["severity"]))
    verdict = None if row["verdict"] is None else VerdictWord(str(row["verdict"]))
    return Session(finding, row["mfa_status"] is None, verdict, severity)


def _told(run: Mapping[str, Any]) -> list[Any]:
    """Return what an investigation came to, without how far it saw and how long it took."""
    steps = [[item["step"], item["digest"], item["failure"]] for item in run["evidence"]]
    verdict = run["verdict"]
    return [verdict["verdict"], verdict["severity"], verdict["follow_up_ms"], steps]
