"""The methods of `Layer` around its mags: finding, adding and deleting them.

How a mag comes and goes on disk is in `wkplug.dataset.creating`; `Layer` inherits these.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wkplug.dataset import creating
from wkplug.dataset.legacy.layer import ADDING_MAGS
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.parts import LayerPart, part_of
from wkplug.errors import MagExistsError, MagMismatchError, MagNotFoundError
from wkplug.geometry import Mag
from wkplug.model.places import is_link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.dataset.mag_view import MagView
    from wkplug.geometry import MagLike, VecIntLike

__all__ = ["LayerMags"]


@part_of("wkplug.dataset.layer", "Layer")
class LayerMags(LayerPart):
    """A base of `Layer`."""

    def get_mag(self, mag: MagLike) -> MagView:
        """Give a mag; MagNotFoundError (an IndexError) if the layer doesn't have it."""
        layer = self._as_layer()
        wanted = Mag(mag)
        try:
            return layer.mags[wanted]
        except KeyError:
            there = ", ".join(str(known) for known in layer.mags) or "none"
            raise MagNotFoundError(
                f"The layer {layer.name!r} has no mag {wanted}; it has {there}.",
                hint=f"Take one of those, or add it: layer.add_mag({str(wanted)!r}), or wkplug downsample DATASET.",
            ) from None

    def get_finest_mag(self) -> MagView:
        """Give the finest mag; MagNotFoundError if there is none."""
        layer = self._as_layer()
        for view in layer.mags.values():
            return view
        raise MagNotFoundError(
            f"The layer {layer.name!r} has no mags.", hint="Write voxels first, as with layer.add_mag(1)."
        )

    @older(**ADDING_MAGS)
    def add_mag(
        self,
        mag: MagLike,
        *,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: bool | Mapping[str, Any] = True,
    ) -> MagView:
        """Add an empty mag and list it.

        chunk_shape, shard_shape: one number or x, y, z, in voxels of the mag; powers of two, the shard a multiple
            of the chunk (LayoutError, a ValueError). By default the format's own.
        compress: whether, or a mapping of options for the data format.
        MagExistsError (an IndexError) if the layer has it.
        """
        layer = self._as_layer()
        layer.check_writable("get another mag")
        from wkplug.model.layout import LayoutRequest

        request = LayoutRequest(
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compress=compress,
        )
        request.check_power_of_two()
        purpose = creating.purpose_of_next_mag(layer)
        return creating.add_mag(layer, Mag(mag), request, purpose)

    @older(**ADDING_MAGS)
    def get_or_add_mag(
        self,
        mag: MagLike,
        *,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: bool | Mapping[str, Any] | None = None,
    ) -> MagView:
        """Give the mag, added if need be; MagMismatchError (a ValueError) if it has another layout than asked for."""
        layer = self._as_layer()
        if Mag(mag) not in layer.mags:
            # Another job that starts at the same time may add it first: then it is one that is there.
            with suppress(MagExistsError):
                return layer.add_mag(
                    mag,
                    chunk_shape=chunk_shape,
                    shard_shape=shard_shape,
                    chunks_per_shard=chunks_per_shard,
                    compress=True if compress is None else compress,
                )
            layer.dataset.store.refresh()
        view = layer.get_mag(mag)
        info = view.info
        for what, wanted, found in (
            ("chunk_shape", chunk_shape, info.chunk_shape),
            ("shard_shape", shard_shape, info.shard_shape),
            ("chunks_per_shard", chunks_per_shard, info.chunks_per_shard),
        ):
            if wanted is not None:
                numbers = (wanted,) * len(found) if isinstance(wanted, int) else tuple(int(n) for n in wanted)
                if numbers != found.to_tuple():
                    raise MagMismatchError(
                        f"The mag {view.name} of {layer.name!r} exists with {what} "
                        f"{found.to_tuple()}, but {numbers} was asked for.",
                        hint="Leave it out to take the mag as it is, or use another mag.",
                    )
        if compress is not None and bool(compress) != info.compression_mode:
            raise MagMismatchError(
                f"The mag {view.name} of {layer.name!r} exists and is "
                f"{'' if info.compression_mode else 'not '}compressed.",
                hint="Leave compress out to take the mag as it is.",
            )
        return view

    def delete_mag(self, mag: MagLike) -> None:
        """Take the mag off the list and delete its files, unless they belong to another dataset or layer."""
        layer = self._as_layer()
        layer.check_writable("lose a mag")
        creating.delete_mag(layer, layer.get_mag(mag))

    def is_mag_view_foreign(self, mag: MagView) -> bool:
        """Whether the mag's files lie outside this layer's folder, also behind a link in it."""
        layer = self._as_layer()
        return mag.location.parent != layer.location or is_link(mag.location) or is_link(layer.location)
