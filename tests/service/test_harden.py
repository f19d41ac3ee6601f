"""What is read and what is not, and what that leaves known: log, policies and lake together."""

import io
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples import demo_policies
from tests.cli.demo import org, served, written_plainly
from tests.cli.logs import every_status, sign_in, write
from tests.cli.watched import copied, run_once
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import READ_SCOPES, FakeOkta

from mfagap import settings
from mfagap.detect.evaluate import rfc3339
from mfagap.errors import (
    AccessRefused,
    NothingReadable,
    OutputError,
    SettingsError,
    SourceError,
    UsageError,
)
from mfagap.harden import checks
from mfagap.harden import snapshot as snapshots
from mfagap.model.hardening import (
    CheckOutcome,
    Effect,
    Hardening,
)
from mfagap.service import harden, run, scan
from mfagap.service.casebook import listed
from mfagap.settings import Settings, Table
from mfagap.state.closed import Closed
from mfagap.state.database import Database

MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The demo's log, and its policies as files."""
    return written_plainly(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(tmp_path / "logs" / "okta.ndjson", every_status()).parent


def request(state: Path, *paths: Path, **given: Any) -> harden.Request:
    """Return a request whose state is in ``state``."""
    of_log = {name: given.pop(name) for name in ("since", "until", "now") if name in given}
    configured = given.pop("settings", Settings(state=state))
    log = scan.Request([str(path) for path in paths], io.BytesIO(), settings=configured, **of_log)
    return harden.Request(log, **given)


def found(state: Path, *paths: Path, **given: Any) -> Hardening:
    return harden.harden(request(state, *paths, **given)).found


def outcomes(results: Hardening, check: str) -> list[CheckOutcome]:
    return [each.outcome for each in results.results if each.check == check]


# --- what is read ---


def test_the_log_alone_names_the_rules_and_says_what_it_cannot_know(
    tmp_path: Path, demo: tuple[Path, Path]
) -> None:
    told = found(tmp_path, demo[0], since="30d")
    failed = [each for each in told.results if each.outcome is CheckOutcome.FAIL]
    assert {each.reason for each in failed} == {"seen_in_log"}
    assert [each.subject_name for each in failed] == [
        *("Build hosts", "Low risk", "Default Rule", "VPN"),
    ]
    assert (told.plan, told.agreement, told.affected, told.digest) == (None, None, (), "")
    assert (told.sessions, told.stepped_up) == (15, 3)
    assert len(told.inventory) == 48
    assert told.now_ms - told.from_ms == 30 * 86_400_000
    assert told.notes == (
        "The log begins at 2026-02-15T09:00:00.000Z: who signed in before is not known.",
        "Of the log 2 could not be used: not JSON.",
        "No policies were read: what the rules say today, and what a change would cost, is not "
        "known. --from reads them from files, --api from the org.",
    )


def test_policies_alone_are_judged_and_say_nothing_of_use(
    tmp_path: Path, demo: tuple[Path, Path]
) -> None:
    told = found(tmp_path, snapshot=demo[1])
    assert outcomes(told, "default_rule_without_factor") == [CheckOutcome.FAIL]
    assert outcomes(told, "user_without_factor") == [CheckOutcome.UNKNOWN]
    assert told.from_ms == told.now_ms
    assert (told.sessions, told.inventory, told.agreement) == (0, (), None)
    assert told.plan is not None
    assert [change.safe for change in told.plan.changes] == [False] * 4
    assert told.notes == (
        "No log was read: how often a rule lets somebody in, whom the plan affects and who uses "
        "the legacy API is not known.",
    )


def test_log_and_policies_together(tmp_path: Path, demo: tuple[Path, Path]) -> None:
    told = found(tmp_path, demo[0], snapshot=demo[1])
    assert told.agreement is not None
    assert told.agreement.agreed == told.agreement.sign_ins > 0
    assert told.digest == snapshots.digest(told.snapshot)
    assert {row.effect for row in told.affected} == set(Effect) - {Effect.UNKNOWN}
    assert told.plan is not None
    assert (
        "1 would lose a program or channel that never passed a factor: vint@example.com"
        in told.plan.changes[0].why
    )
    assert not (tmp_path / "snapshots").exists()  # what is there as a file is kept as one


def test_the_settings_of_the_detection_count(tmp_path: Path, demo: tuple[Path, Path]) -> None:
    name = f"detections.{harden.DETECTION}"
    clients = [{"pattern": "%chrome/131.%", "kind": "library"}]
    table = Table("my.toml:1", name, {"lists": {"clients": clients}})
    configured = Settings(state=tmp_path, detections={harden.DETECTION: table})
    for given, kind in ((Settings(state=tmp_path), None), (configured, "library")):
        told = found(tmp_path, demo[0], settings=given)
        browsers = [each for each in told.inventory if "Chrome/131." in (each.user_agent or "")]
        assert {each.client_kind for each in browsers} == {kind}


def test_only_the_span_that_is_asked_for_is_looked_at(
    tmp_path: Path, demo: tuple[Path, Path]
) -> None:
    whole = found(tmp_path, demo[0], snapshot=demo[1])
    day = found(tmp_path, demo[0], snapshot=demo[1], since="1d")
    assert day.sessions < whole.sessions
    assert len(day.inventory) < len(whole.inventory)
    assert not [note for note in day.notes if "begins" in note]
    assert day.notes[0] == (
        "The log holds events from 2026-02-15T09:00:00.000Z on; sign-ins before "
        f"{rfc3339(day.from_ms)} were left out (--since takes more)."
    )
    assert not [note for note in whole.notes if "left out" in note]
    past = found(tmp_path, demo[0], until="2026-03-01T00:00:00Z")
    assert past.sessions == 5


def test_session_policies_that_are_not_whole_decide_nothing(
    tmp_path: Path, demo: tuple[Path, Path]
) -> None:
    read = found(tmp_path, snapshot=demo[1]).snapshot
    part = read.parts["OKTA_SIGN_ON"]
    cut = {"items": list(part.items[:2]), "missing": "page 2: 500"}
    whole = json.loads(snapshots.dump(read))
    whole["parts"]["OKTA_SIGN_ON"] = cut
    file = tmp_path / "org.json"
    file.write_text(json.dumps(whole), encoding="utf-8")
    told = found(tmp_path, demo[0], snapshot=file)
    assert (told.agreement, told.affected) == (None, ())
    assert told.plan is not None
    assert not any(change.safe for change in told.plan.changes)
    assert told.notes[-1] == (
        "The session policies are not wholly known: no sign-in is decided again, and whom the "
        "plan affects is not known."
    )


@pytest.mark.parametrize("target", [None, [{"id": "0PRgone", "type": "PolicyRule"}]])
def test_a_session_that_no_evaluation_explains_is_unknown_and_makes_nothing_safe(
    tmp_path: Path, demo: tuple[Path, Path], target: Any
) -> None:
    """Ben's evaluation is not in the log; of Ada's it cannot be told that it is one."""
    (start, evaluated), (lone, _) = sign_in("ada", 0), sign_in("ben", 1)
    log = write(tmp_path / "okta.ndjson", [start, {**evaluated, "target": target}, lone])
    told = found(tmp_path, log, snapshot=demo[1])
    assert told.agreement is not None
    assert told.agreement.agreed == 0
    (only,) = told.agreement.rules
    assert (only.rule_id, only.undecided, only.disagreed) == (None, 3, 0)
    assert {(row.login, row.effect, row.reason.partition(";")[0]) for row in told.affected} == {
        (
            f"{user}@example.com",
            Effect.UNKNOWN,
            "the log does not tell which session policy decided",
        )
        for user in ("ada", "ben")
    }
    assert told.plan is not None
    assert [change.safe for change in told.plan.changes] == [False] * 4


def test_a_check_whose_query_fails_is_unknown_and_ends_no_other(
    tmp_path: Path, demo: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [
        replace(check, query="SELECT 1 AS reason") if check.id == "unreachable_rule" else check
        for check in checks.load_all()
    ]
    monkeypatch.setattr(checks, "load_all", lambda: broken)
    told = found(tmp_path, snapshot=demo[1])
    (failed,) = [each for each in told.results if each.check == "unreachable_rule"]
    assert (failed.outcome, failed.reason, failed.subject) == (
        *(CheckOutcome.UNKNOWN, "query_failed", "org"),
    )
    assert failed.says.startswith("It could not be asked: check unreachable_rule ")
    assert outcomes(told, "default_rule_without_factor") == [CheckOutcome.FAIL]


# --- the org itself ---


@pytest.fixture
def client_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens a client of a fake org."""
    with ExitStack() as stack:

        def opened(**options: Any) -> Any:
            okta = stack.enter_context(served(monkeypatch, **options))
            return okta, harden.client_of(Settings(), stack, lambda _s: None)

        yield opened


def test_the_org_is_asked_for_the_factors_of_who_came_in_without_one(
    tmp_path: Path, demo: tuple[Path, Path], client_of: Any
) -> None:
    okta, client = client_of()
    told = found(tmp_path, demo[0], client=client)
    asked = {
        request.path.split("/")[4] for request in okta.requests if request.path.endswith("/factors")
    }
    came_in = {row.actor_id for row in told.affected if row.effect is not Effect.UNAFFECTED}
    assert came_in <= asked
    assert len(asked) < len(org()["factors"])
    (kept,) = (tmp_path / "snapshots").iterdir()
    assert kept.name.endswith(f"Z-{told.digest[:12]}.json")
    assert snapshots.load(kept) == told.snapshot
    worst: dict[str, Effect] = {}
    for row in told.affected:
        worst.setdefault(row.login.removesuffix("@example.com"), row.effect)
    assert worst == demo_policies.truth() | {"zoe": Effect.UNAFFECTED}


def test_of_very_many_users_not_all_are_asked_about(
    tmp_path: Path, demo: tuple[Path, Path], client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harden, "MOST_USERS", 2)
    okta, client = client_of()
    told = found(tmp_path, demo[0], client=client)
    assert len([r for r in okta.requests if r.path.endswith("/factors")]) == 2
    assert told.notes[-1].startswith("Factors were read of the first 2 users; of ")
    assert Effect.LOCKED_OUT not in {row.effect for row in told.affected}


def test_a_scope_that_is_missing_is_unknown_and_named(
    tmp_path: Path, log: Path, client_of: Any
) -> None:
    _, client = client_of(scopes=READ_SCOPES - {"okta.networkZones.read"})
    told = found(tmp_path, log, client=client)
    missing = told.snapshot.part("zones").missing
    assert missing is not None
    assert "okta.networkZones.read" in missing
    assert outcomes(told, "network_wider_than_name")[0] is not CheckOutcome.PASSED


def test_no_scope_at_all_leaves_the_log(tmp_path: Path, log: Path, client_of: Any) -> None:
    _, client = client_of(scopes=frozenset())
    told = found(tmp_path, log, client=client)
    assert (told.plan, told.agreement) == (None, None)
    assert CheckOutcome.PASSED not in {
        each.outcome for each in told.results if each.check != "user_without_factor"
    }


def test_credentials_that_are_not_accepted_are_an_error(
    tmp_path: Path, log: Path, client_of: Any
) -> None:
    _, client = client_of(token="another")
    with pytest.raises(AccessRefused):
        found(tmp_path, log, client=client)


def test_an_org_that_fails_is_an_error_and_nothing_is_kept(
    tmp_path: Path, log: Path, client_of: Any
) -> None:
    okta, client = client_of()
    okta.when("/api/v1/policies", Fault(status=500))
    with pytest.raises(SourceError):
        found(tmp_path, log, client=client)
    assert not (tmp_path / "snapshots").exists()


def test_a_snapshot_is_taken_with_and_without_a_log(
    tmp_path: Path, demo: tuple[Path, Path], client_of: Any
) -> None:
    _, client = client_of()
    alone, _ = harden.taken(request(tmp_path, client=client))
    assert alone.part("user_factors").items == ()
    whole, kept = harden.taken(request(tmp_path, demo[0], client=client))
    assert len(whole.part("user_factors").items) > 5
    assert snapshots.load(kept) == whole
    assert len(list((tmp_path / "snapshots").iterdir())) == 2


def test_a_snapshot_is_taken_from_an_org_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="from the org"):
        harden.taken(request(tmp_path))


def test_where_a_snapshot_cannot_be_kept(tmp_path: Path, client_of: Any) -> None:
    _, client = client_of()
    (tmp_path / "snapshots").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match=r"cannot write .*snapshots"):
        harden.taken(request(tmp_path, client=client))


def test_a_source_of_the_settings_says_what_share_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mfagap.toml"
    file.write_text('[sources.org]\ntype = "okta_api"\nshare_percent = 0\n', encoding="utf-8")
    with (
        served(monkeypatch),
        ExitStack() as stack,
        pytest.raises(SettingsError, match=r"sources\.org\.share_percent: 0 is not"),
    ):
        harden.client_of(settings.load(file), stack)


def test_a_rule_that_is_open_again_in_a_snapshot_raises_an_alert(
    tmp_path: Path, client_of: Any
) -> None:
    configured = settings.load(copied(run_once(tmp_path / "first"), tmp_path))
    rule = demo_policies.parts()["OKTA_SIGN_ON"][-1]["rules"][-1]
    with Database(configured.state) as database, database.change():
        Closed(database).put(
            {
                "rule_id": rule["id"],
                "policy_id": "00p1default0000000001",
                "name": rule["name"],
                "run": "run",
                "closed_ms": time.time_ns() // 1_000_000 - MINUTE_MS,
            }
        )
    _, client = client_of()
    harden.taken(request(tmp_path, settings=configured, client=client))
    titles = [row["dedup_key"] for row in listed(configured, everything=False)]
    assert len([title for title in titles if title.startswith(rule["id"])]) == 1


# --- the lake ---


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_once(tmp_path_factory.mktemp("watched"))


def _sessions(told: Hardening) -> Sequence[tuple[str, int]]:
    rules = [each for each in told.results if each.check == "session_rule_without_factor"]
    return [(each.subject_id, each.amount) for each in rules]


def test_what_run_has_collected_is_read_where_no_log_is_named(config: Path) -> None:
    configured = settings.load(config)
    done = harden.harden(request(configured.state, settings=configured))
    files = harden.harden(request(configured.state, config.parent / "logs"))
    assert _sessions(done.found) == _sessions(files.found) != []
    assert done.found.inventory == files.found.inventory
    assert done.log is not None
    assert files.log is not None
    assert done.log.totals.newest_ms == files.log.totals.newest_ms
    early = harden.harden(
        request(configured.state, settings=configured, now="2026-03-02T09:02:30Z")
    )
    assert early.found.sessions < done.found.sessions


def test_a_lake_that_holds_nothing_is_no_all_clear(tmp_path: Path) -> None:
    file = tmp_path / "mfagap.toml"
    file.write_text('[sources.dropped]\ntype = "folder"\npath = "logs"\n', encoding="utf-8")
    configured = settings.load(file)
    with pytest.raises(NothingReadable, match="the lake holds no event yet; `mfagap run --once`"):
        harden.harden(request(tmp_path, settings=configured))
    write(tmp_path / "logs" / "old.ndjson", every_status())
    with run.opened(configured) as workshop:
        run.run_once(workshop, configured, run.moment(workshop))
    with pytest.raises(
        NothingReadable, match="all that was read is older than keep_days, or could not"
    ):
        harden.harden(request(tmp_path, settings=configured))


def test_a_log_without_an_event_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "empty.json").write_text("[]", encoding="utf-8")
    with pytest.raises(NothingReadable):
        found(tmp_path, tmp_path / "logs")


# --- the exception ---


def test_service_accounts_are_kept_alive(tmp_path: Path, demo: tuple[Path, Path]) -> None:
    keep = harden.Keeping(demo_policies.SERVICES, demo_policies.BUILD_ZONE, "30d")
    told = found(tmp_path, demo[0], snapshot=demo[1], keep=keep, now="2026-03-05T00:00:00Z")
    assert told.plan is not None
    kept = [change for change in told.plan.changes if change.expires_ms is not None]
    assert [change.method for change in kept] == ["POST", "POST"]
    assert {change.expires_ms for change in kept} == {1_775_260_800_000}  # 2026-04-04
    worst = {row.login: row.effect for row in reversed(told.affected)}
    assert worst["vint@example.com"] is Effect.UNAFFECTED


def test_an_exception_that_cannot_be_granted(tmp_path: Path, demo: tuple[Path, Path]) -> None:
    for keep, why in (
        (harden.Keeping("00g0nobody", demo_policies.BUILD_ZONE, "30d"), "00g0nobody"),
        (harden.Keeping(demo_policies.SERVICES, demo_policies.BUILD_ZONE, "soon"), "--keep-until"),
    ):
        with pytest.raises(UsageError, match=why):
            found(tmp_path, demo[0], snapshot=demo[1], keep=keep)


def test_a_step_that_failed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = write(tmp_path / "logs" / "okta.ndjson", sign_in("ada", 0)).parent
    with scan.judged(request(tmp_path, log).scan) as judged:
        result = judged.result
    failures = {("acts", "it ran too long"): 3}
    monkeypatch.setattr(type(result), "failures", property(lambda _self: failures))
    told = found(tmp_path, log)
    assert "The step acts of the runbook failed: it ran too long" in told.notes


def test_okta_fake_is_what_the_demo_says(client_of: Any, demo: tuple[Path, Path]) -> None:
    """What is read over HTTP is what the files have, so that one test may stand for both."""
    okta, client = client_of()
    assert isinstance(okta, FakeOkta)
    users = list(org()["factors"])
    from mfagap.harden import folder
    from mfagap.harden.fetch import fetch

    read, files = fetch(client, 0, users), folder.read(demo[1])
    assert {name: len(part.items) for name, part in read.parts.items()} == {
        name: len(part.items) for name, part in files.parts.items()
    }
