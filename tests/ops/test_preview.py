"""The planes of the preview: which voxels are shown, how they are coloured, and what is never read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow

import wkplug as wk
from wkplug.errors import IncompleteMagError, InvalidArgumentError, UnknownNameError
from wkplug.ops import preview

if TYPE_CHECKING:
    from pathlib import Path


def make(tmp_path: Path, voxel_size: tuple[float, float, float] = (4, 4, 40)) -> wk.Dataset:
    return wk.Dataset(tmp_path / "ds", voxel_size=voxel_size)


def add(dataset: wk.Dataset, name: str, data: Any, category: str = "color", **options: Any) -> wk.Layer:
    """Add a layer of (c, x, y, z) or (x, y, z)."""
    channels = data.shape[0] if data.ndim == 4 else 1
    layer = dataset.add_layer(
        name, category, dtype=data.dtype, num_channels=channels,
        bounding_box=wk.BoundingBox(options.get("topleft", (0, 0, 0)), data.shape[-3:]),
    )  # fmt: skip
    layer.add_mag(1, shard_shape=64).write(data, absolute_offset=options.get("topleft", (0, 0, 0)))
    return layer


def ramp(*shape: int) -> Any:
    return np.arange(np.prod(shape), dtype="uint16").reshape(shape)


def test_three_planes_through_the_middle_with_physical_sizes(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    add(dataset, "em", ramp(30, 20, 10), topleft=(5, 6, 7))
    sheet = preview.contact_sheet(dataset.state)
    ((title, panels),) = sheet.rows
    assert "em" in title
    assert [panel.caption for panel in panels] == ["xy at z = 12", "xz at y = 16", "zy at x = 20"]
    assert [panel.pixels.shape for panel in panels] == [(20, 30, 3), (10, 30, 3), (20, 10, 3)]
    assert [panel.pixel_size for panel in panels] == [(4, 4), (4, 40), (40, 4)]
    plane = ramp(30, 20, 10)[:, :, 5].T.astype(float)
    order = np.argsort(plane.ravel(), kind="stable")
    assert (np.diff(panels[0].pixels[..., 0].ravel()[order].astype(int)) >= 0).all()


def test_a_single_section_has_one_plane(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    add(dataset, "em", ramp(30, 20, 1))
    assert len(preview.contact_sheet(dataset.state).rows[0][1]) == 1


def test_colours_are_shown_as_they_are(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    data = np.random.default_rng(0).integers(0, 255, (3, 9, 8, 1)).astype("uint8")
    add(dataset, "rgb", data)
    panel = preview.contact_sheet(dataset.state).rows[0][1][0]
    assert np.array_equal(panel.pixels, data[..., 0].transpose(2, 1, 0))


@pytest.mark.filterwarnings("ignore:A layer with", "ignore:.*can't be shown by every viewer")
def test_arrays_of_another_dtype_than_the_layers_are_shown(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    add(dataset, "rgb", np.random.default_rng(0).integers(0, 9999, (3, 9, 8, 1)).astype("uint16"))
    file = next(tmp_path.rglob("datasource-properties.json"))
    file.write_text(file.read_text().replace('"uint16"', '"uint24"'))
    panel = preview.contact_sheet(wk.Dataset.open(file.parent).state).rows[0][1][0]
    assert panel.pixels.dtype == np.uint8


def test_values_that_are_no_numbers_are_black(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    data = np.linspace(1, 2, 200, dtype="float32").reshape(20, 10, 1)
    data[0, 0], data[1, 0], data[2, 0] = np.nan, np.inf, -np.inf
    add(dataset, "f", data)
    data[:] = np.nan
    add(dataset, "nothing", data)
    first, second = preview.contact_sheet(dataset.state).rows
    pixels = first[1][0].pixels[..., 0]
    assert (pixels[0, 0], pixels[0, 2]) == (0, 0)
    assert pixels[-1, -1] == 255
    assert not second[1][0].pixels.any()


@pytest.mark.parametrize("dtype", ["uint64", "int64", "int32", "uint8"])
def test_ids_get_colours_of_their_own_also_huge_and_negative_ones(tmp_path: Path, dtype: str) -> None:
    dataset = make(tmp_path)
    first = np.iinfo(dtype).max - 20
    ids = np.array([0, *(first + step for step in range(11))], dtype)
    ids = ids if dtype == "uint8" or dtype.startswith("u") else np.concatenate([ids, -ids[1:]])
    add(dataset, "seg", ids.reshape(-1, 1, 1), "segmentation")
    colours = preview.contact_sheet(dataset.state).rows[0][1][0].pixels[0]
    assert not colours[0].any()
    assert len({tuple(colour) for colour in colours}) == len(ids)


def test_labels_lie_over_the_image_of_the_same_place(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    labels = np.zeros((30, 20, 1), "uint8")
    labels[10:20] = 5
    add(dataset, "seg", labels, "segmentation")
    alone = preview.contact_sheet(dataset.state).rows[0][1][0].pixels
    assert not alone[0, 0].any()
    add(dataset, "other", ramp(60, 60, 1))
    add(dataset, "em", ramp(30, 20, 1))
    sheet = {title.split()[0]: panels for title, panels in preview.contact_sheet(dataset.state).rows}
    over, image = sheet["seg"][0].pixels, sheet["em"][0].pixels
    assert np.array_equal(over[:, :10], image[:, :10])
    assert np.array_equal(over[:, 10:20], (alone[:, 10:20].astype(int) + image[:, 10:20]) // 2)


def test_further_axes_show_their_first_place(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    box = wk.NDBoundingBox((0, 0, 0, 0, 0), (2, 1, 9, 8, 7), ("t", "c", "x", "y", "z"))
    layer = dataset.add_layer("t", "color", bounding_box=box)
    data = np.random.default_rng(0).integers(0, 255, (2, 1, 9, 8, 7)).astype("uint8")
    layer.add_mag(1).write(data)
    panel = preview.contact_sheet(dataset.state).rows[0][1][0]
    assert panel.pixels.shape == (8, 9, 3)
    plane = data[0, 0, :, :, 3].T
    assert panel.pixels[np.unravel_index(plane.argmax(), plane.shape)][0] == 255


@pytest.mark.parametrize(
    ("color", "brightest"),
    [((0, 255, 0), [0, 255, 0]), ((200, 100, 0), [200, 100, 0]), ((0, 0, 0), [255] * 3)],
)
def test_images_are_tinted_in_their_colour(tmp_path: Path, color: Any, brightest: list[int]) -> None:
    dataset = make(tmp_path)
    layer = add(dataset, "gfp", ramp(30, 20, 1))
    layer.default_view_configuration = wk.LayerViewConfiguration(color=color)
    pixels = preview.contact_sheet(dataset.state).rows[0][1][0].pixels
    assert pixels.reshape(-1, 3).max(axis=0).tolist() == brightest
    assert pixels.reshape(-1, 3).min(axis=0).tolist() == [0, 0, 0]


def test_the_title_says_which_time_point_is_shown(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    box = wk.NDBoundingBox((2, 0, 0, 0, 0), (7, 1, 30, 20, 4), ("t", "c", "x", "y", "z"))
    layer = dataset.add_layer("live", "color", dtype="uint8", bounding_box=box)
    layer.add_mag(1)
    ((title, _),) = preview.contact_sheet(dataset.state).rows
    assert "30 x 20 x 4, t 7   mags 1   (shown: 1, t = 2)" in title


def test_the_mag_is_just_fine_enough(tmp_path: Path) -> None:
    dataset = make(tmp_path, (1, 1, 1))
    layer = add(dataset, "em", np.ones((2100, 40, 40), "uint8"))
    layer.downsample(coarsest_mag=8, sampling_mode="isotropic")
    title, panels = preview.contact_sheet(dataset.state).rows[0]
    assert "shown: 4" in title
    assert panels[0].pixels.shape[:2] == (10, 525)
    assert panels[0].pixel_size == (4, 4)


def test_of_a_huge_layer_without_a_pyramid_the_middle_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "_MOST", 64)
    dataset = make(tmp_path)
    add(dataset, "em", np.ones((300, 200, 1), "uint8"))
    title, (panel,) = preview.contact_sheet(dataset.state).rows[0]
    assert panel.pixels.shape == (64, 64, 3)
    assert "the middle of it" in title


def test_layers_without_voxels_are_left_out(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    dataset.add_layer("empty", "color")
    dataset.add_layer("boxed", "color", bounding_box=wk.BoundingBox((0, 0, 0), (9, 9, 9)))
    with pytest.raises(InvalidArgumentError, match="has no voxels to show"):
        preview.contact_sheet(dataset.state)
    dataset.get_layer("boxed").add_mag(1)
    ((title, panels),) = preview.contact_sheet(dataset.state).rows
    assert "boxed" in title
    assert not panels[0].pixels.any()


def test_marked_mags_are_refused_unless_allowed(tmp_path: Path) -> None:
    from wkplug import storage

    dataset = make(tmp_path)
    layer = add(dataset, "em", ramp(30, 20, 10))
    storage.set_mark(layer.location.child("1"), storage.Mark(job="import em"))
    with pytest.raises(IncompleteMagError, match="import em"):
        preview.contact_sheet(wk.Dataset.open(dataset.path).state)
    assert preview.contact_sheet(wk.Dataset.open(dataset.path, allow_incomplete=True).state).rows


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_picture_is_written(tmp_path: Path, suffix: str) -> None:
    dataset = make(tmp_path)
    add(dataset, "em", ramp(30, 20, 10))
    preview.write_preview(dataset.state, tmp_path / f"p.{suffix}")
    with Pillow.open(tmp_path / f"p.{suffix}") as picture:
        assert picture.format == {"png": "PNG", "jpg": "JPEG"}[suffix]
        assert picture.width > 300
    with pytest.raises(UnknownNameError, match=r"\.bmp2"):
        preview.write_preview(dataset.state, tmp_path / "p.bmp2")


def test_large_planes_are_coloured_in_bounded_memory() -> None:
    import tracemalloc

    plane = np.arange(2048 * 1024, dtype="uint32").reshape(2048, 1024, 1)
    tracemalloc.start()
    try:
        found = preview._stretched(plane, (255, 0, 0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * plane.size
    assert (found[0, 0, 0], found[-1, -1, 0], found[..., 1:].max()) == (0, 255, 0)
    assert (np.diff(found[..., 0].astype(int).ravel()) >= 0).all()
