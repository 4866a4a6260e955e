"""What the preview picture shows, and where."""

from __future__ import annotations

import numpy as np
from wkplug_images import sheet

from wkplug.abc import ContactSheet, Panel

BAR = (255, 255, 255)


def test_thin_planes_neither_shorten_the_scale_bar_nor_lose_their_caption() -> None:
    flat = Panel(pixels=np.zeros((512, 512, 3), "uint8"), pixel_size=(8.0, 8.0), caption="xy at z = 3")
    thin = Panel(pixels=np.zeros((512, 6, 3), "uint8"), pixel_size=(40.0, 8.0), caption="zy at x = 512")
    alone = sheet.draw(ContactSheet(title="t", rows=(("em", (flat,)),)))
    both = sheet.draw(ContactSheet(title="t", rows=(("em", (flat, thin)),)))
    longest = [int((np.asarray(picture) == BAR).all(axis=2).sum(axis=1).max()) for picture in (alone, both)]
    assert longest[0] == longest[1] > 60
    # Paper is to the right of everything: the last caption ends inside the picture.
    pixels = np.asarray(both)
    assert (pixels[:, -8:] == pixels[-1, -1]).all()
