"""What people name on the command line, as datasets that can be shown.

Datasets, and containers whose arrays can be read where they are, are opened. Images and what else has to be converted
are imported first, without a pyramid, into a temporary folder that goes when the server does.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from wkplug.abc import locate
from wkplug.dataset import Dataset
from wkplug.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    TooLargeError,
    UnsupportedImageFormatError,
    UnsupportedOperationError,
)
from wkplug_server.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Opened"]

_MOST_COPIED = 4 << 30
"""How large images may be that are copied for a look."""


class Opened:
    """The catalogue of some places; a context manager, as copies of images are deleted in the end.

    told: is given sentences about what is done to the places.
    """

    def __init__(self, places: Iterable[str], told: Callable[[str], None]) -> None:
        self._places, self._told = list(places), told
        self._stack = ExitStack()

    def __enter__(self) -> Catalogue:
        with self._stack:
            catalogue = Catalogue()
            for place in self._places:
                catalogue.add(self._open(place), place)
            self._stack = self._stack.pop_all()
        return catalogue

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _open(self, place: str) -> Dataset:
        try:
            return Dataset.open(place, read_only=True)
        except DatasetNotFoundError:
            pass
        try:
            return self._explored(place)
        except (UnsupportedImageFormatError, UnsupportedOperationError):
            return self._imported(place)

    def _explored(self, place: str) -> Dataset:
        found = Dataset.explore(place)
        lengths = [1.0 if length is None else None for length in found.voxel_size]
        if any(lengths):
            self._say_guess(place)
        return found.open(voxel_size=lengths if any(lengths) else None)

    def _imported(self, place: str) -> Dataset:
        size = locate(place).size()
        if size > _MOST_COPIED:
            raise TooLargeError(
                f"{place} has {size / 1e9:.1f} GB, which would have to be copied before they can be shown.",
                hint="Make a dataset of it that stays, and look at that: wkplug convert.",
            )
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="wkplug-view-"))
        target = Path(folder, "dataset")
        name = Path(place).stem or "images"
        self._told(f"{place} is copied to a temporary dataset first; wkplug convert makes one that stays.")
        try:
            return Dataset.from_images(place, target, (None, None, None), name, compress=False)
        except InvalidArgumentError:
            self._say_guess(place)
            # Where the files say the size of voxels along some axes only, proportions to a guess would be wrong.
            return Dataset.from_images(place, target, (1, 1, 1), name, compress=False)

    def _say_guess(self, place: str) -> None:
        self._told(f"{place} doesn't say how large its voxels are: they are shown as if it were 1 nm.")
