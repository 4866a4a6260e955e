"""`n5` and `precomputed`: what the containers of n5-viewer, BigDataViewer and neuroglancer make as datasets.

Resolutions of N5 groups are told in several ways, which are tried in this order: COSEM's "multiscales" with a transform
per dataset; n5-viewer's "scales" or "downsamplingFactors" with "pixelResolution"; just datasets s0, s1, ... of halves.
BigDataViewer's setups become a layer each, with their first time point.

Only JSON files are read here. Who calls it: `wkplug.ops` through the factories that `wkplug_tensorstore.plugin` names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wkplug.abc import ForeignLayer, ForeignMag, Importer, ProbeScore, nanometres
from wkplug.errors import CorruptDataError, MissingError
from wkplug_tensorstore.stored import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wkplug.abc import Location

__all__ = ["N5Importer", "PrecomputedImporter"]

_AXES = ("x", "y", "z", "c", "t")
_FILE = "attributes.json"
_Sizes = tuple[float | None, float | None, float | None]


class N5Importer(Importer):
    """Describes N5 containers."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Certain where datasets are found as described above."""
        try:
            return ProbeScore.CERTAIN if self.describe(location) else ProbeScore.NO
        except MissingError:
            return ProbeScore.NO
        except CorruptDataError:
            return ProbeScore.MARKER

    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """See `Importer.describe`."""
        document = read_document(location.child(_FILE))
        name = location.name.removesuffix(".n5") or "color"
        if "dimensions" in document:
            sizes = _resolution(document)
            return (ForeignLayer(name=name, mags=(_mag(location, document, (1, 1, 1)),), voxel_size=sizes),)
        layer = _group(location, document, name)
        return (layer,) if layer is not None else tuple(_setups(location))


def _mag(location: Location, document: Mapping[str, Any], factors: tuple[int, int, int]) -> ForeignMag:
    dimensions = document.get("dimensions")
    if not isinstance(dimensions, list) or not 2 <= len(dimensions) <= len(_AXES):
        raise CorruptDataError(f"{location.url} is damaged: its dimensions are no list of 2 to 5 numbers.")
    return ForeignMag(location=location, data_format="n5", axes=_AXES[: len(dimensions)], mag=factors)


def _resolution(document: Mapping[str, Any]) -> _Sizes:
    found: Any = document.get("pixelResolution", document.get("resolution"))
    unit: Any = document.get("units", "")
    if isinstance(found, dict):
        found, unit = found.get("dimensions"), found.get("unit", "")
    if isinstance(unit, list):
        unit = unit[0] if unit else ""
    factor = nanometres(1, unit)
    if not isinstance(found, list) or len(found) < 2 or factor is None:
        return None, None, None
    sizes = [float(size) * factor for size in found[:3]]
    return sizes[0], sizes[1], sizes[2] if len(sizes) > 2 else None


def _group(location: Location, document: Mapping[str, Any], name: str) -> ForeignLayer | None:
    arrays = []
    for child in _numbered(location, "s"):
        try:
            array = read_document(location.child(child, _FILE))
        except MissingError:
            continue
        if "dimensions" in array:
            arrays.append((child, array))
    if not arrays:
        return None
    sizes, offset = _resolution(document), (0, 0, 0)
    transforms = _transforms(document)
    if transforms:
        sizes, offset = transforms[0]
    elif sizes[0] is None:
        sizes = _resolution(arrays[0][1])
    scales = document.get("scales", document.get("downsamplingFactors"))
    mags = []
    for number, (child, array) in enumerate(arrays):
        factors = array.get("downsamplingFactors")
        if factors is None and isinstance(scales, list) and len(scales) == len(arrays):
            factors = scales[number]
        if not isinstance(factors, list):
            first = arrays[0][1]["dimensions"]
            factors = [
                max(1, round(a / max(1, b))) for a, b in zip(first[:3], array["dimensions"][:3], strict=False)
            ]
        x, y, z = (*(int(factor) for factor in factors[:3]), *(1,) * (3 - len(factors[:3])))
        mags.append(_mag(location.child(child), array, (x, y, z)))
    return ForeignLayer(name=name, mags=tuple(mags), voxel_size=sizes, offset=offset)


def _transforms(document: Mapping[str, Any]) -> list[tuple[_Sizes, tuple[int, int, int]]]:
    """Voxel sizes in nanometres and offsets in voxels, along x, y, z, of the datasets of the first multiscale image."""
    scales = document.get("multiscales")
    if not isinstance(scales, list) or not scales or not isinstance(scales[0], dict):
        return []
    result = []
    for dataset in scales[0].get("datasets") or ():
        transform = dataset.get("transform") if isinstance(dataset, dict) else None
        if not isinstance(transform, dict):
            return []
        axes, units = transform.get("axes") or [], transform.get("units") or []
        by_axis = {
            axis: (float(scale), float(shift), nanometres(1, unit))
            for axis, scale, shift, unit in zip(
                axes,
                transform.get("scale") or [],
                transform.get("translate") or [0.0] * len(axes),
                units,
                strict=False,
            )
        }
        found = [by_axis.get(axis, (0.0, 0.0, None)) for axis in "xyz"]
        x, y, z = (scale * factor if factor and scale > 0 else None for scale, _, factor in found)
        a, b, c = (max(0, round(shift / scale)) if scale > 0 else 0 for scale, shift, _ in found)
        result.append(((x, y, z), (a, b, c)))
    return result


def _setups(location: Location) -> Iterator[ForeignLayer]:
    for setup in _numbered(location, "setup"):
        place = location.child(setup)
        times = _numbered(place, "timepoint")
        if not times:
            continue
        try:
            document = read_document(place.child(_FILE))
        except MissingError:
            document = {}
        layer = _group(place.child(times[0]), document, setup)
        if layer is not None:
            yield layer


def _numbered(location: Location, prefix: str) -> list[str]:
    names = (name.rstrip("/") for name in location.list())
    return sorted((n for n in names if re.fullmatch(rf"{prefix}\d+", n)), key=lambda n: int(n[len(prefix) :]))


class PrecomputedImporter(Importer):
    """Describes neuroglancer precomputed volumes."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Certain about an info file with scales."""
        try:
            document = read_document(location.child("info"))
        except MissingError:
            return ProbeScore.NO
        except CorruptDataError:
            return ProbeScore.MARKER
        return ProbeScore.CERTAIN if isinstance(document.get("scales"), list) else ProbeScore.NO

    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """See `Importer.describe`."""
        place = location.child("info")
        document = read_document(place)
        scales = [scale for scale in document.get("scales") or () if isinstance(scale, dict)]
        try:
            finest = [float(size) for size in scales[0]["resolution"]]
            begin = [int(number) for number in scales[0].get("voxel_offset", (0, 0, 0))]
            mags = []
            for scale in scales:
                x, y, z = (round(float(a) / b) for a, b in zip(scale["resolution"], finest, strict=True))
                key = [part for part in str(scale["key"]).split("/") if part]
                mags.append(
                    ForeignMag(
                        location=location.child(*key),
                        data_format="neuroglancerPrecomputed",
                        axes=("c", "x", "y", "z"),
                        mag=(x, y, z),
                    )
                )
            sizes, corner = (finest[0], finest[1], finest[2]), (begin[0], begin[1], begin[2])
        except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise CorruptDataError(f"{place.url} is damaged: its scales can't be read.") from error
        segments = document.get("type") == "segmentation"
        return (
            ForeignLayer(
                name=location.name.removesuffix(".precomputed") or "color",
                category="segmentation" if segments else "color",
                mags=tuple(mags),
                voxel_size=sizes,
                begin=corner,
            ),
        )
