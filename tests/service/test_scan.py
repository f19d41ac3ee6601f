import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.logs import EVERY_STATUS, NINE, SHOWN_WITH_ALL, every_status, sign_in, write

from mfagap.engines import sandbox
from mfagap.errors import NothingReadable, SettingsError, UsageError
from mfagap.model import MfaStatus, ScanResult, Severity
from mfagap.report import document
from mfagap.service.scan import EXPECTED, Request, scan
from mfagap.settings import Settings, Table

NINE_MS = round(NINE.timestamp() * 1000)
ID = "okta_legacy_authn_without_mfa"


def _scan(*paths: Path, stdin: bytes = b"", **options: Any) -> ScanResult:
    return scan(Request([str(path) for path in paths], io.BytesIO(stdin), **options))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(tmp_path / "okta.ndjson", every_status())


def _statuses(result: ScanResult) -> dict[str, str]:
    return {found.uuid.removesuffix("-start"): found.mfa_status for found in result.findings}


def test_every_status_is_counted(log: Path) -> None:
    result = _scan(log)
    assert result.counts == {status: EVERY_STATUS[status.value] for status in MfaStatus}
    assert list(result.counts) == list(MfaStatus)
    assert _statuses(result) == {
        "ada": "single_factor",
        "bob": "single_factor",
        "cyd": "challenged",
        "dee": "challenged",
        "eve": "step_up",
        "fay": "explained",
        "gus": "mfa",
        "joy": "unsettled",
    }
    assert dict(result.skipped) == {"no session id": 1, "no user": 1}
    assert (result.problems, result.ignored, result.unseen) == ({}, (), 0)


def test_the_worst_come_first_then_the_newest(log: Path) -> None:
    shown = document.shown(_scan(log), document.ALL)
    assert [found.uuid for found in shown] == SHOWN_WITH_ALL


def test_alerts_are_those_of_the_findings(log: Path) -> None:
    alerts = _scan(log).alerts
    assert [(alert.dedup_key, alert.severity) for alert in alerts] == [
        ("00uada", Severity.MEDIUM),
        ("00ubob", Severity.HIGH),
        ("00ucyd", Severity.LOW),
        ("00udee", Severity.MEDIUM),
    ]


def test_now_is_the_newest_event(log: Path) -> None:
    result = _scan(log)
    assert result.now_ms == result.totals.newest_ms == NINE_MS + 20 * 60_000 + 60
    assert result.totals.oldest_ms == NINE_MS


def test_order_and_repeats_change_nothing(tmp_path: Path, log: Path) -> None:
    events = every_status()
    other = write(tmp_path / "other.ndjson", [*reversed(events), *events[::2]])
    plain, mixed = _scan(log), _scan(other)
    assert mixed.findings == plain.findings
    assert mixed.alerts == plain.alerts
    assert mixed.totals.duplicates == len(events[::2])


def test_more_than_a_query_may_give_is_asked_in_halves(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _scan(log, investigated=None)
    monkeypatch.setattr(sandbox, "MAX_ROWS", 2)
    assert _scan(log, investigated=None) == whole
    assert len(whole.findings) > 2


def test_two_runs_give_the_same_bytes(log: Path) -> None:
    texts: list[str] = []
    for _ in range(2):
        result = _scan(log)
        found = [
            document.finding(finding, result.investigation(finding)) for finding in result.findings
        ]
        texts.append(json.dumps([found, document.summary(result)]))
    assert texts[0] == texts[1]


def test_standard_input(log: Path) -> None:
    assert _scan(Path("-"), stdin=log.read_bytes()).findings == _scan(log).findings


def test_progress_ends_at_the_whole(log: Path) -> None:
    told: list[tuple[int, int]] = []
    scan(Request([str(log)], io.BytesIO()), lambda read, whole: told.append((read, whole)))
    size = log.stat().st_size
    assert sum(read for read, _ in told) == size
    assert {whole for _, whole in told} == {size}


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, "ada bob cyd dee eve fay gus joy"),
        ("2026-03-02T09:04:00Z", None, "eve fay gus joy"),
        ("2026-03-02T09:04:00.001Z", None, "fay gus joy"),
        (None, "2026-03-02T09:04:00Z", "ada bob cyd dee"),
        ("2026-03-02 09:02", "2026-03-02 09:04", "cyd dee"),
        ("2026-03-02T10:02:00+01:00", "2026-03-02T04:04:00-05:00", "cyd dee"),
        ("2026-03-02", "2026-03-03", "ada bob cyd dee eve fay gus joy"),
        ("16m", None, "fay gus joy"),
        ("1080s", "14m", "dee eve fay gus"),
        ("12h", None, "ada bob cyd dee eve fay gus joy"),
        ("7d", None, "ada bob cyd dee eve fay gus joy"),
    ],
)
def test_since_and_until_select_starts(
    log: Path, since: str | None, until: str | None, expected: str
) -> None:
    result = _scan(log, since=since, until=until)
    assert " ".join(sorted(_statuses(result))) == expected
    full = _statuses(_scan(log))
    assert _statuses(result).items() <= full.items()


def test_a_factor_outside_the_range_still_counts(log: Path) -> None:
    result = _scan(log, since="2026-03-02T09:04:00Z", until="2026-03-02T09:04:00.001Z")
    assert _statuses(result) == {"eve": "step_up"}


def test_an_earlier_now_hides_what_came_later(log: Path) -> None:
    result = _scan(log, now="2026-03-02T09:05:30Z")
    assert _statuses(result) == {
        "ada": "single_factor",
        "bob": "unsettled",
        "cyd": "unsettled",
        "dee": "unsettled",
        "eve": "unsettled",
        "fay": "unsettled",
    }
    assert result.unseen == 9
    assert result.now_ms == NINE_MS + 330_000


def test_a_later_now_settles(log: Path) -> None:
    result = _scan(log, now="2026-03-02T09:25:00Z")
    assert _statuses(result)["joy"] == "single_factor"
    assert result.unseen == 0


def test_a_moment_before_grace_is_over_nothing_settles(log: Path) -> None:
    result = _scan(log, now="2026-03-02T09:24:59.999Z")
    assert _statuses(result)["joy"] == "unsettled"


@pytest.mark.parametrize("option", ["since", "until", "now"])
@pytest.mark.parametrize("text", ["yesterday", "", "7", "2026-13-01", "7w", "12:00"])
def test_garbage_is_no_time(log: Path, option: str, text: str) -> None:
    times: dict[str, Any] = {option: text}
    with pytest.raises(UsageError) as caught:
        _scan(log, **times)
    assert str(caught.value).startswith(f"--{option}: {text!r} is no time; write it as 2026-01-31T")


def test_garbage_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--since: 'yesterday' is no time"):
        _scan(tmp_path, since="yesterday")


def test_a_duration_is_no_now(log: Path) -> None:
    with pytest.raises(UsageError, match="--now: '7d' is no time"):
        _scan(log, now="7d")


def test_an_empty_folder_is_nothing_readable(tmp_path: Path) -> None:
    with pytest.raises(NothingReadable) as caught:
        _scan(tmp_path)
    assert str(caught.value) == f"no Okta event in 0 files: {EXPECTED}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", None),
        ("{}\n", "JSON, but no Okta event"),
        ("just a note\n", "not JSON"),
        ("[]", None),
    ],
)
def test_a_file_without_events_is_nothing_readable(
    tmp_path: Path, text: str, reason: str | None
) -> None:
    (tmp_path / "notes.txt").write_text(text, encoding="utf-8")
    with pytest.raises(NothingReadable) as caught:
        _scan(tmp_path)
    why = f"; could not use: 1 x {reason} ({tmp_path}/notes.txt:1)" if reason else ""
    assert str(caught.value) == f"no Okta event in 1 file: {EXPECTED}{why}"


def test_where_nothing_is_readable_it_says_why(tmp_path: Path) -> None:
    lines = ['{"uuid": "x", "eventType": "user.session.start"}', *["a note"] * 5]
    (tmp_path / "log.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(NothingReadable) as caught:
        _scan(tmp_path)
    _, _, why = str(caught.value).partition(f"{EXPECTED}; could not use: ")
    assert f"1 x no published ({tmp_path}/log.ndjson:1)" in why
    assert "5 x not JSON (" in why
    assert why.endswith(", …)")


def test_the_sentence_says_what_was_expected() -> None:
    for shape in ("JSON array", "NDJSON", "event hooks", "EventBridge", "Elastic", "Splunk"):
        assert shape in EXPECTED
    for shape in ("Sentinel", "Panther", ".gz", ".zst", "Parquet"):
        assert shape in EXPECTED


def test_events_without_a_sign_in_are_no_failure(tmp_path: Path) -> None:
    result = _scan(write(tmp_path / "x.ndjson", sign_in("ada", 0)[1:]))
    assert (result.findings, result.totals.deliveries) == ((), 1)


def _future() -> list[dict[str, Any]]:
    """Return a sign-in of tomorrow."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    events = sign_in("fut", 0)
    for event in events:
        event["published"] = tomorrow.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return events


def test_the_future_does_not_move_now(tmp_path: Path, log: Path) -> None:
    result = _scan(log, write(tmp_path / "future.ndjson", _future()))
    assert result.now_ms == _scan(log).now_ms
    assert result.totals.future == 2
    assert _statuses(result)["fut"] == "unsettled"


def test_all_in_the_future_asks_for_now(tmp_path: Path) -> None:
    with pytest.raises(NothingReadable) as caught:
        _scan(write(tmp_path / "future.ndjson", _future()))
    assert str(caught.value) == "every event is dated in the future; give the time with --now"


def test_all_in_the_future_is_readable_with_now(tmp_path: Path) -> None:
    now = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    result = _scan(write(tmp_path / "future.ndjson", _future()), now=now)
    assert _statuses(result) == {"fut": "single_factor"}


def test_the_last_moment_that_there_is_is_judged(tmp_path: Path, log: Path) -> None:
    """A time is held in microseconds; a slot without an end ends behind the last of them."""
    events = sign_in("last", 0)
    for event in events:
        event["published"] = "294247-01-10T04:00:54.775Z"
    result = _scan(log, write(tmp_path / "last.ndjson", events))
    assert _statuses(result)["last"] == "unsettled"


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        _scan(tmp_path / "absent")


def _customizing(detection: str, changes: dict[str, Any]) -> Settings:
    table = Table("my.toml:1", f"detections.{detection}", changes)
    return Settings("my.toml", {detection: table})


def test_an_unknown_detection_in_the_settings(log: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        _scan(log, settings=_customizing("mystery", {}))
    assert str(caught.value) == f"my.toml:1: no detection 'mystery'; there are: {ID}"


def test_settings_change_the_detection(log: Path) -> None:
    changes: dict[str, Any] = {"dedup_key": "external_session_id", "lists": {"clients": []}}
    result = _scan(log, settings=_customizing(ID, changes))
    assert {alert.dedup_key for alert in result.alerts} == {"102ada", "102bob", "102cyd", "102dee"}


def test_an_output_among_the_input_is_not_read(tmp_path: Path, log: Path) -> None:
    output = tmp_path / "found.jsonl"
    output.write_text("not Okta\n", encoding="utf-8")
    result = _scan(tmp_path, outputs=[output], rejects=tmp_path / "rejects.ndjson")
    assert (result.totals.files, result.problems) == (1, {})
    assert result.findings == _scan(log).findings


@pytest.mark.parametrize("uuid", ["a;b", "a=b", "a=b=c;d=e=f", "'; DROP TABLE events; --"])
def test_no_uuid_breaks_a_scan(tmp_path: Path, uuid: str) -> None:
    events = every_status()
    (push,) = (event for event in events if event["uuid"] == "dee-push")
    push["uuid"] = uuid
    result = _scan(write(tmp_path / "x.ndjson", events))
    assert _statuses(result) == _statuses(_scan(write(tmp_path / "y.ndjson", every_status())))
    assert {reason.reason: count for reason, count in result.problems.items()} == {
        "uuid is no id": 1
    }


def test_a_call_that_is_off_leaves_earlier_rejects_alone(tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.ndjson"
    rejects.write_text("kept\n", encoding="utf-8")
    with pytest.raises(UsageError):
        _scan(tmp_path / "nowhere", rejects=rejects)
    assert rejects.read_text(encoding="utf-8") == "kept\n"


def test_a_range_that_ends_before_it_begins_is_no_empty_answer(log: Path) -> None:
    with pytest.raises(UsageError, match="--until 1d is not after --since 1h"):
        _scan(log, since="1h", until="1d")
