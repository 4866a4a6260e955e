"""What all mutants share: wrappers that hand everything on to the right backend and its arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from wkplug.abc import (
    Array,
    ArrayBackend,
    ArraySpec,
    Box,
    Layout,
    LayoutWish,
    Location,
    Mode,
    ProbeScore,
    Problem,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["MutantArray", "MutantBackend"]


class MutantArray(Array):
    """Hands everything on to the array that it wraps; the mutants below change one thing each."""

    def __init__(self, inner: Array, owner: ArrayBackend) -> None:
        self.inner, self.owner, self.spec = inner, owner, inner.spec
        self.format, self.backend = inner.format, inner.backend

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.inner, self.owner))

    @property
    def atomic_shape(self) -> tuple[int, ...]:
        return self.inner.atomic_shape

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        return self.inner.read(box, out=out, missing=missing)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data)

    def resize(self, shape: tuple[int | None, ...]) -> None:
        self.inner.resize(shape)
        self.spec = self.inner.spec

    def stored_boxes(self) -> Iterator[Box]:
        return self.inner.stored_boxes()

    def flush(self) -> None:
        self.inner.flush()

    def close(self) -> None:
        self.inner.close()

    def native_handle(self) -> Any:
        return self.inner.native_handle()


class MutantBackend(ArrayBackend):
    """Hands everything on to the backend that it wraps, whose arrays become those of the mutant."""

    array: type[MutantArray] = MutantArray

    def __init__(self, inner: ArrayBackend) -> None:
        self.inner = inner
        # Per instance here, because one class of mutants wraps many backends.
        self.name, self.format, self.capabilities = inner.name, inner.format, inner.capabilities  # type: ignore[misc]  # ClassVars

    def probe(self, location: Location) -> ProbeScore:
        return self.inner.probe(location)

    def default_layout(self, wish: LayoutWish) -> Layout:
        return self.inner.default_layout(wish)

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        return self.inner.problems(spec, location, mode)

    def create(self, location: Location, spec: ArraySpec) -> Array:
        return self.array(self.inner.create(location, spec), self)

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        return self.array(self.inner.open(location, mode, axes=axes), self)

    def mag_properties(self, array: Array) -> Mapping[str, Any]:
        return self.inner.mag_properties(array)
