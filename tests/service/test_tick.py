"""What ticks make of a log that comes late, in pieces, or not at all."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.properties.orgs import BEGIN, END_S, SignIn, factor, log_event, of
from tests.properties.orgs import STORIES as _STORIES
from tests.service.workshops import DROP, Bench, bench

from mfagap.alerts import Deed
from mfagap.cases.templates import Event
from mfagap.model import Stretch
from mfagap.service import run
from mfagap.service.collect import Course, Folder, collect
from mfagap.service.tick import SILENT_MS, Ticked, tick
from mfagap.state.ledger import SLOT_MS, floor

BEGIN_MS = round(BEGIN.timestamp() * 1000)
END_MS = BEGIN_MS + END_S * 1000
HOUR_S = 3600
DAY_S = 24 * HOUR_S
LOG, PAGER = ("log", 2), ("pager", 4)
ID = "okta_legacy_authn_without_mfa"
ADA = SignIn(1, "ada", 9000, "allowed")
TOKEN = of(ADA, "token_create", "token", 120)


def ms(at: float) -> int:
    return BEGIN_MS + round(at * 1000)


def story(sign_in: SignIn) -> list[Event]:
    return list(_STORIES[sign_in.story](sign_in))


def end(at: float = END_S) -> Event:
    """Return an event that no detection reads; it moves the watermark."""
    return log_event("event", f"end-{at}", at, eventType="user.session.end")


def alert(work: Bench, number: int = 1) -> tuple[Any, ...]:
    """Return status, resolution, severity, verdict and the deeds of an alert."""
    row = work.workshop.alerts.get(number)
    deeds = [deed["deed"] for deed in work.workshop.alerts.deeds(number)]
    return row["status"], row["resolution"], row["severity"], row["verdict"], deeds


def notices(work: Bench) -> list[tuple[str, str, str]]:
    """Return key, kind and verdict of every notice."""
    rows = work.workshop.database.rows("SELECT key, body FROM outbox ORDER BY rowid")
    bodies = [json.loads(row["body"]) for row in rows]
    return [
        (row["key"], body["kind"], body["verdict"]) for row, body in zip(rows, bodies, strict=True)
    ]


def set_status(work: Bench, status: str, resolution: str | None = None, number: int = 1) -> None:
    """Decide as a person does."""
    alerts = work.workshop.alerts
    row = alerts.get(number)
    with work.workshop.database.change():
        alerts.put(number, {**row, "status": status, "resolution": resolution}, END_MS)
        work.workshop.sessions.await_runbook(row["detection"], row["dedup_key"])


def held(work: Bench) -> dict[str, Any]:
    """Return all that is on file, less when slots were evaluated."""
    tables = ("sessions", "versions", "investigations", "alerts", "members", "deeds", "outbox")
    told: dict[str, Any] = {
        table: work.workshop.database.rows(f"SELECT * FROM {table} ORDER BY rowid")
        for table in tables
    }
    told["slots"] = work.workshop.database.rows(
        "SELECT detection, from_ms, watermark_ms, events, starts, dirty FROM slots ORDER BY from_ms"
    )
    return told


def feed(work: Bench, name: str, file: str, events: Sequence[Event]) -> Folder:
    """Write a file for the source ``name``; return the source."""
    folder = work.folder / name
    folder.mkdir(exist_ok=True)
    (folder / file).write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    return Folder(name, str(folder), 0)


def test_what_comes_late_takes_back_keeps_or_worsens_an_alert(tmp_path: Path) -> None:
    """A factor of Ada's; one of Bob's, whose alert is taken up; an act of Cyd's, then a factor."""
    bob, cyd = (SignIn(2, "bob", 9100, "allowed"), SignIn(3, "cyd", 9200, "allowed"))
    with bench(tmp_path, [LOG, PAGER]) as work:
        work.drop("1", [*story(ADA), *story(bob), *story(cyd), end()])
        assert work.tick(END_MS) == Ticked(END_MS, 7, 3, 3, (Deed.OPENED,) * 3, ())
        for number in (1, 2, 3):
            assert alert(work, number) == ("open", None, 2, "security_risk", ["opened"])
        set_status(work, "acknowledged", number=2)
        token = of(cyd, "token_create", "token", 120)
        work.drop("2", [factor(ADA, "mfa", 20), factor(bob, "mfa", 20), token])
        deeds = (Deed.RETRACTED, Deed.KEPT, Deed.WORSENED)
        assert work.tick(END_MS) == Ticked(END_MS, 7, 2, 3, deeds, ())
        back = ("closed", "retracted", 2, "security_risk", ["opened", "retracted"])
        kept = ("acknowledged", "retracted", 2, "security_risk", ["opened", "kept"])
        worse = ("open", None, 4, "true_positive", ["opened", "worsened"])
        assert [alert(work, number) for number in (1, 2, 3)] == [back, kept, worse]
        why = "a second factor came to light [mfa-1]"
        assert work.workshop.alerts.deeds(1)[1]["note"] == why
        told = [
            *((f"{number}-{number}-log", "opened", "security_risk") for number in (1, 2, 3)),
            # the pager was not told of it, and so not of its end
            ("1-4-log", "retracted", "security_risk"),
            ("3-6-log", "worsened", "true_positive"),
            ("3-6-pager", "worsened", "true_positive"),
        ]
        assert notices(work) == told
        body = json.loads(work.workshop.outbox.waiting(END_MS)[3]["body"])
        assert (body["why"], body["status"], body["users"]) == (why, "closed", ["ada@example.com"])

        work.drop("3", [factor(cyd, "mfa", 20)])
        assert work.tick(END_MS).deeds == (Deed.KEPT,)
        assert alert(work, 3)[:4] == ("open", "retracted", 4, "true_positive")
        assert notices(work) == told
        assert work.tick(END_MS + 1000) == Ticked(END_MS, silent=())


def test_the_window_begins_with_the_first_match_whenever_it_comes(tmp_path: Path) -> None:
    clocks = (7620, 7620 + HOUR_S - 1, 7620 + HOUR_S)  # 10:07, 11:06:59 and 11:07
    first, last, next_one = (SignIn(n, "ada", at, "allowed") for n, at in enumerate(clocks))
    # the windows of Bob's begin at 9600 and 13320, until an earlier one moves them
    earlier, *known = (
        SignIn(n, "bob", at, "allowed")
        for n, at in enumerate((6600, 9600, 12_000, 13_140, 13_320), start=3)
    )
    with bench(tmp_path, [LOG]) as work:
        work.drop("1", [*story(last), *(event for one in known for event in story(one)), end()])
        assert work.tick(END_MS).deeds == (Deed.OPENED,) * 3
        assert work.alerts == [
            ("00uada", ms(last.at), 2, ["start-1"]),
            ("00ubob", ms(9600), 2, ["start-4", "start-5", "start-6"]),
            ("00ubob", ms(13_320), 2, ["start-7"]),
        ]
        work.drop("2", [*story(first), *story(next_one), *story(earlier)])
        deeds = (Deed.MATCHED, Deed.OPENED, Deed.OPENED, Deed.MATCHED, Deed.RETRACTED)
        assert work.tick(END_MS).deeds == deeds
        assert work.alerts == [
            ("00uada", ms(first.at), 2, ["start-0", "start-1"]),
            ("00uada", ms(next_one.at), 2, ["start-2"]),
            ("00ubob", ms(6600), 2, ["start-3", "start-4"]),
            ("00ubob", ms(12_000), 2, ["start-5", "start-6", "start-7"]),
        ]
        assert work.workshop.alerts.members(2) == {"start-5", "start-6", "start-7"}
        assert work.workshop.alerts.deeds(3)[-1]["note"] == "another alert has the sign-in now"


def test_of_what_lies_far_back_a_tick_reads_only_what_the_steps_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Sequence[Stretch]] = []
    with bench(tmp_path) as work:
        whole = type(work.workshop.lake).read

        def noted(lake: Any, columns: Any, stretches: Any, *until: Any) -> Any:
            read.append(stretches)
            return whole(lake, columns, stretches, *until)

        monkeypatch.setattr(type(work.workshop.lake), "read", noted)
        work.drop("story.ndjson", [*story(ADA), end()])
        work.tick(END_MS)
    *_, (far, near) = read
    assert far == Stretch(
        ["policy.evaluate_sign_on", "user.authentication.auth_via_mfa", "user.session.start"],
        ms(ADA.at) - 30 * DAY_S * 1000,
        ms(ADA.at) - HOUR_S * 1000,
    )
    assert (near.from_ms, near.to_ms) == (far.to_ms, END_MS + 1)
    assert "group.user_membership.*" in near.event_types


def test_a_follow_up_is_done_after_a_restart(tmp_path: Path) -> None:
    soon_s, due_s = ADA.at + 400, ADA.at + 1800
    with bench(tmp_path) as work:
        work.drop("1", [*story(ADA), end(soon_s)])
        assert work.tick(ms(soon_s)) == Ticked(ms(soon_s), 1, 1, 1, (Deed.OPENED,), ())
        assert alert(work) == ("open", None, 2, "insufficient_data", ["opened"])
        booked = work.workshop.database.one("SELECT follow_up_ms FROM sessions")
        assert booked == ms(due_s)
    with bench(tmp_path) as work:
        work.drop("2", [end(due_s - 0.001)])
        assert work.tick(ms(due_s)).investigated == 0
        work.drop("3", [end(due_s)])
        ticked = work.tick(ms(due_s))
        assert (ticked.changed, ticked.investigated, ticked.deeds) == (0, 1, (Deed.EASED,))
        assert alert(work) == ("open", None, 2, "security_risk", ["opened", "eased"])
        runs = work.workshop.database.rows("SELECT run, at_ms FROM investigations ORDER BY run")
        assert [(row["run"], row["at_ms"]) for row in runs] == [(1, ms(soon_s)), (2, ms(due_s))]


def test_what_is_received_after_now_is_not_seen_until_then(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.drop("1", [*story(ADA), end()])
        work.tick(END_MS)
        work.drop("2", [TOKEN])
        received_ms = END_MS + 600_000
        collect(work.workshop, [Folder(DROP, str(tmp_path / "logs"), 0)], received_ms)
        assert tick(work.workshop, END_MS + 1000, lambda: 0.0).deeds == ()
        assert alert(work)[3] == "security_risk"
        assert tick(work.workshop, received_ms, lambda: 0.0).deeds == (Deed.WORSENED,)
        assert alert(work)[3] == "true_positive"


def test_what_happened_after_now_is_not_seen(tmp_path: Path) -> None:
    later = SignIn(2, "bob", 12_000, "allowed")
    now_ms = ms(11_000)
    with bench(tmp_path) as work:
        work.drop("1", [*story(ADA), *story(later), end(11_000)])
        assert work.tick(now_ms).watermark_ms == now_ms
        assert list(work.findings) == ["start-1"]
        work.drop("2", [end()])
        work.tick(END_MS)
        assert list(work.findings) == ["start-1", "start-2"]


def test_what_came_before_it_happened_is_seen_once_it_has(tmp_path: Path) -> None:
    """A file may go beyond NOW: an act that it holds makes an earlier session due, in its time."""
    with bench(tmp_path) as work:
        act, far = of(ADA, "token_create", "token", 1200), of(ADA, "sso", "far", 10**8)
        ends = [end(ADA.at + after) for after in (400, 1199, 1201)]
        work.drop("1", [*story(ADA), act, *ends, far])
        for after in (400, 1199):
            work.tick(ms(ADA.at + after))
            assert alert(work)[3] == "insufficient_data"
        assert work.tick(ms(ADA.at + 1200)).deeds == (Deed.WORSENED,)
        assert alert(work)[3] == "true_positive"
        assert work.tick(ms(ADA.at + 1201)).investigated == 0


def test_an_act_is_seen_when_it_comes_though_the_log_is_not_complete_yet(tmp_path: Path) -> None:
    """An org's log is believed complete up to some minutes ago; who acts now is told of now."""
    act = of(ADA, "token_create", "token", 2400)
    with bench(tmp_path, [LOG], lateness_ms=300_000) as work:
        work.drop("1", [*story(ADA), end(ADA.at + 2300)])
        assert work.tick(ms(ADA.at + 2300)).deeds == (Deed.OPENED,)
        assert alert(work)[3] == "security_risk"
        work.drop("2", [act])
        ticked = work.tick(ms(ADA.at + 2430))
        assert (ticked.watermark_ms, ticked.deeds) == (ms(ADA.at + 2100), (Deed.WORSENED,))
        assert alert(work)[3] == "true_positive"


def confidence(work: Bench) -> tuple[str, tuple[str, ...]]:
    (found,) = work.findings.values()
    return found[0].confidence.value, found[0].confidence_reasons


def test_a_silent_source_lowers_confidence_until_it_speaks(tmp_path: Path) -> None:
    """Whatever it then speaks of: what it has not said of then did not happen."""
    heard_ms = ms(8000)
    with bench(tmp_path) as work:
        other = feed(work, "other", "1", [end(7000)])
        main = feed(work, "main", "1", [end(7000.5)])
        collect(work.workshop, [main, other], heard_ms)
        assert tick(work.workshop, heard_ms, lambda: 0.0).silent == ()
        feed(work, "main", "2", [*story(ADA), end(10_500)])
        now_ms = heard_ms + SILENT_MS - 1
        collect(work.workshop, [main, other], now_ms)
        ticked = tick(work.workshop, now_ms, lambda: 0.0)
        assert (ticked.watermark_ms, ticked.silent) == (ms(7000), ())
        assert [row["mfa_status"] for row in sessions(work)] == ["unsettled"]
        ticked = tick(work.workshop, now_ms + 1, lambda: 0.0)
        assert (ticked.watermark_ms, ticked.silent) == (ms(10_500), ("other",))
        assert ticked.deeds == (Deed.OPENED,)
        assert confidence(work) == ("low", ("silent_source",))
        feed(work, "other", "2", [end(END_S)])
        feed(work, "main", "3", [end(END_S)])
        collect(work.workshop, [main, other], END_MS)
        ticked = tick(work.workshop, END_MS, lambda: 0.0)
        assert ticked.silent == ()
        assert confidence(work) == ("high", ())
        assert tick(work.workshop, END_MS, lambda: 0.0).changed == 0


def sessions(work: Bench) -> list[Any]:
    return list(work.workshop.database.rows("SELECT * FROM sessions ORDER BY uuid"))


def test_what_began_before_a_source_fell_silent_is_not_doubted(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        main = feed(work, "main", "1", [*story(ADA), end(9700)])
        other = feed(work, "other", "1", [end(9001)])
        collect(work.workshop, [main, other], ms(9700))
        tick(work.workshop, ms(9700), lambda: 0.0)
        now_ms = ms(9700) + SILENT_MS
        feed(work, "main", "2", [end(13_000)])
        collect(work.workshop, [main, other], now_ms)
        assert tick(work.workshop, now_ms, lambda: 0.0).silent == ("other",)
        assert confidence(work) == ("high", ())


def test_where_all_sources_are_silent_nothing_waits_for_ever(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.drop("1", [*story(ADA), end(9100)])
        assert work.tick(ms(9100)).watermark_ms == ms(9100)
        now_ms = ms(9100) + SILENT_MS
        assert work.tick(now_ms - 1).watermark_ms == ms(9100)
        ticked = work.tick(now_ms + 300_000)
        assert (ticked.watermark_ms, ticked.silent) == (ms(9100) + 300_000, (DROP,))
        assert ticked.deeds == (Deed.OPENED,)


def test_hours_that_were_missed_are_filled_by_the_next_tick(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.drop("1", [end(100)])
        assert work.tick(ms(100)).slots == 1
        work.drop("2", [*story(ADA), end()])
        assert work.tick(END_MS).slots == END_S * 1000 // SLOT_MS + 1
        slots = work.workshop.ledger.slots([ID], (0, 2 * END_MS))
        begins = list(range(floor(BEGIN_MS), END_MS + 1, SLOT_MS))
        assert [row["from_ms"] for row in slots] == begins
        assert {(row["dirty"], row["watermark_ms"]) for row in slots} == {(0, END_MS)}
        counted = {row["from_ms"]: (row["events"], row["starts"]) for row in slots}
        assert {begin: counts for begin, counts in counted.items() if counts != (0, 0)} == {
            ms(ADA.at): (2, 1)
        }, "events of other types are not its input"
        assert work.tick(END_MS).slots == 0


def test_evaluating_a_range_again_changes_nothing(tmp_path: Path) -> None:
    with bench(tmp_path, [LOG]) as work:
        work.drop("1", [end(0), *story(ADA), TOKEN, end()])
        work.tick(END_MS)
        before = held(work)
        for _ in range(2):
            ticked = run.again(work.workshop, (ms(8990), ms(9010)), END_MS)
            assert ticked == Ticked(END_MS, 2, 0, 0, (), ())
            assert held(work) == before
        assert run.again(work.workshop, (0, 2 * END_MS), END_MS).slots == len(before["slots"])
        assert held(work) == before


def test_a_source_that_fails_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.drop("1", [*story(ADA), end()])
        absent = str(tmp_path / "absent")
        both = [Folder("gone", absent, 0), Folder(DROP, str(tmp_path / "logs"), 0)]
        progress: list[tuple[str, int]] = []
        course = Course(lambda name, count, _past: progress.append((name, count)))
        told = collect(work.workshop, both, END_MS, course)
        assert told.failures.keys() == {"gone"}
        assert absent in told.failures["gone"]
        assert (told.events, told.duplicates, told.rejected) == ({DROP: 3}, 0, 0)
        assert progress == [(DROP, 3)]
        assert tick(work.workshop, END_MS, lambda: 0.0).deeds == (Deed.OPENED,)


def test_what_cannot_be_read_and_what_comes_again_is_counted(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        work.drop("1", [*story(ADA), end()])
        source = Folder(DROP, str(tmp_path / "logs"), 60_000)
        collect(work.workshop, [source], END_MS)
        assert work.workshop.ledger.sources()[0]["watermark_ms"] == END_MS - 60_000
        (tmp_path / "logs" / "2").write_text(
            json.dumps(end()) + "\n{\n" + json.dumps(end(1)) + "\n", encoding="utf-8"
        )
        told = collect(work.workshop, [source], END_MS)
        assert (told.events, told.duplicates, told.rejected) == ({DROP: 1}, 1, 1)
        assert collect(work.workshop, [source], END_MS).events == {}, "no file has changed"


def test_an_event_of_the_far_future_moves_neither_watermark_nor_now(tmp_path: Path) -> None:
    far = {"published": "2099-01-01T00:00:00.000Z"}
    bob = SignIn(2, "bob", 9000, "allowed")
    events = [event | far for event in story(bob)]
    with bench(tmp_path) as work:
        work.drop("1", [*events, end(100)])
        assert work.tick(END_MS) == Ticked(ms(100), END_S * 1000 // SLOT_MS + 1, 0, 0, (), ())
        work.drop("2", [*story(ADA), end()])
        ticked = work.tick(END_MS)
        assert (ticked.watermark_ms, ticked.deeds) == (END_MS, (Deed.OPENED,))
        assert list(work.findings) == ["start-1"]
        assert work.workshop.ledger.sources()[0]["watermark_ms"] == END_MS
        assert work.tick(END_MS + 60_000).slots <= 1


def test_nothing_read_is_nothing_done(tmp_path: Path) -> None:
    with bench(tmp_path) as work:
        (tmp_path / "logs").mkdir()
        assert work.tick(END_MS) == Ticked(None)
        assert tick(work.workshop, END_MS + SILENT_MS, lambda: 0.0).slots == 0


def test_what_a_person_closed_no_longer_counts_against_a_habit(tmp_path: Path) -> None:
    """The runbook calls a known integration's habit benign, unless an alert is unresolved."""
    habit = [
        log_event(
            "helper_start",
            f"day-{day}",
            -day * DAY_S,
            authenticationContext__externalSessionId=f"102-{day}",
        )
        for day in (14, 13, 12, 11, 10)
    ]
    trail = {
        "authenticationContext__externalSessionId": "102-next",
        "debugContext__debugData__requestId": "next",
        "transaction__id": "next",
    }
    events = [
        *habit,
        log_event("helper_start", "earlier", 0),
        log_event("token_create", "token", 60),
        log_event("helper_start", "next", 10 * HOUR_S, **trail),
        end(14 * HOUR_S),
    ]
    now_ms = ms(14 * HOUR_S)
    with bench(tmp_path) as work:
        work.drop("1", events)
        work.tick(now_ms)
        verdicts = {uuid: found[1].value for uuid, found in work.findings.items()}
        assert (verdicts["earlier"], verdicts["next"]) == ("true_positive", "security_risk")
        rows = work.workshop.alerts.listed()
        bad = [row["id"] for row in rows if row["verdict"] in ("true_positive", "suspicious")]
        for number in bad[1:]:
            set_status(work, "closed", "handled", number)
        assert work.tick(now_ms).deeds == (), "one is unresolved"
        set_status(work, "closed", "handled", bad[0])
        assert work.tick(now_ms).deeds == (Deed.EASED,)
        verdicts = {uuid: found[1].value for uuid, found in work.findings.items()}
        assert (verdicts["earlier"], verdicts["next"]) == ("true_positive", "benign")
        assert alert(work, bad[0])[:4] == ("closed", "handled", 4, "true_positive")
        set_status(work, "open", None, bad[0])
        assert work.tick(now_ms).deeds == (Deed.WORSENED,)
