"""The modules that commands need only once they run, each loaded when it is first used: `late.registry.executors()`.

`wkplug --help` and completion import the files of commands; what would cost time there is a line of this table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.lazy import modules_of

if TYPE_CHECKING:
    from wkplug import config, dataset, geometry, notices, progress, properties, registry, storage
    from wkplug.cli import hints, logs
    from wkplug.config import hints as wording
    from wkplug.config import sources as config_sources
    from wkplug.model import states
    from wkplug.ops import equality, info, inspecting, preview
    from wkplug.properties import document
    from wkplug.registry import explain, plugins
else:
    __getattr__ = modules_of(
        __name__,
        {
            "config": "wkplug.config",
            "config_sources": "wkplug.config.sources",
            "dataset": "wkplug.dataset",
            "document": "wkplug.properties.document",
            "equality": "wkplug.ops.equality",
            "explain": "wkplug.registry.explain",
            "geometry": "wkplug.geometry",
            "hints": "wkplug.cli.hints",
            "info": "wkplug.ops.info",
            "inspecting": "wkplug.ops.inspecting",
            "logs": "wkplug.cli.logs",
            "notices": "wkplug.notices",
            "plugins": "wkplug.registry.plugins",
            "preview": "wkplug.ops.preview",
            "progress": "wkplug.progress",
            "properties": "wkplug.properties",
            "registry": "wkplug.registry",
            "states": "wkplug.model.states",
            "storage": "wkplug.storage",
            "wording": "wkplug.config.hints",
        },
    )

__all__ = [
    "config", "config_sources", "dataset", "document", "equality", "explain", "geometry", "hints", "info", "inspecting",
    "logs", "notices", "plugins", "preview", "progress", "properties", "registry", "states", "storage",
    "wording",
]  # fmt: skip
