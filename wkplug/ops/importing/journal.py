"""What an import has finished, so that the same import goes on where it was stopped.

A journal lies beside the mark in the folder of the mag that is being written, and goes with it when all is written.
It names the work by a fingerprint, says how it was cut, and lists the boxes whose voxels are stored, each with what
its files looked like then: a file that was mended meanwhile is read again. `Record` is the same for a
whole dataset: it says that a dataset is an import that has not ended, and of what.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.errors import MissingError
from wkplug.ops.importing.pipeline import Seen

if TYPE_CHECKING:
    from wkplug.abc import Box, Location
    from wkplug.ops.importing.pipeline import Sights

__all__ = ["JOURNAL_NAME", "Journal", "Record"]

JOURNAL_NAME = ".wkplug-import.json"
_IMPORT = "import of images"


def _load(place: Location) -> dict[str, Any]:
    """What a file of ours says; a damaged one says nothing."""
    try:
        found = json.loads(place.read())
    except (MissingError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Journal:
    """The finished boxes of one volume, kept in the folder of a mag. Written after each box, atomically."""

    def __init__(self, folder: Location, fingerprint: str, box: tuple[int, ...], layers: int) -> None:
        self._place = folder.child(JOURNAL_NAME)
        self.fingerprint = fingerprint
        self.box = box
        self.ranges: Sights = [Seen()] * layers
        self.once = True
        """Whether each box was done once, so that what was counted in them adds up."""
        self._done: dict[str, str] = {}

    @classmethod
    def find(cls, folder: Location) -> Journal | None:
        """The journal that an import has left in a folder, None if there is none that is sound."""
        found = _load(folder.child(JOURNAL_NAME))
        try:
            journal = cls(folder, str(found["import"]), tuple(map(int, found["box"])), len(found["ranges"]))
            journal.ranges = [Seen(**known) for known in found["ranges"]]
            journal._done = dict(found["done"])
            journal.once = bool(found["once"])
        except (KeyError, TypeError, ValueError, IndexError):
            return None
        return journal

    def save(self) -> None:
        """Write the journal."""
        content = {
            "import": self.fingerprint,
            "box": self.box,
            "ranges": [attrs.asdict(seen) for seen in self.ranges],
            "done": self._done,
            "once": self.once,
        }
        self._place.write(json.dumps(content).encode())

    @property
    def is_empty(self) -> bool:
        """Whether no box is finished."""
        return not self._done

    def has(self, box: Box, files: str) -> bool:
        """Whether a box was finished from files that looked the same."""
        return self._done.get(_key(box)) == files

    def add(self, box: Box, files: str, ranges: Sights) -> None:
        """Note a finished box, and the range of each layer's values so far."""
        self.once = self.once and _key(box) not in self._done
        self._done[_key(box)] = files
        self.ranges = ranges
        self.save()

    def delete(self) -> None:
        """Everything is written: nothing is left to go on with."""
        self._place.delete()

    @staticmethod
    def remove(folder: Location) -> None:
        """Take away what an import has left that was killed after all was written."""
        folder.child(JOURNAL_NAME).delete()


class Record:
    """A dataset that an import is making: a mark in the dataset's folder, with the fingerprint of the import."""

    def __init__(self, dataset: Location) -> None:
        self._dataset = dataset

    def read(self) -> str | None:
        """The fingerprint of the import that has not ended, None if there is none."""
        mark = storage.read_mark(self._dataset)
        return mark.fingerprint if mark is not None and mark.job == _IMPORT else None

    def begin(self, fingerprint: str) -> None:
        """Note that an import begins."""
        storage.set_mark(self._dataset, storage.Mark(job=_IMPORT, fingerprint=fingerprint))

    @property
    def refused(self) -> str:
        """Why the import would fail again; "" where it would go on."""
        mark = storage.read_mark(self._dataset)
        return "" if mark is None else mark.refused

    def refuse(self, why: str) -> None:
        """Note that the same import would fail again, or that it goes on now ("")."""
        storage.refuse_mark(self._dataset, why)

    def end(self) -> None:
        """Note that it has ended."""
        storage.clear_mark(self._dataset)


def _key(box: Box) -> str:
    return ",".join(map(str, box[0]))
