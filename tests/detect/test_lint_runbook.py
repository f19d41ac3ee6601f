"""Each problem that a runbook can have is told, by file and line."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.detect.shipped import broken, copied, without_runbook

from mfagap.detect.document import read
from mfagap.detect.form import schema
from mfagap.detect.lint import problems as all_problems
from mfagap.detect.lint_runbook import problems
from mfagap.detect.load import folders, load
from mfagap.errors import ContentError

FACTS = (
    "challenged, explained, habit_days, habit_span, integration, late_act, mfa, near_act, "
    "short_window, signal, single_factor, step_up, strong_act, unresolved_alert, unsettled, "
    "weak_act"
)
PARAMETERS = "$cap_ms, $chain_ms, $from, $known_ms, $spray_ms, $to"
FIRST = 3
"""The line of the first key, and so of all of it."""

NOT_THERE = "which is neither events nor a list of detection.yml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path)


def _said(folder: Path) -> list[str]:
    """Return each problem, less the folder that it is in."""
    return [
        str(problem).removeprefix(f"{folder}/")
        for problem in problems(folder, read(folder / "detection.yml"))
    ]


@pytest.mark.parametrize("shipped", folders(), ids=lambda path: path.name)
def test_what_ships_is_clean(shipped: Path) -> None:
    assert list(problems(shipped, read(shipped / "detection.yml"))) == []


def test_a_copy_is_clean(folder: Path) -> None:
    assert _said(folder) == []


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema("runbook"))


def test_a_folder_without_a_runbook_has_no_problem(folder: Path) -> None:
    assert _said(without_runbook(folder)) == []
    assert list(all_problems(folder)) == []
    assert load(folder).runbook is None


def test_the_lint_of_a_detection_tells_them_too(folder: Path) -> None:
    line = broken(folder / "runbook.yml", "cap: 4h #", "cap: 29m #")
    told = [str(problem) for problem in all_problems(folder)]
    assert told == [f"{folder / 'runbook.yml'}:{line}: cap is shorter than enough"]


# --- the form: what is off stands on the last line of the new text ------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("enough: 30m", "enough: 30m\nowner: me", "unknown key 'owner'"),
        ("says: the client is a known", "sais: x, says: the client", "unknown key 'sais'"),
        ("    query: acts.sql", "    query: acts.sql\n    table: x", "unknown key 'table'"),
        ("    final: true", "    final: true\n    last: true", "unknown key 'last'"),
        ("  old_browsers:", "  old_browsers:\n    index: x", "unknown key 'index'"),
        ("enough: 30m", "enough: 30", "enough: 30 is not of type 'string'"),
        ("cap: 4h #", "cap: forever #", "cap: 'forever' does not match "),
        ("cap: 4h #", "cap: now #", "cap: 'now' does not match "),
        ("keep: 100", "keep: 0", "keep: 0 is less than the minimum of 1"),
        ("keep: 100", "keep: 10001", "keep: 10001 is greater than the maximum of 10000"),
        ("shared: related", "shared: ../related", "shared: '../related.sql' does not match "),
        ("query: acts.sql", "query: /etc/passwd", "steps.2.query: '/etc/passwd' does not match "),
        ("spray: 24h", "spray: a day", "parameters.spray: 'a day' does not match "),
        (
            "columns: { pattern: VARCHAR,",
            "columns: { pattern: TEXT,",
            "lists.old_browsers.columns.pattern: 'TEXT' is not one of ",
        ),
        ("kind: window", "kind: tarot", "steps.4.kind: 'tarot' is not one of ['window']"),
        ("- id: acts", "- id: My Acts", "steps.2.id: 'My Acts' does not match "),
        ("after: 24h", "after: later", "steps.3.after: 'later' is not valid under any of "),
        ("means: integration", "means: 7", "steps.0.answers.known_integration.means: 7 is not "),
        (
            "means: habit_span, at_least: 14",
            "means: habit_span, at_least: 0",
            "steps.3.answers.habit_span.at_least: 0 is less than the minimum of 1",
        ),
        ("severity: critical", "severity: grave", "verdicts.2.severity: 'grave' is not one of "),
        ("verdict: true_positive", "verdict: guilty", "verdicts.2.verdict: 'guilty' is not one "),
        ("when: [weak_act]", "when: weak_act", "verdicts.8.when: 'weak_act' is not of type "),
        (
            "when: [weak_act]",
            "when: [weak_act, weak_act]",
            "verdicts.8.when: ['weak_act', 'weak_act'] has non-unique elements",
        ),
        (
            "event_types: [user.session.start]",
            "event_types: user.session.start",
            "steps.0.event_types: 'user.session.start' is not of type 'array'",
        ),
        ("final: true", "final: yes", "verdicts.0.final: 'yes' is not of type 'boolean'"),
    ],
)
def test_the_schema_names_the_line(folder: Path, old: str, new: str, message: str) -> None:
    line = broken(folder / "runbook.yml", old, new) + new.count("\n")
    (said,) = _said(folder)
    assert said.startswith(f"runbook.yml:{line}: {message}")


@pytest.mark.parametrize(
    ("table", "old", "new"),
    [
        ("parameters", "  spray: 24h", "  1st: 24h"),
        ("lists", "  old_browsers:", "  events:"),
        ("lists", "  old_browsers:", "  sessions:"),
    ],
)
def test_a_name_that_is_none_has_the_line_of_its_table(
    folder: Path, table: str, old: str, new: str
) -> None:
    file = folder / "runbook.yml"
    line = broken(file, f"{table}:\n", f"{table}:\n")
    broken(file, old, new)
    (said,) = _said(folder)
    name = new.strip().partition(":")[0]
    assert said.startswith(f"runbook.yml:{line}: {table}: {name!r} does not match ")


@pytest.mark.parametrize(
    "key", ["enough", "cap", "keep", "parameters", "lists", "steps", "verdicts"]
)
def test_every_key_is_asked_for(folder: Path, key: str) -> None:
    file = folder / "runbook.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(f"\n{key}:", f"\n{key}_:"), encoding="utf-8")
    line = text[: text.index(f"\n{key}:")].count("\n") + 2
    assert _said(folder) == [
        f"runbook.yml:{line}: unknown key '{key}_'",
        f"runbook.yml:{FIRST}: {key!r} is a required property",
    ]


@pytest.mark.parametrize("kind", ["", "    kind: window\n    query: acts.sql\n"])
def test_a_step_has_a_query_or_a_kind_of_its_own(folder: Path, kind: str) -> None:
    line = broken(folder / "runbook.yml", "    kind: window\n", kind) - 2
    (said,) = _said(folder)
    assert said.startswith(f"runbook.yml:{line}: steps.4: {{'id': 'window', ")


def test_only_a_query_reads_events(folder: Path) -> None:
    types = "    kind: window\n    event_types: [user.session.start]\n"
    line = broken(folder / "runbook.yml", "    kind: window\n", types) - 2
    problem = "steps.4: 'query' is a dependency of 'event_types'"
    assert _said(folder) == [f"runbook.yml:{line}: {problem}"]


def test_a_runbook_needs_steps_and_verdicts(folder: Path) -> None:
    text = "enough: 30m\ncap: 4h\nkeep: 1\nparameters: {}\nlists: {}\nsteps: []\nverdicts: []\n"
    (folder / "runbook.yml").write_text(text, encoding="utf-8")
    assert [said.partition(": ")[::2] for said in _said(folder)] == [
        ("runbook.yml:6", "steps: [] should be non-empty"),
        ("runbook.yml:7", "verdicts: [] should be non-empty"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list\n", "runbook.yml:1: ['a list'] is not of type 'object'"),
        ("", "runbook.yml:1: None is not of type 'object'"),
        ("keep: 1\nkeep: 2\n", "runbook.yml:2: key 'keep' is given twice"),
        ("a: &a 1\nb: *a\n", "runbook.yml:2: no YAML: an alias, which is not taken here; "),
        ("a: [\n", "runbook.yml:2: no YAML: "),
    ],
)
def test_no_runbook_at_all_is_the_one_problem(folder: Path, text: str, message: str) -> None:
    (folder / "runbook.yml").write_text(text, encoding="utf-8")
    (said,) = _said(folder)
    assert said.startswith(message)


# --- what the schema cannot say -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "below", "message"),
    [
        ("cap: 4h #", "cap: 29m #", 0, "cap is shorter than enough"),
        (
            "kind: window\n    before: 0s\n    after: now",
            "kind: window\n    before: 0s\n    after: 4h",
            2,
            "a window reaches until now",
        ),
        (
            "  - id: window\n",
            "  - { id: acts, question: x, query: acts.sql, before: 0s, after: now, "
            "answers: { more: { says: x } } }\n  - id: window\n",
            0,
            "acts is a step or an answer already",
        ),
        (
            "      users_of_client:",
            "      no_earlier_sign_in:",
            0,
            "no_earlier_sign_in is a step or an answer already",
        ),
        ("      users_of_client:", "      around:", 0, "around is a step or an answer already"),
        ("when: [mfa]", "when: [mfaa]", 0, f"when names 'mfaa', which is none of: {FACTS}"),
        (
            "unless: [signal, unresolved_alert, challenged]",
            "unless: [signal, unresolved_alert, dared]",
            0,
            f"unless names 'dared', which is none of: {FACTS}",
        ),
        (
            "when: [unsettled]\n    rests_on: [window]",
            "when: [unsettled]\n    rests_on: [windows]",
            1,
            "rests_on names 'windows', which is none of: acts, around, client, factor, window",
        ),
        (
            "when: [mfa]\n    rests_on: [client, factor, acts, around, window]",
            "when: [mfa]\n    rests_on: [client, factor, acts, window]",
            -1,
            "false_positive must rest on every step: one that failed forbids it",
        ),
        (
            "when: [explained]\n    unless: [signal]\n    rests_on: [client, ",
            "when: [explained]\n    unless: [signal]\n    rests_on: [",
            -1,
            "benign must rest on every step: one that failed forbids it",
        ),
        (
            "insufficient_data\n    says: A step failed",
            "insufficient_data\n    when: [signal]\n    says: A step failed",
            0,
            "the last verdict must hold always: no when, unless or rests_on",
        ),
        (
            "insufficient_data\n    says: A step failed",
            "insufficient_data\n    unless: [signal]\n    says: A step failed",
            0,
            "the last verdict must hold always: no when, unless or rests_on",
        ),
        (
            "insufficient_data\n    says: A step failed",
            "insufficient_data\n    rests_on: [acts]\n    says: A step failed",
            0,
            "the last verdict must hold always: no when, unless or rests_on",
        ),
        (
            'a push was denied {after}", means: signal }',
            'a push was denied {after}", means: denial }',
            0,
            "push_denied means 'denial', which no verdict asks for",
        ),
        (
            "target: weak_act",
            "target: dim_act",
            -11,
            "act means 'dim_act', which no verdict asks for",
        ),
        (
            "event_types: [user.session.start]",
            "event_types: [user.session.start, device.enrollment.create]",
            0,
            "device.enrollment.create is not among event_types in detection.yml",
        ),
        (
            "lists:\n",
            "lists:\n  clients: { columns: { a: VARCHAR }, rows: [] }\n",
            1,
            "the detection has a list clients already",
        ),
    ],
)
def test_what_the_schema_cannot_say(
    folder: Path, old: str, new: str, below: int, message: str
) -> None:
    line = broken(folder / "runbook.yml", old, new) + below
    assert _said(folder) == [f"runbook.yml:{line}: {message}"]


def test_an_unknown_answer_is_told_with_those_there_are(folder: Path) -> None:
    line = broken(folder / "runbook.yml", "cites: [second_factor]", "cites: [third_factor]")
    (said,) = _said(folder)
    known = "act, act_after_factor, factor_not_passed, habit_days, habit_span, implausible_browser"
    assert said.startswith(
        f"runbook.yml:{line}: cites names 'third_factor', which is none of: {known}, "
    )


def test_an_excuse_that_rests_on_nothing_at_all(folder: Path) -> None:
    old = "    when: [mfa]\n    rests_on: [client, factor, acts, around, window]\n"
    line = broken(folder / "runbook.yml", old, "    when: [mfa]\n") - 1
    assert _said(folder) == [
        f"runbook.yml:{line}: false_positive must rest on every step: one that failed forbids it"
    ]


def test_times_on_the_edge_are_fine(folder: Path) -> None:
    broken(folder / "runbook.yml", "cap: 4h #", "cap: 1800s #")
    assert _said(folder) == []


def test_every_problem_is_told(folder: Path) -> None:
    file = folder / "runbook.yml"
    cap = broken(file, "cap: 4h #", "cap: 1m #")
    cites = broken(file, "cites: [second_factor]", "cites: [second_factor, mood]")
    (folder / "runbook" / "acts.sql").write_text("SELECT 1; SELECT 2", encoding="utf-8")
    assert [said.split(": ")[0] for said in _said(folder)] == [
        f"runbook.yml:{cap}",
        f"runbook.yml:{cites}",
        "runbook/acts.sql:1",
    ]


# --- queries ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "acts.sql",
            "JOIN factors AS f",
            "JOIN mysteries AS f",
            f"reads 'mysteries AS f', {NOT_THERE}",
        ),
        (
            "related.sql",
            "JOIN session_uses AS u",
            "JOIN uses AS u",
            f"reads 'uses AS u', {NOT_THERE}",
        ),
        (
            "acts.sql",
            "r.start_ms + $cap_ms",
            "r.start_ms + $grace_ms",
            f"unknown parameter 'grace_ms'; known are {PARAMETERS}",
        ),
        (
            "related.sql",
            "FROM strongest AS g",
            "FROM related AS g",
            f"reads 'related AS g', {NOT_THERE}",
        ),
        (
            "client.sql",
            "FROM answers AS a",
            "FROM answers AS a\nLIMIT 1",
            "Limit is outside the portable subset: LIMIT 1",
        ),
    ],
)
def test_a_query_outside_the_subset(
    folder: Path, name: str, old: str, new: str, message: str
) -> None:
    line = broken(folder / "runbook" / name, old, new) + new.count("\n")
    assert _said(folder) == [f"runbook/{name}:{line}: {message}"]


@pytest.mark.parametrize("name", ["related.sql", "acts.sql"])
def test_a_semicolon_at_the_end(folder: Path, name: str) -> None:
    file = folder / "runbook" / name
    file.write_text(f"{file.read_text(encoding='utf-8').rstrip()};\n", encoding="utf-8")
    assert _said(folder) == [
        f"runbook/{name}: no semicolon: a query is one SELECT, and may be put into another"
    ]


def test_a_window_gives_all_its_answers(folder: Path) -> None:
    line = broken(folder / "runbook.yml", "      open_window: {", "      wide_window: {")
    assert f"runbook.yml:{line - 2}: a window gives the answer open_window, which is not here" in (
        _said(folder)
    )


def test_a_row_of_a_list_has_its_columns(folder: Path) -> None:
    old, new = "from_ms: 1546300800000 } # 2015", "since_ms: 1546300800000 } # 2015"
    line = broken(folder / "runbook.yml", old, new)
    assert _said(folder) == [
        f"runbook.yml:{line}: a row of old_browsers needs exactly: from_ms, pattern"
    ]


def test_no_step_reads_a_shared_query_that_is_not_named(folder: Path) -> None:
    broken(folder / "runbook.yml", "shared: related.sql #", "#")
    said = _said(folder)
    assert {text.partition(":")[0] for text in said} == {"runbook/acts.sql", "runbook/factor.sql"}
    assert {text.partition(": ")[2] for text in said} == {f"reads 'related AS r', {NOT_THERE}"}


def test_a_parameter_of_the_runbook_s_own(folder: Path) -> None:
    broken(folder / "runbook.yml", "  spray: 24h", "  sprayed: 24h")
    lines = (folder / "runbook" / "around.sql").read_text("utf-8").split("\n")
    known = PARAMETERS.replace("spray", "sprayed")
    assert _said(folder) == [
        f"runbook/around.sql:{number}: unknown parameter 'spray_ms'; known are {known}"
        for number, line in enumerate(lines, start=1)
        if "$spray_ms" in line.partition("--")[0]
    ]


@pytest.mark.parametrize("name", ["acts.sql", "related.sql"])
def test_a_query_that_cannot_be_read(folder: Path, name: str) -> None:
    file = folder / "runbook" / name
    file.write_bytes(b"\xff\xfe")
    (said,) = _said(folder)
    assert said.startswith(f"runbook/{name}: cannot be read: 'utf-8' codec")
    file.write_bytes(b"--" + b"x" * 2**20)
    assert _said(folder) == [f"runbook/{name}: is longer than 1 MiB"]
    file.unlink()
    (said,) = _said(folder)
    assert said.startswith(f"runbook/{name}: cannot be read: [Errno 2] No such file")


@pytest.mark.parametrize("name", ["acts.sql", "related.sql"])
def test_a_runbook_does_not_load_without_its_queries(folder: Path, name: str) -> None:
    (folder / "runbook" / name).unlink()
    with pytest.raises(ContentError, match=rf"runbook/{name}: cannot be read: "):
        load(folder)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("keep: 100", "kept: 100", "'keep'"),
        (
            "cap: 4h #",
            "cap: forever #",
            "'forever' is no duration; write it as 90s, 15m, 12h or 7d",
        ),
        ("verdict: true_positive", "verdict: guilty", "'guilty' is not a valid VerdictWord"),
        ("severity: critical", "severity: grave", "'GRAVE'"),
    ],
)
def test_a_wrong_form_points_to_lint(folder: Path, old: str, new: str, what: str) -> None:
    file = folder / "runbook.yml"
    broken(file, old, new)
    with pytest.raises(ContentError) as caught:
        load(folder)
    assert str(caught.value) == (
        f"{file}:{FIRST}: wrong form ({what}); `mfagap detections lint` says where"
    )
