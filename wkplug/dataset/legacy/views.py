"""The older spellings of views and mags: offsets in voxels of the mag, shorter names of boxes, sizes and headers.

Until the offsets in Mag(1), `offset` and `size` counted in voxels of the mag at hand; `offset` was absolute for
a mag and relative for a view. Writes extended the layer's box and took any alignment. Calls in that spelling
keep that meaning, calls in today's never get it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

from wkplug import storage
from wkplug.dataset import verbs
from wkplug.dataset.legacy import pickles
from wkplug.dataset.legacy.parameters import ARGS, Call, give
from wkplug.errors import HandleError, InvalidArgumentError, OutOfBoundsError
from wkplug.geometry import BoundingBox, Mag, Vec3Int
from wkplug.geometry.boxes import checked_box
from wkplug.notices import deprecated

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.dataset.array_info import ArrayInfo
    from wkplug.geometry import MagLike, NDBoundingBox, Vec3IntLike, VecIntLike

__all__ = [
    "CHUNKS",
    "COMPRESSING",
    "CONSTRUCTING_A_READER",
    "CONSTRUCTING_A_WRITER",
    "EQUALITY",
    "OFFSET_AND_SIZE",
    "READING_SLICES",
    "VIEWING",
    "WRITING",
    "WRITING_A_MAG",
    "WRITING_SLICES",
    "ZIPPED_CHUNKS",
    "OlderMagView",
    "OlderView",
]


def _in_mag1(view: Any, value: Any) -> Vec3Int:
    return Vec3Int(value) * cast("Vec3Int", view.mag.to_vec3_int())


def _offset_name(view: Any) -> str:
    """What an old offset is in today's words: absolute for a mag, relative for a view."""
    return "absolute_offset" if view.offsets_are_absolute else "relative_offset"


def _old_offset_and_size(call: Call) -> None:
    """Put `offset` and `size`, both in voxels of the mag, into Mag(1); for `read`, `get_view` and the reader."""
    offset = call.take("offset")
    if offset is None:
        return
    name = _offset_name(call.target)
    call.rename("offset", name, _in_mag1(call.target, offset), shown=f"{name}=... in Mag(1) voxels")
    if call.arguments.get("size") is not None:
        call.arguments["size"] = _in_mag1(call.target, call.arguments["size"])


def _old_write(call: Call) -> None:
    """Write as writes once did: `offset` in voxels of the mag, extending the layer's box, at any alignment."""
    offset = call.take("offset")
    update_allowed = call.take("json_update_allowed")
    if offset is None and update_allowed is None:
        deprecated(f"{call.method}(data) to a layer with an empty bounding box", "allow_resize=True")
    if update_allowed is not None:
        deprecated(f"{call.method}(json_update_allowed=...)", "allow_resize=...")
    if offset is not None:
        name = _offset_name(call.target)
        call.rename("offset", name, _in_mag1(call.target, offset), shown=f"{name}=... in Mag(1) voxels")
    call.arguments.setdefault("allow_unaligned", True)
    if call.target.offsets_are_absolute:
        call.arguments.setdefault("allow_resize", update_allowed is None or bool(update_allowed))


def _first_write(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether voxels go, without a word where, to a layer without any: once they made its bounding box."""
    if kwargs.keys() - {"data", "allow_unaligned"}:
        return False
    return len(args) + ("data" in kwargs) == 2 and 0 in args[0].state.region[1]


# --- slices -----------------------------------------------------------------------------------------------


def _starts_with_a_vector(args: tuple[Any, ...]) -> bool:
    """Whether the first argument is an offset, as it once was, and no buffer size."""
    return len(args) > 1 and args[1] is not None and not isinstance(args[1], int)


def _old_slices(call: Call) -> None:
    """Put the slice writer's and reader's older arguments into today's."""
    update_allowed = call.take("json_update_allowed")
    if update_allowed is not None:
        deprecated(f"{call.method}(json_update_allowed=...)", "allow_resize=...")
        call.arguments.setdefault("allow_unaligned", True)
        call.arguments.setdefault("allow_resize", bool(update_allowed))
    size = call.take("size")
    offset = call.take("offset")
    if offset is None and size is None:
        return
    view = call.arguments.get("view", call.target)
    if size is None:
        name = _offset_name(view)
        call.rename("offset", name, _in_mag1(view, offset), shown=f"{name}=... in Mag(1) voxels")
        call.arguments.setdefault("allow_unaligned", True)
        call.arguments.setdefault("allow_resize", True)
        return
    name = _offset_name(view).replace("offset", "bounding_box")
    box = BoundingBox(_in_mag1(view, offset or (0, 0, 0)), _in_mag1(view, size))
    deprecated(f"{call.method}(offset=..., size=...)", f"{name}=BoundingBox(...) in Mag(1) voxels")
    give(call.arguments, call.method, "offset", name, box)


# --- names that are gone ----------------------------------------------------------------------------------


class OlderView:
    """The properties and methods that views once had; each warns and names what to write instead."""

    offsets_are_absolute = False
    """Whether offsets of old, in voxels of the mag, count from voxel 0: those of whole mags did."""

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        if "state" not in attributes:
            attributes = {"state": pickles.state_of_view(attributes)}
        self.__dict__.update(attributes)

    @property
    def header(self: Any) -> ArrayInfo:
        """Deprecated: `info`."""
        deprecated("View.header", "View.info")
        return self.info

    @property
    def global_offset(self: Any) -> Vec3Int:
        """Deprecated: where the view starts, in voxels of its mag; 0 for a whole mag."""
        deprecated("View.global_offset", "view.bounding_box.in_mag(view.mag).topleft")
        return self._old_corners()[0]

    @property
    def size(self: Any) -> Vec3Int:
        """Deprecated: the view's size in voxels of its mag; for a whole mag from voxel 0 on."""
        deprecated("View.size", "view.bounding_box.in_mag(view.mag).size")
        start, stop = self._old_corners()
        return stop - start

    def _old_corners(self: Any) -> tuple[Vec3Int, Vec3Int]:
        box = self.bounding_box
        mag = self.mag.to_vec3_int()
        stop = box.bottomright_xyz // mag
        return (Vec3Int.zeros() if self.offsets_are_absolute else box.topleft_xyz // mag), stop

    def read_bbox(self: Any, bounding_box: BoundingBox | None = None) -> NDArray[Any]:
        """Deprecated: read a box in voxels of the mag, absolute for a mag and relative for a view."""
        deprecated("View.read_bbox", "View.read(absolute_bounding_box=...)")
        if bounding_box is None:
            return self.read()
        mag1 = checked_box(bounding_box).from_mag_to_mag1(self.mag)
        if _offset_name(self) == "absolute_offset":
            return self.read(absolute_bounding_box=mag1)
        return self.read(relative_bounding_box=mag1)

    def read_xyz(
        self: Any,
        relative_bounding_box: BoundingBox | None = None,
        absolute_bounding_box: BoundingBox | None = None,
    ) -> NDArray[Any]:
        """Deprecated: `read_cxyz`, for a box that must be given."""
        deprecated("View.read_xyz", "View.read_cxyz")
        if relative_bounding_box is None and absolute_bounding_box is None:
            raise InvalidArgumentError(
                "read_xyz needs a relative_bounding_box or an absolute_bounding_box.",
                hint="Use read_cxyz, which reads everything without one.",
            )
        return self.read_cxyz(
            relative_bounding_box=relative_bounding_box, absolute_bounding_box=absolute_bounding_box
        )

    def open(self) -> Self:
        """Deprecated: views open their arrays themselves."""
        deprecated("View.open()", "")
        return self

    def close(self: Any) -> None:
        """Deprecated: views close their arrays themselves."""
        deprecated("View.close()", "")

    def __enter__(self) -> Self:
        deprecated("with view: ...", "")
        return self

    def __exit__(self: Any, *exception: object) -> None:
        """Nothing was opened, so nothing is closed."""


class OlderMagView(OlderView):
    """The properties and methods that mags once had; each warns and names what to write instead."""

    offsets_are_absolute = True

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        if "state" not in attributes:
            attributes = {"_layer": attributes["_layer"], "state": pickles.state_of_mag(attributes)}
        self.__dict__.update(attributes)

    @property
    def is_foreign(self: Any) -> bool:
        """Deprecated: `Layer.is_mag_view_foreign`."""
        deprecated("MagView.is_foreign", "Layer.is_mag_view_foreign(mag)")
        return self.layer.is_mag_view_foreign(self)

    def get_zarr_array(self: Any) -> Any:
        """Give the engine's own array of a mag in a Zarr format: see `native_handle`.

        HandleError (a ValueError) for other formats.
        """
        if not self.data_format.startswith("zarr"):
            raise HandleError(
                f"The mag {self.name} of {self.layer.name!r} is stored as {self.data_format}, not as Zarr.",
                hint="mag.native_handle() gives whatever its engine calls its array.",
            )
        return self.native_handle()

    @classmethod
    def create(
        cls,
        layer: Any,
        mag: MagLike,
        *,
        path: str | os.PathLike[str],
        chunk_shape: VecIntLike | int,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: Vec3IntLike | int | None = None,
        compression_mode: bool,
        read_only: bool = False,
    ) -> Any:
        """Deprecated: `Layer.add_mag`. Adds a mag to a layer at the place where the layer keeps its mags.

        InvalidArgumentError (a ValueError) unless exactly one of shard_shape and chunks_per_shard is given, or for
        another path.
        """
        deprecated("MagView.create", "Layer.add_mag")
        if (shard_shape is None) == (chunks_per_shard is None):
            raise InvalidArgumentError(
                "Exactly one of shard_shape and chunks_per_shard is needed.",
                hint="Give shard_shape, in voxels.",
            )
        own = layer.state.location.child(Mag(mag).to_layer_name())
        if storage.locate(path) != own:
            raise InvalidArgumentError(
                f"{path} is not where the layer keeps its mag {Mag(mag)}, which is {own.url}.",
                hint="Use Layer.add_mag, or Layer.add_mag_as_ref for a mag elsewhere.",
            )
        made = layer.add_mag(
            mag,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compress=compression_mode,
        )
        if not read_only:
            return made
        kind: Any = cls
        return cast(
            "Any",
            kind(layer, made.mag, made.state.location, read_only=True, data_format=made.data_format),
        )

    def merge_chunk(self: Any, args: tuple[Any, NDBoundingBox, Sequence[NDBoundingBox]]) -> None:
        """Deprecated: `merge_with_view`, of which it was one step.

        `args` are another mag, a box of this one, and the boxes in it, in Mag(1) voxels, that the other replaces here;
        what reaches beyond either layer's bounding box stays as it is.
        """
        deprecated("MagView.merge_chunk", "MagView.merge_with_view")
        other, _shard, boxes = args
        verbs.merging.merge_boxes(self.state, other.state, boxes)


# --- arguments --------------------------------------------------------------------------------------------

OFFSET_AND_SIZE: dict[str, Any] = {
    "order": ("offset", "size"),
    "keywords": ("offset",),
    "rewrite": _old_offset_and_size,
}
"""How `read` was called."""

VIEWING: dict[str, Any] = {
    **OFFSET_AND_SIZE,
    "renamed": {"relative_bbox": "relative_bounding_box", "absolute_bbox": "absolute_bounding_box"},
}
"""How `get_view` was called."""

WRITING: dict[str, Any] = {
    "order": ("data", "offset", "json_update_allowed"),
    "keywords": ("offset", "json_update_allowed"),
    "rewrite": _old_write,
}
"""How `write` was called."""

WRITING_A_MAG: dict[str, Any] = {**WRITING, "recognise": _first_write, "refusal": OutOfBoundsError}
"""How `write` of a mag was called: the first write of all could do without a position."""

WRITING_SLICES: dict[str, Any] = {
    "order": ("offset", "buffer_size", "dimension", "json_update_allowed"),
    "keywords": ("offset", "json_update_allowed"),
    "rewrite": _old_slices,
    "by_position": _starts_with_a_vector,
}
"""How `get_buffered_slice_writer` was called."""

READING_SLICES: dict[str, Any] = {
    "order": ("offset", "size", "buffer_size", "dimension"),
    "keywords": ("offset", "size"),
    "rewrite": _old_slices,
    "by_position": _starts_with_a_vector,
}
"""How `get_buffered_slice_reader` was called."""

CONSTRUCTING_A_WRITER: dict[str, Any] = {
    "keywords": ("offset", "json_update_allowed"),
    "rewrite": _old_slices,
}
"""How a `BufferedSliceWriter` was made by hand."""

CONSTRUCTING_A_READER: dict[str, Any] = {"keywords": ("offset", "size"), "rewrite": _old_slices}
"""How a `BufferedSliceReader` was made by hand."""

CHUNKS: dict[str, Any] = {
    "order": ("func_per_chunk", "chunk_shape", "executor", "progress_desc"),
    "renamed": {"chunk_size": "chunk_shape"},
}
"""How `for_each_chunk` and `map_chunk` were called."""

ZIPPED_CHUNKS: dict[str, Any] = {
    "order": (
        "func_per_chunk", "target_view", "source_chunk_shape", "target_chunk_shape", "executor", "progress_desc",
    ),
    "renamed": {"source_chunk_size": "source_chunk_shape", "target_chunk_size": "target_chunk_shape"},
}  # fmt: skip
"""How `for_zipped_chunks` was called."""

EQUALITY: dict[str, Any] = {"order": ("other", "args", "executor"), "renamed": {"args": ARGS}}
"""How `content_is_equal` was called."""

COMPRESSING: dict[str, Any] = {"order": ("target_path", "args", "executor"), "renamed": {"args": ARGS}}
"""How `compress` of a mag was called."""
