"""A second implementation of the format of `good`, preferred; and one that only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ArrayBackendSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    yield ArrayBackendSpec(
        name="npy+fast",
        format="npy",
        factory="wkplug_fast.arrays:FastBackend",
        markers=("npy.json",),
        priority=5,
    )
    yield ArrayBackendSpec(
        name="npy+reader", format="npy", factory="wkplug_fast.arrays:FastBackend", priority=9, writes=False
    )
    yield ArrayBackendSpec(
        name="old+fast", format="old", factory="wkplug_fast.arrays:FastBackend", markers=("old.json",)
    )
