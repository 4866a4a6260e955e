"""Everything that a plugin may offer, all of it in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import (
    ArrayBackendSpec,
    CommandSpec,
    ImageReaderSpec,
    MetadataDialectSpec,
    RemoteSpec,
    SettingsSpec,
    hookimpl,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    yield ArrayBackendSpec(
        name="npy+good", format="npy", factory="wkplug_good.arrays:GoodBackend", markers=("npy.json",)
    )


@hookimpl
def wkplug_image_readers() -> list[ImageReaderSpec]:
    return [
        ImageReaderSpec(
            name="good",
            factory="wkplug_good.images:GoodReader",
            suffixes=(".pic", ".big.pic"),
            magic=((0, b"PIC!"),),
        )
    ]


@hookimpl
def wkplug_metadata_dialects() -> list[MetadataDialectSpec]:
    return [MetadataDialectSpec(name="notes", factory="wkplug_good.notes:Notes", formats=("npy",))]


@hookimpl
def wkplug_commands() -> list[CommandSpec]:
    return [CommandSpec(name="greet", factory="wkplug_good.commands:greet", summary="Say hello.")]


@hookimpl
def wkplug_remotes() -> list[RemoteSpec]:
    return [
        RemoteSpec(
            name="good",
            factory="wkplug_good.remote:Service",
            exports={"GoodDataset": "wkplug_good.remote:Service"},
        )
    ]


@hookimpl
def wkplug_settings() -> list[SettingsSpec]:
    return [SettingsSpec(name="good", factory="wkplug_good.arrays:GoodSettings")]
