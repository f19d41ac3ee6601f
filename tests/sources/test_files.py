"""Files, folders, globs and pipes on a real file system."""

import io
import os
import threading
from pathlib import Path

import pytest

from mfagap.errors import UsageError
from mfagap.sources.files import Discovery, discover

ABSENT = "a link that leads nowhere"
LEAVES = "a link that leaves the folder"
IRREGULAR = "no regular file"


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files, which relative paths start from."""
    for name in ("logs/b.json", "logs/a.json", "logs/sub/c.gz", "logs/sub/deep/d", "other/e.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "logs"


def find(*paths: str, stdin: bytes = b"", exclude: tuple[Path, ...] = ()) -> Discovery:
    return discover(paths, io.BytesIO(stdin), Path("scratch"), exclude)


def names(found: Discovery) -> list[str]:
    return [delivery.name for delivery in found.deliveries]


ALL = ["logs/a.json", "logs/b.json", "logs/sub/c.gz", "logs/sub/deep/d"]


@pytest.mark.usefixtures("logs")
@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["logs/b.json"], ["logs/b.json"]),
        (["logs"], ALL),
        (["logs/"], ALL),
        (["logs", "other"], [*ALL, "other/e.json"]),
        (["other", "logs"], ["other/e.json", *ALL]),
        (["logs/sub", "logs"], [*ALL[2:], *ALL[:2]]),
        (["logs/*.json"], ALL[:2]),
        (["logs/[a]*"], ALL[:1]),
        (["*/?.json"], [*ALL[:2], "other/e.json"]),
        (["logs/*"], ALL),
        (["logs/**"], ALL),
        (["**/*.json"], [*ALL[:2], "other/e.json"]),
        (["logs/**/d"], ALL[3:]),
        (
            ["logs/b.json", "logs/b.json", "logs/../logs/b.json", "logs/*"],
            [ALL[1], ALL[0], *ALL[2:]],
        ),
    ],
    ids=" ".join,
)
def test_paths_lead_to_files_in_a_stable_order(paths: list[str], expected: list[str]) -> None:
    found = find(*paths)
    got = [os.path.normpath(name) for name in names(found)]
    assert sorted(got) == sorted(expected) if paths == ["logs/**"] else got == expected
    assert got == [os.path.normpath(name) for name in names(find(*paths))]
    assert found.ignored == ()
    assert all(str(delivery.path) == delivery.name for delivery in found.deliveries)
    assert found.total_bytes == sum(len(Path(name).read_bytes()) for name in got)


@pytest.mark.usefixtures("logs")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.json", "no such file or folder: 'missing.json'"),
        ("logs/a.json/x", "no such file or folder: 'logs/a.json/x'"),
        ("", "no such file or folder: ''"),
        ("logs/*.csv", "no file matches 'logs/*.csv'"),
        ("missing/**", "no file matches 'missing/**'"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(path: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        find("logs", path)
    assert str(raised.value) == message


def test_a_name_with_magic_characters_is_a_name_first(logs: Path) -> None:
    (logs / "[a]*.json").write_text("x")
    assert names(find("logs/[a]*.json")) == ["logs/[a]*.json"]


def test_absolute_paths_and_an_empty_folder(logs: Path) -> None:
    (logs / "empty").mkdir()
    assert names(find(str(logs / "empty"))) == []
    assert names(find(f"{logs}/**/c.*")) == [str(logs / "sub/c.gz")]


@pytest.mark.usefixtures("logs")
def test_standard_input_is_kept_in_the_scratch_folder() -> None:
    found = find("logs/a.json", "-", "logs/b.json", stdin=b"from a pipe\n")
    assert names(found) == ["logs/a.json", "(standard input)", "logs/b.json"]
    kept = found.deliveries[1].path
    assert (kept.parent, kept.read_bytes()) == (Path("scratch"), b"from a pipe\n")
    assert found.total_bytes == 11 + 12 + 11


def _feed(path: Path, data: bytes) -> threading.Thread:
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    return writer


def test_a_named_pipe_is_read_where_it_is_named(logs: Path) -> None:
    """As a shell's <(…) gives it."""
    pipes = [logs / "pipe-1", logs / "pipe-2"]
    for pipe in pipes:
        os.mkfifo(pipe)
    writers = [_feed(pipe, pipe.name.encode() * 100_000) for pipe in pipes]
    found = find("logs/pipe-1", "logs/pipe-2", "-", stdin=b"x")
    for writer in writers:
        writer.join()
    assert names(found) == ["logs/pipe-1", "logs/pipe-2", "(standard input)"]
    assert [delivery.path.read_bytes() for delivery in found.deliveries] == [
        b"pipe-1" * 100_000,
        b"pipe-2" * 100_000,
        b"x",
    ]


def test_a_pipe_in_a_folder_is_passed_over(logs: Path) -> None:
    """Nobody writes to it: to open it would wait forever."""
    os.mkfifo(logs / "pipe")
    (logs / "to-pipe").symlink_to("pipe")
    found = find("logs")
    assert names(found) == ALL
    assert found.ignored == (("logs/pipe", IRREGULAR), ("logs/to-pipe", IRREGULAR))


@pytest.mark.usefixtures("logs")
def test_a_link_that_leaves_the_folder_is_passed_over() -> None:
    Path("logs/outside.json").symlink_to("../other/e.json")
    Path("logs/sub/absolute.json").symlink_to(Path("other/e.json").resolve())
    Path("logs/folder").symlink_to("../other")
    found = find("logs")
    assert names(found) == ALL
    assert found.ignored == (
        ("logs/folder", "a link to a folder"),
        ("logs/outside.json", LEAVES),
        ("logs/sub/absolute.json", LEAVES),
    )


@pytest.mark.usefixtures("logs")
def test_a_link_inside_the_folder_is_read_once() -> None:
    Path("logs/0-first").symlink_to("sub/c.gz")
    Path("logs/z-last").symlink_to("b.json")
    found = find("logs")
    assert names(found) == ["logs/0-first", "logs/a.json", "logs/b.json", "logs/sub/deep/d"]
    assert found.ignored == ()


@pytest.mark.usefixtures("logs")
def test_a_link_that_is_named_is_followed() -> None:
    Path("file").symlink_to("other/e.json")
    Path("folder").symlink_to("other")
    assert names(find("file")) == ["file"]
    assert names(find("folder")) == ["folder/e.json"]
    assert names(find("file", "folder", "other")) == ["file"]


@pytest.mark.usefixtures("logs")
def test_a_link_that_leads_nowhere_is_passed_over() -> None:
    Path("logs/dangling").symlink_to("gone")
    Path("logs/loop").symlink_to("loop")
    assert find("logs/dangling").ignored == (("logs/dangling", ABSENT),)
    found = find("logs")
    assert names(found) == ALL
    assert found.ignored == (("logs/dangling", IRREGULAR), ("logs/loop", IRREGULAR))


def test_a_folder_that_cannot_be_read_costs_no_other(logs: Path) -> None:
    """Its path is longer than the system takes, which stops root as well."""
    here = os.open(logs, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=here)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    found = find("logs")
    assert names(found) == ALL
    ((name, why),) = found.ignored
    assert name.startswith("logs/" + "x" * 250)
    assert why == "cannot be read: File name too long"


@pytest.mark.usefixtures("logs")
def test_what_this_call_writes_is_no_input() -> None:
    Path("logs/link").symlink_to("a.json")
    exclude = (Path("logs/a.json"), Path("logs/sub/../sub/c.gz"), Path("logs/not-there-yet"))
    found = find("logs", "logs/a.json", exclude=exclude)
    assert names(found) == ["logs/b.json", "logs/sub/deep/d"]
    assert found.ignored == ()


def test_a_file_that_vanishes_has_no_size(logs: Path) -> None:
    found = find("logs")
    before = found.total_bytes
    size = (logs / "b.json").stat().st_size
    (logs / "b.json").unlink()
    assert found.total_bytes == before - size > 0
