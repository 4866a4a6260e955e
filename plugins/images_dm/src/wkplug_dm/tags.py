"""The tag tree of DM3 and DM4 files.

Both are a header and a tree of tags: groups, and values that say their own type. Version 4 widens counts to 64 bits
and puts each tag's size before it. Structure is big-endian in both, values have the byte order that the header says.

Nothing here allocates what a file claims: arrays are recorded as places in the file, and only the short ones
that hold texts are read. Depth is limited, and every tag takes bytes, so that the file's size bounds the work.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["Place", "Tree", "read_tags", "starts_like_dm"]

Tree = dict[str, Any]

_DEEPEST = 64
_LONGEST_TEXT = 4096
_NEVER_TEXT = ("Data",)  # pixels; texts and images of 16 bits have the same type
_FEWEST_BYTES = 3  # of a tag: its type and the length of its name
_GROUP, _VALUE = 20, 21
_STRUCT, _STRING, _ARRAY = 15, 18, 20
# Codes of simple types, in the letters of `struct`.
_SIMPLE = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "B", 9: "b", 10: "B", 11: "q", 12: "Q"}


@attrs.frozen
class Place:
    """An array in the file: where it begins, how many bytes it has, what an element is (in letters of `struct`)."""

    offset: int
    length: int
    element: str


def starts_like_dm(head: bytes) -> bool:
    """Whether these are the first bytes of a DM3 or DM4 file."""
    wide = head[:4] == b"\0\0\0\4"
    start = 12 if wide else 8
    if head[:4] not in (b"\0\0\0\3", b"\0\0\0\4") or len(head) < start + 6:
        return False
    (order,) = struct.unpack_from(">i", head, start)
    return order in (0, 1) and head[start + 4] <= 1 and head[start + 5] <= 1


def read_tags(file: BinaryIO, size: int) -> tuple[Tree, str]:
    """Read all tags; gives the tree and the byte order of values ("<" or ">"). ValueError, EOFError for damage.

    Tags without a name are called by their number in the group, as text.
    """
    return _Tags(file, size).read()


class _Tags:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._position = 0
        self._wide = False
        self._order = "<"

    def read(self) -> tuple[Tree, str]:
        head = self._file.read(32)
        if not starts_like_dm(head):
            raise ValueError("it does not begin as one")
        self._wide = head[3] == 4
        start = 12 if self._wide else 8
        self._order = "<" if head[start + 3] else ">"
        self._seek(start + 4)
        return self._group(0), self._order

    def _seek(self, position: int) -> None:
        if position > self._size:
            raise EOFError(f"its tags reach to byte {position}, but the file ends at {self._size}")
        self._file.seek(position)
        self._position = position

    def _take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError(f"its tags go on, but the file ends at {self._size}")
        self._position += count
        return data

    def _count(self) -> int:
        number: int = struct.unpack(">Q" if self._wide else ">I", self._take(8 if self._wide else 4))[0]
        return number

    def _group(self, depth: int) -> Tree:
        if depth > _DEEPEST:
            raise ValueError(f"its tags are nested more than {_DEEPEST} deep")
        self._take(2)  # whether it is sorted, and shown open
        count = self._count()
        if count * _FEWEST_BYTES > self._size:
            raise ValueError(f"a group claims {count} tags, the file has {self._size} bytes")
        tree: Tree = {}
        for number in range(count):
            kind, length = struct.unpack(">BH", self._take(3))
            name = self._take(length).decode("latin-1") or str(number)
            if self._wide:
                self._count()  # the size of what follows
            if kind == _GROUP:
                tree[name] = self._group(depth + 1)
            elif kind == _VALUE:
                tree[name] = self._value(is_text=name not in _NEVER_TEXT)
            else:
                raise ValueError(f"a tag has the type {kind} (byte {self._position})")
        return tree

    def _value(self, *, is_text: bool) -> Any:
        if self._take(4) != b"%%%%":
            raise ValueError(f"a tag has no type (byte {self._position})")
        length = self._count()
        width = 8 if self._wide else 4
        if not 0 < length <= _LONGEST_TEXT:
            raise ValueError(f"a tag's type has {length} words (byte {self._position})")
        words = struct.unpack(f">{length}{'Q' if self._wide else 'I'}", self._take(length * width))
        if words[0] in _SIMPLE and length == 1:
            layout = self._order + _SIMPLE[words[0]]
            return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        if words[0] == _STRING and length == 2:
            return self._array("H", words[1], is_text=is_text)
        if words[0] == _STRUCT:
            layout = self._order + self._fields(words)
            return struct.unpack(layout, self._take(struct.calcsize(layout)))
        if words[0] == _ARRAY and length >= 3:
            return self._array(self._element(words[1:-1]), words[-1], is_text=is_text)
        raise ValueError(f"a tag has the unknown type {words[:3]} (byte {self._position})")

    def _element(self, words: tuple[int, ...]) -> str:
        if len(words) == 1 and words[0] in _SIMPLE:
            return _SIMPLE[words[0]]
        if words[0] == _STRUCT:
            return self._fields(words)
        if words == (_STRING,):
            return "H"
        if words[0] == _ARRAY and len(words) >= 3:  # an array of arrays, each of the same length
            inner = struct.calcsize("=" + self._element(words[1:-1])) * words[-1]
            if inner > self._size:
                raise ValueError(f"an array claims elements of {inner} bytes")
            return f"{inner}s"
        raise ValueError(f"an array has elements of the unknown type {words[:3]}")

    def _fields(self, words: tuple[int, ...]) -> str:
        """The letters of a structure: [15, length of its name, number of fields, (length of name, type)...]."""
        types = words[4::2]
        if len(words) < 3 or len(types) != words[2] or any(each not in _SIMPLE for each in types):
            raise ValueError(
                f"a structure has {words[2] if len(words) > 2 else 'no'} fields of unknown types"
            )
        return "".join(_SIMPLE[each] for each in types)

    def _array(self, element: str, count: int, *, is_text: bool) -> str | Place:
        length = struct.calcsize("=" + element) * count
        place = Place(self._position, length, element)
        if is_text and element == "H" and count <= _LONGEST_TEXT:
            return self._take(length).decode(
                "utf-16-le" if self._order == "<" else "utf-16-be", errors="replace"
            )
        self._seek(self._position + length)
        return place
