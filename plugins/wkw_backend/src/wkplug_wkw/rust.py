"""The backend "wkw+wkw": the Rust package `wkw` reads and writes what we let it.

For comparison, and for local bulk reads of raw or lz4 data where it takes less CPU. Only on request, because
the package reads damaged shards as zeros, aborts the process on crafted headers, tears raw shards when killed
and hangs on empty boxes. What can be guarded from outside is: every shard that a box touches passes our own
checks of header and jump table before the package sees the box, empty boxes never reach it, its handle is
closed when the last call has ended, calls take turns (its error text is one global), and only whole
compressed shards are written by it, all else by our own codec. What can't be guarded is a shard that changes
between check and read, and its fixed temporary name, which two writers of one shard would share.
"""

from __future__ import annotations

import importlib.util
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from wkplug.abc import ArrayCapabilities, Problem
from wkplug.errors import MissingError, StorageError, UnsupportedOperationError, WkplugError
from wkplug_wkw.array import AXES, WkwArray
from wkplug_wkw.backend import WkwBackend
from wkplug_wkw.header import HEADER_BYTES, HEADER_NAME, VOXEL_TYPES, Header
from wkplug_wkw.layouts import header_for
from wkplug_wkw.shards import shard_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import ArraySpec, Box, Location, Mode

__all__ = ["RustArray", "RustBackend"]

_LONGEST_LOG2 = 7
"""The package keeps edges in a byte and halves the rest: 128 is its longest."""
_INSTALL = "Install it: pip install wkw (there are no wheels for ARM Linux, musl and ARM Windows)."


class _Native:
    """A dataset of the package, closed when nobody holds it: closing it under a call would crash."""

    def __init__(self, path: str) -> None:
        self.dataset: Any = None
        try:
            import wkw
        except (ImportError, OSError) as error:
            raise UnsupportedOperationError(
                f"The package wkw can't be loaded: {error}.", hint=_INSTALL
            ) from error
        self.dataset = wkw.Dataset.open(path)

    def __del__(self) -> None:
        if self.dataset is not None:
            self.dataset.close()


class RustArray(WkwArray):
    """An array that the Rust package reads, and writes where whole compressed shards are written."""

    _named: ClassVar[str] = "wkw+wkw"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._native: _Native | None = None
        self._turn = threading.Lock()

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Read a box through the package, after our checks of every shard that it touches."""
        (c, x, y, z), shape = box
        local = self._local
        if local is None or not all(shape):
            return super().read(box, out=out, missing=missing)
        self._check(box)
        if not self._verified:
            self._verify()
        found = False
        for index in self._shards(box):
            if local.get(index) is not None:
                found = True
            elif missing == "error":
                raise MissingError(
                    f"{self.location.url}/{shard_name(index)} was never written.",
                    hint="Read without missing='error' to get zeros.",
                )
        target = None if out is None else self._checked_out(out, shape)
        data: NDArray[Any]
        if found:
            data = self._call("read", "read", (x, y, z), shape[1:])[c : c + shape[0]]
        else:
            data = np.zeros(shape, self._dtype, order="F")
        if target is None:
            return data if data.shape[0] == self._channels else np.asfortranarray(data)
        target[...] = data
        return target

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write a box; whole compressed shards go through the package."""
        (c, x, y, z), shape = box
        edge = self.header.shard_len
        aligned = not any(value % edge for value in (x, y, z, *shape[1:]))
        plain = self.header.compressed and "level" not in self.spec.options
        if self._local is None or not (aligned and plain and shape[0] == self._channels):
            super().write(box, data)
            return
        data = self._checked_data(box, data)
        for index in self._shards(box):
            corner = tuple(edge * i - start for i, start in zip(index, (x, y, z), strict=True))
            part = data[(slice(c, None), *(slice(start, start + edge) for start in corner))]
            place = tuple(edge * i for i in index)
            self._call("written", "write", place, np.asfortranarray(part))
            self._wrote(self._local.path(index))

    def native_handle(self) -> Any:
        """Give the `wkw.Dataset`. Don't close it: reads of this array would crash the process."""
        with self._turn:
            return self._open().dataset

    def _open(self) -> _Native:
        if self._native is None:
            self._native = _Native(str(self.location.local_path()))
        return self._native

    def _call(self, action: str, method: str, *arguments: Any) -> Any:
        with self._turn:
            try:
                native = self._open()
                return getattr(native.dataset, method)(*arguments)
            except WkplugError:
                raise
            except Exception as error:
                # Its errors share no class but Exception; UnicodeDecodeError is one of them.
                reason = f"the package wkw failed with {error!r}"
                if action == "read":
                    raise self._damaged(reason) from error
                raise StorageError(f"{self.location.url} could not be {action}: {reason}.") from error

    def close(self) -> None:
        """Flush, and drop the package's handle."""
        super().close()
        with self._turn:
            self._native = None


class RustBackend(WkwBackend):
    """WKW through the Rust package, local disks only."""

    name: ClassVar[str] = "wkw+wkw"
    capabilities: ClassVar[ArrayCapabilities] = ArrayCapabilities(
        axes=(AXES,),
        dtypes=frozenset(VOXEL_TYPES),
        concurrent_writes="shard",
        bounded=False,
        places=frozenset({"path"}),
    )
    array_type: ClassVar[type[WkwArray]] = RustArray

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        """Add what the package can't do."""
        found = super().problems(spec, location, mode)
        if importlib.util.find_spec("wkw") is None:
            found.append(
                Problem(
                    code="wkw-not-installed", text="The Python package wkw is not installed.", remedy=_INSTALL
                )
            )
        if location.local_path() is None:
            found.append(
                Problem(
                    code="wkw-local-only",
                    text=f"The package wkw opens local folders only, and not {location.url}.",
                    remedy="Use wkw+numpy.",
                )
            )
        header = self._header(spec, location)
        if header is not None and max(header.block_log2, header.shard_log2) > _LONGEST_LOG2:
            found.append(
                Problem(
                    code="wkw-too-long",
                    text="The package wkw holds at most 128^3 voxels per chunk and 128^3 chunks per shard.",
                    remedy="Use wkw+numpy.",
                )
            )
        return found

    def _header(self, spec: ArraySpec | None, location: Location) -> Header | None:
        """Find out about the layout; what is wrong with it is reported elsewhere."""
        try:
            if spec is not None:
                return header_for(spec)
            place = location.child(HEADER_NAME)
            return Header.parse(place.read(0, HEADER_BYTES), place.url)
        except WkplugError:
            return None
