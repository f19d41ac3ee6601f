"""The lake as a whole: one row an event, groups of files, totals, and the guard of the future."""

import itertools
import json
import re
from pathlib import Path

import pytest
from examples.log_shapes import PACKINGS, api_array, elastic_okta, eventbridge, panther
from tests.events import PUBLISHED_MS, WALL_MS, event, ndjson, start
from tests.lake.reading import Row, read, rows_of

from mfagap.cases.templates import Event
from mfagap.errors import EngineError
from mfagap.lake import memory
from mfagap.lake.memory import FUTURE_MS, MemoryLake
from mfagap.lake.rejects import Rejects
from mfagap.model import Delivery, Totals

ORDERS = list(itertools.permutations(range(3)))
MINUTE_MS = 60_000


def partial(**overrides: object) -> Event:
    """Return a delivery of one event that lacks what other deliveries have."""
    bare: dict[str, object] = {"actor": None, "client": None, "debugContext": None, "target": None}
    return start("same", **{**bare, **overrides})


def read_in(
    order: tuple[int, ...], deliveries: list[bytes], folder: Path, *reasons: str
) -> tuple[Row, Totals]:
    files = {f"{place}": deliveries[place] for place in order}
    found = read(folder / "-".join(files), files)
    assert [reject["reason"] for reject in found.rejects] == list(reasons)
    (row,) = found.rows.values()
    return row, found.totals


def test_three_shapes_of_one_event_are_coalesced_in_any_order(tmp_path: Path) -> None:
    deliveries = [
        panther([partial(actor={"id": "00u1", "alternateId": "ada@example.com"})]),
        elastic_okta([start("same", actor=None, debugContext__debugData={"factor": "A"})]),
        eventbridge([partial(target=[{"id": "t", "type": "User"}], p_parse_time="2026-01-16")]),
    ]
    rows: list[Row] = []
    for order in ORDERS:
        row, totals = read_in(order, deliveries, tmp_path)
        assert (totals.deliveries, totals.duplicates) == (3, 2)
        rows.append(row)
    assert all(row == rows[0] for row in rows)
    expected = {
        "actor_id": "00u1",
        "actor_login": "ada@example.com",
        "client_ip": "192.0.2.10",
        "factor": "A",
        "target_id": "t",
        "received_ms": PUBLISHED_MS + 12 * 60 * MINUTE_MS,
        "session_id": "102A-start-session",
    }
    assert {name: rows[0][name] for name in expected} == expected


def test_deliveries_that_differ_give_one_row_whatever_the_order(tmp_path: Path) -> None:
    """Which value wins is of no matter: that it does not depend on the order is."""
    deliveries = [
        ndjson([start("same", outcome__reason=text, client__ipAddress=address)])
        for text, address in (("a", "192.0.2.1"), ("b", None), ("c", "192.0.2.3"))
    ]
    reason = "deliveries of one uuid disagree"
    rows = [read_in(order, deliveries, tmp_path, reason)[0] for order in ORDERS]
    assert all(row == rows[0] for row in rows)
    assert rows[0]["outcome_reason"] in {"a", "b", "c"}
    assert rows[0]["client_ip"] in {"192.0.2.1", "192.0.2.3"}


def test_another_event_under_a_taken_uuid_is_a_reject_whatever_the_order(tmp_path: Path) -> None:
    deliveries = [
        ndjson([start("same", published="2026-01-15T12:00:00.001Z")]),
        ndjson([start("same"), start("same")]),
        ndjson([event("mfa", "same")]),
    ]
    for order in ORDERS:
        files = {f"{place}": deliveries[place] for place in order}
        found = read(tmp_path / "-".join(files), files)
        (row,) = found.rows.values()
        # Of one time, the first in the order of the types is kept: user.authentication…
        assert row["event_type"] == "user.authentication.auth_via_mfa"
        assert row["event_ms"] == PUBLISHED_MS
        assert found.places == [("event same", 0, "uuid of another event", False)] * 2
        texts = [json.loads(reject["text"]) for reject in found.rejects]
        assert [(text["event_ms"], text["event_type"]) for text in texts] == [
            (PUBLISHED_MS, "user.session.start"),
            (PUBLISHED_MS + 1, "user.session.start"),
        ]
        assert (found.totals.deliveries, found.totals.duplicates) == (4, 1)


def test_a_good_file_does_not_suffer_from_bad_ones(tmp_path: Path) -> None:
    files = {f"{n:02}.ndjson": ndjson([start(f"a{n}"), start(f"b{n}")]) for n in range(23)}
    for place, bad in (("03", b"oops\n"), ("11", b'{"uuid": "x"}\n'), ("22", b"\xff\n")):
        files[f"{place}.ndjson"] += bad
    found = read(tmp_path, files)
    assert len(found.rows) == 46
    assert (found.totals.files, found.totals.deliveries) == (23, 46)
    assert sorted(found.places) == [
        ("03.ndjson", 3, "not JSON", False),
        ("11.ndjson", 3, "JSON, but no Okta event", False),
        ("22.ndjson", 3, "not JSON", False),
    ]
    assert sorted(found.examples["not JSON", False]) == ["03.ndjson:3", "22.ndjson:3"]
    assert found.counts == {("not JSON", False): 2, ("JSON, but no Okta event", False): 1}
    assert found.totals.foreign == {}


def test_groups_are_bounded_and_mixed_kinds_are_apart(tmp_path: Path) -> None:
    shapes = [ndjson, api_array, eventbridge, elastic_okta]
    files = {
        f"{n:03}": PACKINGS[list(PACKINGS)[n % 3]](shapes[n // 3 % 4]([start(f"e{n}")]))
        for n in range(24)
    } | {f"many-{n:03}": ndjson([start(f"m{n}")]) for n in range(300)}
    found = read(tmp_path, files)
    assert (len(found.rows), found.rejects, found.totals.files) == (324, [], 324)


def test_only_relevant_types_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    events = [
        event("session_start", "start"),
        event("mfa", "mfa"),
        event("session_policy", "policy", published="2026-01-15T11:00:00Z"),
        event("token_create", "token", published="2026-01-15T13:00:00Z"),
        event("sso", "twice", eventType=" User.Session.START "),
    ]
    found = read(
        tmp_path,
        {"a": ndjson(events + events[3:4])},
        event_types=["User.session.start", "user.authentication.*"],
    )
    assert list(found.rows) == ["mfa", "start", "twice"]
    assert found.totals == Totals(
        files=1,
        deliveries=6,
        duplicates=0,
        future=0,
        oldest_ms=PUBLISHED_MS - 60 * MINUTE_MS,
        newest_ms=PUBLISHED_MS + 60 * MINUTE_MS,
        foreign={},
    )


def test_a_future_date_moves_nothing_but_its_own_count(tmp_path: Path) -> None:
    """Ten minutes past the wall clock are allowed, to the millisecond."""
    files = {
        "edge": ndjson([start("edge", published="2026-01-15T12:10:00.000Z")]),
        "past": ndjson([start("past", published="2026-01-15T12:10:00.001Z")]),
        "far": ndjson([start("far", published="2999-01-01T00:00:00Z")]),
    }
    found = read(tmp_path, files, wall_ms=PUBLISHED_MS)
    assert FUTURE_MS == 10 * MINUTE_MS
    assert list(found.rows) == ["edge", "far", "past"]
    assert (found.totals.deliveries, found.totals.future) == (3, 2)
    assert found.totals.newest_ms == PUBLISHED_MS + FUTURE_MS
    assert found.totals.oldest_ms == PUBLISHED_MS + FUTURE_MS


def test_nothing_but_the_future_has_no_newest(tmp_path: Path) -> None:
    files = {"far": ndjson([start("far", published="2999-01-01T00:00:00Z")])}
    totals = read(tmp_path, files).totals
    assert (totals.deliveries, totals.future, totals.newest_ms) == (1, 1, None)


def test_what_happens_or_arrives_after_now_is_forgotten(tmp_path: Path) -> None:
    events = [
        start("before", p_parse_time="2026-01-15T12:00:00Z"),
        start("not-received"),
        start("at-now", published="2026-01-15T12:05:00Z", p_parse_time="2026-01-15T12:05:00Z"),
        start("after", published="2026-01-15T12:05:00.001Z"),
        start("late", p_parse_time="2026-01-15T12:05:00.001Z"),
    ]
    path = tmp_path / "a"
    path.write_bytes(ndjson(events))
    with Rejects() as rejects, MemoryLake(rejects, WALL_MS) as lake:
        lake.load([Delivery(path, "a")], ["*"])
        assert lake.forget_after(PUBLISHED_MS + 5 * MINUTE_MS) == 2
        assert list(rows_of(lake)) == ["at-now", "before", "not-received"]
        assert lake.forget_after(PUBLISHED_MS + 5 * MINUTE_MS) == 0
        assert lake.totals.deliveries == 5


def test_an_empty_lake_has_the_columns_of_the_contract() -> None:
    with Rejects() as rejects, MemoryLake(rejects, WALL_MS) as lake:
        lake.load([], ["*"])
        assert (rows_of(lake), lake.totals) == ({}, Totals())
        described = lake.connection.execute("DESCRIBE events").fetchall()
    types = {str(name): str(kind) for name, kind, *_ in described}
    numbers = {name for name, kind in types.items() if kind == "BIGINT"}
    flags = {name for name, kind in types.items() if kind == "BOOLEAN"}
    assert numbers == {"event_ms", "received_ms", "event_day", "as_number"}
    assert flags == {"is_proxy", "threat_suspected"}
    assert set(types.values()) == {"VARCHAR", "BIGINT", "BOOLEAN"}
    assert types.keys() >= CONTRACT


CONTRACT = frozenset(
    re.findall(
        r"\w+",
        """
        uuid event_type outcome_result outcome_reason actor_id actor_type actor_login client_ip
        user_agent client_zone country city as_org session_id root_session_id transaction_id
        request_id authn_request_id request_uri credential_type credential_provider
        authentication_provider factor factor_intent prompting_policy_types dt_hash
        device_fingerprint new_device new_ip risk_level idp_mfa_verified amr_list api_token_id
        root_api_token_id original_principal_id policy_kind policy_id policy_name rule_id rule_name
        target_type target_id target_login target_name targets debug_data raw event_ms received_ms
        as_number is_proxy threat_suspected
        """,
    )
)
"""The columns that the design promises to every engine."""


def test_progress_is_told_in_bytes_and_sums_up(tmp_path: Path) -> None:
    told: list[int] = []
    data = ndjson([start("a")])
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(data if name != "b" else data + b"oops")
    with Rejects() as rejects, MemoryLake(rejects, WALL_MS) as lake:
        deliveries = [Delivery(tmp_path / name, name) for name in ("a", "b", "c", "gone")]
        lake.load(deliveries, ["*"], told.append)
    assert sum(told) == 3 * len(data) + 4


def test_the_scratch_folder_goes_with_the_lake(tmp_path: Path) -> None:
    with Rejects() as rejects, MemoryLake(rejects, WALL_MS) as lake:
        (row,) = lake.connection.execute("SELECT current_setting('temp_directory')").fetchall()
        folder = Path(str(row[0]))
        assert folder.is_dir()
    assert not folder.exists()


def test_a_full_memory_is_an_engine_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(ndjson(start(f"e{n}") for n in range(4_000)))
    with Rejects() as rejects, MemoryLake(rejects, WALL_MS) as lake:
        lake.connection.execute("SET max_temp_directory_size = '1KB'; SET memory_limit = '12MB'")
        with pytest.raises(EngineError, match=r"^reading the log failed: "):
            lake.load([Delivery(path, "a")], ["*"])


def test_no_copy_takes_a_sign_in_back(tmp_path: Path) -> None:
    kept: set[object] = set()
    for salt in range(6):
        real, copy = start("a"), {**start("a"), "target": [{"id": str(salt)}]}
        copy["outcome"] = {"result": "FAILURE", "reason": None}
        found = read(tmp_path / str(salt), {"real": ndjson([real]), "copy": ndjson([copy])})
        kept.add(found.rows["a"]["outcome_result"])
        assert found.counts == {("deliveries of one uuid disagree", True): 1}
    assert kept == {"SUCCESS"}


def test_few_rows_and_many_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ndjson([start(f"s{n}", client__userAgent__rawUserAgent="x" * n * 700) for n in range(4)])
    few = read(tmp_path / "few", {"log": log})
    monkeypatch.setattr(memory, "FEW", 0)
    assert read(tmp_path / "many", {"log": log}) == few
    assert len(few.rows) == 4


def test_what_is_left_out_for_few_rows_is_back_for_the_query(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(ndjson([start("s")]))
    with Rejects() as rejects, MemoryLake(rejects, WALL_MS) as lake:
        lake.load([Delivery(tmp_path / "log", "log")], ["*"])
        setting = lake.connection.execute("SELECT current_setting('disabled_optimizers')")
        assert setting.fetchone() == ("",)


@pytest.mark.parametrize("is_compressed", [True, False])
def test_what_is_asked_again_and_again_is_kept_compressed(
    tmp_path: Path, is_compressed: bool
) -> None:
    log = tmp_path / "log.ndjson"
    log.write_bytes(ndjson([start(f"start-{number}") for number in range(3000)]))
    with Rejects() as rejects:
        lake = MemoryLake(rejects, WALL_MS, ("client_ip",), is_compressed=is_compressed)
        with lake:
            lake.load([Delivery(log, log.name)], ["*"])
            found = lake.connection.execute("""
SELECT count(*) FILTER (compression IN ('Uncompressed', 'Empty Validity')) = count(*)
FROM pragma_storage_info('events') WHERE column_name = 'uuid'""").fetchall()
            assert found == [(not is_compressed,)]
            counted = lake.connection.execute("SELECT count(*) FROM events").fetchall()
            assert counted == [(3000,)]
