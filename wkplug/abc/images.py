"""Image files: an `ImageReader` opens a file as an `Image` with named axes.

A reader never guesses what the file doesn't say: a voxel size is given or None, axes keep the file's names,
the dtype is the file's own. The core decides what becomes a layer.

Who calls it: `wkplug.ops` (import and `wkplug inspect`). Who implements it: image plugins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Self

import attrs

from wkplug.abc.arrays import Box, ProbeScore
from wkplug.abc.converters import ints, strings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc.locations import Location

__all__ = ["Image", "ImageInfo", "ImageReader"]


@attrs.frozen(kw_only=True)
class ImageInfo:
    """What a file says about one image (scene) in it.

    axes: letters in the file's order. x, y, z, t, c as usual; "s" are the samples of a pixel (RGB); pages of
        unknown meaning are "q".
    shape: in the same order. dtype: numpy's name, native byte order.
    voxel_size: nanometres per pixel along (x, y, z), each or all None where the file doesn't say.
    photometric: "rgb" where the samples are red, green, blue (, alpha); "palette" and "minisblack" likewise.
    channel_names: one per channel, empty if unknown.
    levels: how many resolutions the file holds; level 0 is described here.
    scenes: names of all images in the file; empty if there is just this one.
    block_shape: what is decoded as one, in the order of axes: whole pages, tiles or strips.
    details: anything else worth showing in `wkplug inspect`; JSON values.
    """

    axes: tuple[str, ...] = attrs.field(converter=strings)
    shape: tuple[int, ...] = attrs.field(converter=ints)
    dtype: str
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    photometric: str = ""
    channel_names: tuple[str, ...] = ()
    levels: int = 1
    scenes: tuple[str, ...] = ()
    block_shape: tuple[int, ...] = ()
    details: dict[str, Any] = attrs.field(factory=dict)


class Image(ABC):
    """One opened image. A context manager; pickles by opening its file again."""

    info: ImageInfo
    thread_safe: bool = False
    """Whether several threads may call `read` at once."""

    @abstractmethod
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """Read a region in the file's own axis order (everything by default), decoding no more than needed.

        CorruptImageError if the file is damaged or cut short.
        """

    def close(self) -> None:
        """Close the file; closing twice is fine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> Literal[False]:
        self.close()
        return False


class ImageReader(ABC):
    """Opens one family of image files. Stateless; built by the spec's factory."""

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """Say how likely the file is one of this reader's, from its first bytes (up to 4,096) and its name."""
        del location, head
        return ProbeScore.SUFFIX

    @abstractmethod
    def open(self, location: Location, *, scene: int = 0) -> Image:
        """Open the file: CorruptImageError if it is damaged, MissingError if it is not there."""
