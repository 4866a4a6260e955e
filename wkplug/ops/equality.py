"""Whether two datasets are equal: their layers, boxes, mags and voxels, whatever their formats and chunks.

Who calls it: the command `check-equality`. Views compare themselves (`View.content_is_equal`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import LayerMismatchError
from wkplug.ops import pools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.dataset import Dataset, Layer
    from wkplug.ops.plan import Progress

__all__ = ["differences"]


def differences(
    source: Dataset,
    target: Dataset,
    *,
    layer_name: str | None = None,
    executor: Any = None,
    progress: Progress | None = None,
) -> Iterator[str]:
    """Iterate over the differences as sentences, cheap ones first; none if the datasets are equal.

    layer_name: compare only this layer (LayerNotFoundError, an IndexError, where one lacks it). Without, both must
    have the same layers (LayerMismatchError, an AssertionError). progress: counts mags.
    """
    if layer_name is None:
        names = list(source.layers)
        if set(names) != set(target.layers):
            raise LayerMismatchError(
                f"The datasets have different layers: {', '.join(sorted(names)) or 'none'} and "
                f"{', '.join(sorted(target.layers)) or 'none'}.",
                hint="Compare one layer that both have: layer_name=...",
            )
    else:
        names = [layer_name]
    pairs = [(source.get_layer(name), target.get_layer(name)) for name in names]
    with pools.pool(executor) as pool:
        alike = []
        for one, other in pairs:
            found = list(_in_properties(one, other))
            yield from found
            if not found:
                alike.append((one, other))
        mags = [(one, other, mag) for one, other in alike for mag in one.mags]
        for done, (one, other, mag) in enumerate(mags, 1):
            if not one.get_mag(mag).content_is_equal(other.get_mag(mag), executor=pool):
                yield f"the voxels of {one.name!r} differ in the mag {mag}"
            if progress is not None:
                progress(done, len(mags))


def _in_properties(one: Layer, other: Layer) -> Iterator[str]:
    if one.bounding_box != other.bounding_box:
        yield f"the bounding boxes of {one.name!r} differ: {one.bounding_box} and {other.bounding_box}"
    if set(one.mags) != set(other.mags):
        sets = (", ".join(map(str, layer.mags)) or "none" for layer in (one, other))
        yield f"the mags of {one.name!r} differ: {' and '.join(sets)}"
    if one.dtype != other.dtype:
        yield f"the dtypes of {one.name!r} differ: {one.dtype} and {other.dtype}"
