"""Runs unittest modules in this process and writes what came of each test, as JSON.

    python outcomes.py OUT BOOTSTRAP test.module ...

BOOTSTRAP names a function of bootstraps.py which is called before the modules are imported. Needs nothing but
the standard library, so that any Python at hand can run it.
"""

import importlib
import json
import sys
import unittest
from pathlib import Path
from typing import Any

import bootstraps


class Outcomes(unittest.TestResult):
    """Keeps the outcome of each test by its id, and the traceback where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}
        self.details: dict[str, str] = {}

    def note(self, test: Any, outcome: str, err: Any = None) -> None:
        self.outcomes[test.id()] = outcome
        if err is not None:
            self.details[test.id()] = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]

    def addSuccess(self, test: Any) -> None:
        self.note(test, "ok")

    def addError(self, test: Any, err: Any) -> None:
        self.note(test, f"error {err[0].__name__}", err)

    def addFailure(self, test: Any, err: Any) -> None:
        self.note(test, "failure", err)

    def addSkip(self, test: Any, reason: str) -> None:
        self.note(test, f"skip {reason}")

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self.note(test, "expected failure")

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.note(test, "unexpected success")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self.note(subtest, f"failure {err[0].__name__}", err)


def run(modules: list[str]) -> Outcomes:
    """All tests of the modules."""
    loader = unittest.defaultTestLoader
    suite, result = unittest.TestSuite(), Outcomes()
    for name in modules:
        try:
            suite.addTests(loader.loadTestsFromModule(importlib.import_module(name)))
        except unittest.SkipTest as skipped:  # made for another platform
            result.outcomes[name] = f"skip {skipped}"
    suite.run(result)
    return result


def main(out: str, bootstrap: str, *modules: str) -> None:
    """The whole program."""
    counted = getattr(bootstraps, bootstrap)()
    result = run(list(modules))
    report = {"outcomes": result.outcomes, "details": result.details, "counted": counted()}
    Path(out).write_text(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
