"""Samples of the toy format, whose reader keeps all promises."""

from __future__ import annotations

import numpy as np

from wkplug.testing import ImageSample
from wkplug.testing.bench import noise
from wkplug.testing.reference import write_toy


def toy_samples(folder):
    """Odd shapes, levels, scenes, and a file that is large enough to count bytes."""
    first = [noise((5, 33, 41), "uint16"), noise((5, 17, 21), "uint16", seed=2)]
    second = [noise((3, 20, 9), "uint16", seed=3)]
    path = folder / "levels and scenes.toy"
    write_toy(path, [first, second], "zyx", (2, 16, 16), (4.0, 4.0, None))
    for scene, levels in enumerate((first, second)):
        yield ImageSample(path=path, axes="zyx", expected=levels[0], levels=tuple(levels), scene=scene, scenes=2,
                          voxel_size=(4.0, 4.0, None), checksums=True)  # fmt: skip
    path = folder / "plain.toy"
    data = noise((31, 17, 3), "float32")
    write_toy(path, [[data]], "yxs", (31, 17, 3))
    yield ImageSample(path=path, axes="yxs", expected=data, scenes=1)
    path = folder / "large.toy"
    data = np.zeros((40, 400, 300), "uint8")
    data[::3, 5:300:7] = 9
    write_toy(path, [[data]], "zyx", (8, 64, 64))
    yield ImageSample(path=path, axes="zyx", expected=data)
