"""What is installed: a light command line, and a wheel that carries the content."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"

HELP = """
import sys
from mfagap.cli.main import main
try:
    code = main(["--help"])
except SystemExit as stop:
    code = stop.code
heavy = {"duckdb", "sqlglot", "rich", "jsonschema", "yaml", "httpx2", "joserfc", "cattrs"}
heavy = (heavy | {"sqlite3", "structlog", "prometheus_client"}) & set(sys.modules)
sys.exit(f"imported: {sorted(heavy)}" if heavy else code)
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mfagap" in done.stdout


def test_wheel_carries_every_content_file(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    content = {
        path.relative_to(SRC).as_posix()
        for path in (SRC / "mfagap" / "content").rglob("*")
        if path.is_file()
    }
    assert content
    assert content <= shipped
