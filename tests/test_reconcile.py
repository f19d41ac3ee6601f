"""What becomes of alerts when findings come, change and go."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties.orgs import REPEATABLE
from tests.report.results import FINDING

from mfagap.alerts import RETRACTED, TOLD, AlertStatus, Change, Deed, Standing, group, reconcile
from mfagap.detect.load import load_all
from mfagap.model import Alert, Finding, MfaStatus, Severity, VerdictWord

DETECTION = load_all()[0]
MINUTE_MS = 60_000
OPEN, ACKNOWLEDGED, CLOSED = AlertStatus
SUSPICIOUS, ABUSE, RISK = (
    VerdictWord.SUSPICIOUS,
    VerdictWord.TRUE_POSITIVE,
    VerdictWord.SECURITY_RISK,
)
Verdicts = Mapping[str, VerdictWord]


def at(minute: int, severity: Severity = Severity.MEDIUM) -> Finding:
    """Return a finding so many minutes after ten, named for them."""
    start_ms = (600 + minute) * MINUTE_MS
    return replace(FINDING, uuid=str(minute), start_ms=start_ms, severity=severity)


def grouped(*findings: Finding) -> tuple[Alert, ...]:
    return group(DETECTION, findings)


def standing(number: int, *minutes: int, **changes: object) -> Standing:
    """Return an alert on file with the findings at ``minutes``."""
    plain = Standing(
        id=number,
        first_ms=(600 + minutes[0]) * MINUTE_MS,
        status=OPEN,
        resolution=None,
        severity=Severity.MEDIUM,
        verdict=RISK,
        members=frozenset(map(str, minutes)),
    )
    return replace(plain, **changes)


def verdicts(*minutes: int, word: VerdictWord = RISK) -> Verdicts:
    return {str(minute): word for minute in minutes}


def test_what_is_new_is_opened() -> None:
    (alert,) = grouped(at(7), at(20))
    assert reconcile([alert], [], verdicts(7, 20)) == [Change(Deed.OPENED, None, alert, RISK, OPEN)]
    assert reconcile([alert], [], {}) == [Change(Deed.OPENED, None, alert, None, OPEN)]


def test_what_stays_as_it_is_is_left_out() -> None:
    assert reconcile(grouped(at(7)), [standing(1, 7)], verdicts(7)) == []
    assert reconcile([], [], {}) == []


def test_an_alert_has_the_worst_verdict_of_its_findings() -> None:
    words = list(VerdictWord)
    alerts = grouped(*(at(minute) for minute in range(len(words))))
    for number in range(len(words)):
        found = {str(minute): word for minute, word in enumerate(words) if minute >= number}
        (change,) = reconcile(alerts, [], found)
        assert change.verdict is words[number]


@pytest.mark.parametrize(
    ("status", "after"), [(OPEN, OPEN), (ACKNOWLEDGED, ACKNOWLEDGED), (CLOSED, OPEN)]
)
def test_what_is_worse_is_told_again(status: AlertStatus, after: AlertStatus) -> None:
    known = standing(1, 7, status=status, resolution="known" if status is CLOSED else None)
    alerts = grouped(at(7))
    worse = Change(Deed.WORSENED, known, alerts[0], ABUSE, after)
    assert reconcile(alerts, [known], verdicts(7, word=ABUSE)) == [worse]
    alerts = grouped(at(7, Severity.HIGH))
    severe = Change(Deed.WORSENED, known, alerts[0], RISK, after)
    assert reconcile(alerts, [known], verdicts(7)) == [severe]


def test_a_first_verdict_is_worse_than_none() -> None:
    known = standing(1, 7, verdict=None)
    alerts = grouped(at(7))
    word = VerdictWord.FALSE_POSITIVE
    assert reconcile(alerts, [known], verdicts(7, word=word)) == [
        Change(Deed.WORSENED, known, alerts[0], word, OPEN)
    ]
    assert reconcile(alerts, [known], {}) == []


@pytest.mark.parametrize("status", [OPEN, ACKNOWLEDGED])
def test_one_more_finding_of_the_kind_is_counted(status: AlertStatus) -> None:
    known = standing(1, 7, status=status)
    alerts = grouped(at(7), at(20))
    assert reconcile(alerts, [known], verdicts(7, 20)) == [
        Change(Deed.MATCHED, known, alerts[0], RISK, status)
    ]


def test_one_more_finding_reopens_what_a_person_closed() -> None:
    known = standing(1, 7, status=CLOSED, resolution="known")
    alerts = grouped(at(7), at(20))
    assert reconcile(alerts, [known], verdicts(7, 20)) == [
        Change(Deed.REOPENED, known, alerts[0], RISK, OPEN)
    ]
    assert reconcile(grouped(at(7)), [known], verdicts(7)) == []


@pytest.mark.parametrize(
    ("status", "resolution"), [(OPEN, None), (ACKNOWLEDGED, None), (CLOSED, "known")]
)
def test_what_is_better_is_noted(status: AlertStatus, resolution: str | None) -> None:
    known = standing(1, 7, 20, status=status, resolution=resolution, severity=Severity.HIGH)
    for alerts, words, verdict in (
        (grouped(at(7)), verdicts(7), RISK),
        (grouped(at(7, Severity.HIGH)), verdicts(7), RISK),
        (grouped(at(7, Severity.HIGH), at(20)), verdicts(), None),
    ):
        assert reconcile(alerts, [known], words) == [
            Change(Deed.EASED, known, alerts[0], verdict, status, resolution)
        ]


def test_an_earlier_match_that_comes_late_moves_the_window_and_keeps_the_number() -> None:
    known = [standing(4, 30, 50), standing(5, 95)]
    late = [at(0), at(30), at(50), at(95)]  # the window is until 60, as before 95 is beyond
    first, second = grouped(*late)
    assert reconcile([first, second], known, verdicts(0, 30, 50, 95)) == [
        Change(Deed.MATCHED, known[0], first, RISK, OPEN)
    ]
    assert first.first_ms == 600 * MINUTE_MS
    assert second.first_ms == known[1].first_ms


def test_a_window_that_moves_hands_findings_to_the_next_alert() -> None:
    known = standing(4, 30, 50, 80)
    first, second = grouped(at(0), at(30), at(50), at(80))
    assert [[f.uuid for f in alert.findings] for alert in (first, second)] == [
        ["0", "30", "50"],
        ["80"],
    ]
    assert reconcile([first, second], [known], verdicts(0, 30, 50, 80)) == [
        Change(Deed.MATCHED, known, first, RISK, OPEN),
        Change(Deed.OPENED, None, second, RISK, OPEN),
    ]


def test_two_alerts_that_become_one_leave_the_older_number() -> None:
    known = [standing(4, 40), standing(5, 100, status=ACKNOWLEDGED), standing(6, 165)]
    # a match at 100 is taken back, one at 70 and one at 130 come: 40 and 70, 130 and 165
    first, second = grouped(at(40), at(70), at(130), at(165))
    assert reconcile([first, second], known, verdicts(40, 70, 130, 165)) == [
        Change(Deed.MATCHED, known[0], first, RISK, OPEN),
        Change(Deed.MATCHED, known[2], second, RISK, OPEN),
        Change(Deed.KEPT, known[1], None, RISK, ACKNOWLEDGED, RETRACTED),
    ]


def test_an_alert_goes_on_where_most_of_its_findings_are() -> None:
    known = standing(4, 50, 70, 80, 90)
    first, second = grouped(at(0), at(50), at(70), at(80), at(90))
    (opened, matched) = reconcile([first, second], [known], verdicts(0, 50, 70, 80, 90))
    assert opened == Change(Deed.OPENED, None, first, RISK, OPEN)
    assert matched == Change(Deed.EASED, known, second, RISK, OPEN)
    assert second.first_ms == (600 + 70) * MINUTE_MS


def test_of_two_that_share_as_much_the_older_goes_on() -> None:
    known = [standing(5, 10), standing(4, 20)]
    (alert,) = grouped(at(10), at(20))
    assert reconcile([alert], known, verdicts(10, 20)) == [
        Change(Deed.MATCHED, known[1], alert, RISK, OPEN),
        Change(Deed.RETRACTED, known[0], None, RISK, CLOSED, RETRACTED),
    ]


def test_what_the_log_takes_back_is_closed() -> None:
    known = standing(1, 7)
    assert reconcile([], [known], {}) == [
        Change(Deed.RETRACTED, known, None, RISK, CLOSED, RETRACTED)
    ]


@pytest.mark.parametrize(
    ("status", "verdict"), [(ACKNOWLEDGED, RISK), (ACKNOWLEDGED, None), (OPEN, ABUSE)]
)
def test_what_a_person_took_up_and_what_is_abuse_is_kept(
    status: AlertStatus, verdict: VerdictWord | None
) -> None:
    known = standing(1, 7, status=status, verdict=verdict)
    assert reconcile([], [known], {}) == [
        Change(Deed.KEPT, known, None, verdict, status, RETRACTED)
    ]


@pytest.mark.parametrize(
    ("status", "resolution"), [(CLOSED, "known"), (CLOSED, RETRACTED), (ACKNOWLEDGED, RETRACTED)]
)
def test_it_is_taken_back_once(status: AlertStatus, resolution: str) -> None:
    assert reconcile([], [standing(1, 7, status=status, resolution=resolution)], {}) == []


def test_what_was_taken_back_and_is_there_again_reopens() -> None:
    known = standing(1, 7, status=CLOSED, resolution=RETRACTED)
    alerts = grouped(at(7))
    assert reconcile(alerts, [known], verdicts(7)) == [
        Change(Deed.REOPENED, known, alerts[0], RISK, OPEN)
    ]


@pytest.mark.parametrize("status", [OPEN, ACKNOWLEDGED])
def test_what_was_kept_and_is_there_again_goes_on(status: AlertStatus) -> None:
    known = standing(1, 7, status=status, resolution=RETRACTED)
    alerts = grouped(at(7))
    assert reconcile(alerts, [known], verdicts(7)) == [
        Change(Deed.MATCHED, known, alerts[0], RISK, status)
    ]


def test_people_are_told_of_what_is_new_or_worse() -> None:
    assert {Deed.OPENED, Deed.WORSENED, Deed.REOPENED} == TOLD


def done(changes: Sequence[Change], known: Sequence[Standing]) -> list[Standing]:
    """Return the alerts on file after ``changes``."""
    after = {one.id: one for one in known}
    for change in changes:
        was, alert = change.standing, change.alert
        number = was.id if was else max(after, default=0) + 1
        members = frozenset(f.uuid for f in alert.findings) if alert else frozenset[str]()
        kept = alert or was
        assert kept is not None
        after[number] = Standing(
            number,
            kept.first_ms,
            change.status,
            change.resolution,
            kept.severity,
            change.verdict,
            members if alert or was is None else was.members,
        )
        # a finding is in one alert: `Alerts.enlist` takes it from the other
        for id_, other in after.items():
            if id_ != number and alert:
                after[id_] = replace(other, members=other.members - members)
    return list(after.values())


FINDINGS = st.lists(
    st.tuples(
        st.integers(0, 200),
        st.sampled_from([Severity.LOW, Severity.MEDIUM, Severity.CRITICAL]),
        st.sampled_from([MfaStatus.SINGLE_FACTOR, MfaStatus.STEP_UP]),
        st.none() | st.sampled_from(VerdictWord),
    ),
    max_size=8,
    unique_by=lambda drawn: drawn[0],
)
DECISIONS = st.sampled_from([None, (ACKNOWLEDGED, None), (CLOSED, "known"), (OPEN, None)])


@REPEATABLE
@given(rounds=st.lists(st.tuples(FINDINGS, DECISIONS), min_size=1, max_size=5))
def test_the_alerts_are_those_of_the_findings_and_stay(
    rounds: list[
        tuple[
            list[tuple[int, Severity, MfaStatus, VerdictWord | None]],
            tuple[AlertStatus, str | None] | None,
        ]
    ],
) -> None:
    known: list[Standing] = []
    for drawn, decision in rounds:
        found = [replace(at(m, severity), mfa_status=status) for m, severity, status, _ in drawn]
        words = {str(m): word for m, _, _, word in drawn if word is not None}
        alerts = grouped(*found)
        known = done(reconcile(alerts, known, words), known)
        assert reconcile(alerts, known, words) == []
        held = [one for one in known if one.resolution != RETRACTED]
        expected = {frozenset(f.uuid for f in alert.findings): alert for alert in alerts}
        current = {one.members: one for one in held if one.members in expected}
        assert current.keys() == expected.keys()
        for members, alert in expected.items():
            one = current[members]
            assert (one.first_ms, one.severity) == (alert.first_ms, alert.severity)
        # what no finding is left of, and is not taken back, is what a person has closed
        assert {one.status for one in held if one.members not in expected} <= {CLOSED}
        if decision and known:
            known[0] = replace(known[0], status=decision[0], resolution=decision[1])
