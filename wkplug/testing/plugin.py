"""A pytest plugin to opt in to: it makes skips of the conformance kit visible and registers the kit's markers.

`pytest -p wkplug.testing.plugin`, or `pytest_plugins = ["wkplug.testing.plugin"]` in a conftest.py. It is no
entry point on purpose: nobody else's pytest run should import the kit. At the end it prints one line per
suite, such as "TestMine: passed 75, skipped 2 by capability: concurrent_writes, resizable".
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import attrs
import pytest

__all__ = ["pytest_configure"]

_REASON = "by capability: "


@attrs.define
class _Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: set[str] = attrs.field(factory=set)
    left_out: set[str] = attrs.field(factory=set)


class _Reporter:
    """Counts what became of the tests of every suite."""

    def __init__(self) -> None:
        self.suites: dict[str, _Tally] = defaultdict(_Tally)
        self.members: set[str] = set()

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        bench = sys.modules.get("wkplug.testing.bench")
        if bench is None:  # then there are no suites either, and the kit isn't imported for nothing
            return
        for item in items:
            kind = getattr(item, "cls", None)
            if kind is not None and issubclass(kind, bench.Suite):
                self.members.add(item.nodeid)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # Where tests run in several processes, only those collect; their suites are known by the skips alone.
        reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
        if report.nodeid not in self.members and _REASON not in reason:
            return
        tally = self.suites[report.nodeid.rpartition("::")[0]]
        if report.skipped:
            tally.skipped += 1
            if _REASON in reason:
                tally.reasons.add(reason.partition(_REASON)[2])
            else:
                tally.left_out.add(reason.removeprefix("Skipped: "))
        elif report.failed:
            tally.failed += 1
        elif report.when == "call":
            tally.passed += 1

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.suites:
            return
        terminalreporter.section("wkplug conformance")
        for name, tally in sorted(self.suites.items()):
            failed = f", failed {tally.failed}" if tally.failed else ""
            why = f" by capability: {', '.join(sorted(tally.reasons))}" if tally.reasons else ""
            also = f" ({'; '.join(sorted(tally.left_out))})" if tally.left_out else ""
            suite = name.rpartition("::")[2]
            line = f"{suite}: passed {tally.passed}{failed}, skipped {tally.skipped}{why}{also}"
            terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Register the reporter and the marker of slow tests."""
    config.addinivalue_line("markers", "long: takes a while (of wkplug's conformance kit)")
    config.pluginmanager.register(_Reporter(), "wkplug-conformance")
