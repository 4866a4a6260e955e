"""The image suite passes on a reader that keeps the contract; see test_image_mutants for those that don't."""

from __future__ import annotations

from toy_images import toy_samples

from wkplug.testing import ImageReaderSuite
from wkplug.testing.reference import ToyReader


class TestToyReader(ImageReaderSuite):
    reader_factory = ToyReader

    def make_samples(self, folder):
        return toy_samples(folder)
