"""How outcomes are counted: "0 failed" is said only when all is well."""

import json
from pathlib import Path

import pytest

from deploy.bootstrap.checks import CHECKS, Check, Counts, counts_of, report_of
from deploy.bootstrap.places import Places
from deploy.bootstrap.suite import _paths_first, summary

PYTEST = Check("unit", "pytest", ("tests/unit",))
VITEST = Check("web", "vitest", ("test",))
TOOL = Check("lint", "tool", ("ruff",))

JUNIT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="a" name="one"/>
<testcase classname="a" name="two"><failure message="x"/></testcase>
<testcase classname="a" name="three"><skipped/></testcase>
<testcase classname="a" name="four"/><testcase classname="a" name="four"><error message="left a thread"/></testcase>
</testsuite></testsuites>"""


def test_pytest_outcomes_are_read_from_its_report(tmp_path: Path) -> None:
    report = tmp_path / "unit.xml"
    report.write_text(JUNIT)
    assert counts_of(PYTEST, 1, report) == Counts(passed=1, failed=2, skipped=1)


def test_vitest_outcomes_are_read_from_its_report(tmp_path: Path) -> None:
    report = tmp_path / "web.json"
    report.write_text(json.dumps({"numPassedTests": 5, "numFailedTests": 1, "numPendingTests": 2, "numTodoTests": 0}))
    assert counts_of(VITEST, 1, report) == Counts(passed=5, failed=1, skipped=2)


@pytest.mark.parametrize("check", [PYTEST, VITEST, TOOL])
def test_a_check_that_ends_badly_without_a_report_is_one_failure(tmp_path: Path, check: Check) -> None:
    assert counts_of(check, 2, tmp_path / "none") == Counts(failed=1)


def test_a_suite_that_crashed_after_good_tests_is_one_failure_more(tmp_path: Path) -> None:
    report = tmp_path / "unit.xml"
    report.write_text('<testsuites><testsuite><testcase classname="a" name="one"/></testsuite></testsuites>')
    assert counts_of(PYTEST, -11, report) == Counts(passed=1, failed=1)


def test_a_tool_that_passes_counts_as_no_test(tmp_path: Path) -> None:
    assert counts_of(TOOL, 0, tmp_path / "none") == Counts()


def test_the_last_lines_are_a_closing_line_and_the_totals() -> None:
    outcomes = [(TOOL, Counts(failed=1), 0.25), (PYTEST, Counts(10, 0, 2), 3.0)]
    lines = summary(outcomes, Counts(10, 1, 2), 3.254).splitlines()
    assert lines[-1] == "10 passed, 1 failed"
    assert lines[-2].strip("= ") == "1 failed, 10 passed, 2 skipped in 3.25s"
    assert "  ✗ lint               0.2 s   failed" in lines
    assert "  ✓ unit               3.0 s   10 passed, 2 skipped" in lines


def test_pytest_arguments_without_a_path_run_over_all_tests() -> None:
    places = Places(Path(__file__).parents[3])
    assert _paths_first(places, ["-k", "door"]) == ("tests", "-k", "door")
    assert _paths_first(places, ["tests/unit::x", "-x"]) == ("tests/unit::x", "-x")


def test_every_check_has_a_name_and_a_report_of_its_own() -> None:
    places = Places(Path("/nowhere"))
    assert len({report_of(check, places) for check in CHECKS}) == len(CHECKS)
    assert {check.name for check in CHECKS if not check.quick} == {"fuzz", "integration", "faults"}
