"""What this distribution offers, for the registry. Nothing heavy is imported before a factory is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ArrayBackendSpec, ImporterSpec, SettingsSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_array_backends", "wkplug_importers", "wkplug_settings"]


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    """Offer the codec of this package, and the Rust package for those who ask for it by name."""
    yield ArrayBackendSpec(
        name="wkw+numpy",
        format="wkw",
        factory="wkplug_wkw.backend:WkwBackend",
        markers=("header.wkw",),
        axes=("c", "x", "y", "z"),
        priority=10,
        summary="WKW on any place, with a codec that never takes damage for zeros",
    )
    yield ArrayBackendSpec(
        name="wkw+wkw",
        format="wkw",
        factory="wkplug_wkw.rust:RustBackend",
        markers=("header.wkw",),
        axes=("c", "x", "y", "z"),
        priority=-10,
        summary="WKW on local disks through the Rust package wkw, behind our own checks",
    )


@hookimpl
def wkplug_importers() -> Iterator[ImporterSpec]:
    """Recognise bare WKW folders."""
    yield ImporterSpec(
        name="wkw",
        factory="wkplug_wkw.importing:WkwImporter",
        priority=-10,
        summary="bare WKW folders: a mag, a layer or several",
    )


@hookimpl
def wkplug_settings() -> Iterator[SettingsSpec]:
    """Offer the class of the table [plugin.wkw]."""
    yield SettingsSpec(name="wkw", factory="wkplug_wkw.settings:WkwSettings")
