"""The rules of the code base that no linter of ours can hold, and proof that each can fail."""

import ast
import io
import os
import re
import shutil
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import UNTRACED

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "mfagap"
TESTS = ROOT / "tests"

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "misc"})
ENVIRONMENT = frozenset({"os.environ", "os.environb", "os.getenv"})
CLOCK = frozenset(
    {
        *(f"time.{name}" for name in ("time", "monotonic", "perf_counter")),
        *(f"time.{name}_ns" for name in ("time", "monotonic", "perf_counter")),
        *(f"datetime.datetime.{name}" for name in ("now", "today", "utcnow")),
        "datetime.date.today",
    }
)
SUPPRESSION = re.compile(r"#\s*(type:\s*ignore|pyright:|noqa|ruff:\s*noqa)", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:work|root|home|Users)/\w")
INDEX = re.compile(r"://|--(?:extra-)?index-url|--find-links|--trusted-host", re.IGNORECASE)

Checker = Callable[[str], Iterator[str]]


def long_file(source: str) -> Iterator[str]:
    if (lines := len(source.splitlines())) > MAX_FILE_LINES:
        yield f"{lines} lines, where {MAX_FILE_LINES} are allowed"


def long_functions(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"line {node.lineno}: {node.name} has {lines} lines"


def broad_excepts(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {ast.unparse(kind).split(".")[-1] if kind else "" for kind in caught}
            if names & {"", "Exception", "BaseException"}:
                yield f"line {node.lineno}: a broad except"


def suppressions(source: str) -> Iterator[str]:
    if not SUPPRESSION.search(source):
        return  # to tell a comment from a text takes a hundred times as long
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and SUPPRESSION.search(token.string):
            yield f"line {token.start[0]}: {token.string}"


def environment_reads(source: str) -> Iterator[str]:
    return _uses(source, ENVIRONMENT)


def clock_reads(source: str) -> Iterator[str]:
    return _uses(source, CLOCK)


def _uses(source: str, banned: frozenset[str]) -> Iterator[str]:
    """Yield each use of a banned name, whatever it was imported as."""
    tree = ast.parse(source)
    origin: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origin |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            origin |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, *rest = _dotted(node)
            name = ".".join([origin.get(first, first), *rest])
            if name in banned:
                yield f"line {node.lineno}: {name}"


def _dotted(node: ast.expr) -> list[str]:
    """Return the parts of a dotted name; of what is none, the first part is empty."""
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    return [node.id] if isinstance(node, ast.Name) else [""]


def module_state(source: str) -> Iterator[str]:
    """Yield module-level names that hold a list, dict or set, unless written as a constant."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign):
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and value and _is_state(target.id, value):
                yield f"line {node.lineno}: {target.id}"


def _is_state(name: str, value: ast.expr) -> bool:
    if name.startswith("__"):
        return False
    if isinstance(value, ast.Call):
        kind = ast.unparse(value.func).split(".")[-1]
        mutable = kind in {"list", "dict", "set", "defaultdict", "deque", "Counter", "OrderedDict"}
        empty = not value.args and not value.keywords
    else:
        displays = ast.List | ast.Set | ast.Dict | ast.ListComp | ast.SetComp | ast.DictComp
        mutable = isinstance(value, displays)
        empty = ast.unparse(value) in {"[]", "{}"}
    return mutable and (empty or not name.isupper())


def machine_paths(text: str) -> Iterator[str]:
    if not MACHINE_PATH.search(text):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            yield f"line {number}: {line.strip()[:80]}"


def index_addresses(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if INDEX.search(line):
            yield f"line {number}: {line.strip()[:80]}"


def vague_names(path: str) -> Iterator[str]:
    for part in Path(path).with_suffix("").parts:
        if part in VAGUE_NAMES:
            yield f"{part} says nothing of what it holds"


def _python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _tracked_files() -> list[Path]:
    """List what git tracks or would add; without git, what lies in the usual folders."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        paths = [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]
    else:
        folders = ("src", "tests", "docs", "requirements", "examples", "benchmarks")
        paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return [path for path in paths if path.is_file()]


def _violations(check: Checker, paths: list[Path]) -> list[str]:
    found: list[str] = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {problem}" for problem in check(text)]
    return found


@pytest.mark.parametrize(
    "check", [long_file, long_functions, broad_excepts, suppressions, module_state]
)
def test_source_keeps_the_rule(check: Checker) -> None:
    assert _violations(check, _python_files(SRC)) == []


@pytest.mark.parametrize("check", [long_file, suppressions])
def test_tests_keep_the_rule(check: Checker) -> None:
    assert _violations(check, _python_files(TESTS)) == []


def test_only_settings_reads_the_environment() -> None:
    others = [path for path in _python_files(SRC) if path != SRC / "settings.py"]
    assert _violations(environment_reads, others) == []


def test_only_service_reads_the_clock() -> None:
    others = [path for path in _python_files(SRC) if SRC / "service" not in path.parents]
    assert _violations(clock_reads, others) == []


def test_every_module_is_named_for_what_it_holds() -> None:
    names = [str(path.relative_to(SRC)) for path in _python_files(SRC)]
    assert [problem for name in names for problem in vague_names(name)] == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    files = _tracked_files()
    assert Path(__file__) in files
    assert _violations(machine_paths, files) == []


def test_requirements_name_no_index() -> None:
    compiled = sorted((ROOT / "requirements").glob("*.txt"))
    assert compiled
    assert _violations(index_addresses, compiled) == []


LONG_FUNCTION = "def f():\n" + "    g()\n" * MAX_FUNCTION_LINES


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        (long_file, "x = 1\n" * (MAX_FILE_LINES + 1)),
        (long_functions, LONG_FUNCTION),
        (long_functions, f"async {LONG_FUNCTION}"),
        (broad_excepts, "try:\n    f()\nexcept:\n    pass"),
        (broad_excepts, "try:\n    f()\nexcept Exception as error:\n    pass"),
        (broad_excepts, "try:\n    f()\nexcept (OSError, builtins.BaseException):\n    pass"),
        (suppressions, "x = f()  # type: ignore[arg-type]"),
        (suppressions, "x = f()  # pyright: ignore"),
        (suppressions, "# pyright: basic"),
        (suppressions, "import x  # NOQA"),
        (environment_reads, "import os\nx = os.environ['A']"),
        (environment_reads, "from os import getenv as read\nread('A')"),
        (clock_reads, "import time\ntime.time()"),
        (clock_reads, "import time as t\nt.monotonic_ns()"),
        (clock_reads, "import datetime as dt\ndt.datetime.now(dt.UTC)"),
        (clock_reads, "from datetime import UTC, datetime\ndatetime.now(UTC)"),
        (module_state, "cache = {}"),
        (module_state, "CACHE: dict[str, int] = {}"),
        (module_state, "_seen = set()"),
        (module_state, "names = ['a']"),
        (module_state, "by_name = defaultdict(list)"),
        (machine_paths, f"see /{'home'}/me/notes.txt"),
        (index_addresses, f"--{'index-url'} x"),
        (index_addresses, "x @ https:" + "//host/simple/x.whl"),
        (vague_names, "lake/utils.py"),
        (vague_names, "common/words.py"),
    ],
)
def test_a_rule_can_fail(check: Checker, bad: str) -> None:
    assert list(check(bad))


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (long_file, "x = 1\n" * MAX_FILE_LINES),
        (long_functions, LONG_FUNCTION.removesuffix("    g()\n")),
        (broad_excepts, "try:\n    f()\nexcept (OSError, ValueError):\n    pass"),
        (suppressions, "x = '# noqa'  # ignore nothing"),
        (environment_reads, "import os\nos.environment"),
        (clock_reads, "from datetime import datetime\ndatetime.fromisoformat(text)"),
        (clock_reads, "event.time.time()"),
        (module_state, "NAMES = ['a']\n__all__ = ['b']\nwords = frozenset({'c'})"),
        (module_state, "def f():\n    cache = {}"),
        (machine_paths, "https:" + "//example.com/home/app and ./work/x"),
        (index_addresses, "rich==15.0.0 --hash=sha256:00"),
        (vague_names, "lake/projection.py"),
    ],
)
def test_a_rule_can_pass(check: Checker, good: str) -> None:
    assert list(check(good)) == []


def test_what_is_not_traced_is_there() -> None:
    named = [ROOT / name.partition("::")[0] for name in UNTRACED]
    assert [path for path in named if not path.exists()] == []
