from dataclasses import replace

from tests.report.results import FINDING, NOON, NOON_MS, evidence, investigated, result

from mfagap.model import Alert, MfaStatus, Reason, Severity, Totals, VerdictWord
from mfagap.report import document, summary

READ = "Read 2 events from 1 file, 2026-01-15T11:59:59.000Z to 2026-01-15T12:00:00.000Z."
TOTALS = result().totals


def test_what_was_read() -> None:
    assert list(summary.notes(result())) == [READ]


def test_one_and_many() -> None:
    totals = Totals(files=1200, deliveries=1, oldest_ms=NOON_MS, newest_ms=NOON_MS)
    (line,) = summary.notes(result(totals=totals))
    assert line == f"Read 1 event from 1,200 files, {NOON} to {NOON}."


def test_no_span_without_events() -> None:
    (line,) = summary.notes(result(totals=Totals(files=2)))
    assert line == "Read 0 events from 2 files."


def test_duplicates_future_and_unseen() -> None:
    totals = replace(TOTALS, duplicates=1234, future=2)
    assert list(summary.notes(result(totals=totals, unseen=3))) == [
        READ,
        "Delivered more than once: 1,234, counted once.",
        f"Dated in the future: 2; they do not move NOW ({NOON}).",
        f"Later than {NOON}, and so unseen: 3.",
    ]


def test_problems_are_parted_by_whether_the_rest_was_used() -> None:
    lost, cut = Reason("not JSON", used=False), Reason("cut off", used=False)
    mended = Reason("wrong type: actor", used=True)
    scanned = result(
        problems={cut: 1, lost: 1234, mended: 2},
        examples={
            cut: ("b.ndjson:9",),
            lost: ("a.ndjson:1", "a.ndjson:2", "a\x1b.ndjson:3"),
            mended: ("c:1", "c:2"),
        },
    )
    assert list(summary.notes(scanned)) == [
        READ,
        "Could not use: 1,235",
        "  1 x cut off (b.ndjson:9)",
        "  1,234 x not JSON (a.ndjson:1, a.ndjson:2, a\\x1b.ndjson:3, …)",
        "Used in part or mended: 2",
        "  2 x wrong type: actor (c:1, c:2)",
    ]


def test_foreign_files_are_named_up_to_ten() -> None:
    files = {f"{place:02}.txt": "holds no Okta event" for place in range(12)}
    lines = list(summary.notes(result(totals=replace(TOTALS, foreign=files))))
    assert lines[1] == "No Okta log: 12 files"
    assert lines[2:12] == [f"  {place:02}.txt: holds no Okta event" for place in range(10)]
    assert lines[12:] == ["  … and 2 more"]


def test_ten_foreign_files_are_all_named() -> None:
    files = {f"{place}.txt": "holds no Okta event" for place in range(10)}
    lines = list(summary.notes(result(totals=replace(TOTALS, foreign=files))))
    assert lines[-1] == "  9.txt: holds no Okta event"


def test_files_passed_over() -> None:
    lines = list(summary.notes(result(ignored=(("logs/pi\npe", "no regular file"),))))
    assert lines == [READ, "Passed over: 1 file", "  logs/pi\\x0ape: no regular file"]


def test_counts_of_every_status() -> None:
    counts = {status: place * 1000 for place, status in enumerate(MfaStatus)}
    assert summary.counts(result(counts=counts)) == (
        "Legacy sessions: 5,000 single_factor, 3,000 challenged, 1,000 unsettled, 2,000 step_up, "
        "4,000 explained, 0 mfa. Alerts: 0."
    )


def test_counts_of_what_is_not_shown() -> None:
    counts = {status: place for place, status in enumerate(MfaStatus)}
    shown = summary.counts(result(counts=counts), document.DEFAULT)
    assert shown.endswith("0 mfa. Alerts: 0. Not shown: 2 step_up, 4 explained (--all).")
    assert "Not shown" not in summary.counts(result(counts=counts), document.ALL)


def test_counts_of_the_verdicts_by_their_weight() -> None:
    words = (VerdictWord.BENIGN, VerdictWord.TRUE_POSITIVE, VerdictWord.BENIGN)
    runs = [
        investigated(replace(FINDING, uuid=str(place)), verdict=word)
        for place, word in enumerate(words)
    ]
    together = {key: found for one in runs for key, found in one.items()}
    assert summary.counts(result(investigations=together, skipped={"no user": 2})) == (
        "Legacy sessions: 0 single_factor, 0 challenged, 0 unsettled, 0 step_up, 0 explained, "
        "0 mfa. Alerts: 0. Verdicts on 3 of them: 1 true_positive, 2 benign. "
        "Never fire: 2 with no user."
    )


def test_counts_of_alerts_and_of_starts_that_never_fire() -> None:
    alert = Alert(FINDING.detection, "key", NOON_MS, Severity.MEDIUM, (FINDING,))
    line = summary.counts(
        result([FINDING], alerts=(alert,), skipped={"no session id": 1, "no user": 2})
    )
    assert line == (
        "Legacy sessions: 1 single_factor, 0 challenged, 0 unsettled, 0 step_up, 0 explained, "
        "0 mfa. Alerts: 1. Never fire: 1 with no session id, 2 with no user."
    )


def test_a_step_that_failed_is_told_once_for_all_its_sessions() -> None:
    items = [evidence("acts", failure="no \x1b memory"), evidence("client")]
    others = [replace(FINDING, uuid=f"start-{n}") for n in range(3)]
    told = {key: one for found in others for key, one in investigated(found, items).items()}
    assert list(summary.notes(result(others, investigations=told))) == [
        READ,
        "The step acts failed for 3 sessions: no \\x1b memory",
    ]
