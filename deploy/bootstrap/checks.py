"""Owns what `run.py test` runs, and how each check's outcome is counted.

A check is a row: a name and a command. Test suites write a report that is read for their counts; any
other check counts as nothing when it passes and as one failure when it fails, so "0 failed" means that
all is well.
"""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from deploy.bootstrap.places import Places

NO_TESTS_COLLECTED = 5
"""pytest's exit status when nothing matched."""


@dataclass(frozen=True)
class Counts:
    """Outcomes of one check, or of several added up."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        words = [(self.failed, "failed"), (self.passed, "passed"), (self.skipped, "skipped")]
        return ", ".join(f"{number} {word}" for number, word in words if number) or "no tests"


@dataclass(frozen=True)
class Check:
    """One command of the whole test; `kind` says how its outcome is counted and with what it is run."""

    name: str
    kind: str  # "tool" of .venv | "npm" in the web folder | "pytest" suite | "vitest" suite
    argv: tuple[str, ...]
    quick: bool = True


# How many processes a suite runs on is what two cores carry. Contract tests wait for lines at 9600 baud and for
# deadlines most of their time, so six of them take one core; integration, faults and browser time what they see.
CHECKS = (
    Check("lint", "tool", ("ruff", "check", ".")),
    Check("format", "tool", ("ruff", "format", "--check", ".")),
    Check("types", "tool", ("mypy",)),
    Check("architecture", "tool", ("lint-imports",)),
    Check("web lint", "npm", ("run", "lint")),
    Check("web types", "npm", ("run", "typecheck")),
    Check("web", "vitest", ("test",)),
    Check("unit", "pytest", ("tests/unit", "-n", "2", "--dist", "worksteal")),
    Check("contract", "pytest", ("tests/contract", "-n", "6", "--dist", "worksteal")),
    Check("fuzz", "pytest", ("tests/fuzz", "-n", "2"), quick=False),
    Check("integration", "pytest", ("tests/integration", "-n", "2", "--dist", "loadfile"), quick=False),
    Check("faults", "pytest", ("tests/faults",), quick=False),
    Check("browser", "pytest", ("tests/browser",)),
)


def report_of(check: Check, places: Places) -> Path:
    ending = "json" if check.kind == "vitest" else "xml"
    return places.state / "reports" / f"{check.name.replace(' ', '-')}.{ending}"


def counts_of(check: Check, status: int, report: Path) -> Counts:
    """The check's counts from its exit status and, for suites, its report.

    A suite that ended badly without naming a failed test (it crashed, or found no test) is one failure.
    """
    match check.kind:
        case "pytest":
            counts = _junit(report)
        case "vitest":
            counts = _vitest(report)
        case _:
            counts = Counts()
    if status and not counts.failed:
        return counts + Counts(failed=1)
    return counts


def _junit(report: Path) -> Counts:
    """A test that passes and then fails in its teardown is listed once, as failed."""
    try:
        cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314 - our own pytest wrote it
    except (FileNotFoundError, ElementTree.ParseError):
        return Counts()
    outcomes: dict[tuple[str | None, str | None], str] = {}
    for case in cases:
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        key = (case.get("classname"), case.get("name"))
        if outcomes.get(key) != "failed":
            outcomes[key] = outcome
    found = list(outcomes.values())
    return Counts(found.count("passed"), found.count("failed"), found.count("skipped"))


def _vitest(report: Path) -> Counts:
    try:
        totals = json.loads(report.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return Counts()
    skipped = int(totals.get("numPendingTests", 0)) + int(totals.get("numTodoTests", 0))
    return Counts(int(totals.get("numPassedTests", 0)), int(totals.get("numFailedTests", 0)), skipped)
