"""What a suite of image tests needs: samples with what a second reader found in them, and the reader under test."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import numpy as np
import pytest

from wkplug.testing.checks import breaks, holds, inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from wkplug.abc import Box, Image, ImageReader, Location

__all__ = ["ImageBench", "ImageFixtures", "ImageSample"]

_MADE = pytest.StashKey["tuple[ImageSample, ...]"]()


def _letters(axes: Any) -> tuple[str, ...]:
    return tuple(axes)


@attrs.frozen(kw_only=True, eq=False)
class ImageSample:
    """One image of a file, and the truth about it, which does not come from the reader under test.

    axes: those of the file, as letters ("tzcyx") or names, in its order; expected: its voxels in that order.
    tolerance: how far voxels may be off, for lossy codecs that two libraries decode differently.
    voxel_size, origin: in nanometres along (x, y, z), None where the file doesn't say: both are compared.
    channel_names, levels, scenes: compared if given. `levels` are the voxels of all levels, the first included.
    companions: files that belong to it, for formats of several files.
    damage: whether copies of it are cut and scribbled on (files of up to 4 MB); `checksums` says that every
    change of a voxel is noticed, so that a damaged copy gives an error or the right voxels.
    """

    path: Path
    axes: tuple[str, ...] = attrs.field(converter=_letters)
    expected: NDArray[Any]
    tolerance: float = 0.0
    scene: int = 0
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    origin: tuple[float | None, float | None, float | None] = (None, None, None)
    channel_names: tuple[str, ...] | None = None
    levels: tuple[NDArray[Any], ...] = ()
    scenes: int | None = None
    companions: tuple[Path, ...] = ()
    damage: bool = True
    checksums: bool = False
    name: str = attrs.field(default="", converter=str)

    def __str__(self) -> str:
        return self.name or (f"{self.path.name} scene {self.scene}" if self.scene else self.path.name)


@attrs.frozen(kw_only=True)
class ImageBench:
    """The reader under test, its samples, and a fresh folder."""

    reader: ImageReader
    samples: tuple[ImageSample, ...]
    folder: Path

    def place(self, path: Path) -> Location:
        """The place of a file."""
        from wkplug.filesystems.local import LocalLocation

        return LocalLocation(str(path))

    def open(self, sample: ImageSample) -> Image:
        """Open a sample."""
        return self.reader.open(self.place(sample.path), scene=sample.scene)

    def files(self) -> list[ImageSample]:
        """One sample per file, folders left out."""
        first = {sample.path: sample for sample in reversed(self.samples) if sample.path.is_file()}
        return list(first.values())


class ImageFixtures:
    """Finds the reader under test and makes the samples; what authors set and override.

    reader_factory: "package.module:attribute" or a callable, called with `settings`, as the registry does.
    """

    reader_factory: ClassVar[str | Callable[..., ImageReader] | None] = None
    settings: ClassVar[dict[str, Any]] = {}
    needs_local_path: ClassVar[bool] = False
    """Whether the reader refuses places elsewhere, because its library takes paths only."""
    has_magic: ClassVar[bool] = True
    """Whether files are recognised by their bytes; if not, `probe` goes by their name."""
    foreign: ClassVar[tuple[str, ...]] = ()
    """Names of heads (see `wkplug.testing.images.opening.HEADS`) that are this reader's own, or that it takes too."""

    def make_samples(self, folder: Path) -> Iterable[ImageSample]:
        """Write or fetch the samples; called once per class, `folder` is empty and stays until the end."""
        del folder
        breaks(f"{type(self).__name__} says with `make_samples` what files it reads")

    @pytest.fixture
    def image_reader(self) -> ImageReader:
        """The reader under test."""
        factory = inspect.getattr_static(type(self), "reader_factory", None)
        if isinstance(factory, staticmethod):
            factory = factory.__func__
        if isinstance(factory, str):
            module, _, attribute = factory.partition(":")
            factory = getattr(import_module(module), attribute)
        if factory is None:
            pytest.fail(f"{type(self).__name__} must name its reader: `reader_factory`")
        made: ImageReader = factory(dict(self.settings))
        return made

    @pytest.fixture
    def bench(
        self,
        image_reader: ImageReader,
        request: pytest.FixtureRequest,
        tmp_path_factory: pytest.TempPathFactory,
        tmp_path: Path,
    ) -> ImageBench:
        """Reader, samples and a fresh folder."""
        node = request.node.getparent(pytest.Class)
        if _MADE not in node.stash:
            samples = tuple(self.make_samples(tmp_path_factory.mktemp("samples")))
            holds(samples, "a suite has at least one sample", suite=type(self).__name__)
            node.stash[_MADE] = samples
        return ImageBench(reader=image_reader, samples=node.stash[_MADE], folder=tmp_path)

    def need(self, condition: object, capability: str) -> None:
        """Skip the rest of a test because of what the suite's author declared."""
        if not condition:
            pytest.skip(f"by capability: {capability}")


def compare(
    actual: Any, expected: NDArray[Any], promise: str, *, tolerance: float = 0.0, **facts: Any
) -> None:
    """Fail unless both arrays have the same shape and dtype, native byte order, and voxels."""
    if not isinstance(actual, np.ndarray):
        breaks(promise, got=f"{type(actual).__name__}, not a numpy array", **facts)
    if actual.shape != expected.shape:
        breaks(promise, got=f"shape {actual.shape}", expected=f"shape {expected.shape}", **facts)
    if actual.dtype != expected.dtype.newbyteorder("=") or not actual.dtype.isnative:
        breaks(promise, got=f"dtype {actual.dtype.str}", expected=expected.dtype.name, **facts)
    wrong = differing(actual, expected, tolerance)
    if wrong.any():
        places = np.argwhere(wrong)
        first, last = tuple(int(v) for v in places[0]), tuple(int(v) for v in places[-1])
        breaks(
            promise,
            **facts,
            wrong=f"{len(places)} of {actual.size} voxels, from index {first} to {last} of the result",
            first=f"{actual[first]!r} where {expected[first]!r} was expected",
        )


def differing(actual: NDArray[Any], expected: NDArray[Any], tolerance: float) -> NDArray[np.bool_]:
    """Where voxels differ; any NaN equals any other."""
    wrong: NDArray[np.bool_]
    if tolerance:
        return np.asarray(np.abs(actual.astype("float64") - expected.astype("float64")) > tolerance)
    wrong = np.asarray(actual != expected)
    if actual.dtype.kind == "f":
        wrong &= ~(np.isnan(actual) & np.isnan(expected))
    return wrong


def part(data: NDArray[Any], box: Box) -> NDArray[Any]:
    """The voxels that a box must have."""
    return data[inside(box)]
