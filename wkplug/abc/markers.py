"""The marker for hook implementations, and the number of the plugin API.

`API` is part of the entry-point group ("wkplug.v1"), so that a mismatch is seen before any code runs. It
changes only when a hook or an ABC breaks; new hooks, new hook arguments and new defaulted fields don't.
"""

from __future__ import annotations

import pluggy

__all__ = ["API", "PROJECT", "hookimpl"]

API = 1
PROJECT = "wkplug"
hookimpl = pluggy.HookimplMarker(PROJECT)
