"""The four backends: what they can do, how they recognise their arrays, how they create and open them.

They differ in their metadata alone, which the modules `zarr3`, `zarr2`, `n5` and `precomputed` read and
write; voxels go through `array`. Nothing here needs the engine before an array is opened, so choosing among
backends stays cheap, and a process that never opens one can still be forked.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wkplug.abc import (
    Array,
    ArrayBackend,
    ArrayCapabilities,
    ArraySpec,
    Layout,
    LayoutWish,
    Mode,
    ProbeScore,
    Problem,
)
from wkplug.errors import (
    ConflictError,
    CorruptDataError,
    InvalidArgumentError,
    LayoutError,
    MissingError,
    UnsupportedDtypeError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug_tensorstore import n5, precomputed, zarr2, zarr3
from wkplug_tensorstore.layouts import default_layout
from wkplug_tensorstore.settings import TensorstoreSettings
from wkplug_tensorstore.stored import DTYPES, StoredArray, check_chunk, lengths, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from wkplug.abc import Location
    from wkplug_tensorstore.array import TensorstoreArray

__all__ = [
    "MovedPrecomputedBackend",
    "N5Backend",
    "PrecomputedBackend",
    "TensorstoreBackend",
    "Zarr2Backend",
    "Zarr3Backend",
]

_FRESH_SECONDS = 1.0
_MOST_LOOKED_AT = 64


class TensorstoreBackend(ArrayBackend):
    """What the four have in common; `settings` is what the factory is called with."""

    title: ClassVar[str]
    """What error texts call the format."""
    chunk: ClassVar[int] = 32
    """Voxels along x, y and z of a chunk that nobody asked for."""
    document: ClassVar[str]
    """The name of the metadata file."""
    metadata: ClassVar[ModuleType]
    """Its `describe` checks the content of that file, `build` gives a new one, `resized` one for another shape."""

    def __init__(self, settings: object = None) -> None:
        self.settings = TensorstoreSettings.of(settings)
        self._looked_at: dict[tuple[int, str], tuple[float, Any]] = {}

    # --- metadata, per format -------------------------------------------------------------------------

    def metadata_file(self, location: Location) -> Location:
        """The file whose change means that the array changed."""
        return location.child(self.document)

    def describe(self, location: Location, axes: Sequence[str] | None = None) -> StoredArray:
        """Read and check the metadata; errors as `ArrayBackend.open`, and for what the engine lacks."""
        return self._read(location, axes)

    def _read(self, location: Location, axes: Sequence[str] | None = None) -> StoredArray:
        return self._described(self._fetch(location), axes)

    def _fetch(self, location: Location) -> Any:
        """Read the metadata: what `_described` needs."""
        file = self.metadata_file(location)
        return file, read_document(file)

    def _described(self, found: Any, axes: Sequence[str] | None) -> StoredArray:
        file, document = found
        stored: StoredArray = self.metadata.describe(document, file, axes)
        return stored

    def _described_new(self, file: Location, document: Mapping[str, Any], axes: Sequence[str]) -> StoredArray:
        """What an array is that is about to be created."""
        return self._described((file, document), axes)

    def _look(self, location: Location) -> None:
        """Check the metadata for `problems`; `open` comes next, and on a remote place needn't ask for them again."""
        found = self._fetch(location)
        self._described(found, None)
        if location.local_path() is None:
            if len(self._looked_at) >= _MOST_LOOKED_AT:
                self._looked_at.clear()
            self._looked_at[threading.get_ident(), location.url] = time.monotonic(), found

    def _seen(self, location: Location, axes: Sequence[str] | None) -> StoredArray | None:
        """Give what this thread has just looked at, once, and only while it is as good as read now."""
        when, found = self._looked_at.pop((threading.get_ident(), location.url), (0.0, None))
        fresh = found is not None and time.monotonic() - when < _FRESH_SECONDS
        return self._described(found, axes) if fresh else None

    def _is_array(self, document: Mapping[str, Any]) -> bool:
        del document
        return True

    def resized(
        self, document: Mapping[str, Any], stored: StoredArray, shape: tuple[int, ...]
    ) -> dict[str, Any]:
        """Give the metadata for another shape; UnsupportedOperationError where an array can't have it."""
        changed: dict[str, Any] = self.metadata.resized(document, stored, shape)
        return changed

    def _write_beside(self, location: Location, spec: ArraySpec) -> None:
        """Write what else belongs to a new array, before its metadata."""

    # --- the contract ---------------------------------------------------------------------------------

    def probe(self, location: Location) -> ProbeScore:
        """Read the metadata file: certain if it describes an array, MARKER if it is damaged."""
        try:
            document = read_document(self.metadata_file(location))
        except MissingError:
            return ProbeScore.NO
        except CorruptDataError:
            return ProbeScore.MARKER
        return ProbeScore.CERTAIN if self._is_array(document) else ProbeScore.NO

    def default_layout(self, wish: LayoutWish) -> Layout:
        """Chunks of 32; shards of 1024, or what covers images, where the format has shards."""
        return default_layout(wish, sharded=self.capabilities.sharded, edge=self.chunk, name=self.title)

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        """What the engine can't do: the place, the dtype or codecs; damage is for `open` to raise."""
        try:
            if spec is not None:
                self._checked(spec, location)
            elif mode != "create":
                self._look(location)
        except (UnsupportedOperationError, UnsupportedDtypeError) as error:
            return [_problem("engine", error)]
        except WkplugError as error:
            # A spec that can't be is a reason; an array that is missing or damaged is nobody's fault here.
            return [_problem("spec", error)] if spec is not None else []
        return []

    def create(self, location: Location, spec: ArraySpec) -> Array:
        """Write the metadata of a new array, atomically; ConflictError if there is one already."""
        document = self._checked(spec, location)
        file = location.child(self.document)
        array = self._array(location, "r+", tuple(spec.axes))
        try:
            # The engine has the last word on what it takes, before anything is written.
            array.load(self._described_new(file, document, spec.axes))
        except CorruptDataError as error:
            raise InvalidArgumentError(
                f"{location.url} can't be created like that: {error.message}", hint="Check the options."
            ) from error
        self._write_beside(location, spec)
        try:
            file.write(json.dumps(document, indent=2).encode(), if_match="")
        except ConflictError as error:
            raise ConflictError(
                f"{location.url} already holds a {self.format} array.",
                hint="Open it, or choose another place.",
            ) from error
        array.settle()
        return array

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        """Open an array; the metadata are read once."""
        array = self._array(location, mode, axes)
        stored = self._seen(location, axes)
        # Without axes, some formats look for their names beside the metadata.
        complete = stored is not None and axes is not None and len(axes) == len(stored.spec.axes)
        array.load(stored if complete else None)
        return array

    def _array(self, location: Location, mode: Mode, axes: tuple[str, ...] | None) -> TensorstoreArray:
        from wkplug_tensorstore.array import TensorstoreArray  # late: it loads the engine

        return TensorstoreArray(self, location, mode, axes)

    def _checked(self, spec: ArraySpec, location: Location) -> dict[str, Any]:
        """Check what all formats want of a spec, and give the metadata document for it."""
        dtypes = [name for name in DTYPES if name in self.capabilities.dtypes]
        if spec.dtype not in dtypes:
            raise UnsupportedDtypeError(
                f"{self.format} arrays can't hold {spec.dtype}.", hint=f"Possible are: {', '.join(dtypes)}."
            )
        rank = len(spec.axes)
        if not rank or None in spec.shape:
            raise LayoutError(
                f"{self.format} arrays have bounds along all axes, so {spec.shape} is no shape."
            )
        try:
            lengths(spec.shape, "the shape", "The spec", rank=rank)
            lengths(spec.chunk_shape, "the chunk shape", "The spec", rank=rank, least=1)
            lengths(spec.shard_shape, "the shard shape", "The spec", rank=rank, least=1)
        except CorruptDataError as error:
            raise LayoutError(error.message.replace(" is damaged", " can't be")) from error
        if any(large % small for small, large in zip(spec.chunk_shape, spec.shard_shape, strict=True)):
            raise LayoutError(
                f"The shard shape {spec.shard_shape} must be a multiple of "
                f"the chunk shape {spec.chunk_shape}."
            )
        check_chunk(spec.chunk_shape, spec.shard_shape, DTYPES[spec.dtype], location.url)
        return self._document(spec, location)

    def _document(self, spec: ArraySpec, location: Location) -> dict[str, Any]:
        del location
        document: dict[str, Any] = self.metadata.build(spec)
        return document


class Zarr3Backend(TensorstoreBackend):
    """Zarr v3, sharded or not."""

    name = "zarr3+tensorstore"
    format = "zarr3"
    title = "Zarr v3"
    document = zarr3.DOCUMENT
    capabilities = ArrayCapabilities(concurrent_writes="box", survives_fork=False)

    metadata: ClassVar[ModuleType] = zarr3

    def _is_array(self, document: Mapping[str, Any]) -> bool:
        return document.get("node_type") == "array"


class Zarr2Backend(TensorstoreBackend):
    """Zarr v2."""

    name = "zarr+tensorstore"
    format = "zarr"
    title = "Zarr v2"
    document = zarr2.DOCUMENT
    capabilities = ArrayCapabilities(concurrent_writes="box", sharded=False, survives_fork=False)

    metadata: ClassVar[ModuleType] = zarr2

    def describe(self, location: Location, axes: Sequence[str] | None = None) -> StoredArray:
        """Read the metadata, and the names of the axes beside them where nobody else gives them."""
        stored = super().describe(location, axes)
        if axes is not None and len(axes) == len(stored.spec.axes):
            return stored
        return zarr2.with_names(stored, location.child(zarr2.ATTRIBUTES))

    def _write_beside(self, location: Location, spec: ArraySpec) -> None:
        attributes = zarr2.names_to_keep(spec)
        if attributes is not None and not self.metadata_file(location).exists():
            location.child(zarr2.ATTRIBUTES).write(json.dumps(attributes).encode())


class N5Backend(TensorstoreBackend):
    """N5."""

    name = "n5+tensorstore"
    format = "n5"
    title = "N5"
    chunk = 64
    document = n5.DOCUMENT
    capabilities = ArrayCapabilities(concurrent_writes="box", sharded=False, survives_fork=False)

    metadata: ClassVar[ModuleType] = n5

    def _is_array(self, document: Mapping[str, Any]) -> bool:
        # Groups have the same file, with other keys.
        return "dimensions" in document and "blockSize" in document


class PrecomputedBackend(TensorstoreBackend):
    """Neuroglancer precomputed volumes; a location is that of one scale."""

    name = "neuroglancerPrecomputed+tensorstore"
    format = "neuroglancerPrecomputed"
    title = "Precomputed"
    chunk = 64
    document = precomputed.DOCUMENT
    metadata: ClassVar[ModuleType] = precomputed
    moved: ClassVar[bool] = False
    """Whether scales that begin before voxel 0 are moved to begin there."""
    capabilities = ArrayCapabilities(
        axes=(("c", "x", "y", "z"),),
        dtypes=frozenset(DTYPES) - {"float64", "int64"},
        concurrent_writes="box",
        survives_fork=False,
    )

    def probe(self, location: Location) -> ProbeScore:
        """Look for an info file here, and one and two levels up, that has this scale."""
        try:
            file, key, document = precomputed.find(location, levels=2)
            found = precomputed.scale_of(document, key, file.url)
        except (MissingError, CorruptDataError):
            return ProbeScore.NO
        return ProbeScore.NO if found is None else ProbeScore.CERTAIN

    def default_layout(self, wish: LayoutWish) -> Layout:
        """Chunks of 64; shards only where they are asked for, since what has them can't grow."""
        return default_layout(wish, sharded=wish.shard_shape is not None, edge=self.chunk, name=self.title)

    def compresses(self, spec: ArraySpec) -> bool:
        """What labels are compressed with is for them alone; all else is compressed in shards, or on request."""
        return precomputed.is_compressed(spec)

    def metadata_file(self, location: Location) -> Location:
        """The info file that has the scale: its own, or one above."""
        return precomputed.find(location)[0]

    def _fetch(self, location: Location) -> Any:
        return precomputed.find(location)

    def _described(self, found: Any, axes: Sequence[str] | None) -> StoredArray:
        del axes
        file, key, document = found
        return precomputed.describe(document, file, key, moved=self.moved)

    def _document(self, spec: ArraySpec, location: Location) -> dict[str, Any]:
        return precomputed.build(spec, location.name)

    def _described_new(self, file: Location, document: Mapping[str, Any], axes: Sequence[str]) -> StoredArray:
        return self._described((file, "", document), axes)


class MovedPrecomputedBackend(PrecomputedBackend):
    """For imports: also opens scales that begin before voxel 0."""

    moved = True


def _problem(code: str, error: WkplugError) -> Problem:
    return Problem(code=code, text=error.message, remedy=error.hint or "", error_type=type(error))
