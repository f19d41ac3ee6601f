"""What a test has counted or measured is printed with the results of the run."""

import pytest

FIGURE = "figure"
"""``record_property(FIGURE, "200 kills")`` states a test's figure."""


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
