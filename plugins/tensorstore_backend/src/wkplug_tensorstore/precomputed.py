"""Neuroglancer precomputed volumes: one scale of an `info` file is an array, and a new array gets one of its own.

A mag's path is that of its scale, `<layer>/<key>`; the `info` file lies in the layer's folder, one level up,
or more where keys hold slashes. Stored are x, y, z and then the channels; here the channels come first. A
scale that starts at a voxel offset keeps it: what lies before is fill value, so that voxel 0 is where it is
for everything else in the dataset.

One file for all scales is nothing that several mags can be made, filled, copied and deleted by, each for itself. So a
mag that is made here has an `info` in its own folder, a volume of one scale (key "../1"), and that is what counts; the
`info` above it, which viewers open, follows from those (`precomputed_layer`).

The format calls chunks at a volume's end by how long they are, and numbers those in shards by how many there may be.
What is made here is therefore as large as whole chunks and shards, with the length that was asked for beside it
("wkplug_size"); then volumes without shards can grow. Shards are whole numbers of chunks that are neighbours in the
format's order, and each is one file.

Follows the description of the precomputed format in Neuroglancer's repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from wkplug.abc import ArraySpec
from wkplug.errors import (
    CorruptDataError,
    InvalidArgumentError,
    LayoutError,
    MissingError,
    UnsupportedOperationError,
)
from wkplug_tensorstore.stored import (
    DTYPES,
    USUAL_AXES,
    StoredArray,
    check_chunk,
    dtype_name,
    lengths,
    read_document,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.abc import Location
    from wkplug_tensorstore.objects import Objects
    from wkplug_tensorstore.packed import ChunkGrid
    from wkplug_tensorstore.volume_shards import ShardBoxes

__all__ = ["DOCUMENT", "build", "describe", "find", "is_compressed", "resized", "scale_of"]

DOCUMENT = "info"

_TYPE = "neuroglancer_multiscale_volume"
_SHARDS = "neuroglancer_uint64_sharded_v1"
_ENCODINGS = frozenset({"raw", "png", "jpeg", "compressed_segmentation"})
_LEVELS = 4
_SHARD_KEY = re.compile(r"[0-9a-f]+\.(?:shard|index|data)")
_SCALE = ("key", "size", "resolution", "voxel_offset", "encoding", "sharding")
_ONE_ENCODING = {
    "compressed_segmentation": "compressed_segmentation_block_size",
    "jpeg": "jpeg_quality",
    "png": "png_level",
}
"""Members that belong to one encoding; the engine refuses them with any other."""

_OWN_KEY = re.compile(r"\.\./[^/]+")
_OWN_SIZE = "wkplug_size"
_OPTIONS = frozenset({"encoding", "sharding", *_ONE_ENCODING.values()})
_MINISHARD_BITS = 6
_PRESHIFT_BITS = 3
_MOST_BITS = 64
_MOST_SHARD_BITS = 24
"""Beyond so many chunks, a shard is nothing to be written as a whole."""


# --- a new array ----------------------------------------------------------------------------------------------


def build(spec: ArraySpec, name: str = "1") -> dict[str, Any]:
    """Give the content of the own `info` of a mag of that name. LayoutError, InvalidArgumentError for what can't be."""
    if unknown := sorted(set(spec.options) - _OPTIONS):
        raise InvalidArgumentError(
            f"neuroglancerPrecomputed has no option {unknown[0]!r}.",
            hint=f"There are: {', '.join(sorted(_OPTIONS))}.",
        )
    if spec.axes != USUAL_AXES[4]:
        raise LayoutError(
            f"Precomputed volumes have the axes {', '.join(USUAL_AXES[4])}, not {', '.join(spec.axes)}."
        )
    channels, *wanted = (length or 0 for length in spec.shape)
    if spec.chunk_shape[0] != channels or spec.shard_shape[0] != channels:
        raise LayoutError(f"A chunk of a precomputed volume holds all its channels, which are {channels}.")
    if spec.fill_value != 0:
        raise LayoutError(
            f"Precomputed volumes are 0 where nothing was written, so {spec.fill_value!r} can't be."
        )
    chunk, shard = spec.chunk_shape[1:], spec.shard_shape[1:]
    size = [-(-length // step) * step for length, step in zip(wanted, shard, strict=True)]
    encoding = _encoding(spec)
    scale: dict[str, Any] = {
        "key": f"../{name}",
        "size": size,
        # What a voxel measures is the dataset's business.
        "resolution": [1, 1, 1],
        "voxel_offset": [0, 0, 0],
        "chunk_sizes": [list(chunk)],
        "encoding": encoding,
    }
    member = _ONE_ENCODING.get(encoding, "")
    if member in spec.options:
        scale[member] = spec.options[member]
    elif encoding == "compressed_segmentation":
        scale[member] = [8, 8, 8]
    if shard != chunk or spec.options.get("sharding") is not None:
        scale["sharding"] = _sharding(spec, size, encoding)
    if size != wanted:
        scale[_OWN_SIZE] = wanted
    labels = encoding == "compressed_segmentation"
    return {
        "@type": _TYPE,
        "type": "segmentation" if labels else "image",
        "data_type": spec.dtype,
        "num_channels": channels,
        "scales": [scale],
    }


def is_compressed(spec: ArraySpec) -> bool:
    """Whether `build` makes metadata of chunks that are compressed."""
    (scale,) = build(spec)["scales"]
    return _packs(scale)


def _packs(scale: Mapping[str, Any]) -> bool:
    return scale["encoding"] != "raw" or (scale.get("sharding") or {}).get("data_encoding") == "gzip"


def _encoding(spec: ArraySpec) -> str:
    """What was asked for; else what loses nothing and what every reader of the format knows."""
    possible = ["raw"]
    if spec.dtype in ("uint32", "uint64"):
        possible.append("compressed_segmentation")
    if spec.dtype in ("uint8", "uint16") and spec.num_channels <= 4:
        possible.append("png")
    if spec.dtype == "uint8" and spec.num_channels in (1, 3):
        possible.append("jpeg")
    wanted = spec.options.get("encoding")
    if wanted is None:
        labels = spec.compressed and "compressed_segmentation" in possible
        return "compressed_segmentation" if labels else "raw"
    if wanted not in possible:
        raise InvalidArgumentError(
            f"The encoding {wanted!r} can't hold {spec.num_channels} channels of {spec.dtype}.",
            hint=f"Possible here: {', '.join(possible)}.",
        )
    return str(wanted)


def _sharding(spec: ArraySpec, size: Sequence[int], encoding: str) -> dict[str, Any]:
    """How chunks become shards: as was asked for, with shards that are the boxes of the spec."""
    asked = spec.options.get("sharding") or {}
    if not isinstance(asked, Mapping):
        raise InvalidArgumentError("The option 'sharding' must be an object as in an info file.")
    chunk, shard = spec.chunk_shape[1:], spec.shard_shape[1:]
    if shard == chunk and asked.get("hash", "identity") != "identity":
        return dict(asked)
    from wkplug_tensorstore.volume_shards import bits_of, neighbours  # late, as below

    grid = tuple(-(-length // step) for length, step in zip(size, chunk, strict=True))
    wanted = tuple(large // small for large, small in zip(shard, chunk, strict=True))
    low, total = sum(bits_of(wanted)), sum(bits_of(grid))
    if total > _MOST_BITS:
        raise LayoutError(
            f"Shards of precomputed volumes number their chunks with {_MOST_BITS} bits, and {spec.shape} voxels "
            f"in chunks of {spec.chunk_shape} take {total}.",
            hint="Take larger chunks, or leave the shard shape out.",
        )
    if wanted != neighbours(grid, low):
        raise LayoutError(
            f"A precomputed volume of {tuple(size)} voxels in chunks of {chunk} can't have shards of {shard}: they "
            "hold chunks in the format's order, which goes along x, y and z in turns.",
            hint="Take a cube of chunks (1, 2, 4, 8, ... along each axis), or leave the shard shape out.",
        )
    packed = "gzip" if spec.compressed else "raw"
    preshift = low - min(_MINISHARD_BITS, low - min(_PRESHIFT_BITS, low))
    return {
        "@type": _SHARDS,
        "hash": "identity",
        "preshift_bits": preshift,
        "minishard_bits": low - preshift,
        "shard_bits": total - low,
        "minishard_index_encoding": asked.get("minishard_index_encoding", packed),
        "data_encoding": asked.get("data_encoding", "raw" if encoding in ("png", "jpeg") else packed),
    }


def _is_fixed(scale: Mapping[str, Any], size: Sequence[int], steps: Sequence[int]) -> bool:
    """Whether chunks would be called otherwise if the volume had another size."""
    return bool(scale.get("sharding")) or any(a % step for a, step in zip(size, steps, strict=True))


def resized(document: Mapping[str, Any], stored: StoredArray, shape: Sequence[int]) -> dict[str, Any]:
    """The content of `info` for another shape of one of its scales; UnsupportedOperationError where that can't be."""
    where, key = stored.file.url, stored.extra["scale_metadata"]["key"]
    if stored.root != stored.file.parent:
        key = ""
    scale = scale_of(document, key, where)
    if scale is None:
        raise MissingError(f"{where} has no scale {key!r} any more.")
    origin, steps = (stored.origin or (0,) * 4)[1:], stored.spec.shard_shape[1:]
    wanted = [max(0, length - first) for length, first in zip(shape[1:], origin, strict=True)]
    old = [int(length) for length in scale["size"]]
    size = [-(-length // step) * step for length, step in zip(wanted, steps, strict=True)]
    if all(a <= b for a, b in zip(wanted, old, strict=True)) and _is_fixed(scale, old, steps):
        size = old
    if scale.get("sharding") and size != old:
        raise UnsupportedOperationError(
            f"{where} describes shards, whose chunks are numbered for {tuple(old)} voxels; they can't become "
            f"{tuple(size)}.",
            hint="Give the layer its whole bounding box before a mag gets shards, or copy it: "
            "add_layer_as_copy with another shard_shape.",
        )
    if size != old and _is_fixed(scale, old, steps):
        raise UnsupportedOperationError(
            f"{where} describes {tuple(old)} voxels, which are no whole chunks; those at its end are called by their "
            f"lengths, so that it can't have {tuple(size)}.",
            hint="Copy the layer, and write to the copy.",
        )
    if size == old and scale.get(_OWN_SIZE, old) == wanted:
        return dict(document)
    changed = {name: value for name, value in scale.items() if name != _OWN_SIZE} | {"size": size}
    if not key:
        changed["key"] = f"../{stored.file.parent.name}"  # mags may be copied and renamed
    if size != wanted:
        changed[_OWN_SIZE] = wanted
    scales = [changed if each is scale else each for each in document["scales"]]
    return {**document, "scales": scales}


# --- arrays that are there ------------------------------------------------------------------------------------


def find(location: Location, *, levels: int = _LEVELS) -> tuple[Location, str, dict[str, Any]]:
    """Find the info file of a scale, its own or one above: its place, the scale's key, its content; else MissingError.

    The key is "" in a scale's own file.
    """
    parts: list[str] = []
    folder = location
    for _ in range(levels + 1):
        file = folder.child(DOCUMENT)
        try:
            document = read_document(file)
        except MissingError:
            document = None
        key = "/".join(reversed(parts))
        # An info in a scale's folder that isn't about this folder is that of another volume.
        if document is not None and (parts or scale_of(document, key, file.url) is not None):
            return file, key, document
        if folder.parent == folder:
            break
        parts.append(folder.name)
        folder = folder.parent
    raise MissingError(
        f"{location.url} is no scale of a precomputed volume: there is no info file above it.",
        hint="Name the folder of one scale, <layer>/<key>.",
    )


def scale_of(document: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any] | None:
    """Find a scale by its key, None if there is no such scale; "" for that of a mag's own file."""
    scales = document.get("scales")
    if not isinstance(scales, list):
        raise CorruptDataError(f"{where} is damaged: its scales are no list.")
    if not key:
        keys = [scale.get("key") if isinstance(scale, Mapping) else None for scale in scales]
        is_own = len(keys) == 1 and isinstance(keys[0], str) and _OWN_KEY.fullmatch(keys[0])
        return scales[0] if is_own else None
    for scale in scales:
        if isinstance(scale, Mapping) and isinstance(scale.get("key"), str) and _clean(scale["key"]) == key:
            return scale
    return None


def describe(document: Mapping[str, Any], file: Location, key: str, *, moved: bool = False) -> StoredArray:
    """Check one scale; errors as in `zarr3.describe`, and MissingError if there is no such scale.

    The axes are c, x, y, z, whatever a dataset records: the format has no other order.
    moved: a scale that begins before voxel 0 is moved to begin there, instead of being refused.
    """
    where = file.url
    root, name = (file.parent, key) if key else (file.parent.parent, file.parent.name)
    if document.get("@type", _TYPE) != _TYPE:
        raise CorruptDataError(f"{where} is no volume but {document.get('@type')!r}.")
    scale = scale_of(document, key, where)
    if scale is None:
        raise MissingError(f"{where} has no scale {key!r}.")
    (channels,) = lengths([document.get("num_channels")], "num_channels", where, least=1)
    dtype = dtype_name(document.get("data_type"), where)
    size = lengths(scale.get("size"), f"the size of scale {key!r}", where, rank=3)
    visible = _visible(scale, size, where)
    chunk = _chunk(scale, where)
    check_chunk((channels, *chunk), (channels, *chunk), DTYPES[dtype], where)
    offset = _offset(scale, where, moved=moved)
    corner = tuple(map(max, offset, (0, 0, 0)))
    shift = tuple(a - b for a, b in zip(corner, offset, strict=True))
    encoding = _known_encoding(scale, where)
    from wkplug_tensorstore import packed  # late: Zarr and N5 come by here, and its classes take 2 ms

    sharding: Any = scale.get("sharding")
    shards = _shards_of(sharding, size, chunk, where) if sharding else None
    shard = chunk if shards is None else shards.shape
    # Hashes don't tell what is in a shard.
    boxes = None if shards is None else partial(shards.boxes, channels, corner)
    member = _ONE_ENCODING.get(encoding, "")
    own = {member: scale[member]} if member in scale else {}
    spec = ArraySpec(
        axes=USUAL_AXES[4],
        shape=(channels, *(first + length for first, length in zip(corner, visible, strict=True))),
        dtype=dtype,
        chunk_shape=(channels, *chunk),
        shard_shape=(channels, *shard),
        compressed=_packs(scale),
        options={"encoding": encoding, "sharding": sharding, **own},
    )
    voxel_bytes = channels * DTYPES[dtype] if encoding == "raw" else 0
    grid = packed.ChunkGrid(offset, size, chunk, voxel_bytes)
    metadata = {each: scale[each] for each in _SCALE if each in scale} | own
    metadata |= {"key": name, "chunk_size": list(chunk)}
    multiscale = {name: document[name] for name in ("type", "data_type", "num_channels") if name in document}
    return StoredArray(
        driver="neuroglancer_precomputed",
        spec=spec,
        metadata={},
        extra={"scale_metadata": metadata, "multiscale_metadata": multiscale},
        file=file,
        root=root,
        transpose=(3, 0, 1, 2),
        origin=(0, *corner),
        shift=(0, *shift) if any(shift) else None,
        boxes=boxes if sharding else partial(packed.boxes_of, channels, shift),
        is_key=_is_shard_key if sharding else grid.is_key,
        objects=partial(_shards, name, grid, sharding) if sharding else partial(_chunks, name, grid, not key),
        lossy=encoding == "jpeg",
    )


def _known_encoding(scale: Mapping[str, Any], where: str) -> str:
    encoding = scale.get("encoding")
    if not isinstance(encoding, str):
        raise CorruptDataError(f"{where} is damaged: a scale has no encoding.")
    if encoding not in _ENCODINGS:
        raise UnsupportedOperationError(
            f"{where} uses the encoding {encoding!r}, which tensorstore doesn't know."
        )
    return encoding


def _visible(scale: Mapping[str, Any], size: tuple[int, ...], where: str) -> tuple[int, ...]:
    """The length that was asked for, of what is stored in whole chunks."""
    found = lengths(scale.get(_OWN_SIZE, size), _OWN_SIZE, where, rank=3)
    if any(a > b for a, b in zip(found, size, strict=True)):
        raise CorruptDataError(f"{where} is damaged: its {_OWN_SIZE} {found} is more than its size {size}.")
    return found


def _shards_of(value: object, size: tuple[int, ...], chunk: tuple[int, ...], where: str) -> ShardBoxes | None:
    """The boxes of voxels that are one shard each; None where shards are no boxes, or too large to be seen as one."""
    from wkplug_tensorstore.volume_shards import ShardBoxes, Sharding, bits_of, neighbours

    sharding = Sharding.of(value, where)
    low = sharding.preshift_bits + sharding.minishard_bits
    grid = tuple(-(-length // step) for length, step in zip(size, chunk, strict=True))
    total = sum(bits_of(grid))
    if (
        sharding.hashed
        or total > min(_MOST_BITS, low + sharding.shard_bits)
        or min(low, total) > _MOST_SHARD_BITS
    ):
        return None
    shape = tuple(step * count for step, count in zip(chunk, neighbours(grid, low), strict=True))
    return ShardBoxes(grid, chunk, shape, low)


def _chunks(key: str, grid: ChunkGrid, is_own: bool, stored: StoredArray) -> Objects | None:  # noqa: FBT001 - internal
    """The chunks of an unsharded scale; None where the engine may read them itself.

    is_own: the scale was made here, and nobody has given its files suffixes.
    """
    from wkplug_tensorstore.packed import PackedObjects, are_packed

    local = stored.root.local_path() is not None
    suffixes: tuple[str, ...] | None = ()
    if not is_own:
        suffixes = are_packed(grid, stored.root, key) if local else None
    if local and not stored.lossy and (is_own or suffixes is None):
        return None
    return PackedObjects(
        **_places(stored, grid),
        name=lambda cell: f"{key}/{grid.key(cell[1:])}",
        grid=grid,
        folder=key,
        suffixes=suffixes,
    )


def _shards(key: str, grid: ChunkGrid, sharding: object, stored: StoredArray) -> Objects:
    """The shards of a scale; never the engine's own, which reads shards that are cut short as 0."""
    from wkplug_tensorstore.volume_shards import Sharding, VolumeShards

    spec = stored.spec
    return VolumeShards(
        **_places(stored, grid),
        name=lambda cell: f"{key}/{grid.key(cell[1:])}",
        folder=key,
        sharding=Sharding.of(sharding, stored.file.url),
        grid=tuple(-(-length // step) for length, step in zip(grid.size, grid.chunk, strict=True)),
        per_shard=tuple(a // b for a, b in zip(spec.shard_shape[1:], spec.chunk_shape[1:], strict=True)),
    )


def _places(stored: StoredArray, grid: ChunkGrid) -> dict[str, Any]:
    channels = stored.spec.num_channels
    return {
        "cell_shape": stored.spec.chunk_shape,
        "origin": stored.origin,
        "extent": (channels, *grid.size),
    }


def _is_shard_key(key: str) -> bool:
    return _SHARD_KEY.fullmatch(key) is not None


def _chunk(scale: Mapping[str, Any], where: str) -> tuple[int, ...]:
    sizes = scale.get("chunk_sizes")
    if not isinstance(sizes, list) or not sizes:
        raise CorruptDataError(f"{where} is damaged: a scale has no chunk_sizes.")
    return lengths(sizes[0], "chunk_sizes", where, rank=3, least=1)


def _offset(scale: Mapping[str, Any], where: str, *, moved: bool) -> tuple[int, ...]:
    value = scale.get("voxel_offset", [0, 0, 0])
    if isinstance(value, list) and any(isinstance(number, int) and number < 0 for number in value):
        if moved:
            lengths([abs(n) if isinstance(n, int) else n for n in value], "voxel_offset", where, rank=3)
            return tuple(value)
        raise UnsupportedOperationError(
            f"{where} starts at the voxel {value}; places before voxel 0 can't be addressed here.",
            hint="An import moves it to begin at 0: wkplug convert, or Dataset.from_images.",
        )
    return lengths(value, "voxel_offset", where, rank=3)


def _clean(key: str) -> str:
    return "/".join(part for part in key.split("/") if part not in ("", "."))
