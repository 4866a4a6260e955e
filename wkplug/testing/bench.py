"""The workbench of the kit: the fixtures that a backend's author may override, and what tests make of them.

`BackendFixtures` finds the backend and gives it places, layouts and dtypes; `Bench` bundles them, so that a
test asks for one thing. Every array lies in a fresh place, and nothing here knows the name of a format.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import attrs
import numpy as np
import pytest

from wkplug import registry
from wkplug.abc import Array, ArrayBackend, ArrayCapabilities, ArraySpec, Box, Layout, Location
from wkplug.filesystems.local import LocalLocation
from wkplug.lazy import resolve
from wkplug.testing.checks import breaks, inside
from wkplug.testing.strategies import SPATIAL, shape_for

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["BackendFixtures", "Bench", "Filled", "ReadOtherwise", "Suite", "WriteOtherwise", "noise", "whole"]

WriteOtherwise: TypeAlias = Callable[[Location, ArraySpec, "NDArray[Any]"], object]
ReadOtherwise: TypeAlias = Callable[[Location, ArraySpec], "NDArray[Any]"]

_LAYOUTS = (
    # chunk, shard along x, y, z; the first one that the backend takes is the one of most tests
    ((8, 8, 8), (16, 16, 16)),
    ((8, 8, 8), (8, 8, 8)),
    ((4, 8, 16), (16, 8, 32)),
)


@attrs.frozen(kw_only=True)
class Bench:
    """One backend with all that tests need of it.

    `root` is a fresh folder, `axes` the order of most tests' arrays, `layouts` what the backend takes, the
    first one being that of most tests.
    """

    backend: ArrayBackend
    root: Location
    axes: tuple[str, ...]
    channels: int
    layouts: tuple[Layout, ...]
    dtypes: tuple[str, ...]
    place_is_shared: bool = True
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)

    @property
    def can(self) -> ArrayCapabilities:
        """What the backend declares."""
        return self.backend.capabilities

    @property
    def dtype(self) -> str:
        """The dtype of most tests: two bytes per voxel if there is such a one, so that byte order shows."""
        return next((name for name in ("uint16", "int16", "uint32") if name in self.dtypes), self.dtypes[0])

    def place(self) -> Location:
        """A place where nothing is yet, in a folder of its own, as the first mag of a layer."""
        return self.root.child(f"layer-{next(self._numbers)}", "1")

    def shape(self, x: int, y: int, z: int) -> tuple[int, ...]:
        """The shape over all axes of an array of these lengths."""
        return shape_for(self.axes, spatial=(x, y, z), channels=self.channels, other=2)

    def box(self, start: tuple[int, int, int], lengths: tuple[int, int, int]) -> Box:
        """A box over all axes, complete along those that aren't x, y, z."""
        origin = shape_for(self.axes, spatial=start, channels=0, other=0)
        return origin, self.shape(*lengths)

    def spec(self, lengths: tuple[int, int, int] = (40, 28, 20), **fields: Any) -> ArraySpec:
        """The spec of an array of these lengths along x, y, z; `layout` and other fields may be given."""
        layout = fields.pop("layout", self.layouts[0])
        values: dict[str, Any] = {
            "axes": self.axes,
            "shape": self.shape(*lengths),
            "dtype": self.dtype,
            "chunk_shape": layout.chunk_shape,
            "shard_shape": layout.shard_shape,
        }
        return ArraySpec(**(values | fields))

    def create(self, spec: ArraySpec | None = None, location: Location | None = None) -> Array:
        """Create an array; None for the one of most tests, and for a fresh place."""
        return self.backend.create(location or self.place(), spec or self.spec())

    def full(self, spec: ArraySpec | None = None, location: Location | None = None) -> Filled:
        """Create an array and write noise to all of it."""
        spec = spec or self.spec()
        location = location or self.place()
        array = self.create(spec, location)
        data = noise(tuple(length or 0 for length in spec.shape), spec.dtype)
        array.write(whole(data), data)
        return Filled(array=array, data=data, location=location, spec=spec)

    def errors(self, spec: ArraySpec) -> list[str]:
        """The reasons that the backend gives against creating this, as texts."""
        problems = self.backend.problems(spec, self.place(), "create")
        return [problem.text for problem in problems if problem.severity == "error"]


@attrs.frozen(kw_only=True)
class Filled:
    """An array and the voxels that are in it."""

    array: Array
    data: NDArray[Any]
    location: Location
    spec: ArraySpec

    def part(self, box: Box) -> NDArray[Any]:
        """A copy of the voxels that a box must have."""
        return self.data[inside(box)].copy()


def noise(shape: tuple[int, ...], dtype: str, *, seed: int = 1) -> NDArray[Any]:
    """Voxels that are all different from their neighbours and hardly ever 0; all bytes of a voxel are used."""
    generator = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return np.asfortranarray((generator.normal(size=shape) * 1000 + 3).astype(kind))
    if kind.kind == "b":
        return np.asfortranarray(generator.integers(0, 2, size=shape).astype(kind))
    limits = np.iinfo(kind)
    return np.asfortranarray(
        generator.integers(limits.min, limits.max, size=shape, dtype=kind) | kind.type(1)
    )


def whole(data: NDArray[Any]) -> Box:
    """The box of all of an array."""
    return (0,) * data.ndim, data.shape


class Suite:
    """What the suites of all kinds of plugins share."""

    def made(self, attribute: str, *arguments: Any) -> Any:
        """Call the factory that a class attribute names or holds, as the registry does; None if it is None."""
        factory = inspect.getattr_static(type(self), attribute, None)
        if isinstance(factory, staticmethod):
            factory = factory.__func__
        if isinstance(factory, str):
            factory = resolve(factory)
        return None if factory is None else factory(*arguments)

    def need(self, condition: object, capability: str) -> None:
        """Skip the rest of a test because of what plugin or author declare: the only reason to skip."""
        if not condition:
            pytest.skip(f"by capability: {capability}")


class BackendFixtures(Suite):
    """Finds the backend under test. Name it in one of three ways.

    backend: its name, resolved through the registry (the plugin is installed).
    backend_factory: "package.module:attribute" or a callable, called with an empty mapping of settings.
    array_backend: override this fixture and return an instance.
    """

    backend: ClassVar[str | None] = None
    backend_factory: ClassVar[str | Callable[..., ArrayBackend] | None] = None
    channels: ClassVar[int] = 2
    """How many channels most tests' arrays have (where there is a "c" axis)."""
    default_chunk_length: ClassVar[int] = 32
    """What `default_layout` gives along x, y and z if nothing is wished."""
    place_is_shared: ClassVar[bool] = True
    """Whether other processes see what is at `location`; not so for fsspec's memory:// places."""

    @pytest.fixture
    def array_backend(self) -> ArrayBackend:
        """The backend under test."""
        made: ArrayBackend | None = self.made("backend_factory", {})
        if made is not None:
            return made
        if self.backend is None:
            pytest.fail(
                f"{type(self).__name__} must say which backend it tests: `backend`, `backend_factory` or the "
                "fixture `array_backend`"
            )
        return registry.backend(self.backend)

    @pytest.fixture
    def location(self, tmp_path: Path) -> Location:
        """A fresh folder; override it to test on other storage."""
        return LocalLocation(str(tmp_path / "arrays"))

    @pytest.fixture
    def axes(self, array_backend: ArrayBackend) -> tuple[str, ...]:
        """The axis order of most tests' arrays."""
        orders = array_backend.capabilities.axes
        return orders[0] if orders else ("c", *SPATIAL)

    @pytest.fixture
    def dtypes(self, array_backend: ArrayBackend) -> tuple[str, ...]:
        """All dtypes that the backend declares."""
        return tuple(sorted(array_backend.capabilities.dtypes))

    @pytest.fixture
    def layouts(
        self, array_backend: ArrayBackend, axes: tuple[str, ...], location: Location
    ) -> tuple[Layout, ...]:
        """The layouts to test with: those of the kit's that the backend has no `problems()` with."""
        taken: list[Layout] = []
        for chunk, shard in _LAYOUTS:
            layout = Layout(
                chunk_shape=shape_for(axes, spatial=chunk, channels=self.channels, other=1),
                shard_shape=shape_for(axes, spatial=shard, channels=self.channels, other=1),
            )
            if chunk != shard and not array_backend.capabilities.sharded:
                layout = attrs.evolve(layout, shard_shape=layout.chunk_shape)
            spec = ArraySpec(
                axes=axes,
                shape=shape_for(axes, spatial=(40, 28, 20), channels=self.channels, other=2),
                dtype=sorted(array_backend.capabilities.dtypes)[0],
                chunk_shape=layout.chunk_shape,
                shard_shape=layout.shard_shape,
            )
            problems = array_backend.problems(spec, location.child("nothing"), "create")
            refused = any(problem.severity == "error" for problem in problems)
            if layout not in taken and not (refused and array_backend.capabilities.writable):
                taken.append(layout)
        if not taken:
            breaks("a backend takes chunks of 8 voxels per axis, or its suite overrides `layouts`")
        return tuple(taken)

    @pytest.fixture
    def write_otherwise(self) -> WriteOtherwise | None:
        """Another implementation that writes an array of this format, without the backend under test.

        Override it with a function of (location, spec, data); it is the only way to test a backend that can't
        write, and for the others it shows that both mean the same files.
        """
        return None

    @pytest.fixture
    def read_otherwise(self) -> ReadOtherwise | None:
        """Another implementation that reads a whole array: a function of (location, spec) that gives voxels."""
        return None

    @pytest.fixture
    def reading_bench(
        self,
        array_backend: ArrayBackend,
        location: Location,
        axes: tuple[str, ...],
        layouts: tuple[Layout, ...],
        dtypes: tuple[str, ...],
    ) -> Bench:
        """All of the above, for backends that may not be able to write."""
        return Bench(
            backend=array_backend,
            root=location,
            axes=axes,
            channels=self.channels,
            layouts=tuple(layouts),
            dtypes=tuple(dtypes),
            place_is_shared=self.place_is_shared and not location.url.startswith("memory:"),
        )

    @pytest.fixture
    def bench(self, reading_bench: Bench) -> Bench:
        """All of the above; what nearly all tests need, and skip where the backend can't write."""
        self.need(reading_bench.can.writable, "writable")
        return reading_bench

    def need_sharing(self, bench: Bench) -> None:
        """Skip the rest of a test because no other process could see the array."""
        self.need(bench.can.shared_between_processes, "shared_between_processes")
        self.need(bench.place_is_shared, "shared_between_processes (of the place)")
