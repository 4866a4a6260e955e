"""Tiles and strips of compressed planes: encoded piece by piece, handed to tifffile plane by plane.

Pieces are several sections deep, and their tiles are encoded where they are read, in the executor of the operation.
A file wants them one plane after the other, so the encoded ones of a slab wait in a spool: in memory while they are
few, then in a nameless file beside the target.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from wkplug_tiff.exporting import Piece, Slab

__all__ = ["Encode", "Encoded", "planes"]

_SPOOL_BYTES = 1 << 25

Encoded = list[tuple[tuple[int, int, int], bytes]]
"""Encoded tiles with their (section, row, column) in the file's grid of tiles."""


@attrs.frozen
class Encode:
    """Reads a piece and encodes its tiles of `size` (height, width), without loss; it pickles.

    read: gives (z, y, x) or (z, y, x, c) of a piece. filled: border tiles are filled up with zeros, as tiles have to
    be; strips end with the plane.
    """

    read: Callable[[Piece], NDArray[Any]]
    size: tuple[int, int]
    filled: bool

    def __call__(self, piece: Piece) -> Encoded:
        """Give the tiles."""
        import imagecodecs
        import numpy

        height, width = self.size
        encode: Any = imagecodecs.deflate_encode  # its stub doesn't know all buffers that it takes
        result: Encoded = []
        for z, plane in enumerate(self.read(piece), piece.z[0]):
            for top in range(0, plane.shape[0], height):
                for left in range(0, plane.shape[1], width):
                    tile = plane[top : top + height, left : left + width]
                    missing = [(0, n - there) for n, there in zip(self.size, tile.shape[:2], strict=True)]
                    if self.filled and any(after for _, after in missing):
                        tile = numpy.pad(tile, [*missing, (0, 0)][: tile.ndim])
                    data = numpy.ascontiguousarray(tile, tile.dtype.newbyteorder("<")).data
                    place = (z, (piece.y[0] + top) // height, (piece.x[0] + left) // width)
                    result.append((place, bytes(encode(data))))
        return result


def planes(slabs: Iterable[Slab], encoded: Iterator[Encoded], folder: str) -> Iterator[Iterator[bytes]]:
    """Give each plane of the slabs as its tiles, down and then across; each has to be used up before the next.

    encoded: what `Encode` gave for all pieces of all slabs, in order. folder: for what doesn't fit the memory.
    """
    for slab in slabs:
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES, dir=folder) as spool:
            places: dict[tuple[int, int, int], tuple[int, int]] = {}
            end = 0
            for _ in slab.pieces:
                for place, data in next(encoded):
                    spool.write(data)
                    places[place] = (end, len(data))
                    end += len(data)
            order = sorted(places)
            for z in range(*slab.z):
                yield _read(spool, [places[place] for place in order if place[0] == z])


def _read(spool: Any, places: list[tuple[int, int]]) -> Iterator[bytes]:
    for offset, length in places:
        spool.seek(offset)
        yield spool.read(length)
