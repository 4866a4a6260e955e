"""What the kinds of HDF5 files have in common: a `Scene` is an image with the datasets that hold it.

Also the small things that all of them need: attributes as text, types that a layer can hold,
and refusals of datasets that can't be decoded here.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc.files import held_dtype
from wkplug.errors import UnsupportedImageDataError
from wkplug_hdf5.outside import check_sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wkplug.abc import ImageInfo, Location

__all__ = ["Scene", "checked_dtype", "text_of"]


def _as_they_are(voxels: Any) -> Any:
    return voxels


@attrs.frozen(kw_only=True)
class Scene:
    """An image and where its voxels lie.

    lead: how many axes in front choose a dataset; the others are the axes of that dataset.
    dataset: gives the dataset's name for a level and indices on those axes.
    arranged: turns what the dataset gives into voxels of the declared type.
    """

    info: ImageInfo
    lead: int
    dataset: Callable[[int, tuple[int, ...]], str]
    arranged: Callable[[NDArray[Any]], NDArray[Any]] = _as_they_are


def text_of(value: Any) -> str:
    """Give an attribute as text: bytes, arrays of single letters (Imaris) and arrays of one text, too."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return "".join(text_of(part) for part in value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def checked_dtype(dataset: Any, location: Location, *, follow: bool) -> str:
    """Give the type of the voxels; UnsupportedImageDataError if they can't be decoded here or held by a layer.

    Half floats become float32, truth values uint8: nothing is lost. follow: voxels may lie in any other file.
    """
    held, _ = held_dtype(location, dataset.dtype, f"values in the dataset {dataset.name}")
    _check_filters(dataset, location)
    check_sources(dataset, location, follow=follow)
    return held


def _check_filters(dataset: Any, location: Location) -> None:
    """Refuse a dataset whose compression can't be decoded, which HDF5 would report as damage."""
    from h5py import h5z

    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(number) for number in range(properties.get_nfilters())]
    if all(h5z.filter_avail(each[0]) for each in filters):
        return
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401  # registers its decoders
    missing = [each for each in filters if not h5z.filter_avail(each[0])]
    if missing:
        code, name = missing[0][0], text_of(missing[0][3]) or "unnamed"
        raise UnsupportedImageDataError(
            f"The dataset {dataset.name} of {location.url} is compressed in a way that can't be decoded here: "
            f"{name} (filter {code}).",
            location.url,
            hint='pip install "wkplug-hdf5[filters]"',
        )
