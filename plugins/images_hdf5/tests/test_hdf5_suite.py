"""The conformance suite on HDF5 files of all kinds; the truth is what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from wkplug.testing import ImageReaderSuite, ImageSample
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def letters(text: str) -> Any:
    return np.frombuffer(text.encode(), "S1")


def write_imaris(path: Path, levels: list[Any], *, unit: str = "um") -> None:
    """Levels have the axes (t, c, z, y, x); voxels of 0.25, 0.5 and 1 um, starting at (-5, 0, 2) um."""
    times, channels, *size = levels[0].shape
    with h5py.File(path, "w") as file:
        file.attrs["ImarisDataSet"] = letters("ImarisDataSet")
        image = file.create_group("DataSetInfo/Image").attrs
        for axis, (low, step, count) in enumerate(
            zip((-5, 0, 2), (0.25, 0.5, 1), reversed(size), strict=True)
        ):
            image[f"ExtMin{axis}"] = letters(str(low))
            image[f"ExtMax{axis}"] = letters(str(low + step * count))
        if unit:
            image["Unit"] = letters(unit)
        for channel, name in enumerate(("DAPI", "(name not specified)", "GFP")[:channels]):
            info = file.create_group(f"DataSetInfo/Channel {channel}").attrs
            info["Name"] = letters(name)
            info["Color"] = letters("0.000 1.000 0.200")
        for level, data in enumerate(levels):
            padded = np.full((times, channels, *(-(-n // 8) * 8 for n in data.shape[2:])), 7, data.dtype)
            padded[tuple(slice(n) for n in data.shape)] = data
            for time, channel in np.ndindex(times, channels):
                group = file.create_group(
                    f"DataSet/ResolutionLevel {level}/TimePoint {time}/Channel {channel}"
                )
                for axis, length in zip("ZYX", data.shape[2:], strict=True):
                    group.attrs[f"ImageSize{axis}"] = letters(str(length))
                group.create_dataset(
                    "Data", data=padded[time, channel], chunks=(8, 8, 8), compression="gzip", fletcher32=True
                )


def write_bdv(path: Path, setups: list[Any], *, size: str, unit: str) -> None:
    """Setups have the axes (t, z, y, x); 16-bit numbers are stored as signed ones, as Java does."""
    views = []
    with h5py.File(path, "w") as file:
        for number, data in enumerate(setups):
            file[f"s{number:02}/resolutions"] = [[1.0, 1, 1], [2, 2, 1]]
            file[f"s{number:02}/subdivisions"] = [[8, 8, 4], [8, 8, 4]]
            for time in range(len(data)):
                for level, step in enumerate((1, 2)):
                    stored = np.ascontiguousarray(data[time, :, ::step, ::step]).view("int16")
                    chunks = tuple(min(length, 4) for length in stored.shape)
                    name = f"t{time:05}/s{number:02}/{level}/cells"
                    file.create_dataset(name, data=stored, chunks=chunks, compression="gzip")
            views.append(
                f"<ViewSetup><id>{number}</id><voxelSize><unit>{unit}</unit><size>{size}</size></voxelSize></ViewSetup>"
            )
    xml = f"<SpimData><SequenceDescription><ViewSetups>{''.join(views)}</ViewSetups></SequenceDescription></SpimData>"
    path.with_suffix(".xml").write_text(xml, encoding="utf-8")


class Hdf5Suite(ImageReaderSuite):
    reader_factory = "wkplug_hdf5.reader:Hdf5Reader"
    foreign = ("hdf5",)


def written(path: Path, data: Any, **options: Any) -> ImageSample:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=data, **options)
    expected = data.astype("uint8") if data.dtype.kind == "b" else data
    return ImageSample(path=path, axes=("q2", "q", "y", "x")[-data.ndim :], expected=expected)


class TestDatasets(Hdf5Suite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        packed = {"compression": "gzip", "fletcher32": True}
        yield written(folder / "plain.h5", noise((33, 45), "uint8"))
        yield written(folder / "chunks.h5", noise((9, 33, 45), "uint16"), chunks=(4, 16, 16), **packed)
        yield written(folder / "big endian.h5", noise((9, 33, 45), ">f4"), chunks=(4, 16, 16))
        yield written(folder / "four.h5", noise((2, 5, 33, 45), "int64"), compression="lzf")
        yield written(folder / "mask.h5", noise((33, 45), "bool"))
        yield written(folder / "large.h5", noise((40, 256, 300), "uint16"), chunks=(8, 64, 64))
        with h5py.File(folder / "two.h5", "w") as file:
            file["volumes/raw"] = noise((5, 6, 7), "uint8")
            file["volumes/labels"] = noise((5, 6, 7), "uint64")
            file["name"] = "a text is no image"
        labels, raw = noise((5, 6, 7), "uint64"), noise((5, 6, 7), "uint8")
        yield ImageSample(path=folder / "two.h5", axes="qyx", expected=labels, scenes=2)
        yield ImageSample(path=folder / "two.h5", axes="qyx", expected=raw, scene=1, scenes=2)


class TestImaris(Hdf5Suite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        data = noise((2, 3, 9, 30, 41), "uint16")
        coarse = np.ascontiguousarray(data[..., :15, :20])
        write_imaris(folder / "a.ims", [data, coarse])
        yield ImageSample(
            path=folder / "a.ims",
            axes="tczyx",
            expected=data,
            levels=(data, coarse),
            voxel_size=(250.0, 500.0, 1000.0),
            origin=(-5000.0, 0.0, 2000.0),
            channel_names=("DAPI", "", "GFP"),
        )


class TestBigDataViewer(Hdf5Suite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        setups = [noise((2, 9, 30, 41), "uint16"), noise((2, 4, 5, 6), "uint16")]
        write_bdv(folder / "a.h5", setups, size="0.2 0.3 1.5", unit="µm")
        for number, data in enumerate(setups):
            yield ImageSample(
                path=folder / "a.h5",
                axes="tzyx",
                expected=data,
                levels=(data, data[:, :, ::2, ::2]),
                scene=number,
                scenes=2,
                voxel_size=(200.0, 300.0, 1500.0),
                companions=(folder / "a.xml",),
            )
