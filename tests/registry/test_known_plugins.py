"""The catalogue of distributions is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_catalogue_says_what_the_bundled_plugins_say() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "known_plugins.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_catalogue_names_distributions_that_nobody_has_installed() -> None:
    from wkplug.registry.missing import known

    assert known()["wkplug-tiff"]["suffixes"][0].startswith(".")
    assert "n5" in known()["wkplug-tensorstore"]["formats"]
