"""Prints what tests have counted, and does not trace those that run one path very often."""

import pytest

FIGURE = "figure"
"""``record_property(FIGURE, "200 kills")`` states a test's figure."""

UNTRACED = (
    "tests/engines/test_clickhouse.py",
    "tests/engines/test_postgres.py",
    "tests/fuzz/",
    "tests/harden/test_apply_crashes.py",
    "tests/hostile/",
    "tests/lake/test_store_crashes.py",
    "tests/properties/",
    "tests/report/hardening/test_hostile.py",
    "tests/report/test_html_browser.py",
    "tests/service/test_crashes.py",
    "tests/service/test_troubles.py",
    "tests/test_cases.py::test_case[",
)
"""Their coverage is not measured: they run the same lines hundreds of times, and to note each of
them takes up to as long again. The other tests alone reach what the gate asks for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of ``UNTRACED`` to run without the tracer."""
    for item in items:
        if item.nodeid.startswith(UNTRACED):
            item.add_marker("no_cover")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have stated."""
    told = [
        f"{report.nodeid}: {value}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, value in report.user_properties
        if name == FIGURE
    ]
    if told:
        terminalreporter.section("figures")
        for line in sorted(told):
            terminalreporter.line(line)
