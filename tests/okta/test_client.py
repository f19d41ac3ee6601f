"""The client and a fake org over real HTTP: limits, failures, links, and what it never shows."""

import json
from collections.abc import Callable, Iterator

import httpx2
import pytest
from tests.events import start
from tests.fake_okta import faults
from tests.fake_okta.faults import Fault
from tests.fake_okta.server import TOKEN, FakeOkta
from tests.okta.orgs import Clock, client, recorded, shown

from mfagap.errors import AccessRefused, CursorRefused, SourceError
from mfagap.okta import transport
from mfagap.okta.client import OktaClient
from mfagap.okta.credentials import Credentials, Secret
from mfagap.okta.transport import open_http

LOGS = "/api/v1/logs"
SINCE = {"since": "2026-01-01T00:00:00Z"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def okta(clock: Clock) -> Iterator[FakeOkta]:
    with FakeOkta(clock=clock) as running:
        running.add([start("one")])
        yield running


def uuids(body: bytes) -> list[str]:
    return [event["uuid"] for event in json.loads(body)]


def test_an_answer(okta: FakeOkta, clock: Clock) -> None:
    with client(okta, clock) as org:
        answer = org.get(LOGS, SINCE)
        assert (answer.status, uuids(answer.body)) == (200, ["one"])
        assert answer.headers["content-type"] == "application/json"
        assert answer.url == f"{okta.url}{LOGS}?since=2026-01-01T00%3A00%3A00Z"
        assert answer.links.keys() == {"self", "next"}
        assert uuids(org.get(answer.links["next"]).body) == []
    assert okta.requests[1].query == {**SINCE, "after": okta.requests[1].query["after"]}
    assert okta.requests[0].headers["authorization"] == f"SSWS {TOKEN}"
    assert clock.slept == []


@pytest.mark.parametrize(
    "fault",
    [
        *(faults.internal_error(status) for status in (500, 502, 503, 504)),
        faults.cut(),
        faults.cut(length=False),
        Fault(body=b"<html>"),
        Fault(headers={"Content-Encoding": "gzip"}),
        faults.slow(0.3),
    ],
    ids=lambda fault: repr(fault)[6:40],
)
def test_a_short_failure_is_outlasted(fault: Fault, okta: FakeOkta, clock: Clock) -> None:
    okta.faults.extend([fault, fault])
    with client(okta, clock, time_out=0.1) as org:
        assert uuids(org.get(LOGS, SINCE).body) == ["one"]
    first, second = clock.slept
    assert 1 <= first <= 2 <= second <= 4


def test_a_long_failure_is_not(okta: FakeOkta, clock: Clock) -> None:
    okta.faults.extend([faults.internal_error()] * 9)
    with client(okta, clock) as org, pytest.raises(SourceError) as caught:
        org.get(LOGS, SINCE)
    host = okta.url.removeprefix("http://")
    said = f"Okta does not answer {host}{LOGS}: status 500, given up after 6 tries"
    assert str(caught.value) == said
    assert len(okta.requests) == 6
    assert len(clock.slept) == 5


def test_nobody_there(clock: Clock) -> None:
    okta = FakeOkta(clock=clock)
    okta.__enter__()
    okta.__exit__()
    with client(okta, clock) as org, pytest.raises(SourceError, match=r"ConnectError: .*refused"):
        org.get(LOGS)
    assert len(clock.slept) == 5


@pytest.mark.parametrize("ahead", [0, 5000, -5000])
def test_429_waits_for_the_reset_by_okta_s_clock(ahead: float) -> None:
    clock = Clock()
    with FakeOkta(clock=lambda: clock() + ahead) as okta, client(okta, clock) as org:
        okta.faults.append(faults.rate_limited(42))
        assert org.get(LOGS).status == 200
    assert clock.slept == [pytest.approx(43, abs=1)]


def test_a_concurrency_limit_is_short(okta: FakeOkta, clock: Clock) -> None:
    okta.faults.append(faults.concurrency_limited())
    with client(okta, clock) as org:
        assert org.get(LOGS).status == 200
    (wait,) = clock.slept
    assert 1 <= wait <= 2


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"X-Rate-Limit-Reset": "99999999999"}, 300, 300),
        ({"X-Rate-Limit-Reset": "1"}, 1, 1),
        ({"X-Rate-Limit-Reset": "soon"}, 1, 2),
        ({"X-Rate-Limit-Reset": "9" * 5000}, 1, 2),
        ({"X-Rate-Limit-Limit": "none", "Date": "yesterday"}, 61, 62),
    ],
)
def test_a_reset_that_is_nonsense(
    headers: dict[str, str], least: float, most: float, okta: FakeOkta, clock: Clock
) -> None:
    okta.faults.append(Fault(429, "E0000047", headers))
    with client(okta, clock) as org:
        assert org.get(LOGS).status == 200
    (wait,) = clock.slept
    assert least <= wait <= most


def test_429_without_end_is_given_up(okta: FakeOkta, clock: Clock) -> None:
    okta.faults.extend([faults.rate_limited(60)] * 20)
    with client(okta, clock) as org, pytest.raises(SourceError, match="status 429, given up"):
        org.get(LOGS)
    assert len(okta.requests) == transport.MAX_WAITS


@pytest.mark.parametrize(("share", "expected"), [(1.0, 10), (0.5, 5), (0.2, 2)])
def test_a_share_of_the_limit_is_kept(share: float, expected: int) -> None:
    clock = Clock()
    with FakeOkta(clock=clock, limit=10) as okta, client(okta, clock, share=share) as org:
        times: list[float] = []
        for _ in range(30):
            org.get(LOGS)
            times.append(clock())
    begun = times[0]
    assert sum(time < begun + 60 for time in times) == expected
    assert max(sum(at <= time < at + 60 for time in times) for at in times) == expected


def test_one_resource_does_not_wait_for_another(okta: FakeOkta, clock: Clock) -> None:
    okta.faults.append(Fault(headers={"X-Rate-Limit-Remaining": "1"}))
    with client(okta, clock, share=0.5) as org:
        org.get(LOGS)
        org.get("/api/v1/policies", {"type": "OKTA_SIGN_ON"})
        assert clock.slept == []
        org.get(LOGS)
    assert clock.slept == [pytest.approx(61, abs=1)]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://evil.example/api/v1/logs?after=1", "evil.example"),
        ("//evil.example/api/v1/logs", "evil.example"),
        ("http://127.0.0.1:9/api/v1/logs", "127.0.0.1"),
        ("http://me:pw@{}/api/v1/logs", "127.0.0.1"),
        ("http://{}@evil.example/api/v1/logs", "evil.example"),
        ("https://{}/api/v1/logs", "127.0.0.1"),
        ("file:///etc/passwd", ""),
    ],
)
def test_a_link_to_another_host_is_not_followed(
    url: str, host: str, okta: FakeOkta, clock: Clock
) -> None:
    with client(okta, clock) as org:
        text = url.replace("{}", okta.url.removeprefix("http://"))
        with pytest.raises(SourceError, match=f"a link leads to {host} and not to 127.0.0.1: not"):
            org.get(text)
    assert okta.requests == []


def test_a_link_that_is_no_url(okta: FakeOkta, clock: Clock) -> None:
    with client(okta, clock) as org, pytest.raises(SourceError, match="a link of Okta's is no URL"):
        org.get("https://example.com:port/")


def test_a_redirect_is_not_followed(okta: FakeOkta, clock: Clock) -> None:
    with FakeOkta(clock=clock) as other:
        okta.faults.append(faults.redirect(f"{other.url}{LOGS}"))
        with httpx2.Client(follow_redirects=True, auth=("a", "b")) as http:
            org = OktaClient(Credentials(okta.url, Secret(TOKEN)), http, clock, clock.sleep)
            with pytest.raises(SourceError, match="a redirect, which is not followed"):
                org.get(LOGS)
        assert other.requests == []
    assert [r.headers["authorization"] for r in okta.requests] == [f"SSWS {TOKEN}"]


@pytest.mark.parametrize(
    ("fault", "url", "kind", "said"),
    [
        (faults.invalid_cursor(), f"{LOGS}?after=1", CursorRefused, "400 E0000001: Api validation"),
        (Fault(404), f"{LOGS}?after=1", CursorRefused, "404"),
        (Fault(410), f"{LOGS}?after=1", CursorRefused, "410"),
        (None, f"{LOGS}?after=nonsense", CursorRefused, "E0000001: after: invalid cursor"),
        (Fault(400), LOGS, SourceError, f"Okta refuses {LOGS}: 400"),
        (None, f"{LOGS}?since=yesterday", SourceError, "'yesterday' is not recognized"),
        (None, "/api/v1/nothing", AccessRefused, "okta.nothing.read"),
        (Fault(401, "E0000011"), LOGS, AccessRefused, "401 E0000011: ; the API token or service"),
        (Fault(403, "E0000006"), LOGS, AccessRefused, "needs the scope okta.logs.read, and it or"),
        (Fault(403), "/api/v1/zones", AccessRefused, "the scope okta.networkZones.read"),
        (Fault(403), "/", AccessRefused, "the scope okta.*.read"),
        (Fault(418, body=b"[1]"), LOGS, SourceError, f"Okta refuses {LOGS}: 418"),
        (Fault(418, body=b"<"), LOGS, SourceError, f"Okta refuses {LOGS}: 418"),
        (Fault(418, body=b"{}"), LOGS, SourceError, f"Okta refuses {LOGS}: 418"),
    ],
)
def test_refusals(
    fault: Fault | None,
    url: str,
    kind: type[SourceError],
    said: str,
    okta: FakeOkta,
    clock: Clock,
) -> None:
    okta.faults.extend([] if fault is None else [fault])
    with client(okta, clock) as org, pytest.raises(SourceError) as caught:
        org.get(url)
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert clock.slept == []


def test_what_okta_says_cannot_steer_the_terminal(okta: FakeOkta, clock: Clock) -> None:
    body = {"errorCode": "E0000001", "errorSummary": "\x1b[2J\u202e" + "x" * 5000}
    okta.faults.append(Fault(418, body=json.dumps(body).encode()))
    with client(okta, clock) as org, pytest.raises(SourceError) as caught:
        org.get(LOGS)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MAX_ANSWER_BYTES", 100, "is over 100 bytes"),
        ("MAX_ANSWER_S", -1.0, "an answer that took over -1 seconds, given up"),
    ],
)
def test_an_answer_is_bounded(
    name: str, value: float, said: str, okta: FakeOkta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, name, value)
    okta.faults.append(Fault(body=b"[" + b" " * 200 + b"]"))
    clock = Clock()
    with client(okta, clock) as org, pytest.raises(SourceError, match=said):
        org.get(LOGS)


TROUBLE: list[Callable[[FakeOkta], object]] = [
    lambda okta: okta.faults.append(Fault(401, "E0000011")),
    lambda okta: okta.faults.append(Fault(403)),
    lambda okta: okta.faults.append(faults.invalid_cursor()),
    lambda okta: okta.faults.extend([faults.cut()] * 6),
    lambda okta: okta.faults.extend([faults.internal_error()] * 6),
    lambda okta: okta.faults.append(faults.redirect("https://evil.example")),
    lambda okta: okta.__exit__(),
]


@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_error_and_no_log_shows_the_token(
    trouble: Callable[[FakeOkta], object], clock: Clock
) -> None:
    with FakeOkta(clock=clock) as okta, recorded() as records, client(okta, clock) as org:
        trouble(okta)
        with pytest.raises(SourceError) as caught:
            org.get(f"{LOGS}?after=1")
    text = shown(caught.value) + "\n".join(records.texts)
    assert "HTTP Request" in text or "connect_tcp" in text
    assert TOKEN not in text
    assert TOKEN.encode().hex() not in text


def test_its_own_http_client_gives_up_in_time_and_follows_nothing() -> None:
    with open_http() as http:
        assert http.timeout == httpx2.Timeout(60.0, connect=15.0)
        assert not http.follow_redirects
