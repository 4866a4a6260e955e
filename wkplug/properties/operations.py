"""Changes to datasource-properties.json, as values that can be replayed.

An operation says what is to happen ("add this layer", "extend this box"), not what the file shall hold
afterwards. The store replays it on what is on disk at that moment, under the lock, so that two writers never
undo each other's changes; and again, should someone else have been faster after all. Each is picklable,
complains against the present file (LayerExistsError, MagNotFoundError, ...), and changes nothing when it
does.

Keys that nobody here knows stay where they are, in the dataset, in layers, mags, boxes and attachments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import (
    InvalidArgumentError,
    LayerExistsError,
    LayerMismatchError,
    MagExistsError,
    MagNotFoundError,
)
from wkplug.geometry import Mag, NDBoundingBox, NormalizedBoundingBox
from wkplug.properties.document import put
from wkplug.properties.models import (
    DATASET_ORDER,
    FACTS_KEY,
    LAYER_ORDER,
    LayerProperties,
    MagViewProperties,
    box_into_json,
    layer_to_json,
    mag_of,
    mag_to_json,
    value_to_json,
)  # fmt: skip
from wkplug.properties.schema import check_existing_layer_name, check_layer_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.properties.state import Entry, State

__all__ = [
    "AddLayer", "AddMag", "ExtendBox", "Operation", "RemoveLayer", "RemoveMag", "RenameLayer", "SetBox",
    "SetDatasetKey", "SetFacts", "SetLayerKey",
]  # fmt: skip

_STRUCTURE = frozenset({"name", "mags", "boundingBox", "additionalAxes", "dataLayers"})


class Operation(ABC):
    """One change. Gives the state after it, or the very same state where nothing had to change."""

    @abstractmethod
    def replay(self, state: State) -> State:
        """Give the state after the change; raises without having changed anything."""


@attrs.frozen
class AddLayer(Operation):
    """Add a layer at the end; LayerExistsError (an IndexError) if there is one of that name.

    New names are checked strictly, see `check_layer_name`. `like` is the JSON object of the layer that this one is
    a copy of: what it says in `boundingBox` and `additionalAxes` that nobody here knows is taken over.
    """

    properties: LayerProperties
    like: Mapping[str, Any] | None = None

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        check_layer_name(self.properties.name)
        _check_free(state, self.properties.name)
        return state.with_layer(layer_to_json(self.properties, self.like))


@attrs.frozen
class RemoveLayer(Operation):
    """Take a layer off the list; LayerNotFoundError (an IndexError) if there is none of that name."""

    name: str

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        state.entry(self.name)
        return state.without_layer(self.name)


@attrs.frozen
class RenameLayer(Operation):
    """Rename a layer, with the paths of what lies in its own folder, and in the dataset's view configuration."""

    old: str
    new: str

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        raw = state.entry(self.old).raw
        if self.new == self.old:
            return state
        check_layer_name(self.new)
        _check_free(state, self.new, besides=self.old)
        result = {**raw, "name": self.new, "mags": [self._moved(mag) for mag in raw["mags"]]}
        attachments = raw.get("attachments")
        if isinstance(attachments, dict):
            result["attachments"] = {
                kind: [self._moved(entry) for entry in value]
                if isinstance(value, list)
                else self._moved(value)
                for kind, value in attachments.items()
            }
        renamed = state.with_layer(result, instead_of=self.old)
        view = state.head.get("defaultViewConfiguration")
        if not isinstance(view, dict):
            return renamed
        return renamed.with_head({**state.head, "defaultViewConfiguration": self._named(view)})

    def _named(self, view: dict[str, Any]) -> dict[str, Any]:
        """Give the dataset's view configuration with the new name wherever it had the old one."""
        result = dict(view)
        layers, order = view.get("layers"), view.get("colorLayerOrder")
        if isinstance(layers, dict):
            result["layers"] = {
                self.new if name == self.old else name: value for name, value in layers.items()
            }
        if isinstance(order, list):
            result["colorLayerOrder"] = [self.new if name == self.old else name for name in order]
        if view.get("nativelyRenderedLayerName") == self.old:
            result["nativelyRenderedLayerName"] = self.new
        return result

    def _moved(self, entry: Any) -> Any:
        path = entry.get("path") if isinstance(entry, dict) else None
        if not isinstance(path, str):
            return entry
        for prefix in ("./", ""):
            own = f"{prefix}{self.old}/"
            if path.startswith(own):
                return {**entry, "path": f"{prefix}{self.new}/{path[len(own) :]}"}
        return entry


@attrs.frozen
class AddMag(Operation):
    """List a mag; MagExistsError (an IndexError) if the layer has it, unless `replace`.

    A replaced entry keeps its place, and the keys that the new one doesn't speak of.
    """

    layer: str
    properties: MagViewProperties
    replace: bool = False

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        entry = state.entry(self.layer)
        mags = list(entry.raw["mags"])
        index = _find(entry, self.properties.mag)
        if index is None:
            mags.append(mag_to_json(self.properties))
        elif self.replace:
            mags[index] = mag_to_json(self.properties, mags[index])
        else:
            raise MagExistsError(
                f"The layer {self.layer!r} already has the mag {self.properties.mag}.",
                hint="Choose another mag.",
            )
        return _with_mags(state, entry, mags)


@attrs.frozen
class RemoveMag(Operation):
    """Take a mag off the list; MagNotFoundError (an IndexError) if the layer doesn't have it."""

    layer: str
    mag: Mag = attrs.field(converter=Mag)

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        entry = state.entry(self.layer)
        index = _find(entry, self.mag)
        if index is None:
            there = ", ".join(str(Mag(list(mag_of(mag["mag"]) or ()))) for mag in entry.raw["mags"]) or "none"
            raise MagNotFoundError(f"The layer {self.layer!r} has no mag {self.mag}; it has {there}.")
        mags = list(entry.raw["mags"])
        del mags[index]
        return _with_mags(state, entry, mags)


@attrs.frozen
class SetFacts(Operation):
    """Record what the array of a mag says by now; None takes away what is recorded. Nothing happens without the mag.

    instead_of: what was recorded when the array was changed. Where it is something else by now, another writer has
    changed the array too, and nobody knows who was last: then the facts go.
    """

    layer: str
    mag: Mag = attrs.field(converter=Mag)
    facts: Any
    instead_of: Any

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        entry = state.entries.get(self.layer)
        if entry is None or entry.problem is not None:
            return state
        index = _find(entry, self.mag)
        if index is None:
            return state
        mags = list(entry.raw["mags"])
        recorded = mags[index].get(FACTS_KEY)
        facts = self.facts if recorded == self.instead_of else None
        if facts == recorded:
            return state
        mags[index] = {key: value for key, value in mags[index].items() if key != FACTS_KEY}
        if facts is not None:
            mags[index][FACTS_KEY] = facts
        return state.with_layer({**entry.raw, "mags": mags}, instead_of=entry.raw["name"])


@attrs.frozen
class SetBox(Operation):
    """Give a layer another box, in Mag(1); its axes must be the layer's as long as there are mags."""

    layer: str
    box: NDBoundingBox

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        return _with_box(state, state.entry(self.layer), self.box)


@attrs.frozen
class ExtendBox(Operation):
    """Extend a layer's box so that it holds `box` too: a union, whatever others have made of it meanwhile."""

    layer: str
    box: NDBoundingBox

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        entry = state.entry(self.layer)
        current = entry.properties.bounding_box
        wanted = _normalized(entry, self.box)
        if tuple(wanted.axes) != tuple(current.axes):
            _refuse_axes(entry, wanted)
        return _with_box(state, entry, current.extended_by(wanted))


@attrs.frozen
class SetLayerKey(Operation):
    """Set a layer's key, by its JSON name, to a typed or plain JSON value; None takes the key away.

    A typed value (LayerViewConfiguration, AttachmentsProperties, transformations, a segment id) replaces
    what it knows and leaves the other keys inside. Name, mags and box have operations of their own.
    """

    layer: str
    key: str
    value: Any

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        raw = state.entry(self.layer).raw
        _check_key(self.key)
        result = _with_key(raw, self.key, self.value, LAYER_ORDER)
        return state if result is None else state.with_layer(result, instead_of=self.layer)


@attrs.frozen
class SetDatasetKey(Operation):
    """Set a key of the dataset itself, by its JSON name; None takes it away.

    Typed values (VoxelSize for "scale", DatasetViewConfiguration) are treated as by SetLayerKey.
    """

    key: str
    value: Any

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        _check_key(self.key)
        result = _with_key(state.head, self.key, self.value, DATASET_ORDER)
        return state if result is None else state.with_head(result)


def _check_key(key: str) -> None:
    if key in _STRUCTURE:
        raise InvalidArgumentError(
            f"{key!r} can't be set like other keys.",
            hint="Use AddLayer, RenameLayer, AddMag, SetBox and the like.",
        )


def _with_key(raw: dict[str, Any], key: str, value: Any, order: tuple[str, ...]) -> dict[str, Any] | None:
    """Give the object with the key set or removed, None where that changes nothing."""
    new = value_to_json(key, value, raw.get(key))
    if new is None:
        return {name: item for name, item in raw.items() if name != key} if key in raw else None
    if key in raw and raw[key] == new and type(raw[key]) is type(new):
        return None
    return put(raw, key, new, order)


def _check_free(state: State, name: str, *, besides: str | None = None) -> None:
    """Refuse the name of another layer, and that of a folder where another layer's mags are recorded.

    Such a record may be older than a renaming by other software; as soon as something is there again, the other layer
    would read it, and write to it.
    """
    check_existing_layer_name(name)
    if name in state.entries:
        raise LayerExistsError(
            f"{state.file} already lists a layer {name!r}.",
            hint="Choose another name, or use the layer that is there.",
        )
    for other, entry in state.entries.items():
        mags = entry.raw.get("mags") if isinstance(entry.raw, dict) and other != besides else None
        for mag in mags if isinstance(mags, list) else ():
            path = mag.get("path") if isinstance(mag, dict) else None
            if isinstance(path, str) and path.removeprefix("./").startswith(f"{name}/"):
                raise LayerExistsError(
                    f"A layer can't be called {name!r}: {state.file} records a mag of {other!r} at {path}, and would "
                    "take the new layer's voxels for it.",
                    hint=f"Choose another name, or correct the path of that mag of {other!r} in the properties file.",
                )


def _find(entry: Entry, mag: Mag) -> int | None:
    factors = mag.to_tuple()
    return next((index for index, raw in enumerate(entry.raw["mags"]) if mag_of(raw["mag"]) == factors), None)


def _with_mags(state: State, entry: Entry, mags: list[Any]) -> State:
    """Change the list; where axes and channels are said moves with the first and the last mag."""
    box = entry.properties.bounding_box
    return state.with_layer(box_into_json({**entry.raw, "mags": mags}, box), instead_of=entry.raw["name"])


def _with_box(state: State, entry: Entry, box: NDBoundingBox) -> State:
    wanted = _normalized(entry, box)
    current = entry.properties.bounding_box
    same_axes = tuple(wanted.axes) == tuple(current.axes)
    if not same_axes and entry.raw["mags"]:
        _refuse_axes(entry, wanted)
    if same_axes and wanted.topleft == current.topleft and wanted.size == current.size:
        return state
    if "c" in wanted.axes and wanted.get_shape("c") != entry.properties.num_channels:
        raise LayerMismatchError(
            f"The layer {entry.raw['name']!r} has {entry.properties.num_channels} channels, "
            f"the box {wanted.get_shape('c')}; a box can't change that."
        )
    return state.with_layer(box_into_json(entry.raw, wanted), instead_of=entry.raw["name"])


def _refuse_axes(entry: Entry, box: NDBoundingBox) -> None:
    raise LayerMismatchError(
        f"The layer {entry.raw['name']!r} has the axes {tuple(entry.properties.bounding_box.axes)}, "
        f"the box {tuple(box.axes)}.",
        hint="Give a box over the layer's axes; only a layer without mags can get others.",
    )


def _normalized(entry: Entry, box: NDBoundingBox) -> NormalizedBoundingBox:
    """Bring a box into the form of the arrays; one over x, y, z alone leaves the other axes as they are."""
    if isinstance(box, NormalizedBoundingBox):
        return box
    current = entry.properties.bounding_box
    if tuple(box.axes) == ("x", "y", "z"):
        return current.with_topleft_xyz(box.topleft_xyz).with_size_xyz(box.size_xyz)
    normalized = box.normalize_axes(entry.properties.num_channels)
    if "c" in normalized.axes and "c" in current.axes:
        return normalized.with_bounds("c", *_channels(current))
    return normalized


def _channels(box: NormalizedBoundingBox) -> tuple[int, int]:
    start, stop = box.get_bounds("c")
    return start, stop - start
