"""`Exploration`: what `Dataset.explore` has found at a place, and the datasets that can be made of it.

A facade of `wkplug.ops.exploring`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wkplug.geometry import Vec3FloatLike
    from wkplug.model.states import DatasetState
    from wkplug.ops.exploring.exploration import Exploration as Found
    from wkplug.ops.exploring.layers import ExploredLayer
    from wkplug.properties import VoxelSize

__all__ = ["Exploration"]

DatasetT = TypeVar("DatasetT")


class Exploration(Generic[DatasetT]):
    """Layers that refer to what is at a place; nothing has been copied or written.

    `print(exploration)` shows them, with the reason for what was guessed.
    """

    def __init__(self, found: Found, shown: Callable[[DatasetState], DatasetT]) -> None:
        """Show what was found; `Dataset.explore` makes these objects. shown: makes the class that users know."""
        self._found, self._shown = found, shown

    @property
    def path(self) -> str:
        """The place or link as it was given, without secrets."""
        return self._found.path

    @property
    def voxel_size(self) -> tuple[float | None, float | None, float | None]:
        """Nanometres along x, y and z of mag 1; None along axes of which nobody says it."""
        return self._found.voxel_size

    @property
    def layers(self) -> Mapping[str, ExploredLayer]:
        """What is known of each layer, by its name."""
        return {layer.name: layer for layer in self._found.layers}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Sentences about what is there but can't be a layer without being copied."""
        return self._found.left_out

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the place as a whole; those about a layer are `layers[name].notes`."""
        return self._found.notes

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON values, as `wkplug explore --json` prints it."""
        return self._found.to_json()

    def open(
        self, *, voxel_size: Vec3FloatLike | Sequence[float | None] | VoxelSize | None = None
    ) -> DatasetT:
        """Give a read-only dataset of the layers that is kept in memory.

        voxel_size: nanometres along x, y, z, with None where what was found counts; needed where nobody says it
        (InvalidArgumentError). UnsupportedOperationError for links whose layers lie at several places.
        """
        return self._shown(self._found.open(voxel_size))

    def create_dataset(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        voxel_size: Vec3FloatLike | Sequence[float | None] | VoxelSize | None = None,
        layers: Iterable[str] | None = None,
    ) -> DatasetT:
        """Make a dataset whose layers refer to what was found; one small file is written, no voxel is copied.

        name: the folder's if left out. voxel_size: see `open`. layers: the names of those that are wanted, all by
        default. Layers of other voxel sizes become coarser mags, or are scaled by their coordinate transformation.
        DatasetExistsError (a RuntimeError) if something is there, UnsafePathError for a dataset in a bucket that
        names other hosts, which it may not without the setting `trusted_places`.
        """
        return self._shown(self._found.create(path, name=name, voxel_size=voxel_size, layers=layers))

    def __repr__(self) -> str:
        return f"Exploration({self.path!r}, layers={list(self.layers)!r})"

    def __str__(self) -> str:
        return str(self._found)
