"""DM3 and DM4 images: their voxels are one plain array, found through the tags.

One image of the file's list is one scene; thumbnails are left out. Axes are x, (y, x) or (z, y, x); a fourth axis and
the energies or wavelengths of spectra are "q". Colours are (y, x, s) with red, green, blue, alpha. Pixel sizes count
where their unit is a length. Complex pixels are refused: no layer holds them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore, nanometres
from wkplug.abc.files import check_scene, corrupt_image, image_errors, open_file, unsupported_voxels
from wkplug.abc.flat import FlatImage, FlatVoxels
from wkplug.abc.images import distinct_names
from wkplug.errors import UnsupportedImageDataError
from wkplug_dm.tags import Place, read_tags, starts_like_dm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location
    from wkplug_dm.tags import Tree

__all__ = ["DmImage", "DmReader"]

_KIND = "DM"
_BOOLEAN, _COLOURS = 14, (8, 23)
_DTYPES = {
    1: "i2", 2: "f4", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8", _BOOLEAN: "u1", 39: "i8", 40: "u8",
}  # fmt: skip
_COMPLEX = {3, 5, 13, 27, 28}
_AXES = ("x", "y", "z", "q")
_MOST_AXES = len(_AXES)


class DmReader(ImageReader):
    """Opens DM3 and DM4 files."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        return ProbeScore.MAGIC if starts_like_dm(head) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> DmImage:
        """See `ImageReader.open`; scenes are the images of the file but its thumbnails."""
        return DmImage(self, location, scene)


class DmImage(FlatImage):
    """One image of a DM file."""

    thread_safe = True

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        with image_errors(location, _KIND), open_file(location) as file:
            size = location.size()
            tree, order = read_tags(file, size)
            images = _images(tree)
        check_scene(location, scene, len(images))
        names = distinct_names([name for name, _, _ in images]) if len(images) > 1 else ()
        with image_errors(location, _KIND):
            _, number, image = images[scene]
            self._describe(image, order, names, _shown_range(tree, number))

    def _describe(
        self, image: Tree, order: str, scenes: tuple[str, ...], shown: tuple[float, float] | None
    ) -> None:
        data = image["ImageData"]
        lengths = _numbered(data.get("Dimensions"))
        if not 0 < len(lengths) <= _MOST_AXES or not all(isinstance(n, int) and n > 0 for n in lengths):
            raise ValueError(f"its image has the shape {lengths[:8]}")
        kind = data.get("DataType")
        dtype = self._dtype(kind).newbyteorder("<" if order == "<" else ">")
        shape = tuple(lengths[::-1])
        place = data.get("Data")
        axes = list(_AXES[: len(shape)])
        calibrations = _numbered(_below(data, "Calibrations", "Dimension"))
        spectrum = "spectrum" in str(_below(image, "ImageTags", "Meta Data", "Format")).lower()
        notes = []
        sizes: dict[str, float | None] = {}
        for number, axis in enumerate(axes):
            calibration = calibrations[number] if number < len(calibrations) else {}
            size, unit = _pixel_size(calibration)
            sizes[axis] = size
            if spectrum and axis == "x" and len(axes) < 3:
                sizes["x"] = None
                notes.append(
                    f"The axis x is that of a spectrum: {_scale(calibration)} {unit or '(no unit)'} each."
                )
            if axis == "z" and (spectrum or (unit and nanometres(1, unit) is None)):
                axes[number] = "q"
                sizes["z"] = None
                notes.append(f"The axis q has steps of {_scale(calibration)} {unit or '(no unit)'}.")
        if axes.count("q") > 1:
            axes[-1] = "q2"
        axes = axes[::-1]
        if kind in _COLOURS:
            axes, shape = [*axes, "s"], (*shape, 4)
        self._swap, self._boolean = kind in _COLOURS, kind == _BOOLEAN
        if self._boolean:
            notes.append("Values of the type bool are uint8 here; nothing is lost.")
        voxels = self._flat(place, shape, dtype)
        self.lay_out(voxels)
        notes += voxels.told_behind(place.offset + place.length)
        plane = 3 if kind in _COLOURS else 2
        self.info = ImageInfo(
            axes=axes,
            shape=shape,
            dtype=dtype.newbyteorder("=").name,
            voxel_size=(sizes.get("x"), sizes.get("y"), sizes.get("z")),
            photometric="rgb" if kind in _COLOURS else "minisblack",
            channel_ranges=(shown,) if shown is not None and kind not in _COLOURS else (),
            scenes=scenes,
            block_shape=(1,) * max(0, len(shape) - plane) + shape[-plane:],
            details=_details(image),
            notes=notes,
        )

    def _dtype(self, kind: Any) -> np.dtype[Any]:
        if kind in _COMPLEX:
            raise unsupported_voxels(
                self.location,
                "complex pixels",
                "Export its magnitude, or real and imaginary part, as images of their own.",
            )
        if kind in _COLOURS:
            return np.dtype("u1")
        if kind not in _DTYPES:
            raise UnsupportedImageDataError(
                f"{self.location.url} has pixels of the type {kind}, which is none that is known.",
                self.location.url,
                hint="Export the image with another type of pixels.",
            )
        return np.dtype(_DTYPES[kind])

    def _flat(self, place: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> FlatVoxels:
        if not isinstance(place, Place):
            raise TypeError("its image has no pixels")
        if place.length < math.prod(shape) * dtype.itemsize:
            raise corrupt_image(
                self.location,
                _KIND,
                f"it has {place.length} bytes of pixels for the shape {shape} of {dtype.name}",
            )
        return FlatVoxels(location=self.location, what=_KIND, shape=shape, dtype=dtype, offset=place.offset)

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        if not self._swap:
            pixels = super().read(box, level=level)
            return (pixels != 0).astype("u1") if self._boolean else pixels
        start, lengths = self.info.box() if box is None else box
        # Stored are blue, green, red, alpha.
        colours = super().read(((*start[:-1], 0), (*lengths[:-1], 4)))[..., [2, 1, 0, 3]]
        return np.ascontiguousarray(colours[..., start[-1] : start[-1] + lengths[-1]])


def _images(tree: Tree) -> list[tuple[str, int, Tree]]:
    """The images with names and numbers in the file, without thumbnails unless there is nothing else."""
    every = _numbered(tree.get("ImageList"))
    thumbnails = {_below(each, "ImageIndex") for each in _numbered(tree.get("Thumbnails"))}
    sound = [
        (number, image)
        for number, image in enumerate(every)
        if isinstance(image, dict) and isinstance(image.get("ImageData"), dict)
    ]
    images = [(number, image) for number, image in sound if number not in thumbnails] or sound
    if not images:
        raise ValueError("it holds no image")
    return [
        (str(image.get("Name") or f"image {count}"), number, image)
        for count, (number, image) in enumerate(images)
    ]


def _shown_range(tree: Tree, number: int) -> tuple[float, float] | None:
    """The values that are shown darkest and brightest, of what shows the image with this number in the file."""
    sources = _numbered(tree.get("ImageSourceList"))
    for shown in _numbered(tree.get("DocumentObjectList")):
        source = _below(shown, "ImageSource")
        if not isinstance(source, int) or not 0 <= source < len(sources):
            continue
        if _below(sources[source], "ImageRef") != number:
            continue
        low, high = (_below(shown, "ImageDisplayInfo", name) for name in ("LowLimit", "HighLimit"))
        if (
            isinstance(low, int | float)
            and isinstance(high, int | float)
            and -math.inf < low < high < math.inf
        ):
            return float(low), float(high)
    return None


def _numbered(group: Any) -> list[Any]:
    return list(group.values()) if isinstance(group, dict) else []


def _below(tree: Any, *names: str) -> Any:
    for name in names:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _scale(calibration: Any) -> float | None:
    scale = _below(calibration, "Scale")
    return float(scale) if isinstance(scale, int | float) and math.isfinite(scale) else None


def _pixel_size(calibration: Any) -> tuple[float | None, str]:
    """Nanometres per pixel (None if its unit is no length), and the unit."""
    unit = _below(calibration, "Units")
    unit = unit.strip() if isinstance(unit, str) else ""
    return nanometres(_scale(calibration), unit), unit


def _details(image: Tree) -> dict[str, Any]:
    """What microscopists want to see of an image's own tags."""
    info = _below(image, "ImageTags", "Microscope Info")
    found = {} if not isinstance(info, dict) else info
    wanted = ("Indicated Magnification", "Voltage", "Operation Mode")
    return {
        name: value
        for name in wanted
        if isinstance(value := found.get(name), str)
        or (isinstance(value, int | float) and math.isfinite(value))
    }
