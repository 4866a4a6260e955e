"""`args=`: the namespace of command-line options that once said where work runs.

It had `distribution_strategy`, `jobs` (or `processes`) and `job_resources`. Today `executor=` says it, by an
object or a name; `executor_of` gives the name that such a namespace means.

Who calls it: `older` methods with an `args`, and `wkplug.utils.get_executor_for_args`.
"""

from __future__ import annotations

from typing import Any

from wkplug.dataset.legacy.parameters import Renamed

__all__ = ["ARGS", "executor_of"]

_STRATEGIES = {
    "sequential": "sequential",
    "debug_sequential": "sequential",
    "test_pickling": "sequential",
    "multiprocessing": "processes",
}


def executor_of(namespace: Any) -> str | None:
    """Give the name of the executor that a namespace asks for, None where it leaves that open.

    Strategies of clusters keep their name: the plugin that brings one registers it under that.
    """
    strategy = getattr(namespace, "distribution_strategy", None)
    if strategy is None:
        return None
    text = str(getattr(strategy, "value", strategy))
    return _STRATEGIES.get(text, text)


ARGS = Renamed("executor", executor_of)
"""For methods that once took `args=`."""
