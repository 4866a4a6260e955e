"""`args=`: the namespace of command-line options that once said where work runs.

It had `distribution_strategy`, `jobs` (or `processes`) and `job_resources`. Today `executor=` says it, by an
object or a name; `executor_of` gives the name, with the number of workers, that such a namespace means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset.legacy.parameters import Renamed

if TYPE_CHECKING:
    from wkplug.execution import NamedExecutor

__all__ = ["ARGS", "executor_of"]

_STRATEGIES = {
    "sequential": "sequential",
    "debug_sequential": "sequential",
    "test_pickling": "sequential",
    "multiprocessing": "processes",
}


def executor_of(namespace: Any) -> NamedExecutor | None:
    """Give the executor that a namespace asks for, None where it leaves that open.

    Strategies of clusters keep their name: the plugin that brings one registers it under that, and gets the resources
    of jobs as its option `job_resources`. Where `jobs` alone is given, work runs in as many processes, as it did.
    """
    strategy = getattr(namespace, "distribution_strategy", None)
    jobs = getattr(namespace, "jobs", None) or getattr(namespace, "processes", None)
    if strategy is None and jobs is None:
        return None
    text = "multiprocessing" if strategy is None else str(getattr(strategy, "value", strategy))
    name = _STRATEGIES.get(text, text)
    options: dict[str, Any] = {}
    if name != "sequential" and jobs is not None:
        options["workers"] = int(jobs)
    resources = getattr(namespace, "job_resources", None)
    if resources and text not in _STRATEGIES:
        import json

        options["job_resources"] = json.loads(resources) if isinstance(resources, str) else dict(resources)
    from wkplug.execution import NamedExecutor

    return NamedExecutor(name, options)


ARGS = Renamed("executor", executor_of)
"""For methods that once took `args=`."""
