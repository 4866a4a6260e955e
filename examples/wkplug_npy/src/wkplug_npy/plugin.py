"""The hooks of wkplug-npy. Imported at every start, so it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ArrayBackendSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    """Offer the data format "npy"."""
    yield ArrayBackendSpec(
        name="npy+files",
        format="npy",
        factory="wkplug_npy.arrays:NpyBackend",
        markers=("npy.json",),
        summary="one .npy file per shard",
    )
