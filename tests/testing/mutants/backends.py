"""Backends that are wrong before anything is read or written, and flags that aren't true."""

from __future__ import annotations

import pickle
from typing import Any

import attrs
import numpy as np

from mutants.base import MutantBackend
from wkplug.abc import Array, ArrayBackend, ArraySpec, Layout, LayoutWish, Location, Mode, ProbeScore
from wkplug.errors import CorruptDataError


class ReadingModeWrites(MutantBackend):
    """Mode "r" writes."""

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        return self.inner.open(location, "r+", axes=axes)


class ProbesAnything(MutantBackend):
    """Everything is taken for one of its own."""

    def probe(self, location: Location) -> ProbeScore:
        del location
        return ProbeScore.MAGIC


class CreatesOver(MutantBackend):
    """An array that is there is opened where a new one should be refused."""

    def create(self, location: Location, spec: ArraySpec) -> Array:
        try:
            return self.inner.create(location, spec)
        except OSError:
            return self.inner.open(location, "r+")


class OpensNothing(MutantBackend):
    """A missing array is a ValueError."""

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        try:
            return self.inner.open(location, mode, axes=axes)
        except FileNotFoundError as error:
            raise ValueError("no array found") from error


class WishIgnored(MutantBackend):
    """Layouts are always the default ones."""

    def default_layout(self, wish: LayoutWish) -> Layout:
        return self.inner.default_layout(attrs.evolve(wish, chunk_shape=None, shard_shape=None))


class LayoutForgotten(MutantBackend):
    """Chunks become as large as shards."""

    def create(self, location: Location, spec: ArraySpec) -> Array:
        return self.inner.create(location, attrs.evolve(spec, chunk_shape=spec.shard_shape))


class FlagNotTrue(MutantBackend):
    """Says that it can't resize, and does."""

    def __init__(self, inner: ArrayBackend) -> None:
        super().__init__(inner)
        self.capabilities = attrs.evolve(inner.capabilities, resizable=False)  # type: ignore[misc]  # a ClassVar


class DtypeNotDeclared(MutantBackend):
    """Takes a dtype that it doesn't declare."""

    def __init__(self, inner: ArrayBackend) -> None:
        super().__init__(inner)
        fewer = inner.capabilities.dtypes - {"float64"}
        self.capabilities = attrs.evolve(inner.capabilities, dtypes=fewer)  # type: ignore[misc]  # a ClassVar


class NotPicklable(MutantBackend):
    """Can't travel to other processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise pickle.PicklingError("this backend holds open files")


class SharingNotTrue(MutantBackend):
    """Says that processes share its arrays."""

    def __init__(self, inner: ArrayBackend) -> None:
        super().__init__(inner)
        self.capabilities = attrs.evolve(inner.capabilities, shared_between_processes=True)  # type: ignore[misc]  # a ClassVar


class GranularityNotTrue(MutantBackend):
    """Says that processes may write chunks of one shard side by side, and writes whole shards."""

    def __init__(self, inner: ArrayBackend) -> None:
        super().__init__(inner)
        self.capabilities = attrs.evolve(inner.capabilities, concurrent_writes="chunk")  # type: ignore[misc]  # a ClassVar


class NeedsAPath(MutantBackend):
    """Doesn't declare that it works on local paths alone."""

    def create(self, location: Location, spec: ArraySpec) -> Array:
        if location.local_path() is None:
            raise TypeError("expected str, bytes or os.PathLike object, not None")
        return super().create(location, spec)


class DamageIsAnotherError(MutantBackend):
    """What the parser of metadata raises gets out."""

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        try:
            return super().open(location, mode, axes=axes)
        except CorruptDataError as error:
            raise KeyError("chunks") from error


class SizesBelieved(MutantBackend):
    """Memory is taken for whatever size the metadata claim."""

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        try:
            return super().open(location, mode, axes=axes)
        except CorruptDataError:
            np.ones(1 << 33, "uint8")
            raise
