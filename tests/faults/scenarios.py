"""Scenarios to be killed in: what is there before, what is done, and what must hold afterwards.

A check runs in a process of its own on what the killed one left. In all of them the dataset opens, what was written
before is there, nothing that was deleted comes back, the same call again succeeds, and no rubbish is left after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import wkplug as wk
from wkplug import errors
from wkplug.ops import info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = (64, 64, 64)
OLD = np.random.default_rng(1).integers(1, 100, SIZE).astype("u1")
NEW = np.random.default_rng(2).integers(100, 200, (32, 32, 32)).astype("u1")
CHUNKS = {"chunk_shape": 32, "shard_shape": 32}
_DELETES = re.compile(r"delete|remove|rm -r", re.IGNORECASE)


@dataclass(frozen=True)
class Scenario:
    """`finished` tells the check whether the operation has run to its end."""

    prepare: Callable[[Path], None]
    operate: Callable[[Path], None]
    check: Callable[..., None]


def warm_up() -> None:
    """Import what the scenarios need, without using an engine."""
    import importlib

    from wkplug import registry

    for data_format in ("wkw", "zarr", "zarr3"):
        registry.dialects(data_format)
    for module in (
        "wkplug_tensorstore.array", "wkplug_tensorstore.backends", "wkplug_zarr.array", "wkplug_wkw.backends",
        "wkplug.ops.copying.dataset_copying", "wkplug.ops.copying.rechunking", "wkplug.ops.pyramids.upsampling",
    ):  # fmt: skip
        try:
            importlib.import_module(module)
        except ImportError:
            continue


# --- what holds always ------------------------------------------------------------------------------------


def opened(place: Path, name: str = "d") -> wk.Dataset:
    """The dataset; everything it lists is shown by `info`, without an error."""
    dataset = wk.Dataset.open(place / name)
    info.describe(dataset.state)
    return dataset


def holds(mag: wk.MagView, voxels: np.ndarray) -> None:
    """The mag's first voxels are these, and nothing else is stored."""
    found = mag.read()[0]
    box = tuple(slice(0, length) for length in voxels.shape)
    np.testing.assert_array_equal(found[box], voxels)
    assert int(found.astype("u8").sum()) == int(voxels.astype("u8").sum()), "there are voxels besides"


def is_tidy(place: Path) -> None:
    """Nothing but locks and half-written temporary files is left of us, which nobody reads, copies or counts."""
    left = [
        path
        for path in place.rglob(".wkplug*")
        if not path.name.startswith((".wkplug.lock", ".wkplug-tmp-")) or path.is_dir()
    ]
    assert not left, f"left behind: {left}"


def no_advice_to_delete(error: errors.WkplugError) -> None:
    assert not _DELETES.search(error.hint or ""), error.hint


# --- deleting and making anew -----------------------------------------------------------------------------


def _with_two_mags(data_format: str) -> Callable[[Path], None]:
    def prepare(place: Path) -> None:
        dataset = wk.Dataset(place / "d", voxel_size=(1, 1, 1))
        layer = dataset.add_layer(
            "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), SIZE)
        )
        layer.add_mag(1, **CHUNKS).write(OLD)
        layer.add_mag(2, **CHUNKS).write(OLD[::2, ::2, ::2])

    return prepare


def _delete_mag(place: Path) -> None:
    wk.Dataset.open(place / "d").get_layer("color").delete_mag(1)


def _mag_deleted(place: Path, *, finished: bool) -> None:
    layer = opened(place).get_layer("color")
    holds(layer.get_mag(2), OLD[::2, ::2, ::2])
    if wk.Mag(1) in layer.mags:
        assert not finished
        holds(layer.get_mag(1), OLD)
        layer.delete_mag(1)
    layer.add_mag(1, **CHUNKS).write(NEW)
    again = wk.Dataset.open(place / "d").get_layer("color")
    holds(again.get_mag(1), NEW)
    holds(again.get_mag(2), OLD[::2, ::2, ::2])
    is_tidy(place)


def _delete_coarse_mag(place: Path) -> None:
    wk.Dataset.open(place / "d").get_layer("color").delete_mag(2)


def _coarse_mag_deleted(place: Path, *, finished: bool) -> None:
    layer = opened(place).get_layer("color")
    if wk.Mag(2) in layer.mags:
        assert not finished
        holds(layer.get_mag(2), OLD[::2, ::2, ::2])
        layer.delete_mag(2)
    layer.get_mag(1).write(np.full(SIZE, 7, "u1"))
    layer.downsample(from_mag=1, coarsest_mag=2, sampling_mode="isotropic", **CHUNKS)
    assert (wk.Dataset.open(place / "d").get_layer("color").get_mag(2).read() == 7).all()
    is_tidy(place)


def _delete_layer(place: Path) -> None:
    wk.Dataset.open(place / "d").delete_layer("color")


def _layer_deleted(place: Path, *, finished: bool) -> None:
    dataset = opened(place)
    if "color" in dataset.layers:
        assert not finished
        holds(dataset.get_layer("color").get_mag(1), OLD)
        holds(dataset.get_layer("color").get_mag(2), OLD[::2, ::2, ::2])
        dataset.delete_layer("color")
    layer = dataset.add_layer("color", "color", bounding_box=wk.BoundingBox((0, 0, 0), SIZE))
    layer.add_mag(1, **CHUNKS).write(NEW)
    holds(wk.Dataset.open(place / "d").get_layer("color").get_mag(1), NEW)
    assert {path.name for path in (place / "d" / "color").iterdir()} <= {"1", "zarr.json", ".wkplug.lock"}
    is_tidy(place)


# --- upsampling -------------------------------------------------------------------------------------------


def _coarse(data_format: str) -> Callable[[Path], None]:
    def prepare(place: Path) -> None:
        dataset = wk.Dataset(place / "d", voxel_size=(1, 1, 1))
        layer = dataset.add_layer(
            "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), SIZE)
        )
        layer.add_mag(8, chunk_shape=8, shard_shape=8).write(OLD[:8, :8, :8])

    return prepare


def _upsample(place: Path) -> None:
    layer = wk.Dataset.open(place / "d").get_layer("color")
    layer.upsample(8, sampling_mode="isotropic", **CHUNKS)


def _repeated(mag: int) -> np.ndarray:
    voxels = OLD[:8, :8, :8]
    for axis in range(3):
        voxels = voxels.repeat(8 // mag, axis)
    return voxels


def _upsampled(place: Path, *, finished: bool) -> None:
    layer = opened(place).get_layer("color")
    for mag, view in layer.mags.items():
        holds(view, _repeated(mag.x))
    if not finished:
        try:
            _upsample(place)
        except errors.MagExistsError:
            # Killed after its very last change it had done all, and no mark is left to tell.
            assert list(layer.mags) == [wk.Mag(1), wk.Mag(2), wk.Mag(4), wk.Mag(8)]
    layer = wk.Dataset.open(place / "d").get_layer("color")
    assert list(layer.mags) == [wk.Mag(1), wk.Mag(2), wk.Mag(4), wk.Mag(8)]
    for mag, view in layer.mags.items():
        holds(view, _repeated(mag.x))
    is_tidy(place)


# --- copying ----------------------------------------------------------------------------------------------


def _copy_dataset(place: Path, **how: object) -> None:
    wk.Dataset.open(place / "d").copy_dataset(place / "copy", **how)


def _copy_layer(place: Path) -> None:
    target = wk.Dataset(place / "copy", voxel_size=(1, 1, 1), exist_ok=True)
    target.add_layer_as_copy(wk.Dataset.open(place / "d").get_layer("color"))


def _with_attachment(place: Path) -> None:
    dataset = wk.Dataset(place / "d", voxel_size=(1, 1, 1))
    layer = dataset.add_layer(
        "color", "segmentation", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), SIZE)
    ).as_segmentation_layer()
    layer.add_mag(1, **CHUNKS).write(OLD)
    layer.add_mag(2, **CHUNKS).write(OLD[::2, ::2, ::2])
    folder = place / "d" / "color" / "meshes" / "m"
    folder.mkdir(parents=True)
    for name in ("zarr.json", "a", "b"):
        (folder / name).write_text(name)
    layer.attachments.add_attachment_as_ref(wk.MeshAttachment("m", folder, data_format="zarr3"))


def _copied_with_attachment(place: Path, *, finished: bool) -> None:
    _copied(_copy_layer)(place, finished=finished)
    mesh = wk.Dataset.open(place / "copy").get_segmentation_layer("color").attachments.meshes[0]
    folder = place / "copy" / "color" / "meshes" / "m"
    # Half-written temporary files stay, see `is_tidy`.
    found = {
        path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".wkplug-tmp-")
    }
    assert mesh.location.local_path() == str(place / "copy" / "color" / "meshes" / "m")
    assert found == {"zarr.json": "zarr.json", "a": "a", "b": "b"}


def _overwrite(place: Path) -> None:
    from wkplug.cli.converting import delete_dataset

    delete_dataset(str(place / "d"), ())


def _overwritten(place: Path, *, finished: bool) -> None:
    if (place / "d").exists():
        assert not finished
        layer = opened(place).get_layer("color")
        holds(layer.get_mag(1), OLD)
    _overwrite(place)
    assert not (place / "d").exists()
    layer = wk.Dataset(place / "d", voxel_size=(1, 1, 1)).add_layer(
        "color", "color", bounding_box=wk.BoundingBox((0, 0, 0), SIZE)
    )
    layer.add_mag(1, **CHUNKS).write(NEW)
    holds(layer.get_mag(1), NEW)
    _overwrite(place)
    assert [path for path in place.iterdir() if "lock" not in path.name] == []


def _copied(copy: Callable[[Path], None]) -> Callable[..., None]:
    def check(place: Path, *, finished: bool) -> None:
        if (place / "copy" / "datasource-properties.json").exists():
            for layer in opened(place, "copy").layers.values():
                for mag, view in layer.mags.items():
                    holds(view, OLD if mag == wk.Mag(1) else OLD[::2, ::2, ::2])
        if not finished:
            try:
                copy(place)
            except (errors.DatasetExistsError, errors.LayerExistsError):
                is_tidy(
                    place
                )  # killed after its very last change: it had done all, and no mark is left to tell
        for name in ("d", "copy"):
            layer = opened(place, name).get_layer("color")
            assert list(layer.mags) == [wk.Mag(1), wk.Mag(2)]
            holds(layer.get_mag(1), OLD)
            holds(layer.get_mag(2), OLD[::2, ::2, ::2])
        is_tidy(place)

    return check


def _copy_rewritten(place: Path) -> None:
    _copy_dataset(place, data_format="wkw")


# --- rewriting in place, renaming, computing anew -----------------------------------------------------------


def _rechunk(place: Path) -> None:
    wk.Dataset.open(place / "d").get_layer("color").get_mag(1).rechunk(chunk_shape=16, shard_shape=64)


def _rechunked(place: Path, *, finished: bool) -> None:
    holds(opened(place).get_layer("color").get_mag(1), OLD)
    _rechunk(place)
    layer = wk.Dataset.open(place / "d").get_layer("color")
    assert layer.get_mag(1).info.shard_shape == wk.Vec3Int(64, 64, 64)
    holds(layer.get_mag(1), OLD)
    is_tidy(place)


def _rename_layer(place: Path) -> None:
    wk.Dataset.open(place / "d").get_layer("color").name = "renamed"


def _renamed(place: Path, *, finished: bool) -> None:
    dataset = opened(place)
    if "color" in dataset.layers:
        assert not finished
        _rename_layer(place)
    layer = wk.Dataset.open(place / "d").get_layer("renamed")
    holds(layer.get_mag(1), OLD)
    holds(layer.get_mag(2), OLD[::2, ::2, ::2])
    is_tidy(place)


def _redownsample(place: Path) -> None:
    wk.Dataset.open(place / "d").get_layer("color").redownsample(interpolation_mode="nearest")


def _redownsampled(place: Path, *, finished: bool) -> None:
    layer = opened(place).get_layer("color")
    holds(layer.get_mag(1), OLD)
    try:
        layer.get_mag(2).read()
    except errors.IncompleteMagError as error:
        assert not finished
        no_advice_to_delete(error)
    _redownsample(place)
    layer = wk.Dataset.open(place / "d").get_layer("color")
    holds(layer.get_mag(2), OLD[::2, ::2, ::2])
    is_tidy(place)


SCENARIOS = {
    **{
        f"delete_mag-{kind}": Scenario(_with_two_mags(kind), _delete_mag, _mag_deleted)
        for kind in ("zarr3", "wkw")
    },
    "delete_mag_then_downsample": Scenario(_with_two_mags("zarr3"), _delete_coarse_mag, _coarse_mag_deleted),
    **{
        f"delete_layer-{kind}": Scenario(_with_two_mags(kind), _delete_layer, _layer_deleted)
        for kind in ("zarr3", "wkw")
    },
    "upsample": Scenario(_coarse("zarr3"), _upsample, _upsampled),
    "copy_dataset": Scenario(_with_two_mags("zarr3"), _copy_dataset, _copied(_copy_dataset)),
    "copy_dataset_rewritten": Scenario(_with_two_mags("zarr3"), _copy_rewritten, _copied(_copy_rewritten)),
    "copy_layer_with_attachment": Scenario(_with_attachment, _copy_layer, _copied_with_attachment),
    "overwrite": Scenario(_with_two_mags("zarr3"), _overwrite, _overwritten),
    "rechunk": Scenario(_with_two_mags("zarr3"), _rechunk, _rechunked),
    "rename_layer": Scenario(_with_two_mags("zarr3"), _rename_layer, _renamed),
    "redownsample": Scenario(_with_two_mags("zarr3"), _redownsample, _redownsampled),
    "copy_layer": Scenario(_with_two_mags("zarr3"), _copy_layer, _copied(_copy_layer)),
}
