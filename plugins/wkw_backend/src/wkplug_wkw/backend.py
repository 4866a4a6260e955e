"""The backend "wkw+numpy": opens and creates WKW arrays, and knows what the format can't do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wkplug.abc import (
    Array,
    ArrayBackend,
    ArrayCapabilities,
    ArraySpec,
    Layout,
    LayoutWish,
    Mode,
    ProbeScore,
    Problem,
)
from wkplug.errors import ConflictError, MissingError, WkplugError
from wkplug_wkw.array import AXES, WkwArray
from wkplug_wkw.header import HEADER_BYTES, HEADER_NAME, VOXEL_TYPES, Header
from wkplug_wkw.layouts import complete, header_for
from wkplug_wkw.settings import WkwSettings
from wkplug_wkw.writing import MAX_OBJECT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import Location

__all__ = ["WkwBackend"]


class WkwBackend(ArrayBackend):
    """WKW through the codec of this package: every place, damage always an error."""

    name: ClassVar[str] = "wkw+numpy"
    format: ClassVar[str] = "wkw"
    capabilities: ClassVar[ArrayCapabilities] = ArrayCapabilities(
        axes=(AXES,),
        dtypes=frozenset(VOXEL_TYPES),
        concurrent_writes="shard",
        bounded=False,
    )
    array_type: ClassVar[type[WkwArray]] = WkwArray

    def __init__(self, settings: object = None) -> None:
        self._settings = WkwSettings.of(settings)

    def probe(self, location: Location) -> ProbeScore:
        """Look at the first bytes of header.wkw; a damaged one is still ours, so that its error is seen."""
        try:
            start = location.child(HEADER_NAME).read(0, 4)
        except MissingError:
            return ProbeScore.NO
        return ProbeScore.MAGIC if start == b"WKW\x01" else ProbeScore.MARKER

    def default_layout(self, wish: LayoutWish) -> Layout:
        """Complete a layout; see `wkplug_wkw.layouts.complete`."""
        return complete(wish)

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        """Check a spec against the format; advise against new arrays on places that are not local."""
        found = []
        header = None
        if spec is not None:
            try:
                header = header_for(spec)
            except WkplugError as error:
                found.append(
                    Problem(
                        code="wkw-spec",
                        text=error.message,
                        remedy=error.hint or "",
                        error_type=type(error),
                    )
                )
        if mode == "create" and location.local_path() is None:
            found.append(
                Problem(
                    code="wkw-remote",
                    text=f"WKW is not recommended for {location.url}: each write replaces whole shards.",
                    remedy="Use zarr3 there, or write whole shards.",
                    severity="warning",
                )
            )
            if header is not None and not header.compressed and header.raw_shard_bytes > MAX_OBJECT_BYTES:
                found.append(
                    Problem(
                        code="wkw-remote-raw",
                        text=f"Uncompressed shards of {header.raw_shard_bytes:,} bytes can't be written to "
                        f"{location.url}, where a shard is held in memory ({MAX_OBJECT_BYTES:,} at most).",
                        remedy="Compress, or use smaller shards.",
                    )
                )
        return found

    def create(self, location: Location, spec: ArraySpec) -> Array:
        """Write header.wkw; ConflictError if there is one."""
        header = header_for(spec)
        place = location.child(HEADER_NAME)
        try:
            place.write(header.pack(shard=False), if_match="")
        except ConflictError as error:
            raise ConflictError(
                f"{place.url} is there already: an array can't be created over another one.",
                hint="Open it, or choose another place.",
            ) from error
        return self.array_type(location, header, "r+", self._settings, spec.options)

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        """Read and check header.wkw. The axes are always c, x, y, z."""
        del axes
        place = location.child(HEADER_NAME)
        try:
            data = place.read(0, HEADER_BYTES)
        except MissingError as error:
            raise MissingError(
                f"There is no WKW array at {location.url}: {HEADER_NAME} is missing."
            ) from error
        return self.array_type(location, Header.parse(data, place.url), mode, self._settings)

    def mag_properties(self, array: Array) -> Mapping[str, Any]:
        """Give cubeLength, the edge of a shard in voxels."""
        return {"cubeLength": array.spec.shard_shape[1]}
