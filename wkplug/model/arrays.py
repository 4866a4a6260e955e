"""`ArraySource`: how a view reaches its array, lazily, and again after pickling.

Views of one mag share a source. Nothing is opened before voxels or facts are asked for. Reading opens the
array for reading; the first write opens it for writing, and from then on reads use that handle too, so that a
view never sees two states of one array.

On stores, `described` is the array as far as it is known without a request for each mag: opened from what the
properties keep of its metadata (`wkplug.storage.facts`), or without a look for the mark of an unfinished job. It is in
doubt then, and good for telling what the array is like. `handle`, which voxels go through, settles that doubt first: by
one request, once, and the array is opened anew if its metadata are not what was known.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from wkplug import registry, storage
from wkplug.errors import (
    LayerNotFoundError,
    MagMismatchError,
    MissingError,
    PropertiesError,
    UnknownFormatError,
    WkplugError,
)
from wkplug.model.dtypes import WIDENED
from wkplug.model.places import possible_places
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import ArraySpec, Location, MetadataStore
    from wkplug.geometry import Mag
    from wkplug.model.regions import Region
    from wkplug.properties import DatasetProperties, LayerProperties
    from wkplug.properties.operations import Operation
    from wkplug.storage import ArrayHandle

__all__ = ["ArraySource", "LayerFacts", "Store"]

Store: TypeAlias = "MetadataStore[DatasetProperties, LayerProperties, Operation]"
"""The keeper of a dataset's metadata, in a file or behind a server."""


class LayerFacts(NamedTuple):
    """What a layer says of its arrays: `region` is its box over all axes, in Mag(1) voxels.

    positions: where the array has which axis, as its axisOrder and additionalAxes say.
    """

    layer: str
    mag: Mag
    axes: tuple[str, ...]
    dtype: str
    region: Region
    positions: Mapping[str, int] | None = None

    def check(self, array: ArraySpec, url: str) -> None:
        """Raise MagMismatchError if the array can't be one of the layer's, before any voxel is misplaced."""
        found = f"shape {array.shape} along {', '.join(array.axes)}"
        claimed = f"shape {self.region[1]} along {', '.join(self.axes)}"
        reason, remedy = None, ""
        # Older pickles hold no positions, not even their default.
        positions = (self.positions if len(self) == len(self._fields) else None) or {}
        beyond = [axis for axis, at in positions.items() if at >= len(array.axes)]
        if array.axes != self.axes:
            reason = f"the array has the {found}, the layer the {claimed}"
            remedy = "axisOrder and additionalAxes"
        elif beyond:
            where = ", ".join(f"{axis} at {positions[axis]}" for axis in beyond)
            others = set(beyond).difference("cxyz")
            remedy, verb = ("axisOrder and additionalAxes", "put") if others else ("axisOrder", "puts")
            reason = (
                f"{remedy} {verb} {where}, but the array has {len(array.axes)} axes ({found}), counted from 0"
            )
        elif not self._held_by(array.dtype):
            reason = f"the array ({found}) holds {array.dtype}, the layer ({claimed}) {self.dtype}"
            remedy = "elementClass and numChannels"
        else:
            for axis, low, length in zip(self.axes, *self.region, strict=True):
                bound = array.shape[array.axes.index(axis)]
                if axis not in ("x", "y", "z") and bound is not None and low + length > bound:
                    reason = (
                        f"the array has the {found}, the layer the {claimed}, which is longer along {axis}"
                    )
                    remedy = "numChannels, channelIndex and axisOrder" if axis == "c" else "additionalAxes"
        if reason is not None:
            raise MagMismatchError(
                f"{url} doesn't fit the layer {self.layer!r} that lists it: {reason}.",
                hint=f"Correct {remedy} of the layer in the properties file, or list the array that belongs there.",
            )

    def remarks(self, array: ArraySpec, url: str) -> list[str]:
        """Say of an array that passes `check` what is read otherwise than the layer says."""
        texts = []
        if array.dtype not in (self.dtype, WIDENED.get(self.dtype)):
            # Files of the field are like that; each value is what it was meant to be.
            texts.append(
                f"{url} stores {array.dtype}, though the layer {self.layer!r} is described as {self.dtype}: "
                f"its voxels are read as {array.dtype}."
            )
        short = []
        factors = dict(zip("xyz", self.mag.to_tuple(), strict=True))
        for axis, bound, low, length in zip(self.axes, array.shape, *self.region, strict=True):
            factor, end = factors.get(axis, 0), low + length
            # Other tools cut coarse mags to whole voxels: less than one may be missing.
            if factor and bound is not None and end >= (bound + 1) * factor and length:
                short.append(
                    f"along {axis} the array has {bound} voxels and the box ends at {-(-end // factor)}"
                )
        if short:
            texts.append(
                f"{url} ends before the bounding box of the layer {self.layer!r} that lists it: {', '.join(short)}. "
                "What lies beyond is read as 0. Correct the layer's bounding box, or list the array that belongs there."
            )
        return texts

    def _held_by(self, dtype: str) -> bool:
        """Whether an array of that dtype holds every value that the layer may have."""
        if dtype in (self.dtype, WIDENED.get(self.dtype)):
            return True  # nearly always; numpy isn't asked
        import numpy

        return numpy.can_cast(self.dtype, dtype, "safe")


class ArraySource:
    """One array on disk, with what it takes to open it; picklable without its handle."""

    __slots__ = (
        "__weakref__", "_handle", "_is_vouched", "_known", "_store", "_tried", "_voxel_size", "_warned", "_writing",
        "allow_incomplete", "axes", "backend", "data_format", "facts", "in_doubt", "location",
    )  # fmt: skip

    in_doubt: bool
    """Whether the array is open, and something of it is still to be looked at before its voxels are touched."""

    def __init__(
        self,
        location: Location,
        data_format: str | None,
        axes: tuple[str, ...] | None,
        *,
        backend: str | None = None,
        allow_incomplete: bool = False,
        facts: LayerFacts | None = None,
        store: Store | None = None,
        recorded: Any = None,
    ) -> None:
        """Describe an array; `facts` and `store` are those of the layer that lists it, None for an array by itself.

        recorded: what the properties keep of the array's metadata.
        """
        self.location = location
        self._known = None
        if recorded is not None and location.local_path() is None:
            self._known = storage.ArrayFacts.of(recorded)
        # What the properties keep is of an array that no job had marked.
        self._is_vouched = self._known is not None
        self._tried = self.in_doubt = False
        self.data_format = data_format
        self.axes = axes
        self.backend = backend
        self.allow_incomplete = allow_incomplete
        self.facts = facts
        self._store = store
        self._handle: ArrayHandle | None = None
        self._writing = False
        self._warned = False
        self._voxel_size: tuple[float, ...] | None = None

    @property
    def voxel_size(self) -> tuple[float, ...] | None:
        """Nanometres per Mag(1) voxel along x, y, z; None for an array without a dataset."""
        if self._store is not None:
            return self._store.dataset.scale.to_nanometer().to_tuple()
        return self._voxel_size

    @property
    def described(self) -> ArrayHandle:
        """The opened array, to tell what it is like; what nobody has looked at yet may have changed meanwhile."""
        handle = self._handle
        return handle if handle is not None else self._open("r", described=True)

    @property
    def handle(self) -> ArrayHandle:
        """The opened array; IncompleteMagError if an unfinished job left its mark there."""
        handle = self._handle
        if handle is None:
            return self._open("r")
        if self.in_doubt:
            self.settle()
        return self._handle or self._open("r")

    @property
    def writing_handle(self) -> ArrayHandle:
        """The same, opened for writing."""
        handle = self._handle
        return handle if handle is not None and self._writing else self._open("r+")

    @property
    def settled(self) -> ArrayHandle | None:
        """The opened array, of which nothing is in doubt; None if it is not open, or is in doubt."""
        return None if self.in_doubt else self._handle

    @property
    def asks(self) -> bool:
        """Whether telling what the array is like takes a request, which nobody has made yet."""
        return (
            self._handle is None and self._known is None and not self._tried
        ) and self.location.local_path() is None

    @property
    def recorded(self) -> storage.ArrayFacts | None:
        """What the properties keep of the array's metadata; no unfinished job had marked it then."""
        return self._known if self._is_vouched else None

    def look_ahead(self) -> None:
        """Read the array's metadata, so that telling what it is like takes no request; errors are left for later."""
        self._tried = True
        names = registry.array_markers(self.data_format)
        if len(names) == 1:
            with suppress(WkplugError):
                self._known, self._is_vouched = storage.ArrayFacts.read(self.location, *names), False

    def settle(self) -> bool:
        """Look, in one request, at what is in doubt; gives whether the array as `described` may be used.

        It is opened anew where it is another one by now; IncompleteMagError if an unfinished job left its mark there.
        """
        known = self._known
        if not (self._is_vouched or self.allow_incomplete):
            storage.check_complete(self.location)
        if known is None:
            self.in_doubt = False
            return True
        try:
            newer = known.newer(self.location)
        except MissingError:
            self._handle = self._known = None
            self._open("r")
            return False
        if newer is None:
            self.in_doubt = False
            return True
        self._handle = None
        self._open("r", newer=newer)
        return False

    def _open(
        self, mode: Any, *, described: bool = False, newer: storage.ArrayFacts | None = None
    ) -> ArrayHandle:
        self._tried = True
        try:
            handle, doubt = self._opened_here(mode, described=described, newer=newer)
        except MissingError:
            place = self._find_moved()
            if place is None:
                raise
            self.location, self._known = place, None
            handle, doubt = self._opened(place, mode), False
        handle.finder = self._find_moved
        if self.facts is not None:
            self.facts.check(handle.spec, self.location.url)
            if not self._warned:
                self._warned = True
                for remark in self.facts.remarks(handle.spec, self.location.url):
                    warn_user(f"[WARNING] {remark}", UserWarning)
        self._handle, self._writing, self.in_doubt = handle, mode == "r+", doubt
        return handle

    def _opened_here(
        self, mode: Any, *, described: bool, newer: storage.ArrayFacts | None
    ) -> tuple[ArrayHandle, bool]:
        """Open the array, and say whether something remains to be looked at."""
        known = self._known
        if known is not None:
            if newer is None and not described:
                newer = known.newer(self.location)
            # What has changed may be a job's, still at work.
            if not described and not self.allow_incomplete and (newer is not None or not self._is_vouched):
                storage.check_complete(self.location)
            self._known = newer or known
            try:
                return self._opened(self.location, mode, facts=self._known), described
            except WkplugError:
                if newer is not None:
                    raise
                self._known = None  # what is recorded can't be right; the array itself may be
        if described and not self.allow_incomplete and self.location.local_path() is None:
            return self._opened(self.location, mode, allow_incomplete=True), True
        return self._opened(self.location, mode), False

    def _opened(
        self,
        location: Location,
        mode: Any,
        *,
        allow_incomplete: bool = False,
        facts: storage.ArrayFacts | None = None,
    ) -> ArrayHandle:
        return storage.open_array(
            location,
            self.data_format,
            mode=mode,
            axes=self.axes,
            backend=self.backend,
            allow_incomplete=allow_incomplete or self.allow_incomplete,
            facts=facts,
        )

    def _find_moved(self) -> Location | None:
        """Where the array has gone, by what the properties say now and where else it may be; None if nowhere."""
        store = self._store
        if store is None or self.facts is None:
            return None
        store.refresh()
        try:
            entry = store.layer(self.facts.layer).get_mag(self.facts.mag)
        except (LayerNotFoundError, PropertiesError):
            return None
        tried = {self.location}
        for place in () if entry is None else possible_places(store.root, self.facts.layer, entry):
            if place in tried:
                continue
            tried.add(place)
            with suppress(MissingError, UnknownFormatError):
                self._opened(place, "r")
                self.location, self._known = place, None
                return place
        return None

    def adopt(self, handle: ArrayHandle) -> None:
        """Use a handle that was opened for writing elsewhere: by creating the array."""
        handle.finder = self._find_moved
        self._handle, self._writing, self.in_doubt = handle, True, False
        self._known, self._is_vouched = handle.facts, False

    def close(self) -> None:
        """Let go of the array, after writing what its engine may hold back; it is opened again at the next use."""
        if self._handle is not None and self._writing:
            self._handle.flush()
        self._handle, self._writing, self.in_doubt = None, False, False

    def forget(self) -> None:
        """Open again at the next use, because the array's shape or files have changed."""
        self._let_go()
        storage.forget(self.location)

    def _let_go(self) -> None:
        self._handle = self._known = None
        self._writing = self.in_doubt = self._is_vouched = False

    def follow(self, old: Location, new: Location) -> None:
        """Go on at the array's new place, if it lies in the folder `old` of its layer that is now `new`."""
        if self.facts is not None:
            self.facts = self.facts._replace(layer=new.name)
        if self.location.url.startswith(f"{old.url}/"):
            self._let_go()
            self.location = new.child(*self.location.url.removeprefix(f"{old.url}/").split("/"))

    def reopen_if_too_short(self, region: Region, factors: tuple[int, ...]) -> None:
        """Open again at the next use if the array ends before `region`, which has been listed since.

        Another process has extended it then; as it was opened here, its new voxels would read as empty.
        """
        array = None if self._handle is None else vars(self._handle).get("array")
        if array is None:  # not open now, so it will be opened as it is then
            return
        for low, length, factor, bound in zip(*region, factors, array.spec.shape, strict=True):
            if bound is not None and low + length > bound * factor:
                self.forget()
                return

    def __getstate__(self) -> tuple[Any, ...]:
        return (
            self.location, self.data_format, self.axes, self.backend, self.allow_incomplete, self.facts,
            self.voxel_size, self._warned,
        )  # fmt: skip

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        (
            self.location, self.data_format, self.axes, self.backend, self.allow_incomplete, self.facts,
            self._voxel_size, self._warned,
        ) = state  # fmt: skip
        self._store, self._tried = None, False
        self._let_go()
