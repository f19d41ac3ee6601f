"""What the product can do is written down: an undocumented option, setting or error fails."""

import ast
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path

import pytest

from mfagap import errors, settings
from mfagap.alerts import Deed
from mfagap.cli.main import main
from mfagap.detect.customize import DEDUP_KEYS
from mfagap.detect.load import load_all
from mfagap.errors import MfagapError
from mfagap.lake.fields import COLUMNS
from mfagap.service.metrics import COUNTERS

PARTS = ("sources.", "routes.", "metrics.", "ping.")
ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _helps(*words: str) -> Iterator[tuple[str, str]]:
    """Yield each command and its help: that of ``words``, and of all the commands below."""
    with redirect_stdout(io.StringIO()) as out, suppress(SystemExit):
        main([*words, "--help"])
    text = out.getvalue()
    yield " ".join(("mfagap", *words)), text
    for command in re.findall(r"^ {4}(\w+)(?: |$)", text, re.MULTILINE):
        yield from _helps(*words, command)


def _sections() -> dict[str, str]:
    """Return what docs/cli.md says of each command; of ``mfagap`` itself, what comes first."""
    first, *rest = re.split(r"^## (.+)$", _text("docs/cli.md"), flags=re.MULTILINE)
    return {"mfagap": first, **dict(zip(rest[::2], rest[1::2], strict=True))}


HELPS = dict(_helps())


def test_every_command_is_documented_and_no_other() -> None:
    assert {"mfagap scan", "mfagap detections sql"} < HELPS.keys()
    assert list(_sections()) == list(HELPS)


@pytest.mark.parametrize("command", HELPS)
def test_every_option_is_documented(command: str) -> None:
    listed = re.findall(r"^  (-.*?)(?:  |$)", HELPS[command], re.MULTILINE)
    options = set(re.findall(r"--[a-z-]+", " ".join(listed)))
    assert "--help" in options
    documented = set(re.findall(r"`(--[a-z-]+)", _sections()[command]))
    assert sorted(options - documented) == ["--help"]


def test_every_column_is_documented_in_its_order() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", _text("docs/events.md"), re.MULTILINE)
    assert documented == list(COLUMNS)


def test_every_exit_code_is_documented() -> None:
    codes = {kind.exit_code for kind in _kinds(MfagapError)} | {0, 10, 130}
    documented = set(map(int, re.findall(r"^\| (\d+) \|", _text("docs/cli.md"), re.MULTILINE)))
    assert documented == codes


def test_every_setting_is_documented() -> None:
    text = _text("docs/settings.md")
    words = {"dedup_key", *DEDUP_KEYS, "MFAGAP_CONFIG", "NO_COLOR"}
    for detection in load_all():
        words |= {detection.id, *detection.lists}
        words |= {column for rows in detection.lists.values() for column in rows.columns}
    assert sorted(word for word in words if word not in text) == []


def _known_keys() -> Iterator[str]:
    """Yield every key that the code knows: of the top, and of each kind's table."""
    yield from settings.KEYS
    yield "type"
    for file in (ROOT / "src" / "mfagap").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="table"), attr="only")):
                    yield from (word for word in map(ast.literal_eval, node.args))
                case _:
                    pass


def test_every_key_of_the_settings_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z_]+[^`]*)` \|", _text("docs/settings.md"), re.MULTILINE)
    parts = {part for row in rows if not row.startswith("okta.yaml") for part in row.split(".")}
    tops = {row.split(".")[0] for row in rows} & set(settings.KEYS)
    known = set(_known_keys())
    assert {"lateness_s", "url_variable", "keep_days"} < known
    assert sorted(known - parts) == []
    assert tops == set(settings.KEYS)
    documented = {row.split(".")[-1] for row in rows if row.startswith(PARTS)}
    assert sorted(documented - known) == []


def _logged() -> Iterator[str]:
    """Yield the name of every event that is logged."""
    for file in (ROOT / "src" / "mfagap").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=logger, attr="debug" | "info" | "warning" | "error"),
                    args=[ast.Constant(value=str() as name)],
                ) if ast.unparse(logger) in ("log", "self.log", "journal"):
                    yield name
                case _:
                    pass


def _measured() -> Iterator[str]:
    """Yield the name of every metric."""
    yield from (f"{name}_total" for name in COUNTERS)
    tree = ast.parse((ROOT / "src/mfagap/service/metrics.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="_gauge"), args=[ast.Constant(value=str() as name), *_]):
                yield name
            case _:
                pass


def test_every_event_and_metric_is_documented_and_no_other() -> None:
    parts = re.split(r"^## (.+)$", _text("docs/watching.md"), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    cells = re.findall(r"^\| (`[^|]*) \|", sections["The log"], re.MULTILINE)
    events = set(re.findall(r"`(\w+)`", " ".join(cells)))
    changes = {f"alert_{deed.value}" for deed in (Deed.OPENED, Deed.WORSENED)}
    assert events == {*_logged(), *changes}
    cells = re.findall(r"^\| (`[^|]*) \|", sections["Metrics"], re.MULTILINE)
    durations = {"tick_duration_seconds_count", "tick_duration_seconds_sum"}
    assert set(re.findall(r"`(\w+)", " ".join(cells))) == {*_measured(), *durations}


def _kinds(kind: type[MfagapError]) -> Iterator[type[MfagapError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = re.findall(r"^    ([│├└─ ]*)(\w+) +exit (\d)", errors.__doc__ or "", re.MULTILINE)
    found = {name: (len(stem) // 4, int(code)) for stem, name, code in drawn}
    real = {kind.__name__: (len(kind.__mro__) - 4, kind.exit_code) for kind in _kinds(MfagapError)}
    assert found == real


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^):]+)\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not _leads(document, link)] == []


def _leads(document: Path, link: str) -> bool:
    """Tell whether ``link`` in ``document`` leads to a file, and to a heading of it if it says."""
    name, _, anchor = link.partition("#")
    file = document.parent / name if name else document
    if not file.exists() or not anchor:
        return file.exists()
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in headings}
