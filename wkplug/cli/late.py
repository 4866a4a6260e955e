"""The modules that commands need only once they run, each loaded when it is first used: `late.registry.executors()`.

`wkplug --help` and completion import the files of commands; what would cost time there is a line of this table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.lazy import modules_of

if TYPE_CHECKING:
    from wkplug import config, dataset, geometry, notices, properties, registry, storage
    from wkplug.builtin import raw
    from wkplug.cli import completion, hints, logs, summaries
    from wkplug.config import sources as config_sources
    from wkplug.dataset import layer_export
    from wkplug.dataset.legacy import servers
    from wkplug.filesystems import answers, failures
    from wkplug.model import dtypes, states
    from wkplug.ops import equality, exporting, images, info, inspecting, preview
    from wkplug.ops.copying import dataset_copying, layer_copying, mag_copying, rechunking
    from wkplug.ops.exploring import exploration as exploring
    from wkplug.ops.importing import grouping, readers, report, series
    from wkplug.ops.pyramids import downsampling, sampling, upsampling
    from wkplug.properties import document
    from wkplug.registry import explain, plugins
    from wkplug.storage import removing
else:
    __getattr__ = modules_of(
        __name__,
        {
            "answers": "wkplug.filesystems.answers",
            "completion": "wkplug.cli.completion",
            "config": "wkplug.config",
            "config_sources": "wkplug.config.sources",
            "dataset": "wkplug.dataset",
            "dataset_copying": "wkplug.ops.copying.dataset_copying",
            "document": "wkplug.properties.document",
            "downsampling": "wkplug.ops.pyramids.downsampling",
            "dtypes": "wkplug.model.dtypes",
            "equality": "wkplug.ops.equality",
            "explain": "wkplug.registry.explain",
            "exploring": "wkplug.ops.exploring.exploration",
            "exporting": "wkplug.ops.exporting",
            "failures": "wkplug.filesystems.failures",
            "geometry": "wkplug.geometry",
            "grouping": "wkplug.ops.importing.grouping",
            "hints": "wkplug.cli.hints",
            "images": "wkplug.ops.images",
            "info": "wkplug.ops.info",
            "inspecting": "wkplug.ops.inspecting",
            "layer_copying": "wkplug.ops.copying.layer_copying",
            "layer_export": "wkplug.dataset.layer_export",
            "logs": "wkplug.cli.logs",
            "mag_copying": "wkplug.ops.copying.mag_copying",
            "notices": "wkplug.notices",
            "plugins": "wkplug.registry.plugins",
            "preview": "wkplug.ops.preview",
            "properties": "wkplug.properties",
            "raw": "wkplug.builtin.raw",
            "readers": "wkplug.ops.importing.readers",
            "rechunking": "wkplug.ops.copying.rechunking",
            "registry": "wkplug.registry",
            "removing": "wkplug.storage.removing",
            "report": "wkplug.ops.importing.report",
            "sampling": "wkplug.ops.pyramids.sampling",
            "series": "wkplug.ops.importing.series",
            "servers": "wkplug.dataset.legacy.servers",
            "states": "wkplug.model.states",
            "storage": "wkplug.storage",
            "summaries": "wkplug.cli.summaries",
            "upsampling": "wkplug.ops.pyramids.upsampling",
        },
    )

__all__ = [
    "answers", "completion", "config", "config_sources", "dataset", "dataset_copying", "document", "downsampling",
    "dtypes", "equality", "explain", "exploring", "exporting", "failures", "geometry", "grouping", "hints", "images",
    "info", "inspecting", "layer_copying", "layer_export", "logs", "mag_copying", "notices", "plugins", "preview",
    "properties", "raw", "readers", "rechunking", "registry", "removing", "report",
    "sampling", "series", "servers", "states", "storage", "summaries", "upsampling",
]  # fmt: skip
