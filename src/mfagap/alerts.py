"""Findings to alerts: one per dedup key within the dedup window."""

from collections.abc import Iterable

from mfagap.model import ALERTING, Alert, Detection, Finding


def group(detection: Detection, findings: Iterable[Finding]) -> tuple[Alert, ...]:
    """Return the alerts of ``findings``, the oldest first.

    The window is anchored on the first match: an alert at 10:07 takes later matches until 11:07,
    then a new one opens. Findings whose status does not alert are left out.
    """
    window_ms = detection.dedup_window_s * 1000
    open_alerts: dict[str, list[Finding]] = {}
    closed: list[list[Finding]] = []
    for finding in sorted(findings, key=lambda f: (f.start_ms, f.uuid)):
        if finding.mfa_status not in ALERTING:
            continue
        members = open_alerts.get(finding.dedup_key)
        if members is None or finding.start_ms >= members[0].start_ms + window_ms:
            members = list[Finding]()
            closed.append(members)
            open_alerts[finding.dedup_key] = members
        members.append(finding)
    return tuple(
        Alert(
            detection=detection.id,
            dedup_key=members[0].dedup_key,
            first_ms=members[0].start_ms,
            severity=max(finding.severity for finding in members),
            findings=tuple(members),
        )
        for members in closed
    )
