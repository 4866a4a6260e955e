"""Places and arrays, as the rest of wkplug sees them: opening, creating, locking, marking, copying.

Here formats and engines end: above this package there are only locations, handles and boxes. Which backend
opens an array is the registry's decision, what the voxels mean the dataset's.
"""

from wkplug.storage.arrays import ArrayHandle, create_array, forget, open_array, watched
from wkplug.storage.budget import check_unpacked_size
from wkplug.storage.copying import Part, copy_parts, copy_tree, nothing_at
from wkplug.storage.facts import ArrayFacts, KnownFiles
from wkplug.storage.locating import check_apart, is_inside, is_trusted, locate, relative_to, resolve_inside
from wkplug.storage.marks import (
    MARK_NAME,
    Mark,
    check_complete,
    clear_mark,
    finish_mark,
    is_complete,
    read_mark,
    refuse_mark,
    set_mark,
)
from wkplug.storage.replacing import place_of_new

__all__ = [
    "MARK_NAME",
    "ArrayFacts",
    "ArrayHandle",
    "KnownFiles",
    "Mark",
    "Part",
    "check_apart",
    "check_complete",
    "check_unpacked_size",
    "clear_mark",
    "copy_parts",
    "copy_tree",
    "create_array",
    "finish_mark",
    "forget",
    "is_complete",
    "is_inside",
    "is_trusted",
    "locate",
    "nothing_at",
    "open_array",
    "place_of_new",
    "read_mark",
    "refuse_mark",
    "relative_to",
    "resolve_inside",
    "set_mark",
    "watched",
]
