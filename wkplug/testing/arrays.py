"""`ArrayBackendSuite`: all promises of `wkplug.abc.ArrayBackend` and `Array` as tests to inherit.

A storage plugin tests itself with a file of six lines::

    from wkplug.testing import ArrayBackendSuite


    class TestMine(ArrayBackendSuite):
        backend = "mine+impl"  # or, not installed: backend_factory = "package.module:Class"

Fixtures to override: `location` (a fresh folder; for tests on other storage), `layouts`, `dtypes`, `axes` and
`array_backend`; `write_otherwise` and `read_otherwise` where a second implementation of the format exists.
Tests are skipped only where the backend declares a capability closed ("by capability: ..."), and what is closed
is tested to be refused; what the suite's author left out (a second implementation, an entry point) says so.
`WKPLUG_TEST_PROFILE=thorough` draws many more examples. With `pytest_plugins = ["wkplug.testing.plugin"]` in
a conftest.py, the marker `long` is known and what was skipped is printed.

The kit knows pytest, hypothesis, numpy and the contract; the rest of wkplug doesn't know the kit.
"""

from __future__ import annotations

from wkplug.testing.parts.damage import DamagePart
from wkplug.testing.parts.handles import HandlesPart
from wkplug.testing.parts.histories import HistoriesPart
from wkplug.testing.parts.layouts import LayoutsPart
from wkplug.testing.parts.opening import OpeningPart
from wkplug.testing.parts.others import OthersPart
from wkplug.testing.parts.processes import ProcessesPart
from wkplug.testing.parts.reading import ReadingPart
from wkplug.testing.parts.refusals import RefusalsPart
from wkplug.testing.parts.resizing import ResizingPart
from wkplug.testing.parts.writing import WritingPart

__all__ = ["ArrayBackendSuite"]


class ArrayBackendSuite(
    OpeningPart,
    ReadingPart,
    WritingPart,
    HandlesPart,
    ResizingPart,
    LayoutsPart,
    RefusalsPart,
    ProcessesPart,
    DamagePart,
    HistoriesPart,
    OthersPart,
):
    """The conformance tests of array backends; see the module's text for how to use it."""
