"""The demo: real images become datasets with pyramids, are read back, and leave a picture.

The images come from the wheel of the `stardist` package (BSD-3), of which nothing is installed or run: it holds a
fluorescence micrograph with hand-made labels, and a synthetic volume with its labels. Run by `make demo`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import tifffile

import wkplug as wk

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "demo"
OUTPUT = ROOT / "demo-output"

# Any one wheel will do, because it is only unzipped: the same file on every platform.
WHEEL = ("stardist==0.9.2", "--python-version", "311", "--platform", "manylinux_2_28_x86_64")

JOBS = (
    # name, image, labels, voxel size in nm, what to say
    (
        "nuclei-2d",
        "img2d.tif",
        "mask2d.tif",
        (500, 500, 500),
        "a real fluorescence image of nuclei, 2-D, with labels",
    ),
    (
        "nuclei-3d",
        "img3d.tif",
        "mask3d.tif",
        (500, 500, 1000),
        "a synthetic volume of nuclei, 3-D, with labels",
    ),
)


def main() -> None:
    """Import, downsample, read back, draw."""
    images = sample_images()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    for name, image, labels, voxel_size, what in JOBS:
        target = OUTPUT / name
        say(f"\n{name}: {what} (voxel size assumed)")
        wkplug(
            "convert",
            images / image,
            target,
            "--voxel-size",
            ",".join(map(str, voxel_size)),
            "--layer-name",
            "image",
        )
        dataset = wk.Dataset.open(target)
        dataset.add_layer_from_images(images / labels, "labels", "segmentation")
        flat = dataset.get_layer("labels").bounding_box.size_xyz.z == 1
        dataset.get_layer("labels").downsample(sampling_mode="constant_z" if flat else "anisotropic")
        check(dataset, "image", images / image)
        check(dataset, "labels", images / labels)
        wkplug("info", target)
        wkplug("preview", target, "-o", OUTPUT / f"{name}.png")
    say(f"\nDone. Look at {OUTPUT.name}/nuclei-2d.png and {OUTPUT.name}/nuclei-3d.png")


def sample_images() -> Path:
    """Fetch the wheel once and unzip its images; give their folder."""
    folder = CACHE / "stardist" / "data" / "images"
    if not (folder / "mask3d.tif").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        say("Fetching sample images (3 MB) ...")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        subprocess.run([*command, "--only-binary", ":all:", "--dest", str(CACHE), *WHEEL], check=True)
        for wheel in CACHE.glob("stardist-*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                wanted = [
                    item
                    for item in archive.namelist()
                    if item.startswith("stardist/data/images/") or "LICENSE" in item
                ]
                archive.extractall(CACHE, wanted)
    return folder


def check(dataset: wk.Dataset, layer: str, source: Path) -> None:
    """Read a layer back and compare it with the file, voxel by voxel."""
    expected = np.atleast_3d(tifffile.imread(source).T)
    found = dataset.get_layer(layer).get_mag(1).read()[0]
    if not np.array_equal(found, expected):
        sys.exit(f"{layer} differs from {source.name}")
    say(f"{layer}: read back, {found.size:,} voxels equal to {source.name}")


def wkplug(*arguments: object) -> None:
    """Run a command of the command line as a user would."""
    words = [str(argument) for argument in arguments]
    shown = [
        Path(word).relative_to(ROOT).as_posix() if word.startswith(str(ROOT)) else word for word in words
    ]
    say(f"$ wkplug {' '.join(shown)}")
    subprocess.run([Path(sys.executable).parent / "wkplug", *words], check=True)


def say(text: str) -> None:
    """Print at once, so that the lines of commands come in order."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
