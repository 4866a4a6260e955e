"""The channels of a volume: which of them become one layer, what that is called, and how it is shown at first.

Colours of a picture stay together, its opacity is left out, and other channels become layers of their own, with the
names, colours, ranges and visibility that their file says, whatever kind of file that is.
"""

from __future__ import annotations

import colorsys
from collections import Counter
from typing import TYPE_CHECKING, Any

from wkplug.config.hints import counted
from wkplug.errors import InvalidArgumentError, UnsupportedImageDataError
from wkplug.ops.importing.naming import part_of_name, told_letters
from wkplug.ops.importing.plans import LayerPlan, Shown
from wkplug.ops.importing.report import ImportNote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wkplug.ops.importing.options import ImportOptions
    from wkplug.ops.importing.volume import Volume

__all__ = ["channel_groups", "name_notes", "shown"]

_PLAIN = frozenset({"red", "green", "blue", "alpha", "grey", "gray"})
"""Names that say nothing but the place of a sample."""


def channel_groups(volume: Volume, name: str, options: ImportOptions) -> list[tuple[str, range]]:
    """Which channels go to which layer: colours stay together, other channels become layers of their own."""
    count = volume.num_channels
    if options.channel is not None:
        if not 0 <= options.channel < count:
            raise InvalidArgumentError(
                f"channel is {options.channel}, but {volume.path} has {counted(count, 'channel')}.",
                hint=f"Channels count from 0 to {count - 1}." if count > 1 else "Leave channel=... out.",
            )
        return [(name, range(options.channel, options.channel + 1))]
    if options.truncate_rgba_to_rgb and volume.has_alpha:
        count -= 1
    if count == 1:
        return [(name, range(1))]
    if volume.is_rgb and count == 3:
        return [(name, range(3))]
    if volume.is_rgb and not volume.has_alpha and options.allow_multiple_layers:
        return [(name, range(3)), (f"{name}__{_labels(volume)[3]}", range(3, 4))]
    if options.allow_multiple_layers:
        labels = _labels(volume)[:count]
        return [(f"{name}__{label}", range(index, index + 1)) for index, label in enumerate(labels)]
    if count == 3 and volume.dtype == "uint8":
        return [(name, range(3))]
    raise UnsupportedImageDataError(
        f"{volume.path} has {count} channels of {volume.dtype}, which are not the colours of one image.",
        volume.path,
        hint="Pass allow_multiple_layers=True for a layer per channel, or channel=... for one of them.",
    )


def _labels(volume: Volume) -> list[str]:
    """The names of channels, and numbers for those that have none, or the name of another one, too."""
    numbered = [f"channel{index}" for index in range(volume.num_channels)]
    said = [
        _said(volume, volume.files[0].info.channel_names, index) or "" for index in range(volume.num_channels)
    ]
    if {name.lower() for name in said} <= _PLAIN:
        return numbered
    labels = [part_of_name(name) or number for name, number in zip(said, numbered, strict=True)]
    # Some servers' folders don't tell capitals from small letters.
    often = Counter(label.lower() for label in labels)
    labels = [
        label if often[label.lower()] == 1 else number for label, number in zip(labels, numbered, strict=True)
    ]
    return labels if len({label.lower() for label in labels}) == len(labels) else numbered


def name_notes(volume: Volume, layers: Sequence[LayerPlan]) -> Iterator[ImportNote]:
    """Say which channels have the name of another one, so that their layers have numbers, and which are spelled."""
    if len(layers) < 2:
        return
    numbers = [layer.channels.start for layer in layers if len(layer.channels) == 1]
    said = {n: _said(volume, volume.files[0].info.channel_names, n) or "" for n in numbers}
    often = Counter(part_of_name(name).lower() for name in said.values())
    same = {
        n: name for n, name in said.items() if part_of_name(name) and often[part_of_name(name).lower()] > 1
    }
    if same and not {name.lower() for name in said.values()} <= _PLAIN:
        names = ", ".join(f"{n} {name!r}" for n, name in same.items())
        text = f"the names of channels don't tell these apart, so that their layers have numbers: {names}"
        yield ImportNote(kind="named", text=text, sources=(volume.path,))
    called = {layer.channels.start: layer.name for layer in layers}
    spelled = {n: part_of_name(name) for n, name in said.items()}
    yield from told_letters(
        (said[n], part) for n, part in spelled.items() if part and called[n].endswith(f"__{part}")
    )


def left_notes(volume: Volume, options: ImportOptions) -> Iterator[ImportNote]:
    """Say of how many channels and times only one is imported, as it was asked for."""
    info, part = volume.files[0].info, volume.part
    lengths = dict(zip(info.axes, info.shape, strict=True))
    names = info.channel_names if len(info.channel_names) == lengths.get("c") else ()
    channel = options.channel if part.channel is None else part.channel
    for what, taken, count, called in (
        ("channel", channel, volume.num_channels if part.channel is None else lengths.get("c", 1), names),
        ("time", part.timepoint, lengths.get("t", 1), ()),
    ):
        if taken is not None and count > 1:
            name = f" {called[taken]!r}" if called and called[taken] else ""
            are = "is" if count == 2 else "are"
            text = f"{count - 1} of {count} {what}s {are} not imported, as asked for: only {what} {taken}{name} is"
            yield ImportNote(kind="left out", text=text, sources=(volume.path,), lost=False)


def _said(volume: Volume, facts: Sequence[Any], channel: int) -> Any:
    """What a file says of a channel of the volume, None if it says nothing."""
    info = volume.files[0].info
    chosen = volume.part.channel
    count = info.shape[info.axes.index("c")] if "c" in info.axes else volume.num_channels
    place = chosen if chosen is not None and "c" in info.axes else channel
    return facts[place] if len(facts) == count else None


def shown(volume: Volume, channels: range, number: int, count: int) -> Shown:
    """How the layer of some channels is shown, the `number`-th of `count` layers that lie over each other."""
    info, channel = volume.files[0].info, channels.start
    inverted = all(_said(volume, info.channel_inverted, each) for each in channels) or None
    if len(channels) > 1:
        return Shown(inverted=inverted)
    color = _said(volume, info.channel_colors, channel)
    if color is None and count > 1:
        color = _distinct(number)
    if color == (255, 255, 255) and count == 1:
        color = None  # what viewers take anyway
    limits = _said(volume, info.channel_ranges, channel)
    visible = _said(volume, info.channel_visible, channel)
    return Shown(color, limits if limits is not None and limits[0] < limits[1] else None, visible, inverted)


def _distinct(number: int) -> tuple[int, int, int]:
    """Red, green, blue, then hues a golden angle apart."""
    if number < 3:
        return ((255, 0, 0), (0, 255, 0), (0, 0, 255))[number]
    hue = number * 0.6180339887498949 % 1.0
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.85, 1.0))
    return red, green, blue
