"""One state of datasource-properties.json: the document, and what was made of it.

A state is never changed. An operation gives a new one that shares all layers which it didn't touch, with
their text and their typed form, so that adding a layer to sixty costs what adding it to five does. Layers
are known by their name, in the file's order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from wkplug.errors import (
    ForbiddenError,
    LayerNotFoundError,
    MissingError,
    PropertiesError,
    UnlistableError,
)
from wkplug.geometry import Mag
from wkplug.properties import document
from wkplug.properties.models import (
    check_dataset,
    check_layer,
    dataset_from_json,
    is_old_layer,
    layer_from_json,
    update_dataset,
    update_layer,
)
from wkplug.properties.schema import existing_name_problem

if TYPE_CHECKING:
    from wkplug.abc import Location
    from wkplug.errors import WkplugError
    from wkplug.properties.models import DatasetProperties, LayerProperties

__all__ = ["Entry", "State"]


class Entry:
    """One layer: its JSON, and, made when first asked for, its text in the file and its typed form."""

    __slots__ = ("_properties", "_text", "problem", "raw")

    raw: Any
    """An object where there is no problem. Shared between states; never changed."""

    problem: WkplugError | None
    """What is wrong with the layer; it is raised by whoever asks for its typed form."""

    def __init__(self, raw: Any, problem: WkplugError | None = None) -> None:
        self.raw = raw
        self.problem = problem
        self._text: str | None = None
        self._properties: LayerProperties | None = None

    @property
    def text(self) -> str:
        """The layer as it stands in the file, its first line not indented."""
        if self._text is None:
            self._text = document.render(self.raw, 2)
        return self._text

    @property
    def properties(self) -> LayerProperties:
        """The typed form; the same object at each call. PropertiesError or MissingError if the layer has a problem."""
        if self.problem is not None:
            raise self.problem.with_traceback(None)
        if self._properties is None:
            self._properties = layer_from_json(self.raw)
        return self._properties


class _Layers(Sequence["LayerProperties"]):
    """The layers of a state as a sequence that makes their typed forms on access."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    @overload
    def __getitem__(self, index: int) -> LayerProperties: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LayerProperties]: ...
    def __getitem__(self, index: int | slice) -> LayerProperties | Sequence[LayerProperties]:
        if isinstance(index, slice):
            return _Layers(self._entries[index])
        return self._entries[index].properties

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[LayerProperties]:
        return (entry.properties for entry in self._entries)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # the way to say unhashable

    def __repr__(self) -> str:
        return repr(list(self))


def _checked(layer: Any, file: str, where: str, places: _Places) -> Entry:
    try:
        check_layer(layer, file, where)
        return Entry(update_layer(layer, places.find) if is_old_layer(layer) else layer)
    except (PropertiesError, MissingError) as error:
        return Entry(layer, error)


class State:
    """The document at one moment, checked. Made with `read`; operations derive others."""

    __slots__ = ("_dataset", "_document", "_head", "_head_texts", "entries", "file")

    entries: dict[str, Entry]
    """Layers by name, in order; never changed."""

    def __init__(self, file: str, head: dict[str, Any], entries: dict[str, Entry]) -> None:
        self.file = file
        self.entries = entries
        self._head = head
        self._head_texts: list[tuple[str, str]] | None = None
        self._document: dict[str, Any] | None = None
        self._dataset: DatasetProperties | None = None

    @classmethod
    def read(cls, data: bytes, file: str, root: Location, *, before: State | None = None) -> State:
        """Parse and check a file. Layers that equal those of `before` are taken over from it.

        PropertiesError (a ValueError) with file and key for whatever is wrong outside of the layers. What is wrong with
        one layer is raised when that layer is asked for; if it has no name of its own, it is called "dataLayers[2]".
        """
        raw = document.parse(data, file)
        check_dataset(raw, file)
        entries: dict[str, Entry] = {}
        known = before.entries if before is not None else {}
        places = _Places(root)
        for index, layer in enumerate(raw["dataLayers"]):
            where = f"dataLayers[{index}]"
            name = layer.get("name") if type(layer) is dict else None
            if type(name) is not str or existing_name_problem(name) is not None:
                name = where
            entry = known.get(name)
            if entry is None or entry.raw != layer:
                entry = _checked(layer, file, where, places)
            if name in entries:
                text = f"is {name!r}, which dataLayers[{list(entries).index(name)}] is called already"
                name, entry = where, Entry(layer, PropertiesError(f"{file}: {where}.name {text}."))
            entries[name] = entry
        return cls(file, update_dataset(raw), entries)

    # --- looking ------------------------------------------------------------------------------------------

    @property
    def document(self) -> dict[str, Any]:
        """The whole JSON object, for looking at."""
        if self._document is None:
            self._document = {**self._head, "dataLayers": [entry.raw for entry in self.entries.values()]}
        return self._document

    @property
    def dataset(self) -> DatasetProperties:
        """The typed form; layers are made on access."""
        if self._dataset is None:
            self._dataset = dataset_from_json(self._head, _Layers(list(self.entries.values())))
        return self._dataset

    @property
    def head(self) -> dict[str, Any]:
        """The JSON object; its "dataLayers" may be those of an earlier state. Never changed."""
        return self._head

    def entry(self, name: str) -> Entry:
        """Give a layer; LayerNotFoundError (an IndexError) if there is none of that name."""
        try:
            return self.entries[name]
        except KeyError:
            there = ", ".join(map(repr, self.entries)) or "none"
            raise LayerNotFoundError(
                f"{self.file} lists no layer {name!r}; it has {there}.",
                hint="Check the spelling, or add the layer.",
            ) from None

    def to_bytes(self) -> bytes:
        """Give the file."""
        if self._head_texts is None:
            self._head_texts = [
                (key, "" if key == "dataLayers" else document.render(value, 1))
                for key, value in self._head.items()
            ]
        return document.dump(self._head_texts, [entry.text for entry in self.entries.values()])

    # --- deriving -----------------------------------------------------------------------------------------

    def with_layer(self, raw: dict[str, Any], *, instead_of: str | None = None) -> State:
        """Give a state with a layer added, or put in the place of another; checked."""
        entries = dict(self.entries)
        if instead_of is None:
            position = len(entries)
            entries[raw["name"]] = Entry(raw)
        elif raw["name"] == instead_of:
            position = list(entries).index(instead_of)
            entries[instead_of] = Entry(raw)
        else:
            position = list(entries).index(instead_of)
            entries = {
                (raw["name"] if name == instead_of else name): (Entry(raw) if name == instead_of else entry)
                for name, entry in entries.items()
            }
        check_layer(raw, self.file, f"dataLayers[{position}]")
        return self._with(self._head, entries)

    def without_layer(self, name: str) -> State:
        """Give a state without a layer that is there."""
        entries = dict(self.entries)
        del entries[name]
        return self._with(self._head, entries)

    def with_head(self, head: dict[str, Any]) -> State:
        """Give a state with other keys beside the layers; checked."""
        check_dataset(head, self.file)
        return self._with(head, self.entries)

    def _with(self, head: dict[str, Any], entries: dict[str, Entry]) -> State:
        state = State(self.file, head, entries)
        if head is self._head:
            state._head_texts = self._head_texts
        return state


class _Places:
    """Where the mags lie whose paths files of older releases don't say; folders on stores are listed once."""

    def __init__(self, root: Location) -> None:
        self._root = root
        self._listed: dict[str, frozenset[str]] = {}

    def find(self, mag: Mag, layer: str) -> str:
        """Give the path of a mag; MissingError if its folder isn't there."""
        root = self._root
        short, long = mag.to_layer_name(), mag.to_long_layer_name()
        for name in dict.fromkeys((short, long)):
            try:
                if self._is_there(layer, name):
                    return f"./{layer}/{name}"
            except ForbiddenError:
                # Buckets that may be read but not listed can't say what is there; reading will tell.
                return f"./{layer}/{name}"
        if not root.lists_all:
            # Web servers don't know their own folders; opening the mag tries both names.
            return f"./{layer}/{short}"
        raise MissingError(
            f"The layer {layer!r} of {root.url} lists the mag {short} without a path, but neither "
            f"{layer}/{short} nor {layer}/{long} is there.",
            hint="Move the mag's folder to one of these places, or take the mag out of the properties file.",
        )

    def _is_there(self, layer: str, name: str) -> bool:
        folder = self._root.child(layer)
        if folder.local_path() is not None:
            return folder.child(name).exists()
        if layer not in self._listed:
            try:
                names = folder.list_all()
            except UnlistableError:
                return folder.child(name).exists()
            self._listed[layer] = frozenset(found.rstrip("/") for found in names)
        return name in self._listed[layer]
