"""Zeiss CZI files, with a parser of its own: a scene is an image, its tiles are put together, regions are lazy.

Axes are the dimensions that the file names (v, h, i, r, b, t, c, z as far as they occur), then y and x over all tiles
of the scene, then the samples of colour images, red first. Tiles that overlap lie in the order of their mosaic
index, as in the makers' software; where there is no tile, voxels are 0. Nothing of the file stays open: bytes are
read by ranges, those of the tiles that a region touches and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore, StoredImage
from wkplug.abc.files import check_scene, corrupt_image, unsupported_voxels
from wkplug.errors import UnsupportedImageDataError
from wkplug_czi.metadata import Metadata
from wkplug_czi.segments import Subblock, pixel_ranges, read_header, read_metadata, read_subblocks
from wkplug_czi.tiles import PIXEL_TYPES, compression_name, decoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["CziImage", "CziReader"]

_MAGIC = b"ZISRAWFILE"
_LEADING = "VHIRBTCZ"  # the order of axes, those that change slowest first
_AT_ONCE = 64 << 20  # packed bytes of tiles that are fetched together


class CziReader(ImageReader):
    """Opens CZI files."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        return ProbeScore.MAGIC if head.startswith(_MAGIC) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> CziImage:
        """See `ImageReader.open`."""
        return CziImage(self, location, scene)


@attrs.frozen
class _Tile:
    """A subblock in its place: index on the leading axes, and the (y, x) of its first pixel at its level."""

    block: Subblock
    index: tuple[int, ...]
    top: int
    left: int


class CziImage(StoredImage):
    """One scene of a CZI file."""

    what = "CZI"
    in_turns = False

    def describe(self, file: None) -> ImageInfo:
        """Read the tables of the file, and say what the scene is."""
        del file
        header = read_header(self.location)
        blocks = read_subblocks(self.location, header)
        metadata = Metadata(read_metadata(self.location, header))
        if not blocks:
            raise corrupt_image(self.location, self.what, "it holds no image")
        scenes = sorted({block.start.get("S", 0) for block in blocks})
        check_scene(self.location, self.scene, len(scenes))
        mine = [block for block in blocks if block.start.get("S", 0) == scenes[self.scene]]
        if header.part or any(block.part for block in mine):
            raise UnsupportedImageDataError(
                f"{self.location.url} is one of several files that make up one image, which is not supported.",
                self.location.url,
                hint="Save it as a single file with the makers' software.",
            )
        self._samples = self._check_types(mine)
        names = metadata.scene_names(scenes) if len(scenes) > 1 else ()
        info = self._described(mine, metadata, names)
        center = metadata.scene_center(scenes[self.scene])
        return attrs.evolve(info, details={**info.details, "stage_micrometres": center}) if center else info

    # --- what there is ------------------------------------------------------------------------------------

    def _check_types(self, blocks: Sequence[Subblock]) -> int:
        """Give the samples per pixel; UnsupportedImageDataError if a layer can't hold them."""
        numbers = {block.pixel_type for block in blocks}
        if not numbers <= set(PIXEL_TYPES):
            raise unsupported_voxels(
                self.location,
                f"pixels of the type number {max(numbers)}",
                "Convert it to grey values or colours of 8 or 16 bits, or to floats.",
            )
        packed = {block.compression for block in blocks} - {0, 1, 2, 4, 5, 6}
        if packed:
            raise UnsupportedImageDataError(
                f"{self.location.url} is compressed with {compression_name(max(packed))}, which is not published.",
                self.location.url,
                hint="Save it with another compression in the makers' software.",
            )
        samples = {PIXEL_TYPES[number].samples for number in numbers}
        if len(samples) > 1:
            raise UnsupportedImageDataError(
                f"{self.location.url} has grey channels beside colour images, which can't be one array.",
                self.location.url,
                hint="Split its channels into files of their own.",
            )
        return samples.pop()

    def _described(self, blocks: list[Subblock], metadata: Metadata, scenes: tuple[str, ...]) -> ImageInfo:
        finest = [block for block in blocks if _factor(block) == 1]
        if not finest:
            raise corrupt_image(
                self.location, self.what, "it holds smaller copies of an image, but not the image"
            )
        lead = [letter for letter in _LEADING if any(letter in block.start for block in finest)]
        lows = {letter: min(block.start.get(letter, 0) for block in finest) for letter in [*lead, "X", "Y"]}
        highs = {
            letter: max(block.start.get(letter, 0) + block.size.get(letter, 1) for block in finest)
            for letter in lows
        }
        lengths = {letter: highs[letter] - low for letter, low in lows.items()}
        inner = ("y", "x", "s") if self._samples > 1 else ("y", "x")
        self._lead = len(lead)
        self._levels: list[list[_Tile]] = []
        shapes = []
        for factor in sorted({_factor(block) for block in blocks}):
            tiles = [_placed(block, lead, lows, factor) for block in blocks if _factor(block) == factor]
            tiles.sort(key=lambda tile: tile.block.start.get("M", 0))
            width, height = (max(1, -(-lengths[axis] // factor)) for axis in "XY")
            shape = (*(lengths[letter] for letter in lead), height, width)
            if factor > 1 and not _complete(tiles, finest, shape):
                continue
            self._levels.append(tiles)
            shapes.append((*shape, self._samples) if self._samples > 1 else shape)
        size = metadata.voxel_size()
        channels = lengths.get("C", 1)
        blocks_y, blocks_x = (max(block.stored[axis] for block in finest) for axis in "YX")
        by_channel = {
            block.start.get("C", 0) - lows.get("C", 0): PIXEL_TYPES[block.pixel_type].dtype
            for block in finest
        }
        types = [str(by_channel.get(number, "")) for number in range(channels)]
        kinds = sorted({PIXEL_TYPES[block.pixel_type].dtype for block in finest})
        return ImageInfo(
            axes=(*(letter.lower() for letter in lead), *inner),
            shape=shapes[0],
            dtype=np.result_type(*kinds).name,
            voxel_size=size,
            origin=(
                None if size[0] is None else lows["X"] * size[0],
                None if size[1] is None else lows["Y"] * size[1],
                None,
            ),
            photometric="rgb" if self._samples > 1 else "minisblack",
            channel_names=metadata.channel_names(channels) if self._samples == 1 else (),
            channel_colors=metadata.channel_colors(channels) if self._samples == 1 else (),
            channel_ranges=metadata.channel_ranges(types) if self._samples == 1 else (),
            channel_visible=metadata.channel_visible(channels) if self._samples == 1 else (),
            levels=len(shapes),
            level_shapes=shapes,
            scenes=scenes,
            block_shape=(*(1 for _ in lead), blocks_y, blocks_x, *shapes[0][len(lead) + 2 :]),
            details={
                "compression": ", ".join(sorted({compression_name(block.compression) for block in finest})),
                "tiles": len(finest),
            },
        )

    # --- voxels -------------------------------------------------------------------------------------------

    def read_box(self, file: None, box: Box, level: int) -> NDArray[Any]:
        """Put the tiles together that a region touches."""
        del file
        start, extent = box
        result = np.zeros(extent, self.info.dtype)
        tiles = [tile for tile in self._levels[level] if self._touches(tile, start, extent)]
        ranges = pixel_ranges(self.location, [tile.block for tile in tiles])
        for group in _groups(ranges):
            packed = self.location.read_ranges([ranges[number] for number in group])
            for number, data in zip(group, packed, strict=True):
                if len(data) < ranges[number][1] - ranges[number][0]:
                    raise EOFError("a tile reaches beyond the end of the file")
                self._paste(result, tiles[number], decoded(tiles[number].block, data), start, extent)
        return result

    def _touches(self, tile: _Tile, start: Sequence[int], extent: Sequence[int]) -> bool:
        lead = self._lead
        place = (*tile.index, tile.top, tile.left)
        size = (*(1 for _ in range(lead)), tile.block.stored["Y"], tile.block.stored["X"])
        return all(
            first < low + length and low < first + count
            for first, count, low, length in zip(place, size, start, extent, strict=False)
        )

    def _paste(
        self,
        result: NDArray[Any],
        tile: _Tile,
        pixels: NDArray[Any],
        start: Sequence[int],
        extent: Sequence[int],
    ) -> None:
        """Copy what a tile and the region have in common."""
        lead = self._lead
        plane = result[tuple(place - low for place, low in zip(tile.index, start, strict=False))]
        target, source = [], []
        for axis, first in enumerate((tile.top, tile.left)):
            low, high = start[lead + axis], start[lead + axis] + extent[lead + axis]
            begin, end = max(low, first), min(high, first + pixels.shape[axis])
            target.append(slice(begin - low, end - low))
            source.append(slice(begin - first, end - first))
        if self._samples > 1:
            target.append(slice(None))
            source.append(slice(start[-1], start[-1] + extent[-1]))
        plane[tuple(target)] = pixels[tuple(source)]


def _factor(block: Subblock) -> int:
    """How many pixels of the finest level one pixel stands for."""
    return max(1, round(max(block.size[axis] / block.stored[axis] for axis in "XY")))


def _placed(block: Subblock, lead: Sequence[str], lows: Mapping[str, int], factor: int) -> _Tile:
    index = tuple(block.start.get(letter, lows[letter]) - lows[letter] for letter in lead)
    top, left = (round((block.start[axis] - lows[axis]) / factor) for axis in "YX")
    return _Tile(block, index, top, left)


def _complete(tiles: Sequence[_Tile], finest: Sequence[Subblock], shape: Sequence[int]) -> bool:
    """Whether a level has a copy of all tiles, as far as counting their pixels tells; others are left out."""
    inside = all(
        0 <= place < length for tile in tiles for place, length in zip(tile.index, shape, strict=False)
    )
    there = sum(tile.block.size["X"] * tile.block.size["Y"] for tile in tiles)
    return inside and there >= 0.9 * sum(block.size["X"] * block.size["Y"] for block in finest)


def _groups(ranges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Put ranges together that are fetched at once, in order."""
    groups: list[list[int]] = []
    room = 0
    for number, (first, stop) in enumerate(ranges):
        if not groups or room < stop - first:
            groups.append([])
            room = _AT_ONCE
        groups[-1].append(number)
        room -= stop - first
    return groups
