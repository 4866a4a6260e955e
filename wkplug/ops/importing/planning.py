"""Planning an import: volumes, and the layers that each of them becomes.

Everything that can go wrong without touching the output goes wrong here: files that don't belong together, dtypes and
axes that a layer or its data format can't have, impossible layouts, too little memory. A plan writes nothing.

Colours of a picture stay together, its opacity is left out, and other channels become layers of their own, with the
names, colours, ranges and visibility that their file says, whatever kind of file that is.
"""

from __future__ import annotations

import colorsys
import math
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import attrs

from wkplug import config, registry
from wkplug.abc import ArraySpec, Location
from wkplug.errors import (
    InvalidArgumentError,
    LayerNameError,
    TooLargeError,
    UnsupportedImageDataError,
    WkplugError,
)
from wkplug.filesystems.answers import answers_kept
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox, NormalizedBoundingBox, Vec3Float, Vec3Int
from wkplug.model.dtypes import check_category, dtype_name
from wkplug.model.layout import LayoutRequest, array_spec
from wkplug.model.regions import Frame
from wkplug.notices import counted
from wkplug.ops.importing import chunking_plan
from wkplug.ops.importing.chunking_plan import ChunkingPlan, Extent
from wkplug.ops.importing.naming import part_of_name, spelling_notes
from wkplug.ops.importing.options import Budget, ImportOptions
from wkplug.ops.importing.plans import LayerPlan, Shown, VolumePlan
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.series import Stack, Stacks
from wkplug.ops.importing.values import guess_category, is_exact, layer_dtype
from wkplug.ops.importing.volume import Volume
from wkplug.ops.importing.voxel_sizes import mags_of, place_notes, unequal_size_notes
from wkplug.ops.pyramids import downsampling
from wkplug.ops.pyramids.passes import Pass, Sizes, sizes_of, streaming_passes
from wkplug.ops.pyramids.sampling import pyramid_mags
from wkplug.properties import check_layer_name
from wkplug.storage.marks import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["channel_groups", "display", "plan_volumes", "with_pyramids"]


@answers_kept()
def plan_volumes(
    groups: Mapping[str, Stack],
    category: str | None,
    options: ImportOptions,
    budget: Budget,
    *,
    location_of: Callable[[str, Mag], Location],
    backend_for: Callable[[str], str | None] = lambda _: None,
    given_path: Callable[[str], str] = lambda path: path,
) -> tuple[VolumePlan, ...]:
    """Describe all layers. groups: the files of each layer by its name.

    category: None takes what a container says, or the path: given_path gives it as the user wrote it. location_of:
    where the array of a layer's mag will lie. backend_for: the implementation that was asked for, by data format.
    """
    options.check()
    if category is not None:
        check_category(category)
    plans: list[VolumePlan] = []
    remaining = options.max_layers
    mags = mags_of(groups, options.mag)
    for name, stack in groups.items():
        mag = mags[name]
        volume = Volume(stack.files, swap_xy=options.swap_xy, places=stack.places, part=options.part)
        wanted, guessed = _category(volume, category, options, given_path(volume.path), budget)
        if wanted == "color":
            volume = volume.as_shown()
        layers = _layer_plans(volume, name, wanted, options, mag)
        surplus = tuple(_surplus_notes(layers, remaining, options.max_layers))
        layers = layers[:remaining]
        if not layers:
            plans[-1] = attrs.evolve(plans[-1], notes=(*plans[-1].notes, *surplus))
            break
        names = tuple(layer.name for layer in layers)
        notes = [
            note if note.layers else attrs.evolve(note, layers=names)
            for note in (
                *stack.notes,
                *guessed,
                *_file_notes(volume),
                *unequal_size_notes(volume),
                *place_notes(volume, options),
                *_alpha_notes(volume, layers),
                *_skipped_notes(volume, options),
                *_name_notes(volume, layers),
                *_cast_notes(volume, layers[0].dtype),
            )
        ]
        specs = []
        for layer in layers:
            check_layer_name(layer.name)
            place, backend = location_of(layer.name, mag), backend_for(layer.data_format)
            specs.append(_checked_layout(volume, layer, options, mag, place, backend))
        plan = _volume_plan(volume, layers, specs[0], options, mag, budget)
        plans.append(attrs.evolve(plan, notes=(*notes, *surplus)))
        remaining -= len(layers)
        if surplus:
            break
    _check_names(plans)
    if isinstance(groups, Stacks):
        plans[0] = attrs.evolve(plans[0], notes=(*groups.notes, *plans[0].notes))
    return tuple(plans)


def _check_names(plans: Sequence[VolumePlan]) -> None:
    """Refuse two layers of one name: groups have names of their own, but their channels' may be those of others."""
    known: dict[str, str] = {}
    for planned in plans:
        for layer in planned.layers:
            if layer.name in known:
                raise LayerNameError(
                    f"Both {known[layer.name]} and {planned.volume.path} would become the layer {layer.name!r}.",
                    hint="Rename one of the files, or import them one by one with layer_name.",
                )
            known[layer.name] = planned.volume.path


def _volume_plan(
    volume: Volume, layers: list[LayerPlan], spec: ArraySpec, options: ImportOptions, mag: Mag, budget: Budget
) -> VolumePlan:
    """Decide how a volume is cut into boxes."""
    import numpy

    others, topleft = options.place(tuple(volume.others), mag)
    start = topleft // mag.to_vec3_int() + Vec3Int(volume.topleft)
    num_channels = layers[-1].channels.stop - layers[0].channels.start
    extent = Extent(
        start=start.to_tuple(),
        size=volume.size,
        chunk=_xyz(spec.chunk_shape),
        shard=_xyz(spec.shard_shape),
        block=volume.block,
        voxel_bytes=numpy.dtype(layers[0].dtype).itemsize * num_channels,
        source_bytes=volume.source_bytes * num_channels,
    )
    workers = budget.workers if budget.shared else 1
    cut = chunking_plan.choose(extent, budget.each, workers, depth=options.batch_size)
    relevant = attrs.evolve(options, memory=None, batch_size=None, pyramid=None)
    fingerprint = digest([[file.path for file in volume.files], relevant, mag, layers, spec])
    return VolumePlan(
        volume=volume,
        mag=mag,
        layers=tuple(layers),
        spec=spec,
        extent=extent,
        others_start=others,
        chunking=cut,
        budget=budget,
        fingerprint=fingerprint,
    )


def _xyz(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return shape[-3], shape[-2], shape[-1]


def _surplus_notes(layers: list[LayerPlan], remaining: int, most: int) -> Iterator[ImportNote]:
    """Say that layers are left out, if there are more than `remaining`."""
    if remaining < len(layers):
        text = (
            f"The images would make more layers than {most}: the rest, from {layers[max(0, remaining)].name!r} on, "
            "is not imported (max_layers)"
        )
        yield ImportNote(kind="left out", text=text, layers=(layers[max(0, remaining)].name,))


def _file_notes(volume: Volume) -> Iterator[ImportNote]:
    """Say what the layers will not have as the files have it, and what the files say of themselves."""
    smaller = volume.smaller_files
    if smaller:
        are = "is" if len(smaller) == 1 else "are"
        text = (
            f"Some images are larger than expected, that is, than others: {len(smaller)} of {len(volume.files)} {are} "
            f"smaller than {volume.size_x} x {volume.size_y} pixels and {are} filled up with zeros"
        )
        yield ImportNote(kind="filled", text=text, sources=smaller[:3], count=len(smaller))
    single = len(volume.files) == 1
    missing = [] if single else [z for z in range(volume.size_z) if volume.file_of(z) is None]
    if missing:
        are = "is missing, and is" if len(missing) == 1 else "are missing, and are"
        listed = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        text = f"{counted(len(missing), 'section')} of {volume.size_z:,} {are} zero there (z = {listed})"
        yield ImportNote(kind="filled", text=text)
    for file in volume.files:
        yield from file.notes
        if file.info.photometric == "miniswhite":
            text = "its 0 is white by its own account, and its values are as they are stored"
            yield ImportNote(kind="said", text=text, sources=(file.path,))
        for note in file.info.notes:
            yield ImportNote(kind="said", text=note, sources=(file.path,), lost=file.exact)


def _alpha_notes(volume: Volume, layers: Sequence[LayerPlan]) -> Iterator[ImportNote]:
    """Say that the opacity of a picture is in no layer."""
    if (
        volume.has_alpha
        and layers[0].channels.start == 0
        and layers[-1].channels.stop == volume.num_channels - 1
    ):
        sources, count = tuple(file.path for file in volume.files[:3]), len(volume.files)
        # What is documented to be left out, and seldom means anything, is no warning.
        text = "its opacity (alpha) is left out"
        yield ImportNote(kind="left out", text=text, sources=sources, count=count, lost=False)


def _category(
    volume: Volume, category: str | None, options: ImportOptions, path: str, budget: Budget
) -> tuple[str, tuple[ImportNote, ...]]:
    known = category or volume.files[0].category
    if known:
        return known, ()
    if math.prod(volume.block) * volume.num_channels * volume.source_bytes > budget.each:
        return "color", ()  # what is decoded as one doesn't fit: that is refused below, without decoding it
    dtype = volume.dtype if options.dtype is None else dtype_name(options.dtype)
    guessed, note = guess_category(volume, path, dtype)
    return guessed, () if note is None else (note,)


def _cast_notes(volume: Volume, dtype: str) -> Iterator[ImportNote]:
    """Say that values are converted, where that is seen beforehand."""
    if dtype != volume.dtype:
        how = "exactly" if is_exact(volume.dtype, dtype) else "as they are, without scaling"
        yield ImportNote(kind="cast", text=f"{volume.dtype} becomes {dtype}: values are converted {how}")


def _layer_plans(volume: Volume, name: str, wanted: str, options: ImportOptions, mag: Mag) -> list[LayerPlan]:
    groups = channel_groups(volume, name, options)
    dtype = layer_dtype(wanted, volume.dtype, options.dtype, volume.path)
    together = len(groups) if wanted == "color" else 1
    return [
        LayerPlan(
            name=layer_name,
            category=wanted,
            dtype=dtype,
            data_format=registry.check_format(options.data_format or config.current().default_format),
            channels=channels,
            bounding_box=_bounding_box(volume, options, mag, len(channels)),
            shown=display(volume, channels, number, together),
        )
        for number, (layer_name, channels) in enumerate(groups)
    ]


def _bounding_box(volume: Volume, options: ImportOptions, mag: Mag, num_channels: int) -> NDBoundingBox:
    factors = mag.to_vec3_int()
    others, first = options.place(tuple(volume.others), mag)
    topleft = first + Vec3Int(volume.topleft) * factors
    size = Vec3Int(volume.size) * factors
    if not volume.others:
        return BoundingBox(topleft, size)
    shape = (*volume.others.values(), num_channels, *size)
    return NDBoundingBox((*others, 0, *topleft), shape, (*volume.others, "c", "x", "y", "z"))


def spec_of(
    layer: LayerPlan,
    mag: Mag,
    request: LayoutRequest,
    purpose: Literal["images", "pyramid"],
    location: Location,
    backend: str | None,
) -> ArraySpec:
    """Say which array a mag of the layer will have; an error if there can't be one."""
    box: NormalizedBoundingBox = layer.bounding_box.normalize_axes(len(layer.channels))
    frame = Frame.of(tuple(box.axes))
    region = (tuple(box.topleft), tuple(box.size))
    factors = frame.factors(mag.to_tuple())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # given once, when the array is created
        _, spec = registry.choose_creator(
            location,
            lambda able: array_spec(able, frame, region, factors, layer.dtype, request, purpose),
            data_format=str(layer.data_format),
            explicit=backend,
        )
    return spec


def _checked_layout(
    volume: Volume,
    layer: LayerPlan,
    options: ImportOptions,
    mag: Mag,
    location: Location,
    backend: str | None,
) -> ArraySpec:
    """Ask for the array as it would be created, so that what can't be is known before anything is written."""
    try:
        spec = spec_of(layer, mag, options.request, "images", location, backend)
    except WkplugError as error:
        if not volume.others:
            raise
        axes = layer.bounding_box.normalize_axes(len(layer.channels)).axes
        raise UnsupportedImageDataError(
            f"{volume.path} has the axes {', '.join(axes)}. {error.message}",
            volume.path,
            hint=f"Choose another data format than {layer.data_format}, or split the file along "
            f"{', '.join(volume.others)}.",
        ) from error
    depth = spec.chunk_shape[-1]
    if options.batch_size is not None and (options.batch_size < 1 or options.batch_size % depth):
        raise InvalidArgumentError(
            f"batch_size is {options.batch_size}, which is no multiple of the chunk's depth {depth}.",
            hint=f"Give a multiple of {depth}, best of the shard's depth {spec.shard_shape[-1]}.",
        )
    return spec


# --- channels ---------------------------------------------------------------------------------------------


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
    names = [
        _channel_fact(volume, volume.files[0].info.channel_names, index) or ""
        for index in range(volume.num_channels)
    ]
    if {name.lower() for name in names} <= _PLAIN:
        return numbered
    labels = [part_of_name(name) or number for name, number in zip(names, numbered, strict=True)]
    # Some servers' folders don't tell capitals from small letters.
    often = Counter(label.lower() for label in labels)
    labels = [
        label if often[label.lower()] == 1 else number for label, number in zip(labels, numbered, strict=True)
    ]
    return labels if len({label.lower() for label in labels}) == len(labels) else numbered


def _name_notes(volume: Volume, layers: Sequence[LayerPlan]) -> Iterator[ImportNote]:
    """Say which channels have the name of another one, so that their layers have numbers, and which are spelled."""
    if len(layers) < 2:
        return
    numbers = [layer.channels.start for layer in layers if len(layer.channels) == 1]
    names = {n: _channel_fact(volume, volume.files[0].info.channel_names, n) or "" for n in numbers}
    often = Counter(part_of_name(name).lower() for name in names.values())
    same = {
        n: name for n, name in names.items() if part_of_name(name) and often[part_of_name(name).lower()] > 1
    }
    if same and not {name.lower() for name in names.values()} <= _PLAIN:
        listed = ", ".join(f"{n} {name!r}" for n, name in same.items())
        text = f"the names of channels don't tell these apart, so that their layers have numbers: {listed}"
        yield ImportNote(kind="named", text=text, sources=(volume.path,))
    called = {layer.channels.start: layer.name for layer in layers}
    spelled = {n: part_of_name(name) for n, name in names.items()}
    yield from spelling_notes(
        (names[n], part) for n, part in spelled.items() if part and called[n].endswith(f"__{part}")
    )


def _skipped_notes(volume: Volume, options: ImportOptions) -> Iterator[ImportNote]:
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


def _channel_fact(volume: Volume, facts: Sequence[Any], channel: int) -> Any:
    """What a file says of a channel of the volume, None if it says nothing."""
    info = volume.files[0].info
    chosen = volume.part.channel
    count = info.shape[info.axes.index("c")] if "c" in info.axes else volume.num_channels
    place = chosen if chosen is not None and "c" in info.axes else channel
    return facts[place] if len(facts) == count else None


def display(volume: Volume, channels: range, number: int, count: int) -> Shown:
    """How the layer of some channels is shown, the `number`-th of `count` layers that lie over each other."""
    info, channel = volume.files[0].info, channels.start
    inverted = all(_channel_fact(volume, info.channel_inverted, each) for each in channels) or None
    if len(channels) > 1:
        return Shown(inverted=inverted)
    color = _channel_fact(volume, info.channel_colors, channel)
    if color is None and count > 1:
        color = _distinct_color(number)
    if color == (255, 255, 255) and count == 1:
        color = None  # what viewers take anyway
    limits = _channel_fact(volume, info.channel_ranges, channel)
    visible = _channel_fact(volume, info.channel_visible, channel)
    return Shown(color, limits if limits is not None and limits[0] < limits[1] else None, visible, inverted)


def _distinct_color(number: int) -> tuple[int, int, int]:
    """Red, green, blue, then hues a golden angle apart."""
    if number < 3:
        return ((255, 0, 0), (0, 255, 0), (0, 0, 255))[number]
    hue = number * 0.6180339887498949 % 1.0
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.85, 1.0))
    return red, green, blue


# --- coarser mags -----------------------------------------------------------------------------------------


_READING_BACK = 0.1
"""What computing mags afterwards costs beside, as a share of decoding: more than that isn't paid to avoid it."""


def with_pyramids(
    volumes: Iterable[VolumePlan],
    options: ImportOptions,
    voxel_size: Vec3Float,
    others: Iterable[Sequence[Mag]],
    *,
    location_of: Callable[[str, Mag], Location],
    backend_for: Callable[[str], str | None] = lambda _: None,
) -> tuple[VolumePlan, ...]:
    """Add to each plan the mags that are to be made, if any are; others: the mags of the layers to align with.

    location_of, backend_for: as of `plan_volumes`. Errors are those of `Layer.downsample`.
    """
    wanted = options.pyramid
    if wanted is None:
        return tuple(volumes)
    volumes = tuple(volumes)
    # Every layer is heeded from the start: one that begins with mag 1-1-2 leaves no room for 2-1-1 in those before it.
    aligned = [*others, *([volume.mag] for volume in volumes)]
    planned = []
    for volume in volumes:
        layer, source = volume.layers[0], volume.mag
        for each in volume.layers:
            downsampling.chosen_interpolation(wanted.interpolation_mode, each.category, each.dtype)
        size = layer.bounding_box.size_xyz
        mags = pyramid_mags(size, source, wanted.coarsest_mag, wanted.sampling_mode, aligned, voxel_size)
        aligned.append([source, *mags])
        volume = attrs.evolve(volume, mags=tuple(mags))
        if mags and volume.budget.shared:
            volume = _with_streaming(
                volume,
                _sizes(volume, options, location_of(layer.name, source), backend_for(layer.data_format)),
                options.batch_size,
            )
        planned.append(volume)
    return tuple(planned)


def _sizes(volume: VolumePlan, options: ImportOptions, location: Location, backend: str | None) -> Sizes:
    layer = volume.layers[0]
    box = layer.bounding_box.normalize_axes(len(layer.channels))
    targets = [
        (mag, spec_of(layer, mag, options.coarser_request, "pyramid", location, backend))
        for mag in volume.mags
    ]
    frame = Frame.of(tuple(box.axes))
    return sizes_of(frame, (tuple(box.topleft), tuple(box.size)), (volume.mag, volume.spec), targets)


def _with_streaming(volume: VolumePlan, sizes: Sizes, depth: int | None) -> VolumePlan:
    """Feed as many mags as fit into the budget, also with smaller boxes if these cost little."""
    whole = volume.chunking
    for wanted in _streaming_passes(volume, sizes, whole):
        remaining = volume.budget.each - wanted.need * len(volume.layers)
        cut = whole
        if whole.bytes + whole.rewritten > remaining:
            try:
                cut = chunking_plan.choose(volume.extent, remaining, volume.budget.workers, depth=depth)
            except TooLargeError:
                continue
            if (
                chunking_plan.cost(volume.extent, cut)
                > chunking_plan.cost(volume.extent, whole) + _READING_BACK
            ):
                continue
        for streaming in _streaming_passes(volume, sizes, cut):
            found = attrs.evolve(volume, chunking=cut, streaming=streaming)
            if found.memory <= volume.budget.each:
                return found
    return volume


def _streaming_passes(volume: VolumePlan, sizes: Sizes, cut: ChunkingPlan) -> Iterable[Pass]:
    num_channels = len(volume.layers[0].channels)
    box = (*(1 for _ in volume.volume.others), num_channels, *cut.box)
    return streaming_passes(sizes, box, workers=volume.budget.workers, in_flight=cut.in_flight)
