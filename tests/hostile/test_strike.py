"""The whole hostile set through every output: nothing steers, hides, opens or runs."""

import csv
import io
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.cli.command import PROGRAM
from tests.events import ndjson
from tests.hostile.strikes import NAMES, STRIKES, hidden, hostile_folder, sign_in
from tests.lake.reading import cut
from tests.properties.orgs import END_S, log_event

from mfagap.cli.main import main
from mfagap.cli.output import FORMATS
from mfagap.report import document, grid, table
from mfagap.report.clean import cell, terminal
from mfagap.service.scan import Request, scan

FORMULA = re.compile(r"\s*[=+\-@\t\r\uff0b\uff0d\uff1d\uff20]")
SHOWN = len(STRIKES)


@dataclass(frozen=True, slots=True)
class Said:
    """What one call of the program wrote."""

    out: str
    err: str
    rejects: str


def said(folder: Path, kind: str, work: Path) -> Said:
    rejects = work / f"rejects-{kind}"
    words = ["scan", str(folder), "--all", "--format", kind, "--rejects", str(rejects)]
    done = subprocess.run([PROGRAM, *words], capture_output=True, check=True, timeout=60)
    return Said(done.stdout.decode(), done.stderr.decode(), rejects.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_folder(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many sign-ins, of people who mean no harm."""
    path = tmp_path_factory.mktemp("harmless")
    events = [event for number in range(SHOWN) for event in sign_in(number, "x")]
    end = log_event("event", "end", END_S, eventType="user.session.end")
    (path / "log.ndjson").write_bytes(ndjson([*events, end]))
    return path


def as_table(text: str, _: str) -> None:
    assert hidden(text) == []
    assert max(map(len, text.split("\n"))) <= grid.PLAIN_WIDTH
    assert len(text) < 1_000_000


def as_json(text: str, _: str) -> None:
    assert text.isascii()
    assert hidden(text) == []
    found = json.loads(text)["findings"]
    agents = {line["uuid"]: line["alert_context"]["user_agent"] for line in found}
    assert agents == expected_agents()


def as_jsonl(text: str, _: str) -> None:
    assert text.isascii()
    assert hidden(text) == []
    lines = [json.loads(line) for line in text.split("\n")[:-1]]
    assert {
        line["uuid"]: line["alert_context"]["user_agent"] for line in lines
    } == expected_agents()


def expected_agents() -> dict[str, str]:
    """Unchanged, and whole up to a length: a reader of JSON gets what the client said."""
    texts = [text.replace("\ud800", "\ufffd") for text in STRIKES.values()]
    told = [cut(text) if len(text) > 1000 else text for text in texts]
    return {f"start-{number}": text for number, text in enumerate(told)}


def as_csv(text: str, _: str) -> None:
    assert hidden(text) == []
    csv.field_size_limit(2 * len(STRIKES["megabyte"]))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == SHOWN + 1
    assert {len(row) for row in rows} == {len(rows[0])}
    assert [value for row in rows for value in row if FORMULA.match(value)] == []


def as_ocsf(text: str, _: str) -> None:
    assert text.isascii()
    assert hidden(text) == []
    lines = [json.loads(line) for line in text.split("\n")[:-1]]
    agents = {
        line["metadata"]["original_event_uid"]: line["evidences"][0]["http_request"]["user_agent"]
        for line in lines
    }
    assert agents == expected_agents()


class Tags(HTMLParser):
    """The kinds of tags that a page has: each with the names of its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: set[tuple[str, ...]] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add((tag, *(name for name, _ in attrs)))


def as_html(text: str, harmless: str) -> None:
    """The page has the same kinds of tags as with harmless text; no text became an address."""
    assert hidden(text) == []
    assert Tags(text).seen == Tags(harmless).seen
    assert not re.search(r"""=\s*["']?\s*javascript:""", text)


HARMLESS: Mapping[str, Callable[[str, str], None]] = {
    "table": as_table,
    "json": as_json,
    "jsonl": as_jsonl,
    "csv": as_csv,
    "html": as_html,
    "ocsf": as_ocsf,
}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_whole_hostile_set_through_every_output(
    kind: str, folder: Path, harmless: Path, tmp_path: Path
) -> None:
    found = said(folder, kind, tmp_path)
    HARMLESS[kind](found.out, said(harmless, kind, tmp_path).out if kind == "html" else "")
    assert hidden(found.err) == []
    assert max(map(len, found.err.split("\n"))) < 1000
    assert found.err.endswith(
        f" Alerts: {SHOWN}. Verdicts on {SHOWN} of them: {SHOWN} security_risk.\n"
    )
    assert found.rejects.isascii()
    assert hidden(found.rejects) == []
    rejects = [json.loads(line) for line in found.rejects.split("\n")[:-1]]
    assert {row["file"].removeprefix(f"{folder}/") for row in rejects} >= set(NAMES)
    for text in (found.out, found.err, found.rejects):
        assert "keep me" not in text


def test_links_and_pipes_are_passed_over_by_name(folder: Path, tmp_path: Path) -> None:
    summary = json.loads(said(folder, "json", tmp_path).out)["summary"]
    assert {
        name.removeprefix(f"{folder}/"): why for name, why in summary["passed_over"].items()
    } == {
        "link\x1b[2J": "a link that leaves the folder",
        "folder\u202e": "a link to a folder",
        "round": "no regular file",
        "pipe\x9b": "no regular file",
    }


def test_colors_are_all_that_steers_a_terminal(folder: Path) -> None:
    result = scan(Request([str(folder)], io.BytesIO()))
    out = io.StringIO()
    table.render(result, document.ALL, out, color=True)
    text = out.getvalue()
    assert "\x1b[" in text
    assert hidden(re.sub(r"\x1b\[[0-9;]*m", "", text)) == []


@pytest.mark.parametrize("name", STRIKES)
def test_each_strike_is_harmless_on_a_terminal(name: str) -> None:
    text = terminal(STRIKES[name])
    assert (hidden(text), text.count("\n")) == ([], 0)
    assert len(text) <= 200 * len("\\ue0041")


@pytest.mark.parametrize("name", STRIKES)
def test_each_strike_is_harmless_in_a_cell(name: str) -> None:
    text = cell(STRIKES[name])
    assert (hidden(text), text.count("\n")) == ([], 0)
    assert not FORMULA.match(text)


def test_messages_about_hostile_names_are_harmless(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a name is in the call itself, and the call fails."""
    for name in NAMES:
        assert main(["scan", f"{folder}/{name}", "-o", f"{tmp_path}/{name[:9]}.json"]) == 3
        printed = capsys.readouterr()
        assert (printed.out, hidden(printed.err)) == ("", [])
