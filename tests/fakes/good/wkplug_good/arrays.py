"""An array backend that says who it is."""

from __future__ import annotations

from typing import Any

import attrs

from wkplug.abc import (
    Array,
    ArrayBackend,
    ArrayCapabilities,
    ArraySpec,
    Layout,
    LayoutWish,
    Location,
    ProbeScore,
    Problem,
)
from wkplug.errors import LayoutError


@attrs.frozen
class GoodSettings:
    level: int = attrs.field(default=1, validator=attrs.validators.instance_of(int))
    label: str = ""
    careful: bool = attrs.field(default=False, validator=attrs.validators.instance_of(bool))


class GoodBackend(ArrayBackend):
    name = "npy+good"
    format = "npy"
    capabilities = ArrayCapabilities(axes=(("x", "y", "z"),), dtypes=frozenset({"uint8"}))

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def probe(self, location: Location) -> ProbeScore:
        return ProbeScore.CERTAIN

    def default_layout(self, wish: LayoutWish) -> Layout:
        return Layout(chunk_shape=wish.shape, shard_shape=wish.shape)

    def problems(self, spec: ArraySpec | None, location: Location, mode: str) -> list[Problem]:
        if "good-cannot" in location.name:
            return [Problem(code="cannot", text="the name says so", remedy="Choose another name.")]
        if "good-legacy" in location.name:
            return [Problem(code="legacy", text="no such shard", error_type=LayoutError)]
        if "good-warns" in location.name:
            return [Problem(code="slow", text="this is slow", severity="warning")]
        if "good-raises" in location.name:
            raise RuntimeError("a fault in problems")
        return []

    def create(self, location: Location, spec: ArraySpec) -> Array:
        raise LayoutError(f"created {location.name} with good")

    def open(self, location: Location, mode: str = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        raise LayoutError(f"opened {location.name} with good")
