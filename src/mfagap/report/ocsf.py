"""OCSF: one Detection Finding a line, for a lake or a SIEM that reads that schema.

What each attribute means is the published schema's word (https://schema.ocsf.io, version 1.8.0).
Values that the schema has no place for are under ``unmapped``, in the words of ``document``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from ipaddress import ip_address
from typing import IO, Any

from mfagap.detect.attack import Attack
from mfagap.model import (
    ALERTING,
    Confidence,
    Detection,
    Finding,
    Investigation,
    MfaStatus,
    Policy,
    ScanResult,
    Severity,
    Technique,
    VerdictWord,
)
from mfagap.report import document
from mfagap.report.clean import json_line
from mfagap.report.ocsf_objects import (
    CREATE,
    OTHER,
    account,
    event_class,
    given,
    product,
    rule,
    severity,
)

PROFILE = "incident"
"""What ``verdict`` belongs to; everything else is in the class itself."""

_CLASS = (2004, "Detection Finding")
_ACTIVITY = {
    "opened": CREATE,
    "worsened": (2, "Update"),
    "reopened": (2, "Update"),
    "retracted": (3, "Close"),
}
"""Of what is told of an alert; anything else, such as a test, is Other."""
_STATUS = {"open": (1, "New"), "acknowledged": (2, "In Progress"), "closed": (4, "Resolved")}

_CONFIDENCE = {Confidence.LOW: 1, Confidence.MEDIUM: 2, Confidence.HIGH: 3}
_VERDICT = {
    VerdictWord.FALSE_POSITIVE: 1,
    VerdictWord.TRUE_POSITIVE: 2,
    VerdictWord.SUSPICIOUS: 4,
    VerdictWord.BENIGN: 5,
    VerdictWord.INSUFFICIENT_DATA: 7,
    VerdictWord.SECURITY_RISK: 8,
}
_STATE = {"stable": (1, "Active"), "experimental": (3, "Experimental")}
_IS_MFA = {MfaStatus.SINGLE_FACTOR: False, MfaStatus.CHALLENGED: False, MfaStatus.MFA: True}
"""Of the other statuses the log alone does not say it."""

_OBSERVED = (
    ("actor.user.name", 4, "User Name"),
    ("actor.user.email_addr", 5, "Email Address"),
    ("actor.user.uid", 31, "User Object: uid"),
    ("src_endpoint.ip", 2, "IP Address"),
    ("http_request.user_agent", 16, "HTTP User-Agent"),
    ("data.user_agent", 16, "HTTP User-Agent"),
)
"""What is worth a search elsewhere: a path in an evidence, and its type in OCSF."""

_IP_LENGTH = 40
_EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+")
"""What the schema takes for an address is little more."""

_PLACED = frozenset(
    {
        "addresses",
        "attack",
        "clients",
        "detection",
        "first_seen",
        "last_seen",
        "rules",
        "session_ids",
        "severity",
        "status",
        "title",
        "users",
        "verdict",
    }
)
"""Fields of a notice that the schema has a place for; of addresses, for those that are some."""


def render(result: ScanResult, statuses: Iterable[MfaStatus], out: IO[str]) -> None:
    """Write ``result`` to ``out``."""
    attack = Attack.pinned()
    detections = {detection.id: detection for detection in result.detections}
    for found in document.shown(result, statuses):
        out.write(json_line(_event(found, result, detections.get(found.detection), attack)))


def alert(key: str, uid: str, notice: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """Return what is told of an alert as a Detection Finding.

    Args:
        key: The notice's; ``unmapped.key``, and no other attribute has that name.
        uid: What tells this notice from all others; ``metadata.uid``.
        notice: The fixed fields of ``notify.notice``. Those that the schema has no place for are
            under ``unmapped``.
        now_ms: When it is told, UTC epoch milliseconds.
    """
    kind = str(notice["kind"])
    verdict = None if notice["verdict"] is None else VerdictWord(notice["verdict"])
    status, word = _STATUS[notice["status"]]
    times = given(
        first_seen_time=_ms(notice["first_seen"]), last_seen_time=_ms(notice["last_seen"])
    )
    evidences = _told(notice)
    return {
        **event_class(*_CLASS, _ACTIVITY.get(kind, (OTHER, kind.capitalize())), now_ms),
        "metadata": {**product(PROFILE), "uid": uid, "log_provider": "Okta"},
        "message": notice["title"],
        **severity(Severity[notice["severity"].upper()]),
        "status_id": status,
        "status": word,
        "is_alert": True,
        **_verdict(verdict),
        "finding_info": {
            "uid": f"{notice['detection']}:alert:{notice['alert']}",
            "title": notice["title"],
            **times,
            "analytic": {"type_id": 1, "type": "Rule", "uid": notice["detection"]},
            **given(attacks=_attacks(notice["attack"])),
        },
        **given(
            evidences=evidences,
            resources=[
                *(account(name=login) for login in notice["users"]),
                *(rule(name=name) for name in notice["rules"]),
            ],
            observables=_observables(evidences),
        ),
        "unmapped": {
            **given(**{name: value for name, value in notice.items() if name not in _PLACED}),
            **given(addresses=[text for text in notice["addresses"] if not _address(text)]),
            "key": key,
        },
    }


def _told(notice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each value that a notice spells out as evidence."""
    addresses = [text for text in notice["addresses"] if _address(text)]
    return [
        *({"name": "user", "actor": {"user": _user(login)}} for login in notice["users"]),
        *({"name": "address", "src_endpoint": {"ip": address}} for address in addresses),
        # A request alone is no evidence to the schema.
        *({"name": "client", "data": {"user_agent": agent}} for agent in notice["clients"]),
        *({"name": "session", "actor": {"session": {"uid": uid}}} for uid in notice["session_ids"]),
    ]


def _attacks(pairs: Iterable[str]) -> list[dict[str, Any]]:
    """Return ``tactic:technique`` pairs in OCSF's parts."""
    attack = Attack.pinned()
    parts = (pair.partition(":") for pair in pairs)
    return [
        _attack(Technique(tactic, technique), attack.version, attack)
        for tactic, _, technique in parts
    ]


def _ms(moment: str | None) -> int | None:
    """Return ``moment``, RFC 3339, as UTC epoch milliseconds."""
    return None if moment is None else round(datetime.fromisoformat(moment).timestamp() * 1000)


def _event(
    found: Finding, result: ScanResult, detection: Detection | None, attack: Attack
) -> dict[str, Any]:
    """Return ``found`` as a Detection Finding.

    ``time`` and ``created_time`` are when the finding was made, hence NOW; when things happened is
    from ``start_time`` to ``end_time``.
    """
    investigated, now_ms = result.investigation(found), result.now_ms
    seen_ms = [found.start_ms, *_event_times(investigated)]
    start = _start(found)
    answers = [] if investigated is None else _answers(investigated)
    return {
        **event_class(*_CLASS, CREATE, now_ms),
        "start_time": min(seen_ms),
        "end_time": max(seen_ms),
        "metadata": _metadata(found, detection, now_ms),
        "message": found.title,
        **severity(found.severity),
        "confidence_id": _CONFIDENCE[found.confidence],
        "confidence": found.confidence.value.capitalize(),
        "status_id": 1,
        "status": "New",
        "is_alert": found.mfa_status in ALERTING,
        **_judged(investigated),
        "finding_info": {
            "uid": _uid(found),
            "title": found.title,
            "created_time": now_ms,
            "first_seen_time": found.start_ms,
            "last_seen_time": max(seen_ms),
            **_related(found, investigated),
            **_analyzed(found, detection, attack),
        },
        "evidences": [start, *answers],
        "resources": _resources(found),
        "observables": _observables([start]),
        **given(remediation=detection and _remediation(detection)),
        "unmapped": _unmapped(found, investigated),
    }


def _uid(found: Finding) -> str:
    return f"{found.detection}:{found.uuid}"


def _metadata(found: Finding, detection: Detection | None, now_ms: int) -> dict[str, Any]:
    """Return what is known of the OCSF event itself.

    Its ``uid`` is that of the finding as of NOW. A consumer that drops repeats of ``metadata.uid``
    then loses no later verdict; what stays the same is ``finding_info.uid``.
    """
    return {
        **product(PROFILE),
        "uid": f"{_uid(found)}:{now_ms}",
        "original_event_uid": found.uuid,
        "log_provider": "Okta",
        **given(labels=list(detection.tags) if detection else []),
    }


def _judged(investigated: Investigation | None) -> dict[str, Any]:
    if investigated is None:
        return _verdict(None)
    verdict = investigated.verdict
    return {**_verdict(verdict.verdict), "risk_details": verdict.reason}


def _verdict(word: VerdictWord | None) -> dict[str, Any]:
    if word is None:
        return {"verdict_id": 0, "verdict": "Unknown"}
    return {"verdict_id": _VERDICT[word], "verdict": word.value.replace("_", " ").title()}


def _event_times(investigated: Investigation | None) -> list[int]:
    """Return when each event happened that an answer rests on."""
    if investigated is None:
        return []
    answers = (answer for item in investigated.evidence for answer in item.answers)
    return [answer.event_ms for answer in answers if answer.event is not None]


def _start(found: Finding) -> dict[str, Any]:
    """Return the session's start as evidence: who came in, from where, and how."""
    context = found.alert_context
    address = _address(context.source_ip)
    session = given(
        uid=context.external_session_id,
        created_time=found.start_ms,
        is_mfa=_IS_MFA.get(found.mfa_status),
    )
    actor = {
        "user": given(uid=context.actor_id, **_user(context.user_email)),
        "session": session,
        **given(authorizations=_authorizations(found.policy)),
    }
    path = context.request_uri
    request = given(user_agent=context.user_agent, url=None if path is None else {"path": path})
    return {
        "name": "user.session.start",
        "uid": found.uuid,
        "actor": actor,
        **given(src_endpoint=address and {"ip": address}, http_request=request),
    }


def _user(login: str) -> dict[str, Any]:
    return given(name=login, email_addr=login if _EMAIL.fullmatch(login) else None)


def _address(text: str | None) -> str | None:
    """Return ``text`` where it is an IP address that the schema takes; None otherwise."""
    # A zone may hold any text.
    if text is None or len(text) > _IP_LENGTH or "%" in text:
        return None
    try:
        ip_address(text)
    except ValueError:
        return None
    return text


def _authorizations(policy: Policy) -> list[dict[str, Any]]:
    if policy.result is None:
        return []
    named = given(uid=policy.policy_id, name=policy.policy_name)
    return [{"decision": policy.result, "policy": {"type": "Okta session policy", **named}}]


def _answers(investigated: Investigation) -> list[dict[str, Any]]:
    entries = [entry for item in investigated.evidence for entry in document.evidence(item)]
    return [{"name": f"{entry['step']}: {entry['answer']}", "data": entry} for entry in entries]


def _related(found: Finding, investigated: Investigation | None) -> dict[str, Any]:
    """Return every event that the finding names, once, with what it shows."""
    shown: dict[str, dict[str, None]] = {found.uuid: {"start": None}}
    for event, shows in _mentions(found, investigated):
        if event is not None:
            shown.setdefault(event, {})[shows] = None
    events = [
        {"uid": uid, "type": "Okta System Log event", "title": ", ".join(titles)}
        for uid, titles in shown.items()
    ]
    return {"related_events": events, "related_events_count": len(events)}


def _mentions(
    found: Finding, investigated: Investigation | None
) -> Iterable[tuple[str | None, str]]:
    yield found.policy.event, "policy"
    yield found.mfa_event, "mfa"
    for named in (found.explanation, *found.annotations):
        if named is not None:
            yield named.event, named.name
    for item in () if investigated is None else investigated.evidence:
        for answer in item.answers:
            yield answer.event, f"{item.step}: {answer.name}"


def _resources(found: Finding) -> list[dict[str, Any]]:
    """Return the account that was signed in to, and the rule that let the session in."""
    context, policy = found.alert_context, found.policy
    resources = [account(uid=context.actor_id, name=context.user_email)]
    if policy.rule_id or policy.rule_name:
        resources.append(rule(uid=policy.rule_id, name=policy.rule_name))
    return resources


def _observables(evidences: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"name": f"evidences[{place}].{path}", "type_id": type_id, "type": kind, "value": value}
        for place, evidence in enumerate(evidences)
        for path, type_id, kind in _OBSERVED
        if (value := _at(evidence, path)) is not None
    ]


def _at(value: dict[str, Any], path: str) -> str | None:
    """Return the text at ``path``, names joined by dots; None where there is none."""
    *outer, last = path.split(".")
    for name in outer:
        value = value.get(name, {})
    return value.get(last)


def _unmapped(found: Finding, investigated: Investigation | None) -> dict[str, Any]:
    values = document.finding(found, investigated)
    context = found.alert_context
    return given(
        mfa_status=values["mfa_status"],
        mfa_link=found.mfa_link,
        mfa_event=found.mfa_event,
        explanation=values["explanation"],
        annotations=values["annotations"],
        confidence_reasons=values["confidence_reasons"],
        policy=given(**asdict(found.policy)),
        transaction_id=context.transaction_id,
        source_ip=None if _address(context.source_ip) else context.source_ip,
        dedup_key=found.dedup_key,
        follow_up_at=values["follow_up_at"],
    )


def _analyzed(found: Finding, detection: Detection | None, attack: Attack) -> dict[str, Any]:
    """Return how the finding was come by; the id alone where ``detection`` is not at hand."""
    analytic: dict[str, Any] = {"type_id": 1, "type": "Rule", "uid": found.detection}
    if detection is None:
        return {"analytic": analytic}
    state_id, state = _STATE.get(detection.status, (OTHER, detection.status))
    analytic |= {"name": detection.title, "state_id": state_id, "state": state}
    version = detection.attack_version
    return {
        "desc": detection.description,
        "analytic": analytic,
        **given(
            attacks=[_attack(pair, version, attack) for pair in detection.attack],
            data_sources=list(detection.data_sources),
            types=list(detection.categories),
        ),
    }


def _attack(pair: Technique, version: str, attack: Attack) -> dict[str, Any]:
    """Return ``pair`` in OCSF's three parts; MITRE writes sub-techniques "Parent: Own name"."""
    above, _, below = pair.technique.partition(".")
    name = attack.names.get(pair.technique)
    parent, _, own = (None, None, None) if name is None else name.partition(": ")
    parts: dict[str, Any] = {
        "tactic": given(uid=pair.tactic, name=attack.tactics.get(pair.tactic)),
        "technique": given(uid=above, name=parent if below else name),
        "version": version,
    }
    if below:
        parts["sub_technique"] = given(uid=pair.technique, name=own)
    return parts


def _remediation(detection: Detection) -> dict[str, Any] | None:
    if not detection.prevention:
        return None
    desc = "\n".join(detection.prevention)
    return {"desc": desc, **given(references=list(detection.references))}
