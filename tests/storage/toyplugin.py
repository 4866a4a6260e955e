"""A small array backend for the tests of storage: shards of raw bytes, read and written back without any lock.

It is slow on purpose between reading and writing back, so that a missing lock loses voxels.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wkplug.abc import (
    Array,
    ArrayBackend,
    ArrayBackendSpec,
    ArrayCapabilities,
    ArraySpec,
    Box,
    Layout,
    LayoutWish,
    Location,
    Mode,
    ProbeScore,
    Problem,
    hookimpl,
)
from wkplug.errors import ConflictError, MissingError
from wkplug.geometry.grids import cells, intersect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

META = "toy.json"


class ToyArray(Array):
    format = "toy"

    def __init__(self, location: Location, backend: str) -> None:
        self.location = location
        self.backend = backend
        self.closed = 0
        self.writes: list[Box] = []
        facts = json.loads(location.child(META).read())
        self.spec = ArraySpec(**facts)

    def _shard(self, start: tuple[int, ...]) -> Location:
        return self.location.child(
            ".".join(str(a // b) for a, b in zip(start, self.spec.shard_shape, strict=True))
        )

    def _load(self, start: tuple[int, ...]) -> NDArray[Any]:
        try:
            data = self._shard(start).read()
        except MissingError:
            return np.zeros(self.spec.shard_shape, self.spec.dtype)
        return np.frombuffer(data, self.spec.dtype).reshape(self.spec.shard_shape).copy()

    def _pieces(
        self, box: Box
    ) -> Iterator[tuple[tuple[int, ...], Box, tuple[slice, ...], tuple[slice, ...]]]:
        grid = self.spec.shard_shape
        for start, shape in cells(*box, grid):
            corner = tuple(a - a % g for a, g in zip(start, grid, strict=True))
            inner = tuple(slice(a - c, a - c + n) for a, c, n in zip(start, corner, shape, strict=True))
            outer = tuple(slice(a - b, a - b + n) for a, b, n in zip(start, box[0], shape, strict=True))
            yield corner, (start, shape), inner, outer

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        result = np.empty(box[1], self.spec.dtype, order="F") if out is None else out
        for corner, _, inner, outer in self._pieces(box):
            result[outer] = self._load(corner)[inner]
        return result

    def write(self, box: Box, data: NDArray[Any]) -> None:
        assert intersect(box, ((0,) * len(box[0]), tuple(n or 0 for n in self.spec.shape))) == box
        self.writes.append(box)
        for corner, (_, shape), inner, outer in self._pieces(box):
            # Like engines do: an edge shard that is covered up to the array's bounds isn't read first.
            bounds = [
                min(n, (b or 0) - c)
                for n, b, c in zip(self.spec.shard_shape, self.spec.shape, corner, strict=True)
            ]
            whole = list(shape) == bounds
            shard = np.zeros(self.spec.shard_shape, self.spec.dtype) if whole else self._load(corner)
            time.sleep(0 if whole else 0.002)
            shard[inner] = data[outer]
            self._shard(corner).write(shard.tobytes())

    def resize(self, shape: tuple[int | None, ...]) -> None:
        self.spec = ArraySpec(**{**_facts(self.spec), "shape": shape})
        self.location.child(META).write(json.dumps(_facts(self.spec)).encode())

    def close(self) -> None:
        self.closed += 1

    def native_handle(self) -> Any:
        return self


def _facts(spec: ArraySpec) -> dict[str, Any]:
    return {
        "axes": spec.axes,
        "shape": spec.shape,
        "dtype": spec.dtype,
        "chunk_shape": spec.chunk_shape,
        "shard_shape": spec.shard_shape,
    }


class ToyBackend(ArrayBackend):
    name = "toy+shards"
    format = "toy"
    capabilities = ArrayCapabilities(concurrent_writes="shard", lists_stored=False)
    opened = 0

    def __init__(self, settings: object = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        return ProbeScore.MARKER if location.child(META).exists() else ProbeScore.NO

    def default_layout(self, wish: LayoutWish) -> Layout:
        return Layout(chunk_shape=(8,) * len(wish.axes), shard_shape=(8,) * len(wish.axes))

    def problems(self, spec: ArraySpec | None, location: Location, mode: Any) -> list[Problem]:
        if spec is not None and spec.dtype == "float64":
            return [
                Problem(
                    code="toy", text="Toys don't like doubles.", remedy="Use singles.", severity="warning"
                )
            ]
        return []

    def create(self, location: Location, spec: ArraySpec) -> Array:
        if location.child(META).exists():
            raise ConflictError(f"{location.url} holds an array already.")
        location.child(META).write(json.dumps(_facts(spec)).encode())
        return ToyArray(location, self.name)

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        ToyBackend.opened += 1
        return ToyArray(location, self.name)


class SingleWriterBackend(ToyBackend):
    name = "toy+single"
    capabilities = ArrayCapabilities(concurrent_writes="none", lists_stored=False)


class BoxBackend(ToyBackend):
    name = "toy+box"
    capabilities = ArrayCapabilities(concurrent_writes="box", lists_stored=False)


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    for kind, priority in ((ToyBackend, 5), (SingleWriterBackend, 0), (BoxBackend, 0)):
        yield ArrayBackendSpec(
            name=kind.name,
            format="toy",
            factory=f"toyplugin:{kind.__name__}",
            markers=META,
            priority=priority,
        )
