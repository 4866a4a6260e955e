"""`ImageReaderSuite`: all promises of `wkplug.abc.ImageReader` and `Image` as tests to inherit.

A plugin tests a reader with real files, and with what a second, independent reader finds in them::

    from wkplug.testing import ImageReaderSuite, ImageSample


    class TestMine(ImageReaderSuite):
        reader_factory = "wkplug_mine.reader:MyReader"

        def make_samples(self, folder):
            path = download_or_write(folder / "a.mine")
            yield ImageSample(path=path, axes="zyx", expected=otherlib.read(path), voxel_size=(4, 4, 40))

What is skipped is by a declaration ("by capability: ..."): `needs_local_path`, `has_magic`, or because no sample
is large enough to count bytes. `samples` says what a sample may hold, `reference` is a reader of a small format of
its own that keeps all promises.
"""

from __future__ import annotations

from wkplug.testing.images.damage import DamagePart
from wkplug.testing.images.handles import HandlesPart
from wkplug.testing.images.opening import OpeningPart
from wkplug.testing.images.reading import ReadingPart
from wkplug.testing.images.samples import ImageSample
from wkplug.testing.images.thrift import ThriftPart

__all__ = ["ImageReaderSuite", "ImageSample"]


class ImageReaderSuite(OpeningPart, ReadingPart, HandlesPart, ThriftPart, DamagePart):
    """The conformance tests of image readers; see the module's text for how to use it."""
