"""The fake org keeps to the rules that Okta states for paging, which the product relies on."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.events import start
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import TOKEN, FakeOkta

ROOT = Path(__file__).resolve().parents[2]
SSWS = {"Authorization": f"SSWS {TOKEN}"}


@pytest.fixture
def okta() -> Iterator[FakeOkta]:
    """An org with five events, of which the third stored is the oldest."""
    with FakeOkta() as running:
        running.add(
            start(f"e{n}", published=f"2026-01-15T12:0{n}:00.000Z") for n in (1, 2, 0, 3, 4)
        )
        yield running


def pages(url: str, most: int = 9) -> list[list[str]]:
    """Return the events of each page, following the links."""
    found: list[list[str]] = []
    while url and len(found) < most:
        answer = httpx2.get(url, headers=SSWS)
        found.append([event["uuid"] for event in answer.json()])
        url = answer.links.get("next", {}).get("url", "")
    return found


def test_polling_is_in_the_order_of_storing_and_without_end(okta: FakeOkta) -> None:
    url = f"{okta.url}/api/v1/logs?since=2026-01-15T00:00:00Z&limit=3"
    assert pages(url, 4) == [["e1", "e2", "e0"], ["e3", "e4"], [], []]
    assert pages(f"{okta.url}/api/v1/logs?since=2026-01-15T12:02:00Z", 1) == [["e3", "e4"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=2", [["e0", "e1"], ["e2", "e3"], ["e4"]]),
        ("limit=5", [["e0", "e1", "e2", "e3", "e4"]]),
        ("limit=2&sortOrder=DESCENDING", [["e4", "e3"], ["e2", "e1"], ["e0"]]),
        ("limit=0", [list[str]()]),
    ],
)
def test_a_query_with_an_end_is_by_time_and_ends(
    query: str, expected: list[list[str]], okta: FakeOkta
) -> None:
    url = f"{okta.url}/api/v1/logs?since=2026-01-15T12:00:00Z&until=2026-01-15T13:00:00Z&{query}"
    assert pages(url.replace("12:00:00", "11:59:59")) == expected
    if "limit=5" in query:
        assert pages(url) == [expected[0][1:]]  # `since` is exclusive


def test_an_answer_byte_by_byte(okta: FakeOkta) -> None:
    okta.faults.append(Fault(drip=0.0001, body=b"[]"))
    assert httpx2.get(f"{okta.url}/api/v1/logs", headers=SSWS).json() == []


def test_it_runs_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(json.dumps(start("one")) + "\n")
    array = tmp_path / "events.json"
    array.write_text(json.dumps([start("two")]))
    command = [sys.executable, "-m", "tests.fake_okta", "--token", "t"]
    command += ["--events", str(file), "--events", str(array), "--demo", "--manage"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        url = said[1].removeprefix("OKTA_CLIENT_ORGURL=")
        with httpx2.Client(base_url=url, headers={"Authorization": "SSWS t"}) as http:
            log = http.get("/api/v1/logs?since=2026-01-01T00:00:00Z").json()
            policies = http.get("/api/v1/policies?type=OKTA_SIGN_ON").json()
            removed = http.delete(f"/api/v1/policies/{policies[0]['id']}")
        process.terminate()
    assert (said[0], said[2]) == ("export", "OKTA_CLIENT_TOKEN=t")
    assert [event["uuid"] for event in log] == ["one", "two"]
    assert len(policies) > 1
    assert removed.status_code == 204
