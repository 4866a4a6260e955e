"""What holds for every test of this tree, those of the plugins included.

Tests see no configuration but their own: variables of wkplug and configuration files of this machine are hidden
from them and from the processes they start. Real files written by other software are found through
WKPLUG_TEST_DATA; tests that need them skip without.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Servers on loopback, for the tests of the plugins as well.
pytest_plugins = ["tests.servers.fixtures"]

# Other work on the machine must not fail a test, so there are no deadlines. Locally every run draws other
# examples, and remembers what failed; in CI a run is the same each time, so that a failure is the commit's.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure() -> None:
    """Hide the configuration of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("WKPLUG_", "WK_")) and not name.startswith("WKPLUG_TEST_"):
            del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = str(Path(os.sep, "nonexistent", "wkplug-tests"))


@pytest.fixture(autouse=True)
def _own_settings() -> Iterator[None]:
    """Let no test see the settings that another one left in this process."""
    yield
    config = sys.modules.get("wkplug.config")  # not imported here: tests of the import look for that
    if config is not None:
        config.reload()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real files, or a skip that says how to have it."""
    folder = os.environ.get("WKPLUG_TEST_DATA")
    if not folder:
        pytest.skip("WKPLUG_TEST_DATA is not set: no folder with real files")
    return Path(folder)
