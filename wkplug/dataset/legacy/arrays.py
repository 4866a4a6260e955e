"""Arrays and their facts under the names that carry a format: `Zarr3Config`, `Zarr3ArrayInfo`, `BaseArray`.

A `Zarr3Config` is a mapping of options and goes wherever `compress=` takes one. `BaseArray` opens, creates,
reads and writes one array without a dataset, by boxes in voxels of the array; every format that is installed can
be opened so. `TensorStoreArray` is the same under the name that scripts hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from wkplug import storage
from wkplug.abc import ArraySpec
from wkplug.dataset.array_info import ArrayInfo, array_info
from wkplug.dataset.data_format import DataFormat
from wkplug.errors import ArrayException, InvalidArgumentError
from wkplug.geometry import NDBoundingBox, NormalizedBoundingBox, VecInt
from wkplug.model import voxels
from wkplug.model.arrays import ArraySource
from wkplug.model.regions import Frame, from_bounding_box

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wkplug.storage import ArrayHandle

__all__ = ["BaseArray", "TensorStoreArray", "Zarr3ArrayInfo", "Zarr3Config", "described"]

_KEYS = {"name": "default", "configuration": {"separator": "/"}}


@attrs.frozen
class Zarr3Config:
    """The codecs of a Zarr v3 array's chunks and how chunks are named; None: the default."""

    data_format: ClassVar[str] = "zarr3"
    """The only format that understands these options."""

    codecs: Sequence[Mapping[str, Any]] | None = None
    chunk_key_encoding: Mapping[str, Any] | None = None

    @classmethod
    def with_defaults(cls, config: Self | bool | None, ndim: int) -> Self:  # noqa: FBT001 - the signature that users know
        """Complete a configuration; True, None and False mean the default codecs with and without compression.

        ndim: the number of the array's axes, channels included.
        """
        given = config if isinstance(config, Zarr3Config) else cls()
        codecs = given.codecs
        if codecs is None:
            codecs = [
                {"name": "transpose", "configuration": {"order": list(range(ndim))[::-1]}},
                {"name": "bytes", "configuration": {"endian": "little"}},
            ]
            if config is not False:
                codecs.append({"name": "zstd", "configuration": {"level": 5, "checksum": True}})
        return cls(tuple(codecs), given.chunk_key_encoding or _KEYS)

    def keys(self) -> tuple[str, ...]:
        """The options that are given, as of a mapping."""
        return tuple(name for name in ("codecs", "chunk_key_encoding") if getattr(self, name) is not None)

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(name)
        value = getattr(self, name)
        return [dict(codec) for codec in value] if name == "codecs" else dict(value)


@attrs.frozen(kw_only=True)
class Zarr3ArrayInfo(ArrayInfo):
    """The facts of a Zarr v3 array, with its codecs."""

    codecs: tuple[Mapping[str, Any], ...] = ()
    chunk_key_encoding: Mapping[str, Any] = attrs.field(factory=lambda: dict(_KEYS))

    @property
    def zarr3_config(self) -> Zarr3Config:
        """The codecs as what `compress=` takes."""
        return Zarr3Config(self.codecs, self.chunk_key_encoding)

    @classmethod
    def from_array_info(cls, array_info: ArrayInfo) -> Self:
        """Add the codecs, from the options where they are known, otherwise the default ones."""
        if isinstance(array_info, cls):
            return array_info
        options = array_info.options
        given = Zarr3Config(options.get("codecs"), options.get("chunk_key_encoding"))
        if given.codecs is None and not array_info.compression_mode:
            plain = Zarr3Config.with_defaults(config=False, ndim=array_info.ndim)
            given = Zarr3Config(plain.codecs, given.chunk_key_encoding)
        config = Zarr3Config.with_defaults(given, array_info.ndim)
        facts = {field.name: getattr(array_info, field.name) for field in attrs.fields(ArrayInfo)}
        return cls(
            **facts, codecs=tuple(config.codecs or ()), chunk_key_encoding=config.chunk_key_encoding or _KEYS
        )


def described(handle: ArrayHandle) -> ArrayInfo:
    """Collect the facts of an opened array, with the codecs where the format has such a class of facts."""
    facts = array_info(handle, handle.backend.format)
    return Zarr3ArrayInfo.from_array_info(facts) if facts.data_format == "zarr3" else facts


class BaseArray:
    """One array of any installed format, by its path; boxes are in voxels of the array, with its axes.

    It is opened for reading, and for writing by the first write or resize.
    """

    data_format: ClassVar[DataFormat | None] = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        data_format = None if self.data_format is None else str(self.data_format)
        self._source = ArraySource(storage.locate(path), data_format, None)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> BaseArray:
        """Open an array; ArrayException, or an error of the storage, if there is none."""
        array = cls(path)
        info = array.info
        return cls.get_class(info.data_format)._of(array)

    @classmethod
    def create(cls, path: str | os.PathLike[str], array_info: ArrayInfo) -> BaseArray:
        """Create an array with these facts: its box says the axes, the channels and how far it reaches."""
        box = array_info.bounding_box
        if not isinstance(box, NormalizedBoundingBox):
            raise InvalidArgumentError(
                f"The bounding box {box} doesn't say where the channels are.",
                hint="Use bounding_box.normalize_axes(num_channels).",
            )
        config = array_info.zarr3_config if isinstance(array_info, Zarr3ArrayInfo) else None
        channels = box.get_shape("c") if "c" in box.axes else 1
        spec = ArraySpec(
            axes=box.axes,
            shape=box.bottomright.to_tuple(),
            dtype=array_info.voxel_type.name,
            chunk_shape=_over(box, array_info.chunk_shape, channels),
            shard_shape=_over(box, array_info.shard_shape, channels),
            compressed=array_info.compression_mode,
            options=dict(array_info.options if config is None else config),
        )
        array = cls.get_class(array_info.data_format)(path)
        array._source.adopt(storage.create_array(array._source.location, array_info.data_format, spec))
        return array

    @staticmethod
    def get_class(data_format: str) -> type[BaseArray]:
        """Give the class for a format: one that differs in `data_format` alone."""
        known = DataFormat(data_format)
        return type(f"{known.name}Array", (TensorStoreArray,), {"data_format": known, "__module__": __name__})

    @classmethod
    def _of(cls, array: BaseArray) -> BaseArray:
        made = cls.__new__(cls)
        made.__dict__.update(array.__dict__)
        return made

    @property
    def info(self) -> ArrayInfo:
        """The facts of the array."""
        return described(self._source.handle)

    def read(self, bbox: NDBoundingBox) -> NDArray[Any]:
        """Read a box, all channels; zeros beyond the array."""
        return voxels.read(self._source.handle, self._box(bbox))

    def write(self, bbox: NDBoundingBox, data: ArrayLike) -> None:
        """Write a box, all channels, inside the array."""
        import numpy

        start, shape = self._box(bbox)
        voxels.write(self._source.writing_handle, (start, shape), numpy.asarray(data).reshape(shape))

    def resize(self, new_bbox: NDBoundingBox) -> None:
        """Let the array end where the box ends, along all axes but the channels."""
        start, shape = self._box(new_bbox)
        handle = self._source.writing_handle
        if handle.backend.capabilities.bounded:
            handle.resize(tuple(low + length for low, length in zip(start, shape, strict=True)))

    def list_bounding_boxes(self) -> Iterator[NDBoundingBox]:
        """Iterate over the boxes of the shards that are stored."""
        axes = self._source.handle.spec.axes
        for start, shape in self._source.handle.stored_boxes():
            yield NormalizedBoundingBox(start, shape, axes)

    def close(self) -> None:
        """Let go of the array; using it again opens it again."""
        self._source.close()

    def _box(self, bbox: NDBoundingBox) -> tuple[tuple[int, ...], tuple[int, ...]]:
        spec = self._source.handle.spec
        lengths = tuple(spec.num_channels if axis == "c" else 1 for axis in spec.axes)
        if not isinstance(bbox, NDBoundingBox):
            raise ArrayException(
                f"{bbox!r} is no bounding box.", hint="Give a BoundingBox in voxels of the array."
            )
        return from_bounding_box(Frame.of(spec.axes), bbox, ((0,) * len(spec.axes), lengths))


class TensorStoreArray(BaseArray):
    """A `BaseArray`, under the name of an engine; which engine works is chosen as everywhere."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        _cached_array: ArrayHandle | None = None,
        dimension_names: tuple[str, ...] | None = None,
    ) -> None:
        del dimension_names  # the array itself knows them
        super().__init__(path)
        if _cached_array is not None:
            self._source.adopt(_cached_array)


def _over(box: NormalizedBoundingBox, shape: VecInt, channels: int) -> tuple[int, ...]:
    """Widen a chunk or shard shape, which has no channels, to all axes of a box."""
    numbers = iter(shape)
    return tuple(channels if axis == "c" else int(next(numbers)) for axis in box.axes)
