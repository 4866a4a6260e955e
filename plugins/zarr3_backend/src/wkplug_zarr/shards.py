"""The index of a Zarr v3 shard: where its chunks lie, and whether the file is long enough to hold them.

zarr-python reads chunks through the index but checks none of its claims, and it can't say whether a chunk was
ever written. Here is just enough to do both, for the index encodings that are in use (little-endian numbers,
with or without crc32c, at the start or the end); others give no `ShardIndex`.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_CHUNKS_PER_SHARD", "ShardIndex"]

MAX_CHUNKS_PER_SHARD = 2**24
"""More than that is taken for damage: the index alone would be 256 MiB."""

_EMPTY = 2**64 - 1


@attrs.frozen
class ShardIndex:
    """`grid` is the number of chunks per shard along each axis."""

    grid: tuple[int, ...]
    at_end: bool
    checksum: bool

    @classmethod
    def of(cls, grid: tuple[int, ...], configuration: dict[str, Any]) -> ShardIndex | None:
        """Understand a sharding_indexed codec's configuration, None if its index is encoded otherwise."""
        codecs = configuration.get("index_codecs")
        if not isinstance(codecs, list) or not all(isinstance(codec, dict) for codec in codecs):
            return None
        names = [codec.get("name") for codec in codecs]
        if names not in (["bytes"], ["bytes", "crc32c"]):
            return None
        if (codecs[0].get("configuration") or {}).get("endian", "little") != "little":
            return None
        location = configuration.get("index_location", "end")
        return cls(grid, location == "end", len(names) == 2)

    @property
    def nbytes(self) -> int:
        """Bytes of the encoded index."""
        return 16 * prod(self.grid) + (4 if self.checksum else 0)

    def entries(self, index: bytes | memoryview) -> NDArray[np.uint64]:
        """Decode the index: (offset, length) of each chunk, shape grid + (2,)."""
        import numpy

        numbers = numpy.frombuffer(index, dtype="<u8", count=2 * prod(self.grid))
        return numbers.reshape(*self.grid, 2)

    def stored(self, entries: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Say for each chunk whether it is stored."""
        result: NDArray[np.bool_] = entries[..., 0] != _EMPTY
        return result

    def places(self, shard: bytes | memoryview) -> list[tuple[int, int]]:
        """Where the stored chunks of a whole shard, found to be undamaged, begin and end."""
        index = shard[len(shard) - self.nbytes :] if self.at_end else shard[: self.nbytes]
        entries = self.entries(index)
        used = entries[self.stored(entries)].tolist()
        return [(offset, offset + length) for offset, length in used]

    def damage(self, shard: bytes | memoryview) -> str | None:
        """Say what is wrong with the size of a whole shard, None if nothing is."""
        size = len(shard)
        if size < self.nbytes:
            return f"it has {size} bytes, but its index alone has {self.nbytes}"
        index = shard[size - self.nbytes :] if self.at_end else shard[: self.nbytes]
        entries = self.entries(index)
        used = entries[self.stored(entries)]
        if not used.size:
            return None
        offsets, lengths = used[:, 0], used[:, 1]
        # Compared this way round because offset + length could overflow.
        if bool((offsets > size).any()) or bool((lengths > size - offsets).any()):
            return f"its index places a chunk beyond its end at {size} bytes"
        if not bool(lengths.all()):
            return "its index lists a chunk of no bytes"
        return None
