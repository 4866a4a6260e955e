"""The two backends, "zarr3+zarr" and "zarr+zarr": probing, layouts, reasons against, creating, opening.

zarr-python is imported here only when an array is made or opened, or when a codec is met that this module
doesn't know by name; choosing between engines stays cheap.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wkplug.abc import (
    Array,
    ArrayBackend,
    ArrayCapabilities,
    ArraySpec,
    Layout,
    LayoutWish,
    Location,
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
    TooLargeError,
    UnsupportedDtypeError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug_zarr.documents import DTYPES, encode, v2_document, v3_document
from wkplug_zarr.headers import (
    ATTRIBUTES,
    METADATA_FILES,
    NAMES,
    USUAL_AXES,
    WIDENED,
    Header,
    check_document,
    read_document,
    read_header,
    read_named_header,
    unusual_dtype,
    unusual_header,
)
from wkplug_zarr.layouts import check_layout, default_layout

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["Zarr2Backend", "Zarr3Backend"]

_KNOWN_CODECS = {
    2: frozenset({"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"}),
    3: frozenset({"blosc", "bytes", "crc32c", "gzip", "sharding_indexed", "transpose", "zstd"}),
}


class _ZarrBackend(ArrayBackend):
    """What both formats share."""

    zarr_format: ClassVar[int]

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        # Nothing can be configured; zarr-python has its own settings.
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Look at zarr.json or .zarray: certain if it describes an array, a marker if it is damaged."""
        try:
            document = read_document(location.child(METADATA_FILES[self.zarr_format]))
        except MissingError:
            return ProbeScore.NO
        except (CorruptDataError, TooLargeError):
            return ProbeScore.MARKER
        if self.zarr_format == 3 and document.get("node_type") == "group":
            return ProbeScore.NO
        known = document.get("zarr_format") in (self.zarr_format, str(self.zarr_format))
        return ProbeScore.CERTAIN if known else ProbeScore.MARKER

    def default_layout(self, wish: LayoutWish) -> Layout:
        """32 voxels per chunk and spatial axis, all channels, 1 elsewhere; see `wkplug_zarr.layouts`."""
        return default_layout(wish, sharded=self.zarr_format == 3)

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        """Give the reasons against creating `spec`, or opening what is at `location`."""
        if spec is None and mode == "create":
            return []  # nothing is there yet
        try:
            if spec is not None:
                header = self._new_header(spec, location)
            else:
                header = self._stored_header(location, mode)
        except (UnsupportedOperationError, UnsupportedDtypeError, LayoutError, InvalidArgumentError) as error:
            return [
                Problem(
                    code="unsupported",
                    text=error.message,
                    remedy=error.hint or "",
                    error_type=type(error),
                )
            ]
        except WkplugError:
            # Missing, forbidden or damaged: opening says so better than a choice that failed.
            return []
        unknown = sorted(name for name in header.codec_names if not self._knows(name))
        return [
            Problem(
                code="codec",
                text=f"zarr-python has no codec {name!r}.",
                remedy="Install the package that offers it.",
                error_type=UnsupportedOperationError,
            )
            for name in unknown
        ]

    def _stored_header(self, location: Location, mode: Mode | Literal["create"]) -> Header:
        """Read what is stored; dtypes that no layer has are known for reading."""
        try:
            return read_header(location, self.zarr_format)
        except UnsupportedDtypeError as error:
            dtype = unusual_dtype(location, self.zarr_format)
            if dtype is None:
                raise
            if mode != "r":
                raise UnsupportedDtypeError(
                    f"{error.message} It is read as {WIDENED[dtype]}, but never written.",
                    hint="Copy the layer, which stores the values that are read, and change the copy.",
                ) from error
            return unusual_header(location, self.zarr_format, dtype)

    def _knows(self, codec: str) -> bool:
        if codec in _KNOWN_CODECS[self.zarr_format]:
            return True
        if self.zarr_format == 2:
            from numcodecs.registry import (  # type: ignore[import-untyped]  # it ships no types
                codec_registry,
                entries,
            )

            return codec in codec_registry or codec in entries
        from zarr.registry import get_codec_class

        try:
            get_codec_class(codec)
        except (ImportError, KeyError):
            return False
        return True

    def create(self, location: Location, spec: ArraySpec) -> Array:
        """Write the metadata; ConflictError if there is an array, or what is left of one."""
        from wkplug_zarr.arrays import ZarrArray, check_engine

        header = self._new_header(spec, location)
        for name in location.list():
            if name in METADATA_FILES.values():
                raise ConflictError(
                    f"There is an array at {location.url} already ({name}).",
                    hint="Choose another place.",
                )
            if header.keys.looks_like_chunks(name):
                raise ConflictError(
                    f"Chunks of an earlier array are left at {location.url} ({name}); "
                    "they would be taken for voxels of the new one.",
                    hint="Choose another place.",
                )
        # The engine judges the codecs' configurations before anything is written.
        check_engine(header, location)
        if self.zarr_format == 2 and spec.axes != USUAL_AXES.get(len(spec.axes)):
            location.child(ATTRIBUTES).write(encode({NAMES: list(spec.axes)}))
        # Last, because this is what makes it an array.
        location.child(METADATA_FILES[self.zarr_format]).write(encode(header.document), if_match="")
        return ZarrArray(location, self.zarr_format, "r+", spec.axes, header)

    def _new_header(self, spec: ArraySpec, location: Location) -> Header:
        """Check the spec and describe it; the document goes the same way as one that was read."""
        if spec.dtype not in DTYPES:
            raise UnsupportedDtypeError(f"Zarr arrays of wkplug hold {', '.join(DTYPES)}, not {spec.dtype}.")
        if len(spec.shape) != len(spec.axes) or any(length is None or length < 0 for length in spec.shape):
            raise LayoutError(
                f"Zarr arrays have a shape, one length per axis of {spec.axes}, not {spec.shape}."
            )
        check_layout(spec.axes, spec.chunk_shape, spec.shard_shape, sharded=self.zarr_format == 3)
        document = v3_document(spec) if self.zarr_format == 3 else v2_document(spec)
        url = location.child(METADATA_FILES[self.zarr_format]).url
        return check_document(json.loads(json.dumps(document)), url, self.zarr_format)

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        """Open an array; everything that its metadata claim is checked first."""
        from wkplug_zarr.arrays import WidenedArray, ZarrArray

        try:
            header = read_named_header(location, self.zarr_format, axes)
        except UnsupportedDtypeError:
            if mode != "r" or unusual_dtype(location, self.zarr_format) is None:
                raise
            return WidenedArray(location, self.zarr_format, axes)
        return ZarrArray(location, self.zarr_format, mode, axes, header)


class Zarr3Backend(_ZarrBackend):
    """Zarr v3 through zarr-python."""

    name = "zarr3+zarr"
    format = "zarr3"
    zarr_format = 3
    capabilities = ArrayCapabilities(concurrent_writes="shard")


class Zarr2Backend(_ZarrBackend):
    """Zarr v2 through zarr-python. A chunk is a file, so it takes the shard's place everywhere."""

    name = "zarr+zarr"
    format = "zarr"
    zarr_format = 2
    capabilities = ArrayCapabilities(concurrent_writes="shard", sharded=False)
