"""What N5 groups and precomputed volumes are described as."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
from hypothesis import given, settings
from hypothesis import strategies as st
from wkplug_tensorstore.n5_import import N5Importer
from wkplug_tensorstore.precomputed_import import PrecomputedImporter

import wkplug as wk
from tests.servers.files import serve_files
from wkplug import storage
from wkplug.abc import ProbeScore
from wkplug.errors import CorruptDataError, MissingError, UnsupportedOperationError
from wkplug.ops.importing.containers import check_chunks


def n5(path: Path, shape: tuple[int, ...] = (40, 30, 20), **attributes: Any) -> None:
    spec = {"driver": "n5", "kvstore": f"file://{path}/", "create": True, "delete_existing": True}
    metadata = {
        "dimensions": shape,
        "blockSize": [16] * len(shape),
        "dataType": "uint8",
        "compression": {"type": "gzip"},
    }
    tensorstore.open({**spec, "metadata": metadata}).result().write(np.ones(shape, "u1")).result()
    extend(path, attributes)


def extend(path: Path, attributes: dict[str, Any]) -> None:
    file = path / "attributes.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    path.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**known, **attributes}))


def test_cosem_transforms_say_sizes_and_place(tmp_path: Path) -> None:
    n5(tmp_path / "a.n5" / "s0")
    n5(tmp_path / "a.n5" / "s1", (20, 15, 20))
    datasets = [
        {
            "path": f"s{level}",
            "transform": {
                "axes": ["z", "y", "x"], "scale": [40.0, 4.0 * 2**level, 4.0 * 2**level],
                "translate": [400.0, 0.0, 80.0], "units": ["nm"] * 3,
            },
        }
        for level in range(2)
    ]  # fmt: skip
    extend(
        tmp_path / "a.n5",
        {"multiscales": [{"name": "a", "datasets": datasets}], "scales": [[1, 1, 1], [2, 2, 1]]},
    )
    place = storage.locate(tmp_path / "a.n5")
    assert N5Importer().probe(place) == ProbeScore.CERTAIN
    (layer,) = N5Importer().describe(place)
    assert (layer.name, layer.voxel_size, layer.offset) == ("a", (4.0, 4.0, 40.0), (20, 0, 10))
    assert [(mag.mag, mag.axes) for mag in layer.mags] == [
        ((1, 1, 1), ("x", "y", "z")),
        ((2, 2, 1), ("x", "y", "z")),
    ]


def test_sizes_and_factors_are_found_where_viewers_put_them(tmp_path: Path) -> None:
    n5(tmp_path / "viewer" / "s0", (40, 30, 20, 2))
    n5(tmp_path / "viewer" / "s1", (20, 15, 10, 2), downsamplingFactors=[2, 2, 2, 1])
    extend(tmp_path / "viewer", {"pixelResolution": {"unit": "um", "dimensions": [0.5, 0.5, 1.0]}})
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "viewer"))
    assert layer.voxel_size == (500.0, 500.0, 1000.0)
    assert [mag.mag for mag in layer.mags] == [(1, 1, 1), (2, 2, 2)]
    assert layer.mags[0].axes == ("x", "y", "z", "c")
    n5(tmp_path / "plain" / "s0")
    n5(tmp_path / "plain" / "s1", (20, 15, 20))
    (tmp_path / "plain" / "attributes.json").write_text("{}")
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "plain"))
    assert (layer.voxel_size, [mag.mag for mag in layer.mags]) == ((None, None, None), [(1, 1, 1), (2, 2, 1)])


def test_setups_and_bare_arrays_are_layers(tmp_path: Path) -> None:
    extend(tmp_path / "bdv.n5", {"n5": "2.5.0"})
    for setup in range(2):
        extend(
            tmp_path / "bdv.n5" / f"setup{setup}", {"downsamplingFactors": [[1, 1, 1]], "dataType": "uint8"}
        )
        n5(tmp_path / "bdv.n5" / f"setup{setup}" / "timepoint0" / "s0")
    layers = N5Importer().describe(storage.locate(tmp_path / "bdv.n5"))
    assert [layer.name for layer in layers] == ["setup0", "setup1"]
    n5(tmp_path / "bare", resolution=[4, 4, 40], units="nm")
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "bare"))
    assert (layer.name, layer.voxel_size) == ("bare", (4.0, 4.0, 40.0))


@pytest.mark.parametrize(
    ("xml", "sizes"),
    [
        (
            "<SpimData><SequenceDescription><ViewSetups>"
            "<ViewSetup><id>1</id><voxelSize><unit>\u00b5m</unit><size>0.5 0.5 2.0</size></voxelSize></ViewSetup>"
            "<ViewSetup><id>0</id><voxelSize><unit>pixel</unit><size>1 1 1</size></voxelSize></ViewSetup>"
            "</ViewSetups></SequenceDescription></SpimData>",
            [(None, None, None), (500.0, 500.0, 2000.0)],
        ),
        ("<SpimData><ViewSetup>", [(None, None, None)] * 2),
        ("<!DOCTYPE x><SpimData/>", [(None, None, None)] * 2),
        (None, [(None, None, None)] * 2),
    ],
)
def test_the_xml_beside_setups_says_their_sizes(tmp_path: Path, xml: str | None, sizes: list[Any]) -> None:
    extend(tmp_path / "bdv.n5", {"n5": "2.5.0"})
    for setup in range(2):
        extend(
            tmp_path / "bdv.n5" / f"setup{setup}", {"downsamplingFactors": [[1, 1, 1]], "dataType": "uint8"}
        )
        n5(tmp_path / "bdv.n5" / f"setup{setup}" / "timepoint0" / "s0")
    if xml is not None:
        (tmp_path / "bdv.xml").write_text(xml, "utf-8")
    layers = N5Importer().describe(storage.locate(tmp_path / "bdv.n5"))
    assert [layer.voxel_size for layer in layers] == sizes
    told = [note for layer in layers for note in layer.notes if "that is not applied" in note]
    assert len(told) == (xml or "").count("<id>")


def test_precomputed_scales_are_mags_and_keep_their_place(tmp_path: Path) -> None:
    for level in range(2):
        tensorstore.open(
            {
                "driver": "neuroglancer_precomputed", "kvstore": f"file://{tmp_path}/seg.precomputed/", "create": True,
                "multiscale_metadata": {"type": "segmentation", "data_type": "uint32", "num_channels": 1},
                "scale_metadata": {
                    "resolution": [4 * 2**level, 4 * 2**level, 40], "size": [64 >> level, 64 >> level, 8],
                    "voxel_offset": [10 >> level, 20 >> level, 30], "chunk_size": [32, 32, 8], "encoding": "raw",
                },
            }
        ).result()  # fmt: skip
    place = storage.locate(tmp_path / "seg.precomputed")
    assert PrecomputedImporter().probe(place) == ProbeScore.CERTAIN
    (layer,) = PrecomputedImporter().describe(place)
    assert (layer.name, layer.category, layer.voxel_size) == ("seg", "segmentation", (4.0, 4.0, 40.0))
    assert (layer.offset, layer.begin) == ((0, 0, 0), (10, 20, 30))
    assert [mag.mag for mag in layer.mags] == [(1, 1, 1), (2, 2, 1)]
    (tmp_path / "seg.precomputed" / "info").write_text('{"scales": [{"key": "a"}]}')
    with pytest.raises(CorruptDataError, match="its scales can't be read"):
        PrecomputedImporter().describe(place)


def test_other_folders_are_not_claimed(tmp_path: Path) -> None:
    place = storage.locate(tmp_path)
    for importer in (N5Importer(), PrecomputedImporter()):
        assert importer.probe(place) == ProbeScore.NO
        with pytest.raises(MissingError):
            importer.describe(place)
    (tmp_path / "attributes.json").write_text("{}")
    assert N5Importer().probe(place) == ProbeScore.NO
    (tmp_path / "attributes.json").write_text('{"dimensions": 3}')
    with pytest.raises(CorruptDataError, match="its dimensions are no list"):
        N5Importer().describe(place)
    (tmp_path / "attributes.json").write_text("{")
    assert N5Importer().probe(place) == ProbeScore.MARKER


@pytest.mark.parametrize("told", ["dataset", "group", "transform"])
def test_a_coarser_dataset_that_is_all_there_is_keeps_its_mag(tmp_path: Path, told: str) -> None:
    group = tmp_path / "a.n5"
    transform = {
        "axes": ["z", "y", "x"],
        "scale": [40.0, 8.0, 8.0],
        "translate": [0.0, 2.0, 2.0],
        "units": ["nm"] * 3,
    }
    finest = {**transform, "scale": [40.0, 4.0, 4.0], "translate": [0.0] * 3}
    n5(group / "s1", (20, 15, 20), **({"downsamplingFactors": [2, 2, 1]} if told == "dataset" else {}))
    extend(
        group,
        {
            "dataset": {"pixelResolution": [4, 4, 40], "units": "nm"},
            "group": {
                "pixelResolution": {"unit": "nm", "dimensions": [4, 4, 40]},
                "scales": [[1, 1, 1], [2, 2, 1]],
            },
            "transform": {
                "multiscales": [
                    {
                        "datasets": [
                            {"path": "s1", "transform": transform},
                            {"path": "s0", "transform": finest},
                        ]
                    }
                ]
            },
        }[told],
    )
    for place in (group, group / "s1"):
        (layer,) = N5Importer().describe(storage.locate(place))
        assert (layer.name, layer.voxel_size, layer.offset) == ("a", (4.0, 4.0, 40.0), (0, 0, 0))
        assert [(mag.mag, mag.location.name) for mag in layer.mags] == [((2, 2, 1), "s1")]
        assert layer.notes == ()


def test_n5_scales_are_sorted_and_guesses_are_told(tmp_path: Path) -> None:
    n5(tmp_path / "a" / "s0", (20, 15, 20))
    n5(tmp_path / "a" / "s1")
    extend(tmp_path / "a", {"scales": [[2, 2, 1], [1, 1, 1]], "resolution": [4, 4, 40], "units": ["nm"] * 3})
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "a"))
    assert [(mag.mag, mag.location.name) for mag in layer.mags] == [((1, 1, 1), "s1"), ((2, 2, 1), "s0")]
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "a" / "s0"))
    assert (layer.mags[0].mag, layer.voxel_size) == ((2, 2, 1), (4.0, 4.0, 40.0))
    n5(tmp_path / "b" / "s2")
    (tmp_path / "b" / "attributes.json").write_text("{}")
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "b"))
    assert layer.notes == (
        f"{tmp_path}/b has s2, but nothing finer, and says nothing of its resolution: it was taken for full "
        "resolution.",
    )
    extend(tmp_path / "b" / "s2", {"downsamplingFactors": [0, 1, 1]})
    with pytest.raises(
        CorruptDataError, match=r"downsamplingFactors \[0, 1, 1\] are no whole numbers above 0"
    ):
        N5Importer().describe(storage.locate(tmp_path / "b"))


def test_images_and_arrays_below_a_container_are_layers(tmp_path: Path) -> None:
    extend(tmp_path / "cell.n5", {"n5": "2.5.0"})
    n5(tmp_path / "cell.n5" / "em" / "fibsem" / "s0")
    n5(tmp_path / "cell.n5" / "labels" / "er" / "s0")
    n5(tmp_path / "cell.n5" / "mask")
    layers = N5Importer().describe(storage.locate(tmp_path / "cell.n5"))
    assert [layer.name for layer in layers] == ["em_fibsem", "labels_er", "mask"]


def test_time_points_that_are_left_out_are_told(tmp_path: Path) -> None:
    extend(tmp_path / "bdv.n5", {"n5": "2.5.0"})
    for time in range(3):
        n5(tmp_path / "bdv.n5" / "setup0" / f"timepoint{time}" / "s0")
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "bdv.n5"))
    assert layer.notes == ("It has 3 time points, of which the first, timepoint0, is imported.",)


def precomputed(
    place: Path,
    *,
    offset: tuple[int, int, int] = (0, 0, 0),
    encoding: str = "raw",
    level: int = 0,
    dtype: str = "uint16",
) -> Any:
    """A volume of 40 x 30 x 20 voxels in chunks of 16, and what is in it."""
    data = np.random.default_rng(3).integers(1, 250, (40, 30, 20, 1)).astype(dtype)
    array = tensorstore.open(
        {
            "driver": "neuroglancer_precomputed", "kvstore": f"file://{place}/", "create": True, "open": True,
            "multiscale_metadata": {"type": "image", "data_type": dtype, "num_channels": 1},
            "scale_metadata": {
                "resolution": [4 << level, 4 << level, 40], "size": [40, 30, 20], "voxel_offset": offset,
                "chunk_size": [16, 16, 16], "encoding": encoding,
                **({"compressed_segmentation_block_size": [8, 8, 8]} if encoding[0] == "c" else {}),
            },
        }
    ).result()  # fmt: skip
    array[...] = data
    return data[..., 0]


def pack(place: Path, suffix: str = ".gz", key: str = "4_4_40") -> list[Path]:
    """Compress chunks as files, as CloudVolume does."""
    packers = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    chunks = sorted((place / key).iterdir())
    for chunk in chunks:
        chunk.with_name(chunk.name + suffix).write_bytes(packers[suffix](chunk.read_bytes()))
        chunk.unlink()
    return chunks


@pytest.mark.filterwarnings("ignore:.*it was moved to begin at 0")
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("offset", [(0, 0, 0), (10, 0, 3), (-10, 5, -1)])
def test_chunks_that_are_compressed_as_files_are_read(
    tmp_path: Path, suffix: str, offset: tuple[int, int, int]
) -> None:
    data = precomputed(tmp_path / "a", offset=offset, encoding="png")
    chunks = pack(tmp_path / "a", suffix)
    # One of them isn't compressed, and one is missing: it was never written.
    packed = chunks[3].with_name(chunks[3].name + suffix)
    chunks[3].write_bytes({".gz": gzip, ".bz2": bz2, ".xz": lzma}[suffix].decompress(packed.read_bytes()))
    packed.unlink()
    last = chunks[-1].name
    chunks[-1].with_name(last + suffix).unlink()
    box = tuple(
        slice(*(int(number) - low for number in re.split(r"(?<=\d)-", part)))
        for part, low in zip(last.split("_"), offset, strict=True)
    )
    data[box] = 0
    dataset = wk.Dataset.from_images(tmp_path / "a", tmp_path / "out", (4, 4, 40))
    view = dataset.get_layer("a").get_mag(1)
    corner = tuple(max(0, low) for low in offset)
    assert view.bounding_box == wk.BoundingBox(corner, (40, 30, 20))
    assert np.array_equal(view.read()[0], data)


@pytest.mark.filterwarnings("ignore:.*it was moved to begin at 0")
@pytest.mark.parametrize("encoding", ["raw", "png", "compressed_segmentation"])
@pytest.mark.parametrize("offset", [(0, 0, 0), (-10, 5, -20)])
def test_gzipped_chunks_without_a_suffix_are_read(
    tmp_path: Path, encoding: str, offset: tuple[int, int, int]
) -> None:
    dtype = "uint32" if encoding == "compressed_segmentation" else "uint16"
    data = precomputed(tmp_path / "a", offset=offset, encoding=encoding, dtype=dtype)
    for number, chunk in enumerate(sorted((tmp_path / "a" / "4_4_40").iterdir())):
        if number != 4:  # written before the bucket was told to compress
            chunk.write_bytes(gzip.compress(chunk.read_bytes()))
    dataset = wk.Dataset.from_images(tmp_path / "a", tmp_path / "out", (4, 4, 40), layer_category="color")
    assert np.array_equal(dataset.get_layer("a").get_mag(1).read()[0], data)


def test_raw_voxels_that_look_like_gzip_are_voxels(tmp_path: Path) -> None:
    data = precomputed(tmp_path / "a")
    first = tmp_path / "a" / "4_4_40" / "0-16_0-16_0-16"
    first.write_bytes(b"\x1f\x8b\x08\x00" + first.read_bytes()[4:])
    data[:2, 0, 0] = (0x8B1F, 8)
    dataset = wk.Dataset.from_images(tmp_path / "a", tmp_path / "out", (4, 4, 40))
    assert np.array_equal(dataset.get_layer("a").get_mag(1).read()[0], data)


def test_a_gzipped_chunk_that_was_cut_is_damaged(tmp_path: Path) -> None:
    precomputed(tmp_path / "a")
    first = tmp_path / "a" / "4_4_40" / "0-16_0-16_0-16"
    first.write_bytes(gzip.compress(first.read_bytes())[:-20])
    with pytest.raises(CorruptDataError, match=r"0-16_0-16_0-16 is damaged: it can't be decompressed"):
        wk.Dataset.from_images(tmp_path / "a", tmp_path / "out", (4, 4, 40))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_box_of_compressed_chunks_is_what_was_written(draws: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = precomputed(Path(folder) / "a", offset=(3, 0, 20))
        pack(Path(folder) / "a")
        array = storage.open_array(storage.locate(f"{folder}/a/4_4_40"), "neuroglancerPrecomputed")
        whole = np.zeros((43, 30, 40), "uint16")
        whole[3:, :, 20:] = data
        for _ in range(3):
            start = [draws.draw(st.integers(0, length - 1)) for length in whole.shape]
            shape = [draws.draw(st.integers(1, n - low)) for low, n in zip(start, whole.shape, strict=True)]
            found = array.read(((0, *start), (1, *shape)))[0]
            assert np.array_equal(
                found, whole[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))]
            )


def test_compressed_chunks_that_cant_be_read_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precomputed(tmp_path / "a")
    chunks = pack(tmp_path / "a")
    first = chunks[0].with_name(chunks[0].name + ".gz")
    whole = first.read_bytes()
    read = partial(wk.Dataset.from_images, tmp_path / "a", voxel_size=(4, 4, 40))
    first.write_bytes(whole[:-20])
    with pytest.raises(
        CorruptDataError, match=r"0-16_0-16_0-16\.gz is damaged: it can't be decompressed"
    ) as caught:
        read(output_path=tmp_path / "cut")
    first.write_bytes(whole)
    chunks[0].write_bytes(gzip.decompress(whole))
    with pytest.raises(
        CorruptDataError, match=r"0-16 is there twice, also as 0-16_0-16_0-16\.gz: nobody can say"
    ):
        read(output_path=tmp_path / "twice")
    chunks[0].unlink()
    monkeypatch.setitem(sys.modules, "brotli", None)
    first.rename(first.with_suffix(".br"))
    with pytest.raises(
        UnsupportedOperationError, match=r"compressed as \.br files, for which the package brotli"
    ):
        read(output_path=tmp_path / "brotli")
    assert not (tmp_path / "brotli").exists()
    first.with_suffix(".br").rename(first.with_suffix(".lz4"))
    with pytest.raises(CorruptDataError, match=r"has 1 file called like chunks \(0-16_0-16_0-16\.lz4\)"):
        read(output_path=tmp_path / "other")
    first.with_suffix(".lz4").rename(first)
    # Chunks of other edges are never asked for, either.
    first.rename(first.with_name("0-32_0-16_0-16.gz"))
    with pytest.raises(CorruptDataError, match=r"called like chunks \(0-32_0-16_0-16\.gz\)"):
        read(output_path=tmp_path / "edges")
    assert caught.value.hint == "Restore it from a copy, or copy it again from where it comes."


def test_scales_are_sorted_and_one_alone_keeps_its_mag(tmp_path: Path) -> None:
    place = tmp_path / "a"
    precomputed(place, level=1)
    precomputed(place)
    assert [scale["key"] for scale in json.loads((place / "info").read_text())["scales"]] == [
        "8_8_40",
        "4_4_40",
    ]
    (layer,) = PrecomputedImporter().describe(storage.locate(place))
    assert [(mag.location.name, mag.mag) for mag in layer.mags] == [
        ("4_4_40", (1, 1, 1)),
        ("8_8_40", (2, 2, 1)),
    ]
    alone = storage.locate(place / "8_8_40")
    assert PrecomputedImporter().probe(alone) == ProbeScore.CERTAIN
    (layer,) = PrecomputedImporter().describe(alone)
    assert (layer.name, layer.voxel_size, layer.mags[0].mag) == ("a", (4.0, 4.0, 40.0), (2, 2, 1))
    # A third of the finest is no mag: then it is a resolution of its own.
    document = json.loads((place / "info").read_text())
    document["scales"][0]["resolution"] = [12, 12, 40]
    (place / "info").write_text(json.dumps(document))
    (layer,) = PrecomputedImporter().describe(alone)
    assert (layer.voxel_size, layer.mags[0].mag) == ((12.0, 12.0, 40.0), (1, 1, 1))


def test_a_volume_before_voxel_0_is_moved_and_told(tmp_path: Path) -> None:
    data = precomputed(tmp_path / "a", offset=(-10, 5, 0))
    told = "It begins at voxel -10 along x, where a dataset has none; it was moved to begin at 0"
    with pytest.warns(UserWarning, match=told):
        dataset = wk.Dataset.from_images(tmp_path / "a", tmp_path / "out", (4, 4, 40))
    assert dataset.get_layer("a").bounding_box == wk.BoundingBox((0, 5, 0), (40, 30, 20))
    assert np.array_equal(dataset.get_layer("a").get_mag(1).read()[0], data)
    assert told in str(dataset.import_report)


@pytest.mark.parametrize("index", [None, "none"])
def test_compressed_chunks_of_web_servers_are_found_by_asking(tmp_path: Path, index: str | None) -> None:
    data = precomputed(tmp_path / "web" / "a")
    pack(tmp_path / "web" / "a")
    with serve_files(tmp_path / "web") as server:
        server.index = index
        array = storage.open_array(
            storage.locate(f"{server.url}/a/4_4_40"), "neuroglancerPrecomputed", axes=("c", "x", "y", "z")
        )
        assert np.array_equal(array.read(((0, 0, 0, 0), (1, 40, 30, 20)))[0], data)
        place = storage.locate(f"{server.url}/a/4_4_40")
        told = "The place can't be listed: whether chunks lie there under other names was not checked."
        assert check_chunks(array.array, place) == (told,)


@pytest.mark.parametrize("name", ["0/0/0.gz", "0.0.0", "c/0/0/0"])
def test_n5_blocks_under_other_names_are_refused(tmp_path: Path, name: str) -> None:
    n5(tmp_path / "a.n5", resolution=[4, 4, 40], units="nm")
    block = tmp_path / "a.n5" / "0" / "0" / "0"
    (tmp_path / "a.n5" / name).parent.mkdir(parents=True, exist_ok=True)
    block.rename(tmp_path / "a.n5" / name)
    with pytest.raises(
        CorruptDataError, match=rf"has 1 file called like chunks \({name}\) .* beside 11 that they do"
    ):
        wk.Dataset.from_images(tmp_path / "a.n5", tmp_path / "out", (4, 4, 40))


def test_scales_of_which_nothing_is_stored_are_passed_over_and_told(tmp_path: Path) -> None:
    place = tmp_path / "a"
    precomputed(place)
    data = precomputed(place, level=1)
    shutil.rmtree(place / "4_4_40")
    with pytest.warns(
        UserWarning, match="Nothing is stored of 4_4_40: the finest resolution that is there is 8_8_40"
    ):
        dataset = wk.Dataset.from_images(place, tmp_path / "out", (4, 4, 40))
    assert list(dataset.get_layer("a").mags) == [wk.Mag("2-2-1")]
    assert np.array_equal(dataset.get_layer("a").get_mag("2-2-1").read()[0], data)
    shutil.rmtree(place / "8_8_40")
    with pytest.warns(UserWarning, match="No chunk is stored: all voxels are the fill value 0"):
        wk.Dataset.from_images(place, tmp_path / "empty", (4, 4, 40))
