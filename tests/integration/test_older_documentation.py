"""The examples of the older documentation run as they stand there; only their import lines name this package.

Each runs as a script in a folder of its own. What the texts take for granted ("let mag1 be a MagView") is made
first. All old spellings in them warn, and nothing else does but the alignment of views.
"""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import wkplug as wk


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(script: str, **given: Any) -> tuple[dict[str, Any], list[str]]:
    """Run a script; give its names and the texts of its deprecation warnings."""
    names = dict(given)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(textwrap.dedent(script), "example.py", "exec"), names)
    others = [
        one
        for one in caught
        if one.category is not DeprecationWarning and "alignment" not in str(one.message)
    ]
    assert [str(one.message) for one in others] == []
    mine = [one for one in caught if one.category is DeprecationWarning]
    assert {one.filename for one in mine} <= {"example.py"}
    return names, [str(one.message) for one in mine]


def a_mag(voxels: int = 7) -> wk.MagView:
    """A mag whose voxels all are the same, so that the text's comparison of two places holds."""
    layer = wk.Dataset("a_dataset", voxel_size=(1, 1, 1)).add_layer(
        "color", "color", bounding_box=wk.BoundingBox((0, 0, 0), (200, 300, 400))
    )
    mag1 = layer.add_mag(1, chunk_shape=32, shard_shape=64)
    mag1.write(np.full((200, 300, 400), voxels, np.uint8))
    return mag1


def test_the_usage_example() -> None:
    wk.Dataset("testdata/simple_wk_dataset", voxel_size=(1, 1, 1)).add_layer("color", "color").add_mag(1)
    names, deprecated = run(
        """
        import numpy as np

        import wkplug as wk

        #####################
        # Opening a dataset #
        #####################

        dataset = wk.Dataset("testdata/simple_wk_dataset")
        # Assuming that the dataset has a layer "color"
        # and the layer has the magnification 1
        layer = dataset.get_layer("color")
        mag1 = layer.get_mag("1")


        ######################
        # Creating a dataset #
        ######################

        dataset = wk.Dataset.create("testoutput/my_new_dataset", scale=(1, 1, 1))
        layer = dataset.add_layer(
            layer_name="color", category="color", dtype_per_channel="uint8", num_channels=3
        )
        mag1 = layer.add_mag("1")
        mag1 = layer.add_mag("2")


        ##########################
        # Writing into a dataset #
        ##########################

        layer = dataset.get_layer("color")
        mag1 = layer.get_mag("1")
        mag2 = layer.get_mag("2")

        # The properties are updated automatically
        # when the written data exceeds the bounding box in the properties
        mag1.write(
            offset=(10, 20, 30),
            # assuming the layer has 3 channels:
            data=(np.random.rand(3, 512, 512, 32) * 255).astype(np.uint8),
        )

        mag2.write(
            offset=(5, 10, 15), data=(np.random.rand(3, 256, 256, 16) * 255).astype(np.uint8)
        )


        ##########################
        # Reading from a dataset #
        ##########################

        layer = dataset.get_layer("color")
        mag1 = layer.get_mag("1")
        mag2 = layer.get_mag("2")

        data_in_mag1 = mag1.read()  # the offset and size from the properties are used
        data_in_mag1_subset = mag1.read(offset=(10, 20, 30), size=(512, 512, 32))

        data_in_mag2 = mag2.read()
        data_in_mag2_subset = mag2.read(offset=(5, 10, 15), size=(256, 256, 16))


        #####################
        # Copying a dataset #
        #####################

        copy_of_dataset = dataset.copy_dataset(
            "testoutput/copy_of_dataset",
            block_len=8,
            file_len=8,
            compress=True,
        )
        new_layer = dataset.add_layer(
            layer_name="segmentation",
            category="segmentation",
            dtype_per_channel="uint8",
            largest_segment_id=0,
        )
        # Link a layer of the initial dataset to the copy:
        sym_layer = copy_of_dataset.add_symlink_layer(new_layer)
        """
    )
    assert np.array_equal(names["data_in_mag1"], names["data_in_mag1_subset"])
    assert np.array_equal(names["data_in_mag2"], names["data_in_mag2_subset"])
    copied = wk.Dataset.open("testoutput/copy_of_dataset")
    assert copied.layers.keys() == {"color", "segmentation"}
    mag1 = copied.get_layer("color").get_mag(1)
    assert np.array_equal(mag1.read(), names["data_in_mag1"])
    assert mag1.info.chunk_shape.to_tuple() == (8, 8, 8)
    assert mag1.info.shard_shape.to_tuple() == (64, 64, 64)
    assert Path("testoutput/copy_of_dataset/segmentation").is_symlink()
    for spelling in (
        "`Dataset(path)`", "`Dataset.create`", "(scale=...)", "`dtype_per_channel`", "`MagView.write(offset=...)`",
        "`View.read(offset=...)`", "(block_len=...)", "(file_len=...)", "add_symlink_layer",
    ):  # fmt: skip
        assert any(spelling in text for text in deprecated), spelling


def test_writing_a_segmentation_layer() -> None:
    from wkplug import SEGMENTATION_CATEGORY, Dataset, Mag, SegmentationLayer

    names, deprecated = run(
        """
        ds = Dataset(DS_PATH, voxel_size=(1, 1, 1))

        segmentation_layer = cast(
            SegmentationLayer,
            ds.add_layer("segmentation", SEGMENTATION_CATEGORY),
        )
        mag = segmentation_layer.add_mag(Mag(1))

        mag.write(data=MY_NP_ARRAY)

        segmentation_layer.refresh_largest_segment_id()
        """,
        Dataset=Dataset, Mag=Mag, SegmentationLayer=SegmentationLayer, SEGMENTATION_CATEGORY=SEGMENTATION_CATEGORY,
        cast=cast, DS_PATH="ds", MY_NP_ARRAY=np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    )  # fmt: skip
    assert names["segmentation_layer"].largest_segment_id == 23
    assert names["segmentation_layer"].bounding_box == wk.BoundingBox((0, 0, 0), (2, 3, 4))
    assert deprecated == [
        "[DEPRECATION] `MagView.write(data) to a layer with an empty bounding box` is deprecated, "
        "please use `allow_resize=True` instead."
    ]


def test_reading_from_a_view() -> None:
    run(
        """
        import numpy as np

        # ...
        # let mag1 be a MagView
        view = mag1.get_view(absolute_offset=(10, 20, 30), size=(100, 200, 300))

        assert np.array_equal(
            view.read(absolute_offset=(0, 0, 0), size=(100, 200, 300)),
            view.read(),
        )
        """,
        mag1=a_mag(),
    )


def test_views_of_views() -> None:
    mag1 = a_mag()
    names, _ = run(
        """
        # ...
        # let mag1 be a MagView
        view = mag1.get_view(absolute_offset=(10, 20, 30), size=(100, 200, 300))

        # works because the specified sub-view is completely in the bounding box of the view
        sub_view = view.get_view(relative_offset=(50, 60, 70), size=(10, 120, 230))
        """,
        mag1=mag1,
    )
    assert names["sub_view"].bounding_box == wk.BoundingBox((60, 80, 100), (10, 120, 230))
    with pytest.raises(AssertionError):
        run(
            """
            # fails because the specified sub-view is not completely in the bounding box of the view
            invalid_sub_view = view.get_view(relative_offset=(50, 60, 70), size=(999, 120, 230))
            """,
            view=names["view"],
        )
    names, _ = run(
        """
        # works because `read_only=True`
        valid_sub_view = view.get_view(relative_offset=(50, 60, 70), size=(999, 120, 230), read_only=True)
        """,
        view=names["view"],
    )
    assert names["valid_sub_view"].read_only


def test_buffered_slices() -> None:
    mag1 = a_mag(0)
    cube = np.random.default_rng(1).integers(0, 255, (400, 200, 300), np.uint8)
    run(
        """
        with view.get_buffered_slice_writer() as writer:
            for data_slice in data_cube:
                writer.send(data_slice)
        """,
        view=mag1,
        data_cube=cube,
    )
    assert np.array_equal(mag1.read()[0], cube.transpose(1, 2, 0))
    names, _ = run(
        """
        seen = []
        with view.get_buffered_slice_reader() as reader:
            for slice_data in reader:
                seen.append(slice_data)
        """,
        view=mag1,
    )
    assert np.array_equal(np.stack(names["seen"])[:, 0], cube)


def test_chunk_wise_work() -> None:
    mag1 = a_mag()
    names, _ = run(
        """
        from wkplug.utils import named_partial

        def some_work(args: Tuple[View, int], some_parameter: int) -> None:
            view_of_single_chunk, i = args
            # perform operations on the view
            ...

        # ...
        # let 'mag1' be a [`MagView`](../../webknossos/dataset/mag_view.html#MagView)
        func = named_partial(some_work, some_parameter=42)
        mag1.for_each_chunk(
            func,
        )
        """,
        mag1=mag1, View=wk.View, Tuple=tuple,
    )  # fmt: skip
    assert names["func"].__name__ == "some_work"
    names, _ = run(
        """
        from wkplug.utils import named_partial

        def some_work(view: View, some_parameter: int) -> None:
            # perform operations on the view
            ...

        # ...
        # let 'mag1' be a [`MagView`](../../webknossos/dataset/mag_view.html#MagView)
        func = named_partial(some_work, some_parameter=42)
        results = mag1.map_chunk(
            func,
        )
        """,
        mag1=mag1, View=wk.View,
    )  # fmt: skip
    assert names["results"] == [None] * (4 * 5 * 7)


def test_downsampling() -> None:
    layer = a_mag().layer
    run(
        """
        from wkplug import SamplingModes
        # let 'layer' be a `Layer` with only `Mag(1)`
        assert "1" in self.mags.keys()
        layer.downsample(
            coarsest_mag=Mag(4),
            sampling_mode=SamplingModes.ISOTROPIC
        )
        assert "2" in self.mags.keys()
        assert "4" in self.mags.keys()
        """,
        layer=layer, self=layer, Mag=wk.Mag,
    )  # fmt: skip
